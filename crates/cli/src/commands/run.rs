//! `convnet run`: arrays in, arrays out.

use std::collections::HashSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use serde::Serialize;

use crate::arguments::Running;
use crate::format::{count, duration};
use crate::models;
use crate::weights::Weights;

/// Run a model on arrays
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
The first axis of an array counts samples, of which there may be any number; the others are those of the model's input. Numbers go
in as they are, of any type: nothing is scaled to 0 … 1. A model with several inputs takes --input as often, in its order or by
name (NAME=X.npy). Outputs are files in its order, or one folder, which gets a file an output, named after it. A file is
written whole or not at all. Sizes that a file of Keras's leaves open are those of the arrays. Arrays for an ONNX file have its own order of axes, such as (batch, channels, height, width); sizes that
the file leaves open are those of the arrays, inputs may be such that say sizes, and outputs have the kind of numbers that it declares.

Examples:
  convnet run mnist.keras --input x.npy --output y.npy
  convnet run two.keras --input left=a.npy --input right=b.npy --output results/")]
pub struct Args {
    #[arg(help = models::help(), long_help = models::long_help())]
    model: String,
    /// Samples, a NumPy file; NAME=X.npy says for which input
    #[arg(long, required = true, value_name = "[NAME=]X.npy")]
    input: Vec<String>,
    /// Where to write what the model makes of them: a NumPy file an output, or a folder for all
    #[arg(long, required = true, value_name = "Y.npy|FOLDER")]
    output: Vec<PathBuf>,
    #[command(flatten)]
    weights: Weights,
    #[command(flatten)]
    running: Running,
}

#[derive(Serialize)]
struct Report {
    model: String,
    inputs: Vec<Array>,
    outputs: Vec<Array>,
    seconds: f64,
}

#[derive(Serialize)]
struct Array {
    name: String,
    file: String,
    shape: Vec<usize>,
}

impl Args {
    pub fn run(self) -> Result<()> {
        let mut output = self.running.start()?;
        let opened = self.weights.open_for_arrays(&self.model)?;
        let (names, ports) = (opened.inputs(), opened.outputs());
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let outputs: Vec<&str> = ports.iter().map(|port| port.name.as_str()).collect();
        let files = ordered(&self.input, &names)?;
        let targets = targets(&self.output, &outputs)?;
        let read = |(index, file): (usize, &PathBuf)| opened.read(index, file);
        let inputs = files.iter().enumerate().map(read).collect::<Result<Vec<_>>>()?;
        let given = inputs.iter().map(|input| input.dims.clone()).collect::<Vec<_>>();
        let ready = opened.with_arrays(inputs)?;
        let start = Instant::now();
        let results = ready.run()?;
        let seconds = start.elapsed().as_secs_f64();
        if let [folder] = &self.output[..]
            && is_folder(folder)
        {
            std::fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
        }
        for ((path, array), port) in targets.iter().zip(&results).zip(&ports) {
            array.write_npy(path, port.number)?;
        }
        let report = Report {
            inputs: describe(&names, &files, given),
            outputs: describe(&outputs, &targets, results.into_iter().map(|array| array.dims)),
            model: self.model,
            seconds,
        };
        output.result(&report);
        output.finish()
    }
}

/// The files of the inputs in the model's order: all by name, or none.
fn ordered(given: &[String], names: &[&str]) -> Result<Vec<PathBuf>> {
    // A file may have a `=` in its name, so what is before it must be the name of an input, or the file must not exist.
    let split = |text: &String| {
        let (name, file) = text.split_once('=')?;
        (names.contains(&name) || !PathBuf::from(text).exists()).then(|| (name.to_owned(), PathBuf::from(file)))
    };
    let named: Vec<Option<(String, PathBuf)>> = given.iter().map(split).collect();
    if named.iter().all(Option::is_none) {
        return match given.len() == names.len() {
            true => Ok(given.iter().map(PathBuf::from).collect()),
            false => bail!(
                "the model has {} ({}), but --input is given {}",
                count(names.len(), "input"),
                names.join(", "),
                count(given.len(), "time")
            ),
        };
    }
    if let Some((name, _)) = named.iter().flatten().find(|(name, _)| !names.contains(&name.as_str())) {
        return Err(convnet::nn::Error::unknown("input", name, names.iter().copied()).into());
    }
    let find = |wanted: &&str| {
        let mut found = named.iter().flatten().filter(|(name, _)| name == wanted);
        match (found.next(), found.next()) {
            (Some((_, file)), None) => Ok(file.clone()),
            (None, _) => bail!("the input `{wanted}` is missing; give --input {wanted}=FILE.npy"),
            _ => bail!("the input `{wanted}` is given twice"),
        }
    };
    if named.iter().any(Option::is_none) {
        bail!("either all inputs have a name or none");
    }
    names.iter().map(find).collect()
}

/// Whether a path is to be a folder: it is one, ends in `/`, or has no ending.
fn is_folder(path: &Path) -> bool {
    path.is_dir() || path.to_string_lossy().ends_with(std::path::is_separator) || path.extension().is_none()
}

/// Where each output goes.
fn targets(given: &[PathBuf], names: &[&str]) -> Result<Vec<PathBuf>> {
    match given {
        [folder] if is_folder(folder) => {
            let mut used = HashSet::new();
            let file = |name: &&str| {
                // Names come from files; they must not lead out of the folder.
                let plain: String =
                    name.chars().map(|c| if c.is_alphanumeric() || "-_.".contains(c) { c } else { '_' }).collect();
                let mut unique = plain.trim_start_matches('.').to_owned();
                while !used.insert(unique.clone()) {
                    unique.push('_');
                }
                folder.join(format!("{unique}.npy"))
            };
            Ok(names.iter().map(file).collect())
        }
        files if files.len() == names.len() => Ok(files.to_vec()),
        files => bail!(
            "the model has {} ({}), but --output is given {}; one folder takes all",
            count(names.len(), "output"),
            names.join(", "),
            count(files.len(), "time")
        ),
    }
}

fn describe(names: &[&str], files: &[PathBuf], shapes: impl IntoIterator<Item = Vec<usize>>) -> Vec<Array> {
    let describe = |((name, file), shape): ((&&str, &PathBuf), Vec<usize>)| Array {
        name: (*name).to_owned(),
        file: file.display().to_string(),
        shape,
    };
    names.iter().zip(files).zip(shapes).map(describe).collect()
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |arrays: &[Array]| {
            let arrays: Vec<String> = arrays.iter().map(|array| format!("{} {:?}", array.file, array.shape)).collect();
            arrays.join(", ")
        };
        write!(f, "{} -> {} in {}", list(&self.inputs), list(&self.outputs), duration(self.seconds))
    }
}
