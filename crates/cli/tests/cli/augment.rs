//! `convnet augment`: sheets, what is told of them, and what goes wrong.

use serde_json::json;

use crate::support::{Folder, write_png};

/// A folder with a grey photo of 24 × 24 pixels, and a box on it.
fn folder(name: &str) -> Folder {
    let folder = Folder::new(name);
    write_png(&folder.path("photo.png"), 0, 3, false);
    folder.write("boxes.json", "[[2, 2, 10, 14]]");
    folder
}

#[test]
fn augment_draws_variants_and_tells_what_was_done() {
    let folder = folder("augment");
    let run = |out: &str, more: &[&str]| {
        let all = [&["augment", "photo.png", "--out", out, "--size", "24", "--json"], more].concat();
        folder.run(&all).objects().remove(0)
    };
    let report =
        run("sheet.png", &["--augment", "flip:p=1", "--count", "3", "--boxes", "boxes.json", "--seed", "5"]);
    assert_eq!((&report["out"], &report["seed"]), (&json!("sheet.png"), &json!(5)));
    assert_eq!(report["rows"][0]["augment"], "flip:p=1.0");
    // The box is mirrored with the photo: 24 − 10, 24 − 2.
    assert_eq!(report["rows"][0]["boxes"], json!(vec![[[14.0, 2.0, 22.0, 14.0]]; 3]));
    let each = run("each.png", &["--each", "--count", "2", "--with", "photo.png"]);
    let kinds: Vec<&str> =
        each["rows"].as_array().unwrap().iter().map(|row| row["kind"].as_str().unwrap()).collect();
    assert!(
        kinds.len() > 20 && kinds.contains(&"rotate") && kinds.ends_with(&["mixup", "cutmix"]),
        "{kinds:?}"
    );
    // The same seed gives the same sheet, another one another.
    for (name, seed) in [("a.png", "1"), ("b.png", "1"), ("c.png", "2")] {
        run(name, &["--augment", "rotate=40,erase:p=1", "--seed", seed]);
    }
    let bytes = |name: &str| folder.read(name);
    assert!(bytes("a.png") == bytes("b.png") && bytes("a.png") != bytes("c.png"));
    folder.write("net.toml", "augment = [\"light\", { kind = \"blur\", sigma = 3 }]");
    let told =
        folder.run(&["augment", "photo.png", "--out", "d.png", "--augment", "net.toml", "--size", "24"]);
    assert!(told.code == Some(0) && told.stdout.contains("blur:sigma=3"), "{}", told.stdout);
}

#[test]
fn augment_says_what_is_wrong_and_writes_nothing() {
    let folder = folder("augment-wrong");
    folder.write("text.png", "no picture");
    folder.write("outside.json", "[[4, 2, 40, 14]]");
    folder.write("other.json", "{\"boxes\": 3}");
    folder.write("wrong.toml", "augment = [\"rotate=400\"]");
    let before = folder.names();
    let run = |arguments: &[&str]| folder.run(&[&["augment"], arguments, &["--out", "sheet.png"]].concat());
    run(&["photo.png", "--augment", "rotat=3"]).fails(1, &["rotat", "did you mean `rotate`?"]);
    run(&["photo.png", "--augment", "rotate=400"]).fails(1, &["rotate", "degrees must be 0 to 180"]);
    run(&["photo.png", "--augment", "wrong.toml"]).fails(1, &["wrong.toml", "degrees must be 0 to 180"]);
    run(&["photo.png", "--augment", "none.toml"]).fails(1, &["none.toml"]);
    run(&["text.png"]).fails(1, &["text.png", "PNG"]);
    run(&["nowhere.png"]).fails(1, &["nowhere.png", "not found"]);
    run(&["photo.png", "--boxes", "outside.json"]).fails(1, &["outside.json", "24 × 24"]);
    run(&["photo.png", "--boxes", "other.json"]).fails(1, &["other.json", "[left, top, right, bottom]"]);
    run(&["photo.png", "--each", "--augment", "light"]).fails(2, &["--each"]);
    run(&["photo.png", "--count", "0"]).fails(2, &["--count", "at least 1"]);
    assert_eq!(folder.names(), before);
}
