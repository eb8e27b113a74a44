//! `convnet train`: from a data set to a saved model.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use convnet::data::Dataset;
use convnet::nn::train::{History, Scores};
use convnet::prelude::*;
use serde::Serialize;

use crate::arguments::{PrecisionChoice, Threads, learning_rate, memory_size, optimizer, positive, share};
use crate::format::{count, duration, thousands};
use crate::models::{self, Opened};
use crate::output::Output;
use crate::progress;
use crate::samples::{self, Fitted};

/// Train a model on a data set and save it
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
After every epoch the model is validated on the images that --validation-split keeps back, or, when that is 0, on the test
images. Images per second and time count training alone; while an epoch runs, a time with a minus is what is left of it. The same seed gives the same file, byte for byte, on any number of threads.

Examples:
  convnet train
  convnet train --model mnist-sequential --epochs 1 --output first.keras
  convnet train fashion-mnist --model examples/fashion-cnn.toml --optimizer adam --learning-rate 0.0005
  convnet train ./my-idx-folder --model net.toml --validation-split 0.1 --json")]
pub struct Args {
    /// mnist, fashion-mnist, or a folder of IDX files
    #[arg(default_value = "mnist")]
    dataset: String,
    #[arg(long, value_name = "FILE.toml|NAME", default_value = "mnist-functional", help = models::help(), long_help = models::long_help())]
    model: String,
    /// How often to go through the images
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = positive)]
    epochs: usize,
    /// Images in a step
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = positive)]
    batch_size: usize,
    /// How weights follow their gradients [default: what the model says, else rmsprop]
    #[arg(long, value_name = "NAME", value_parser = optimizer())]
    optimizer: Option<String>,
    /// Step size [default: the optimizer's own]
    #[arg(long, value_name = "F", value_parser = learning_rate, allow_negative_numbers = true)]
    learning_rate: Option<f32>,
    /// Seed of the first weights, the order of images, and dropout
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Most memory for weights and activations, such as 1.5GB; activations are computed again to stay below
    #[arg(long, value_name = "SIZE", value_parser = memory_size)]
    max_memory: Option<usize>,
    #[command(flatten)]
    precision: PrecisionChoice,
    #[command(flatten)]
    threads: Threads,
    /// Share of the training images, cut off at their end, to validate on; 0 validates on the test images
    #[arg(long, value_name = "F", default_value_t = 0.0, value_parser = share, allow_negative_numbers = true)]
    validation_split: f64,
    /// Where to save the model, .keras or .h5 [default: the data set's name with .keras]
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Print an object a line: start, each epoch, end
    #[arg(long)]
    json: bool,
}

/// What is about to happen.
#[derive(Serialize)]
struct Start<'a> {
    event: &'static str,
    dataset: &'a str,
    model: &'a str,
    parameters: usize,
    images: usize,
    validation_images: usize,
    epochs: usize,
    batch_size: usize,
    seed: u64,
    threads: usize,
    isa: &'static str,
}

/// What came of it.
#[derive(Serialize)]
struct End {
    event: &'static str,
    test_accuracy: Option<f64>,
    test_loss: Option<f64>,
    test_images: usize,
    images_per_second: f64,
    seconds: f64,
    output: String,
    #[serde(skip)]
    dataset: String,
}

impl Args {
    pub fn run(self) -> Result<()> {
        let mut output = Output::new(self.json);
        let threads = self.threads.start()?;
        let (Opened { mut model, trained }, dataset) = self.open()?;
        let file = self.output.clone().unwrap_or_else(|| format!("{}.keras", dataset.name).into());
        check_output(&file)?;
        if !trained {
            model.initialize(self.seed);
        }
        if model.compiled().is_none() {
            models::compile_default(&mut model)?;
        }
        models::change_optimizer(&mut model, self.optimizer.as_deref(), self.learning_rate)?;
        model.set_max_memory(self.max_memory);
        self.precision.apply(&mut model);
        if model.output_shapes()[0].channels() == dataset.class_names.len() {
            model.set_class_names(dataset.class_names.clone());
        }
        let (history, seconds) = self.fit(&mut model, &dataset, threads, &mut output)?;
        let test = self.test(&model, &dataset, &history)?;
        save_model(&model, &file).context("cannot save the model")?;
        output.result(&self.end(&history, test, seconds, &file));
        output.finish()
    }

    /// The model and the data. A network of the zoo takes the sizes of the data, other models have their own.
    fn open(&self) -> Result<(Opened, Dataset)> {
        let Some(network) = models::zoo_network(&self.model) else {
            return Ok((models::open(&self.model)?, samples::load(&self.dataset)?));
        };
        let dataset = samples::load(&self.dataset)?;
        let shape = dataset.train.shape();
        let network = network.input_shape([shape.height, shape.width, shape.channels]).classes(dataset.class_names.len());
        let opened = models::of_zoo(&network)
            .with_context(|| format!("{} does not fit the data set `{}`", self.model, dataset.name))?;
        Ok((opened, dataset))
    }

    /// Trains, and tells of it. Also gives the seconds that it took, validation included.
    fn fit(&self, model: &mut Model, dataset: &Dataset, threads: usize, output: &mut Output) -> Result<(History, f64)> {
        let train = Fitted::new(&dataset.train, model, dataset)?;
        let test = dataset.test.as_ref().map(|test| Fitted::new(test, model, dataset)).transpose()?;
        let test = test.filter(|_| self.validation_split == 0.0);
        let options = Fit::new().epochs(self.epochs).batch_size(self.batch_size).seed(self.seed);
        let options = match &test {
            Some(test) => options.validation_data(test),
            None => options.validation_split(self.validation_split),
        };
        // As the library cuts it, so that what is announced is what happens.
        let kept = (train.len() as f64 * (1.0 - self.validation_split)) as usize;
        let validation_images = test.as_ref().map_or(train.len() - kept, |test| test.len());
        self.announce(model, dataset, kept, validation_images, threads, output);
        let start = Instant::now();
        let mut told = progress::callback(output, self.epochs, validation_images > 0);
        let history =
            model.fit_with(&train, options, &mut [&mut *told]).context("training stopped, nothing was saved")?;
        Ok((history, start.elapsed().as_secs_f64()))
    }

    fn announce(
        &self,
        model: &Model,
        dataset: &Dataset,
        images: usize,
        validation_images: usize,
        threads: usize,
        output: &mut Output,
    ) {
        let isa = convnet::kernels::cpu::isa().name();
        let parameters = model.count_params();
        output.object(&Start {
            event: "start",
            dataset: &dataset.name,
            model: &self.model,
            parameters,
            images,
            validation_images,
            epochs: self.epochs,
            batch_size: self.batch_size,
            seed: self.seed,
            threads,
            isa,
        });
        let validation = match (validation_images, self.validation_split > 0.0) {
            (0, _) => "no images to validate on".to_owned(),
            (kept, true) => format!("validated on {} kept back", count(kept, "image")),
            (test, false) => format!("validated on {}", count(test, "test image")),
        };
        output.line(format!(
            "Training {} ({} parameters) on {}:",
            self.model,
            thousands(parameters as u64),
            dataset.name
        ));
        let threads = count(threads, "thread");
        output.line(format!("{}, {validation}; batches of {}; {threads}, {isa}.", count(images, "image"), self.batch_size));
    }

    /// Loss and metrics on the test images, if there are any.
    fn test(&self, model: &Model, dataset: &Dataset, history: &History) -> Result<Option<(Scores, usize)>> {
        let last = history.epochs.last();
        let scores = match (&dataset.test, last) {
            (None, _) => None,
            // They were the validation data, and the weights are still those of the last epoch.
            (Some(test), Some(last)) if self.validation_split == 0.0 => {
                let scores = last.val_loss.map(|loss| Scores { loss, metrics: last.val_metrics.clone() });
                scores.map(|scores| (scores, test.len()))
            }
            (Some(test), _) => Some((model.evaluate(&Fitted::new(test, model, dataset)?)?, test.len())),
        };
        // The last step may spoil weights without a later step to notice.
        let losses = last.and_then(|log| log.val_loss).into_iter().chain(scores.iter().map(|(scores, _)| scores.loss));
        if let Some(loss) = losses.into_iter().find(|loss| !loss.is_finite()) {
            bail!("after training the loss on images that were not trained on is {loss}, nothing was saved. A lower learning rate often helps");
        }
        Ok(scores)
    }

    fn end(&self, history: &History, test: Option<(Scores, usize)>, seconds: f64, file: &Path) -> End {
        let training: f64 = history.epochs.iter().map(|log| log.seconds).sum();
        let images: f64 = history.epochs.iter().map(|log| log.images_per_second * log.seconds).sum();
        let (scores, test_images) = test.unzip();
        End {
            event: "end",
            test_accuracy: scores.as_ref().and_then(accuracy),
            test_loss: scores.map(|scores| scores.loss),
            test_images: test_images.unwrap_or(0),
            images_per_second: images / training,
            seconds,
            output: file.display().to_string(),
            dataset: self.dataset.clone(),
        }
    }
}

/// The first metric that is some kind of accuracy.
pub fn accuracy(scores: &Scores) -> Option<f64> {
    scores.metrics.iter().find(|(name, _)| name.ends_with("accuracy")).map(|(_, value)| *value)
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f)?;
        match (self.test_accuracy, self.test_loss) {
            (Some(accuracy), Some(loss)) => {
                writeln!(f, "Test accuracy {accuracy:.4}, loss {loss:.4}, on {}.", count(self.test_images, "image"))?;
            }
            (None, Some(loss)) => writeln!(f, "Test loss {loss:.4}, on {}.", count(self.test_images, "image"))?,
            _ => writeln!(f, "The data set has no test images, so there is no test accuracy.")?,
        }
        let rate = thousands(self.images_per_second as u64);
        writeln!(f, "Trained in {}, {rate} images/s.", duration(self.seconds))?;
        let (output, dataset) = (&self.output, &self.dataset);
        writeln!(f, "Saved {output}; Keras opens it too.\n\nNext:")?;
        writeln!(f, "  convnet summary {output}")?;
        writeln!(f, "  convnet evaluate {output} {dataset}")?;
        let picture = if dataset == "mnist" { "digit.png" } else { "picture.png" };
        write!(f, "  convnet predict {output} {picture}")
    }
}

/// Finds out before the training, not after it, that a model cannot be saved there.
fn check_output(file: &Path) -> Result<()> {
    if file.metadata().is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir()) {
        return Ok(()); // a device such as /dev/null
    }
    let extension = file.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    if !matches!(extension, "keras" | "h5" | "hdf5") {
        bail!("--output {}: the name must end in .keras, or in .h5 for Keras's older format", file.display());
    }
    if file.is_dir() {
        bail!("--output {}: this is a folder", file.display());
    }
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let probe = folder.join(format!(".convnet-{}.tmp", std::process::id()));
    std::fs::File::create(&probe)
        .and_then(|_| std::fs::remove_file(&probe))
        .with_context(|| format!("cannot write to the folder of --output {}", file.display()))
}
