//! What a frozen base makes of samples, computed once, so that a head is trained on it in a fraction of the time.

use convnet_engine::Slab;

use super::{Batch, Samples, Visit};
use crate::error::{Error, Result};
use crate::model::{Model, Purpose};

/// What layers make of samples, in memory, with the samples' targets and weights.
///
/// ```
/// use convnet_nn::layers::{Conv2D, Dense, Flatten};
/// use convnet_nn::losses::SparseCategoricalCrossentropy;
/// use convnet_nn::optimizers::Adam;
/// use convnet_nn::train::{Arrays, Features};
/// use convnet_nn::{Activation, Fit, Sequential};
/// use ndarray::{Array1, Array4};
///
/// let mut model = Sequential::new([8, 8, 1])
///     .add(Conv2D::new(4, 3))
///     .add(Flatten::new())
///     .add(Dense::new(2).activation(Activation::Softmax))
///     .build()?;
/// let (x, y) = (Array4::ones((20, 8, 8, 1)), Array1::zeros(20));
/// let samples = Arrays::new(x.view(), y.view())?;
///
/// let features = Features::new(&model, &["flatten"], &samples)?;
/// let mut head = model.between(&["flatten"], &["dense"])?;
/// head.compile(Adam::default(), SparseCategoricalCrossentropy::default(), [])?;
/// head.fit(&features, Fit::new().epochs(5))?;
/// // The trained head goes back to where it came from.
/// for weight in head.weights() {
///     model.set_weight(&weight.path, head.weight_values(weight))?;
/// }
/// # Ok::<(), convnet_nn::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Features {
    inputs: Vec<(Vec<usize>, Vec<f32>)>,
    targets: Vec<(Vec<usize>, Vec<f32>)>,
    weights: Vec<f32>,
    classes: Option<usize>,
    len: usize,
}

impl Features {
    /// What these layers of a model make of all samples, as they are without augmentation.
    ///
    /// # Errors
    /// If there is no such layer, the samples are not what the model takes, or they cannot be had.
    pub fn new(model: &Model, layers: &[&str], samples: &dyn Samples) -> Result<Self> {
        let empty = |all: Vec<Vec<usize>>| all.into_iter().map(|dims| (dims, Vec::new())).collect();
        let dims = model.up_to(layers)?.output_shapes().into_iter().map(|shape| shape.dims).collect();
        let mut features = Self {
            inputs: empty(dims),
            targets: empty(samples.target_dims()),
            weights: Vec::new(),
            classes: samples.classes(),
            len: samples.len(),
        };
        each_features(model, layers, samples, |values, batch| {
            for ((_, all), values) in features.inputs.iter_mut().zip(values) {
                all.extend_from_slice(values);
            }
            for ((_, all), targets) in features.targets.iter_mut().zip(&batch.targets) {
                all.extend_from_slice(targets);
            }
            features.weights.extend_from_slice(&batch.weights);
            Ok(())
        })?;
        Ok(features)
    }
}

/// Gives what layers make of samples to `take`, batch by batch in order: for each layer a slice of all its numbers, and the batch.
///
/// # Errors
/// As [`Features::new`], and whatever `take` returns.
pub fn each_features(
    model: &Model,
    layers: &[&str],
    samples: &dyn Samples,
    mut take: impl FnMut(&[&[f32]], &Batch) -> Result<()>,
) -> Result<()> {
    let part = model.up_to(layers)?;
    let expected: Vec<Vec<usize>> = part.input_shapes().into_iter().map(|shape| shape.dims).collect();
    if samples.input_dims() != expected {
        return Err(Error::Data {
            what: "inputs",
            expected: format!("{expected:?}"),
            received: format!("{:?}", samples.input_dims()),
        });
    }
    let size = part.prediction_batch()?;
    let outputs = part.output_shapes();
    let mut made: Vec<Slab> = Vec::new();
    let mut batch: Option<Batch> = None;
    let mut indices: Vec<usize> = Vec::new();
    for start in (0..samples.len()).step_by(size) {
        let count = size.min(samples.len() - start);
        if count != indices.len() {
            batch = None;
            made = outputs.iter().map(|shape| Slab::new(shape.bind(count).len())).collect();
        }
        indices.clear();
        indices.extend(start..start + count);
        let batch = batch.get_or_insert_with(|| Batch::new(samples, count));
        samples.fill(Visit::default(), &indices, batch)?;
        let inputs: Vec<&[f32]> = batch.inputs.iter().map(|slab| &**slab).collect();
        part.run_forward(Purpose::Predict, count, &inputs, |plan, memory| {
            for (index, values) in made.iter_mut().enumerate() {
                values.copy_from_slice(plan.fetched(index, memory));
            }
        })?;
        take(&made.iter().map(|slab| &**slab).collect::<Vec<_>>(), batch)?;
    }
    Ok(())
}

impl Samples for Features {
    fn len(&self) -> usize {
        self.len
    }

    fn input_dims(&self) -> Vec<Vec<usize>> {
        self.inputs.iter().map(|(dims, _)| dims.clone()).collect()
    }

    fn target_dims(&self) -> Vec<Vec<usize>> {
        self.targets.iter().map(|(dims, _)| dims.clone()).collect()
    }

    fn classes(&self) -> Option<usize> {
        self.classes
    }

    fn weighted(&self) -> bool {
        !self.weights.is_empty()
    }

    fn fill(&self, _visit: Visit, indices: &[usize], batch: &mut Batch) -> Result<()> {
        let (inputs, targets) = (self.inputs.iter().zip(&mut batch.inputs), &mut batch.targets);
        for ((dims, values), slab) in inputs.chain(self.targets.iter().zip(targets)) {
            let row = dims.iter().product::<usize>();
            for (to, &index) in slab.chunks_exact_mut(row.max(1)).zip(indices) {
                to.copy_from_slice(&values[index * row..][..row]);
            }
        }
        if !self.weights.is_empty() {
            batch.weights.iter_mut().zip(indices).for_each(|(to, &index)| *to = self.weights[index]);
        }
        Ok(())
    }
}
