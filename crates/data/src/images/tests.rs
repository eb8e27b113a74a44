use super::*;
use crate::load as load_dataset;

const TARGET: ImageShape = ImageShape::new(28, 28, 1);

fn png(width: u32, height: u32, kind: png::ColorType, values: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(kind);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.write_header().unwrap().write_image_data(values).unwrap();
    bytes
}

fn prepare_png(bytes: &[u8], shape: ImageShape) -> Result<Prepared> {
    prepare(bytes, Path::new("test.png"), shape, Options::for_shape(shape))
}

#[test]
fn a_digit_comes_back_as_it_was_also_from_black_on_white() {
    let mnist = load_dataset("mnist").unwrap();
    for index in [0, 7, 4711] {
        let digit = mnist.train.image(index).unwrap();
        let expected: Vec<f32> = digit.iter().map(|&value| scale(value)).collect();
        let same = prepare_png(&png(28, 28, png::ColorType::Grayscale, digit), TARGET).unwrap();
        assert_eq!((same.pixels, same.changes), (expected.clone(), vec![]));

        let paper: Vec<u8> = digit.iter().map(|&value| 255 - value).collect();
        let inverted = prepare_png(&png(28, 28, png::ColorType::Grayscale, &paper), TARGET).unwrap();
        assert_eq!(
            (inverted.pixels, inverted.changes),
            (expected.clone(), vec![Change::Inverted { border: 1.0 }])
        );

        // Ink with a transparent ground: white paper once flattened.
        let ink: Vec<u8> = digit.iter().flat_map(|&value| [0, 0, 0, value]).collect();
        let flat = prepare_png(&png(28, 28, png::ColorType::Rgba, &ink), TARGET).unwrap();
        assert_eq!(flat.pixels, expected);
        assert_eq!(flat.changes, [Change::LaidOverWhite, Change::Inverted { border: 1.0 }]);
    }
}

#[test]
fn a_colour_picture_becomes_grey_and_small() {
    let red: Vec<u8> = [200, 30, 40].repeat(64 * 42);
    let small = prepare_png(&png(64, 42, png::ColorType::Rgb, &red), TARGET).unwrap();
    let luma = ((200 * 19_595 + 30 * 38_470 + 40 * 7_471 + 0x8000) >> 16) as f32 / 255.0;
    assert!(small.pixels.len() == 784 && small.pixels.iter().all(|&pixel| pixel == luma));
    let said: Vec<String> = small.changes.iter().map(ToString::to_string).collect();
    assert_eq!(said, ["converted colour to grey", "resized from 64x42 to 28x28"]);
}

#[test]
fn grey_becomes_colour_without_inversion() {
    let shape = ImageShape::new(2, 2, 3);
    let colour = prepare_png(&png(2, 2, png::ColorType::Grayscale, &[255, 255, 255, 0]), shape).unwrap();
    assert_eq!(colour.pixels, [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0]);
    assert_eq!(colour.changes, [Change::GreyToColour]);
}

#[test]
fn shrinking_is_antialiased() {
    let stripes: Vec<u8> = (0..64 * 64).map(|at| if at % 2 == 0 { 0 } else { 254 }).collect();
    let small = prepare(
        &png(64, 64, png::ColorType::Grayscale, &stripes),
        Path::new("test.png"),
        ImageShape::new(8, 8, 1),
        Options { background: Background::Any, ..Options::for_shape(ImageShape::new(8, 8, 1)) },
    );
    let inner = &small.unwrap().pixels[9..15];
    assert!(inner.iter().all(|pixel| (pixel - 127.0 / 255.0).abs() < 0.01), "{inner:?}");
}

#[test]
fn orientations_undo_each_other() {
    let picture = Picture { shape: ImageShape::new(2, 3, 1), values: vec![1, 2, 3, 4, 5, 6] };
    // By the standard: 6 is to be turned a quarter clockwise, 8 a quarter back.
    assert_eq!(convert::orient(picture.clone(), 6).values, [4, 1, 5, 2, 6, 3]);
    assert_eq!(convert::orient(picture.clone(), 2).values, [3, 2, 1, 6, 5, 4]);
    for (there, back) in [(2, 2), (3, 3), (4, 4), (5, 5), (6, 8), (7, 7), (8, 6)] {
        assert_eq!(convert::orient(convert::orient(picture.clone(), there), back), picture, "{there}");
    }
}

#[test]
fn errors_name_the_file_and_the_fault() {
    let good = png(28, 28, png::ColorType::Grayscale, &[9; 784]);
    let mut huge = good.clone();
    huge[16..24].copy_from_slice(&[0, 1, 0x86, 0xa0, 0, 1, 0x86, 0xa0]); // 100,000 × 100,000, with a wrong checksum
    for (bytes, expected) in [
        (&b"GIF89a"[..], "damaged GIF"),
        (b"hello", "not PNG, JPEG, GIF, BMP or WebP by its first bytes"),
        (b"II*\0", "a TIFF file"),
        (b"BM", "damaged BMP"),
        (b"RIFF\0\0\0\0WEBP", "damaged WebP"),
        (b"", "empty"),
        (&good[..good.len() / 2], "damaged PNG"),
        (&huge, "PNG"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF", "damaged JPEG"),
    ] {
        let error = prepare_png(bytes, TARGET).unwrap_err().to_string();
        assert!(error.starts_with("test.png: ") && error.contains(expected), "{error} / {expected}");
    }
    let missing = load(Path::new("no such.png"), TARGET, Background::Any).unwrap_err().to_string();
    assert_eq!(missing, "no such.png: not found; expected a PNG, JPEG, GIF, BMP or WebP file");
    assert!(load(Path::new("."), TARGET, Background::Any).unwrap_err().to_string().starts_with(".: cannot"));
    assert!(matches!(prepare_png(&good, ImageShape::new(28, 28, 2)), Err(DataError::Shape { .. })));
    let wide = png(50_000, 2_100, png::ColorType::Grayscale, &vec![0; 105_000_000]);
    assert!(matches!(prepare_png(&wide, TARGET), Err(DataError::TooLarge { .. })));
}

#[test]
fn jpegs_are_read_and_torn_ones_refused() {
    let bytes = include_bytes!("../../tests/files/turned.jpg");
    let shape = ImageShape::new(24, 16, 3);
    let read = |bytes: &[u8]| {
        prepare(
            bytes,
            Path::new("turned.jpg"),
            shape,
            Options { background: Background::Any, ..Options::for_shape(shape) },
        )
    };
    let picture = read(bytes).unwrap();
    // Stored lying, 24x16, its upper half red; EXIF orientation 6 brings red to the right.
    assert_eq!(picture.changes, [Change::Oriented(6)]);
    let pixel = |row: usize, column: usize| &picture.pixels[(row * 16 + column) * 3..][..3];
    assert!(pixel(12, 14)[0] > 0.9 && pixel(12, 14)[2] < 0.1, "{:?}", pixel(12, 14));
    assert!(pixel(12, 1)[0] < 0.1 && pixel(12, 1)[2] > 0.9, "{:?}", pixel(12, 1));
    assert!(read(&bytes[..bytes.len() - 40]).unwrap_err().to_string().contains("damaged JPEG"));
}

#[test]
fn mutated_pictures_never_panic() {
    let grey: Vec<u8> = (0..784).map(|at| (at * 7) as u8).collect();
    let seeds = [
        png(28, 28, png::ColorType::Grayscale, &grey),
        include_bytes!("../../tests/files/turned.jpg").to_vec(),
    ];
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    for case in 0..4_000 {
        let mut bytes = seeds[case % 2].clone();
        for _ in 0..1 + next(3) {
            let at = next(bytes.len());
            bytes[at] = next(256) as u8;
        }
        let _ = prepare_png(&bytes, TARGET);
    }
}

#[test]
fn the_middle_is_cut_before_resizing() {
    let columns: Vec<u8> = (0..8 * 4).map(|at| (at % 8) as u8 * 10).collect();
    let cut = |fit| {
        let shape = ImageShape::new(2, 2, 1);
        let options = Options { background: Background::Any, fit, resampling: Resampling::Nearest };
        let bytes = png(8, 4, png::ColorType::Grayscale, &columns);
        let found = prepare(&bytes, Path::new("columns.png"), shape, options).unwrap();
        let bytes: Vec<u8> = found.pixels.iter().map(|pixel| (pixel * 255.0).round() as u8).collect();
        (bytes, found.changes)
    };
    let resized = |from| Change::Resized { from, to: (2, 2) };
    assert_eq!(cut(Fit::Stretch), (vec![20, 60, 20, 60], vec![resized((8, 4))]));
    let cropped = |to| Change::Cropped { from: (8, 4), to };
    assert_eq!(cut(Fit::Crop), (vec![30, 50, 30, 50], vec![cropped((4, 4)), resized((4, 4))]));
    assert_eq!(cut(Fit::CropShare(0.5)), (vec![30, 40, 30, 40], vec![cropped((2, 2))]));
}
