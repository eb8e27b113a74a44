//! What goes wrong is told, with an exit code, and nothing is half-written.

use std::fs;

use crate::support::{Folder, NET, idx, npy, write_dataset, write_png};

/// Trains on `data` with `net.toml` and other arguments.
fn train(folder: &Folder, arguments: &[&str]) -> crate::support::Outcome {
    folder.run(&[&["train", "data", "--model", "net.toml"], arguments].concat())
}

#[test]
fn a_wrong_command_line_is_a_matter_of_usage() {
    let folder = Folder::with_data("usage");
    let before = folder.names();
    train(&folder, &["--batch-size", "0"]).fails(2, &["--batch-size", "at least 1"]);
    train(&folder, &["--epochs", "many"]).fails(2, &["--epochs", "whole number"]);
    train(&folder, &["--optimizer", "rmsprob"]).fails(2, &["rmsprop"]);
    train(&folder, &["--learning-rate", "-1"]).fails(2, &["--learning-rate"]);
    train(&folder, &["--validation-split", "1"]).fails(2, &["below 1"]);
    folder.run(&["trian"]).fails(2, &["train"]);
    folder.run(&["predict", "x.keras"]).fails(2, &["FILE|FOLDER"]);
    assert_eq!(folder.run(&[]).code, Some(2));
    assert_eq!(folder.names(), before);
}

#[test]
fn a_data_set_that_is_missing_or_damaged_is_told() {
    let folder = Folder::with_data("idx");
    let before = folder.names();
    folder.run(&["train", "mnits"]).fails(1, &["mnits", "did you mean `mnist`?"]);
    folder.run(&["train", "./nowhere", "--model", "net.toml"]).fails(1, &["nowhere", "not found"]);
    let images = folder.path("data/train-images-idx3-ubyte");
    let whole = fs::read(&images).unwrap();
    fs::write(&images, &whole[..5_000]).unwrap();
    train(&folder, &[]).fails(1, &["train-images-idx3-ubyte", "truncated"]);
    fs::write(&images, b"hello, this is text").unwrap();
    train(&folder, &[]).fails(1, &["train-images-idx3-ubyte", "not an IDX file"]);
    fs::remove_file(&images).unwrap();
    train(&folder, &[]).fails(1, &["train-images-idx3-ubyte", "not found"]);
    fs::write(&images, &whole).unwrap();
    folder.write("data/train-labels-idx1-ubyte", idx(&[2], &[0, 1]));
    train(&folder, &[]).fails(1, &["300 images", "2 labels"]);
    assert_eq!(folder.names(), before);
}

#[test]
fn a_model_file_that_is_missing_or_damaged_is_told() {
    let folder = Folder::with_model("damaged");
    let whole = folder.read("data.keras");
    for length in [0, 10, 200, whole.len() / 2, whole.len() - 1] {
        folder.write("cut.keras", &whole[..length]);
        folder.run(&["evaluate", "cut.keras", "data"]).fails(1, &["cut.keras"]);
        folder.run(&["summary", "cut.keras"]).fails(1, &["cut.keras"]);
    }
    folder.run(&["summary", "none.keras"]).fails(1, &["none.keras"]);
    folder.run(&["summary", "mnist-functonal"]).fails(1, &["did you mean `mnist-functional`?"]);
}

#[test]
fn a_model_that_does_not_fit_the_data_is_told_before_training() {
    let folder = Folder::with_data("mismatch");
    let before = folder.names();
    let outcome = folder.run(&["train", "data"]);
    outcome.fails(1, &["does not fit the data set `data`", "(28, 28, 1)", "input_shape = [8, 8, 1]"]);
    assert_eq!(outcome.stdout, "");
    write_dataset(&folder.path("four"), 4);
    let outcome = folder.run(&["train", "four", "--model", "net.toml"]);
    outcome.fails(1, &["3 classes", "the data has 4"]);
    folder.write("x.npy", npy(&[2, 9, 9, 1], &[0.0; 162]));
    let outcome = folder.run(&["run", "net.toml", "--input", "x.npy", "--output", "y.npy"]);
    outcome.fails(1, &["(None, 8, 8, 1)", "9, 9"]);
    fs::remove_dir_all(folder.path("four")).unwrap();
    fs::remove_file(folder.path("x.npy")).unwrap();
    assert_eq!(folder.names(), before);
}

#[test]
fn an_unknown_layer_in_a_description_is_told_with_line_and_nearest_name() {
    let folder = Folder::with_data("toml");
    folder.write("net.toml", NET.replace("\"Flatten\"", "\"Flaten\""));
    train(&folder, &[]).fails(1, &["net.toml, line 11", "layers[1]", "did you mean `Flatten`?"]);
    folder.write("net.toml", NET.replace("filters = 8", "filters = \"many\""));
    train(&folder, &[]).fails(1, &["net.toml, line 5", "layers[0] (Conv2D)"]);
    folder.write("net.toml", NET.replace("input_shape = [8, 8, 1]", "input_shape = [2, 2, 1]"));
    train(&folder, &[]).fails(1, &["layers[0] (Conv2D)"]);
    folder.write("net.toml", NET.replace("name =", "nam ="));
    train(&folder, &[]).fails(1, &["net.toml", "nam"]);
    assert_eq!(folder.names(), ["data", "net.toml"]);
}

#[test]
fn a_loss_that_is_not_a_number_stops_training_and_nothing_is_written() {
    let folder = Folder::with_data("nan");
    let outcome = train(&folder, &["--optimizer", "sgd", "--learning-rate", "1e30", "--json"]);
    outcome.fails(1, &["loss became", "at step 2 of epoch 1", "learning rate"]);
    assert!(outcome.stderr.contains("conv2d") || outcome.stderr.contains("dense"), "{}", outcome.stderr);
    assert_eq!(folder.names(), ["data", "net.toml"]);
    // One step an epoch: nobody but the validation sees what the step did.
    let only = ["--optimizer", "sgd", "--learning-rate", "1e30", "--batch-size", "300", "--epochs", "1"];
    train(&folder, &only).fails(1, &["NaN", "nothing was saved"]);
    assert_eq!(folder.names(), ["data", "net.toml"]);
}

#[test]
fn an_output_that_cannot_be_written_is_told_before_training() {
    let folder = Folder::with_data("output");
    for (output, says) in [("no/such/folder.keras", "no/such"), ("net.toml", ".keras"), ("data", ".keras")] {
        let outcome = train(&folder, &["--output", output]);
        outcome.fails(1, &[says]);
        assert_eq!(outcome.stdout, "");
    }
    assert_eq!(folder.names(), ["data", "net.toml"]);
}

#[cfg(unix)]
#[test]
fn a_full_disk_leaves_the_old_file_and_nothing_else() {
    let folder = Folder::with_data("full");
    folder.write("old.keras", "the old file");
    // A limit on the size of files fails as a full disk does, at a write in the middle of the file.
    let limit = "trap '' XFSZ; ulimit -f 4; exec convnet";
    let outcome = folder.bash(&format!("{limit} train data --model net.toml --epochs 1 --output old.keras"));
    outcome.fails(1, &["cannot save the model", "old.keras"]);
    assert_eq!(folder.read("old.keras"), b"the old file");
    folder.write("x.npy", npy(&[1_000, 8, 8, 1], &[0.5; 64_000]));
    let outcome = folder.bash(&format!("{limit} run net.toml --input x.npy --output y.npy"));
    outcome.fails(1, &["y.npy"]);
    assert_eq!(folder.names(), ["data", "net.toml", "old.keras", "x.npy"]);
}

#[test]
fn a_picture_that_cannot_be_read_does_not_hinder_the_others() {
    let folder = Folder::with_model("pictures");
    write_png(&folder.path("a.png"), 0, 2, false);
    write_png(&folder.path("c.png"), 2, 2, false);
    folder.write("b.png", "no picture");
    let outcome = folder.run(&["predict", "data.keras", "a.png", "b.png", "none.png", "c.png", "--json"]);
    outcome.fails(1, &["b.png", "none.png", "2 of 4 pictures"]);
    let lines: Vec<serde_json::Value> =
        outcome.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let labels: Vec<_> =
        lines.iter().map(|line| (&line["image"], &line["predictions"][0]["label"])).collect();
    assert_eq!(format!("{labels:?}"), r#"[(String("a.png"), String("0")), (String("c.png"), String("2"))]"#);
}

#[test]
fn an_instruction_set_that_is_not_there_is_told() {
    let folder = Folder::new("isa");
    let outcome = folder.run_with(&["summary", "mnist-functional"], &[("CONVNET_ISA", "sse9")]);
    outcome.fails(1, &["CONVNET_ISA=sse9", "scalar"]);
}
