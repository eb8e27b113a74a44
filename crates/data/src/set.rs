//! Samples that know their labels and where they are from, in a handle that can be passed on.

use std::sync::Arc;

use convnet_nn::Samples;
use convnet_nn::train::{Batch, Visit};

/// Samples that tell more of themselves than training asks for.
pub trait Labelled: Samples + Send {
    /// The class of each sample, in the samples' order; `None` where they have none, or it is not known without reading them.
    fn labels(&self) -> Option<Vec<u32>> {
        None
    }

    /// Where a sample is from, for messages and reports: as a rule its file.
    fn origin(&self, _index: usize) -> Option<String> {
        None
    }

    /// What stands for white in the first input, if that is pictures: 1 or 255.
    fn white(&self) -> Option<f32> {
        None
    }
}

/// Any samples, shared: cloning copies a pointer. What the functions of [`pipeline`](crate::pipeline) take and give.
#[derive(Clone)]
pub struct SampleSet(Arc<dyn Labelled>);

impl SampleSet {
    /// These samples.
    pub fn new(samples: impl Labelled + 'static) -> Self {
        Self(Arc::new(samples))
    }

    /// Samples of a type that knows nothing of labels.
    pub fn of(samples: impl Samples + Send + 'static) -> Self {
        Self::new(Plain(samples))
    }

    /// How many samples of each class there are, up to the highest label; `None` without labels.
    pub fn class_counts(&self) -> Option<Vec<usize>> {
        let labels = self.labels()?;
        let known = self.classes().unwrap_or(0);
        let classes = labels.iter().max().map_or(0, |&label| label as usize + 1).max(known);
        let mut counts = vec![0; classes];
        labels.iter().for_each(|&label| counts[label as usize] += 1);
        Some(counts)
    }
}

impl std::fmt::Debug for SampleSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (inputs, targets) = (self.input_dims(), self.target_dims());
        write!(f, "SampleSet({} samples, inputs {inputs:?}, targets {targets:?})", self.len())
    }
}

impl Samples for SampleSet {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn input_dims(&self) -> Vec<Vec<usize>> {
        self.0.input_dims()
    }

    fn target_dims(&self) -> Vec<Vec<usize>> {
        self.0.target_dims()
    }

    fn classes(&self) -> Option<usize> {
        self.0.classes()
    }

    fn weighted(&self) -> bool {
        self.0.weighted()
    }

    fn fill(&self, visit: Visit, indices: &[usize], batch: &mut Batch) -> convnet_nn::Result<()> {
        self.0.fill(visit, indices, batch)
    }
}

impl Labelled for SampleSet {
    fn labels(&self) -> Option<Vec<u32>> {
        self.0.labels()
    }

    fn origin(&self, index: usize) -> Option<String> {
        self.0.origin(index)
    }

    fn white(&self) -> Option<f32> {
        self.0.white()
    }
}

/// Samples without labels.
struct Plain<S>(S);

impl<S: Samples> Samples for Plain<S> {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn input_dims(&self) -> Vec<Vec<usize>> {
        self.0.input_dims()
    }

    fn target_dims(&self) -> Vec<Vec<usize>> {
        self.0.target_dims()
    }

    fn classes(&self) -> Option<usize> {
        self.0.classes()
    }

    fn weighted(&self) -> bool {
        self.0.weighted()
    }

    fn fill(&self, visit: Visit, indices: &[usize], batch: &mut Batch) -> convnet_nn::Result<()> {
        self.0.fill(visit, indices, batch)
    }
}

impl<S: Samples + Send> Labelled for Plain<S> {}
