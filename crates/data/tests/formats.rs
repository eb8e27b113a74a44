//! Pictures of every format against what Pillow sees in them (`files/make.py`).

mod common;

use std::path::{Path, PathBuf};

use convnet_data::images::{self, Background, Fit, Options, Resampling};
use convnet_data::{DataError, ImageShape};

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/files").join(name)
}

fn options(shape: ImageShape) -> Options {
    Options { background: Background::Any, ..Options::for_shape(shape) }
}

#[test]
fn every_format_gives_what_pillow_sees() {
    let seen: serde_json::Value = serde_json::from_str(include_str!("files/formats.json")).unwrap();
    let seen = seen.as_object().unwrap();
    assert!(seen.len() >= 14);
    for (name, expected) in seen {
        let sides = [0, 1].map(|axis| expected["shape"][axis].as_u64().unwrap() as usize);
        let shape = ImageShape::new(sides[0], sides[1], 3);
        let found = images::load_with(&file(name), shape, options(shape)).unwrap();
        assert!(
            !found.changes.iter().any(|change| matches!(change, images::Change::Resized { .. })),
            "{name}"
        );
        let pixels: Vec<f32> =
            found.pixels.chunks(3).step_by(7).flatten().map(|pixel| pixel * 255.0).collect();
        // Decoders of lossy files differ in how they bring colours up to size.
        let most = match name.as_str() {
            "lossy.webp" => 12.0,
            "cmyk.jpg" => 6.0,
            name if name.ends_with(".jpg") => 2.0,
            _ => 1.0,
        };
        assert_eq!(pixels.len(), expected["pixels"].as_array().unwrap().len(), "{name}");
        for (at, (ours, theirs)) in pixels.iter().zip(common::floats(&expected["pixels"])).enumerate() {
            assert!((ours - theirs).abs() <= most, "{name} at {at}: {ours} and {theirs}");
        }
    }
}

#[test]
fn channels_are_as_asked_for() {
    let alpha = |name: &str| {
        let shape = ImageShape::new(16, 24, 4);
        images::load_with(&file(name), shape, options(shape)).unwrap().pixels
    };
    let column = |column: usize| (alpha("alpha.webp")[column * 4 + 3] * 255.0).round();
    assert_eq!([column(0), column(1), column(23)], [0.0, 11.0, 253.0]);
    // The fourth byte of a bitmap without masks says nothing, whoever wrote it.
    assert!(alpha("alpha.bmp").chunks(4).all(|pixel| pixel[3] == 1.0));
    assert!(alpha("picture.bmp").chunks(4).all(|pixel| pixel[3] == 1.0));
    let grey = images::read(&file("grey.jpg")).unwrap();
    assert_eq!(grey.dim(), (16, 24, 1));
}

#[test]
fn padding_is_black_and_in_the_middle() {
    let shape = ImageShape::new(24, 24, 3);
    let padded = Options { fit: Fit::Pad, resampling: Resampling::TfBilinear, ..options(shape) };
    let found = images::load_with(&file("picture.bmp"), shape, padded).unwrap();
    let row = |row: usize| &found.pixels[row * 72..(row + 1) * 72];
    assert!(row(3).iter().all(|&pixel| pixel == 0.0) && row(20).iter().all(|&pixel| pixel == 0.0));
    assert!(row(4)[5] > 0.1 && row(19)[5] > 0.1);
    let said: Vec<String> = found.changes.iter().map(ToString::to_string).collect();
    assert_eq!(said, ["padded with black from 24x16 to 24x24"]);
}

#[test]
fn damaged_files_are_errors_and_never_panics() {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    let shape = ImageShape::new(16, 24, 3);
    for name in [
        "picture.gif",
        "picture.bmp",
        "packed.bmp",
        "masks.bmp",
        "two.bmp",
        "lossy.webp",
        "lossless.webp",
        "cmyk.jpg",
    ] {
        let whole = std::fs::read(file(name)).unwrap();
        let read = |bytes: &[u8]| images::prepare(bytes, Path::new(name), shape, options(shape));
        for length in 0..(whole.len() * 3 / 4).min(80) {
            let error = read(&whole[..length]).unwrap_err();
            assert!(matches!(error, DataError::Malformed { .. }), "{name} cut to {length}: {error}");
        }
        // Sizes stay as they are, or most of the time would go to pictures of a hundred million pixels.
        let sides = match name.rsplit('.').next() {
            Some("gif") => 6..10,
            Some("bmp") => 18..26,
            _ => 20..34,
        };
        for _ in 0..300 {
            let mut bytes = whole.clone();
            for _ in 0..1 + next(3) {
                let at = next(bytes.len().min(200));
                if !sides.contains(&at) {
                    bytes[at] = next(256) as u8;
                }
            }
            let _ = read(&bytes);
        }
    }
    let mut huge = std::fs::read(file("picture.bmp")).unwrap();
    huge[18..26].copy_from_slice(&[0, 0, 1, 0, 0, 0, 1, 0]);
    let error = images::prepare(&huge, Path::new("huge.bmp"), shape, options(shape)).unwrap_err();
    assert!(matches!(error, DataError::TooLarge { .. }), "{error}");
}

#[test]
fn load_img_of_keras_gives_the_same() {
    let golden: serde_json::Value = serde_json::from_str(include_str!("golden/keras.json")).unwrap();
    let cases = golden["photos"].as_array().unwrap();
    assert_eq!(cases.len(), 30);
    for case in cases {
        let side = |at: usize| case["size"][at].as_u64().unwrap() as usize;
        let shape = ImageShape::new(side(0), side(1), 3);
        let fit = if case["keep_aspect_ratio"] == true { Fit::Crop } else { Fit::Stretch };
        let resampling: Resampling = match case["interpolation"].as_str().unwrap() {
            "box" => Resampling::Area,
            name => name.parse().unwrap(),
        };
        let ours =
            images::load_with(&file("picture.bmp"), shape, Options { fit, resampling, ..options(shape) })
                .unwrap();
        let theirs = case["values"].as_array().unwrap();
        assert_eq!(ours.pixels.len(), theirs.len());
        let differences = ours
            .pixels
            .iter()
            .zip(theirs)
            .map(|(ours, theirs)| (255.0 * f64::from(*ours) - theirs.as_f64().unwrap()).abs());
        let worst = differences.fold(0.0, f64::max);
        assert!(worst < 1.01, "{resampling:?} {fit:?} to {shape:?}: differs by {worst}");
    }
}
