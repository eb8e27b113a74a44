//! What all sets made of one other set have in common.

use convnet_nn::Samples;
use convnet_nn::train::{Batch, Visit};

use crate::{Labelled, SampleSet};

/// A batch was filled, or why not.
pub(super) type Filled = convnet_nn::Result<()>;

/// A change to a set. What a stage does not say is as in the set below.
pub(super) trait Stage: Send + Sync + 'static {
    fn len(&self, set: &SampleSet) -> usize {
        set.len()
    }

    fn input_dims(&self, set: &SampleSet) -> Vec<Vec<usize>> {
        set.input_dims()
    }

    fn target_dims(&self, set: &SampleSet) -> Vec<Vec<usize>> {
        set.target_dims()
    }

    fn classes(&self, set: &SampleSet) -> Option<usize> {
        set.classes()
    }

    fn weighted(&self, set: &SampleSet) -> bool {
        set.weighted()
    }

    fn labels(&self, set: &SampleSet) -> Option<Vec<u32>> {
        set.labels()
    }

    fn origin(&self, set: &SampleSet, index: usize) -> Option<String> {
        set.origin(index)
    }

    fn white(&self, set: &SampleSet) -> Option<f32> {
        set.white()
    }

    fn fill(&self, set: &SampleSet, visit: Visit, indices: &[usize], batch: &mut Batch) -> Filled;
}

struct Staged<T> {
    set: SampleSet,
    stage: T,
}

impl SampleSet {
    pub(super) fn staged(&self, stage: impl Stage) -> SampleSet {
        SampleSet::new(Staged { set: self.clone(), stage })
    }
}

impl<T: Stage> Samples for Staged<T> {
    fn len(&self) -> usize {
        self.stage.len(&self.set)
    }

    fn input_dims(&self) -> Vec<Vec<usize>> {
        self.stage.input_dims(&self.set)
    }

    fn target_dims(&self) -> Vec<Vec<usize>> {
        self.stage.target_dims(&self.set)
    }

    fn classes(&self) -> Option<usize> {
        self.stage.classes(&self.set)
    }

    fn weighted(&self) -> bool {
        self.stage.weighted(&self.set)
    }

    fn fill(&self, visit: Visit, indices: &[usize], batch: &mut Batch) -> convnet_nn::Result<()> {
        self.stage.fill(&self.set, visit, indices, batch)
    }
}

impl<T: Stage> Labelled for Staged<T> {
    fn labels(&self) -> Option<Vec<u32>> {
        self.stage.labels(&self.set)
    }

    fn origin(&self, index: usize) -> Option<String> {
        self.stage.origin(&self.set, index)
    }

    fn white(&self) -> Option<f32> {
        self.stage.white(&self.set)
    }
}
