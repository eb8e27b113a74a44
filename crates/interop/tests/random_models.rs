//! Random functional models that Keras wrote: they load, predict Keras's numbers, and do so again after being saved.
//!
//! `golden/keras/make_random.py` makes them; a few are kept, and `CONVNET_RANDOM_MODELS` names a folder of more.

#![expect(clippy::unwrap_used, reason = "a failed helper is a failed test")]

use std::path::{Path, PathBuf};

use convnet_interop::keras::{Format, KerasFile};
use convnet_nn::Model;
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
    let outputs = model.predict_all(&views).map_err(|error| error.to_string())?;
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

/// Loads a model and holds it to Keras's numbers, as it is and saved in both formats; gives the largest difference.
fn check(path: &Path) -> Result<f32, String> {
    let file = KerasFile::read(path).map_err(|error| error.to_string())?;
    let (_, case) = file.members.iter().find(|(name, _)| name == "case.json").ok_or("no case.json")?;
    let case: Value = serde_json::from_slice(case).map_err(|error| error.to_string())?;
    let model = file.to_model().map_err(|error| error.to_string())?;
    let mut largest = difference(&model, &case)?;
    for format in [Format::Archive, Format::LegacyH5] {
        let again = KerasFile::of_model(&model)
            .to_bytes(format)
            .and_then(KerasFile::from_bytes)
            .and_then(|file| file.to_model())
            .map_err(|error| format!("saved as {format:?}: {error}"))?;
        largest = largest.max(difference(&again, &case).map_err(|error| format!("{format:?}: {error}"))?);
    }
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
        match check(path) {
            Ok(difference) => largest = largest.max(difference),
            Err(problem) => problems.push(format!("{}: {problem}", path.display())),
        }
    }
    println!("{} models, largest relative difference {largest:.1e}", paths.len());
    assert!(problems.is_empty(), "{} of {}:\n{}", problems.len(), paths.len(), problems.join("\n"));
}
