//! Training on folders of pictures: a folder a class.

use std::fs;

use crate::support::{Folder, NET, SIDE, image, write_png};

/// Pictures of three classes, so many of each.
fn with_pictures(name: &str, each: usize) -> Folder {
    let folder = Folder::new(name);
    folder.write("net.toml", NET);
    for (class, label) in ["left", "middle", "right"].into_iter().enumerate() {
        fs::create_dir_all(folder.path(&format!("photos/{label}"))).unwrap();
        for number in 0..each {
            let mut bytes = Vec::new();
            let mut encoder = png::Encoder::new(&mut bytes, SIDE as u32, SIDE as u32);
            encoder.set_color(png::ColorType::Grayscale);
            encoder.write_header().unwrap().write_image_data(&image(class, number)).unwrap();
            folder.write(&format!("photos/{label}/{number:03}.png"), bytes);
        }
    }
    folder
}

#[test]
fn a_folder_of_classes_is_learnt_evaluated_and_predicted() {
    let folder = with_pictures("photos", 60);
    let objects = folder
        .run(&["train", "photos", "--model", "net.toml", "--epochs", "8", "--batch-size", "16", "--json"])
        .objects();
    assert_eq!((&objects[0]["images"], &objects[0]["validation_images"]), (&144.into(), &36.into()));
    let end = objects.last().unwrap();
    assert!(end["test_accuracy"].as_f64().unwrap() > 0.9, "{end}");
    let report = folder
        .run(&["evaluate", "photos.keras", "photos", "--validation-split", "0.2", "--report", "--json"])
        .last();
    assert_eq!((&report["part"], &report["images"]), (&"validation".into(), &36.into()));
    assert!((report["loss"].as_f64().unwrap() - end["test_loss"].as_f64().unwrap()).abs() < 1e-9);
    assert_eq!(report["classes"][1]["class"], "middle");
    let counted: u64 = report["confusion"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|row| row.as_array().unwrap())
        .filter_map(|n| n.as_u64())
        .sum();
    assert_eq!(counted, 36);
    let text = folder.run(&["evaluate", "photos.keras", "photos", "--report"]).stdout;
    assert!(text.contains("precision") && text.contains("True classes in rows"), "{text}");
    let told = folder.run(&["predict", "photos.keras", "photos/right", "--top", "1", "--json"]).objects();
    let right = told.iter().filter(|picture| picture["predictions"][0]["label"] == "right").count();
    assert!(told.len() == 60 && right > 50, "{right} of {}", told.len());
}

#[test]
fn a_broken_picture_ends_a_training_or_is_skipped_as_asked() {
    let folder = with_pictures("broken", 8);
    folder.write("photos/middle/003.png", "no picture");
    let train = ["train", "photos", "--model", "net.toml", "--epochs", "1", "--batch-size", "8"];
    folder.run(&train).fails(1, &["photos/middle/003.png: not PNG"]);
    assert!(!folder.path("photos.keras").exists());
    let told = folder.run(&[&train[..], &["--skip-broken", "--run", "run"]].concat());
    assert_eq!(told.code, Some(0), "{}", told.stderr);
    let named = |text: &str| text.matches("skipped: photos/middle/003.png: not PNG").count();
    assert_eq!(named(&told.stderr), 1, "{}", told.stderr);
    folder.run(&["evaluate", "run/model.keras", "photos"]).fails(1, &["photos/middle/003.png: not PNG"]);
    let told = folder.run(&["evaluate", "run/model.keras", "photos", "--skip-broken", "--json"]);
    assert!(
        named(&told.stderr) == 1 && told.stdout.contains("\"images\":24"),
        "{}{}",
        told.stdout,
        told.stderr
    );
    let resumed = folder.run(&["train", "--resume", "run", "--epochs", "2"]);
    assert_eq!(resumed.code, Some(0), "{}", resumed.stderr);
}

#[test]
fn pictures_are_judged_as_they_are_asked_about() {
    let folder = Folder::with_model("judged-inverted");
    for (name, inverted) in [("dark", false), ("bright", true)] {
        for class in 0..3 {
            let place = folder.path(&format!("{name}/{class}"));
            fs::create_dir_all(&place).unwrap();
            for file in ["a.png", "b.png", "c.png"] {
                write_png(&place.join(file), class, 1, inverted);
            }
        }
    }
    let judged = |name: &str| folder.run(&["evaluate", "data.keras", name, "--json"]).last();
    let (dark, bright) = (judged("dark"), judged("bright"));
    assert_eq!((&dark["inverted"], &bright["inverted"]), (&0.into(), &9.into()));
    assert_eq!(dark["loss"], bright["loss"]);
    let text = folder.run(&["evaluate", "data.keras", "bright"]).stdout;
    assert!(text.contains("All were inverted: dark on a bright ground"), "{text}");
    // What learnt from pictures as they come is judged by pictures as they come.
    folder
        .run(&[
            "train",
            "bright",
            "--model",
            "net.toml",
            "--epochs",
            "1",
            "--validation-split",
            "0.4",
            "--json",
        ])
        .last();
    let own = folder.run(&["evaluate", "bright.keras", "bright", "--json"]).last();
    assert_eq!(own["inverted"], 0);
}

#[test]
fn a_frozen_base_is_run_once_and_trained_on_later() {
    let folder = with_pictures("frozen", 40);
    let first = [
        "train",
        "photos",
        "--model",
        "net.toml",
        "--epochs",
        "4",
        "--batch-size",
        "16",
        "--output",
        "base.keras",
        "--json",
    ];
    folder.run(&first).last();
    let frozen = [
        "train",
        "photos",
        "--model",
        "base.keras",
        "--freeze",
        "base",
        "--epochs",
        "3",
        "--batch-size",
        "16",
        "--run",
        "run",
        "--json",
    ];
    let objects = folder.run(&frozen).objects();
    assert_eq!(objects[0]["trained_parameters"], 36 * 8 * 3 + 3);
    assert!(folder.path("run/features-train.cache").is_file());
    let kernel = |file: &str| {
        folder.run(&["convert", file, &file.replace(".keras", ".safetensors")]);
        folder.read(&file.replace(".keras", ".safetensors"))
    };
    let _whole = (kernel("base.keras"), kernel("run/model.keras"));
    let accuracy = objects.last().unwrap()["test_accuracy"].as_f64().unwrap();
    let again =
        folder.run(&["evaluate", "run/model.keras", "photos", "--validation-split", "0.2", "--json"]).last();
    assert!((again["accuracy"].as_f64().unwrap() - accuracy).abs() < 1e-9, "{again}");
    let thawed = [
        "train",
        "photos",
        "--model",
        "run/model.keras",
        "--epochs",
        "1",
        "--output",
        "all.keras",
        "--json",
        "--unfreeze",
    ];
    let outcome = folder.run(&thawed);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("a tenth"), "{}", outcome.stderr);
    assert!(!outcome.stdout.contains("trained_parameters"), "{}", outcome.stdout);
}

#[test]
fn pictures_are_augmented_the_same_on_any_number_of_threads() {
    let folder = with_pictures("augmented", 20);
    let train = |threads: &str, file: &str| {
        let arguments = [
            "train",
            "photos",
            "--model",
            "net.toml",
            "--epochs",
            "2",
            "--augment",
            "shift=0.1,zoom=0.1",
            "--class-weight",
            "balanced",
        ];
        let more = ["--label-smoothing", "0.1", "--threads", threads, "--output", file, "--json"];
        folder.run(&[&arguments[..], &more].concat()).last();
        folder.read(file)
    };
    assert!(train("1", "one.keras") == train("3", "three.keras"));
    let wrong = folder.run(&["train", "photos", "--model", "net.toml", "--augment", "rotat=3"]);
    wrong.fails(1, &["--augment", "rotate"]);
}

#[test]
fn a_report_is_one_page_with_its_pictures() {
    let folder = with_pictures("report", 30);
    let train = [
        "train",
        "photos",
        "--model",
        "net.toml",
        "--epochs",
        "1",
        "--learning-rate",
        "0.0001",
        "--run",
        "run",
        "--json",
    ];
    folder.run(&train).last();
    let report = folder.run(&["report", "run", "--mistakes", "5", "--json"]).last();
    let page = String::from_utf8(folder.read("run/report.html")).unwrap();
    assert!(page.starts_with("<!doctype html>") && page.ends_with("</html>\n"));
    assert_eq!(
        page.matches("data:image/png;base64,").count(),
        5.min(report["mistakes"].as_u64().unwrap() as usize)
    );
    for part in
        ["Curves", "Confusion matrix", "Worst mistakes", "Configuration", "settings.toml", "middle", "seed"]
    {
        assert!(page.contains(part), "{part}");
    }
    assert!(
        !page.contains("<script") && !page.contains("http://localhost"),
        "nothing runs, nothing is fetched"
    );
    let opened: Vec<&str> = ["section", "table", "svg", "figure", "div", "main"].into_iter().collect();
    for tag in opened {
        assert_eq!(
            page.matches(&format!("<{tag}")).count(),
            page.matches(&format!("</{tag}>")).count(),
            "{tag}"
        );
    }
}

#[test]
fn a_network_of_the_zoo_brings_its_scaling_along() {
    let folder = with_pictures("zoo", 12);
    let train = [
        "train",
        "photos",
        "--model",
        "lenet",
        "--image-size",
        "32x32x1",
        "--epochs",
        "2",
        "--batch-size",
        "8",
        "--output",
        "zoo.keras",
        "--json",
    ];
    let end = folder.run(&train).last();
    let again =
        folder.run(&["evaluate", "zoo.keras", "photos", "--validation-split", "0.2", "--json"]).last();
    assert!(
        (again["loss"].as_f64().unwrap() - end["test_loss"].as_f64().unwrap()).abs() < 1e-9,
        "{again} {end}"
    );
    let summary = folder.run(&["summary", "zoo.keras"]).stdout;
    assert!(summary.contains("Rescaling"), "{summary}");
}

#[test]
fn pictures_are_asked_about_as_they_were_learnt() {
    // Dark on bright, as no picture of MNIST is: a model that learnt from them wants them so.
    let folder = with_pictures("paper", 60);
    for label in ["left", "middle", "right"] {
        for entry in fs::read_dir(folder.path(&format!("photos/{label}"))).unwrap() {
            let path = entry.unwrap().path();
            let class = ["left", "middle", "right"].iter().position(|known| *known == label).unwrap();
            let number: usize = path.file_stem().unwrap().to_str().unwrap().parse().unwrap();
            let inverted: Vec<u8> = image(class, number).into_iter().map(|value| 255 - value).collect();
            let mut encoder = png::Encoder::new(fs::File::create(&path).unwrap(), SIDE as u32, SIDE as u32);
            encoder.set_color(png::ColorType::Grayscale);
            encoder.write_header().unwrap().write_image_data(&inverted).unwrap();
        }
    }
    let train = ["train", "photos", "--model", "net.toml", "--epochs", "10", "--batch-size", "16", "--json"];
    let end = folder.run(&train).last();
    assert!(end["test_accuracy"].as_f64().unwrap() > 0.9, "{end}");
    let told = folder.run(&["predict", "photos.keras", "photos/middle", "--top", "1", "--json"]).objects();
    let right = told.iter().filter(|picture| picture["predictions"][0]["label"] == "middle").count();
    assert!(right > 50 && told.iter().all(|picture| picture["notes"][0].is_null()), "{right}: {}", told[0]);
}

#[test]
fn the_base_of_a_model_with_a_new_classifier_is_all_but_this() {
    let folder = with_pictures("head", 20);
    let hidden =
        "[[layers]]\ntype = \"Dense\"\nunits = 5\nactivation = \"relu\"\n\n[[layers]]\ntype = \"Dropout\"";
    folder.write("deep.toml", NET.replacen("[[layers]]\ntype = \"Dropout\"", hidden, 1));
    folder
        .run(&[
            "train",
            "photos",
            "--model",
            "deep.toml",
            "--epochs",
            "1",
            "--output",
            "deep.keras",
            "--json",
        ])
        .last();
    fs::create_dir(folder.path("two")).unwrap();
    for label in ["left", "right"] {
        fs::rename(folder.path(&format!("photos/{label}")), folder.path(&format!("two/{label}"))).unwrap();
    }
    let train =
        ["train", "two", "--model", "deep.keras", "--freeze", "base", "--epochs", "1", "--run", "run"];
    let outcome = folder.run(&train);
    assert!(outcome.stdout.contains("12 of them trained"), "{}{}", outcome.stdout, outcome.stderr);
    // It is known later, too, what the base is.
    let again = [
        "train",
        "two",
        "--model",
        "run/model.keras",
        "--freeze",
        "base",
        "--epochs",
        "1",
        "--output",
        "again.keras",
    ];
    let outcome = folder.run(&again);
    assert!(outcome.stdout.contains("12 of them trained"), "{}{}", outcome.stdout, outcome.stderr);
}
