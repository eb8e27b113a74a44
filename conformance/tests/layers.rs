//! The promises that every registered layer keeps: its configuration comes back, shapes are as inferred, training lowers the loss,
//! equal seeds give equal bits, a saved model predicts the same.

#![allow(clippy::unwrap_used, reason = "a helper that fails is a test that fails")]

use std::sync::Arc;

use convnet_interop::keras::{Format, KerasFile};
use convnet_nn::layers::{self, Dense, Flatten, REGISTRY};
use convnet_nn::losses::MeanSquaredError;
use convnet_nn::optimizers::Sgd;
use convnet_nn::train::Arrays;
use convnet_nn::{Fit, Layer, LayerRef, Model, Symbol};
use ndarray::{ArrayD, IxDyn};

const SAMPLES: usize = 8;

/// A layer by reference, as a layer: what a user's own type would be.
#[derive(Debug)]
struct Example(Arc<dyn Layer>);

impl Layer for Example {
    fn class_name(&self) -> &'static str {
        self.0.class_name()
    }

    fn config(&self) -> serde_json::Map<String, serde_json::Value> {
        self.0.config()
    }

    fn weights(
        &self,
        inputs: &[convnet_nn::Shape],
    ) -> Result<Vec<convnet_nn::layer::WeightSpec>, convnet_engine::error::Mismatch> {
        self.0.weights(inputs)
    }

    fn call(
        &self,
        at: &mut convnet_nn::layer::LayerContext<'_>,
        inputs: &[convnet_engine::Value],
    ) -> Result<convnet_engine::Value, convnet_engine::EngineError> {
        self.0.call(at, inputs)
    }

    fn call_all(
        &self,
        at: &mut convnet_nn::layer::LayerContext<'_>,
        inputs: &[convnet_engine::Value],
    ) -> Result<Vec<convnet_engine::Value>, convnet_engine::EngineError> {
        self.0.call_all(at, inputs)
    }
}

fn each_example(check: impl Fn(&str, Arc<dyn Layer>, Vec<Vec<usize>>)) {
    for class in REGISTRY {
        let examples = (class.examples)();
        assert!(!examples.is_empty(), "{} has no examples", class.name);
        for (layer, inputs) in examples {
            check(&format!("{} {:?}", class.name, layer.config()), layer, inputs);
        }
    }
}

/// The layer alone, and with a head that makes two numbers of its output.
fn models(layer: &Arc<dyn Layer>, inputs: &[Vec<usize>]) -> (Model, Model) {
    let symbols: Vec<Symbol> = inputs.iter().map(|dims| Symbol::input(dims.clone())).collect();
    let references: Vec<&Symbol> = symbols.iter().collect();
    let output = Symbol::merge(LayerRef::new(Example(Arc::clone(layer))), &references).unwrap();
    let alone = Model::new(&symbols, std::slice::from_ref(&output)).unwrap();
    let head = output.apply(Flatten::new()).unwrap().apply(Dense::new(2)).unwrap();
    (alone, Model::new(&symbols, &[head]).unwrap())
}

fn random(dims: &[usize], seed: u64) -> ArrayD<f32> {
    let all: Vec<usize> = std::iter::once(SAMPLES).chain(dims.iter().copied()).collect();
    let values = convnet_conformance::problem::numbers(seed, all.iter().product());
    ArrayD::from_shape_vec(IxDyn(&all), values).unwrap()
}

fn data(inputs: &[Vec<usize>]) -> (Vec<ArrayD<f32>>, ArrayD<f32>) {
    let x = inputs.iter().enumerate().map(|(i, dims)| random(dims, i as u64 + 1)).collect();
    (x, random(&[2], 77))
}

#[test]
fn configurations_come_back() {
    each_example(|name, layer, _| {
        let again = layers::from_config(layer.class_name(), layer.config()).unwrap();
        assert_eq!(again.config(), layer.config(), "{name}");
    });
}

#[test]
fn registry_is_sorted_and_names_its_classes() {
    assert!(REGISTRY.is_sorted_by_key(|class| class.name));
    each_example(|name, layer, _| assert!(name.starts_with(layer.class_name())));
}

#[test]
fn outputs_have_the_inferred_shape() {
    each_example(|name, layer, inputs| {
        let (alone, _) = models(&layer, &inputs);
        let (x, _) = data(&inputs);
        let views: Vec<_> = x.iter().map(|x| x.view()).collect();
        let output = alone.predict_all(&views).unwrap();
        assert_eq!(output[0].shape(), alone.output_shapes()[0].bind(SAMPLES).dims, "{name}");
        assert!(output[0].iter().all(|x| x.is_finite()), "{name}");
    });
}

#[test]
fn training_lowers_the_loss_and_equal_seeds_give_equal_bits() {
    each_example(|name, layer, inputs| {
        let (x, y) = data(&inputs);
        let data = Arrays::with_inputs(x.iter().map(|x| x.view()).collect(), y.view()).unwrap();
        let train = || {
            let (_, mut model) = models(&layer, &inputs);
            model.compile(Sgd::new(0.02), MeanSquaredError, []).unwrap();
            let history = model.fit(&data, Fit::new().batch_size(SAMPLES).epochs(30).seed(4)).unwrap();
            (history.epochs[0].loss, history.epochs[29].loss, model.get_weights())
        };
        let (first, last, weights) = train();
        assert!(last < first, "{name}: loss went from {first} to {last}");
        assert_eq!(weights, train().2, "{name}");
    });
}

#[test]
fn saved_models_predict_the_same() {
    each_example(|name, layer, inputs| {
        let (x, y) = data(&inputs);
        let views: Vec<_> = x.iter().map(|x| x.view()).collect();
        let (_, mut model) = models(&layer, &inputs);
        model.compile(Sgd::new(0.02), MeanSquaredError, []).unwrap();
        let data = Arrays::with_inputs(views.clone(), y.view()).unwrap();
        model.fit(&data, Fit::new().batch_size(3).epochs(2)).unwrap();
        let before = model.predict_all(&views).unwrap();
        for format in [Format::Archive, Format::LegacyH5] {
            let bytes = KerasFile::of_model(&model).to_bytes(format).unwrap();
            let again = KerasFile::from_bytes(bytes).unwrap().to_model().unwrap();
            assert_eq!(again.predict_all(&views).unwrap(), before, "{name} {format:?}");
            assert!(again.compiled().is_some(), "{name} {format:?}");
        }
    });
}
