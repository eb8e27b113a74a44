//! Trains small nets with every optimizer, schedule, loss and metric, by the arguments that the files of `golden/keras` have, and saves
//! them: `compiled FOLDER`. `golden/keras/check_compiled.py` lets Keras go on from there.
//!
//! `NAME.keras` and `NAME.h5` are a net after some steps; `NAME.json` has the batch, the figures of the step after, and the weights behind it.

use std::collections::BTreeSet;
use std::error::Error;
use std::path::{Path, PathBuf};

use convnet_interop::keras::{load_model, save_model};
use convnet_nn::layers::{BatchNormalization, Dense};
use convnet_nn::losses::{self, Loss, MeanSquaredError, SparseCategoricalCrossentropy};
use convnet_nn::metrics::{self, Metric};
use convnet_nn::model::{Compiled, Objective};
use convnet_nn::optimizers::{self, Adam, Optimizer, Sgd, WithSettings};
use convnet_nn::schedules::{self, OneCycle};
use convnet_nn::train::Arrays;
use convnet_nn::{Activation, Fit, LayerRef, Model, Sequential, Symbol};
use ndarray::{Array1, Array2, ArrayD};
use serde_json::{Map, Value as Json, json};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let folder = PathBuf::from(std::env::args().nth(1).ok_or("usage: compiled FOLDER")?);
    std::fs::create_dir_all(&folder)?;
    all_optimizers(&folder)?;
    all_losses(&folder)?;
    all_metrics(&folder)?;
    two_outputs(&folder)
}

fn golden(name: &str) -> Result<Json> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../golden/keras").join(name);
    Ok(serde_json::from_slice(&std::fs::read(path)?)?)
}

fn cases(golden: &Json) -> &[Json] {
    golden["cases"].as_array().map_or(&[], Vec::as_slice)
}

/// Class and arguments of something that Keras wrote down.
fn parts(object: &Json) -> Result<(&str, &Map<String, Json>)> {
    let parts = object["class_name"].as_str().zip(object["config"].as_object());
    parts.ok_or_else(|| "an object without a class or arguments".into())
}

fn tensor(json: &Json) -> Result<ArrayD<f32>> {
    let numbers = |key: &str| json[key].as_array().into_iter().flatten().filter_map(Json::as_f64);
    let sizes: Vec<usize> = numbers("shape").map(|size| size as usize).collect();
    Ok(ArrayD::from_shape_vec(sizes, numbers("values").map(|x| x as f32).collect())?)
}

fn to_json(array: &ArrayD<f32>) -> Json {
    json!({ "shape": array.shape(), "values": array.iter().collect::<Vec<_>>() })
}

/// What one net is trained on.
struct Data {
    x: ArrayD<f32>,
    targets: Vec<ArrayD<f32>>,
    /// How much each sample counts.
    weights: Option<Array1<f32>>,
}

/// Takes steps, saves, and takes one more from the file.
fn save(folder: &Path, name: &str, mut model: Model, data: &Data, steps: usize) -> Result<()> {
    let targets = data.targets.iter().map(|targets| targets.view()).collect();
    let samples = Arrays::with_targets(vec![data.x.view()], targets)?;
    let samples = match &data.weights {
        Some(weights) => samples.weights(weights.view())?,
        None => samples,
    };
    let fit = |steps: usize| Fit::new().batch_size(samples_of(data)).shuffle(false).epochs(steps);
    model.fit(&samples, fit(steps))?;
    let path = folder.join(format!("{name}.keras"));
    save_model(&model, folder.join(format!("{name}.h5")))?;
    save_model(&model, &path)?;
    let mut model = load_model(&path)?;
    let log = model.fit(&samples, fit(1))?.epochs.remove(0);
    let figures: Map<String, Json> =
        log.figures().into_iter().map(|(name, value)| (name, json!(value))).collect();
    let weights: Map<String, Json> = (model.weights())
        .map(|weight| (weight.path.clone(), to_json(&model.weight_values(weight).to_owned())))
        .collect();
    let targets: Vec<Json> = data.targets.iter().map(to_json).collect();
    let about = json!({
        "x": to_json(&data.x),
        "y": targets,
        "sample_weight": data.weights.clone().map(|weights| to_json(&weights.into_dyn())),
        "figures": figures,
        "weights": weights,
    });
    Ok(std::fs::write(folder.join(format!("{name}.json")), about.to_string())?)
}

fn samples_of(data: &Data) -> usize {
    data.x.shape()[0]
}

/// The names of a registry that no case had.
fn check_complete(
    kind: &str,
    all: impl IntoIterator<Item = &'static str>,
    had: &BTreeSet<String>,
) -> Result<()> {
    let missing: Vec<&str> = all.into_iter().filter(|name| !had.contains(*name)).collect();
    if missing.is_empty() {
        Ok(())
    } else {
        Err(format!("no case of the {kind} {}", missing.join(", ")).into())
    }
}

/// Numbers that look random, from -1 to 1.
fn numbers(rows: usize, columns: usize) -> Array2<f32> {
    Array2::from_shape_fn((rows, columns), |(i, j)| {
        (((i * 131 + j * 71 + 17) * 2_654_435) % 1999) as f32 / 999.5 - 1.0
    })
}

fn all_optimizers(folder: &Path) -> Result<()> {
    let mut had = BTreeSet::new();
    let mut all: Vec<Box<dyn Optimizer>> = Vec::new();
    for case in cases(&golden("optimizer_rules.json")?) {
        let (class, config) = parts(case)?;
        had.insert(class.to_owned());
        all.push(optimizers::from_config(class, config)?);
    }
    check_complete("optimizers", optimizers::REGISTRY.iter().map(|known| known.name), &had)?;
    had.clear();
    for case in cases(&golden("schedules.json")?) {
        let (class, config) = parts(&case["object"])?;
        had.insert(class.to_owned());
        all.push(optimizers::scheduled(Box::new(Sgd::default()), schedules::from_config(class, config)?));
    }
    for steps in [9, 1000] {
        had.insert("OneCycle".into());
        all.push(Box::new(Adam::default().schedule(OneCycle::new(0.01, steps))));
    }
    check_complete("schedules", schedules::REGISTRY.iter().map(|known| known.name), &had)?;
    let y = Array1::from_shape_fn(12, |i| (i * 5 % 3) as f32).into_dyn();
    let data = Data { x: numbers(12, 4).into_dyn(), targets: vec![y], weights: None };
    for (index, optimizer) in all.into_iter().enumerate() {
        let name = format!("optimizer_{index:02}_{}", optimizer.class_name());
        let first = Dense::new(5).activation(Activation::Tanh);
        let mut model =
            Sequential::new([4]).add(first).add(BatchNormalization::new()).add(Dense::new(3)).build()?;
        let loss: Box<dyn Loss> =
            Box::new(SparseCategoricalCrossentropy { from_logits: true, ..Default::default() });
        model.compile_with(Compiled::new(optimizer, loss, vec![Metric::Accuracy]))?;
        // Five steps leave a remainder where two or three are one update.
        save(folder, &name, model, &data, 5)?;
    }
    Ok(())
}

/// A net whose predictions are its inputs before it is trained.
fn identity(x: &ArrayD<f32>) -> Result<Model> {
    let sample = &x.shape()[1..];
    let channels = *sample.last().ok_or("predictions without channels")?;
    let mut model = Sequential::new(sample).add(LayerRef::new(Dense::new(channels)).named("same")).build()?;
    model.set_weight("same/kernel", Array2::<f32>::eye(channels).into_dyn().view())?;
    Ok(model)
}

fn all_losses(folder: &Path) -> Result<()> {
    let mut had = BTreeSet::new();
    for (index, case) in cases(&golden("losses_all.json")?).iter().enumerate() {
        let (class, config) = parts(case)?;
        if !losses::REGISTRY.iter().any(|known| known.name == class) {
            println!("the loss {class} is not known here");
            continue;
        }
        had.insert(class.to_owned());
        let (x, y) = (tensor(&case["y_pred"])?, tensor(&case["y_true"])?);
        let mut model = identity(&x)?;
        let optimizer: Box<dyn Optimizer> = Box::new(Sgd::new(0.001));
        model.compile_with(Compiled::new(optimizer, losses::from_config(class, config)?, vec![]))?;
        let data = Data { x, targets: vec![y], weights: None };
        save(folder, &format!("loss_{index:02}_{class}"), model, &data, 2)?;
    }
    check_complete("losses", losses::REGISTRY.iter().map(|known| known.name), &had)
}

fn all_metrics(folder: &Path) -> Result<()> {
    let (golden, mut had) = (golden("metrics_all.json")?, BTreeSet::new());
    // Keras has no class for the one, and an AUC with thresholds in the place of the other.
    had.extend(["Accuracy".to_owned(), "ExactAUC".to_owned()]);
    for (index, case) in cases(&golden).iter().enumerate() {
        let (class, config) = parts(case)?;
        had.insert(class.to_owned());
        let data = |key: &str| tensor(&golden["data"][case[key].as_str().unwrap_or_default()]);
        let (x, y, weights) = (data("y_pred")?, data("y_true")?, tensor(&golden["data"]["weights"])?);
        let metric = metrics::from_config(class, config)?;
        let weights = Some(weights.into_dimensionality()?);
        // Each a second time by the weights of samples, where Keras can.
        let both = [metric.clone().named("plain"), metric.named("by_weight").weighted()];
        let loss: Box<dyn Loss> = if y.ndim() < x.ndim() {
            Box::new(SparseCategoricalCrossentropy::default())
        } else {
            Box::new(MeanSquaredError)
        };
        let mut model = identity(&x)?;
        model.compile_with(Compiled::new(Box::new(Sgd::new(1e-4)), loss, both.into()))?;
        save(
            folder,
            &format!("metric_{index:02}_{class}"),
            model,
            &Data { x, targets: vec![y], weights },
            2,
        )?;
    }
    check_complete("metrics", metrics::REGISTRY.iter().map(|known| known.name), &had)
}

fn two_outputs(folder: &Path) -> Result<()> {
    let x = Symbol::input([4]);
    let inner = x.apply(Dense::new(5).activation(Activation::Relu))?;
    let size = inner.apply(LayerRef::new(Dense::new(2)).named("size"))?;
    let kind = inner.apply(LayerRef::new(Dense::new(3).activation(Activation::Softmax)).named("kind"))?;
    let mut model = Model::new(&[x], &[size, kind])?;
    let size =
        Objective::new(MeanSquaredError).weight(0.25).metrics([metrics::from_config("mae", &Map::new())?]);
    let kind = Objective::new(SparseCategoricalCrossentropy::default())
        .weight(2.0)
        .metrics([Metric::Accuracy, Metric::SparseCategoricalAccuracy.named("by_weight").weighted()]);
    model.compile_objectives(Adam::new(0.01), [size, kind])?;
    let classes = Array1::from_shape_fn(10, |i| (i * 5 % 3) as f32).into_dyn();
    let data = Data {
        x: numbers(10, 4).into_dyn(),
        targets: vec![numbers(10, 2).into_dyn(), classes],
        weights: Some(Array1::from_shape_fn(10, |i| 0.5 + 0.1 * i as f32)),
    };
    save(folder, "two_outputs", model, &data, 3)
}
