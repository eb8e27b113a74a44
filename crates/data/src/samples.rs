//! Splits as what models are trained on.

use convnet_nn::Samples;
use convnet_nn::train::{Batch, Visit};

use crate::{DataError, Split};

/// What training says of data that cannot be read.
impl From<DataError> for convnet_nn::Error {
    fn from(problem: DataError) -> Self {
        Self::Samples(problem.to_string())
    }
}

/// Pixels in 0 … 1, class numbers as targets.
impl Samples for Split {
    fn len(&self) -> usize {
        self.labels().len()
    }

    fn input_dims(&self) -> Vec<Vec<usize>> {
        let shape = self.shape();
        vec![vec![shape.height, shape.width, shape.channels]]
    }

    fn target_dims(&self) -> Vec<Vec<usize>> {
        vec![Vec::new()]
    }

    fn classes(&self) -> Option<usize> {
        self.labels().iter().max().map(|&label| label as usize + 1)
    }

    fn fill(&self, _visit: Visit, indices: &[usize], batch: &mut Batch) -> convnet_nn::Result<()> {
        Ok(self.batch(indices, &mut batch.inputs[0], &mut batch.targets[0])?)
    }
}
