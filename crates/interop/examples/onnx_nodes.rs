//! Runs the operator tests of the `onnx` package and prints which pass, by operator:
//! `onnx_nodes FOLDER [--failures] [--expect FILE] [--known FILE] [--write FILE]`, where the folder has one folder a test
//! (`onnx/backend/test/data/node`). Wrong results fail the run, but for those of the tests that the file of `--known` names, and so does
//! each test of the file of `--expect` that does not pass. `--write` keeps the names of those that pass.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use convnet_interop::onnx::node_test::{Outcome, run};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some(folder) = arguments.first() else {
        eprintln!("usage: onnx_nodes FOLDER [--failures] [--expect FILE] [--known FILE] [--write FILE]");
        return ExitCode::FAILURE;
    };
    match report(Path::new(folder), &arguments[1..]) {
        Ok(code) => code,
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::FAILURE
        }
    }
}

/// The tests of an operator, and how many of them passed, of these with inputs known beforehand, were wrong and were refused.
#[derive(Clone, Copy, Default)]
struct Counts {
    passed: usize,
    with_known: usize,
    wrong: usize,
    refused: usize,
}

impl Counts {
    fn total(self) -> usize {
        self.passed + self.wrong + self.refused
    }

    fn line(self, name: &str) -> String {
        let share = format!("{}/{}", self.passed, self.total());
        format!("{name:<28} {share:>10} {:>12} {:>6} {:>8}", self.with_known, self.wrong, self.refused)
    }
}

fn report(folder: &Path, options: &[String]) -> Result<ExitCode, String> {
    let option = |name: &str| options.iter().position(|argument| argument == name);
    let text_of = |name: &str| match option(name).and_then(|place| options.get(place + 1)) {
        Some(file) => fs::read_to_string(file).map_err(|problem| format!("{file}: {problem}")),
        None => Ok(String::new()),
    };
    let (expected, known) = (text_of("--expect")?, text_of("--known")?);
    let known: Vec<&str> = known.lines().filter_map(first_word).collect();
    let tests = tests(folder)?;
    let mut table: BTreeMap<String, Counts> = BTreeMap::new();
    let (mut passed, mut bad) = (Vec::new(), 0);
    std::panic::set_hook(Box::new(|_| {}));
    for test in &tests {
        let name = test.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let (operator, outcome) = std::panic::catch_unwind(|| run(test))
            .unwrap_or_else(|_| ("?".into(), Outcome::Wrong("it panicked".into())));
        let counts = table.entry(operator).or_default();
        match outcome {
            Outcome::Passed { known } => {
                counts.passed += 1;
                counts.with_known += usize::from(!known.is_empty());
                passed.push(name);
            }
            Outcome::Wrong(problem) => {
                counts.wrong += 1;
                let is_known = known.contains(&name.as_str());
                bad += usize::from(!is_known);
                println!("{} {name}: {problem}", if is_known { "known" } else { "WRONG" });
            }
            Outcome::Refused(problem) => {
                counts.refused += 1;
                if option("--failures").is_some() {
                    println!("refused {name}: {problem}");
                }
            }
        }
    }
    print(&table);
    for name in expected.lines().filter_map(first_word) {
        if !passed.iter().any(|known| known == name) {
            let is_there = tests.iter().any(|test| test.ends_with(name));
            println!("{}: {name}", if is_there { "NO LONGER PASSES" } else { "IS NOT THERE" });
            bad += 1;
        }
    }
    if let Some(file) = option("--write").and_then(|place| options.get(place + 1)) {
        fs::write(file, passed.join("\n") + "\n").map_err(|problem| format!("{file}: {problem}"))?;
    }
    Ok(if bad == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The folders that hold tests, by name.
fn tests(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let entries = fs::read_dir(folder).map_err(|problem| format!("{}: {problem}", folder.display()))?;
    let mut tests: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    tests.retain(|path| path.join("model.onnx").exists());
    tests.sort();
    if tests.is_empty() { Err(format!("{}: no tests", folder.display())) } else { Ok(tests) }
}

fn print(table: &BTreeMap<String, Counts>) {
    println!("{:<28} {:>10} {:>12} {:>6} {:>8}", "operator", "passed", "inputs known", "wrong", "refused");
    let mut all = Counts::default();
    for (operator, counts) in table {
        println!("{}", counts.line(operator));
        all.passed += counts.passed;
        all.with_known += counts.with_known;
        all.wrong += counts.wrong;
        all.refused += counts.refused;
    }
    let share = 100.0 * all.passed as f64 / all.total() as f64;
    println!("{}   {share:.1} % of {} tests pass", all.line("all"), all.total());
}

/// A test's name, in front of what is to be said about it.
fn first_word(line: &str) -> Option<&str> {
    line.split_whitespace().next().filter(|word| !word.starts_with('#'))
}
