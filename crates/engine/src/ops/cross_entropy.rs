//! Cross-entropies, one number a sample, and their gradients.
//!
//! The sparse and dense forms differ in the [`Target`]. Where the probabilities come from a softmax, use
//! [`SoftmaxCrossEntropy`] on what went into it: that is stable for any scores, and what Keras does too.

use convnet_kernels::loss;

use crate::error::{Mismatch, Result};
use crate::graph::Value;
use crate::op::{GradientContext, Lowered, Op, Sizes};
use crate::shape::{Shape, TensorType};

/// How the true classes are given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// One number a sample: the class, counted from 0.
    Sparse,
    /// A probability for each class: one-hot, or soft.
    Dense,
}

/// loss = −Σᵢ tᵢ log softmax(x)ᵢ. Inputs scores x `(…, classes)`, targets.
#[derive(Clone, Debug)]
pub struct SoftmaxCrossEntropy(
    /// Form of the targets.
    pub Target,
);

/// dx = dloss · (softmax(x) Σt − t). Inputs x, targets, dloss.
#[derive(Clone, Debug)]
pub struct SoftmaxCrossEntropyGradient(
    /// Form of the targets.
    pub Target,
);

/// loss = −Σᵢ tᵢ log pᵢ with Keras's treatment of p: kept within 1e-7 of 0 and 1, and made to sum to 1. Inputs
/// probabilities p `(…, classes)`, targets.
#[derive(Clone, Debug)]
pub struct CrossEntropy(
    /// Form of the targets.
    pub Target,
);

/// dp of a [`CrossEntropy`]. Inputs p, targets, dloss.
#[derive(Clone, Debug)]
pub struct CrossEntropyGradient(
    /// Form of the targets.
    pub Target,
);

/// loss = mean over the last axis of −t log p − (1 − t) log(1 − p). Inputs p (or scores x, where p = sigmoid(x)), targets t.
#[derive(Clone, Debug)]
pub struct BinaryCrossEntropy {
    /// The first input has scores before the sigmoid.
    pub from_logits: bool,
}

/// Gradient of [`BinaryCrossEntropy`] by its first input. Inputs p or x, targets, dloss.
#[derive(Clone, Debug)]
pub struct BinaryCrossEntropyGradient {
    /// The first input has scores before the sigmoid.
    pub from_logits: bool,
}

/// Shape of a number a sample: the last axis gone.
pub(super) fn per_row(shape: &Shape) -> Shape {
    let axes = shape.dims.len().saturating_sub(1);
    Shape { batched: shape.batched, dims: shape.dims[..axes].to_vec() }
}

/// The rule of losses: predictions and fitting targets give a number a sample.
pub(super) fn infer_loss(inputs: &[TensorType], target: Target) -> Result<Vec<TensorType>, Mismatch> {
    super::arity(inputs, 2..=2)?;
    let predictions = &inputs[0].shape;
    if predictions.dims.is_empty() {
        return Err(Mismatch::new("predictions with an axis besides the batch", predictions));
    }
    let rows = per_row(predictions);
    match target {
        Target::Sparse => super::same("class numbers", &inputs[1], &rows)?,
        Target::Dense => super::same("targets", &inputs[1], predictions)?,
    }
    Ok(vec![rows.into()])
}

/// The rule of the gradients of losses.
pub(super) fn infer_gradient(inputs: &[TensorType]) -> Result<Vec<TensorType>, Mismatch> {
    super::arity(inputs, 3..=3)?;
    super::same("a gradient", &inputs[2], &per_row(&inputs[0].shape))?;
    Ok(vec![inputs[0].clone()])
}

/// The gradient of a loss: by its predictions alone, targets being given.
pub(super) fn loss_gradient(at: &mut GradientContext<'_>, op: impl Op) -> Result<Vec<Option<Value>>> {
    let Some(dloss) = at.output_gradient() else { return at.constant() };
    let inputs = [at.inputs[0], at.inputs[1], dloss];
    let by_prediction = if at.wanted[0] { Some(at.apply(op, &inputs)?) } else { None };
    Ok(vec![by_prediction, None])
}

impl Op for SoftmaxCrossEntropy {
    fn name(&self) -> &'static str {
        "softmax cross-entropy"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        infer_loss(inputs, self.0)
    }

    fn gradient(&self, at: &mut GradientContext<'_>) -> Result<Vec<Option<Value>>> {
        loss_gradient(at, SoftmaxCrossEntropyGradient(self.0))
    }

    fn lower(&self, sizes: &Sizes<'_>) -> Lowered {
        let columns = sizes.inputs[0].channels();
        let kernel = match self.0 {
            Target::Sparse => loss::sparse_cross_entropy_from_logits,
            Target::Dense => loss::categorical_cross_entropy_from_logits,
        };
        Lowered::new(move |call| kernel(columns, call.inputs[1], call.inputs[0], call.outputs[0]))
    }
}

impl Op for SoftmaxCrossEntropyGradient {
    fn name(&self) -> &'static str {
        "softmax cross-entropy gradient"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        infer_gradient(inputs)
    }

    fn lower(&self, sizes: &Sizes<'_>) -> Lowered {
        let columns = sizes.inputs[0].channels();
        let kernel = match self.0 {
            Target::Sparse => loss::sparse_cross_entropy_from_logits_gradient,
            Target::Dense => loss::categorical_cross_entropy_from_logits_gradient,
        };
        Lowered::new(move |call| {
            kernel(columns, call.inputs[1], call.inputs[0], call.inputs[2], call.outputs[0]);
        })
    }
}

impl Op for CrossEntropy {
    fn name(&self) -> &'static str {
        "cross-entropy"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        infer_loss(inputs, self.0)
    }

    fn gradient(&self, at: &mut GradientContext<'_>) -> Result<Vec<Option<Value>>> {
        loss_gradient(at, CrossEntropyGradient(self.0))
    }

    fn lower(&self, sizes: &Sizes<'_>) -> Lowered {
        let columns = sizes.inputs[0].channels();
        let kernel = match self.0 {
            Target::Sparse => loss::sparse_cross_entropy,
            Target::Dense => loss::categorical_cross_entropy,
        };
        Lowered::new(move |call| kernel(columns, call.inputs[1], call.inputs[0], call.outputs[0]))
    }
}

impl Op for CrossEntropyGradient {
    fn name(&self) -> &'static str {
        "cross-entropy gradient"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        infer_gradient(inputs)
    }

    fn lower(&self, sizes: &Sizes<'_>) -> Lowered {
        let columns = sizes.inputs[0].channels();
        let kernel = match self.0 {
            Target::Sparse => loss::sparse_cross_entropy_gradient,
            Target::Dense => loss::categorical_cross_entropy_gradient,
        };
        Lowered::new(move |call| {
            kernel(columns, call.inputs[1], call.inputs[0], call.inputs[2], call.outputs[0]);
        })
    }
}

impl Op for BinaryCrossEntropy {
    fn name(&self) -> &'static str {
        "binary cross-entropy"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        infer_loss(inputs, Target::Dense)
    }

    fn gradient(&self, at: &mut GradientContext<'_>) -> Result<Vec<Option<Value>>> {
        loss_gradient(at, BinaryCrossEntropyGradient { from_logits: self.from_logits })
    }

    fn lower(&self, sizes: &Sizes<'_>) -> Lowered {
        let columns = sizes.inputs[0].channels();
        let kernel = if self.from_logits {
            loss::binary_cross_entropy_from_logits
        } else {
            loss::binary_cross_entropy
        };
        Lowered::new(move |call| kernel(columns, call.inputs[1], call.inputs[0], call.outputs[0]))
    }
}

impl Op for BinaryCrossEntropyGradient {
    fn name(&self) -> &'static str {
        "binary cross-entropy gradient"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        infer_gradient(inputs)
    }

    fn lower(&self, sizes: &Sizes<'_>) -> Lowered {
        let columns = sizes.inputs[0].channels();
        let kernel = if self.from_logits {
            loss::binary_cross_entropy_from_logits_gradient
        } else {
            loss::binary_cross_entropy_gradient
        };
        Lowered::new(move |call| {
            kernel(columns, call.inputs[1], call.inputs[0], call.inputs[2], call.outputs[0]);
        })
    }
}
