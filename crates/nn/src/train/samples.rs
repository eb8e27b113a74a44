//! Where samples come from: anything that can fill a batch.

use convnet_engine::{Shape, Slab};
use ndarray::{ArrayView1, ArrayViewD, Axis};

use crate::error::{Error, Result};
use crate::model::{Model, Objective};

/// When samples are visited. Augmentation takes its randomness from it and from the sample's number, so that it is the same on any
/// number of threads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Visit {
    /// The training's seed.
    pub seed: u64,
    /// Counted from 1; 0 outside training.
    pub epoch: u64,
    /// Whether augmentation is wanted.
    pub training: bool,
}

/// Numbered samples with their targets.
pub trait Samples: Sync {
    /// How many there are.
    fn len(&self) -> usize;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Sizes of one sample, for each input of the model.
    fn input_dims(&self) -> Vec<Vec<usize>>;

    /// Sizes of one target, for each output of the model that has a loss or a metric; an empty entry means class numbers.
    fn target_dims(&self) -> Vec<Vec<usize>>;

    /// Number of classes, if targets are class numbers and it is known.
    fn classes(&self) -> Option<usize> {
        None
    }

    /// Whether [`Samples::fill`] writes [`Batch::weights`].
    fn weighted(&self) -> bool {
        false
    }

    /// Writes the samples of these numbers into a batch, whose slabs have the right lengths. [`Model::fit`] calls it from a thread of its
    /// own, while the step before computes.
    ///
    /// # Errors
    /// If a sample cannot be had: [`Error::Samples`] says why.
    fn fill(&self, visit: Visit, indices: &[usize], batch: &mut Batch) -> Result<()>;
}

/// Samples and targets that go through the model together.
#[derive(Debug)]
pub struct Batch {
    /// For each input of the model, one sample after the other.
    pub inputs: Vec<Slab>,
    /// For each output of the model that has a loss or a metric, one target after the other.
    pub targets: Vec<Slab>,
    /// What each sample counts in the loss; empty if all count alike.
    pub weights: Slab,
}

impl Batch {
    /// Room for `count` of these samples.
    pub fn new(samples: &dyn Samples, count: usize) -> Self {
        let slabs = |all: Vec<Vec<usize>>| {
            all.iter().map(|dims| Slab::new(count * dims.iter().product::<usize>())).collect()
        };
        Self {
            inputs: slabs(samples.input_dims()),
            targets: slabs(samples.target_dims()),
            weights: Slab::new(if samples.weighted() { count } else { 0 }),
        }
    }

    /// The slices that a plan takes: inputs, then targets, then weights if there are any.
    pub(crate) fn slices(&self) -> impl Iterator<Item = &[f32]> {
        let weights = (!self.weights.is_empty()).then_some(&self.weights);
        self.inputs.iter().chain(&self.targets).chain(weights).map(|slab| &**slab)
    }
}

/// Samples in arrays whose first axis counts them.
#[derive(Clone, Debug)]
pub struct Arrays<'a> {
    inputs: Vec<ArrayViewD<'a, f32>>,
    targets: Vec<ArrayViewD<'a, f32>>,
    weights: Option<ArrayView1<'a, f32>>,
}

impl<'a> Arrays<'a> {
    /// Samples `x` with targets `y`.
    ///
    /// # Errors
    /// If they are not of one number.
    pub fn new<D: ndarray::Dimension, E: ndarray::Dimension>(
        x: ndarray::ArrayView<'a, f32, D>,
        y: ndarray::ArrayView<'a, f32, E>,
    ) -> Result<Self> {
        Self::with_inputs(vec![x.into_dyn()], y.into_dyn())
    }

    /// Samples for a model with several inputs.
    ///
    /// # Errors
    /// If they are not of one number.
    pub fn with_inputs(inputs: Vec<ArrayViewD<'a, f32>>, targets: ArrayViewD<'a, f32>) -> Result<Self> {
        Self::with_targets(inputs, vec![targets])
    }

    /// Samples for a model with several inputs and outputs.
    ///
    /// # Errors
    /// If they are not of one number.
    pub fn with_targets(inputs: Vec<ArrayViewD<'a, f32>>, targets: Vec<ArrayViewD<'a, f32>>) -> Result<Self> {
        let count = |array: &ArrayViewD<'_, f32>| array.shape().first().copied();
        let samples = targets.first().and_then(count);
        if samples.is_none() || inputs.iter().chain(&targets).any(|array| count(array) != samples) {
            let problem = "inputs and targets must have one first size, the number of samples";
            return Err(Error::argument("Arrays", problem));
        }
        Ok(Self { inputs, targets, weights: None })
    }

    /// Says what each sample counts in the loss. Keras's `sample_weight`.
    ///
    /// # Errors
    /// If there is not one number a sample.
    pub fn weights(self, weights: ArrayView1<'a, f32>) -> Result<Self> {
        if weights.len() != self.len() {
            let problem = format!("{} weights for {} samples", weights.len(), self.len());
            return Err(Error::argument("Arrays", problem));
        }
        Ok(Self { weights: Some(weights), ..self })
    }
}

impl Samples for Arrays<'_> {
    fn len(&self) -> usize {
        self.targets[0].shape()[0]
    }

    fn input_dims(&self) -> Vec<Vec<usize>> {
        self.inputs.iter().map(|input| input.shape()[1..].to_vec()).collect()
    }

    fn target_dims(&self) -> Vec<Vec<usize>> {
        self.targets.iter().map(|target| target.shape()[1..].to_vec()).collect()
    }

    fn weighted(&self) -> bool {
        self.weights.is_some()
    }

    fn fill(&self, _visit: Visit, indices: &[usize], batch: &mut Batch) -> Result<()> {
        let (inputs, targets) = (self.inputs.iter().zip(&mut batch.inputs), &mut batch.targets);
        for (array, slab) in inputs.chain(self.targets.iter().zip(targets)) {
            copy_rows(array, indices, slab);
        }
        if let Some(weights) = &self.weights {
            batch.weights.iter_mut().zip(indices).for_each(|(to, &index)| *to = weights[index]);
        }
        Ok(())
    }
}

fn copy_rows(from: &ArrayViewD<'_, f32>, indices: &[usize], to: &mut [f32]) {
    let row = from.len() / from.shape()[0].max(1);
    for (to, &index) in to.chunks_exact_mut(row.max(1)).zip(indices) {
        let sample = from.index_axis(Axis(0), index);
        match sample.as_slice() {
            Some(values) => to.copy_from_slice(values),
            None => to.iter_mut().zip(sample.iter()).for_each(|(to, from)| *to = *from),
        }
    }
}

/// Samples whose class numbers are given as one-hot rows, for losses that want those.
pub struct OneHot<'s> {
    samples: &'s dyn Samples,
    classes: usize,
}

impl<'s> OneHot<'s> {
    /// Rows of `classes` numbers.
    ///
    /// # Errors
    /// If the targets are not class numbers.
    pub fn new(samples: &'s dyn Samples, classes: usize) -> Result<Self> {
        let numbers = samples.target_dims().iter().all(Vec::is_empty);
        if numbers && samples.classes().is_none_or(|known| known <= classes) {
            return Ok(Self { samples, classes });
        }
        Err(Error::argument("OneHot", format!("targets must be class numbers below {classes}")))
    }
}

impl Samples for OneHot<'_> {
    fn len(&self) -> usize {
        self.samples.len()
    }

    fn input_dims(&self) -> Vec<Vec<usize>> {
        self.samples.input_dims()
    }

    fn target_dims(&self) -> Vec<Vec<usize>> {
        vec![vec![self.classes]; self.samples.target_dims().len()]
    }

    fn weighted(&self) -> bool {
        self.samples.weighted()
    }

    fn fill(&self, visit: Visit, indices: &[usize], batch: &mut Batch) -> Result<()> {
        let numbers = batch.targets.iter().map(|_| Slab::new(indices.len())).collect();
        let rows = std::mem::replace(&mut batch.targets, numbers);
        let filled = self.samples.fill(visit, indices, batch);
        let labels = std::mem::replace(&mut batch.targets, rows);
        filled?;
        for (rows, labels) in batch.targets.iter_mut().zip(labels) {
            for (row, &label) in rows.chunks_exact_mut(self.classes).zip(labels.iter()) {
                row.fill(0.0);
                match row.get_mut(label as usize) {
                    Some(place) if label >= 0.0 => *place = 1.0,
                    _ => {
                        let expected = format!("numbers below {}", self.classes);
                        return Err(Error::Data {
                            what: "class numbers",
                            expected,
                            received: label.to_string(),
                        });
                    }
                }
            }
        }
        Ok(())
    }
}

/// A run of other samples.
pub struct Part<'s> {
    samples: &'s dyn Samples,
    start: usize,
    len: usize,
}

impl<'s> Part<'s> {
    /// Samples `start..end`.
    ///
    /// # Panics
    /// If there are not so many.
    pub fn new(samples: &'s dyn Samples, start: usize, end: usize) -> Self {
        assert!(start <= end && end <= samples.len(), "a part lies within the whole");
        Self { samples, start, len: end - start }
    }
}

impl Samples for Part<'_> {
    fn len(&self) -> usize {
        self.len
    }

    fn input_dims(&self) -> Vec<Vec<usize>> {
        self.samples.input_dims()
    }

    fn target_dims(&self) -> Vec<Vec<usize>> {
        self.samples.target_dims()
    }

    fn classes(&self) -> Option<usize> {
        self.samples.classes()
    }

    fn weighted(&self) -> bool {
        self.samples.weighted()
    }

    fn fill(&self, visit: Visit, indices: &[usize], batch: &mut Batch) -> Result<()> {
        if self.start == 0 {
            return self.samples.fill(visit, indices, batch);
        }
        let indices: Vec<usize> = indices.iter().map(|index| index + self.start).collect();
        self.samples.fill(visit, &indices, batch)
    }
}

/// For each target how many classes there are, if they are class numbers, and the number that stands for no class.
#[derive(Clone, Debug)]
pub(crate) struct ClassNumbers(Vec<Option<(usize, Option<i64>)>>);

impl ClassNumbers {
    /// Checks that class numbers are those of classes that the model has.
    pub(crate) fn check(&self, batch: &Batch) -> Result<()> {
        for (targets, classes) in batch.targets.iter().zip(&self.0) {
            let Some((classes, ignored)) = *classes else { continue };
            let wrong = |label: &&f32| {
                let is_class = label.fract() == 0.0 && (0.0..classes as f32).contains(*label);
                !is_class && ignored.is_none_or(|ignored| **label != ignored as f32)
            };
            if let Some(label) = targets.iter().find(wrong) {
                return Err(Error::Data {
                    what: "class numbers",
                    expected: format!("whole numbers below {classes}"),
                    received: label.to_string(),
                });
            }
        }
        Ok(())
    }
}

impl Model {
    /// What class numbers among the targets may be.
    pub(crate) fn class_numbers(&self) -> ClassNumbers {
        let objectives = self.compiled().map_or(&[][..], |compiled| &compiled.objectives);
        let judged = (objectives.iter().zip(self.output_shapes())).filter(|(one, _)| one.wants_targets());
        let of_target = |(objective, output): (&Objective, Shape)| {
            let ignored = objective.loss.as_ref().and_then(|loss| loss.ignored_class());
            objective.classes(&output).map(|classes| (classes, ignored))
        };
        ClassNumbers(judged.map(of_target).collect())
    }

    /// For each output that is judged the sizes of its targets.
    fn wanted_targets(&self) -> Vec<Vec<usize>> {
        let objectives = self.compiled().map_or(&[][..], |compiled| &compiled.objectives);
        (objectives.iter().zip(self.output_shapes()))
            .filter(|(objective, _)| objective.wants_targets())
            .map(|(objective, output)| objective.target_shape(&output).dims)
            .collect()
    }

    /// Checks that samples are what the model takes.
    pub(crate) fn check_samples(&self, samples: &dyn Samples) -> Result<()> {
        let show = |dims: &Vec<usize>| Shape::batched(&dims[..]).to_string();
        let show_all = |all: &[Vec<usize>]| all.iter().map(show).collect::<Vec<_>>().join(" and ");
        let check = |what, expected: Vec<Vec<usize>>, received: Vec<Vec<usize>>| {
            if received == expected {
                return Ok(());
            }
            Err(Error::Data { what, expected: show_all(&expected), received: show_all(&received) })
        };
        if self.compiled().is_none() {
            return Err(Error::NotCompiled("training or evaluation"));
        }
        let expected = self.input_shapes().into_iter().map(|shape| shape.dims).collect();
        check("inputs", expected, samples.input_dims())?;
        check("targets", self.wanted_targets(), samples.target_dims())?;
        let fewest = self.class_numbers().0.iter().flatten().map(|(classes, _)| *classes).min();
        match samples.classes().zip(fewest) {
            Some((classes, known)) if classes > known => Err(Error::Data {
                what: "classes",
                expected: known.to_string(),
                received: classes.to_string(),
            }),
            _ if samples.is_empty() => Err(Error::argument("data", "there are no samples")),
            _ => Ok(()),
        }
    }
}
