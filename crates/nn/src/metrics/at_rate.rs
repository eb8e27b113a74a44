//! The best of one rate where another is at least so high: which threshold that is, is left open.

use convnet_engine::Shape;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::buckets::Buckets;
use super::counts::Four;
use super::rows::{Rows, check_thresholds, weight};
use super::{Measure, Meter, restore, to_map};
use crate::error::{Error, Result};

/// Keras's number of thresholds.
fn default_thresholds() -> usize {
    200
}

/// Counts of predictions by threshold, of one class or all.
#[derive(Debug)]
struct AtRate {
    rows: Rows,
    class: Option<usize>,
    /// What is shown, and what is demanded of the other.
    rates: [fn(&Four) -> f64; 2],
    least: f64,
    buckets: Buckets,
    /// Thresholds that are there only to hold what passes no other.
    unseen: usize,
}

impl AtRate {
    fn meter(
        metric: &dyn Measure,
        shapes: [&Shape; 2],
        [thresholds, least]: [f64; 2],
        class: Option<usize>,
        rates: [fn(&Four) -> f64; 2],
    ) -> Result<Box<dyn Meter>> {
        let rows = Rows::new(metric.name(), shapes[0], shapes[1])?;
        let problem = |problem: String| Err(Error::argument(format!("metric {}", metric.name()), problem));
        if let Some(class) = class.filter(|class| *class >= rows.columns) {
            return problem(format!("there is no class {class} among {}", rows.columns));
        }
        if !(0.0..=1.0).contains(&least) {
            return problem(format!("a rate lies between 0 and 1, and is {least}"));
        }
        check_thresholds(metric.name(), thresholds as usize)?;
        let (buckets, unseen) = match thresholds as usize {
            0 => return problem("num_thresholds must be at least 1".to_owned()),
            1 => (Buckets::at(vec![f32::NEG_INFINITY, 0.5]), 1),
            many => (Buckets::even(many), 0),
        };
        Ok(Box::new(Self { rows, class, rates, least, buckets, unseen }))
    }
}

impl Meter for AtRate {
    fn add(&mut self, fetched: &[f32], targets: &[f32], weights: &[f32]) {
        let columns = self.rows.columns;
        let count = fetched.len() / columns.max(1);
        for (row, predictions) in fetched.chunks_exact(columns).enumerate() {
            let weight = weight(weights, row, count);
            for class in self.class.map_or(0..columns, |class| class..class + 1) {
                let truth = self.rows.target(targets, row, class) != 0.0;
                self.buckets.add(predictions[class], truth, weight);
            }
        }
    }

    fn state(&self) -> Vec<f64> {
        self.buckets.numbers().collect()
    }

    fn restore(&mut self, state: &[f64]) -> Option<()> {
        restore(self.buckets.numbers_mut(), state)
    }

    fn values(&self) -> Vec<f64> {
        let [shown, demanded] = self.rates;
        let counts = self.buckets.counts();
        // Keras compares in 32 bits.
        let fits = |four: &&Four| demanded(four) as f32 >= self.least as f32;
        vec![counts.iter().skip(self.unseen).filter(fits).map(shown).fold(0.0, f64::max)]
    }
}

macro_rules! at_rates {
    ($($(#[$doc:meta])* $name:ident, $short:literal, $rate:ident, $shown:expr, $demanded:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            /// What the other rate must be at least.
            pub $rate: f64,
            /// Thresholds between 0 and 1 that are looked at. Default 200.
            #[serde(default = "default_thresholds")]
            pub num_thresholds: usize,
            /// Only this class is looked at.
            #[serde(default)]
            pub class_id: Option<usize>,
        }

        impl $name {
            /// Of all classes together, with 200 thresholds.
            pub fn new($rate: f64) -> Self {
                Self { $rate, num_thresholds: default_thresholds(), class_id: None }
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
                let numbers = [self.num_thresholds as f64, self.$rate];
                AtRate::meter(self, [predictions, targets], numbers, self.class_id, [$shown, $demanded])
            }
        }
    )*};
}

at_rates! {
    /// The best precision of a threshold at which so much of what is true is found; 0 if there is none.
    ///
    /// As Keras's [PrecisionAtRecall](https://keras.io/api/metrics/classification_metrics/).
    PrecisionAtRecall, "precision_at_recall", recall, Four::precision, Four::recall;
    /// The largest share of what is true that a threshold of such a precision finds; 0 if there is none.
    ///
    /// As Keras's [RecallAtPrecision](https://keras.io/api/metrics/classification_metrics/).
    RecallAtPrecision, "recall_at_precision", precision, Four::recall, Four::precision;
    /// The largest share of what is true that is found by a threshold at which so much of what is false is not; 0 if there is none.
    ///
    /// As Keras's [SensitivityAtSpecificity](https://keras.io/api/metrics/classification_metrics/).
    SensitivityAtSpecificity, "sensitivity_at_specificity", specificity, Four::recall, Four::specificity;
    /// The largest share of what is false that is not found by a threshold at which so much of what is true is; 0 if there is none.
    ///
    /// As Keras's [SpecificityAtSensitivity](https://keras.io/api/metrics/classification_metrics/).
    SpecificityAtSensitivity, "specificity_at_sensitivity", sensitivity, Four::specificity, Four::recall;
}
