//! `convnet layers`: what a model description can name.

use std::fmt;

use anyhow::Result;
use convnet::nn::layers::REGISTRY;
use convnet::nn::{losses, metrics, optimizers, schedules};
use serde::Serialize;
use serde_json::{Map, Value as Json};

use crate::output::Output;

/// List the layers, losses and optimizers that a TOML description can name
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Arguments are shown as in an example of each layer; names and meaning are Keras's.

A description has the layers in order:

  input_shape = [28, 28, 1]          # height, width, channels

  [[layers]]
  type = \"Conv2D\"
  filters = 32
  kernel_size = 3
  activation = \"relu\"

  [[layers]]
  type = \"Flatten\"

  [[layers]]
  type = \"Dense\"
  units = 10
  activation = \"softmax\"

  [compile]                          # optional
  optimizer = { name = \"adam\", learning_rate = 0.001 }
  loss = \"sparse_categorical_crossentropy\"
  metrics = [\"accuracy\"]")]
pub struct Args {
    /// Print an object a layer
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Row {
    name: &'static str,
    about: &'static str,
    /// Names with the values that an example has.
    arguments: Map<String, Json>,
}

impl Args {
    pub fn run(self) -> Result<()> {
        let mut output = Output::new(self.json);
        for layer in REGISTRY {
            let example = (layer.examples)().into_iter().next();
            let arguments = example.map(|(layer, _)| layer.config()).unwrap_or_default();
            output.result(&Row { name: layer.name, about: layer.about, arguments });
        }
        let losses: Vec<&str> = losses::REGISTRY.iter().map(|loss| loss.aliases.first().copied().unwrap_or(loss.name)).collect();
        let optimizers: Vec<&str> = optimizers::REGISTRY.iter().map(|optimizer| optimizer.short_name).collect();
        let metrics: Vec<&str> =
            metrics::REGISTRY.iter().map(|metric| metric.aliases.first().copied().unwrap_or(metric.name)).collect();
        let schedules: Vec<&str> = schedules::REGISTRY.iter().map(|schedule| schedule.name).collect();
        output.line(format!("Losses: {}\nMetrics: {}", losses.join(", "), metrics.join(", ")));
        output.line(format!("Optimizers: {}\nSchedules: {}", optimizers.join(", "), schedules.join(", ")));
        output.line("`convnet layers --help` shows a description.");
        output.finish()
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {}", self.name, self.about)?;
        let arguments = self.arguments.iter().filter(|(_, value)| !value.is_null());
        let arguments: Vec<String> = arguments.map(|(name, value)| format!("{name} = {}", short(value))).collect();
        if arguments.is_empty() { Ok(()) } else { writeln!(f, "  {}", arguments.join(", ")) }
    }
}

/// A value as one writes it in a description: of an object (an initializer) only the class, numbers without the digits that they have only
/// because they were kept in 32 bits.
fn short(value: &Json) -> String {
    match value {
        Json::Number(number) if number.is_f64() => {
            let number = number.as_f64().unwrap_or_default();
            let narrow = number as f32;
            if f64::from(narrow) == number { format!("{narrow:?}") } else { number.to_string() }
        }
        Json::Array(values) => format!("[{}]", values.iter().map(short).collect::<Vec<_>>().join(", ")),
        Json::Object(object) => object.get("class_name").map_or_else(|| value.to_string(), Json::to_string),
        _ => value.to_string(),
    }
}
