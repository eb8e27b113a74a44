//! Whether predictions are right, one number a sample.

use convnet_kernels::softmax;

use super::cross_entropy::{Target, infer_loss};
use crate::error::{Mismatch, Result};
use crate::graph::Value;
use crate::op::{GradientContext, Lowered, Op, Sizes};
use crate::shape::TensorType;

/// What makes a prediction right.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum AccuracyKind {
    /// Targets are class numbers; the largest score must be that of the class.
    Sparse,
    /// Targets are one-hot; the largest score must be where the largest target is.
    Categorical,
    /// Targets are 0 or 1; scores above the threshold mean 1. A sample's accuracy is the mean over the last axis.
    Binary {
        /// The threshold.
        threshold: f32,
    },
}

/// 1 for a right prediction and 0 for a wrong one. Inputs predictions, targets.
#[derive(Clone, Debug)]
pub struct Accuracy(
    /// What makes a prediction right.
    pub AccuracyKind,
);

impl Op for Accuracy {
    fn name(&self) -> &'static str {
        "accuracy"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        let target = if self.0 == AccuracyKind::Sparse { Target::Sparse } else { Target::Dense };
        infer_loss(inputs, target)
    }

    fn gradient(&self, at: &mut GradientContext<'_>) -> Result<Vec<Option<Value>>> {
        at.constant()
    }

    fn lower(&self, sizes: &Sizes<'_>) -> Lowered {
        let columns = sizes.inputs[0].channels();
        let kind = self.0;
        Lowered::new(move |call| {
            let (predictions, targets) = (call.inputs[0], call.inputs[1]);
            let rows = predictions.chunks_exact(columns);
            for (row, (prediction, output)) in rows.zip(call.outputs[0].iter_mut()).enumerate() {
                let target = || &targets[row * columns..(row + 1) * columns];
                *output = match kind {
                    AccuracyKind::Sparse => share(softmax::arg_max_row(prediction) as f32 == targets[row]),
                    AccuracyKind::Categorical => {
                        share(softmax::arg_max_row(prediction) == softmax::arg_max_row(target()))
                    }
                    AccuracyKind::Binary { threshold } => {
                        let right = |(&p, &t): (&f32, &f32)| share(share(p > threshold) == t);
                        prediction.iter().zip(target()).map(right).sum::<f32>() / columns as f32
                    }
                };
            }
        })
    }
}

fn share(right: bool) -> f32 {
    f32::from(u8::from(right))
}
