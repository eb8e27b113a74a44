//! All metrics, by Keras's names.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value as Json};

use super::{
    Auc, ConcordanceCorrelation, ExactAuc, FScore, FalseNegatives, FalsePositives, Iou, Measure, Metric,
    OfLoss, PearsonCorrelation, Precision, PrecisionAtRecall, R2Score, Recall, RecallAtPrecision,
    RootMeanSquaredError, SensitivityAtSpecificity, SpecificityAtSensitivity, TopK, TrueNegatives,
    TruePositives,
};
use crate::error::{Error, Result};
use crate::losses;

/// A kind of metric that can be made from its configuration.
#[derive(Clone, Copy, Debug)]
pub struct MetricClass {
    /// Keras's class name.
    pub name: &'static str,
    /// Keras's other names for it, the first being that in reports.
    pub aliases: &'static [&'static str],
    /// Makes one from Keras's arguments, of which the name is none.
    pub from_config: fn(&Map<String, Json>) -> Result<Metric>,
}

macro_rules! of_losses {
    ($class:literal, [$name:literal $(, $alias:literal)*], $loss:literal) => {
        MetricClass {
            name: $class,
            aliases: &[$name $(, $alias)*],
            from_config: |config| Ok(OfLoss::new($class, $name, losses::from_config($loss, config)?).into()),
        }
    };
}

/// All metrics.
pub const REGISTRY: &[MetricClass] = &[
    MetricClass { name: "Accuracy", aliases: &["accuracy", "acc"], from_config: |_| Ok(Metric::Accuracy) },
    MetricClass {
        name: "SparseCategoricalAccuracy",
        aliases: &["sparse_categorical_accuracy"],
        from_config: |_| Ok(Metric::SparseCategoricalAccuracy),
    },
    MetricClass {
        name: "CategoricalAccuracy",
        aliases: &["categorical_accuracy"],
        from_config: |_| Ok(Metric::CategoricalAccuracy),
    },
    MetricClass {
        name: "BinaryAccuracy",
        aliases: &["binary_accuracy"],
        from_config: |config| {
            let threshold = config.get("threshold").and_then(Json::as_f64).unwrap_or(0.5);
            Ok(Metric::BinaryAccuracy { threshold: threshold as f32 })
        },
    },
    MetricClass {
        name: "TopKCategoricalAccuracy",
        aliases: &["top_k_categorical_accuracy"],
        from_config: |config| {
            Ok(TopK { sparse: false, ..read::<TopK>("TopKCategoricalAccuracy", config)? }.into())
        },
    },
    MetricClass {
        name: "SparseTopKCategoricalAccuracy",
        aliases: &["sparse_top_k_categorical_accuracy"],
        from_config: |config| {
            Ok(TopK { sparse: true, ..read::<TopK>("SparseTopKCategoricalAccuracy", config)? }.into())
        },
    },
    MetricClass { name: "Precision", aliases: &["precision"], from_config: parse::<Precision> },
    MetricClass { name: "Recall", aliases: &["recall"], from_config: parse::<Recall> },
    MetricClass {
        name: "PrecisionAtRecall",
        aliases: &["precision_at_recall"],
        from_config: parse::<PrecisionAtRecall>,
    },
    MetricClass {
        name: "RecallAtPrecision",
        aliases: &["recall_at_precision"],
        from_config: parse::<RecallAtPrecision>,
    },
    MetricClass {
        name: "SensitivityAtSpecificity",
        aliases: &["sensitivity_at_specificity"],
        from_config: parse::<SensitivityAtSpecificity>,
    },
    MetricClass {
        name: "SpecificityAtSensitivity",
        aliases: &["specificity_at_sensitivity"],
        from_config: parse::<SpecificityAtSensitivity>,
    },
    MetricClass { name: "TruePositives", aliases: &["true_positives"], from_config: parse::<TruePositives> },
    MetricClass { name: "TrueNegatives", aliases: &["true_negatives"], from_config: parse::<TrueNegatives> },
    MetricClass {
        name: "FalsePositives",
        aliases: &["false_positives"],
        from_config: parse::<FalsePositives>,
    },
    MetricClass {
        name: "FalseNegatives",
        aliases: &["false_negatives"],
        from_config: parse::<FalseNegatives>,
    },
    MetricClass { name: "F1Score", aliases: &["f1_score", "f1"], from_config: parse::<FScore> },
    MetricClass {
        name: "FBetaScore",
        aliases: &["fbeta_score", "f_beta_score"],
        from_config: parse::<FScore>,
    },
    MetricClass { name: "AUC", aliases: &["auc"], from_config: parse::<Auc> },
    MetricClass { name: "ExactAUC", aliases: &["exact_auc"], from_config: parse::<ExactAuc> },
    MetricClass {
        name: "MeanIoU",
        aliases: &["mean_io_u", "mean_iou"],
        from_config: |config| Ok(Iou::from_config("MeanIoU", config)?.into()),
    },
    MetricClass {
        name: "IoU",
        aliases: &["io_u", "iou"],
        from_config: |config| Ok(Iou::from_config("IoU", config)?.into()),
    },
    MetricClass {
        name: "OneHotIoU",
        aliases: &["one_hot_io_u"],
        from_config: |config| Ok(Iou::from_config("OneHotIoU", config)?.into()),
    },
    MetricClass {
        name: "OneHotMeanIoU",
        aliases: &["one_hot_mean_io_u"],
        from_config: |config| Ok(Iou::from_config("OneHotMeanIoU", config)?.into()),
    },
    MetricClass {
        name: "BinaryIoU",
        aliases: &["binary_io_u", "binary_iou"],
        from_config: |config| Ok(Iou::from_config("BinaryIoU", config)?.into()),
    },
    of_losses!("MeanSquaredError", ["mean_squared_error", "mse", "MSE"], "MeanSquaredError"),
    MetricClass {
        name: "RootMeanSquaredError",
        aliases: &["root_mean_squared_error", "rmse"],
        from_config: parse::<RootMeanSquaredError>,
    },
    of_losses!("MeanAbsoluteError", ["mean_absolute_error", "mae", "MAE"], "MeanAbsoluteError"),
    of_losses!(
        "MeanAbsolutePercentageError",
        ["mean_absolute_percentage_error", "mape", "MAPE"],
        "MeanAbsolutePercentageError"
    ),
    of_losses!(
        "MeanSquaredLogarithmicError",
        ["mean_squared_logarithmic_error", "msle", "MSLE"],
        "MeanSquaredLogarithmicError"
    ),
    of_losses!("CosineSimilarity", ["cosine_similarity"], "CosineSimilarity"),
    of_losses!("LogCoshError", ["logcosh", "log_cosh", "log_cosh_error"], "LogCosh"),
    MetricClass { name: "R2Score", aliases: &["r2_score", "r2"], from_config: parse::<R2Score> },
    MetricClass {
        name: "PearsonCorrelation",
        aliases: &["pearson_correlation"],
        from_config: parse::<PearsonCorrelation>,
    },
    MetricClass {
        name: "ConcordanceCorrelation",
        aliases: &["concordance_correlation"],
        from_config: parse::<ConcordanceCorrelation>,
    },
    of_losses!("BinaryCrossentropy", ["binary_crossentropy", "bce", "BCE"], "BinaryCrossentropy"),
    of_losses!("CategoricalCrossentropy", ["categorical_crossentropy"], "CategoricalCrossentropy"),
    of_losses!(
        "SparseCategoricalCrossentropy",
        ["sparse_categorical_crossentropy"],
        "SparseCategoricalCrossentropy"
    ),
    of_losses!("KLDivergence", ["kl_divergence", "kld", "KLD"], "KLDivergence"),
    of_losses!("Poisson", ["poisson"], "Poisson"),
    of_losses!("Hinge", ["hinge"], "Hinge"),
    of_losses!("SquaredHinge", ["squared_hinge"], "SquaredHinge"),
    of_losses!("CategoricalHinge", ["categorical_hinge"], "CategoricalHinge"),
];

impl Metric {
    /// The metric that Keras wrote as a name, or as an object with class and arguments.
    ///
    /// # Errors
    /// As [`from_config`].
    pub fn from_json(json: &Json) -> Result<Self> {
        if let Some(name) = json.as_str() {
            return from_config(name, &Map::new());
        }
        let class = json.get("class_name").and_then(Json::as_str);
        match (class, json.get("config")) {
            // A function: its configuration is its name.
            (Some("function"), Some(Json::String(name))) => from_config(name, &Map::new()),
            (Some("MeanMetricWrapper"), Some(Json::Object(config))) => match config.get("fn") {
                Some(function) if !function.is_null() => Self::from_json(function),
                _ => Err(Error::argument("metric", format!("a function of its own: {json}"))),
            },
            (Some(class), Some(Json::Object(config))) => from_config(class, config),
            _ => Err(Error::argument("metric", format!("expected a name or an object, got {json}"))),
        }
    }
}

/// The metric of a name, with arguments; `name` is its name in reports.
///
/// # Errors
/// If there is none of that name, or an argument is unknown or out of range.
pub fn from_config(name: &str, config: &Map<String, Json>) -> Result<Metric> {
    let Some(known) = REGISTRY.iter().find(|known| known.name == name || known.aliases.contains(&name))
    else {
        let names = REGISTRY.iter().filter_map(|known| known.aliases.first().copied());
        return Err(Error::unknown("metric", name, names));
    };
    let mut own = config.clone();
    let given = own.remove("name");
    own.retain(|key, _| !["dtype", "fn"].contains(&key.as_str()));
    let metric = (known.from_config)(&own)?;
    Ok(match given.as_ref().and_then(Json::as_str) {
        Some(given) => metric.named(given),
        None => metric,
    })
}

fn read<T: DeserializeOwned>(class: &str, config: &Map<String, Json>) -> Result<T> {
    serde_json::from_value(Json::Object(config.clone()))
        .map_err(|problem| Error::argument(format!("metric {class}"), problem.to_string()))
}

fn parse<T: Measure + DeserializeOwned>(config: &Map<String, Json>) -> Result<Metric> {
    let class = std::any::type_name::<T>().rsplit(':').next().unwrap_or_default();
    Ok(read::<T>(class, config)?.into())
}
