//! The golden files that Keras wrote: read, and written and read again.

#![expect(clippy::unwrap_used, reason = "a failed helper is a failed test")]

use std::collections::BTreeMap;
use std::path::PathBuf;

use convnet_interop::keras::{Format, KerasFile, load_model};
use ndarray::{ArrayD, IxDyn};
use serde_json::Value;

const MODELS: [(&str, &[&str]); 7] = [
    ("sequential", &["keras", "h5"]),
    ("functional", &["keras", "h5"]),
    ("branching", &["keras", "h5"]),
    ("shared", &["keras", "h5"]),
    ("nested", &["keras", "h5"]),
    ("keras2_sequential", &["h5"]),
    ("keras2_branching", &["h5"]),
];

fn golden(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../golden/keras").join(name)
}

fn tensor(value: &Value) -> ArrayD<f32> {
    let shape: Vec<usize> =
        value["shape"].as_array().unwrap().iter().map(|l| l.as_u64().unwrap() as usize).collect();
    let values = value["values"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap() as f32).collect();
    ArrayD::from_shape_vec(IxDyn(&shape), values).unwrap()
}

fn golden_json(name: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(golden(&format!("{name}.json"))).unwrap()).unwrap()
}

/// What Keras says each outermost layer's arrays are, by name.
fn expected(name: &str) -> BTreeMap<String, Vec<ArrayD<f32>>> {
    let json = golden_json(name);
    let layers = json["weights"].as_object().unwrap().iter();
    let layers = layers
        .map(|(layer, weights)| (layer.clone(), weights.as_array().unwrap().iter().map(tensor).collect()));
    layers.filter(|(_, weights): &(_, Vec<_>)| !weights.is_empty()).collect()
}

/// What was read, with the layers of nested models put together under the model's name.
fn found(file: &KerasFile) -> BTreeMap<String, Vec<ArrayD<f32>>> {
    let mut found = BTreeMap::<String, Vec<_>>::new();
    for layer in &file.layers {
        let outer = layer.path.split('/').next().unwrap().to_owned();
        found.entry(outer).or_default().extend(layer.weights.iter().map(|(_, value)| value.clone()));
    }
    found
}

fn each_file(check: impl Fn(&str, &str, KerasFile)) {
    for (name, extensions) in MODELS {
        for extension in extensions {
            check(name, extension, KerasFile::read(golden(&format!("{name}.{extension}"))).unwrap());
        }
    }
}

#[test]
fn every_layer_has_the_arrays_that_keras_gave_it() {
    each_file(|name, extension, file| assert_eq!(found(&file), expected(name), "{name}.{extension}"));
}

#[test]
fn both_formats_tell_the_same() {
    for name in ["sequential", "functional", "branching", "shared", "nested"] {
        let archive = KerasFile::read(golden(&format!("{name}.keras"))).unwrap();
        let legacy = KerasFile::read(golden(&format!("{name}.h5"))).unwrap();
        assert_eq!(archive.optimizer, legacy.optimizer, "{name}");
        let settings = |file: &KerasFile| {
            file.compile_config.as_ref().map(|compiled| compiled["optimizer"]["config"].clone())
        };
        assert_eq!(settings(&archive), settings(&legacy), "{name}");
        let paths = |file: &KerasFile| file.layers.iter().map(|layer| layer.path.clone()).collect::<Vec<_>>();
        assert_eq!(paths(&archive), paths(&legacy), "{name}");
    }
}

#[test]
fn optimizer_state_is_complete() {
    let state = |name: &str| KerasFile::read(golden(name)).unwrap().optimizer;
    let rmsprop = state("sequential.keras").unwrap();
    assert_eq!((rmsprop.iteration, rmsprop.learning_rate, rmsprop.slots.len()), (4, Some(0.002), 8));
    let adam = state("functional.keras").unwrap();
    assert_eq!(adam.slots.len(), 16);
    assert_eq!(adam.slots[0].shape(), adam.slots[1].shape());
    assert_eq!(state("shared.keras"), None);
    let keras2 = state("keras2_sequential.h5").unwrap();
    assert_eq!((keras2.iteration, keras2.learning_rate, keras2.slots.len()), (4, None, 8));
}

#[test]
fn what_is_written_is_read_back() {
    each_file(|name, extension, mut file| {
        file.members = vec![("convnet.json".into(), b"{}".to_vec())];
        let bytes = file.to_bytes(Format::Archive).unwrap();
        assert_eq!(bytes, file.to_bytes(Format::Archive).unwrap(), "{name}.{extension}: same bytes");
        let again = KerasFile::from_bytes(bytes).unwrap();
        assert_eq!(again.config, file.config, "{name}.{extension}");
        assert_eq!((&again.compile_config, &again.members), (&file.compile_config, &file.members));
        assert_eq!((found(&again), &again.optimizer), (found(&file), &file.optimizer), "{name}.{extension}");

        let again = KerasFile::from_bytes(file.to_bytes(Format::LegacyH5).unwrap()).unwrap();
        assert_eq!(
            (found(&again), &again.optimizer),
            (found(&file), &file.optimizer),
            "{name}.{extension} as .h5"
        );
    });
}

#[test]
fn errors_name_the_file_and_the_fault() {
    let message = |name: &str, bytes: &[u8]| {
        let path = std::env::temp_dir().join(format!("convnet-{}-{name}", std::process::id()));
        std::fs::write(&path, bytes).unwrap();
        let error = KerasFile::read(&path).unwrap_err().to_string();
        std::fs::remove_file(&path).unwrap();
        assert!(error.contains(name), "{error}");
        error
    };
    let whole = std::fs::read(golden("sequential.keras")).unwrap();
    assert!(message("torn.keras", &whole[..whole.len() / 2]).contains("zip archive"));
    assert!(message("empty.keras", b"").contains("cut short"));
    let legacy = std::fs::read(golden("sequential.h5")).unwrap();
    message("torn.h5", &legacy[..legacy.len() / 2]);
    let mut stray = KerasFile::read(golden("sequential.keras")).unwrap();
    stray.layers[0].path = "conv3d".into();
    assert!(stray.to_bytes(Format::Archive).unwrap_err().to_string().contains("conv3d"));
}

#[test]
fn models_predict_what_they_predicted_in_keras() {
    for (name, extensions) in MODELS {
        let json = golden_json(name);
        let inputs: Vec<_> = json["inputs"].as_array().unwrap().iter().map(tensor).collect();
        let views: Vec<_> = inputs.iter().map(|input| input.view()).collect();
        for extension in extensions {
            let model = load_model(golden(&format!("{name}.{extension}"))).unwrap();
            assert_eq!(model.count_params() as u64, json["parameters"].as_u64().unwrap());
            assert_eq!(model.compiled().is_some(), name != "shared", "{name}.{extension}");
            for format in [None, Some(Format::Archive), Some(Format::LegacyH5)] {
                let rewritten = format.map(|format| KerasFile::of_model(&model).to_bytes(format).unwrap());
                let again = rewritten.map(|bytes| KerasFile::from_bytes(bytes).unwrap().to_model().unwrap());
                let outputs = again.as_ref().unwrap_or(&model).predict_all(&views).unwrap();
                for (output, expected) in outputs.iter().zip(json["outputs"].as_array().unwrap()) {
                    let difference = (output - &tensor(expected)).mapv(f32::abs);
                    let largest = difference.iter().fold(0.0, |a: f32, &b| a.max(b));
                    assert!(largest < 2e-6, "{name}.{extension} through {format:?}: differs by {largest}");
                }
            }
        }
    }
}

#[test]
fn training_goes_on_from_a_file_to_the_same_bits() {
    use convnet_nn::layers::{BatchNormalization, Dense};
    use convnet_nn::losses::MeanSquaredError;
    use convnet_nn::optimizers::WithSettings;
    use convnet_nn::schedules::{CosineDecay, OneCycle};
    use convnet_nn::train::Arrays;
    use convnet_nn::{Fit, Sequential, optimizers};

    let x = ndarray::Array2::from_shape_fn((12, 3), |(i, j)| ((i * 7 + j * 5) % 11) as f32 / 11.0);
    let y = ndarray::Array2::from_shape_fn((12, 2), |(i, j)| ((i + j) % 3) as f32);
    let data = Arrays::new(x.view(), y.view()).unwrap();
    for optimizer in [
        optimizers::from_name("adam").unwrap(),
        optimizers::from_name("rmsprop").unwrap(),
        Box::new(optimizers::RmsProp::default().momentum(0.5).centered(true)),
        Box::new(optimizers::Sgd::new(0.1).momentum(0.9)),
        optimizers::from_name("sgd").unwrap(),
        optimizers::from_name("nadam").unwrap(),
        optimizers::from_name("adagrad").unwrap(),
        optimizers::from_name("adadelta").unwrap(),
        optimizers::from_name("lion").unwrap(),
        optimizers::from_name("lamb").unwrap(),
        Box::new(optimizers::Adam::new(0.01).amsgrad(true)),
        Box::new(optimizers::AdamW::default().schedule(CosineDecay::new(0.1, 9))),
        Box::new(optimizers::Adamax::new(0.01).use_ema(0.7).gradient_accumulation_steps(2)),
        Box::new(optimizers::Nadam::new(0.01).schedule(CosineDecay::new(0.1, 9)).global_clipnorm(0.5)),
        Box::new(optimizers::Sgd::new(0.1).schedule(OneCycle::new(0.1, 200))),
    ] {
        let mut model = Sequential::new([3])
            .add(Dense::new(4))
            .add(BatchNormalization::new())
            .add(Dense::new(2))
            .build()
            .unwrap();
        let (loss, metrics) = (Box::new(MeanSquaredError), vec![]);
        let name = format!("{optimizer:?}");
        model.compile_with(convnet_nn::model::Compiled::new(optimizer, loss, metrics)).unwrap();
        model.fit(&data, Fit::new().batch_size(5).epochs(2)).unwrap();
        for format in [Format::Archive, Format::LegacyH5] {
            let bytes = KerasFile::of_model(&model).to_bytes(format).unwrap();
            let mut again = KerasFile::from_bytes(bytes).unwrap().to_model().unwrap();
            assert_eq!(again.optimizer_memory(), model.optimizer_memory(), "{name} {format:?}");
            let mut first = KerasFile::of_model(&model).to_model().unwrap();
            for model in [&mut first, &mut again] {
                model.fit(&data, Fit::new().batch_size(5).epochs(2).seed(9)).unwrap();
            }
            assert_eq!(first.get_weights(), again.get_weights(), "{name} {format:?}");
        }
    }
}

#[test]
fn a_schedule_that_keras_lacks_is_written_as_one_that_it_has() {
    use convnet_nn::layers::Dense;
    use convnet_nn::losses::MeanSquaredError;
    use convnet_nn::optimizers::{Sgd, WithSettings};
    use convnet_nn::schedules::{self, OneCycle, Schedule};

    for steps in [2, 7, 128, 1000, 54_321] {
        let cycle = OneCycle::new(0.1, steps);
        let mut model = convnet_nn::Sequential::new([3]).add(Dense::new(2)).build().unwrap();
        model.compile(Sgd::new(1.0).schedule(cycle.clone()), MeanSquaredError, []).unwrap();
        let file = KerasFile::of_model(&model);
        let rate = &file.compile_config.as_ref().unwrap()["optimizer"]["config"]["learning_rate"];
        assert_eq!(rate["class_name"], "PiecewiseConstantDecay");
        let written =
            schedules::from_config("PiecewiseConstantDecay", rate["config"].as_object().unwrap()).unwrap();
        // Exact as long as there is a piece for each step; half a piece of the steepest part, π / 2 · peak / rise, otherwise.
        let far = if steps <= 128 { 0.0 } else { 0.1 * 1.6 / 0.3 / 256.0 * 1.1 };
        for step in 0..steps + 9 {
            let (found, wanted) = (written.rate(step), cycle.rate(step));
            assert!((found - wanted).abs() <= far, "step {step} of {steps}: {found} instead of {wanted}");
        }
    }
}

#[test]
fn what_is_not_known_of_a_file_is_told() {
    let file = KerasFile::read(golden("sequential.keras")).unwrap();
    assert_eq!(file.to_model().unwrap().notes(), [] as [&str; 0]);
    let changed = |what: &str, value: Value| {
        let mut file = file.clone();
        file.compile_config.as_mut().unwrap()[what] = value;
        file.to_model().unwrap()
    };
    let model = changed("optimizer", serde_json::json!({ "class_name": "Muon", "config": {} }));
    assert!(model.compiled().is_none() && model.notes()[0].contains("unknown optimizer `Muon`"));
    let model = changed("loss", "my_loss".into());
    assert!(model.compiled().is_none() && model.notes()[0].contains("my_loss"), "{:?}", model.notes());
    let model = changed("metrics", serde_json::json!([["accuracy", "my_metric"]]));
    assert_eq!(model.compiled().unwrap().metrics().count(), 1);
    assert!(model.notes()[0].contains("my_metric"), "{:?}", model.notes());
}

#[test]
fn what_a_model_remembers_is_in_both_formats() {
    let mut model = load_model(golden("sequential.keras")).unwrap();
    let words: Vec<String> = (0..20_000).map(|word| format!("wörd {word}")).collect();
    model.set_class_names(vec!["no".into(), "yes".into()]);
    model.remember("words", serde_json::json!(words));
    for ending in ["keras", "h5"] {
        let path = std::env::temp_dir().join(format!("convnet-remembered-{}.{ending}", std::process::id()));
        convnet_interop::keras::save_model(&model, &path).unwrap();
        let again = load_model(&path).unwrap();
        std::fs::remove_file(path).unwrap();
        assert_eq!(again.remembered("words"), model.remembered("words"), "{ending}");
        assert_eq!((again.class_names(), again.notes().len()), (model.class_names(), 0));
    }
}
