//! Splits as what models are trained on.

use convnet_nn::Samples;
use convnet_nn::train::Batch;

use crate::Split;

/// Pixels in 0 … 1, class numbers as targets.
impl Samples for Split {
    fn len(&self) -> usize {
        self.labels().len()
    }

    fn input_dims(&self) -> Vec<Vec<usize>> {
        let shape = self.shape();
        vec![vec![shape.height, shape.width, shape.channels]]
    }

    fn target_dims(&self) -> Vec<usize> {
        Vec::new()
    }

    fn classes(&self) -> Option<usize> {
        self.labels().iter().max().map(|&label| label as usize + 1)
    }

    fn fill(&self, indices: &[usize], batch: &mut Batch) {
        self.batch(indices, &mut batch.inputs[0], &mut batch.targets)
            .expect("the batch was made for these samples");
    }
}
