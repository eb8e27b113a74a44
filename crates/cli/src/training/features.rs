//! Features of a frozen base, computed once: each picture goes through the base a single time, and training is about the rest.

use std::path::Path;

use anyhow::{Context, Result};
use convnet::data::SampleSet;
use convnet::interop::npy;
use convnet::nn::engine::Slab;
use convnet::nn::train::{Batch, Visit};
use convnet::prelude::*;
use ndarray::{ArrayD, ArrayViewD, Axis, IxDyn};

/// Pictures that go through the base together.
const TOGETHER: usize = 32;

/// Features that are kept at most, in numbers; with more the base is run again in each epoch.
const MAX_FEATURES: usize = 1 << 28;

/// Features in the place of the pictures that they are of.
pub struct Features {
    values: ArrayD<f32>,
    targets: Vec<Slab>,
    target_dims: Vec<Vec<usize>>,
    weights: Option<Slab>,
    classes: Option<usize>,
}

/// Whether the features of so many samples fit into memory.
pub fn fit_memory(base: &Model, samples: usize) -> bool {
    let each: usize = base.output_shapes()[0].dims.iter().product();
    each.checked_mul(samples).is_some_and(|numbers| numbers <= MAX_FEATURES)
}

impl Features {
    /// What `base` makes of the samples; taken from `file` if they are there from before, else written to it. `told` hears of how far it is.
    ///
    /// # Errors
    /// If a sample cannot be read, or the file cannot be written.
    pub fn new(
        base: &Model,
        set: &SampleSet,
        file: Option<&Path>,
        told: &mut dyn FnMut(usize),
    ) -> Result<Self> {
        let dims = base.output_shapes()[0].dims.clone();
        let shape: Vec<usize> = std::iter::once(set.len()).chain(dims.iter().copied()).collect();
        let kept = file.filter(|file| file.exists()).and_then(|file| npy::read_file(file).ok());
        let kept = kept.filter(|kept| kept.shape() == shape);
        let (target_dims, input_dims) = (set.target_dims(), set.input_dims());
        let one = |dims: &Vec<usize>| dims.iter().product::<usize>();
        let mut targets: Vec<Slab> =
            target_dims.iter().map(|dims| Slab::new(set.len() * one(dims))).collect();
        let mut weights = set.weighted().then(|| Slab::new(set.len()));
        let is_kept = kept.is_some();
        let mut values = kept.unwrap_or_else(|| ArrayD::zeros(IxDyn(&shape)));
        for start in (0..set.len()).step_by(TOGETHER) {
            let indices: Vec<usize> = (start..set.len().min(start + TOGETHER)).collect();
            let mut batch = Batch::new(set, indices.len());
            set.fill(Visit::default(), &indices, &mut batch)?;
            for ((to, from), dims) in targets.iter_mut().zip(&batch.targets).zip(&target_dims) {
                let each = one(dims);
                to[start * each..][..from.len()].copy_from_slice(from);
            }
            if let Some(weights) = &mut weights {
                weights[start..][..indices.len()].copy_from_slice(&batch.weights);
            }
            if !is_kept {
                let views = batch.inputs.iter().zip(&input_dims).map(|(slab, dims)| {
                    let shape: Vec<usize> =
                        std::iter::once(indices.len()).chain(dims.iter().copied()).collect();
                    ArrayViewD::from_shape(IxDyn(&shape), slab)
                });
                let made = base.predict_all(&views.collect::<Result<Vec<_>, _>>()?)?.swap_remove(0);
                values.slice_axis_mut(Axis(0), (start..start + indices.len()).into()).assign(&made);
                told(start + indices.len());
            }
        }
        if let Some(file) = file.filter(|_| !is_kept) {
            npy::write_file(file, values.view()).context("cannot keep the features")?;
        }
        Ok(Self { values, targets, target_dims, weights, classes: set.classes() })
    }
}

impl Samples for Features {
    fn len(&self) -> usize {
        self.values.shape()[0]
    }

    fn input_dims(&self) -> Vec<Vec<usize>> {
        vec![self.values.shape()[1..].to_vec()]
    }

    fn target_dims(&self) -> Vec<Vec<usize>> {
        self.target_dims.clone()
    }

    fn classes(&self) -> Option<usize> {
        self.classes
    }

    fn weighted(&self) -> bool {
        self.weights.is_some()
    }

    fn fill(&self, _visit: Visit, indices: &[usize], batch: &mut Batch) -> convnet::nn::Result<()> {
        let rows = |from: &[f32], to: &mut [f32]| {
            let each = from.len() / self.len().max(1);
            for (to, &index) in to.chunks_exact_mut(each.max(1)).zip(indices) {
                to.copy_from_slice(&from[index * each..][..each]);
            }
        };
        rows(self.values.as_slice().unwrap_or_default(), &mut batch.inputs[0]);
        self.targets.iter().zip(&mut batch.targets).for_each(|(from, to)| rows(from, to));
        if let Some(weights) = &self.weights {
            rows(weights, &mut batch.weights);
        }
        Ok(())
    }
}
