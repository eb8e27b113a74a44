//! That training does what it should, from the outside.

use crate::support::{Folder, NET, write_dataset, write_png};

#[test]
fn mnist_is_learnt_in_an_epoch() {
    let folder = Folder::new("mnist");
    let objects = folder.run(&["train", "--epochs", "1", "--json"]).objects();
    assert_eq!((&objects[0]["images"], &objects[0]["parameters"]), (&60_000.into(), &104_202.into()));
    let end = objects.last().unwrap();
    assert!(end["test_accuracy"].as_f64().unwrap() > 0.97, "{end}");
    assert_eq!(
        (end["output"].as_str(), folder.names()),
        (Some("mnist.keras"), vec!["mnist.keras".to_owned()])
    );
}

#[test]
fn the_same_seed_gives_the_same_file_on_any_number_of_threads() {
    let folder = Folder::with_data("threads");
    let train = |threads: &str, seed: &str, file: &str| {
        let arguments =
            ["train", "data", "--model", "net.toml", "--epochs", "2", "--threads", threads, "--seed", seed];
        folder.run(&[&arguments[..], &["--output", file, "--json"]].concat()).last();
        folder.read(file)
    };
    let one = train("1", "7", "one.keras");
    assert!(one == train("2", "7", "two.keras"), "1 and 2 threads differ");
    assert!(one == train("5", "7", "five.keras"), "1 and 5 threads differ");
    assert!(one != train("1", "8", "other.keras"), "the seed has no effect");
}

#[test]
fn training_goes_on_from_a_saved_model() {
    let folder = Folder::with_data("further");
    let first = folder.run(&["train", "data", "--model", "net.toml", "--epochs", "1", "--json"]).last();
    let further = [
        "train",
        "data",
        "--model",
        "data.keras",
        "--epochs",
        "1",
        "--learning-rate",
        "0.001",
        "--output",
        "2.h5",
    ];
    let second = folder.run(&[&further[..], &["--json"]].concat()).last();
    assert!(second["test_loss"].as_f64() < first["test_loss"].as_f64(), "{first} {second}");
    let again = folder.run(&["evaluate", "2.h5", "data", "--json"]).last();
    assert_eq!(again["loss"], second["test_loss"]);
}

#[test]
fn validation_images_are_cut_off_the_training_images() {
    let folder = Folder::with_data("split");
    let arguments =
        ["train", "data", "--model", "net.toml", "--epochs", "2", "--validation-split", "0.2", "--json"];
    let objects = folder.run(&arguments).objects();
    assert_eq!((&objects[0]["images"], &objects[0]["validation_images"]), (&240.into(), &60.into()));
    assert_eq!(objects[3]["test_images"], 60);
    assert_ne!(objects[3]["test_loss"], objects[2]["val_loss"]);
}

#[test]
fn a_data_set_without_test_images_has_no_test_figures() {
    let folder = Folder::with_data("no-test");
    for part in ["images-idx3", "labels-idx1"] {
        std::fs::remove_file(folder.path(&format!("data/t10k-{part}-ubyte"))).unwrap();
    }
    let objects = folder.run(&["train", "data", "--model", "net.toml", "--epochs", "1", "--json"]).objects();
    assert!(objects[1].get("val_loss").is_none(), "{}", objects[1]);
    assert!(objects[2]["test_accuracy"].is_null() && objects[2]["test_loss"].is_null(), "{}", objects[2]);
    assert_eq!(folder.run(&["evaluate", "data.keras", "data", "--json"]).last()["part"], "train");
    let text = folder.run(&["train", "data", "--model", "net.toml", "--epochs", "1"]).stdout;
    assert!(text.contains("no test images"), "{text}");
}

/// Trains a variant of the network and predicts a picture of class 1.
fn label_of_one(folder: &Folder, net: &str) -> serde_json::Value {
    folder.write("variant.toml", net);
    let end = folder
        .run(&["train", "data", "--model", "variant.toml", "--output", "variant.keras", "--json"])
        .last();
    assert!(end["test_accuracy"].as_f64().unwrap() > 0.95, "{end}");
    write_png(&folder.path("one.png"), 1, 1, false);
    folder.run(&["predict", "variant.keras", "one.png", "--json"]).last()["predictions"].take()
}

#[test]
fn labels_take_the_form_that_the_loss_wants() {
    let folder = Folder::with_data("one-hot");
    let one_hot = NET.replace("sparse_categorical", "categorical");
    assert_eq!(label_of_one(&folder, &one_hot)[0]["label"], "1");
    let logits = NET.replace("activation = \"softmax\"\n", "").replace(
        "loss = \"sparse_categorical_crossentropy\"",
        "loss = { name = \"sparse_categorical_crossentropy\", from_logits = true }",
    );
    let predictions = label_of_one(&folder, &logits);
    let sum: f64 =
        predictions.as_array().unwrap().iter().map(|row| row["probability"].as_f64().unwrap()).sum();
    assert!(predictions[0]["label"] == "1" && (sum - 1.0).abs() < 1e-5, "{predictions}");
}

#[test]
fn one_sigmoid_unit_tells_two_classes_apart() {
    let folder = Folder::with_data("binary");
    write_dataset(&folder.path("data"), 2);
    let net = NET
        .replace("units = 3", "units = 1")
        .replace("softmax", "sigmoid")
        .replace("sparse_categorical", "binary");
    let predictions = label_of_one(&folder, &net);
    assert_eq!((&predictions[0]["label"], &predictions[1]["label"]), (&"1".into(), &"0".into()));
    assert!(predictions[0]["probability"].as_f64().unwrap() > 0.5, "{predictions}");
}

#[test]
fn a_model_that_rescales_gets_bytes() {
    let folder = Folder::with_data("rescaling");
    let rescaling =
        "[[layers]]\ntype = \"Rescaling\"\nscale = 0.00392156862745098\n\n[[layers]]\ntype = \"Conv2D\"";
    let net = NET.replacen("[[layers]]\ntype = \"Conv2D\"", rescaling, 1);
    assert_eq!(label_of_one(&folder, &net)[0]["label"], "1");
}
