//! `convnet datasets`: what there is to train on.

use std::fmt;

use anyhow::Result;
use convnet::data::SOURCES;
use serde::Serialize;

use crate::output::Output;

/// List the data sets that are known by name
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Print an object a data set
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Row {
    name: &'static str,
    description: &'static str,
}

impl Args {
    pub fn run(self) -> Result<()> {
        let mut output = Output::new(self.json);
        for source in SOURCES {
            output.result(&Row { name: source.name, description: source.description });
        }
        output.line("Or give a folder of IDX files named as those of MNIST are (train-images-idx3-ubyte, …), plain or gzipped.");
        output.finish()
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<14} {}", self.name, self.description)
    }
}
