//! A user's function on each sample.

use convnet_nn::Samples;
use convnet_nn::engine::kernels::random::Philox;
use convnet_nn::train::{Batch, Visit};
use rayon::prelude::*;

use super::stage::{Filled, Stage};
use crate::{Labelled, SampleSet};

/// One sample, to read.
#[derive(Debug)]
pub struct Example<'b> {
    /// The values of each input.
    pub inputs: Vec<&'b [f32]>,
    /// The values of each target.
    pub targets: Vec<&'b [f32]>,
}

/// One sample, to change.
#[derive(Debug)]
pub struct ExampleMut<'b> {
    /// The values of each input.
    pub inputs: Vec<&'b mut [f32]>,
    /// The values of each target.
    pub targets: Vec<&'b mut [f32]>,
}

type InPlace = dyn Fn(Visit, usize, &mut ExampleMut<'_>) + Send + Sync;
type Into = dyn Fn(Visit, usize, &Example<'_>, &mut ExampleMut<'_>) + Send + Sync;

/// Random numbers for one visit to one sample: the same for the same seed, epoch and number, and unlike those of any other.
pub fn random(visit: Visit, index: usize) -> Philox {
    // Seeds are whole 64-bit keys, epochs and numbers share the other half; 2⁴⁰ samples are beyond any set here.
    Philox::new(visit.seed, visit.epoch << 40 ^ index as u64)
}

struct Map(Box<InPlace>);

struct MapInto {
    input_dims: Vec<Vec<usize>>,
    target_dims: Vec<Vec<usize>>,
    function: Box<Into>,
}

/// Another number for white in the first input.
struct White(f32);

impl SampleSet {
    /// Each sample changed in place by `function(visit, number, sample)`, several side by side. Sizes stay as they are. What is random must come from
    /// the visit and the number ([`random`]), so that it is the same on any number of threads.
    pub fn map(
        &self,
        function: impl Fn(Visit, usize, &mut ExampleMut<'_>) + Send + Sync + 'static,
    ) -> SampleSet {
        self.staged(Map(Box::new(function)))
    }

    /// As [`map`](Self::map), to samples of other sizes: `function(visit, number, sample, new_sample)` fills the new one, which is not cleared before.
    pub fn map_into(
        &self,
        input_dims: Vec<Vec<usize>>,
        target_dims: Vec<Vec<usize>>,
        function: impl Fn(Visit, usize, &Example<'_>, &mut ExampleMut<'_>) + Send + Sync + 'static,
    ) -> SampleSet {
        self.staged(MapInto { input_dims, target_dims, function: Box::new(function) })
    }

    /// Pictures with another number for white: 255 for networks that scale by themselves, 1 for others. The set itself if it is so already or does
    /// not hold pictures.
    pub fn with_white(&self, white: f32) -> SampleSet {
        match self.white() {
            Some(now) if now != white => self.staged(White(white)),
            _ => self.clone(),
        }
    }
}

/// A batch's samples, one by one.
fn examples_mut(batch: &mut Batch, count: usize) -> Vec<ExampleMut<'_>> {
    let empty = || ExampleMut { inputs: Vec::new(), targets: Vec::new() };
    let mut examples: Vec<ExampleMut<'_>> = (0..count).map(|_| empty()).collect();
    for slab in &mut batch.inputs {
        let length = slab.len() / count.max(1);
        slab.chunks_exact_mut(length.max(1))
            .zip(&mut examples)
            .for_each(|(values, to)| to.inputs.push(values));
    }
    for slab in &mut batch.targets {
        let length = slab.len() / count.max(1);
        slab.chunks_exact_mut(length.max(1))
            .zip(&mut examples)
            .for_each(|(values, to)| to.targets.push(values));
    }
    examples
}

fn examples(batch: &Batch, count: usize) -> Vec<Example<'_>> {
    let one = |slab: &'_ [f32], place: usize| {
        let length = slab.len() / count.max(1);
        place * length..(place + 1) * length
    };
    let example = |place| Example {
        inputs: batch.inputs.iter().map(|slab| &slab[one(slab, place)]).collect(),
        targets: batch.targets.iter().map(|slab| &slab[one(slab, place)]).collect(),
    };
    (0..count).map(example).collect()
}

impl Stage for Map {
    fn fill(&self, set: &SampleSet, visit: Visit, indices: &[usize], batch: &mut Batch) -> Filled {
        set.fill(visit, indices, batch)?;
        let samples = examples_mut(batch, indices.len()).into_par_iter().zip(indices);
        samples.for_each(|(mut sample, &index)| (self.0)(visit, index, &mut sample));
        Ok(())
    }
}

impl Stage for MapInto {
    fn input_dims(&self, _: &SampleSet) -> Vec<Vec<usize>> {
        self.input_dims.clone()
    }

    fn target_dims(&self, _: &SampleSet) -> Vec<Vec<usize>> {
        self.target_dims.clone()
    }

    fn classes(&self, set: &SampleSet) -> Option<usize> {
        if self.target_dims.iter().all(Vec::is_empty) { set.classes() } else { None }
    }

    fn white(&self, _: &SampleSet) -> Option<f32> {
        None
    }

    fn fill(&self, set: &SampleSet, visit: Visit, indices: &[usize], batch: &mut Batch) -> Filled {
        let mut from = Batch::new(set, indices.len());
        set.fill(visit, indices, &mut from)?;
        let pairs = examples(&from, indices.len()).into_par_iter().zip(examples_mut(batch, indices.len()));
        pairs.zip(indices).for_each(|((old, mut new), &index)| (self.function)(visit, index, &old, &mut new));
        batch.weights.iter_mut().zip(from.weights.iter()).for_each(|(to, from)| *to = *from);
        Ok(())
    }
}

impl Stage for White {
    fn white(&self, _: &SampleSet) -> Option<f32> {
        Some(self.0)
    }

    fn fill(&self, set: &SampleSet, visit: Visit, indices: &[usize], batch: &mut Batch) -> Filled {
        set.fill(visit, indices, batch)?;
        let now = set.white().unwrap_or(1.0);
        for value in batch.inputs[0].iter_mut() {
            // Bytes that were divided by 255 come back whole.
            *value =
                if self.0 == 255.0 && now == 1.0 { whole(*value * 255.0) } else { *value / now * self.0 };
        }
        Ok(())
    }
}

/// The whole number that a value misses by no more than rounding.
fn whole(value: f32) -> f32 {
    let near = value.round();
    if (value - near).abs() < 1e-4 { near } else { value }
}
