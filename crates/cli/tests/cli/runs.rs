//! Folders of runs: what is in them, and that a training goes on from them to the same bits, whatever ended it.

use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::support::Folder;

/// Times that a training is killed.
const KILLS: u32 = 20;

/// A program in the background that is not waited for.
fn start(folder: &Folder, arguments: &[&str]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_convnet"));
    command.current_dir(&folder.0).args(arguments).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().unwrap()
}

fn train<'a>(epochs: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let arguments = [
        "train",
        "data",
        "--model",
        "net.toml",
        "--epochs",
        epochs,
        "--batch-size",
        "8",
        "--validation-split",
        "0.2",
    ];
    [&arguments[..], more].concat()
}

#[test]
fn a_run_has_all_of_its_training() {
    let folder = Folder::with_data("run");
    let end = folder
        .run(&train("3", &["--run", "run", "--early-stopping", "5", "--tensorboard", "run/board", "--json"]))
        .last();
    assert_eq!(end["output"], "run/model.keras");
    for file in [
        "model.keras",
        "best.keras",
        "settings.toml",
        "checkpoint.safetensors",
        "history.csv",
        "curves.png",
        "result.json",
        "log.txt",
    ] {
        assert!(folder.path("run").join(file).is_file(), "{file}");
    }
    let csv = String::from_utf8(folder.read("run/history.csv")).unwrap();
    assert!(
        csv.starts_with("epoch,loss,accuracy,val_loss,val_accuracy,learning_rate")
            && csv.lines().count() == 4,
        "{csv}"
    );
    let svg = String::from_utf8(folder.read("run/curves.svg")).unwrap();
    assert!(svg.contains(">validation<") && svg.contains(">accuracy<"));
    assert!(folder.path("run/board/train").is_dir() && folder.path("run/board/validation").is_dir());
    let log = String::from_utf8(folder.read("run/log.txt")).unwrap();
    assert!(log.contains("epoch 3/3") && log.contains("Saved run/model.keras"), "{log}");
    folder.run(&train("3", &["--run", "run"])).fails(1, &["--resume run"]);
    folder.run(&["train", "--resume", "data"]).fails(1, &["not the folder of a run"]);
}

#[test]
fn a_run_gives_the_model_that_a_plain_training_gives() {
    let folder = Folder::with_data("run-plain");
    folder.run(&train("2", &["--output", "plain.keras", "--json"])).last();
    folder.run(&train("2", &["--run", "run", "--json"])).last();
    assert!(folder.read("plain.keras") == folder.read("run/model.keras"));
}

#[test]
fn a_run_that_is_killed_goes_on_to_the_same_bits() {
    let folder = Folder::with_data("killed");
    let begin = Instant::now();
    let more = [
        "--run",
        "whole",
        "--checkpoint",
        "3steps",
        "--early-stopping",
        "40",
        "--schedule",
        "cosine:0.01,warmup=1",
    ];
    folder.run(&train("40", &[&more[..], &["--json"]].concat())).last();
    let whole = begin.elapsed();
    let mut state = 7_u64;
    let mut place = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f64 / (1 << 24) as f64
    };
    let first = train(
        "40",
        &[
            "--run",
            "run",
            "--checkpoint",
            "3steps",
            "--early-stopping",
            "40",
            "--schedule",
            "cosine:0.01,warmup=1",
        ],
    );
    let mut killed = 0;
    for kill in 0..KILLS {
        let begun = folder.path("run/settings.toml").exists();
        let mut child =
            if begun { start(&folder, &["train", "--resume", "run"]) } else { start(&folder, &first) };
        // Early kills come before anything was kept, late ones while files are written.
        sleep(whole.mul_f64(place() * 0.3).max(Duration::from_millis(1)));
        child.kill().unwrap();
        killed += u32::from(child.wait().unwrap().code().is_none());
        if kill == KILLS / 2 {
            assert!(
                folder.path("run/checkpoint.safetensors").exists(),
                "nothing was kept in {} kills",
                kill + 1
            );
        }
    }
    // On a machine that others use the run can be much faster than the one that was timed.
    assert!(killed > KILLS / 8, "only {killed} kills came before the end");
    folder.run(&["train", "--resume", "run", "--json"]).last();
    assert!(
        folder.read("whole/model.keras") == folder.read("run/model.keras"),
        "the models differ after {killed} kills"
    );
    let figures = |name: &str| {
        let csv = String::from_utf8(folder.read(&format!("{name}/history.csv"))).unwrap();
        // All but the seconds.
        csv.lines().map(|line| line.rsplit_once(',').unwrap().0.to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(figures("whole"), figures("run"));
}

#[cfg(unix)]
#[test]
fn an_interrupted_run_says_how_to_go_on_and_does() {
    let folder = Folder::with_data("interrupted");
    folder.run(&train("60", &["--run", "whole", "--json"])).last();
    let mut child = start(&folder, &train("60", &["--run", "run"]));
    while !folder.path("run/checkpoint.safetensors").exists() {
        assert!(child.try_wait().unwrap().is_none(), "it ended before it could be interrupted");
        sleep(Duration::from_millis(1));
    }
    Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let log = String::from_utf8(folder.read("run/log.txt")).unwrap();
    assert!(log.contains("convnet train --resume run"), "{log}");
    folder.run(&["train", "--resume", "run", "--json"]).last();
    assert!(folder.read("whole/model.keras") == folder.read("run/model.keras"));
}

#[test]
fn a_finished_run_can_be_trained_for_more_epochs() {
    let folder = Folder::with_data("more");
    folder.run(&train("4", &["--run", "four", "--json"])).last();
    folder.run(&train("2", &["--run", "two", "--json"])).last();
    folder.run(&["train", "--resume", "two", "--epochs", "4", "--json"]).last();
    assert!(folder.read("four/model.keras") == folder.read("two/model.keras"));
}

#[test]
fn a_rate_is_found_and_drawn() {
    let folder = Folder::with_data("rate");
    let found =
        folder.run(&["train", "data", "--model", "net.toml", "--find-rate", "rate.png", "--json"]).last();
    let rate = found["suggested"].as_f64().unwrap();
    assert!((1e-6..1.0).contains(&rate), "{found}");
    assert_eq!(folder.read("rate.png")[1..4], *b"PNG");
    folder
        .run(&["train", "data", "--model", "net.toml", "--find-rate", "rate.gif"])
        .fails(1, &[".png or .svg"]);
}

#[test]
fn a_search_tries_all_and_goes_on_where_it_was() {
    let folder = Folder::with_data("search");
    let search = "search = \"grid\"\nmetric = \"val_accuracy\"\n[settings]\ndataset = \"data\"\nmodel = \"net.toml\"\nepochs = 2\n\
                  validation-split = 0.2\n[ranges]\nlearning-rate = [0.00001, 0.01]\n\"layers.0.filters\" = [2, 4]\n";
    folder.write("search.toml", search);
    let trials = folder.run(&["tune", "search.toml", "--run", "out", "--json"]).objects();
    assert_eq!(trials.len(), 4);
    let best = |index: usize| trials[index]["best"].as_f64().unwrap();
    assert!(best(2).max(best(3)) > best(0), "{trials:?}");
    let csv = String::from_utf8(folder.read("out/trials.csv")).unwrap();
    assert!(csv.starts_with("trial,") && csv.lines().count() == 5, "{csv}");
    let text = folder.run(&["tune", "search.toml", "--run", "out"]).stdout;
    assert!(text.contains("val_accuracy") && text.contains("convnet report out/trial-00"), "{text}");
    folder.write("wrong.toml", search.replace("epochs = 2", "epoch = 2"));
    folder.run(&["tune", "wrong.toml", "--run", "out2"]).fails(1, &["[settings]", "epoch"]);
}

#[test]
fn a_training_goes_on_from_any_moment_that_was_kept() {
    let folder = Folder::with_data("moments");
    let more = ["--checkpoint", "7steps", "--keep-checkpoints", "4", "--run", "run", "--json"];
    folder.run(&train("3", &more)).last();
    let whole = folder.read("run/model.keras");
    let mut kept: Vec<String> = std::fs::read_dir(folder.path("run/checkpoints"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    kept.sort();
    // 240 images in batches of 8 are 30 steps: after step 7 · 10, 11 and 12 of all, and after the last.
    let expected = [(2, 10), (2, 17), (2, 24), (3, 0)];
    let expected = expected.map(|(epoch, step)| format!("epoch-{epoch:04}-step-{step:07}.safetensors"));
    assert_eq!(kept, expected);
    let newest = format!("run/checkpoints/{}", kept[3]);
    assert!(folder.read("run/checkpoint.safetensors") == folder.read(&newest));
    let chosen = format!("run/checkpoints/{}", kept[1]);
    folder.run(&["train", "--resume", &chosen, "--json"]).last();
    assert!(folder.read("run/model.keras") == whole);
    assert_eq!(String::from_utf8(folder.read("run/history.csv")).unwrap().lines().count(), 4);
    folder
        .run(&["train", "--resume", "run/checkpoints/epoch-0009-step-0000000.safetensors"])
        .fails(1, &["not the folder"]);
}

#[test]
fn a_run_that_was_killed_has_a_report() {
    let folder = Folder::with_data("killed-report");
    folder.run(&train("2", &["--run", "run", "--json"])).last();
    let report = |gone: &[&str]| {
        gone.iter().for_each(|file| std::fs::remove_file(folder.path("run").join(file)).unwrap());
        folder.run(&["report", "run", "--json"]).last();
        String::from_utf8(folder.read("run/report.html")).unwrap()
    };
    assert!(!report(&[]).contains("The run"));
    assert!(report(&["result.json"]).contains("its best epoch so far"));
    let page = report(&["best.keras"]);
    assert!(page.contains("its last checkpoint") && page.contains(">240 images<"), "{page}");
    assert!(report(&["checkpoint.safetensors", "history.json"]).contains("as it was at the beginning"));
}

#[test]
fn a_step_size_that_changes_is_told() {
    let folder = Folder::with_data("scheduled");
    let told = folder.run(&train("2", &["--learning-rate", "cosine:0.01", "--run", "run"])).stdout;
    assert!(told.contains(", rate 0.005\n") && told.contains(", rate 0\n"), "{told}");
    let settings = String::from_utf8(folder.read("run/settings.toml")).unwrap();
    assert!(settings.contains("learning-rate = \"cosine:0.01\""), "{settings}");
    let told = folder.run(&train("1", &["--learning-rate", "0.01", "--output", "plain.keras"])).stdout;
    assert!(!told.contains(", rate"), "{told}");
}
