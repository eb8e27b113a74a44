//! Models that Keras wrote, random ones and such as people write: they load, predict Keras's numbers, and do so again after being saved.
//!
//! `golden/keras/make_random.py` makes the random ones; a few are kept, and `CONVNET_RANDOM_MODELS` names a folder of more. The others are
//! by `make_idioms.py`.

#![expect(clippy::unwrap_used, reason = "a failed helper is a failed test")]

use std::path::{Path, PathBuf};

use convnet_interop::keras::{self, Format, KerasFile};
use convnet_interop::onnx;
use convnet_nn::model::{self, Compiled};
use convnet_nn::train::Arrays;
use convnet_nn::{Fit, Model};
use ndarray::{ArrayD, IxDyn};
use serde_json::Value;

/// Largest difference to Keras, as a share of the largest number of an output.
const TOLERANCE: f32 = 1e-4;

fn tensor(value: &Value) -> ArrayD<f32> {
    let shape: Vec<usize> =
        value["shape"].as_array().unwrap().iter().map(|l| l.as_u64().unwrap() as usize).collect();
    let values = value["values"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap() as f32).collect();
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
        let worst = output
            .iter()
            .zip(expected)
            .map(|(a, b)| if a.is_nan() { f32::MAX } else { (a - b).abs() / scale });
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

#[test]
fn random_models_predict_what_they_predicted_in_keras() {
    let kept = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../golden/keras/random");
    let folder = std::env::var_os("CONVNET_RANDOM_MODELS").map_or(kept, PathBuf::from);
    let mut paths: Vec<PathBuf> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "keras"))
        .collect();
    paths.sort();
    assert!(paths.len() >= 12, "{} has only {} models", folder.display(), paths.len());
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

/// How far the model is from Keras's after two steps with all samples: the largest difference of a weight, as a share of the largest change of a weight of its tensor.
fn trained(path: &Path) -> Result<f32, String> {
    let file = KerasFile::read(path).map_err(|error| error.to_string())?;
    let member = |wanted: &str| {
        let member = file.members.iter().find(|(name, _)| name == wanted).map(|(_, content)| content);
        member.map(|content| serde_json::from_slice::<Value>(content).unwrap())
    };
    let (case, told) = (member("case.json").unwrap(), member("trained.json").ok_or("no trained.json")?);
    let mut model = file.to_model().map_err(|error| error.to_string())?;
    let all = |value: &Value| value.as_array().unwrap().iter().map(tensor).collect::<Vec<_>>();
    let (inputs, targets, expected) = (all(&case["inputs"]), all(&told["y"]), all(&told["weights"]));
    let compiled = serde_json::json!({
        "optimizer": { "class_name": "SGD", "config": { "learning_rate": 0.01 } },
        "loss": vec!["mean_squared_error"; targets.len()],
    });
    let compiled =
        Compiled::from_config(&compiled, &model.output_names()).map_err(|error| error.to_string())?;
    model.compile_with(compiled).map_err(|error| error.to_string())?;
    let before: Vec<ArrayD<f32>> =
        model.weights().map(|weight| model.weight_values(weight).to_owned()).collect();
    let samples = Arrays::with_targets(
        inputs.iter().map(|x| x.view()).collect(),
        targets.iter().map(|y| y.view()).collect(),
    );
    let samples = samples.map_err(|error| error.to_string())?;
    let count = targets[0].shape()[0];
    let history = model
        .fit(&samples, Fit::new().batch_size(count).epochs(2).shuffle(false))
        .map_err(|error| error.to_string())?;
    let losses: Vec<f32> =
        told["losses"].as_array().unwrap().iter().map(|loss| loss.as_f64().unwrap() as f32).collect();
    let found: Vec<f32> = history.epochs.iter().map(|epoch| epoch.loss as f32).collect();
    let mut largest = 0.0_f32;
    for (found, expected) in found.iter().zip(&losses) {
        let far = (found - expected).abs() / expected.abs().max(1.0);
        if far.is_nan() || far > 1e-3 {
            return Err(format!(
                "losses {losses:?} became {:?}",
                history.epochs.iter().map(|epoch| epoch.loss).collect::<Vec<_>>()
            ));
        }
    }
    if before.len() != expected.len() {
        return Err(format!("{} weights, not {}", before.len(), expected.len()));
    }
    let weights: Vec<_> = model.weights().collect();
    for ((weight, before), expected) in weights.iter().zip(&before).zip(&expected) {
        let after = model.weight_values(weight);
        if after.shape() != expected.shape() {
            return Err(format!("{}: {:?}, not {:?}", weight.path, after.shape(), expected.shape()));
        }
        let size = expected.iter().fold(0.0_f32, |largest, x| largest.max(x.abs()));
        let change = expected.iter().zip(before).fold(0.0_f32, |largest, (a, b)| largest.max((a - b).abs()));
        let far = after.iter().zip(expected).fold(0.0_f32, |largest, (a, b)| largest.max((a - b).abs()));
        // A weight has seven digits; changes are told by what is left of them.
        let share = (far - 4e-7 * size.max(1e-2)).max(0.0) / change.max(1e-12);
        if share > 1e-2 {
            return Err(format!("{}: {far:e} away after changes of {change:e}", weight.path));
        }
        largest = largest.max(share);
    }
    Ok(largest)
}

#[test]
fn random_models_take_the_steps_that_they_took_in_keras() {
    let Some(folder) = std::env::var_os("CONVNET_TRAINED_MODELS") else { return };
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let (mut problems, mut largest) = (Vec::new(), 0.0_f32);
    for path in &paths {
        match trained(path) {
            Ok(share) => largest = largest.max(share),
            Err(problem) => problems.push(format!("{}: {problem}", path.display())),
        }
    }
    println!("{} models, largest difference {largest:.1e} of a change", paths.len());
    assert!(problems.is_empty(), "{} of {}:\n{}", problems.len(), paths.len(), problems.join("\n"));
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
