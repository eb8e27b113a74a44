//! Kinds of change held to the numbers of Keras, SciPy, torchvision and Pillow (`golden/augment`).

use ndarray::{Array3, s};
use serde_json::Value as Json;

use super::apply::{self, Part};
use super::{Annotated, Fill, Interpolation, Matrix, Standardize, Warp};

/// Numbers in the files have two decimals where they are over 10.
const TOLERANCE: f32 = 6e-3;

fn read(text: &str) -> Json {
    serde_json::from_str(text).unwrap()
}

fn values(tensor: &Json) -> Vec<f32> {
    tensor["values"].as_array().unwrap().iter().map(|value| value.as_f64().unwrap() as f32).collect()
}

fn picture(tensor: &Json) -> Array3<f32> {
    let sizes: Vec<usize> = serde_json::from_value(tensor["shape"].clone()).unwrap();
    Array3::from_shape_vec((sizes[0], sizes[1], sizes[2]), values(tensor)).unwrap()
}

/// The largest difference; sizes must agree.
fn difference(found: &Array3<f32>, expected: &Json) -> f32 {
    let expected = picture(expected);
    assert_eq!(found.dim(), expected.dim());
    found.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

fn number(json: &Json, key: &str, usual: f64) -> f64 {
    json.get(key).map_or(usual, |value| value.as_f64().unwrap())
}

fn warp(case: &Json, matrix: Matrix) -> Warp {
    let fill: Fill = serde_json::from_value(case["fill"].clone()).unwrap();
    let interpolation = if case["order"] == 0 { Interpolation::Nearest } else { Interpolation::Bilinear };
    Warp { matrix, fill, value: number(case, "value", 0.0) as f32, interpolation }
}

#[test]
fn warps_are_those_of_keras() {
    let golden = read(include_str!("../../../../golden/augment/warps.json"));
    let square = picture(&golden["square"]);
    for case in golden["keras"].as_array().unwrap() {
        let arguments = &case["arguments"];
        let value = |key| number(arguments, key, if key.starts_with('z') { 1.0 } else { 0.0 });
        let matrix = Matrix::rotation(value("theta"))
            .then(Matrix::shift(value("ty"), value("tx")))
            .then(Matrix::shear(value("shear")))
            .then(Matrix::zoom(value("zy"), value("zx")))
            .about_middle([8, 8]);
        let found = warp(case, matrix).image(&square);
        assert!(difference(&found, &case["output"]) < TOLERANCE, "{arguments} {}", case["fill"]);
    }
    for case in golden["channel_shift"].as_array().unwrap() {
        let mut sample = Annotated::new(square.clone());
        apply::shift_channels(&mut sample, number(case, "intensity", 0.0) as f32);
        assert!(difference(&sample.image, &case["output"]) < 1e-3);
    }
}

#[test]
fn warps_are_those_of_scipy() {
    let golden = read(include_str!("../../../../golden/augment/warps.json"));
    let wide = picture(&golden["wide"]);
    for case in golden["scipy"].as_array().unwrap() {
        let matrix = Matrix(serde_json::from_value(case["matrix"].clone()).unwrap());
        let found = warp(case, matrix).image(&wide);
        let told = format!("{} {} {}", case["matrix"], case["fill"], case["order"]);
        assert!(difference(&found, &case["output"]) < TOLERANCE, "{told}");
        // The loops for one and three channels are others than that for two.
        let one = warp(case, matrix).image(&wide.slice(s![.., .., ..1]).to_owned());
        assert_eq!(one, found.slice(s![.., .., ..1]), "{told}");
        let three = ndarray::concatenate![ndarray::Axis(2), wide, wide.slice(s![.., .., ..1])];
        let three = warp(case, matrix).image(&three);
        assert_eq!(three.slice(s![.., .., ..2]), found, "{told}");
        assert_eq!(three.slice(s![.., .., 2..]), found.slice(s![.., .., ..1]), "{told}");
    }
}

#[test]
fn samples_are_standardised_as_by_keras() {
    let golden = read(include_str!("../../../../golden/augment/warps.json"));
    let batch = values(&golden["batch"]);
    for case in golden["standardize"].as_array().unwrap() {
        let names = case["arguments"].to_string();
        let has = |name: &str| names.contains(name);
        let fitted = Standardize::fit(batch.chunks_exact(27), 3).unwrap();
        let standardize = Standardize {
            samplewise_center: has("samplewise_center"),
            samplewise_std: has("samplewise_std"),
            means: if has("featurewise") { fitted.means } else { Vec::new() },
            deviations: if has("featurewise_std") { fitted.deviations } else { Vec::new() },
        };
        let mut found = batch.clone();
        found.chunks_exact_mut(27).for_each(|sample| standardize.apply(sample));
        let pairs = found.iter().zip(values(&case["output"]));
        assert!(pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max) < TOLERANCE, "{names}");
    }
}

/// Does what a case of `colours.json` says.
fn run(function: &str, argument: &Json, sample: &mut Annotated) {
    let number = argument.as_f64().unwrap_or_default() as f32;
    let list: Vec<f64> = serde_json::from_value(argument.clone()).unwrap_or_default();
    let whole = |at: usize| list[at] as usize;
    let part = || Part { top: whole(0) as isize, left: whole(1) as isize, height: whole(2), width: whole(3) };
    match function {
        "brightness" => apply::adjust_brightness(sample, number),
        "contrast" => apply::adjust_contrast(sample, number),
        "saturation" => apply::adjust_saturation(sample, number),
        "hue" => apply::adjust_hue(sample, number),
        "sharpness" => apply::adjust_sharpness(sample, number),
        "solarize" => apply::solarize(sample, number),
        "posterize" => apply::posterize(sample, number as u32),
        "invert" => apply::invert(sample),
        "autocontrast" => apply::autocontrast(sample),
        "equalize" => apply::equalize(sample),
        "grayscale" => apply::grayscale(sample),
        "blur" => apply::gaussian_blur(sample, list[0] as f32, whole(1)),
        "resize" => apply::resize(sample, [whole(0), whole(1)]),
        "resized_crop" => {
            apply::crop(sample, part(), Fill::Nearest, 0.0);
            apply::resize(sample, [6, 8]);
        }
        "flip" => apply::mirror(sample, number as usize),
        "erase" => {
            let Part { top, left, height, width } = part();
            let (top, left) = (top as usize, left as usize);
            apply::paint(sample, top..top + height, left..left + width, 17.0);
        }
        other => panic!("{other} is no case"),
    }
}

#[test]
fn colours_are_those_of_torchvision_and_pillow() {
    let golden = read(include_str!("../../../../golden/augment/colours.json"));
    // Pillow rounds grey and mixtures to bytes, one after the other.
    for (cases, input, tolerance) in
        [("colour_cases", "colour", 0.01), ("grey_cases", "grey", 0.01), ("pillow_cases", "colour", 1.6)]
    {
        let input = picture(&golden[input]);
        let cases = golden[cases].as_array().unwrap();
        assert!(cases.len() > 10);
        for case in cases {
            let mut sample = Annotated::new(input.clone());
            run(case["function"].as_str().unwrap(), &case["argument"], &mut sample);
            let found = difference(&sample.image, &case["output"]);
            assert!(found < tolerance, "{} {} is off by {found}", case["function"], case["argument"]);
        }
    }
}
