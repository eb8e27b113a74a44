//! Samples kept in memory once they have been made.

use std::sync::OnceLock;

use convnet_nn::Samples;
use convnet_nn::train::{Batch, Visit};

use super::stage::{Filled, Stage};
use crate::{Labelled, SampleSet};

/// Each sample as it was made first.
pub(super) struct Cache {
    kept: Vec<OnceLock<Kept>>,
}

/// A sample's numbers, inputs then targets.
enum Kept {
    /// All of them are bytes, or bytes divided by 255: pictures take a quarter of the memory then.
    Bytes {
        first: Box<[u8]>,
        white: f32,
        rest: Box<[f32]>,
    },
    Floats(Box<[f32]>),
}

impl Kept {
    /// The values of a sample, of which the first `pictured` are pixels with this white.
    fn new(values: &[f32], pictured: usize, white: Option<f32>) -> Self {
        let (pixels, rest) = values.split_at(pictured);
        let packed = white.filter(|white| matches!(*white, 1.0 | 255.0)).and_then(|white| {
            let byte = |&value: &f32| {
                let byte = (value / white * 255.0).round().clamp(0.0, 255.0) as u8;
                (unpacked(byte, white).to_bits() == value.to_bits()).then_some(byte)
            };
            let first = pixels.iter().map(byte).collect::<Option<Box<[u8]>>>()?;
            Some(Self::Bytes { first, white, rest: rest.into() })
        });
        packed.unwrap_or_else(|| Self::Floats(values.into()))
    }

    fn write(&self, values: &mut [f32]) {
        match self {
            Self::Floats(kept) => values.copy_from_slice(kept),
            Self::Bytes { first, white, rest } => {
                let (pixels, others) = values.split_at_mut(first.len());
                pixels.iter_mut().zip(first).for_each(|(pixel, &byte)| *pixel = unpacked(byte, *white));
                others.copy_from_slice(rest);
            }
        }
    }
}

fn unpacked(byte: u8, white: f32) -> f32 {
    if white == 255.0 { f32::from(byte) } else { f32::from(byte) / 255.0 }
}

impl SampleSet {
    /// Keeps each sample in memory as it is made first, and gives it back ever after: pixels as bytes where nothing is lost by that, all else as f32. Put it
    /// behind what is slow and always the same (decoding, features of a frozen network), and before what changes from epoch to epoch.
    pub fn cache(&self) -> SampleSet {
        let kept = (0..self.len()).map(|_| OnceLock::new()).collect();
        self.staged(Cache { kept })
    }
}

/// Values of a sample: those of all inputs, all targets, and its weight.
pub(super) fn sample_len(set: &SampleSet) -> usize {
    let values = |all: Vec<Vec<usize>>| all.iter().map(|dims| dims.iter().product::<usize>()).sum::<usize>();
    values(set.input_dims()) + values(set.target_dims()) + usize::from(set.weighted())
}

/// The values of sample `place` of a batch of `count`, one slab's after the other.
pub(super) fn gather(batch: &Batch, place: usize, count: usize, values: &mut Vec<f32>) {
    values.clear();
    for slab in batch.inputs.iter().chain(&batch.targets).chain([&batch.weights]) {
        let length = slab.len() / count;
        values.extend_from_slice(&slab[place * length..(place + 1) * length]);
    }
}

/// The reverse of [`gather`].
pub(super) fn scatter(values: &[f32], batch: &mut Batch, place: usize, count: usize) {
    let mut rest = values;
    for slab in batch.inputs.iter_mut().chain(&mut batch.targets).chain([&mut batch.weights]) {
        let length = slab.len() / count;
        let (these, others) = rest.split_at(length);
        slab[place * length..(place + 1) * length].copy_from_slice(these);
        rest = others;
    }
}

impl Stage for Cache {
    fn fill(&self, set: &SampleSet, visit: Visit, indices: &[usize], batch: &mut Batch) -> Filled {
        let missing: Vec<usize> =
            indices.iter().copied().filter(|&index| self.kept[index].get().is_none()).collect();
        let pictured = set.input_dims().first().map_or(0, |dims| dims.iter().product());
        let mut values = Vec::new();
        if !missing.is_empty() {
            let mut made = Batch::new(set, missing.len());
            set.fill(visit, &missing, &mut made)?;
            for (place, &index) in missing.iter().enumerate() {
                gather(&made, place, missing.len(), &mut values);
                // Whoever else made it meanwhile made the same.
                let _ = self.kept[index].set(Kept::new(&values, pictured, set.white()));
            }
        }
        values.resize(sample_len(set), 0.0);
        for (place, &index) in indices.iter().enumerate() {
            if let Some(kept) = self.kept[index].get() {
                kept.write(&mut values);
                scatter(&values, batch, place, indices.len());
            }
        }
        Ok(())
    }
}
