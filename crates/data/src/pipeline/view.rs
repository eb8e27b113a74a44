//! The same samples under other numbers: parts, repetitions, another order.

use convnet_nn::Samples;
use convnet_nn::train::{Batch, Visit};

use super::stage::{Filled, Stage};
use crate::pictures::numpy_shuffle;
use crate::{DataError, Labelled, Result, SampleSet};

/// Which samples, and in what order.
enum View {
    /// So many from this one on.
    Run { start: usize, len: usize },
    /// All of them, so often.
    Repeated { len: usize, times: usize },
    /// Each by its number.
    Listed(Vec<u32>),
}

impl View {
    fn number(&self, index: usize) -> usize {
        match self {
            Self::Run { start, .. } => start + index,
            Self::Repeated { len, .. } => index % len,
            Self::Listed(list) => list[index] as usize,
        }
    }
}

impl Stage for View {
    fn len(&self, _: &SampleSet) -> usize {
        match self {
            Self::Run { len, .. } => *len,
            Self::Repeated { len, times } => len.saturating_mul(*times),
            Self::Listed(list) => list.len(),
        }
    }

    fn labels(&self, set: &SampleSet) -> Option<Vec<u32>> {
        let all = set.labels()?;
        Some((0..self.len(set)).map(|index| all[self.number(index)]).collect())
    }

    fn origin(&self, set: &SampleSet, index: usize) -> Option<String> {
        if index < self.len(set) { set.origin(self.number(index)) } else { None }
    }

    fn fill(&self, set: &SampleSet, visit: Visit, indices: &[usize], batch: &mut Batch) -> Filled {
        let numbers: Vec<usize> = indices.iter().map(|&index| self.number(index)).collect();
        set.fill(visit, &numbers, batch)
    }
}

impl SampleSet {
    /// The first `count` samples, or all if there are fewer.
    pub fn take(&self, count: usize) -> SampleSet {
        self.staged(View::Run { start: 0, len: count.min(self.len()) })
    }

    /// The samples without the first `count`.
    pub fn skip(&self, count: usize) -> SampleSet {
        let start = count.min(self.len());
        self.staged(View::Run { start, len: self.len() - start })
    }

    /// The samples, `times` over: an epoch that is so much longer. What goes by the sample's number below this, such as augmentation, is the same in each
    /// repetition within an epoch; put it above to have it differ.
    pub fn repeat(&self, times: usize) -> SampleSet {
        self.staged(View::Repeated { len: self.len(), times })
    }

    /// The samples of these numbers, in this order; a number may occur more than once.
    ///
    /// # Errors
    /// [`DataError::Shape`] when a number is not below [`len`](Samples::len).
    pub fn subset(&self, numbers: &[usize]) -> Result<SampleSet> {
        match numbers.iter().find(|&&number| number >= self.len()) {
            None => Ok(self.staged(View::Listed(numbers.iter().map(|&number| number as u32).collect()))),
            Some(number) => Err(DataError::Shape {
                what: "number of a sample",
                expected: format!("below {}", self.len()),
                received: number.to_string(),
            }),
        }
    }

    /// The samples in an order of chance that stays the same (`Model::fit` has one of its own in each epoch, so this matters where a part is
    /// cut off). The order is that of `numpy.random.RandomState(seed).shuffle`.
    pub fn shuffle(&self, seed: u32) -> SampleSet {
        self.staged(View::Listed(numpy_shuffle(self.len(), seed)))
    }
}
