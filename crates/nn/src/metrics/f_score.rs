//! The F score: precision and recall in one number.

use convnet_engine::Shape;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::rows::{Rows, rows_by_class, weight};
use super::{Measure, Meter, to_map};
use crate::error::{Error, Result};

/// Keras's epsilon.
const EPSILON: f64 = 1e-7;

/// How the scores of classes become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Average {
    /// All classes are counted together.
    Micro,
    /// The mean over classes.
    Macro,
    /// The mean over classes by their number of samples.
    Weighted,
}

/// (1 + beta²) · precision · recall / (beta² · precision + recall).
///
/// As Keras's [FBetaScore](https://keras.io/api/metrics/classification_metrics/), and with beta 1 its
/// [F1Score](https://keras.io/api/metrics/classification_metrics/); targets may be class numbers as well.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FScore {
    /// How classes become one number. Default: there is a number for each, of which reports have the mean.
    pub average: Option<Average>,
    /// How much more recall counts than precision. Default 1.
    pub beta: f64,
    /// Predictions above it are positive. Default: the largest of each row is.
    pub threshold: Option<f32>,
}

impl Default for FScore {
    fn default() -> Self {
        Self { average: None, beta: 1.0, threshold: None }
    }
}

impl FScore {
    /// The F1 score: precision and recall count alike.
    pub fn f1() -> Self {
        Self::default()
    }

    /// The F score with this beta.
    pub fn new(beta: f64) -> Self {
        Self { beta, ..Self::default() }
    }

    /// Sets how classes become one number.
    pub fn average(self, average: Average) -> Self {
        Self { average: Some(average), ..self }
    }

    /// Sets the threshold.
    pub fn threshold(self, threshold: f32) -> Self {
        Self { threshold: Some(threshold), ..self }
    }

    /// The rows of predictions and targets, if the arguments can be used.
    fn rows(&self, predictions: &Shape, targets: &Shape) -> Result<Rows> {
        if self.beta.is_nan() || self.beta <= 0.0 {
            return Err(Error::argument("metric FBetaScore", "beta must be above 0"));
        }
        rows_by_class(self.name(), predictions, targets)
    }
}

impl Measure for FScore {
    fn class_name(&self) -> &'static str {
        if self.beta == 1.0 { "F1Score" } else { "FBetaScore" }
    }

    fn name(&self) -> &'static str {
        if self.beta == 1.0 { "f1_score" } else { "fbeta_score" }
    }

    fn config(&self) -> Map<String, Json> {
        let mut config = to_map(self);
        if self.beta == 1.0 {
            config.remove("beta");
        }
        config
    }

    fn check(&self, predictions: &Shape, targets: &Shape) -> Result<()> {
        self.rows(predictions, targets).map(drop)
    }

    fn meter(&self, predictions: &Shape, targets: &Shape) -> Result<Box<dyn Meter>> {
        let rows = self.rows(predictions, targets)?;
        Ok(Box::new(Counts { score: *self, rows, counts: vec![[0.0; 3]; rows.columns] }))
    }
}

/// Of each class true positives, false positives, false negatives.
#[derive(Debug)]
struct Counts {
    score: FScore,
    rows: Rows,
    counts: Vec<[f64; 3]>,
}

impl Meter for Counts {
    fn add(&mut self, fetched: &[f32], targets: &[f32], weights: &[f32]) {
        let count = fetched.len() / self.rows.columns.max(1);
        for (row, predictions) in fetched.chunks_exact(self.rows.columns).enumerate() {
            let weight = weight(weights, row, count);
            let largest = predictions.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            for (class, &score) in predictions.iter().enumerate() {
                let found = match self.score.threshold {
                    Some(threshold) => score > threshold,
                    // As Keras: a row of zeros finds nothing.
                    None => score >= largest && score.abs() > 1e-9,
                };
                let (found, truth) =
                    (f64::from(u8::from(found)), f64::from(self.rows.target(targets, row, class)));
                let terms = [found * truth, found * (1.0 - truth), (1.0 - found) * truth];
                self.counts[class].iter_mut().zip(terms).for_each(|(sum, term)| *sum += weight * term);
            }
        }
    }

    fn state(&self) -> Vec<f64> {
        self.counts.iter().flatten().copied().collect()
    }

    fn restore(&mut self, state: &[f64]) -> Option<()> {
        super::restore(self.counts.iter_mut().flatten(), state)
    }

    fn values(&self) -> Vec<f64> {
        let score = |&[hit, wrong, missed]: &[f64; 3]| {
            let (precision, recall) = (hit / (hit + wrong + EPSILON), hit / (hit + missed + EPSILON));
            let square = self.score.beta.powi(2);
            (1.0 + square) * precision * recall / (square * precision + recall + EPSILON)
        };
        let scores: Vec<f64> = self.counts.iter().map(score).collect();
        match self.score.average {
            None => scores,
            Some(Average::Macro) => vec![scores.iter().sum::<f64>() / scores.len() as f64],
            Some(Average::Micro) => {
                let sum = |sum: [f64; 3], class: &[f64; 3]| [0, 1, 2].map(|i| sum[i] + class[i]);
                vec![score(&self.counts.iter().fold([0.0; 3], sum))]
            }
            Some(Average::Weighted) => {
                let support: Vec<f64> = self.counts.iter().map(|[hit, _, missed]| hit + missed).collect();
                let total = support.iter().sum::<f64>() + EPSILON;
                vec![scores.iter().zip(support).map(|(score, support)| score * support / total).sum()]
            }
        }
    }
}
