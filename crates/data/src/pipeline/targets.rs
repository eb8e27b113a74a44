//! Class numbers in the form that a loss wants.

use convnet_nn::Samples;
use convnet_nn::engine::Slab;
use convnet_nn::train::{Batch, Visit};

use super::stage::{Filled, Stage};
use crate::{DataError, Result, SampleSet};

/// A row with a 1 at the class.
struct OneHot(usize);

/// The class number as a column.
struct Column;

/// The first input again.
struct Itself;

impl SampleSet {
    /// Class numbers as rows of `classes` numbers, a 1 at the class: for categorical losses. Keras's `label_mode="categorical"`.
    ///
    /// # Errors
    /// [`DataError::Shape`] when targets are not class numbers below that.
    pub fn one_hot(&self, classes: usize) -> Result<SampleSet> {
        self.check_numbers(classes)?;
        Ok(self.staged(OneHot(classes)))
    }

    /// Class numbers 0 and 1 as a column, for one output that tells two classes apart. Keras's `label_mode="binary"`.
    ///
    /// # Errors
    /// [`DataError::Shape`] when targets are not class numbers, or there are more than two.
    pub fn binary(&self) -> Result<SampleSet> {
        self.check_numbers(2)?;
        Ok(self.staged(Column))
    }

    /// The first input as target, for networks that give back what they see. Keras's `class_mode="input"`.
    pub fn input_as_target(&self) -> SampleSet {
        self.staged(Itself)
    }

    fn check_numbers(&self, classes: usize) -> Result<()> {
        let dims = self.target_dims();
        if dims.iter().all(Vec::is_empty) && self.classes().is_none_or(|known| known <= classes) {
            return Ok(());
        }
        Err(DataError::Shape {
            what: "targets",
            expected: format!("class numbers below {classes}"),
            received: match self.classes() {
                Some(known) if dims.iter().all(Vec::is_empty) => format!("numbers of {known} classes"),
                _ => format!("targets of sizes {dims:?}"),
            },
        })
    }
}

/// Fills with other targets, one number a sample, and gives them back instead of writing them.
fn fill_numbers(
    set: &SampleSet,
    visit: Visit,
    indices: &[usize],
    batch: &mut Batch,
) -> convnet_nn::Result<Vec<Slab>> {
    let room = |dims: Vec<usize>| Slab::new(indices.len() * dims.iter().product::<usize>());
    let numbers = set.target_dims().into_iter().map(room).collect();
    let rows = std::mem::replace(&mut batch.targets, numbers);
    let filled = set.fill(visit, indices, batch);
    let numbers = std::mem::replace(&mut batch.targets, rows);
    filled.map(|()| numbers)
}

impl Stage for OneHot {
    fn target_dims(&self, set: &SampleSet) -> Vec<Vec<usize>> {
        vec![vec![self.0]; set.target_dims().len()]
    }

    fn classes(&self, _: &SampleSet) -> Option<usize> {
        None
    }

    fn fill(&self, set: &SampleSet, visit: Visit, indices: &[usize], batch: &mut Batch) -> Filled {
        let numbers = fill_numbers(set, visit, indices, batch)?;
        for (rows, numbers) in batch.targets.iter_mut().zip(numbers) {
            rows.fill(0.0);
            for (row, &number) in rows.chunks_exact_mut(self.0).zip(numbers.iter()) {
                let place = row.get_mut(number as usize).filter(|_| number >= 0.0);
                *place.ok_or_else(|| DataError::Shape {
                    what: "class number",
                    expected: format!("below {}", self.0),
                    received: number.to_string(),
                })? = 1.0;
            }
        }
        Ok(())
    }
}

impl Stage for Column {
    fn target_dims(&self, set: &SampleSet) -> Vec<Vec<usize>> {
        vec![vec![1]; set.target_dims().len()]
    }

    fn classes(&self, _: &SampleSet) -> Option<usize> {
        None
    }

    fn fill(&self, set: &SampleSet, visit: Visit, indices: &[usize], batch: &mut Batch) -> Filled {
        set.fill(visit, indices, batch)
    }
}

impl Stage for Itself {
    fn target_dims(&self, set: &SampleSet) -> Vec<Vec<usize>> {
        vec![set.input_dims().swap_remove(0)]
    }

    fn classes(&self, _: &SampleSet) -> Option<usize> {
        None
    }

    fn fill(&self, set: &SampleSet, visit: Visit, indices: &[usize], batch: &mut Batch) -> Filled {
        fill_numbers(set, visit, indices, batch)?;
        batch.targets[0].copy_from_slice(&batch.inputs[0]);
        Ok(())
    }
}
