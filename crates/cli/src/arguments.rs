//! Values of arguments, checked while the command line is read so that a wrong one is a matter of usage (exit code 2).

use anyhow::Result;
use clap::Args;
use clap::builder::PossibleValuesParser;
use convnet::nn::{Precision, optimizers};
use convnet::prelude::Model;

use crate::output::Output;

/// `--threads`, for the commands that compute.
#[derive(Clone, Copy, Debug, Args)]
pub struct Threads {
    /// Threads to compute on; 0 means all of the machine. Results are the same to the bit for any number
    #[arg(long, value_name = "N", default_value_t = 0)]
    threads: usize,
}

impl Threads {
    /// Starts them; returns how many there are.
    ///
    /// # Errors
    /// If the system refuses to.
    pub fn start(self) -> Result<usize> {
        convnet::nn::set_threads(self.threads)?;
        Ok(match self.threads {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            threads => threads,
        })
    }
}

/// `--json`, for the commands that tell one thing.
#[derive(Clone, Copy, Debug, Args)]
pub struct AsObject {
    /// Print an object
    #[arg(long)]
    pub json: bool,
}

/// `--threads` and `--json`, for the commands that compute one thing.
#[derive(Clone, Copy, Debug, Args)]
pub struct Running {
    #[command(flatten)]
    threads: Threads,
    #[command(flatten)]
    object: AsObject,
}

impl Running {
    /// Starts the threads, and opens the output.
    ///
    /// # Errors
    /// If the system refuses to start them.
    pub fn start(self) -> Result<Output> {
        self.threads.start()?;
        Ok(Output::new(self.object.json))
    }
}

/// `--precision`, for the commands that run a model.
#[derive(Clone, Copy, Debug, Args)]
pub struct PrecisionChoice {
    /// Bits of stored values: f32, or bf16, which takes about half the memory for activations in training, rounded to 8 significant
    /// bits [default: what the model says, else f32]
    #[arg(long, value_name = "f32|bf16")]
    precision: Option<Precision>,
}

impl PrecisionChoice {
    /// Sets what was chosen, if something was.
    pub fn apply(self, model: &mut Model) {
        if let Some(precision) = self.precision {
            model.set_precision(precision);
        }
    }
}

/// A whole number of at least 1.
pub fn positive(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("must be at least 1".into()),
        Ok(number) => Ok(number),
        Err(_) => Err("must be a whole number of at least 1".into()),
    }
}

/// A share, at least 0 and below 1.
pub fn share(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(share) if (0.0..1.0).contains(&share) => Ok(share),
        _ => Err("must be a number of at least 0 and below 1, such as 0.1".into()),
    }
}

/// A step size: finite and above 0.
pub fn learning_rate(text: &str) -> Result<f32, String> {
    match text.parse::<f32>() {
        Ok(rate) if rate.is_finite() && rate > 0.0 => Ok(rate),
        _ => Err("must be a number above 0, such as 0.001".into()),
    }
}

/// The optimizers that the library has.
pub fn optimizer() -> PossibleValuesParser {
    PossibleValuesParser::new(optimizers::REGISTRY.iter().map(|known| known.short_name))
}

/// Bytes, as `1500MB` or `1.5GB`; a plain number is bytes.
pub fn memory_size(text: &str) -> Result<usize, String> {
    let text = text.trim();
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor = match text[digits.len()..].to_ascii_lowercase().as_str() {
        "" | "b" => 1.0,
        "kb" | "k" => 1e3,
        "mb" | "m" => 1e6,
        "gb" | "g" => 1e9,
        _ => return Err("must be a size such as 800MB or 1.5GB".into()),
    };
    match digits.trim().parse::<f64>() {
        Ok(size) if size > 0.0 && size * factor < 1e18 => Ok((size * factor) as usize),
        _ => Err("must be a size above 0, such as 800MB or 1.5GB".into()),
    }
}

/// Height, width and channels, as `224x224x3`; without channels 3 of them.
pub fn image_size(text: &str) -> Result<[usize; 3], String> {
    let sizes: Option<Vec<usize>> = text.split(['x', '×']).map(|size| size.trim().parse().ok()).collect();
    match sizes.as_deref() {
        Some(&[height, width, channels]) if height.min(width).min(channels) > 0 => {
            Ok([height, width, channels])
        }
        Some(&[height, width]) if height.min(width) > 0 => Ok([height, width, 3]),
        _ => Err("must be height, width and channels, such as 224x224x3".into()),
    }
}

/// A whole number.
pub fn non_negative(text: &str) -> Result<usize, String> {
    text.parse().map_err(|_| "must be a whole number".into())
}
