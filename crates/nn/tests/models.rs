//! Models of models: nesting, sharing, freezing, parts of models, layers of one's own, rules for weights.

#![allow(clippy::unwrap_used, reason = "a helper that fails is a test that fails")]

use convnet_nn::engine::{EngineError, Value, ops};
use convnet_nn::layer::{LayerContext, WeightSpec};
use convnet_nn::layers::{
    self, ActivityRegularization, BatchNormalization, Conv2D, Dense, Dropout, Embedding, Flatten,
    GlobalAveragePooling1D, LSTM, Lambda, SpectralNormalization, WithRules,
};
use convnet_nn::losses::MeanSquaredError;
use convnet_nn::optimizers::Sgd;
use convnet_nn::train::Arrays;
use convnet_nn::{
    Constraint, Fit, Initializer, Layer, LayerRef, Model, Regularizer, Sequential, Shape, Symbol, blocks,
};
use ndarray::{Array, Array2, ArrayD, IxDyn};
use serde_json::{Map, Value as Json};

fn base() -> Model {
    Sequential::new([6, 6, 2])
        .named("base")
        .add(LayerRef::new(Conv2D::new(3, 3)).named("first"))
        .add(LayerRef::new(BatchNormalization::new()).named("norm"))
        .add(LayerRef::new(Conv2D::new(2, 3)).named("second"))
        .build()
        .unwrap()
}

fn with_head(base: impl Into<LayerRef>) -> Model {
    let image = Symbol::input([6, 6, 2]);
    let scores = image.apply(base).unwrap().apply(Flatten::new()).unwrap().apply(Dense::new(2)).unwrap();
    Model::new(&[image], &[scores]).unwrap()
}

fn images() -> ArrayD<f32> {
    Array::from_shape_fn(IxDyn(&[8, 6, 6, 2]), |i| {
        ((i[0] * 31 + i[1] * 7 + i[2] * 3 + i[3]) % 13) as f32 / 6.0
    })
}

fn train(model: &mut Model, epochs: usize) -> f64 {
    let (x, y) = (images(), Array2::from_shape_fn((8, 2), |(i, j)| ((i + j) % 3) as f32));
    model.compile(Sgd::new(0.02), MeanSquaredError, []).unwrap();
    let data = Arrays::new(x.view(), y.view()).unwrap();
    model.fit(&data, Fit::new().batch_size(8).epochs(epochs).seed(3)).unwrap().epochs[epochs - 1].loss
}

fn values(model: &Model, path: &str) -> ArrayD<f32> {
    model.weight_values(model.weight(path).unwrap()).to_owned()
}

const BASE: [&str; 8] = [
    "first/kernel",
    "first/bias",
    "norm/gamma",
    "norm/beta",
    "norm/moving_mean",
    "norm/moving_variance",
    "second/kernel",
    "second/bias",
];

#[test]
fn a_model_as_a_layer_brings_its_weights_and_predicts_as_before() {
    let mut base = base();
    let moving = Array::from_elem(IxDyn(&[3]), 0.5_f32);
    base.set_weight("norm/moving_mean", moving.view()).unwrap();
    let model = with_head(&base);
    for path in BASE {
        assert_eq!(values(&model, &format!("base/{path}")), values(&base, path), "{path}");
    }
    let names: Vec<&str> = model.layers().iter().map(|layer| layer.name()).collect();
    assert_eq!(names, ["input_layer", "base", "flatten", "dense"]);
    assert_eq!(model.get_layer("base/second").unwrap().class_name(), "Conv2D");
    assert_eq!(model.count_params(), base.count_params() + 8 * 2 + 2);
    let inner = model.up_to(&["base"]).unwrap();
    assert_eq!(inner.predict(images().view()).unwrap(), base.predict(images().view()).unwrap());
    let again = model.nested("base").unwrap();
    assert_eq!(again.predict(images().view()).unwrap(), base.predict(images().view()).unwrap());
}

#[test]
fn frozen_models_keep_all_their_weights_and_statistics() {
    let base = base();
    let mut model = with_head(LayerRef::from(&base).trainable(false));
    assert_eq!(model.trainable_weights().count(), 2);
    let first = train(&mut model, 1);
    assert!(train(&mut model, 20) < first);
    for path in BASE {
        assert_eq!(values(&model, &format!("base/{path}")), values(&base, path), "{path}");
    }
    model.set_trainable("base/second", true).unwrap();
    assert_eq!(model.trainable_weights().count(), 2, "a layer in a frozen model is frozen");
    model.set_trainable("base", true).unwrap();
    model.set_trainable("base/norm", false).unwrap();
    model.set_trainable("base/first", false).unwrap();
    assert_eq!(model.trainable_weights().count(), 4);
    train(&mut model, 3);
    for path in &BASE[..6] {
        assert_eq!(values(&model, &format!("base/{path}")), values(&base, path), "{path}");
    }
    assert_ne!(values(&model, "base/second/kernel"), values(&base, "second/kernel"));
    assert!(model.set_trainable("base/third", false).unwrap_err().to_string().contains("third"));
}

#[test]
fn a_call_as_in_prediction_keeps_statistics_but_trains_weights() {
    let base = base();
    let image = Symbol::input([6, 6, 2]);
    let maps = image.apply_as_in_prediction(&base).unwrap();
    let scores = maps.apply(Flatten::new()).unwrap().apply(Dense::new(2)).unwrap();
    let mut model = Model::new(&[image], &[scores]).unwrap();
    train(&mut model, 2);
    assert_eq!(values(&model, "base/norm/moving_mean"), values(&base, "norm/moving_mean"));
    assert_ne!(values(&model, "base/first/kernel"), values(&base, "first/kernel"));
}

#[test]
fn a_shared_model_has_one_set_of_weights_and_moves_its_statistics_twice() {
    let base = LayerRef::from(&base());
    let inputs = [Symbol::input([6, 6, 2]), Symbol::input([6, 6, 2])];
    let sides: Vec<Symbol> = inputs.iter().map(|input| input.apply(base.clone()).unwrap()).collect();
    let sum = Symbol::merge(layers::Add::new(), &[&sides[0], &sides[1]]).unwrap();
    let scores = sum.apply(Flatten::new()).unwrap().apply(Dense::new(2)).unwrap();
    let mut model = Model::new(&inputs, &[scores]).unwrap();
    assert_eq!(model.weights().filter(|weight| weight.name == "kernel").count(), 3);
    model.compile(Sgd::new(0.0), MeanSquaredError, []).unwrap();
    let (ones, twos) = (Array::ones(IxDyn(&[4, 6, 6, 2])), Array::from_elem(IxDyn(&[4, 6, 6, 2]), 2.0_f32));
    let y = Array2::<f32>::zeros((4, 2));
    let data = Arrays::with_inputs(vec![ones.view(), twos.view()], y.view().into_dyn()).unwrap();
    model.fit(&data, Fit::new().batch_size(4).epochs(1)).unwrap();
    // The maps of a constant image are constant: their mean is the sum of the kernel times the constant.
    let kernel = values(&model, "base/first/kernel");
    let moving = values(&model, "base/norm/moving_mean");
    for channel in 0..3 {
        let sum: f32 = kernel.rows().into_iter().map(|row| row[channel]).sum();
        let expected = 0.99 * (0.01 * sum) + 0.01 * 2.0 * sum;
        assert!((moving[channel] - expected).abs() < 1e-5, "{} instead of {expected}", moving[channel]);
    }
}

#[test]
fn parts_of_models_compute_what_the_whole_does() {
    let model = with_head(&base());
    let x = images();
    let both = model.up_to(&["base", "flatten"]).unwrap();
    let inner = both.predict_all(&[x.view()]).unwrap();
    assert_eq!((inner[0].shape(), inner[1].shape()), (&[8, 2, 2, 2][..], &[8, 8][..]));
    let rest = model.between(&["flatten"], &["dense"]).unwrap();
    assert_eq!(rest.predict(inner[1].view()).unwrap(), model.predict(x.view()).unwrap());
    assert!(model.between(&["dense"], &["flatten"]).is_err());
    let symbols = model.symbols();
    let more = symbols.output_of("flatten").unwrap().apply(Dense::new(5)).unwrap();
    let grown = Model::new(symbols.inputs(), &[symbols.outputs()[0].clone(), more]).unwrap();
    assert_eq!(grown.predict_all(&[x.view()]).unwrap()[0], model.predict(x.view()).unwrap());
}

#[test]
fn regularizers_enter_the_loss_and_constraints_hold_weights() {
    let dense = || Dense::new(3).kernel_initializer(Initializer::Constant { value: 0.5 });
    let loss = |layer: LayerRef| {
        let mut model = Sequential::new([2]).add(layer).build().unwrap();
        model.compile(Sgd::new(0.0), MeanSquaredError, []).unwrap();
        let (x, y) = (Array2::<f32>::ones((4, 2)), Array2::<f32>::ones((4, 3)));
        model.evaluate(&Arrays::new(x.view(), y.view()).unwrap()).unwrap().loss
    };
    // The output is 1 everywhere, so that nothing but penalties is left.
    assert!(loss(dense().into()).abs() < 1e-6);
    assert!((loss(dense().kernel_regularizer(Regularizer::l2(0.1)).into()) - 0.1 * 6.0 * 0.25).abs() < 1e-6);
    assert!((loss(dense().kernel_regularizer(Regularizer::l1(0.1)).into()) - 0.1 * 6.0 * 0.5).abs() < 1e-6);
    assert!((loss(dense().activity_regularizer(Regularizer::l2(0.1)).into()) - 0.1 * 3.0).abs() < 1e-6);
    // Rows of a constant matrix point the same way: every pair's product is 1.
    let apart = Regularizer::Orthogonal { factor: 0.1, columns: false };
    assert!((loss(dense().kernel_regularizer(apart).into()) - 0.1).abs() < 1e-6);
    assert!(
        loss(LayerRef::from(dense().kernel_regularizer(Regularizer::l2(0.1))).trainable(false)).abs() < 1e-6
    );

    let mut model = Sequential::new([6, 6, 2])
        .add(Flatten::new())
        .add(ActivityRegularization::new(0.0, 0.001))
        .add(Dense::new(4).kernel_constraint(Constraint::max_norm(0.3)).bias_constraint(Constraint::NonNeg))
        .add(SpectralNormalization::new(Dense::new(2)))
        .build()
        .unwrap();
    train(&mut model, 5);
    for column in values(&model, "dense/kernel").columns() {
        assert!(column.iter().map(|x| x * x).sum::<f32>().sqrt() < 0.3 + 1e-5);
    }
    assert!(values(&model, "dense/bias").iter().all(|&x| x >= 0.0));
    assert!(values(&model, "spectral_normalization/vector_u").iter().map(|x| x * x).sum::<f32>() > 0.99);
}

#[test]
fn texts_are_learned_through_embeddings_and_recurrent_layers() {
    // The class is whether the word 3 occurs, which takes a memory.
    let x = Array2::from_shape_fn((64, 6), |(i, j)| ((i * 7 + j * j * 5 + i / 5) % 11 % 6) as f32);
    let y =
        Array::from_shape_fn((64, 1), |(i, _)| f32::from(u8::from(x.row(i).iter().any(|&word| word == 3.0))));
    for recurrent in [true, false] {
        let words = Sequential::new([6]).add(Embedding::new(6, 4).mask_zero(true)).add(Dropout::new(0.1));
        let row = if recurrent { words.add(LSTM::new(8)) } else { words.add(GlobalAveragePooling1D::new()) };
        let mut model = row.add(Dense::new(1)).build().unwrap();
        model.compile(convnet_nn::optimizers::Adam::new(0.02), MeanSquaredError, []).unwrap();
        let data = Arrays::new(x.view(), y.view()).unwrap();
        let history = model.fit(&data, Fit::new().batch_size(16).epochs(60).seed(2)).unwrap();
        let (first, last) = (history.epochs[0].loss, history.epochs[59].loss);
        assert!(last < 0.7 * first, "loss went from {first} to {last}");
    }
}

#[test]
fn words_that_an_embedding_does_not_have_are_refused_by_its_name() {
    let ids = Symbol::named_input("ids", [2]);
    let other = Symbol::named_input("other", [2]);
    let table = |name: &str| LayerRef::new(Embedding::new(6, 4)).named(name);
    let inner_ids = Symbol::input([2]);
    let inner = Model::new(std::slice::from_ref(&inner_ids), &[inner_ids.apply(table("deep")).unwrap()]);
    let inner = LayerRef::from(&inner.unwrap()).named("inner");
    let words = Symbol::merge(
        layers::Add::new(),
        &[&ids.apply(table("words")).unwrap(), &other.apply(inner).unwrap()],
    );
    let y = words.unwrap().apply(Flatten::new()).unwrap().apply(Dense::new(1)).unwrap();
    let mut model = Model::new(&[ids, other], &[y]).unwrap();
    model.compile(Sgd::new(0.1), MeanSquaredError, []).unwrap();

    let row = |a: f32, b: f32| Array2::from_shape_vec((1, 2), vec![a, b]).unwrap().into_dyn();
    let good = row(0.0, 5.0);
    assert!(model.predict_all(&[good.view(), row(5.9, -0.5).view()]).is_ok(), "fractions are cut off");
    for number in [6.0, -1.0, 1e30, f32::INFINITY, f32::NAN] {
        let bad = row(1.0, number);
        let error = model.predict_all(&[bad.view(), good.view()]).unwrap_err().to_string();
        assert!(error.contains("from 0 to 5") && error.contains("`words`"), "{error}");
        let error = model.predict_all(&[good.view(), bad.view()]).unwrap_err().to_string();
        assert!(error.contains("`inner/deep`"), "{error}");
        let target = row(0.0, 0.0).slice_move(ndarray::s![.., ..1]).into_dyn();
        let data = Arrays::with_targets(vec![good.view(), bad.view()], vec![target.view()]).unwrap();
        let error = model.fit(&data, Fit::new().batch_size(1).epochs(1)).unwrap_err().to_string();
        let says = if number.is_finite() { "`inner/deep`" } else { "not finite" };
        assert!(error.contains(says), "{error}");
    }
}

/// y = x · factor, with a trained factor.
#[derive(Clone, Debug)]
struct Gain;

impl Layer for Gain {
    fn class_name(&self) -> &'static str {
        "Gain"
    }

    fn config(&self) -> Map<String, Json> {
        Map::new()
    }

    fn weights(&self, _: &[Shape]) -> Result<Vec<WeightSpec>, convnet_nn::engine::error::Mismatch> {
        Ok(vec![WeightSpec::trainable("factor", [1], Initializer::Constant { value: 2.0 })])
    }

    fn call(&self, at: &mut LayerContext<'_>, inputs: &[Value]) -> Result<Value, EngineError> {
        at.graph.apply(ops::Binary(ops::BinaryFunction::Multiply), &[inputs[0], at.weights[0]])
    }
}

#[test]
fn layers_of_ones_own_train_and_can_be_read_once_they_are_registered() {
    let x = Symbol::input([3]);
    let doubled = x.apply(LayerRef::new(Gain).named("gain")).unwrap();
    let squared = doubled.apply(Lambda::new(|graph, x| graph.apply(ops::Multiply, &[x[0], x[0]]))).unwrap();
    let model = Model::new(std::slice::from_ref(&x), &[squared]).unwrap();
    let output = model.predict(Array2::from_elem((1, 3), 3.0_f32).view()).unwrap();
    assert!(output.iter().all(|&y| y == 36.0));
    let error = convnet_nn::model::from_config(&model.config()).unwrap_err().to_string();
    assert!(error.contains("Gain") || error.contains("Lambda"), "{error}");

    let plain = Model::new(&[x], &[doubled]).unwrap();
    layers::register(layers::LayerClass {
        name: "Gain",
        about: "multiplies by a trained factor",
        from_config: |_| Ok(std::sync::Arc::new(Gain)),
        examples: Vec::new,
    });
    let again = convnet_nn::model::from_config(&plain.config()).unwrap();
    assert_eq!(again.get_layer("gain").unwrap().class_name(), "Gain");
}

#[test]
fn several_outputs_of_a_layer_are_tensors_of_their_own() {
    let x = Symbol::input([4, 2]);
    let outputs = Symbol::call(LSTM::new(3).return_state(true).return_sequences(true), &[&x], None).unwrap();
    assert_eq!(outputs[0].shape().dims, [4, 3]);
    let again = Symbol::merge(LSTM::new(3), &[&outputs[0], &outputs[1], &outputs[2]]).unwrap();
    let model = Model::new(std::slice::from_ref(&x), &[again, outputs[2].clone()]).unwrap();
    let copy = convnet_nn::model::from_config(&model.config()).unwrap();
    assert_eq!(copy.config(), model.config());
    let error = x.apply(LSTM::new(3).return_state(true)).unwrap_err().to_string();
    assert!(error.contains("3 outputs"), "{error}");
}

#[test]
fn pictures_show_every_layer_and_blocks_have_their_shapes() {
    let image = Symbol::input([8, 8, 4]);
    let x = blocks::residual_unit(&image, 4, 1).unwrap();
    let x = blocks::squeeze_excite(&blocks::residual_unit(&x, 8, 2).unwrap(), 4).unwrap();
    let filters = blocks::Inception { one: 2, three: [1, 3], five: [1, 2], pool: 1 };
    let x = blocks::inception(&x, filters).unwrap();
    assert_eq!(x.shape().dims, [4, 4, 8]);
    let model = Model::new(&[image], &[x]).unwrap().named("a < b");
    let picture = model.plot();
    assert_eq!(picture.matches("<text").count(), 2 * model.layers().len());
    assert!(picture.contains("a &lt; b") && picture.contains("(None, 4, 4, 8)") && !picture.contains("NaN"));
    assert!(with_head(&base()).plot().contains("base (Sequential)"));
}
