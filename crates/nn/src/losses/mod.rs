//! Losses, by Keras's names: what training makes small.
//!
//! Each gives a number a sample; the mean over the batch is what is reported and differentiated.

use std::fmt::Debug;

use convnet_engine::ops::{Activate, Activation, Softmax};
use convnet_engine::{EngineError, Graph, Shape, Value};
use serde_json::{Map, Value as Json};

use crate::error::{Error, Result};

mod binary_crossentropy;
mod categorical_crossentropy;
mod mean_squared_error;
mod sparse_categorical_crossentropy;

pub use binary_crossentropy::BinaryCrossentropy;
pub use categorical_crossentropy::CategoricalCrossentropy;
pub use mean_squared_error::MeanSquaredError;
pub use sparse_categorical_crossentropy::SparseCategoricalCrossentropy;

/// A measure of how far predictions are from targets.
pub trait Loss: Debug + Send + Sync + 'static {
    /// Keras's class name.
    fn class_name(&self) -> &'static str;

    /// The arguments under Keras's names, without the name.
    fn config(&self) -> Map<String, Json>;

    /// Shape of the targets for predictions of a shape.
    fn target_shape(&self, predictions: &Shape) -> Shape {
        predictions.clone()
    }

    /// Adds the loss of each sample to a graph.
    ///
    /// # Errors
    /// If predictions and targets do not fit.
    fn build(&self, graph: &mut Graph, predictions: Value, targets: Value) -> Result<Value, EngineError>;
}

/// A kind of loss that can be made from its configuration.
#[derive(Clone, Copy, Debug)]
pub struct LossClass {
    /// Keras's class name.
    pub name: &'static str,
    /// Keras's other names for it.
    pub aliases: &'static [&'static str],
    /// Makes one from Keras's arguments.
    pub from_config: fn(&Map<String, Json>) -> Result<Box<dyn Loss>>,
}

/// All losses.
pub const REGISTRY: &[LossClass] = &[
    LossClass {
        name: "BinaryCrossentropy",
        aliases: &["binary_crossentropy", "bce"],
        from_config: |config| Ok(Box::new(BinaryCrossentropy { from_logits: from_logits(config)? })),
    },
    LossClass {
        name: "CategoricalCrossentropy",
        aliases: &["categorical_crossentropy"],
        from_config: |config| Ok(Box::new(CategoricalCrossentropy { from_logits: from_logits(config)? })),
    },
    LossClass {
        name: "MeanSquaredError",
        aliases: &["mean_squared_error", "mse", "MSE"],
        from_config: |_| Ok(Box::new(MeanSquaredError)),
    },
    LossClass {
        name: "SparseCategoricalCrossentropy",
        aliases: &["sparse_categorical_crossentropy"],
        from_config: |config| {
            Ok(Box::new(SparseCategoricalCrossentropy { from_logits: from_logits(config)? }))
        },
    },
];

/// The loss of a name: a class name or one of Keras's short names.
///
/// # Errors
/// If there is none.
pub fn from_name(name: &str) -> Result<Box<dyn Loss>> {
    from_config(name, &Map::new())
}

/// The loss of a name, with arguments.
///
/// # Errors
/// If there is none of that name, or an argument has a value that is not supported.
pub fn from_config(name: &str, config: &Map<String, Json>) -> Result<Box<dyn Loss>> {
    for (key, neutral) in [("label_smoothing", 0.0), ("ignore_class", f64::NAN)] {
        if let Some(value) =
            config.get(key).filter(|value| !value.is_null() && value.as_f64() != Some(neutral))
        {
            return Err(Error::argument(format!("loss {name}"), format!("{key} = {value} is not supported")));
        }
    }
    match REGISTRY.iter().find(|known| known.name == name || known.aliases.contains(&name)) {
        Some(known) => (known.from_config)(config),
        None => Err(Error::unknown("loss", name, REGISTRY.iter().map(|known| known.name))),
    }
}

fn from_logits(config: &Map<String, Json>) -> Result<bool> {
    match config.get("from_logits") {
        None => Ok(false),
        Some(value) => value.as_bool().ok_or_else(|| {
            Error::argument("loss", format!("from_logits must be true or false, got {value}"))
        }),
    }
}

/// What went into the softmax or sigmoid that made `probabilities`, if one did.
///
/// A cross-entropy of scores is exact where that of probabilities loses digits, so it is taken wherever the scores are
/// there; Keras does the same.
fn scores_behind(graph: &Graph, probabilities: Value, softmax: bool) -> Option<Value> {
    let node = graph.producer(probabilities)?;
    let found = if softmax {
        node.op_as::<Softmax>().is_some()
    } else {
        matches!(node.op_as(), Some(Activate(Activation::Sigmoid)))
    };
    found.then(|| node.inputs[0])
}

/// The shape of class numbers: predictions without their last axis.
fn class_numbers(predictions: &Shape) -> Shape {
    let axes = predictions.dims.len().saturating_sub(1);
    Shape { batched: predictions.batched, dims: predictions.dims[..axes].to_vec() }
}
