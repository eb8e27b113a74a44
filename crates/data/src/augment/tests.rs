//! What holds for every kind of change, and marks that move with their pixels.

use ndarray::{Array2, Array3, s};
use serde_json::Map;

use super::apply::{self, Part};
use super::*;

/// A picture of noise.
fn noise(height: usize, width: usize, channels: usize, seed: u64) -> Array3<f32> {
    let mut draw = Draw::new(seed, 0, 0, 0);
    Array3::from_shape_simple_fn((height, width, channels), || draw.between(0.0, 256.0).floor())
}

/// A white rectangle on black with its box, mask and corners.
fn rectangle(size: [usize; 2], mark: BoxF) -> Annotated {
    let inside = |row: usize, column: usize| {
        let (x, y) = (column as f32 + 0.5, row as f32 + 0.5);
        x > mark.x0 && x < mark.x1 && y > mark.y0 && y < mark.y1
    };
    let image = Array3::from_shape_fn(
        (size[0], size[1], 3),
        |(row, column, _)| {
            if inside(row, column) { 255.0 } else { 0.0 }
        },
    );
    let mask = Array2::from_shape_fn((size[0], size[1]), |(row, column)| u8::from(inside(row, column)));
    let points = vec![[mark.x0, mark.y0], [mark.x1, mark.y1]];
    Annotated { image, boxes: vec![mark], masks: vec![mask], points }
}

/// The box around the pixels that `holds`.
fn around(size: [usize; 2], holds: impl Fn(usize, usize) -> bool) -> BoxF {
    let mut found = BoxF::new(f32::INFINITY, f32::INFINITY, 0.0, 0.0);
    for row in 0..size[0] {
        for column in 0..size[1] {
            if holds(row, column) {
                let (x, y) = (column as f32, row as f32);
                found =
                    BoxF::new(found.x0.min(x), found.y0.min(y), found.x1.max(x + 1.0), found.y1.max(y + 1.0));
            }
        }
    }
    found
}

fn gap(a: BoxF, b: BoxF) -> f32 {
    [a.x0 - b.x0, a.y0 - b.y0, a.x1 - b.x1, a.y1 - b.y1].into_iter().map(f32::abs).fold(0.0, f32::max)
}

#[test]
fn marks_move_with_their_pixels() {
    let size = [90, 120];
    for text in [
        "rotate=25:fill=constant",
        "rotate=180:fill=constant",
        "shear=20:fill=constant",
        "shift=0.1:fill=constant",
        "zoom=0.25:fill=constant",
        "flip:p=1",
        "flip-vertical:p=1",
        "crop=80x100",
        "crop:padding=12",
        "resized-crop=0.8",
        "crop=70,rotate=10:fill=constant,flip,zoom=0.2:fill=constant,shear=5:fill=constant",
    ] {
        let pipeline: Pipeline = text.parse().unwrap();
        for index in 0..40 {
            let mut place = Draw::new(5, 0, index, 0);
            let (x, y) = (place.between(35.0, 55.0).round(), place.between(30.0, 40.0).round());
            let (width, height) = (place.between(14.0, 25.0).round(), place.between(12.0, 20.0).round());
            let mut sample = rectangle(size, BoxF::new(x, y, x + width, y + height));
            pipeline.apply(3, 1, index, &mut sample);
            let now = sample.size();
            let told = format!("{text} {index}: {:?}", sample.boxes);
            let mask = around(now, |row, column| sample.masks[0][[row, column]] == 1);
            let bright = around(now, |row, column| sample.image[[row, column, 0]] > 127.5);
            // A rectangle that stands on a corner has a corner that hides between pixels.
            let turned = text.contains("rotate") || text.contains("shear");
            let most = if turned { 2.3 } else { 1.2 };
            assert!(gap(mask, bright) <= 1.0, "{told} {mask:?} {bright:?}");
            assert!(gap(mask, sample.boxes[0]) < most, "{told} {mask:?}");
            // Two opposite corners are within the box, unless a step before has cut it.
            for [x, y] in sample.points.into_iter().filter(|_| !text.contains(',')) {
                let mark = sample.boxes[0];
                let inside =
                    x > mark.x0 - 0.01 && x < mark.x1 + 0.01 && y > mark.y0 - 0.01 && y < mark.y1 + 0.01;
                let clipped = x < 0.0 || y < 0.0 || x > now[1] as f32 || y > now[0] as f32;
                assert!(inside || clipped, "{told} {x} {y}");
            }
        }
    }
}

#[test]
fn what_leaves_the_picture_keeps_its_place_in_the_lists() {
    let mut sample = rectangle([20, 20], BoxF::new(1.0, 1.0, 4.0, 4.0));
    sample.boxes.push(BoxF::new(10.0, 10.0, 15.0, 15.0));
    apply::crop(&mut sample, Part { top: 8, left: 8, height: 10, width: 10 }, Fill::Nearest, 0.0);
    assert!(sample.boxes[0].is_empty() && sample.boxes[1] == BoxF::new(2.0, 2.0, 7.0, 7.0));
    assert_eq!(sample.points[0], [-7.0, -7.0]);
    assert_eq!(sample.masks[0].sum(), 0);
    // An empty box stays one.
    Warp {
        matrix: Matrix::rotation(30.0).about_middle([10, 10]),
        fill: Fill::Constant,
        value: 0.0,
        interpolation: Interpolation::Bilinear,
    }
    .apply(&mut sample);
    assert!(sample.boxes[0].is_empty() && !sample.boxes[1].is_empty());
}

#[test]
fn flips_twice_and_turns_of_90_degrees_are_exact() {
    for (height, width) in [(4, 5), (5, 4), (1, 7), (6, 1)] {
        let mut sample = Annotated::new(noise(height, width, 3, 1));
        sample.masks.push(Array2::from_shape_fn((height, width), |(row, column)| (row * 10 + column) as u8));
        sample.boxes.push(BoxF::new(0.0, 0.0, 1.0, 1.0));
        sample.points.push([0.5, 0.75]);
        for axis in [0, 1] {
            let before = sample.clone();
            apply::mirror(&mut sample, axis);
            let mut by_hand = before.image.clone();
            by_hand.invert_axis(ndarray::Axis(axis));
            assert_eq!(sample.image, by_hand);
            apply::mirror(&mut sample, axis);
            assert_eq!(sample, before);
        }
    }
    let image = noise(9, 9, 3, 2);
    let quarter = |degrees| Warp {
        matrix: Matrix::rotation(degrees).about_middle([9, 9]),
        fill: Fill::Nearest,
        value: 0.0,
        interpolation: Interpolation::Nearest,
    };
    let turned = quarter(90.0).image(&image);
    let mut expected = image.view().permuted_axes([1, 0, 2]);
    expected.invert_axis(ndarray::Axis(0));
    assert_eq!(turned, expected, "anticlockwise");
    assert_eq!(quarter(-90.0).image(&turned), image);
}

#[test]
fn matrices_have_their_inverses() {
    let matrix = Matrix::rotation(33.0)
        .then(Matrix::shift(4.0, -9.0))
        .then(Matrix::zoom(0.5, 2.0))
        .about_middle([30, 17]);
    let there = matrix.apply([3.0, 8.0]);
    let back = matrix.inverse().unwrap().apply(there);
    assert!((back[0] - 3.0).abs() < 1e-9 && (back[1] - 8.0).abs() < 1e-9);
    assert_eq!(Matrix::zoom(0.0, 1.0).inverse(), None);
    assert_eq!(Matrix::IDENTITY.then(matrix), matrix);
}

#[test]
fn warps_of_any_matrix_stay_within_the_picture() {
    let mut draw = Draw::new(9, 0, 0, 0);
    for case in 0..300 {
        let size = [1 + draw.below(12), 1 + draw.below(12)];
        let image = noise(size[0], size[1], 1 + case % 4, case as u64);
        let scale = [0.01, 1.0, 1e3, 1e12][case % 4];
        let matrix = Matrix([0, 1].map(|_| [0, 1, 2].map(|_| f64::from(draw.between(-scale, scale)))));
        for fill in [Fill::Nearest, Fill::Constant, Fill::Reflect, Fill::Wrap] {
            for interpolation in [Interpolation::Nearest, Interpolation::Bilinear] {
                let warp = Warp { matrix, fill, value: 7.0, interpolation };
                let found = warp.image(&image);
                assert!(found.iter().all(|value| (0.0..=255.001).contains(value)), "{warp:?}");
                warp.apply(&mut rectangle(size, BoxF::new(0.0, 0.0, 1.0, 1.0)));
            }
        }
    }
    // Numbers that are none, and pictures of nothing, do no harm.
    let warp = Warp {
        matrix: Matrix([[f64::NAN; 3], [f64::INFINITY; 3]]),
        fill: Fill::Reflect,
        value: 0.0,
        interpolation: Interpolation::Bilinear,
    };
    warp.image(&noise(3, 3, 3, 0));
    warp.image(&Array3::zeros((0, 3, 3)));
    warp.image(&Array3::zeros((3, 3, 0)));
}

#[test]
fn each_kind_keeps_its_promises() {
    assert!(KINDS.is_sorted_by_key(|kind| kind.name));
    for kind in KINDS {
        let made = kind.make(Map::new());
        // Cropping has no size that would be right for all.
        let text =
            if kind.name == "crop" { "crop:padding=2:p=1".into() } else { format!("{}:p=1", kind.name) };
        assert_eq!(made.is_err(), kind.name == "crop", "{}", kind.name);
        for text in [text.as_str(), kind.example] {
            let pipeline: Pipeline = text.parse().unwrap();
            let step = &pipeline.steps()[0];
            assert_eq!(step.name(), kind.name);
            // Written down and read again it is the same.
            let again: Pipeline = pipeline.to_string().parse().unwrap();
            assert_eq!(again.config(), pipeline.config());
            assert_eq!(Pipeline::from_config(&pipeline.config()).unwrap().config(), pipeline.config());
            for (height, width, channels) in
                [(20, 31, 3), (31, 20, 1), (5, 4, 2), (3, 3, 4), (1, 1, 3), (2, 1, 1)]
            {
                let before = Annotated::new(noise(height, width, channels, 4));
                let run = |seed| {
                    let mut sample = before.clone();
                    pipeline.apply(seed, 1, 3, &mut sample);
                    sample
                };
                let after = run(1);
                assert_eq!(after.image.dim(), (height, width, channels), "{text}");
                assert_eq!(after.size(), pipeline.output_size([height, width]));
                assert!(after.image.iter().all(|value| (0.0..=255.01).contains(value)), "{text} {channels}");
                assert_eq!(after, run(1), "{text}");
                let mut rest = before.clone();
                pipeline.rest(&mut rest);
                assert_eq!(rest.image.dim(), (height, width, channels));
            }
            // Something is to be seen on a photo that is not as bright as can be.
            let before = Annotated::new(noise(40, 40, 3, 4).mapv(|value| 30.0 + value / 2.0));
            let mut changed = before.clone();
            // An odd number of times, since two mirrored images are none.
            (0..3).for_each(|index| pipeline.apply(2, 1, index, &mut changed));
            assert_ne!(changed, before, "{text}");
        }
    }
}

#[test]
fn colours_leave_marks_and_only_colours() {
    let moving =
        ["crop", "flip", "flip-vertical", "randaugment", "resized-crop", "rotate", "shear", "shift", "zoom"];
    let before = rectangle([30, 30], BoxF::new(3.0, 4.0, 20.0, 22.0));
    for kind in KINDS {
        let pipeline: Pipeline = kind.example.parse().unwrap();
        let mut after = before.clone();
        (0..3).for_each(|index| pipeline.apply(1, 1, index, &mut after));
        let same =
            after.boxes == before.boxes && after.masks == before.masks && after.points == before.points;
        assert_eq!(same, !moving.contains(&kind.name), "{}", kind.name);
    }
}

#[test]
fn arguments_are_checked() {
    let said = |text: &str| text.parse::<Pipeline>().unwrap_err().to_string();
    assert!(said("rotat=3").contains("did you mean `rotate`?"), "{}", said("rotat=3"));
    assert!(said("standart").contains("did you mean `standard`?"));
    assert!(said("rotate=200").contains("degrees must be 0 to 180, received 200"));
    assert!(said("rotate=wide").contains("invalid type"));
    assert!(said("rotate:angle=3").contains("unknown field `angle`, expected one of `degrees`"));
    assert!(said("rotate=3:fill=mirror").contains("unknown variant `mirror`, expected one of `nearest`"));
    assert!(said("flip:p=2").contains("p must be 0 to 1"));
    assert!(said("flip:often").contains("must be key=value"));
    assert!(said("zoom=1.5").contains("share must be 0 to 0.99"));
    assert!(said("crop").contains("needs a size"));
    assert!(said("crop=0").contains("1 to 65535"));
    assert!(said("posterize=9").contains("bits must be 1 to 8"));
    assert!(said("mixup=0").contains("alpha must be"));
    assert!(said("cutmix:beta=1").contains("unknown argument `beta`"));
    assert!(said("standard=3").contains("takes no arguments"));
    assert!(Pipeline::named("strongest").unwrap_err().to_string().contains("did you mean `strong`?"));
    assert!(Pipeline::from_toml("augment = 3").unwrap_err().to_string().contains("received 3"));
    assert!(Pipeline::from_toml("[[augment]]\ndegrees = 3").unwrap_err().to_string().contains("kind"));
    assert!(Pipeline::from_toml("augment = [").is_err());
    assert!(Pipeline::from_toml("other = 1").unwrap().is_empty());
    let size: Pipeline = "crop=24x32, flip = 0.25 ,".parse().unwrap();
    assert_eq!(size.output_size([64, 64]), [24, 32]);
    assert!(size.to_string().ends_with("flip:p=0.25"), "{size}");
}

#[test]
fn presets_can_be_read_and_come_in_lists() {
    for preset in PRESETS {
        let pipeline = Pipeline::named(preset.name).unwrap();
        assert_eq!(pipeline.is_empty(), preset.name == "none");
        pipeline.apply(1, 1, 0, &mut Annotated::new(noise(32, 32, 3, 1)));
    }
    let both = Pipeline::from_toml("augment = [\"light\", \"cutout=0.5,mixup=0.4\", { kind = \"cutmix\" }]")
        .unwrap();
    assert_eq!(both.steps().len(), Pipeline::named("light").unwrap().steps().len() + 1);
    assert_eq!(both.mixes(), [Mix::MixUp { alpha: 0.4 }, Mix::CutMix { alpha: 1.0 }]);
}

#[test]
fn warps_that_follow_one_another_become_one() {
    // There and back again: one warp restores what two would have lost at the border.
    #[derive(Debug)]
    struct Right(f64);
    impl Augment for Right {
        fn name(&self) -> &'static str {
            "right"
        }
        fn config(&self) -> Map<String, serde_json::Value> {
            Map::new()
        }
        fn warp(&self, _random: &mut Draw, _size: [usize; 2]) -> Option<Warp> {
            let matrix = Matrix::shift(0.0, -self.0);
            Some(Warp { matrix, fill: Fill::Constant, value: 0.0, interpolation: Interpolation::Bilinear })
        }
    }
    let before = Annotated::new(noise(6, 6, 3, 1));
    let mut after = before.clone();
    Pipeline::default().with(Right(4.5)).with(Right(-4.5)).apply(1, 1, 1, &mut after);
    assert_eq!(after, before);
    let mut mirrored = before.clone();
    Pipeline::default().with(Right(2.0)).with(Flip {}).with(Right(2.0)).apply(1, 1, 1, &mut mirrored);
    assert!(mirrored.image.slice(s![.., ..2, ..]).iter().all(|&value| value == 0.0));
    assert!(mirrored.image.slice(s![.., 2.., ..]).iter().any(|&value| value != 0.0));
    // With a probability, the draw of the inner kind is the same as its own would be after one number.
    let sometimes: Pipeline = "rotate=30:p=0.5".parse().unwrap();
    let kept = (0..400).filter(|&index| {
        let mut sample = before.clone();
        sometimes.apply(1, 1, index, &mut sample);
        sample == before
    });
    assert!((150..250).contains(&kept.count()));
}

#[test]
fn mixtures_keep_sums_and_take_rectangles() {
    let (count, sizes, classes) = (6, [8, 10, 3], 4);
    let indices: Vec<usize> = (10..10 + count).collect();
    let image = sizes.iter().product::<usize>();
    let before: Vec<f32> = (0..count).flat_map(|sample| vec![sample as f32 * 10.0; image]).collect();
    let labels: Vec<f32> =
        (0..count * classes).map(|at| f32::from(u8::from(at % classes == at / classes % classes))).collect();
    for mix in [Mix::MixUp { alpha: 1.0 }, Mix::CutMix { alpha: 1.0 }] {
        let run = |epoch| {
            let (mut images, mut targets) = (before.clone(), labels.clone());
            mix.apply((3, epoch), &indices, &mut images, sizes, &mut targets);
            (images, targets)
        };
        let (images, targets) = run(1);
        assert_eq!((images.clone(), targets.clone()), run(1));
        assert_ne!((images.clone(), targets.clone()), run(2));
        let mut mixed = 0;
        for sample in 0..count {
            let picture = &images[sample * image..][..image];
            let row = &targets[sample * classes..][..classes];
            assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-5);
            let own_value = sample as f32 * 10.0;
            let other = picture.iter().find(|&&value| value != own_value);
            // With these labels other samples may be of the same class.
            let own = row[sample % classes];
            match (mix, other) {
                (_, None) => assert!(own > 0.999),
                (Mix::CutMix { .. }, Some(&other)) => {
                    let taken = picture.iter().filter(|&&value| value == other).count();
                    let stays = picture.iter().filter(|&&value| value == own_value).count();
                    assert_eq!(taken + stays, image, "only whole pixels of two pictures");
                    let same_class = (other / 10.0) as usize % classes == sample % classes;
                    assert!(same_class || (own - stays as f32 / image as f32).abs() < 1e-5);
                    mixed += 1;
                }
                (Mix::MixUp { .. }, Some(_)) => {
                    assert!(picture.iter().all(|&value| (value - picture[0]).abs() < 1e-4));
                    mixed += 1;
                }
            }
        }
        assert!(mixed >= 3, "{mix:?}");
    }
}

#[test]
fn the_page_names_every_kind_and_preset() {
    let page = include_str!("../../../../docs/augmentation.md");
    for kind in KINDS {
        let row = format!(
            "| `{}` | {} | {:.1} |",
            kind.name,
            kind.main.map_or(String::new(), |main| format!("`{main}`")),
            kind.chance
        );
        assert!(page.contains(&row) && page.contains(kind.example), "{row}");
    }
    assert!(PRESETS.iter().all(|preset| page.contains(&format!("| `{}` | {} |", preset.name, preset.about))));
    assert!(PRESETS.iter().all(|preset| page.contains(preset.text)));
}
