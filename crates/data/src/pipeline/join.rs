//! Two sets as one.

use convnet_nn::Samples;
use convnet_nn::engine::Slab;
use convnet_nn::train::{Batch, Visit};

use crate::{DataError, Labelled, Result, SampleSet};

struct Concatenated {
    first: SampleSet,
    second: SampleSet,
}

struct Zipped {
    first: SampleSet,
    second: SampleSet,
}

impl SampleSet {
    /// These samples, then those of `other`.
    ///
    /// # Errors
    /// [`DataError::Shape`] when they differ in sizes, in white, or in whether they have weights.
    pub fn concatenate(&self, other: &SampleSet) -> Result<SampleSet> {
        let say = |set: &SampleSet| {
            let (inputs, targets) = (set.input_dims(), set.target_dims());
            format!(
                "inputs {inputs:?}, targets {targets:?}, white {:?}, weighted {}",
                set.white(),
                set.weighted()
            )
        };
        let (expected, received) = (say(self), say(other));
        if expected != received {
            return Err(DataError::Shape { what: "samples to follow others", expected, received });
        }
        Ok(SampleSet::new(Concatenated { first: self.clone(), second: other.clone() }))
    }

    /// Each sample with the one of the same number in `other`: the inputs of both, and the targets of both. As many as the shorter has; labels and
    /// weights are those of the first.
    pub fn zip(&self, other: &SampleSet) -> SampleSet {
        SampleSet::new(Zipped { first: self.clone(), second: other.clone() })
    }
}

impl Samples for Concatenated {
    fn len(&self) -> usize {
        self.first.len() + self.second.len()
    }

    fn input_dims(&self) -> Vec<Vec<usize>> {
        self.first.input_dims()
    }

    fn target_dims(&self) -> Vec<Vec<usize>> {
        self.first.target_dims()
    }

    fn classes(&self) -> Option<usize> {
        Some(self.first.classes()?.max(self.second.classes()?))
    }

    fn weighted(&self) -> bool {
        self.first.weighted()
    }

    fn fill(&self, visit: Visit, indices: &[usize], batch: &mut Batch) -> convnet_nn::Result<()> {
        let border = self.first.len();
        let (before, after): (Vec<usize>, Vec<usize>) =
            (0..indices.len()).partition(|&at| indices[at] < border);
        for (set, places, less) in [(&self.first, before, 0), (&self.second, after, border)] {
            if places.is_empty() {
                continue;
            }
            let numbers: Vec<usize> = places.iter().map(|&at| indices[at] - less).collect();
            if places.len() == indices.len() {
                return set.fill(visit, &numbers, batch);
            }
            let mut part = Batch::new(set, numbers.len());
            set.fill(visit, &numbers, &mut part)?;
            let slabs = batch.inputs.iter_mut().zip(&part.inputs);
            let slabs = slabs.chain(batch.targets.iter_mut().zip(&part.targets));
            for (to, from) in slabs.chain([(&mut batch.weights, &part.weights)]) {
                let length = from.len() / places.len();
                for (from, &at) in from.chunks_exact(length.max(1)).zip(&places) {
                    to[at * length..(at + 1) * length].copy_from_slice(from);
                }
            }
        }
        Ok(())
    }
}

impl Labelled for Concatenated {
    fn labels(&self) -> Option<Vec<u32>> {
        let mut labels = self.first.labels()?;
        labels.extend(self.second.labels()?);
        Some(labels)
    }

    fn origin(&self, index: usize) -> Option<String> {
        match index.checked_sub(self.first.len()) {
            None => self.first.origin(index),
            Some(index) => self.second.origin(index),
        }
    }

    fn white(&self) -> Option<f32> {
        self.first.white()
    }
}

impl Samples for Zipped {
    fn len(&self) -> usize {
        self.first.len().min(self.second.len())
    }

    fn input_dims(&self) -> Vec<Vec<usize>> {
        [self.first.input_dims(), self.second.input_dims()].concat()
    }

    fn target_dims(&self) -> Vec<Vec<usize>> {
        [self.first.target_dims(), self.second.target_dims()].concat()
    }

    fn weighted(&self) -> bool {
        self.first.weighted()
    }

    fn fill(&self, visit: Visit, indices: &[usize], batch: &mut Batch) -> convnet_nn::Result<()> {
        let (inputs, targets) = (self.first.input_dims().len(), self.first.target_dims().len());
        let mut second = Batch {
            inputs: batch.inputs.split_off(inputs),
            targets: batch.targets.split_off(targets),
            weights: Slab::new(if self.second.weighted() { indices.len() } else { 0 }),
        };
        let filled = self.first.fill(visit, indices, batch);
        let filled = filled.and_then(|()| self.second.fill(visit, indices, &mut second));
        batch.inputs.append(&mut second.inputs);
        batch.targets.append(&mut second.targets);
        filled
    }
}

impl Labelled for Zipped {
    fn labels(&self) -> Option<Vec<u32>> {
        let mut labels = self.first.labels()?;
        labels.truncate(self.len());
        Some(labels)
    }

    fn origin(&self, index: usize) -> Option<String> {
        self.first.origin(index)
    }

    fn white(&self) -> Option<f32> {
        self.first.white()
    }
}
