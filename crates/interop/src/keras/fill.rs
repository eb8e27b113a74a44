//! Numbers of files into the memory of a model, by several threads where there are many.

use std::collections::HashMap;
use std::num::NonZero;
use std::sync::Mutex;
use std::{iter, thread};

use convnet_nn::model::Slot;
use convnet_nn::{Model, Weight};
use ndarray::ArrayD;

use crate::Result;
use crate::h5::StoredArray;

/// Numbers of a shape, in memory or in a file.
pub(super) trait Numbers: Sync {
    fn shape(&self) -> &[usize];

    /// Writes them into `values`, of which there are as many.
    fn read_into(&self, values: &mut [f32]) -> Result<()>;
}

impl Numbers for StoredArray {
    fn shape(&self) -> &[usize] {
        self.shape()
    }

    fn read_into(&self, values: &mut [f32]) -> Result<()> {
        self.read_into(values)
    }
}

impl Numbers for ArrayD<f32> {
    fn shape(&self) -> &[usize] {
        self.shape()
    }

    fn read_into(&self, values: &mut [f32]) -> Result<()> {
        values.iter_mut().zip(self).for_each(|(to, &from)| *to = from);
        Ok(())
    }
}

/// Fewer numbers are not worth a thread.
const ALONE: usize = 1 << 20;
/// More threads would wait for memory.
const MAX_THREADS: usize = 4;

/// Fills the weights of a model, in its order, and checks sizes before.
pub(super) fn fill<A: Numbers>(model: &mut Model, arrays: &[&A]) -> Result<()> {
    model.weights().zip(arrays).try_for_each(|(weight, array)| weight.check_dims(array.shape()))?;
    let tasks = model.weights_mut().into_iter().zip(arrays).map(|((_, values), array)| (values, *array));
    read_all(tasks.collect())
}

/// Fills some weights of a model, and checks sizes before.
pub(super) fn fill_some<A: Numbers>(model: &mut Model, pairs: Vec<(Weight, &A)>) -> Result<()> {
    pairs.iter().try_for_each(|(weight, array)| weight.check_dims(array.shape()))?;
    let arrays: HashMap<Slot, &A> = pairs.into_iter().map(|(weight, array)| (weight.slot, array)).collect();
    let weights = model.weights_mut().into_iter();
    read_all(weights.filter_map(|(weight, values)| Some((values, *arrays.get(&weight.slot)?))).collect())
}

fn read_all<A: Numbers>(tasks: Vec<(&mut [f32], &A)>) -> Result<()> {
    let count: usize = tasks.iter().map(|(values, _)| values.len()).sum();
    let threads = thread::available_parallelism().map_or(1, NonZero::get).min(MAX_THREADS);
    let threads = if count < ALONE { 1 } else { threads };
    let tasks = Mutex::new(tasks.into_iter());
    let next = || tasks.lock().ok()?.next();
    let work = || iter::from_fn(next).try_for_each(|(values, array)| array.read_into(values));
    thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        let own = work();
        let others = others
            .into_iter()
            .map(|other| other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        others.fold(own, Result::and)
    })
}
