//! Losses, by Keras's names: what training makes small.
//!
//! Each gives a number a sample; the mean over the batch is what is reported and differentiated.

use std::fmt::Debug;

use convnet_engine::ops::{Activate, Activation, Reduce, ReduceFunction, Softmax};
use convnet_engine::{EngineError, Graph, Shape, Value};
use serde_json::{Map, Value as Json};

use crate::error::{Error, Result};
use maths::Maths;

mod binary_crossentropy;
mod categorical_crossentropy;
mod categorical_generalized_cross_entropy;
mod circle;
mod counted;
mod ctc;
mod focal;
mod hinge;
mod maths;
mod mean_squared_error;
mod overlap;
mod regression;
mod sparse_categorical_crossentropy;

pub use binary_crossentropy::BinaryCrossentropy;
pub use categorical_crossentropy::CategoricalCrossentropy;
pub use categorical_generalized_cross_entropy::CategoricalGeneralizedCrossEntropy;
pub use circle::Circle;
pub(crate) use counted::Counted;
pub use ctc::Ctc;
pub use focal::{BinaryFocalCrossentropy, CategoricalFocalCrossentropy};
pub use hinge::{CategoricalHinge, Hinge, SquaredHinge};
pub use mean_squared_error::MeanSquaredError;
pub use overlap::{Dice, Tversky};
pub use regression::{
    CosineSimilarity, Huber, KlDivergence, LogCosh, MeanAbsoluteError, MeanAbsolutePercentageError,
    MeanSquaredLogarithmicError, Poisson,
};
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

    /// How many classes there are, if targets are their numbers: what the last axis of the predictions counts, where targets lack an axis.
    fn classes(&self, predictions: &Shape) -> Option<usize> {
        let numbers = self.target_shape(predictions).dims.len() < predictions.dims.len();
        numbers.then(|| predictions.channels())
    }

    /// The class number that stands for no class, if there is one.
    fn ignored_class(&self) -> Option<i64> {
        None
    }

    /// Adds the loss of each sample to a graph: of each element but for the last axis, or whatever axes the loss sums over.
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
        aliases: &["binary_crossentropy", "bce", "BCE"],
        from_config: parse::<BinaryCrossentropy>,
    },
    LossClass {
        name: "BinaryFocalCrossentropy",
        aliases: &["binary_focal_crossentropy"],
        from_config: parse::<BinaryFocalCrossentropy>,
    },
    LossClass {
        name: "CategoricalCrossentropy",
        aliases: &["categorical_crossentropy"],
        from_config: parse::<CategoricalCrossentropy>,
    },
    LossClass {
        name: "CategoricalFocalCrossentropy",
        aliases: &["categorical_focal_crossentropy"],
        from_config: parse::<CategoricalFocalCrossentropy>,
    },
    LossClass {
        name: "CategoricalGeneralizedCrossEntropy",
        aliases: &["categorical_generalized_cross_entropy"],
        from_config: CategoricalGeneralizedCrossEntropy::from_config,
    },
    LossClass {
        name: "CategoricalHinge",
        aliases: &["categorical_hinge"],
        from_config: |config| plain(config, CategoricalHinge),
    },
    LossClass { name: "Circle", aliases: &["circle"], from_config: parse::<Circle> },
    LossClass {
        name: "CosineSimilarity",
        aliases: &["cosine_similarity"],
        from_config: parse::<CosineSimilarity>,
    },
    LossClass { name: "CTC", aliases: &["ctc"], from_config: |config| plain(config, Ctc) },
    LossClass { name: "Dice", aliases: &["dice"], from_config: parse::<Dice> },
    LossClass { name: "Hinge", aliases: &["hinge"], from_config: |config| plain(config, Hinge) },
    LossClass { name: "Huber", aliases: &["huber", "huber_loss"], from_config: parse::<Huber> },
    LossClass {
        name: "KLDivergence",
        aliases: &["kl_divergence", "kld", "KLD", "kullback_leibler_divergence"],
        from_config: |config| plain(config, KlDivergence),
    },
    LossClass {
        name: "LogCosh",
        aliases: &["log_cosh", "logcosh"],
        from_config: |config| plain(config, LogCosh),
    },
    LossClass {
        name: "MeanAbsoluteError",
        aliases: &["mean_absolute_error", "mae", "MAE"],
        from_config: |config| plain(config, MeanAbsoluteError),
    },
    LossClass {
        name: "MeanAbsolutePercentageError",
        aliases: &["mean_absolute_percentage_error", "mape", "MAPE"],
        from_config: |config| plain(config, MeanAbsolutePercentageError),
    },
    LossClass {
        name: "MeanSquaredError",
        aliases: &["mean_squared_error", "mse", "MSE"],
        from_config: |config| plain(config, MeanSquaredError),
    },
    LossClass {
        name: "MeanSquaredLogarithmicError",
        aliases: &["mean_squared_logarithmic_error", "msle", "MSLE"],
        from_config: |config| plain(config, MeanSquaredLogarithmicError),
    },
    LossClass { name: "Poisson", aliases: &["poisson"], from_config: |config| plain(config, Poisson) },
    LossClass {
        name: "SparseCategoricalCrossentropy",
        aliases: &["sparse_categorical_crossentropy"],
        from_config: parse::<SparseCategoricalCrossentropy>,
    },
    LossClass {
        name: "SquaredHinge",
        aliases: &["squared_hinge"],
        from_config: |config| plain(config, SquaredHinge),
    },
    LossClass { name: "Tversky", aliases: &["tversky"], from_config: parse::<Tversky> },
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
/// If there is none of that name, or an argument is unknown or has a value that is not supported.
pub fn from_config(name: &str, config: &Map<String, Json>) -> Result<Box<dyn Loss>> {
    match REGISTRY.iter().find(|known| known.name == name || known.aliases.contains(&name)) {
        Some(known) => (known.from_config)(config),
        None => Err(Error::unknown("loss", name, REGISTRY.iter().map(|known| known.name))),
    }
}

/// A loss's own arguments. Losses are always reduced to their mean.
fn own(config: &Map<String, Json>) -> Result<Map<String, Json>> {
    let mut config = config.clone();
    config.retain(|key, value| !["name", "dtype", "fn"].contains(&key.as_str()) && !value.is_null());
    match config.remove("reduction") {
        // Keras 2 has further words for the mean.
        Some(Json::String(kind)) if !["sum_over_batch_size", "mean", "auto"].contains(&kind.as_str()) => {
            let problem = format!("reduction {kind} is not supported; losses are means over the batch");
            Err(Error::argument("loss", problem))
        }
        _ => Ok(config),
    }
}

fn parse<T: Loss + serde::de::DeserializeOwned>(config: &Map<String, Json>) -> Result<Box<dyn Loss>> {
    let loss: T = serde_json::from_value(Json::Object(own(config)?))
        .map_err(|problem| Error::argument("loss", problem.to_string()))?;
    Ok(Box::new(loss))
}

/// A loss without arguments.
fn plain(config: &Map<String, Json>, loss: impl Loss) -> Result<Box<dyn Loss>> {
    match own(config)?.keys().next() {
        Some(key) => Err(Error::argument(loss.class_name(), format!("there is no argument {key}"))),
        None => Ok(Box::new(loss)),
    }
}

/// The arguments of a loss as a map.
fn to_map(loss: &impl serde::Serialize) -> Map<String, Json> {
    match serde_json::to_value(loss) {
        Ok(Json::Object(map)) => map,
        _ => unreachable!("losses are structures of plain data"),
    }
}

/// Keras's default axis.
fn last_axis() -> i64 {
    -1
}

/// Targets of which a share is given to all classes alike.
fn smoothed(maths: &mut Maths<'_>, targets: Value, share: f32) -> Result<Value, EngineError> {
    let classes = maths.0.shape(targets).channels();
    maths.affine(targets, 1.0 - share, share / classes as f32)
}

/// Rows divided by their sums.
fn normalized(maths: &mut Maths<'_>, x: Value) -> Result<Value, EngineError> {
    let last = maths.last_axis(x)?;
    let sum = Reduce { function: ReduceFunction::Sum, batch: false, axes: vec![last], keep_dims: true };
    let sum = maths.0.apply(sum, &[x])?;
    maths.divide(x, sum)
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
