//! Runs the operator tests of the `onnx` package and prints which pass, by operator:
//! `onnx_nodes FOLDER [--failures] [--expect FILE] [--known FILE]`, where the folder has one folder a test
//! (`onnx/backend/test/data/node`). Wrong results fail the run, but for those of the tests that the file of `--known` names.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;

use convnet_interop::onnx::node_test::{Outcome, run};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some(folder) = arguments.first() else {
        eprintln!("usage: onnx_nodes FOLDER [--failures] [--expect FILE] [--known FILE]");
        return ExitCode::FAILURE;
    };
    let option = |name: &str| arguments.iter().position(|argument| argument == name);
    let mut tests: Vec<_> = match std::fs::read_dir(folder) {
        Ok(entries) => entries
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| path.join("model.onnx").exists())
            .collect(),
        Err(problem) => {
            eprintln!("{folder}: {problem}");
            return ExitCode::FAILURE;
        }
    };
    tests.sort();
    let known = option("--known").and_then(|place| std::fs::read_to_string(arguments.get(place + 1)?).ok());
    let known: Vec<&str> = known.iter().flat_map(|text| text.lines()).filter_map(first_word).collect();
    let mut exempt = 0;
    // By operator: passed, wrong, refused.
    let mut table: BTreeMap<String, [usize; 3]> = BTreeMap::new();
    let mut passed = Vec::new();
    std::panic::set_hook(Box::new(|_| {}));
    for test in &tests {
        let name = test.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let run = || run(Path::new(test));
        let report = std::panic::catch_unwind(run)
            .unwrap_or_else(|_| ("?".into(), Outcome::Wrong("it panicked".into())));
        let (operator, outcome) = report;
        let counts = table.entry(operator).or_default();
        match outcome {
            Outcome::Passed => {
                counts[0] += 1;
                passed.push(name);
            }
            Outcome::Wrong(problem) => {
                counts[1] += 1;
                let is_known = known.contains(&name.as_str());
                exempt += usize::from(is_known);
                println!("{} {name}: {problem}", if is_known { "known" } else { "WRONG" });
            }
            Outcome::Refused(problem) => {
                counts[2] += 1;
                if option("--failures").is_some() {
                    println!("refused {name}: {problem}");
                }
            }
        }
    }
    println!("{:<28} {:>6} {:>6} {:>8}", "operator", "passed", "wrong", "refused");
    let mut total = [0; 3];
    for (operator, counts) in &table {
        println!("{operator:<28} {:>6} {:>6} {:>8}", counts[0], counts[1], counts[2]);
        (0..3).for_each(|kind| total[kind] += counts[kind]);
    }
    let share = 100.0 * total[0] as f64 / tests.len().max(1) as f64;
    println!(
        "{:<28} {:>6} {:>6} {:>8}   {share:.1} % of {} tests pass",
        "all",
        total[0],
        total[1],
        total[2],
        tests.len()
    );
    let expected = option("--expect").and_then(|place| arguments.get(place + 1));
    let mut missing = 0;
    if let Some(text) = expected.and_then(|file| std::fs::read_to_string(file).ok()) {
        for name in text.lines().filter(|name| !name.is_empty() && !name.starts_with('#')) {
            if tests.iter().any(|test| test.ends_with(name)) && !passed.iter().any(|known| known == name) {
                println!("NO LONGER PASSES: {name}");
                missing += 1;
            }
        }
    }
    if let Some(file) = option("--write").and_then(|place| arguments.get(place + 1))
        && let Err(problem) = std::fs::write(file, passed.join("\n") + "\n")
    {
        eprintln!("{file}: {problem}");
        return ExitCode::FAILURE;
    }
    if total[1] + missing == exempt { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// A test's name, in front of what is to be said about it.
fn first_word(line: &str) -> Option<&str> {
    line.split_whitespace().next().filter(|word| !word.starts_with('#'))
}
