//! The coefficient of determination.

use convnet_engine::Shape;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::rows::{Rows, rows_by_class, weight};
use super::{Measure, Meter, to_map};
use crate::error::Result;

/// How the columns' figures become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Spread {
    /// Their mean.
    #[serde(rename = "uniform_average")]
    Uniform,
    /// Their mean by the spread of their targets.
    #[serde(rename = "variance_weighted_average")]
    ByVariance,
}

/// 1 − Σ (t − y)² / Σ (t − mean of t)²: the share of the targets' spread that predictions explain.
///
/// As Keras's [R2Score](https://keras.io/api/metrics/regression_metrics/).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct R2Score {
    /// How columns become one number. Default by their plain mean; null: there is one for each.
    pub class_aggregation: Option<Spread>,
    /// Number of independent variables, for which the figure is adjusted. Default 0.
    pub num_regressors: usize,
}

impl Default for R2Score {
    fn default() -> Self {
        Self { class_aggregation: Some(Spread::Uniform), num_regressors: 0 }
    }
}

impl Measure for R2Score {
    fn class_name(&self) -> &'static str {
        "R2Score"
    }

    fn name(&self) -> &'static str {
        "r2_score"
    }

    fn config(&self) -> Map<String, Json> {
        to_map(self)
    }

    fn check(&self, predictions: &Shape, targets: &Shape) -> Result<()> {
        rows_by_class(self.name(), predictions, targets).map(drop)
    }

    fn meter(&self, predictions: &Shape, targets: &Shape) -> Result<Box<dyn Meter>> {
        let rows = rows_by_class(self.name(), predictions, targets)?;
        Ok(Box::new(Sums { score: *self, rows, sums: vec![Column::default(); rows.columns], samples: 0.0 }))
    }
}

/// The spread of a column's targets by Welford's method, since differences of large sums lose digits, and its errors.
#[derive(Clone, Copy, Debug, Default)]
struct Column {
    weight: f64,
    mean: f64,
    spread: f64,
    errors: f64,
}

#[derive(Debug)]
struct Sums {
    score: R2Score,
    rows: Rows,
    sums: Vec<Column>,
    samples: f64,
}

impl Meter for Sums {
    fn add(&mut self, fetched: &[f32], targets: &[f32], weights: &[f32]) {
        let count = fetched.len() / self.rows.columns.max(1);
        // Keras counts all elements.
        self.samples += fetched.len() as f64;
        for (row, predictions) in fetched.chunks_exact(self.rows.columns).enumerate() {
            let weight = weight(weights, row, count);
            for (class, (sums, &y)) in self.sums.iter_mut().zip(predictions).enumerate() {
                let t = f64::from(self.rows.target(targets, row, class));
                sums.weight += weight;
                let distance = t - sums.mean;
                if sums.weight > 0.0 {
                    sums.mean += distance * weight / sums.weight;
                }
                sums.spread += weight * distance * (t - sums.mean);
                sums.errors += weight * (t - f64::from(y)).powi(2);
            }
        }
    }

    fn state(&self) -> Vec<f64> {
        let columns = self.sums.iter().flat_map(|sums| [sums.weight, sums.mean, sums.spread, sums.errors]);
        [self.samples].into_iter().chain(columns).collect()
    }

    fn restore(&mut self, state: &[f64]) -> Option<()> {
        let columns = self
            .sums
            .iter_mut()
            .flat_map(|Column { weight, mean, spread, errors }| [weight, mean, spread, errors]);
        super::restore([&mut self.samples].into_iter().chain(columns), state)
    }

    fn values(&self) -> Vec<f64> {
        let score = |sums: &Column| {
            let score = 1.0 - sums.errors / sums.spread;
            if score.is_infinite() { 0.0 } else { score }
        };
        let scores: Vec<f64> = self.sums.iter().map(score).collect();
        let figures = match self.score.class_aggregation {
            None => scores,
            Some(Spread::Uniform) => vec![scores.iter().sum::<f64>() / scores.len() as f64],
            Some(Spread::ByVariance) => {
                let total: f64 = self.sums.iter().map(|sums| sums.spread).sum();
                let sum: f64 = scores.iter().zip(&self.sums).map(|(score, sums)| score * sums.spread).sum();
                vec![sum / total]
            }
        };
        let (samples, regressors) = (self.samples, self.score.num_regressors as f64);
        if regressors == 0.0 || regressors >= samples - 1.0 {
            return figures;
        }
        figures
            .into_iter()
            .map(|r2| 1.0 - (1.0 - r2) * (samples - 1.0) / (samples - regressors - 1.0))
            .collect()
    }
}
