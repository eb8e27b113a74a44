//! What a network makes of samples, in their place.

use std::sync::Arc;

use convnet_nn::engine::Slab;
use convnet_nn::train::{Batch, Visit};
use convnet_nn::{Error, Model, Samples};
use ndarray::{ArrayViewD, IxDyn};

use super::stage::Stage;
use crate::{DataError, Result, SampleSet};

/// Samples that go through the network together.
const TOGETHER: usize = 32;

struct Through {
    model: Arc<Model>,
    input_dims: Vec<Vec<usize>>,
    output_dims: Vec<Vec<usize>>,
}

impl SampleSet {
    /// What a model makes of the inputs of each sample, in their place: the features of a frozen base, for a head to be trained on. They are computed when
    /// a batch asks for them; put [`cache`](Self::cache) or [`cache_file`](Self::cache_file) behind, and [`visit_all`](Self::visit_all) computes all of them
    /// at once.
    ///
    /// ```
    /// use convnet_data::{SampleSet, Stream};
    /// use convnet_nn::layers::{Conv2D, GlobalAveragePooling2D};
    /// use convnet_nn::{Samples, Sequential};
    ///
    /// let base = Sequential::new([28, 28, 1]).add(Conv2D::new(4, 3)).add(GlobalAveragePooling2D::new()).build()?;
    /// let digits = SampleSet::from(convnet_data::load("mnist").unwrap().train).take(100);
    /// let features = digits.through(base).unwrap().cache();
    /// features.visit_all(&mut |_done| ())?;
    /// assert_eq!(features.input_dims(), [[4]]);
    /// # Ok::<(), convnet_nn::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`DataError::Shape`] when the samples are not what the model takes.
    pub fn through(&self, model: impl Into<Arc<Model>>) -> Result<SampleSet> {
        let model = model.into();
        let input_dims: Vec<Vec<usize>> = model.input_shapes().into_iter().map(|shape| shape.dims).collect();
        let output_dims = model.output_shapes().into_iter().map(|shape| shape.dims).collect();
        if self.input_dims() != input_dims {
            return Err(DataError::Shape {
                what: "inputs of a model",
                expected: format!("{input_dims:?}"),
                received: format!("{:?}", self.input_dims()),
            });
        }
        Ok(self.staged(Through { model, input_dims, output_dims }))
    }

    /// Asks for all samples once, in their order, so that caches are filled; `told` hears how many are done.
    ///
    /// # Errors
    /// If a sample cannot be had.
    pub fn visit_all(&self, told: &mut dyn FnMut(usize)) -> convnet_nn::Result<()> {
        for start in (0..self.len()).step_by(TOGETHER) {
            let indices: Vec<usize> = (start..self.len().min(start + TOGETHER)).collect();
            let mut batch = Batch::new(self, indices.len());
            self.fill(Visit::default(), &indices, &mut batch)?;
            told(start + indices.len());
        }
        Ok(())
    }
}

impl Through {
    /// What the model makes of `count` samples.
    fn made(&self, inputs: &[Slab], count: usize) -> convnet_nn::Result<Vec<Vec<f32>>> {
        // Always as many together: which kernels run depends on the number, and the last bits on these. A cache that was filled in part would
        // otherwise be completed with other bits than it began with.
        let padded = inputs.iter().zip(&self.input_dims).map(|(slab, dims)| {
            let each = dims.iter().product::<usize>();
            let mut values = vec![0.0; TOGETHER * each];
            values[..count * each].copy_from_slice(&slab[..count * each]);
            (values, dims)
        });
        let padded: Vec<_> = padded.collect();
        let views = padded.iter().map(|(values, dims)| {
            let shape: Vec<usize> = std::iter::once(TOGETHER).chain(dims.iter().copied()).collect();
            ArrayViewD::from_shape(IxDyn(&shape), values)
        });
        let views = views.collect::<std::result::Result<Vec<_>, _>>();
        let views = views.map_err(|problem| Error::argument("inputs", problem.to_string()))?;
        let outputs = self.model.predict_all(&views)?;
        Ok(outputs.into_iter().map(|output| output.iter().copied().collect()).collect())
    }
}

impl Stage for Through {
    fn input_dims(&self, _set: &SampleSet) -> Vec<Vec<usize>> {
        self.output_dims.clone()
    }

    fn white(&self, _set: &SampleSet) -> Option<f32> {
        None
    }

    fn fill(
        &self,
        set: &SampleSet,
        visit: Visit,
        indices: &[usize],
        batch: &mut Batch,
    ) -> convnet_nn::Result<()> {
        for (number, indices) in indices.chunks(TOGETHER).enumerate() {
            let first = number * TOGETHER;
            let mut below = Batch::new(set, indices.len());
            set.fill(visit, indices, &mut below)?;
            let made = self.made(&below.inputs, indices.len())?;
            for (to, values) in batch.inputs.iter_mut().zip(&made) {
                let each = values.len() / TOGETHER;
                to[first * each..][..indices.len() * each].copy_from_slice(&values[..indices.len() * each]);
            }
            let rest = batch.targets.iter_mut().chain([&mut batch.weights]);
            for (to, from) in rest.zip(below.targets.iter().chain([&below.weights])) {
                let each = from.len() / indices.len();
                to[first * each..][..from.len()].copy_from_slice(from);
            }
        }
        Ok(())
    }
}
