//! Intersection over union: how well predicted and true regions cover each other.

use convnet_engine::Shape;
use serde_json::{Map, Value as Json, json};

use super::confusion::ConfusionMatrix;
use super::rows::{Rows, check_counters, largest, weight};
use super::{Measure, Meter};
use crate::error::{Error, Result};

/// Which of Keras's metrics it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Mean,
    Some,
    OneHot,
    OneHotMean,
    Binary,
}

/// Class names and forms.
const FORMS: &[(&str, &str, Form)] = &[
    ("MeanIoU", "mean_io_u", Form::Mean),
    ("IoU", "io_u", Form::Some),
    ("OneHotIoU", "one_hot_io_u", Form::OneHot),
    ("OneHotMeanIoU", "one_hot_mean_io_u", Form::OneHotMean),
    ("BinaryIoU", "binary_io_u", Form::Binary),
];

/// The mean over some classes of true positives / (true positives + false positives + false negatives), classes that occur nowhere left out.
///
/// As Keras's [image segmentation metrics](https://keras.io/api/metrics/segmentation_metrics/) `MeanIoU`, `IoU`, `OneHotIoU`, `OneHotMeanIoU` and
/// `BinaryIoU`. Predictions with a score for each class are taken for the class of the largest whatever `sparse_y_pred` says.
#[derive(Clone, Debug, PartialEq)]
pub struct Iou {
    form: Form,
    classes: usize,
    /// The classes of which the mean is taken; without them all.
    targets: Option<Vec<usize>>,
    ignored: Option<i64>,
    threshold: f32,
    sparse_y_pred: bool,
}

impl Iou {
    /// The mean over all of so many classes.
    pub fn mean(classes: usize) -> Self {
        Self { form: Form::Mean, classes, targets: None, ignored: None, threshold: 0.5, sparse_y_pred: false }
    }

    /// The mean over some of so many classes.
    pub fn of_classes(classes: usize, targets: impl Into<Vec<usize>>) -> Self {
        Self { form: Form::Some, targets: Some(targets.into()), ..Self::mean(classes) }
    }

    /// Of 0 and 1, where predictions from a threshold on are 1.
    pub fn binary(threshold: f32) -> Self {
        Self { form: Form::Binary, threshold, ..Self::mean(2) }
    }

    /// Leaves out what has this class number.
    pub fn ignore_class(self, class: i64) -> Self {
        Self { ignored: Some(class), ..self }
    }

    /// From Keras's arguments for one of the classes.
    pub(super) fn from_config(class: &str, config: &Map<String, Json>) -> Result<Self> {
        let problem = |problem: String| Error::argument(format!("metric {class}"), problem);
        let form = FORMS.iter().find(|form| form.0 == class).map_or(Form::Mean, |form| form.2);
        let number = |key: &str| config.get(key).filter(|value| !value.is_null()).map(Json::as_i64);
        let classes = match (form, number("num_classes")) {
            (Form::Binary, _) => 2,
            (_, Some(Some(classes))) => {
                usize::try_from(classes).map_err(|_| problem("num_classes must be positive".into()))?
            }
            _ => return Err(problem("it needs num_classes".into())),
        };
        let mut iou = Self { form, ..Self::mean(classes) };
        if let Some(targets) = config.get("target_class_ids").and_then(Json::as_array) {
            let numbers: Vec<usize> =
                targets.iter().filter_map(|target| usize::try_from(target.as_u64()?).ok()).collect();
            if numbers.len() != targets.len() || numbers.iter().any(|target| *target >= classes) {
                return Err(problem(format!("target_class_ids must be class numbers below {classes}")));
            }
            iou.targets = Some(numbers);
        } else if [Form::Some, Form::OneHot].contains(&form) {
            return Err(problem("it needs target_class_ids".into()));
        }
        iou.ignored = number("ignore_class").flatten();
        if let Some(threshold) = config.get("threshold").and_then(Json::as_f64) {
            iou.threshold = threshold as f32;
        }
        iou.sparse_y_pred = config
            .get("sparse_y_pred")
            .and_then(Json::as_bool)
            .unwrap_or([Form::Mean, Form::Some].contains(&form));
        if number("axis").flatten().is_some_and(|axis| axis != -1) {
            return Err(problem("classes must be in the last axis".into()));
        }
        let known = [
            "num_classes",
            "target_class_ids",
            "ignore_class",
            "threshold",
            "sparse_y_pred",
            "sparse_y_true",
            "axis",
        ];
        match config.keys().find(|key| !known.contains(&key.as_str())) {
            Some(key) => Err(problem(format!("there is no argument {key}"))),
            None => Ok(iou),
        }
    }

    /// The classes of which the mean is taken.
    fn target_classes(&self) -> Vec<usize> {
        self.targets.clone().unwrap_or_else(|| (0..self.classes).collect())
    }

    /// The rows of predictions and targets, if the classes are no more than can be counted against each other.
    fn rows(&self, predictions: &Shape, targets: &Shape) -> Result<Rows> {
        let what = format!("num_classes is {}, and each two of them have one", self.classes);
        check_counters(self.class_name(), [self.classes; 2], &what)?;
        let rows = Rows::new(self.name(), predictions, targets)?;
        if let Some(class) = self.targets.iter().flatten().find(|class| **class >= self.classes) {
            let problem =
                format!("target_class_ids must be class numbers below {}, not {class}", self.classes);
            return Err(Error::argument(format!("metric {}", self.class_name()), problem));
        }
        // Alike and without scores for the classes, each number stands for itself: a mask, or class numbers on both sides.
        let has_scores = rows.sparse || self.form != Form::Binary && rows.columns == self.classes;
        let own = has_scores && self.form != Form::Binary;
        Ok(if own { rows } else { Rows { columns: 1, sparse: true } })
    }
}

impl Measure for Iou {
    fn class_name(&self) -> &'static str {
        FORMS.iter().find(|form| form.2 == self.form).map_or("MeanIoU", |form| form.0)
    }

    fn name(&self) -> &'static str {
        FORMS.iter().find(|form| form.2 == self.form).map_or("mean_io_u", |form| form.1)
    }

    fn config(&self) -> Map<String, Json> {
        let config = match self.form {
            Form::Binary => json!({ "target_class_ids": self.target_classes(), "threshold": self.threshold }),
            Form::Mean | Form::OneHotMean => {
                json!({ "num_classes": self.classes, "ignore_class": self.ignored, "sparse_y_pred": self.sparse_y_pred })
            }
            Form::Some | Form::OneHot => json!({
                "num_classes": self.classes,
                "target_class_ids": self.target_classes(),
                "ignore_class": self.ignored,
                "sparse_y_pred": self.sparse_y_pred,
            }),
        };
        match config {
            Json::Object(map) => map,
            _ => unreachable!("it was written as an object"),
        }
    }

    fn check(&self, predictions: &Shape, targets: &Shape) -> Result<()> {
        self.rows(predictions, targets).map(drop)
    }

    fn meter(&self, predictions: &Shape, targets: &Shape) -> Result<Box<dyn Meter>> {
        let rows = self.rows(predictions, targets)?;
        let matrix = ConfusionMatrix::of(rows, self.classes, self.ignored);
        Ok(Box::new(Overlap { iou: self.clone(), rows, matrix }))
    }
}

#[derive(Debug)]
struct Overlap {
    iou: Iou,
    rows: Rows,
    matrix: ConfusionMatrix,
}

impl Meter for Overlap {
    fn add(&mut self, fetched: &[f32], targets: &[f32], weights: &[f32]) {
        let count = fetched.len() / self.rows.columns.max(1);
        for (row, predictions) in fetched.chunks_exact(self.rows.columns).enumerate() {
            let prediction = match predictions {
                [score] if self.iou.form == Form::Binary => usize::from(*score >= self.iou.threshold),
                [class] => *class as usize,
                _ => largest(predictions),
            };
            if let Some(truth) = self.rows.true_class(targets, row) {
                self.matrix.count(truth, prediction, weight(weights, row, count));
            }
        }
    }

    fn state(&self) -> Vec<f64> {
        self.matrix.state()
    }

    fn restore(&mut self, state: &[f64]) -> Option<()> {
        self.matrix.restore(state)
    }

    fn values(&self) -> Vec<f64> {
        let counts = self.matrix.counts();
        let shares: Vec<f64> = (self.iou.target_classes().into_iter())
            .filter_map(|class| {
                let both = counts[(class, class)];
                let either = counts.row(class).sum() + counts.column(class).sum() - both;
                (either > 1e-9).then(|| both / (either + 1e-7))
            })
            .collect();
        vec![shares.iter().sum::<f64>() / (shares.len() as f64 + 1e-7)]
    }
}
