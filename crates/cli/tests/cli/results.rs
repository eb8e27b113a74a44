//! What each command prints, for programs and for people.

use serde_json::{Value as Json, json};

use crate::support::{Folder, image, npy, write_png};

fn keys(object: &Json) -> Vec<&str> {
    object.as_object().unwrap().keys().map(String::as_str).collect()
}

fn example(name: &str) -> String {
    format!("{}/../../examples/{name}", env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn train_prints_an_object_at_the_start_for_each_epoch_and_at_the_end() {
    let folder = Folder::with_data("train-json");
    let objects = folder.run(&["train", "data", "--model", "net.toml", "--epochs", "2", "--json"]).objects();
    let events: Vec<&str> = objects.iter().map(|object| object["event"].as_str().unwrap()).collect();
    assert_eq!(events, ["start", "epoch", "epoch", "end"]);
    assert_eq!((&objects[0]["images"], &objects[0]["validation_images"]), (&json!(300), &json!(60)));
    let figures = [
        "event",
        "epoch",
        "epochs",
        "loss",
        "accuracy",
        "val_loss",
        "val_accuracy",
        "seconds",
        "images_per_second",
        "waited",
        "learning_rate",
    ];
    assert_eq!(keys(&objects[2]), figures);
    let end = &objects[3];
    assert_eq!(end["test_loss"], objects[2]["val_loss"]);
    assert!(end["images_per_second"].as_f64().unwrap() > 0.0 && end["seconds"].as_f64().unwrap() > 0.0);
    assert_eq!((&end["output"], folder.names().contains(&"data.keras".into())), (&json!("data.keras"), true));
}

#[test]
fn train_without_a_terminal_prints_a_plain_line_an_epoch_and_what_to_do_next() {
    let folder = Folder::with_data("train-lines");
    let outcome =
        folder.run(&["train", "data", "--model", "net.toml", "--epochs", "2", "--output", "net.keras"]);
    assert_eq!((outcome.code, &*outcome.stderr), (Some(0), ""));
    let epochs =
        outcome.stdout.lines().filter(|line| line.starts_with("epoch ") && line.contains("val_accuracy"));
    assert_eq!(epochs.count(), 2);
    assert!(outcome.stdout.contains("Test accuracy") && outcome.stdout.contains("convnet predict net.keras"));
    assert!(!outcome.stdout.contains('\u{1b}') && !outcome.stdout.contains('\r'));
}

#[test]
fn evaluate_repeats_the_figures_of_train() {
    let folder = Folder::with_data("evaluate");
    let end = folder.run(&["train", "data", "--model", "net.toml", "--json"]).last();
    let scores = folder.run(&["evaluate", "data.keras", "data", "--json"]).last();
    assert_eq!((&scores["accuracy"], &scores["loss"]), (&end["test_accuracy"], &end["test_loss"]));
    assert_eq!((&scores["part"], &scores["images"]), (&json!("test"), &json!(60)));
    assert!(scores["accuracy"].as_f64().unwrap() > 0.95, "{scores}");
    assert!(
        folder.run(&["evaluate", "data.keras", "data"]).stdout.starts_with("Accuracy 0.9")
            || end["test_accuracy"] == 1.0
    );
}

#[test]
fn predict_tells_label_and_probability_and_what_was_done_to_a_picture() {
    let folder = Folder::with_model("predict");
    write_png(&folder.path("plain.png"), 1, 1, false);
    write_png(&folder.path("drawing.png"), 2, 10, true);
    let objects =
        folder.run(&["predict", "data.keras", "plain.png", "drawing.png", "--top", "2", "--json"]).objects();
    assert_eq!(objects[0]["image"], "plain.png");
    let predictions = objects[0]["predictions"].as_array().unwrap();
    assert_eq!((predictions.len(), keys(&predictions[0])), (2, vec!["label", "probability"]));
    assert_eq!((&predictions[0]["label"], &objects[0]["notes"]), (&json!("1"), &json!([])));
    assert!(predictions[0]["probability"].as_f64().unwrap() > 0.5);
    assert_eq!(objects[1]["predictions"][0]["label"], "2");
    let notes = objects[1]["notes"].to_string();
    assert!(notes.contains("inverted") && notes.contains("resized from 80x80 to 8x8"), "{notes}");
    let text = folder.run(&["predict", "data.keras", "drawing.png"]).stdout;
    assert!(text.contains('%') && text.contains("inverted"), "{text}");
}

#[test]
fn summary_counts_the_parameters_of_the_documents_networks() {
    let folder = Folder::new("summary");
    let (mnist, fashion) = (example("mnist.toml"), example("fashion-cnn.toml"));
    for (model, parameters) in [
        ("mnist-functional", 104_202),
        ("mnist-sequential", 93_322),
        (&mnist, 104_202),
        (&fashion, 1_413_834),
    ] {
        let summary = folder.run(&["summary", model, "--json"]).last();
        assert_eq!(summary["total_parameters"], parameters, "{model}");
        assert!(summary["training_memory_bytes"].as_u64() > Some(0), "{model}");
    }
    let text = folder.run(&["summary", "mnist-sequential"]).stdout;
    assert!(text.contains("(None, 11, 11, 64)") && text.contains("Total params: 93,322"), "{text}");
    let memory = |size| folder.run(&["summary", "mnist-sequential", "--batch-size", size, "--json"]).last();
    assert!(memory("8")["training_memory_bytes"].as_u64() < memory("64")["training_memory_bytes"].as_u64());
}

/// The network of the first chapter's exercise: 903,400 parameters, and 526 MB of activations for 50 pictures.
#[test]
fn summary_tells_what_activations_weigh() {
    let folder = Folder::new("summary-memory");
    let layer = |filters: usize| {
        format!(
            "[[layers]]\ntype = \"Conv2D\"\nfilters = {filters}\nkernel_size = 3\nstrides = 2\npadding = \"same\"\n"
        )
    };
    let layers = [100, 200, 400].map(layer).concat();
    folder.write("exercise.toml", format!("input_shape = [200, 300, 3]\n{layers}"));
    let text = folder.run(&["summary", "exercise.toml", "--memory", "--batch", "50"]).stdout;
    assert!(text.contains("Total params: 903,400"), "{text}");
    let bytes = 50 * 4 * (1_500_000 + 750_000 + 380_000);
    assert!(text.contains(&format!("{:.2} MB", f64::from(bytes) / 1024.0 / 1024.0)), "{text}");
    let plain = folder.run(&["summary", "exercise.toml", "--batch", "50"]).stdout;
    assert!(plain.len() < text.len() && !plain.contains("501.63 MB"), "{plain}");
    let figures = folder.run(&["summary", "exercise.toml", "--batch", "50", "--json"]).last();
    assert_eq!(figures["activation_bytes"], bytes);
}

#[test]
fn run_takes_any_number_of_samples_and_agrees_with_predict() {
    let folder = Folder::with_model("run");
    for count in [1, 3, 200] {
        let pixels: Vec<f32> =
            (0..count).flat_map(|i| image(i % 3, 999)).map(|pixel| f32::from(pixel) / 255.0).collect();
        folder.write("x.npy", npy(&[count, 8, 8, 1], &pixels));
        let report =
            folder.run(&["run", "data.keras", "--input", "x.npy", "--output", "y.npy", "--json"]).last();
        assert_eq!(report["outputs"][0]["shape"], json!([count, 3]));
    }
    write_png(&folder.path("one.png"), 1, 1, false);
    let predicted = folder.run(&["predict", "data.keras", "one.png", "--json"]).last();
    let y = folder.read("y.npy");
    let values: Vec<f32> = y[y.len() - 200 * 3 * 4..]
        .chunks_exact(4)
        .map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap()))
        .collect();
    let probability = predicted["predictions"][0]["probability"].as_f64().unwrap();
    assert!((f64::from(values[3 + 1]) - probability).abs() < 1e-5, "{predicted} and {:?}", &values[3..6]);
}

#[test]
fn bench_measures_training_prediction_and_the_peak() {
    let folder = Folder::with_data("bench");
    for mode in ["train", "infer"] {
        let arguments = ["bench", "net.toml", "--mode", mode, "--batch", "16", "--threads", "1", "--json"];
        let report = folder.run(&arguments).last();
        assert_eq!(
            (&report["mode"], &report["batch"], &report["threads"]),
            (&json!(mode), &json!(16), &json!(1))
        );
        for figure in ["images_per_second", "gflops", "percent_of_peak"] {
            assert!(report[figure].as_f64().unwrap() > 0.0, "{figure} in {report}");
        }
        assert_eq!(report["peak_memory_bytes"].is_u64(), cfg!(target_os = "linux"));
    }
    let calls = folder.run(&["bench", "net.toml", "--batch", "16", "--profile", "--json"]).objects();
    let share: f64 = calls.iter().filter_map(|call| call["percent_of_time"].as_f64()).sum();
    assert!((share - 100.0).abs() < 1e-6 && calls.iter().any(|call| call["layer"] == "conv2d"), "{calls:?}");
    let peaks = folder.run(&["bench", "peak", "--threads", "2", "--json"]).objects();
    let threads: Vec<_> = peaks.iter().map(|peak| peak["threads"].as_u64().unwrap()).collect();
    assert_eq!(threads, [1, 2]);
    assert!(peaks.iter().all(|peak| peak["gflops"].as_f64().unwrap() > 0.0 && peak["isa"].is_string()));
}

#[test]
fn lists_come_from_the_registries() {
    let folder = Folder::new("lists");
    let names = |command: &str| -> Vec<String> {
        let objects = folder.run(&[command, "--json"]).objects();
        objects.iter().map(|object| object["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names("datasets"), ["mnist", "fashion-mnist"]);
    assert!(names("layers").contains(&"Conv2D".to_owned()));
    let text = folder.run(&["layers"]).stdout;
    assert!(text.contains("kernel_size") && text.contains("rmsprop"), "{text}");
}

#[test]
fn help_and_version_go_to_standard_output() {
    let folder = Folder::new("help");
    let version = folder.run(&["--version"]);
    assert_eq!(
        (version.code, version.stdout.trim()),
        (Some(0), concat!("convnet ", env!("CARGO_PKG_VERSION")))
    );
    let commands = [
        "train", "evaluate", "predict", "summary", "run", "convert", "filter", "bench", "datasets", "layers",
        "zoo",
    ];
    for command in commands {
        let help = folder.run(&[command, "--help"]);
        assert_eq!(help.code, Some(0));
        assert!(help.stdout.contains("Usage: convnet"), "{}", help.stdout);
    }
    assert!(folder.run(&["--help"]).stdout.contains("CONVNET_ISA"));
}

#[cfg(unix)]
#[test]
fn a_reader_that_leaves_is_no_error() {
    let folder = Folder::new("pipe");
    let outcome = folder.bash("set -o pipefail; convnet layers | true; echo ${PIPESTATUS[0]}");
    assert_eq!((&*outcome.stdout, &*outcome.stderr), ("0\n", ""));
}

#[test]
fn zoo_lists_the_architectures_with_their_costs() {
    let folder = Folder::new("zoo");
    let rows = folder.run(&["zoo", "--json"]).objects();
    assert!(rows.len() > 40);
    let row = |name: &str| rows.iter().find(|row| row["name"] == name).unwrap();
    let figures = ["name", "parameters", "multiplications", "input", "weights", "about"];
    assert_eq!(keys(row("resnet50")), figures);
    assert_eq!(row("resnet50")["parameters"], 25_636_712);
    assert_eq!(row("vgg16")["multiplications"], 15_470_264_320_u64);
    assert_eq!(row("inception-v3")["input"], json!([299, 299, 3]));
    assert!(row("xception")["weights"].as_str().unwrap().starts_with("https://"));
    assert!(row("unet")["weights"].is_null());
}

#[test]
fn zoo_saves_a_network_with_the_arguments_given() {
    let folder = Folder::new("zoo-save");
    let arguments =
        ["--alpha", "0.25", "--input", "32x40x3", "--classes", "4", "--scores", "--save", "net.keras"];
    let outcome = folder.run(&[&["zoo", "mobilenet"][..], &arguments].concat());
    assert_eq!((outcome.code, &*outcome.stderr), (Some(0), ""));
    let summary = folder.run(&["summary", "net.keras", "--json"]).last();
    assert_eq!(summary["name"], "mobilenet_0.25_32");
    let wrong = folder.run(&["zoo", "mobilnet"]);
    assert!(wrong.code == Some(1) && wrong.stderr.contains("did you mean `mobilenet`"), "{}", wrong.stderr);
    let wrong = folder.run(&["zoo", "vgg16", "--alpha", "0.5"]);
    assert!(wrong.code == Some(1) && wrong.stderr.contains("alpha"), "{}", wrong.stderr);
}

#[test]
fn a_model_converted_to_onnx_and_back_gives_the_same_numbers() {
    let folder = Folder::with_data("convert");
    folder.run(&["train", "data", "--model", "net.toml", "--epochs", "1", "--output", "net.keras"]);
    let pixels: Vec<f32> = (0..128).map(|pixel| pixel as f32 / 128.0).collect();
    folder.write("x.npy", npy(&[2, 8, 8, 1], &pixels));
    let steps: [&[&str]; 5] = [
        &["convert", "net.keras", "net.onnx"],
        &["convert", "net.onnx", "again.keras"],
        &["run", "net.keras", "--input", "x.npy", "--output", "a.npy"],
        &["run", "net.onnx", "--input", "x.npy", "--output", "b.npy"],
        &["run", "again.keras", "--input", "x.npy", "--output", "c.npy"],
    ];
    for step in steps {
        let outcome = folder.run(step);
        assert_eq!(outcome.code, Some(0), "{step:?}: {}", outcome.stderr);
    }
    let read = |name: &str| convnet::interop::npy::read_file(folder.path(name)).unwrap();
    let expected = read("a.npy");
    for name in ["b.npy", "c.npy"] {
        let far = read(name).iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(far < 1e-6, "{name}: {far}");
    }
    let refused = folder.run(&["convert", "net.keras", "net.xyz"]);
    assert!(refused.code != Some(0) && refused.stderr.contains(".onnx"), "{}", refused.stderr);
}

#[test]
fn the_short_help_of_training_is_short_and_in_parts() {
    let folder = Folder::new("short-help");
    let (short, long) = (folder.run(&["train", "-h"]).stdout, folder.run(&["train", "--help"]).stdout);
    assert!(short.lines().count() < 70 && short.lines().all(|line| line.chars().count() < 210), "{short}");
    for heading in ["Training:", "Transfer learning:", "Pictures:", "Texts:", "Runs:", "Machine:"] {
        assert!(short.contains(&format!("\n{heading}\n")) && long.contains(heading), "{heading}: {short}");
    }
    assert!(long.contains("convnet train --resume run1") && long.len() > 2 * short.len());
}
