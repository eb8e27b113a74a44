//! Which classes are taken for which.

use convnet_engine::Shape;
use ndarray::Array2;

use super::Meter;
use super::report::ClassReport;
use super::rows::{Rows, largest, weight};
use crate::error::{Error, Result};
use crate::model::{Model, Purpose};
use crate::train::{Batch, Samples, Visit};

/// So many classes at most in a matrix that is asked for, which has a place for each two of them: 2 GiB.
const MOST_CLASSES: usize = 1 << 14;

/// How often (by weight) samples of each class, a row each, were taken for each class, a column each.
#[derive(Clone, Debug, PartialEq)]
pub struct ConfusionMatrix {
    rows: Rows,
    ignored: Option<i64>,
    counts: Array2<f64>,
}

impl ConfusionMatrix {
    /// For predictions `(…, classes)` and targets that are class numbers or one-hot; a single column means two classes, of which the second
    /// is predicted above 0.5.
    ///
    /// # Errors
    /// If the shapes do not fit, or there are more than 16384 classes.
    pub fn new(predictions: &Shape, targets: &Shape) -> Result<Self> {
        let rows = Rows::new("confusion matrix", predictions, targets)?;
        if rows.columns > MOST_CLASSES {
            let problem = format!("there must be at most {MOST_CLASSES} classes, and are {}", rows.columns);
            return Err(Error::argument("confusion matrix", problem));
        }
        Ok(Self::of(rows, rows.columns.max(2), None))
    }

    pub(super) fn of(rows: Rows, classes: usize, ignored: Option<i64>) -> Self {
        Self { rows, ignored, counts: Array2::zeros((classes, classes)) }
    }

    /// Counts a pair in; classes that there are not are left out.
    pub fn count(&mut self, truth: usize, prediction: usize, weight: f64) {
        if self.ignored != i64::try_from(truth).ok() {
            self.counts.get_mut((truth, prediction)).into_iter().for_each(|count| *count += weight);
        }
    }

    /// The counts: true classes in rows, predicted ones in columns.
    pub fn counts(&self) -> &Array2<f64> {
        &self.counts
    }

    /// Precision, recall and F1 of each class.
    pub fn report(&self) -> ClassReport {
        ClassReport::new(&self.counts)
    }
}

impl Meter for ConfusionMatrix {
    fn add(&mut self, fetched: &[f32], targets: &[f32], weights: &[f32]) {
        let columns = self.rows.columns;
        let count = fetched.len() / columns.max(1);
        for (row, predictions) in fetched.chunks_exact(columns).enumerate() {
            let (truth, prediction) = match predictions {
                [score] => (Some(usize::from(targets[row] > 0.5)), usize::from(*score > 0.5)),
                _ => (self.rows.true_class(targets, row), largest(predictions)),
            };
            if let Some(truth) = truth {
                self.count(truth, prediction, weight(weights, row, count));
            }
        }
    }

    fn state(&self) -> Vec<f64> {
        self.counts.iter().copied().collect()
    }

    fn restore(&mut self, state: &[f64]) -> Option<()> {
        super::restore(self.counts.iter_mut(), state)
    }

    /// The share that was taken for what it is.
    fn values(&self) -> Vec<f64> {
        vec![super::ratio(self.counts.diag().sum(), self.counts.sum())]
    }
}

impl Model {
    /// Which classes of these samples the model takes for which. It needs not be compiled; of several outputs the first is looked at.
    ///
    /// ```
    /// use convnet_nn::layers::Dense;
    /// use convnet_nn::train::Arrays;
    /// use convnet_nn::{Activation, Sequential};
    /// use ndarray::{arr1, arr2};
    ///
    /// let model = Sequential::new([2]).add(Dense::new(3).activation(Activation::Softmax)).build()?;
    /// let (x, y) = (arr2(&[[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]), arr1(&[0.0, 1.0, 2.0]));
    /// let matrix = model.confusion_matrix(&Arrays::new(x.view(), y.view())?)?;
    /// assert_eq!(matrix.counts().sum(), 3.0);
    /// println!("{}", matrix.report());
    /// # Ok::<(), convnet_nn::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the samples do not fit the model, or cannot be read.
    pub fn confusion_matrix(&self, samples: &dyn Samples) -> Result<ConfusionMatrix> {
        let expected: Vec<Vec<usize>> = self.input_shapes().into_iter().map(|shape| shape.dims).collect();
        if samples.input_dims() != expected {
            let (expected, received) = (format!("{expected:?}"), format!("{:?}", samples.input_dims()));
            return Err(Error::Data { what: "inputs", expected, received });
        }
        let targets = samples.target_dims().into_iter().next().unwrap_or_default();
        let mut matrix = ConfusionMatrix::new(&self.output_shapes()[0], &Shape::batched(targets))?;
        let size = self.prediction_batch()?;
        for start in (0..samples.len()).step_by(size) {
            let count = size.min(samples.len() - start);
            let mut batch = Batch::new(samples, count);
            let indices: Vec<usize> = (start..start + count).collect();
            samples.fill(Visit::default(), &indices, &mut batch)?;
            let inputs: Vec<&[f32]> = batch.inputs.iter().map(|slab| &**slab).collect();
            self.run_forward(Purpose::Predict, count, &inputs, |plan, memory| {
                matrix.add(plan.fetched(0, memory), &batch.targets[0], &batch.weights);
            })?;
        }
        Ok(matrix)
    }
}
