//! Random images, to measure speed with.

use anyhow::{Context, Result};
use convnet::nn::train::{Batch, Visit};
use convnet::prelude::*;
use ndarray::ArrayD;

use crate::format::thousands;

/// Random numbers that are made at most: 1 GB.
const MAX_FLOATS: usize = 1 << 28;

/// A batch of random images with labels, gone through several times.
pub struct RandomBatch {
    inputs: Vec<ArrayD<f32>>,
    targets: ArrayD<f32>,
    repeats: usize,
}

impl RandomBatch {
    /// For a compiled model.
    ///
    /// # Errors
    /// If the batch is too large.
    pub fn new(model: &Model, batch: usize) -> Result<Self> {
        let inputs = random_inputs(model, batch)?;
        let output = model.output_shapes().swap_remove(0);
        let compiled = model.compiled().context("the model has no loss")?;
        let targets = compiled.objectives[0].target_shape(&output).bind(batch).dims.to_vec();
        let classes = output.channels();
        // Class numbers, or the same as one-hot rows, which are also fair targets for other losses.
        let targets = match targets.len() {
            1 => ArrayD::from_shape_fn(targets, |at| (at[0] % classes) as f32),
            _ => ArrayD::from_shape_fn(targets, |at| f32::from(at[0] % classes == at[1])),
        };
        Ok(Self { inputs, targets, repeats: 1 })
    }

    /// The same batch, so many times.
    pub fn repeated(self, repeats: usize) -> Self {
        Self { repeats, ..self }
    }
}

impl Samples for RandomBatch {
    fn len(&self) -> usize {
        self.targets.shape()[0] * self.repeats
    }

    fn input_dims(&self) -> Vec<Vec<usize>> {
        self.inputs.iter().map(|input| input.shape()[1..].to_vec()).collect()
    }

    fn target_dims(&self) -> Vec<Vec<usize>> {
        vec![self.targets.shape()[1..].to_vec()]
    }

    fn fill(&self, _visit: Visit, indices: &[usize], batch: &mut Batch) -> convnet::nn::Result<()> {
        let count = self.targets.shape()[0];
        for (array, slab) in
            self.inputs.iter().zip(&mut batch.inputs).chain([(&self.targets, &mut batch.targets[0])])
        {
            let row = array.len() / count;
            let values = array.as_slice().expect("made in standard layout");
            for (to, index) in slab.chunks_exact_mut(row.max(1)).zip(indices) {
                to.copy_from_slice(&values[index % count * row..][..row]);
            }
        }
        Ok(())
    }
}

/// Numbers of 0 … 1 for each input of the model, the same at every call.
///
/// # Errors
/// If they are too many.
pub fn random_inputs(model: &Model, batch: usize) -> Result<Vec<ArrayD<f32>>> {
    let mut state = 1_u64;
    let mut random = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1 << 24) as f32
    };
    let shapes = model.input_shapes();
    let floats =
        shapes.iter().try_fold(0_usize, |sum, shape| sum.checked_add(shape.len().checked_mul(batch)?));
    let floats = floats.filter(|&floats| floats <= MAX_FLOATS);
    floats.with_context(|| {
        format!("--batch {batch} of this model's input is more than {} numbers", thousands(MAX_FLOATS as u64))
    })?;
    Ok(shapes
        .iter()
        .map(|shape| ArrayD::from_shape_simple_fn(shape.bind(batch).dims.to_vec(), &mut random))
        .collect())
}
