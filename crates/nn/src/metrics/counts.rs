//! Metrics made of the four counts of yes and no: true and false positives and negatives.

use convnet_engine::Shape;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value as Json};

use super::rows::{Rows, weight};
use super::{Measure, Meter, ratio, restore, to_map};
use crate::error::{Error, Result};

/// Weights of true and false, found and not, for one threshold.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Four {
    pub true_positives: f64,
    pub false_positives: f64,
    pub true_negatives: f64,
    pub false_negatives: f64,
}

impl Four {
    pub(super) fn add(&mut self, found: bool, truth: bool, weight: f64) {
        *match (found, truth) {
            (true, true) => &mut self.true_positives,
            (true, false) => &mut self.false_positives,
            (false, false) => &mut self.true_negatives,
            (false, true) => &mut self.false_negatives,
        } += weight;
    }

    fn numbers(self) -> [f64; 4] {
        [self.true_positives, self.false_positives, self.true_negatives, self.false_negatives]
    }

    fn numbers_mut(&mut self) -> [&mut f64; 4] {
        let Self { true_positives, false_positives, true_negatives, false_negatives } = self;
        [true_positives, false_positives, true_negatives, false_negatives]
    }

    pub(super) fn precision(&self) -> f64 {
        ratio(self.true_positives, self.true_positives + self.false_positives)
    }

    pub(super) fn recall(&self) -> f64 {
        ratio(self.true_positives, self.true_positives + self.false_negatives)
    }

    pub(super) fn specificity(&self) -> f64 {
        ratio(self.true_negatives, self.true_negatives + self.false_positives)
    }
}

/// One threshold or several.
fn thresholds<'d, D: Deserializer<'d>>(deserializer: D) -> Result<Option<Vec<f32>>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Thresholds {
        One(f32),
        Several(Vec<f32>),
    }
    Ok(Option::<Thresholds>::deserialize(deserializer)?.map(|thresholds| match thresholds {
        Thresholds::One(threshold) => vec![threshold],
        Thresholds::Several(thresholds) => thresholds,
    }))
}

/// What is counted, and how.
#[derive(Debug)]
struct Counts {
    rows: Rows,
    /// A prediction is positive above it.
    thresholds: Vec<f32>,
    top_k: Option<usize>,
    class: Option<usize>,
    counts: Vec<Four>,
    read: fn(&Four) -> f64,
}

impl Counts {
    fn meter(
        metric: &dyn Measure,
        shapes: [&Shape; 2],
        thresholds: Option<&[f32]>,
        only: [Option<usize>; 2],
        read: fn(&Four) -> f64,
    ) -> Result<Box<dyn Meter>> {
        let [top_k, class] = only;
        let rows = Rows::new(metric.name(), shapes[0], shapes[1])?;
        let default = if top_k.is_some() { f32::NEG_INFINITY } else { 0.5 };
        let thresholds = thresholds.map_or_else(|| vec![default], <[f32]>::to_vec);
        if let Some(class) = class.filter(|class| *class >= rows.columns) {
            let problem = format!("there is no class {class} among {}", rows.columns);
            return Err(Error::argument(format!("metric {}", metric.name()), problem));
        }
        let counts = vec![Four::default(); thresholds.len()];
        Ok(Box::new(Self { rows, thresholds, top_k, class, counts, read }))
    }
}

impl Meter for Counts {
    fn add(&mut self, fetched: &[f32], targets: &[f32], weights: &[f32]) {
        let columns = self.rows.columns;
        let count = fetched.len() / columns.max(1);
        let mut row_values = vec![0.0; columns];
        for (row, predictions) in fetched.chunks_exact(columns).enumerate() {
            let weight = weight(weights, row, count);
            row_values.copy_from_slice(predictions);
            if let Some(k) = self.top_k {
                // The rest can pass no threshold; of equals the first are among the k.
                for (place, value) in row_values.iter_mut().enumerate() {
                    let score = predictions[place];
                    let ahead = predictions.iter().enumerate().filter(|&(other, &other_score)| {
                        other_score > score || (other_score == score && other < place)
                    });
                    if ahead.count() >= k {
                        *value = f32::NEG_INFINITY;
                    }
                }
            }
            for class in self.class.map_or(0..columns, |class| class..class + 1) {
                let truth = self.rows.target(targets, row, class) != 0.0;
                for (threshold, counts) in self.thresholds.iter().zip(&mut self.counts) {
                    counts.add(row_values[class] > *threshold, truth, weight);
                }
            }
        }
    }

    fn state(&self) -> Vec<f64> {
        self.counts.iter().copied().flat_map(Four::numbers).collect()
    }

    fn restore(&mut self, state: &[f64]) -> Option<()> {
        restore(self.counts.iter_mut().flat_map(Four::numbers_mut), state)
    }

    fn values(&self) -> Vec<f64> {
        self.counts.iter().map(self.read).collect()
    }
}

macro_rules! shares {
    ($($(#[$doc:meta])* $name:ident, $short:literal, $read:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct $name {
            /// A prediction is positive above it; with several the figure has one number for each. Default 0.5.
            #[serde(deserialize_with = "thresholds")]
            pub thresholds: Option<Vec<f32>>,
            /// Only the so many largest predictions of a row can be positive; all of them are, unless there are thresholds.
            pub top_k: Option<usize>,
            /// Only this class is looked at.
            pub class_id: Option<usize>,
        }

        impl $name {
            /// Of all classes together, with the threshold 0.5.
            pub fn new() -> Self {
                Self::default()
            }

            /// Sets the thresholds.
            pub fn thresholds(self, thresholds: impl Into<Vec<f32>>) -> Self {
                Self { thresholds: Some(thresholds.into()), ..self }
            }

            /// Looks at the so many largest predictions of a row.
            pub fn top_k(self, k: usize) -> Self {
                Self { top_k: Some(k), ..self }
            }

            /// Looks at one class only.
            pub fn class_id(self, class: usize) -> Self {
                Self { class_id: Some(class), ..self }
            }
        }

        impl Measure for $name {
            fn class_name(&self) -> &'static str {
                stringify!($name)
            }

            fn name(&self) -> &'static str {
                $short
            }

            fn config(&self) -> Map<String, Json> {
                to_map(self)
            }

            fn meter(&self, predictions: &Shape, targets: &Shape) -> Result<Box<dyn Meter>> {
                let only = [self.top_k, self.class_id];
                Counts::meter(self, [predictions, targets], self.thresholds.as_deref(), only, $read)
            }
        }
    )*};
}

shares! {
    /// Share of what was found that is true.
    ///
    /// As Keras's [Precision](https://keras.io/api/metrics/classification_metrics/); targets may be class numbers as well.
    Precision, "precision", Four::precision;
    /// Share of what is true that was found.
    ///
    /// As Keras's [Recall](https://keras.io/api/metrics/classification_metrics/); targets may be class numbers as well.
    Recall, "recall", Four::recall;
}

macro_rules! numbers {
    ($($(#[$doc:meta])* $name:ident, $short:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct $name {
            /// A prediction is positive above it; with several the figure has one number for each. Default 0.5.
            #[serde(deserialize_with = "thresholds")]
            pub thresholds: Option<Vec<f32>>,
        }

        impl Measure for $name {
            fn class_name(&self) -> &'static str {
                stringify!($name)
            }

            fn name(&self) -> &'static str {
                stringify!($short)
            }

            fn config(&self) -> Map<String, Json> {
                to_map(self)
            }

            fn meter(&self, predictions: &Shape, targets: &Shape) -> Result<Box<dyn Meter>> {
                let shapes = [predictions, targets];
                Counts::meter(self, shapes, self.thresholds.as_deref(), [None; 2], |four| four.$short)
            }
        }
    )*};
}

numbers! {
    /// How many true ones were found. As Keras's [TruePositives](https://keras.io/api/metrics/classification_metrics/).
    TruePositives, true_positives;
    /// How many false ones were not found. As Keras's [TrueNegatives](https://keras.io/api/metrics/classification_metrics/).
    TrueNegatives, true_negatives;
    /// How many false ones were found. As Keras's [FalsePositives](https://keras.io/api/metrics/classification_metrics/).
    FalsePositives, false_positives;
    /// How many true ones were not found. As Keras's [FalseNegatives](https://keras.io/api/metrics/classification_metrics/).
    FalseNegatives, false_negatives;
}
