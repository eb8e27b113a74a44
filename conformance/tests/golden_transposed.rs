//! Transposed windows against Keras: sizes, and what is cut off where, of every padding and output padding.

#![allow(clippy::unwrap_used, reason = "a helper that fails is a test that fails")]

mod common;

use common::{assert_close, golden_json};
use convnet_kernels::conv::Convolution;
use convnet_kernels::geometry::{Axis, ConvGeometry, Padding, Window, WindowError};
use serde_json::Value as Json;

#[test]
fn transposed_windows_give_keras_numbers() {
    let golden = golden_json("transposed.json");
    let cases = golden["cases"].as_array().unwrap();
    assert!(cases.len() > 200, "the golden file has all its cases");
    for case in cases {
        check(case);
    }
}

fn check(case: &Json) {
    let size = |name: &str| case[name].as_u64().unwrap() as usize;
    let numbers = |name: &str| -> Vec<f32> {
        case[name].as_array().unwrap().iter().map(|value| value.as_f64().unwrap() as f32).collect()
    };
    let padding = if case["padding"] == "same" { Padding::Same } else { Padding::Valid };
    let output_padding = case["output_padding"].as_u64().map(|added| added as usize);
    let (x, w, expected) = (numbers("input"), numbers("weights"), numbers("output"));
    let axis = Axis::transposed(
        x.len(),
        size("kernel"),
        size("strides"),
        size("dilation_rate"),
        padding,
        output_padding,
    );
    if expected.is_empty() {
        assert_eq!(axis, Err(WindowError::Empty), "{case}");
        return;
    }
    let axis = axis.unwrap();
    assert_eq!(axis.input, expected.len(), "{case}");
    assert_eq!(axis.output(), x.len(), "{case}");
    let window = Window { axes: [Axis::UNIT, Axis::UNIT, axis] };
    let geometry = ConvGeometry { batch: 1, in_channels: 1, out_channels: 1, groups: 1, window };
    let convolution = Convolution::new(geometry);
    let mut output = vec![f32::NAN; expected.len()];
    let mut scratch = vec![0.0; convolution.backward_data_scratch()];
    convolution.backward_data(&x, &w, &mut output, &mut scratch);
    assert_close(&case.to_string(), &output, &expected, 1e-6);
}
