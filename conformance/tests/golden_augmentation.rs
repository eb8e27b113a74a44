//! Augmentation layers against Keras: with ranges of one number, in training; in a model, in prediction.

#![allow(clippy::unwrap_used, reason = "a helper that fails is a test that fails")]

mod common;

use common::{Tensor, assert_close, golden, golden_json, placeholders, run};
use convnet_engine::Program;
use convnet_interop::keras::load_model;
use convnet_nn::layer::LayerContext;
use convnet_nn::layers;
use ndarray::{ArrayD, IxDyn};

#[test]
fn layers_of_one_choice_give_keras_numbers() {
    let golden = golden_json("augmentation.json");
    let input = Tensor::read(&golden["input"]);
    let cases = golden["cases"].as_array().unwrap();
    assert!(cases.len() > 20, "the golden file has all its cases");
    for case in cases {
        let class = case["class_name"].as_str().unwrap();
        let layer = layers::from_config(class, case["config"].as_object().unwrap().clone()).unwrap();
        let mut program = Program::default();
        let x = placeholders(&mut program.graph, std::slice::from_ref(&input), true);
        let mut at = LayerContext {
            graph: &mut program.graph,
            weights: &[],
            training: true,
            trainable: true,
            stream: 0,
            updates: &mut Vec::new(),
            penalties: &mut Vec::new(),
            masks: Vec::new(),
            output_masks: Vec::new(),
        };
        program.fetches = vec![layer.call(&mut at, &x).unwrap()];
        let found = run(program, input.dims[0], &[&input.values], &mut [], true);
        // Keras finds places in single precision.
        let name = format!("{class} {}", case["config"]);
        assert_close(&name, &found[0], &Tensor::read(&case["output"]).values, 1e-4);
    }
}

#[test]
fn a_model_with_all_of_them_predicts_as_without() {
    let numbers = golden_json("augmentation.json");
    let (input, expected) = (Tensor::read(&numbers["model_input"]), Tensor::read(&numbers["model_output"]));
    let model = load_model(golden("augmentation.keras")).unwrap();
    let x = ArrayD::from_shape_vec(IxDyn(&input.dims), input.values).unwrap();
    let found = model.predict(x.view()).unwrap();
    assert_close("prediction", found.as_slice().unwrap(), &expected.values, 1e-4);
}
