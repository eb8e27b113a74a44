//! What decides the weights that a training ends with: arguments on the command line, keys of a TOML file.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use convnet::data::augment::Pipeline;
use convnet::nn::Precision;
use convnet::nn::schedules::ScheduleChoice;
use convnet::nn::train::Often;
use convnet::vision::imagenet::Preprocessing;
use serde::{Deserialize, Serialize};

use crate::arguments::{image_size, memory_size, non_negative, optimizer, positive, share};
use crate::models;

/// The arguments of `convnet train` that decide its result. The same names, as keys, are in the `settings.toml` of a run and in the
/// file that `convnet tune` takes.
#[derive(Clone, Debug, PartialEq, clap::Args, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Settings {
    /// Name of a data set, folder, or file
    ///
    /// mnist, fashion-mnist, a folder with a folder of pictures or texts for each class, a folder of IDX files, or a .csv, .npz or .h5 file.
    #[arg(default_value = "mnist")]
    pub dataset: String,
    #[arg(long, value_name = "FILE|NAME", default_value = "mnist-functional", help = models::help(), long_help = models::long_help())]
    pub model: String,

    /// How often to go through the data [default: 5]
    #[arg(long, value_name = "N", value_parser = positive, help_heading = TRAINING)]
    pub epochs: Option<usize>,
    /// Samples in a step
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = positive, help_heading = TRAINING)]
    pub batch_size: usize,
    /// How weights follow their gradients [default: what the model says, else rmsprop]
    #[arg(long, value_name = "NAME", value_parser = optimizer(), help_heading = TRAINING)]
    pub optimizer: Option<String>,
    /// Step size, or how it changes: 0.001, cosine:0.1,warmup=1 [default: the optimizer's own]
    ///
    /// A number, or a schedule with times in epochs; those that there are stand below.
    #[arg(long, visible_alias = "schedule", value_name = "F|NAME:F[,KEY=F]", allow_negative_numbers = true,
        value_parser = rate_text, help_heading = TRAINING)]
    #[serde(alias = "schedule", with = "rate", skip_serializing_if = "Option::is_none")]
    pub learning_rate: Option<String>,
    /// Share of a target's certainty that goes to the other classes
    #[arg(long, value_name = "F", value_parser = share, help_heading = TRAINING)]
    pub label_smoothing: Option<f64>,
    /// `balanced` lets rare classes count as much as frequent ones
    #[arg(long, value_name = "balanced", value_parser = ["balanced"], help_heading = TRAINING)]
    pub class_weight: Option<String>,
    /// End N epochs after the best validation loss, and take its weights
    ///
    /// End when the validation loss has not become better for so many epochs, and take the best weights.
    #[arg(long, value_name = "N", value_parser = non_negative, help_heading = TRAINING)]
    pub early_stopping: Option<usize>,
    /// Share of what there is to train on that is kept for validation
    ///
    /// Share of the samples to validate on: of a built-in set or IDX files cut off at their end, of others drawn by the seed, class by
    /// class; 0 validates on the samples for tests [default: 0, or 0.2 for data without any that is not IDX]
    #[arg(long, value_name = "F", value_parser = share, allow_negative_numbers = true, help_heading = TRAINING)]
    pub validation_split: Option<f64>,
    /// Seed of the first weights, the order of samples, dropout, augmentation, and the split
    #[arg(long, value_name = "N", default_value_t = 0, help_heading = TRAINING)]
    pub seed: u64,

    /// Weights for the model: a file of Keras's or PyTorch's, or imagenet
    ///
    /// .h5, .weights.h5 or .keras of Keras; .pth, .pt or .safetensors of PyTorch; `imagenet`: those published for the network of the zoo, fetched
    /// once into the cache. Of a network of the zoo they are taken for the base, and the classifier is new.
    #[arg(long, value_name = "FILE", help_heading = TRANSFER)]
    pub weights: Option<PathBuf>,
    /// Whose network weights of PyTorch are for, where the names in the file do not tell: tensorflow, torchvision, timm
    #[arg(long, value_name = "NAME", help_heading = TRANSFER)]
    pub weights_from: Option<String>,
    /// Leave these layers as they are: base, or names such as block1*
    ///
    /// `base` is all but the classifier that was made for these classes; of a network that has learnt nothing else, all before the dense layers at its
    /// end. Names may have * at the end for many.
    #[arg(long, value_name = "base|LAYER", num_args = 1, action = clap::ArgAction::Append, value_delimiter = ',', help_heading = TRANSFER)]
    pub freeze: Vec<String>,
    /// Train again what was frozen: all, a layer and those behind it, or last:N layers
    ///
    /// Batch normalisations stay frozen. The step size is a tenth of the model's unless one is given.
    #[arg(long, value_name = "all|LAYER|last:N", num_args = 0..=1, default_missing_value = "all", help_heading = TRANSFER)]
    pub unfreeze: Option<String>,

    /// Change pictures at random: light, standard, strong, flip,rotate=15,…
    ///
    /// light, standard, strong, a list such as flip,rotate=15,zoom=0.2, or a .toml file; `convnet augment` shows what they do.
    #[arg(long, value_name = "WHAT", help_heading = PICTURES)]
    pub augment: Option<String>,
    /// Height and width of pictures, 160x160 or 160x160x1 for grey
    ///
    /// By default what the model takes, of a network of the zoo its paper's.
    #[arg(long, value_name = "HxW[xC]", value_parser = size_text, help_heading = PICTURES)]
    pub image_size: Option<String>,
    /// How pixels are scaled before a network of the zoo: none, unit, tf, torch, caffe
    ///
    /// none (0 to 255), unit (0 to 1), tf (-1 to 1), torch, caffe, by layers that are saved with it [default: what its weights were trained with]
    #[arg(long, value_name = "MODE", value_parser = preprocessing_text, help_heading = PICTURES)]
    pub preprocess: Option<String>,
    /// Name pictures that cannot be read and go on, instead of ending
    ///
    /// Each is named once, and the next picture of its class stands in for it.
    #[arg(long, help_heading = PICTURES)]
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub skip_broken: bool,

    /// Most words that a text model knows [default: what it has room for, 10000]
    ///
    /// The commonest words of the texts to train on; others count as one unknown word. Padding and the unknown word are counted.
    #[arg(long, value_name = "N", value_parser = positive, help_heading = TEXTS)]
    pub max_tokens: Option<usize>,
    /// Words that texts are cut or filled up to [default: what the model takes, 500]
    #[arg(long, value_name = "N", value_parser = positive, help_heading = TEXTS)]
    pub sequence_length: Option<usize>,

    /// How often a run keeps all that it needs to go on: epoch, 500steps, 10min [default: epoch]
    #[arg(long, value_name = "WHEN", value_parser = often_text, help_heading = RUNS)]
    pub checkpoint: Option<String>,
    /// Keep the last N of these states, to go on from any of them
    ///
    /// They are the files DIR/checkpoints/epoch-0003-step-0000120.safetensors; `--resume` takes one as it takes the folder. By default there is only
    /// the last.
    #[arg(long, value_name = "N", value_parser = positive, help_heading = RUNS)]
    pub keep_checkpoints: Option<usize>,
    /// Write what TensorBoard shows into this folder: scalars, weights, pictures, graph
    #[arg(long, value_name = "DIR", help_heading = RUNS)]
    pub tensorboard: Option<PathBuf>,

    /// Most memory for weights and activations, such as 1.5GB
    ///
    /// Activations are computed again to stay below; results are the same to the bit.
    #[arg(long, value_name = "SIZE", value_parser = memory_size, help_heading = MACHINE)]
    pub max_memory: Option<usize>,
    /// Bits of stored values: f32, or bf16
    ///
    /// bf16 takes about half the memory for activations in training, rounded to 8 significant bits [default: what the model says, else f32]
    #[arg(long, value_name = "f32|bf16", value_parser = precision_text, help_heading = MACHINE)]
    pub precision: Option<String>,
}

const EPOCHS: usize = 5;
const TRAINING: &str = "Training";
const TRANSFER: &str = "Transfer learning";
const PICTURES: &str = "Pictures";
const TEXTS: &str = "Texts";

/// Heading of the arguments about memory and threads.
pub const MACHINE: &str = "Machine";

/// Heading of the arguments about what is kept of a training.
pub const RUNS: &str = "Runs";

fn often_text(text: &str) -> Result<String, String> {
    often(text).map(|_| text.to_owned())
}

fn often(text: &str) -> Result<Often, String> {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let number = digits.parse::<f64>().ok().filter(|number| *number > 0.0 && number.is_finite());
    match (number, text[digits.len()..].trim()) {
        (None, "epoch" | "epochs") if digits.is_empty() => Ok(Often::Epoch),
        (Some(number), "step" | "steps") if number >= 1.0 => Ok(Often::Steps(number as usize)),
        (Some(number), "min" | "minutes" | "m") => Ok(Often::Minutes(number)),
        (Some(number), "s" | "seconds") => Ok(Often::Minutes(number / 60.0)),
        _ => Err("must be epoch, or a number of steps or minutes such as 500steps or 10min".into()),
    }
}

fn precision_text(text: &str) -> Result<String, String> {
    text.parse::<Precision>().map(|_| text.to_owned()).map_err(|problem| problem.to_string())
}

fn preprocessing_text(text: &str) -> Result<String, String> {
    text.parse::<Preprocessing>().map(|_| text.to_owned()).map_err(|problem| problem.to_string())
}

fn rate_text(text: &str) -> Result<String, String> {
    text.parse::<ScheduleChoice>().map(|_| text.to_owned()).map_err(|problem| problem.to_string())
}

/// A step size in a file: a number where it is one.
mod rate {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    #[serde(untagged)]
    enum Rate {
        Number(f64),
        Text(String),
    }

    pub fn serialize<S: Serializer>(rate: &Option<String>, to: S) -> Result<S::Ok, S::Error> {
        let rate = rate.as_ref().map(|text| match text.parse() {
            Ok(number) => Rate::Number(number),
            Err(_) => Rate::Text(text.clone()),
        });
        rate.serialize(to)
    }

    pub fn deserialize<'d, D: Deserializer<'d>>(from: D) -> Result<Option<String>, D::Error> {
        let rate = Option::<Rate>::deserialize(from)?;
        let text = rate.map(|rate| match rate {
            Rate::Number(number) => number.to_string(),
            Rate::Text(text) => text,
        });
        match text.as_deref().map(super::rate_text) {
            Some(Err(problem)) => Err(serde::de::Error::custom(problem)),
            _ => Ok(text),
        }
    }
}

fn size_text(text: &str) -> Result<String, String> {
    image_size(text).map(|_| text.to_owned())
}

impl Default for Settings {
    /// Those of the command line.
    fn default() -> Self {
        Self {
            dataset: "mnist".into(),
            model: "mnist-functional".into(),
            epochs: None,
            batch_size: 64,
            optimizer: None,
            learning_rate: None,
            label_smoothing: None,
            class_weight: None,
            early_stopping: None,
            validation_split: None,
            seed: 0,
            weights: None,
            weights_from: None,
            freeze: Vec::new(),
            unfreeze: None,
            augment: None,
            image_size: None,
            preprocess: None,
            skip_broken: false,
            max_tokens: None,
            sequence_length: None,
            checkpoint: None,
            keep_checkpoints: None,
            tensorboard: None,
            max_memory: None,
            precision: None,
        }
    }
}

impl Settings {
    /// Reads them from TOML.
    ///
    /// # Errors
    /// With the file's name: it cannot be read, is not TOML, or has a key that is no argument.
    pub fn read(path: &Path) -> Result<Self> {
        let text =
            std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        toml::from_str(&text)
            .map_err(|problem| anyhow!("{}: {}", path.display(), problem.to_string().trim_end()))
    }

    /// As TOML.
    ///
    /// # Errors
    /// If a number is too large for it.
    pub fn to_toml(&self) -> Result<String> {
        Ok(toml::to_string(self)?)
    }

    /// How pictures are changed in training.
    ///
    /// # Errors
    /// If there is no such change, or the file with them cannot be read.
    pub fn pipeline(&self) -> Result<Option<Pipeline>> {
        let Some(text) = &self.augment else { return Ok(None) };
        let pipeline = if text.ends_with(".toml") {
            let content = std::fs::read_to_string(text).with_context(|| format!("cannot read {text}"))?;
            Pipeline::from_toml(&content)
        } else {
            text.parse()
        };
        let pipeline: Pipeline = pipeline.context("--augment")?;
        Ok(Some(pipeline).filter(|pipeline| !pipeline.is_empty()))
    }

    /// The step size or schedule that was asked for.
    ///
    /// # Errors
    /// If it is none.
    pub fn rate(&self) -> Result<Option<ScheduleChoice>> {
        self.learning_rate.as_deref().map(str::parse).transpose().context("--learning-rate")
    }

    /// How often a run keeps its state.
    ///
    /// # Errors
    /// If it is no time.
    pub fn often(&self) -> Result<Often> {
        self.checkpoint.as_deref().map_or(Ok(Often::Epoch), often).map_err(anyhow::Error::msg)
    }

    /// How often to go through the data.
    pub fn epochs(&self) -> usize {
        self.epochs.unwrap_or(EPOCHS)
    }

    /// What is trained on what, in a few words.
    pub fn title(&self) -> String {
        let last = |path: &str| {
            Path::new(path).file_name().map_or(path.into(), |name| name.to_string_lossy().into_owned())
        };
        format!("{}, {}", last(&self.dataset), last(&self.model))
    }

    /// With paths that mean the same from any folder.
    pub fn with_absolute_paths(mut self) -> Self {
        let absolute = |path: &Path| std::path::absolute(path).ok().filter(|absolute| absolute.exists());
        let known = |name: &str| convnet::data::SOURCES.iter().any(|source| source.name == name);
        if !known(&self.dataset)
            && let Some(path) = absolute(Path::new(&self.dataset))
        {
            self.dataset = path.display().to_string();
        }
        for file in [Some(&mut self.model), self.augment.as_mut()].into_iter().flatten() {
            if let Some(path) = absolute(Path::new(&*file)).filter(|path| path.is_file()) {
                *file = path.display().to_string();
            }
        }
        if let Some(path) = self.weights.as_deref().and_then(absolute) {
            self.weights = Some(path);
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        settings: Settings,
    }

    #[test]
    fn the_command_line_has_the_same_defaults_as_a_file() {
        let line = Line::parse_from(["train"]).settings;
        assert_eq!(line, Settings::default());
        assert_eq!(line, toml::from_str("").unwrap());
    }

    #[test]
    fn settings_come_back_from_toml() {
        let arguments = [
            "train",
            "photos",
            "--model",
            "vgg16",
            "--freeze",
            "block1_conv1,block2*",
            "--unfreeze",
            "last:3",
        ];
        let mut settings = Line::parse_from(arguments).settings;
        assert_eq!(settings.freeze, ["block1_conv1", "block2*"]);
        settings.learning_rate = Some("0.1".into());
        settings.precision = Some("bf16".into());
        let again: Settings = toml::from_str(&settings.to_toml().unwrap()).unwrap();
        assert_eq!(again, settings);
        let rate =
            |text: &str| toml::from_str::<Settings>(text).map(|settings| settings.learning_rate.unwrap());
        assert!(settings.to_toml().unwrap().contains("learning-rate = 0.1\n"));
        assert_eq!(rate("schedule = \"cosine:0.1\"").unwrap(), "cosine:0.1");
        assert_eq!(rate("learning-rate = 1e-3").unwrap(), "0.001");
        assert!(rate("learning-rate = \"cosin:0.1\"").unwrap_err().to_string().contains("cosine"));
        assert!(Line::try_parse_from(["train", "--learning-rate", "-1"]).is_err());
        assert_eq!(
            Line::parse_from(["train", "--schedule", "step:1,every=2"]).settings.learning_rate.unwrap(),
            "step:1,every=2"
        );
        assert!(toml::from_str::<Settings>("epoch = 3").unwrap_err().to_string().contains("epochs"));
    }
}
