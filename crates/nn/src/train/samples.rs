//! Where samples come from: anything that can fill a batch.

use convnet_engine::Slab;
use ndarray::{ArrayViewD, Axis};

use crate::error::{Error, Result};
use crate::model::Model;

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

    /// Sizes of one target; empty for class numbers.
    fn target_dims(&self) -> Vec<usize>;

    /// Number of classes, if targets are class numbers and it is known.
    fn classes(&self) -> Option<usize> {
        None
    }

    /// Writes the samples of these numbers into a batch, whose slabs have the right lengths.
    fn fill(&self, indices: &[usize], batch: &mut Batch);
}

/// Samples and targets that go through the model together.
#[derive(Debug)]
pub struct Batch {
    /// For each input of the model, one sample after the other.
    pub inputs: Vec<Slab>,
    /// One target after the other.
    pub targets: Slab,
}

impl Batch {
    /// Room for `count` of these samples.
    pub fn new(samples: &dyn Samples, count: usize) -> Self {
        let len = |dims: &Vec<usize>| count * dims.iter().product::<usize>();
        let inputs = samples.input_dims().iter().map(|dims| Slab::new(len(dims))).collect();
        Self { inputs, targets: Slab::new(len(&samples.target_dims())) }
    }

    /// The slices that a plan takes: inputs, then targets.
    pub(crate) fn slices(&self) -> impl Iterator<Item = &[f32]> {
        self.inputs.iter().map(|slab| &**slab).chain([&*self.targets])
    }
}

/// Samples in arrays whose first axis counts them.
#[derive(Clone, Debug)]
pub struct Arrays<'a> {
    inputs: Vec<ArrayViewD<'a, f32>>,
    targets: ArrayViewD<'a, f32>,
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
        let count = |array: &ArrayViewD<'_, f32>| array.shape().first().copied();
        let samples = count(&targets);
        if samples.is_none() || inputs.iter().any(|input| count(input) != samples) {
            let problem = "inputs and targets must have one first size, the number of samples";
            return Err(Error::argument("Arrays", problem));
        }
        Ok(Self { inputs, targets })
    }
}

impl Samples for Arrays<'_> {
    fn len(&self) -> usize {
        self.targets.shape()[0]
    }

    fn input_dims(&self) -> Vec<Vec<usize>> {
        self.inputs.iter().map(|input| input.shape()[1..].to_vec()).collect()
    }

    fn target_dims(&self) -> Vec<usize> {
        self.targets.shape()[1..].to_vec()
    }

    fn fill(&self, indices: &[usize], batch: &mut Batch) {
        for (input, slab) in self.inputs.iter().zip(&mut batch.inputs) {
            copy_rows(input, indices, slab);
        }
        copy_rows(&self.targets, indices, &mut batch.targets);
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
        if samples.target_dims().is_empty() && samples.classes().is_none_or(|known| known <= classes) {
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

    fn target_dims(&self) -> Vec<usize> {
        vec![self.classes]
    }

    fn fill(&self, indices: &[usize], batch: &mut Batch) {
        let rows = std::mem::replace(&mut batch.targets, Slab::new(indices.len()));
        self.samples.fill(indices, batch);
        let labels = std::mem::replace(&mut batch.targets, rows);
        for (row, &label) in batch.targets.chunks_exact_mut(self.classes).zip(labels.iter()) {
            row.fill(0.0);
            row[label as usize] = 1.0;
        }
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

    fn target_dims(&self) -> Vec<usize> {
        self.samples.target_dims()
    }

    fn classes(&self) -> Option<usize> {
        self.samples.classes()
    }

    fn fill(&self, indices: &[usize], batch: &mut Batch) {
        let indices: Vec<usize> = indices.iter().map(|index| index + self.start).collect();
        self.samples.fill(&indices, batch);
    }
}

impl Model {
    /// Checks that class numbers are those of classes that the model has.
    pub(crate) fn check_targets(&self, batch: &Batch) -> Result<()> {
        let output = &self.output_shapes()[0];
        let sparse = self
            .compiled()
            .is_some_and(|compiled| compiled.loss.target_shape(output).dims.len() < output.dims.len());
        let classes = output.channels();
        let wrong = |label: &&f32| !(label.fract() == 0.0 && (0.0..classes as f32).contains(*label));
        match batch.targets.iter().find(wrong) {
            Some(label) if sparse => Err(Error::Data {
                what: "class numbers",
                expected: format!("whole numbers below {classes}"),
                received: label.to_string(),
            }),
            _ => Ok(()),
        }
    }

    /// Checks that samples are what the model takes.
    pub(crate) fn check_samples(&self, samples: &dyn Samples) -> Result<()> {
        let show = |dims: &[usize]| convnet_engine::Shape::batched(dims).to_string();
        let show_all =
            |all: &[Vec<usize>]| all.iter().map(|dims| show(dims)).collect::<Vec<_>>().join(" and ");
        let compiled = self.compiled().ok_or(Error::NotCompiled("training or evaluation"))?;
        let expected: Vec<Vec<usize>> = self.input_shapes().into_iter().map(|shape| shape.dims).collect();
        let received = samples.input_dims();
        if received != expected {
            return Err(Error::Data {
                what: "inputs",
                expected: show_all(&expected),
                received: show_all(&received),
            });
        }
        let output = &self.output_shapes()[0];
        let (expected, received) = (compiled.loss.target_shape(output).dims, samples.target_dims());
        if received != expected {
            return Err(Error::Data {
                what: "targets",
                expected: show(&expected),
                received: show(&received),
            });
        }
        match samples.classes() {
            Some(classes) if classes > output.channels() && expected.len() < output.dims.len() => {
                Err(Error::Data {
                    what: "classes",
                    expected: output.channels().to_string(),
                    received: classes.to_string(),
                })
            }
            _ if samples.is_empty() => Err(Error::argument("data", "there are no samples")),
            _ => Ok(()),
        }
    }
}
