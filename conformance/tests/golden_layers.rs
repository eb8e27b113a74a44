//! Every layer against Keras: outputs, gradients by inputs and weights, moving statistics.

#![allow(clippy::unwrap_used, reason = "a helper that fails is a test that fails")]

mod common;

use common::{Tensor, assert_close, golden_json, placeholders, run};
use convnet_engine::{Program, Shape, Target, Value, gradients};
use convnet_nn::layer::LayerContext;
use convnet_nn::layers;
use serde_json::Value as Json;

const TOLERANCE: f32 = 2e-5;

#[test]
fn layers_give_keras_numbers() {
    let golden = golden_json("layers.json");
    let cases = golden["cases"].as_array().unwrap();
    for case in cases {
        let name = case["name"].as_str().unwrap();
        for passes in [false, true] {
            check(name, case, passes).unwrap_or_else(|problem| panic!("{name}: {problem}"));
        }
    }
    assert!(cases.len() > 160, "the golden file has all its cases");
}

fn check(name: &str, case: &Json, passes: bool) -> convnet_nn::Result<()> {
    let config = case["config"].as_object().unwrap().clone();
    let layer = layers::from_config(case["class_name"].as_str().unwrap(), config)?;
    let inputs = Tensor::read_all(&case["inputs"]);
    let weights: Vec<(String, Tensor)> = (case["weights"].as_array().unwrap().iter())
        .map(|weight| (weight["name"].as_str().unwrap().to_owned(), Tensor::read(&weight["value"])))
        .collect();
    let shapes: Vec<Shape> = inputs.iter().map(Tensor::batched).collect();
    let specs =
        layer.weights(&shapes).map_err(|problem| convnet_nn::Error::argument(name, problem.expected))?;
    let wanted: Vec<(&str, &[usize])> =
        weights.iter().map(|(name, weight)| (&**name, &*weight.dims)).collect();
    let specified: Vec<(&str, &[usize])> = specs.iter().map(|spec| (spec.name, &*spec.dims)).collect();
    assert_eq!(specified, wanted, "{name}: weights");

    // Trained weights are placeholders here, so that gradients by them can be asked for; states lie in a slab.
    let mut program = Program::default();
    let x = placeholders(&mut program.graph, &inputs, true);
    let mut states: Vec<f32> = Vec::new();
    let (mut values, mut trained, mut given) = (Vec::new(), Vec::new(), Vec::new());
    for (spec, (_, weight)) in specs.iter().zip(&weights) {
        let shape = Shape::fixed(weight.dims.clone());
        values.push(if spec.trainable {
            let value = program.graph.input(shape);
            trained.push((spec.name, value));
            given.push(weight.clone());
            value
        } else {
            states.extend(&weight.values);
            program.graph.state(shape, states.len() - weight.values.len())
        });
    }
    let training = case["training"].as_bool().unwrap();
    let mut updates = Vec::new();
    let mut at = LayerContext {
        graph: &mut program.graph,
        weights: &values,
        training,
        trainable: true,
        stream: 0,
        updates: &mut updates,
        penalties: &mut Vec::new(),
        masks: Vec::new(),
        output_masks: Vec::new(),
    };
    let y = layer.call(&mut at, &x)?;
    let output = Tensor::read(&case["output"]);
    assert_eq!(*program.graph.shape(y), output.batched(), "{name}: output shape");

    let seed_values = Tensor::read(&case["grad_output"]);
    let seed = program.graph.input(seed_values.batched());
    // Whole numbers are not differentiated by.
    let input_gradients = Tensor::read_all(&case["input_gradients"]);
    let inner = x[..input_gradients.len()].iter().copied();
    let by: Vec<Value> = inner.chain(trained.iter().map(|&(_, value)| value)).collect();
    let found = gradients(&mut program.graph, y, Some(seed), &by)?;
    program.fetches = vec![y];
    program
        .fetches
        .extend(found.iter().map(|gradient| gradient.expect("layers depend on inputs and weights")));
    for &(weight, value) in &updates {
        let place = specs[..weight].iter().filter(|spec| !spec.trainable).map(|spec| spec.len()).sum();
        program.stores.push((value, Target::State(place)));
    }
    let all: Vec<&Tensor> = inputs.iter().chain(&given).chain([&seed_values]).collect();
    let slices: Vec<&[f32]> = all.iter().map(|tensor| &*tensor.values).collect();
    let fetched = run(program, inputs[0].dims[0], &slices, &mut states, passes);

    assert_close(&format!("{name}: output"), &fetched[0], &output.values, TOLERANCE);
    for (i, expected) in input_gradients.iter().enumerate() {
        assert_close(&format!("{name}: gradient by input {i}"), &fetched[1 + i], &expected.values, TOLERANCE);
    }
    for (i, (weight, _)) in trained.iter().enumerate() {
        // Weights of one name, such as those of both directions, are counted.
        let key = match trained[..i].iter().filter(|(name, _)| name == weight).count() {
            0 => (*weight).to_owned(),
            count => format!("{weight}#{count}"),
        };
        let expected = Tensor::read(&case["weight_gradients"][&key]);
        let actual = &fetched[1 + input_gradients.len() + i];
        assert_close(&format!("{name}: gradient by {weight}"), actual, &expected.values, TOLERANCE);
    }
    let mut place = 0;
    for spec in specs.iter().filter(|spec| !spec.trainable) {
        let now = &states[place..place + spec.len()];
        if training {
            let expected = Tensor::read(&case["updated_weights"][spec.name]);
            assert_close(&format!("{name}: {}", spec.name), now, &expected.values, TOLERANCE);
        }
        place += spec.len();
    }
    Ok(())
}
