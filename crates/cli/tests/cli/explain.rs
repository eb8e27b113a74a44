//! `convnet explain`: pictures, numbers, and what it says when it cannot.

use std::fs;

use serde_json::Value as Json;

use crate::support::{Folder, SIDE, write_png};

/// Sizes (height, width) of a PNG file.
fn sizes(bytes: &[u8]) -> (u32, u32) {
    let size = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
    (size(20), size(16))
}

/// A trained model, two photos of five times its size and a folder a class.
fn folder(name: &str) -> Folder {
    let folder = Folder::with_model(name);
    for class in 0..3 {
        write_png(&folder.path(&format!("{class}.png")), class, 5, false);
        fs::create_dir_all(folder.path(&format!("classes/{class}"))).unwrap();
        for zoom in 1..4 {
            write_png(&folder.path(&format!("classes/{class}/{zoom}.png")), class, zoom, false);
        }
    }
    folder
}

/// The object of a run with these arguments.
#[track_caller]
fn explain(folder: &Folder, arguments: &[&str]) -> Json {
    let all = [&["explain", "data.keras"], arguments, &["--json"]].concat();
    let objects = folder.run(&all).objects();
    assert_eq!(objects.len(), 1);
    objects.into_iter().next().unwrap()
}

#[test]
fn every_method_by_class_writes_a_picture_and_its_numbers() {
    let folder = folder("explain-methods");
    let by_map = ["grad-cam", "grad-cam++", "score-cam", "occlusion"];
    let by_pixel = ["saliency", "smoothgrad", "integrated-gradients", "guided-backprop"];
    for method in by_map.iter().chain(&by_pixel) {
        let file = format!("{method}.png");
        let array = format!("{method}.npy");
        let object = explain(
            &folder,
            &["1.png", "--method", method, "--out", &file, "--array", &array, "--steps", "4"],
        );
        let found = &object["explained"][0];
        assert_eq!((&found["class"], &found["label"]), (&Json::from(1), &Json::from("1")), "{method}");
        assert_eq!(found["predictions"][0]["label"], "1");
        let is_map = by_map.contains(method);
        let side = (if is_map { 5 * SIDE } else { SIDE }) as u32;
        assert_eq!(sizes(&folder.read(&file)), (side, side), "{method}");
        let array = convnet::interop::npy::read(&folder.read(&array)).unwrap();
        assert_eq!(Json::from(array.shape().to_vec()), found["shape"], "{method}");
        assert_eq!(array.ndim(), if is_map { 2 } else { 4 }, "{method}");
        // Nothing need speak for a class in the mean of a gradient.
        let may_be_silent = method.starts_with("grad-cam");
        assert!(may_be_silent || array.iter().any(|&value| value != 0.0), "{method}");
    }
    let object =
        explain(&folder, &["1.png", "--method", "grad-cam", "--out", "over.png", "--alone", "alone.png"]);
    assert_eq!(object["written"], Json::from(vec!["over.png", "alone.png"]));
    assert_eq!(object["explained"][0]["layer"], "conv2d");
    assert_eq!(sizes(&folder.read("alone.png")), (40, 40));
}

#[test]
fn sheets_and_folders_hold_all() {
    let folder = folder("explain-sheets");
    let object = explain(&folder, &["0.png", "2.png", "--method", "grad-cam,saliency", "--out", "sheet.png"]);
    assert_eq!(object["explained"].as_array().unwrap().len(), 4);
    let (height, width) = sizes(&folder.read("sheet.png"));
    assert!(height > 2 * 160 && width > 3 * 160, "{height} × {width}");
    explain(&folder, &["0.png", "2.png", "--method", "saliency", "--out", "each"]);
    assert_eq!(fs::read_dir(folder.path("each")).unwrap().count(), 2);
    explain(&folder, &["0.png", "--method", "activations", "--out", "layers"]);
    assert_eq!(fs::read_dir(folder.path("layers")).unwrap().count(), 4);
    explain(&folder, &["0.png", "--method", "grad-cam", "--out", "cams"]);
    assert_eq!(fs::read_dir(folder.path("cams")).unwrap().count(), 1);
    let object = explain(
        &folder,
        &["0.png", "--method", "activations", "--layer", "conv2d", "--out", "a.png", "--array", "a.npy"],
    );
    assert_eq!(object["made"]["shape"], Json::from(vec![1, 6, 6, 8]));
}

#[test]
fn pictures_are_made_and_averaged() {
    let folder = folder("explain-made");
    explain(
        &folder,
        &["--method", "filters", "--steps", "5", "--out", "filters.png", "--array", "filters.npy"],
    );
    let array = convnet::interop::npy::read(&folder.read("filters.npy")).unwrap();
    assert_eq!(array.shape(), [8, 64, 64, 1]);
    explain(&folder, &["--method", "filters", "--raw", "--out", "kernels.png"]);
    let arguments = [
        "--method", "maximise", "--class", "1,2:0.5", "--steps", "12", "--out", "both.png", "--gif",
        "way.gif",
    ];
    let object = explain(&folder, &arguments);
    assert_eq!(object["made"]["predictions"].as_array().unwrap().len(), 3);
    assert!(folder.read("way.gif").starts_with(b"GIF89a"));
    explain(&folder, &["0.png", "--method", "dream", "--steps", "3", "--out", "dream.png"]);
    assert_eq!(sizes(&folder.read("dream.png")), (40, 40));
    let object = explain(
        &folder,
        &["0.png", "--method", "style", "--paint", "2.png", "--steps", "3", "--out", "style.png"],
    );
    assert!(object["made"]["loss"].as_f64().unwrap() > 0.0);
    let object =
        explain(&folder, &["--dataset", "classes", "--method", "occlusion", "--out", "averages.png"]);
    let averages = object["averages"].as_array().unwrap();
    assert_eq!(averages.len(), 3);
    let is_right = |average: &Json| average["images"] == 3 && average["right"] == 3;
    assert!(averages.iter().all(is_right), "{averages:?}");
    // The bar of class 0 stands on the left, that of class 2 does not.
    let left = |class: usize| averages[class]["shares"]["left"].as_f64().unwrap();
    assert!(left(0) > 0.5 && left(2) < 0.4, "{averages:?}");
}

#[test]
fn what_cannot_be_explained_is_said_clearly() {
    let folder = folder("explain-failures");
    folder.write("text.png", "not a picture");
    convnet::interop::npy::write_file(folder.path("other.npy"), ndarray::ArrayD::zeros(vec![3, 3, 1]).view())
        .unwrap();
    let dense = "input_shape = [8, 8, 1]\n[[layers]]\ntype = \"Flatten\"\n[[layers]]\ntype = \"Dense\"\nunits = 3\nactivation = \"softmax\"\n";
    folder.write("dense.toml", dense);
    let fails = |arguments: &[&str], says: &[&str]| {
        let outcome = folder.run(&[&["explain"], arguments, &["--out", "out.png"]].concat());
        assert_eq!(outcome.code, Some(1), "{}{}", outcome.stdout, outcome.stderr);
        for text in says {
            assert!(outcome.stderr.contains(text), "no {text:?} in: {}", outcome.stderr);
        }
        assert!(
            outcome.stderr.contains("error: ") && !outcome.stderr.contains("panicked"),
            "{}",
            outcome.stderr
        );
        assert!(!folder.path("out.png").exists());
    };
    fails(&["dense.toml", "0.png", "--method", "grad-cam"], &["no convolution", "saliency"]);
    fails(&["dense.toml", "0.png", "--method", "activations"], &["no convolution", "--layer"]);
    fails(&["dense.toml", "--method", "filters"], &["no convolution", "--layer"]);
    fails(&["data.keras", "0.png", "--method", "saliency", "--class", "9"], &["no class 9", "0 to 2"]);
    fails(
        &["data.keras", "0.png", "--method", "saliency", "--class", "zero"],
        &["no class is called `zero`", "0 to 2"],
    );
    fails(&["data.keras", "0.png", "--method", "grad-cam", "--layer", "conv2"], &["did you mean `conv2d`?"]);
    fails(
        &["data.keras", "0.png", "--method", "grad-cam", "--layer", "flatten"],
        &["layer `flatten`", "is not maps"],
    );
    fails(
        &["data.keras", "text.png", "--method", "grad-cam"],
        &["text.png", "not PNG, JPEG, GIF, BMP or WebP"],
    );
    fails(&["data.keras", "nowhere.png", "--method", "grad-cam"], &["nowhere.png"]);
    fails(&["data.keras", "other.npy", "--method", "grad-cam"], &["[3, 3, 1]", "[1, 8, 8, 1]"]);
    fails(&["data.keras", "--method", "grad-cam"], &["name a photo"]);
    fails(&["data.keras", "--method", "maximise"], &["--class"]);
    fails(&["data.keras", "0.png", "--method", "style"], &["--paint"]);
    fails(&["data.keras", "0.png", "--method", "dream", "--layers", "conv3d=1"], &["did you mean `conv2d`?"]);
    fails(&["data.keras", "0.png", "--method", "grad-cam,dream"], &["dream stands alone"]);
    fails(&["data.keras", "--dataset", "data", "--method", "grad-cam"], &["no folders"]);
    folder
        .run(&["explain", "data.keras", "0.png", "--method", "grad-kam", "--out", "x.png"])
        .fails(2, &["grad-cam"]);
}
