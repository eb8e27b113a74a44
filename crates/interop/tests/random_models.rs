//! Models that Keras wrote, random ones and such as people write: they load, predict Keras's numbers, and do so again after being saved.
//!
//! `golden/keras/make_random.py` and `make_masked.py` make the random ones; a few are kept, and `CONVNET_RANDOM_MODELS` names a folder of more. The others are
//! by `make_idioms.py`.

#![expect(clippy::unwrap_used, reason = "a failed helper is a failed test")]

use std::path::{Path, PathBuf};

use convnet_interop::keras::{self, Format, KerasFile};
use convnet_interop::onnx;
use convnet_nn::model::{self, Compiled};
use convnet_nn::train::Arrays;
use convnet_nn::{Fit, Model};
use ndarray::{ArrayD, IxDyn};
use serde_json::{Value, json};

/// Largest difference to Keras, as a share of the largest number of an output.
const TOLERANCE: f32 = 1e-4;

fn tensor(value: &Value) -> ArrayD<f32> {
    let shape: Vec<usize> =
        value["shape"].as_array().unwrap().iter().map(|l| l.as_u64().unwrap() as usize).collect();
    let values =
        value["values"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap_or(f64::NAN) as f32).collect();
    ArrayD::from_shape_vec(IxDyn(&shape), values).unwrap()
}

/// The largest difference between what the model predicts and what Keras did.
fn difference(model: &Model, case: &Value) -> Result<f32, String> {
    let inputs: Vec<_> = case["inputs"].as_array().unwrap().iter().map(tensor).collect();
    let views: Vec<_> = inputs.iter().map(|input| input.view()).collect();
    compare(model.predict_all(&views).map_err(|error| error.to_string())?, case)
}

/// The largest difference between outputs and Keras's.
fn compare(outputs: impl IntoIterator<Item = ArrayD<f32>>, case: &Value) -> Result<f32, String> {
    let outputs: Vec<_> = outputs.into_iter().collect();
    let expected: Vec<_> = case["outputs"].as_array().unwrap().iter().map(tensor).collect();
    if outputs.len() != expected.len() {
        return Err(format!("{} outputs instead of {}", outputs.len(), expected.len()));
    }
    let mut largest = 0.0_f32;
    for (output, expected) in outputs.iter().zip(&expected) {
        if output.shape() != expected.shape() {
            return Err(format!("an output has the sizes {:?}, not {:?}", output.shape(), expected.shape()));
        }
        let scale = expected.iter().fold(1e-3_f32, |scale, x| scale.max(x.abs()));
        let worst = output.iter().zip(expected).map(|(a, b)| match (a.is_nan(), b.is_nan()) {
            (false, false) => (a - b).abs() / scale,
            (true, true) => 0.0,
            _ => f32::MAX,
        });
        largest = worst.fold(largest, f32::max);
    }
    Ok(largest)
}

/// Fills an empty twin of the model from its weights in each kind of file; gives the largest difference to Keras.
fn weights_come_back(
    model: &Model,
    path: &Path,
    is_open: bool,
    formats: &[Format],
    case: &Value,
) -> Result<f32, String> {
    let name = path.file_stem().unwrap().to_string_lossy();
    let folder = std::env::temp_dir().join(format!("convnet-weights-{}-{name}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let mut files = vec![folder.join("x.weights.h5")];
    keras::save_weights(model, &files[0]).map_err(|error| error.to_string())?;
    if formats.contains(&Format::LegacyH5) {
        files.push(folder.join("x.h5"));
        keras::save_model(model, &files[1]).map_err(|error| error.to_string())?;
    }
    files.extend((!is_open).then(|| path.to_owned()));
    let mut largest = 0.0_f32;
    for file in &files {
        let mut twin = KerasFile::of_model(model).to_model().map_err(|error| error.to_string())?;
        let empty =
            |twin: &mut Model| twin.weights_mut().into_iter().for_each(|(_, values)| values.fill(0.0));
        empty(&mut twin);
        keras::load_weights(&mut twin, file).map_err(|error| error.to_string())?;
        largest =
            largest.max(difference(&twin, case).map_err(|error| format!("{}: {error}", file.display()))?);
        if file != &files[0] {
            empty(&mut twin);
            let left =
                keras::load_weights_by_name(&mut twin, file, false).map_err(|error| error.to_string())?;
            assert_eq!(left, Vec::<String>::new());
            largest = largest.max(difference(&twin, case)?);
        }
    }
    std::fs::remove_dir_all(folder).unwrap();
    Ok(largest)
}

/// Writes the model as ONNX, and computes its outputs from that; gives the largest difference to Keras.
fn onnx_comes_back(model: &Model, case: &Value) -> Result<f32, String> {
    let bytes = onnx::to_bytes(model).map_err(|error| error.to_string())?;
    let file = onnx::File::from_bytes(bytes).map_err(|error| error.to_string())?;
    let inputs = case["inputs"].as_array().unwrap().iter().map(|input| {
        let input = tensor(input);
        onnx::Tensor::floats(input.shape().to_vec(), input.into_iter().collect())
    });
    let names = file.inputs().into_iter().map(|port| port.name);
    let evaluation = file.with_values(names.zip(inputs).collect()).map_err(|error| error.to_string())?;
    let outputs = evaluation.run().map_err(|error| error.to_string())?.into_iter();
    compare(
        outputs
            .map(|output| ArrayD::from_shape_vec(IxDyn(&output.dims.clone()), output.into_floats()).unwrap()),
        case,
    )
}

/// Loads a model, whose inputs have the sizes of the case where they are open, and holds it to Keras's numbers, as it is and saved in some
/// formats; gives the largest difference.
fn check(path: &Path, formats: &[Format]) -> Result<f32, String> {
    let mut file = KerasFile::read(path).map_err(|error| error.to_string())?;
    let (_, case) = file.members.iter().find(|(name, _)| name == "case.json").ok_or("no case.json")?;
    let case: Value = serde_json::from_slice(case).map_err(|error| error.to_string())?;
    let is_open = model::stated_ends(&file.config).0.iter().any(|input| input.dims.contains(&None));
    if is_open {
        assert!(file.to_model().unwrap_err().to_string().contains("leaves sizes open"));
        let inputs = case["inputs"].as_array().unwrap().iter();
        let sizes: Vec<Vec<usize>> = inputs.map(|input| tensor(input).shape()[1..].to_vec()).collect();
        file.config = model::with_input_sizes(&file.config, &sizes).map_err(|error| error.to_string())?;
    }
    let model = file.to_model().map_err(|error| error.to_string())?;
    let mut largest = difference(&model, &case)?;
    for &format in formats {
        let again = KerasFile::of_model(&model)
            .to_bytes(format)
            .and_then(KerasFile::from_bytes)
            .and_then(|file| file.to_model())
            .map_err(|error| format!("saved as {format:?}: {error}"))?;
        largest = largest.max(difference(&again, &case).map_err(|error| format!("{format:?}: {error}"))?);
    }
    largest = largest.max(onnx_comes_back(&model, &case).map_err(|error| format!("as ONNX: {error}"))?);
    largest = largest.max(weights_come_back(&model, path, is_open, formats, &case)?);
    if largest > TOLERANCE { Err(format!("differs by {largest}")) } else { Ok(largest) }
}

/// The models that are kept, or those of the folder that is asked for.
fn random_models() -> Vec<PathBuf> {
    let kept = |name: &str| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../golden/keras").join(name);
    let folders = match std::env::var_os("CONVNET_RANDOM_MODELS") {
        Some(folder) => vec![PathBuf::from(folder)],
        None => vec![kept("random"), kept("masked")],
    };
    let mut paths: Vec<PathBuf> = folders
        .iter()
        .flat_map(|folder| std::fs::read_dir(folder).unwrap())
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "keras"))
        .collect();
    paths.sort();
    let least = if folders.len() == 2 { 80 } else { 1 };
    assert!(paths.len() >= least, "{folders:?} have only {} models", paths.len());
    paths
}

#[test]
fn random_models_predict_what_they_predicted_in_keras() {
    let paths = random_models();
    let mut problems = Vec::new();
    let mut largest = 0.0_f32;
    for path in &paths {
        match check(path, &[Format::Archive, Format::LegacyH5]) {
            Ok(difference) => largest = largest.max(difference),
            Err(problem) => problems.push(format!("{}: {problem}", path.display())),
        }
    }
    println!("{} models, largest relative difference {largest:.1e}", paths.len());
    assert!(problems.is_empty(), "{} of {}:\n{}", problems.len(), paths.len(), problems.join("\n"));
}

/// How far the model is from Keras's after two steps with all samples: the largest difference of a weight, as a share of the largest change of its
/// tensor; `None` if Keras did not train it.
fn trained(path: &Path) -> Result<Option<f32>, String> {
    let file = KerasFile::read(path).map_err(|error| error.to_string())?;
    let member = |wanted: &str| -> Option<Value> {
        let (_, content) = file.members.iter().find(|(name, _)| name == wanted)?;
        Some(serde_json::from_slice(content).unwrap())
    };
    let (Some(case), Some(told)) = (member("case.json"), member("trained.json")) else { return Ok(None) };
    let all = |value: &Value| value.as_array().unwrap().iter().map(tensor).collect::<Vec<_>>();
    let (inputs, targets, expected) = (all(&case["inputs"]), all(&told["y"]), all(&told["weights"]));
    let mut model = file.to_model().map_err(|error| error.to_string())?;
    let compiled = json!({
        "optimizer": { "class_name": "SGD", "config": { "learning_rate": 0.01 } },
        "loss": vec!["mean_squared_error"; targets.len()],
    });
    let compiled = Compiled::from_config(&compiled, &model.output_names()).unwrap();
    model.compile_with(compiled).unwrap();
    let values = |model: &Model| -> Vec<ArrayD<f32>> {
        model.weights().map(|weight| model.weight_values(weight).to_owned()).collect()
    };
    let before = values(&model);
    let [inputs, outputs] =
        [&inputs, &targets].map(|arrays| arrays.iter().map(|array| array.view()).collect());
    let samples = Arrays::with_targets(inputs, outputs).unwrap();
    let fit = Fit::new().batch_size(targets[0].shape()[0]).epochs(2).shuffle(false);
    let history = model.fit(&samples, fit).map_err(|error| error.to_string())?;
    for (epoch, loss) in history.epochs.iter().zip(told["losses"].as_array().unwrap()) {
        let loss = loss.as_f64().unwrap();
        let far = (epoch.loss - loss).abs() / loss.abs().max(1.0);
        if far.is_nan() || far > 1e-4 {
            return Err(format!("a loss of {loss} became {}", epoch.loss));
        }
    }
    let after = values(&model);
    let dims = |arrays: &[ArrayD<f32>]| arrays.iter().map(|array| array.shape().to_vec()).collect::<Vec<_>>();
    if dims(&after) != dims(&expected) {
        return Err(format!("weights of {:?}, not {:?}", dims(&after), dims(&expected)));
    }
    let mut largest = 0.0_f32;
    for (index, ((before, after), expected)) in before.iter().zip(&after).zip(&expected).enumerate() {
        let most = |array: ArrayD<f32>| array.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
        // A weight has seven digits; a change is told by what is left of them.
        let rounding = 4e-7 * most(expected.clone()).max(1e-2);
        let share = (most(after - expected) - rounding).max(0.0) / most(expected - before).max(1e-12);
        if share > 1e-2 {
            return Err(format!("weight {index} is {share} of its change away"));
        }
        largest = largest.max(share);
    }
    Ok(Some(largest))
}

#[test]
fn random_models_take_the_steps_that_they_took_in_keras() {
    let (mut problems, mut largest, mut count) = (Vec::new(), 0.0_f32, 0);
    for path in random_models() {
        match trained(&path) {
            Ok(None) => {}
            Ok(Some(share)) => (largest, count) = (largest.max(share), count + 1),
            Err(problem) => problems.push(format!("{}: {problem}", path.display())),
        }
    }
    println!("{count} models, largest difference {largest:.1e} of a change");
    assert!(problems.is_empty(), "{} of {count}:\n{}", problems.len(), problems.join("\n"));
    let asked = std::env::var_os("CONVNET_RANDOM_MODELS").is_some();
    assert!(count >= 10 || asked, "only {count} models were trained");
}

#[test]
fn models_as_people_write_them_predict_what_they_predicted_in_keras() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../golden/keras/idioms");
    let mut problems = Vec::new();
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        count += 1;
        // Legacy files cannot hold operations, in Keras neither.
        let legacy = path.ends_with("old_slashes.keras").then_some(Format::LegacyH5);
        let formats: Vec<Format> = std::iter::once(Format::Archive).chain(legacy).collect();
        if let Err(problem) = check(&path, &formats) {
            problems.push(format!("{}: {problem}", path.display()));
        }
    }
    assert_eq!(count, 25);
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn legacy_files_refuse_operations_by_name() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../golden/keras/idioms/mixer.keras");
    let model = KerasFile::read(path).unwrap().to_model().unwrap();
    let problem = KerasFile::of_model(&model).to_bytes(Format::LegacyH5).unwrap_err().to_string();
    assert!(problem.contains("\"reshape\"") && problem.contains("Write .keras"), "{problem}");
}

/// The names of a model's layers, and of the models' in it, in their order.
fn names(object: &Value, found: &mut Vec<String>) {
    for layer in object["config"]["layers"].as_array().into_iter().flatten() {
        found.push(layer["config"]["name"].as_str().unwrap_or_default().to_owned());
        names(layer, found);
    }
}

#[test]
fn layers_stand_in_the_order_that_keras_gives_them() {
    let mut problems = Vec::new();
    for path in random_models() {
        let file = KerasFile::read(&path).unwrap();
        // What opens at certain sizes only is in other tests.
        let Ok(model) = file.to_model() else { continue };
        let (mut in_keras, mut here) = (Vec::new(), Vec::new());
        names(&file.config, &mut in_keras);
        names(&model.config(), &mut here);
        in_keras.retain(|name| here.contains(name));
        if here != in_keras {
            problems.push(format!("{}: {here:?}, not {in_keras:?}", path.display()));
        }
    }
    assert!(problems.is_empty(), "{}:\n{}", problems.len(), problems.join("\n"));
}

/// Its file lets an average count the steps that a model in it has masked; the layers between see the mask.
#[test]
fn masks_that_keras_loses_on_their_way_are_refused_by_name() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../golden/keras/lost_mask.keras");
    let problem = keras::load_model(path).unwrap_err().to_string();
    assert!(problem.contains("`global_average_pooling1d_1`"), "{problem}");
    assert!(problem.contains("what a model in the model makes of masked steps"), "{problem}");
}
