//! Models for texts: the words that they learnt from go with them.

use std::fs;

use crate::support::{Folder, Outcome};

const GOOD: [&str; 4] = ["splendid", "moving", "funny", "warm"];
const BAD: [&str; 4] = ["dull", "hollow", "tedious", "cold"];
const PLAIN: [&str; 6] = ["film", "story", "cast", "plot", "music", "ending"];

/// A folder of short reviews: two words of a kind among others.
fn with_reviews(name: &str) -> Folder {
    let folder = Folder::new(name);
    for (part, count) in [("train", 120), ("test", 30)] {
        for (class, words) in [("negative", BAD), ("positive", GOOD)] {
            fs::create_dir_all(folder.path(&format!("reviews/{part}/{class}"))).unwrap();
            for number in 0..count {
                let word = |at: usize| words[(number * 7 + at * 3 + number / 4) % 4];
                let plain = |at: usize| PLAIN[(number * 5 + at) % 6];
                let text =
                    format!("A {} {}, {}; the {} is {}!", word(0), plain(0), plain(1), plain(2), word(1));
                folder.write(&format!("reviews/{part}/{class}/{number:03}.txt"), text);
            }
        }
    }
    folder
}

fn train(folder: &Folder, more: &[&str]) -> Outcome {
    let arguments = ["train", "reviews", "--epochs", "4", "--batch-size", "16", "--learning-rate", "0.005"];
    let sizes = ["--model", "text-cnn", "--max-tokens", "30", "--sequence-length", "48", "--json"];
    folder.run(&[&arguments[..], &sizes, more].concat())
}

/// What a model takes a text for.
fn taken(outcome: &Outcome) -> Vec<String> {
    let label = |object: serde_json::Value| object["predictions"][0]["label"].as_str().unwrap().to_owned();
    outcome.objects().into_iter().map(label).collect()
}

#[test]
fn a_model_for_texts_is_trained_judged_and_asked() {
    let folder = with_reviews("reviews");
    let end = train(&folder, &[]).last();
    assert!(end["test_accuracy"].as_f64().unwrap() > 0.95, "{end}");
    let judged = folder.run(&["evaluate", "reviews.keras", "reviews", "--report", "--json"]).last();
    assert_eq!((&judged["accuracy"], &judged["loss"]), (&end["test_accuracy"], &end["test_loss"]));
    assert_eq!(judged["classes"][1]["class"], "positive");

    folder.write("letter.txt", "What a tedious, hollow story.");
    let asked = [
        "predict",
        "reviews.keras",
        "letter.txt",
        "--text",
        "A splendid and funny film!",
        "--text",
        "dull and hollow",
        "--json",
    ];
    let outcome = folder.run(&asked);
    assert_eq!(taken(&outcome), ["positive", "negative", "negative"]);
    let plain = folder
        .run(&["train", "reviews", "--model", "reviews.keras", "--epochs", "1", "--output", "again.keras"])
        .stdout;
    assert!(plain.contains(" texts/s, loss ") && plain.contains(" texts/s.\n"), "{plain}");
    let notes = &outcome.objects()[0]["notes"];
    assert!(notes[0].as_str().unwrap().ends_with("of 5 words unknown"), "{notes}");
    let told = folder.run(&["predict", "reviews.keras", "reviews/test/positive", "--top", "1", "--json"]);
    assert!(taken(&told).iter().filter(|label| *label == "positive").count() > 27);
    // The class does not hang on what stands in the folder that is judged.
    fs::remove_dir_all(folder.path("reviews/train")).unwrap();
    let alone = folder.run(&["evaluate", "reviews.keras", "reviews/test", "--json"]).last();
    assert_eq!((&alone["accuracy"], &alone["images"]), (&end["test_accuracy"], &60.into()));
    folder.run(&["predict", "reviews.keras", "reviews/none.txt"]).fails(1, &["none.txt"]);
}

#[test]
fn words_survive_runs_older_files_and_further_training() {
    let folder = with_reviews("words");
    train(&folder, &["--run", "run"]).last();
    let first = taken(&folder.run(&["predict", "run/model.keras", "--text", "a warm story", "--json"]));
    assert_eq!(first, ["positive"]);
    folder.run(&["train", "--resume", "run", "--epochs", "5", "--json"]).last();
    // Other texts have other words, which the model does not take for its own.
    fs::rename(folder.path("reviews/test"), folder.path("others")).unwrap();
    folder.write("others/negative/long.txt", "zebra zebra zebra zebra zebra");
    let more =
        ["train", "others", "--model", "run/model.keras", "--epochs", "1", "--output", "more.h5", "--json"];
    folder.run(&more).last();
    let asked = folder.run(&[
        "predict",
        "more.h5",
        "--text",
        "a moving, splendid film; the zebra is funny!",
        "--json",
    ]);
    assert_eq!(taken(&asked), ["positive"]);
    assert_eq!(asked.objects()[0]["notes"][0], "1 of 8 words unknown");
    folder.run(&["report", "run", "--json"]).last();
    let page = String::from_utf8(folder.read("run/report.html")).unwrap();
    assert!(page.contains("48 texts kept back for validation"), "those for tests have moved");
}

#[test]
fn a_model_that_knows_no_words_says_so() {
    let folder = with_reviews("wordless");
    folder.run(&["predict", "text-cnn", "--text", "fine"]).fails(1, &["which words"]);
    let folder = Folder::with_model("wordless-pictures");
    folder.run(&["predict", "data.keras", "--text", "fine"]).fails(1, &["which words"]);
}
