//! Convolution on pairs of 16-bit numbers (bf16), where the machine multiplies two at once. Made by passes after gradients were taken, so
//! these have none.

use convnet_kernels::conv;
use convnet_kernels::geometry::ConvGeometry;
use convnet_kernels::winograd::Pass;

use super::{Convolution, PackedConvolution};
use crate::error::Mismatch;
use crate::op::{Lowered, Op, Sharing, Sizes};
use crate::shape::{Bound, Shape, TensorType};

/// A [`Convolution`] whose factors are rounded to 16 bits. Inputs as there.
#[derive(Clone, Debug)]
pub struct PairConvolution(
    /// What is computed.
    pub Convolution,
);

/// Weights of a [`Convolution`] in pairs, as its kernel reads them at one batch size. Input w.
#[derive(Clone, Debug)]
pub struct PackPairs {
    /// The convolution, its batch bound.
    pub geometry: ConvGeometry,
}

/// A [`PairConvolution`] with packed weights. Inputs as there, [`PackPairs`] in the place of w.
#[derive(Clone, Debug)]
pub struct PackedPairConvolution(
    /// The same with weights of 32 bits.
    pub PackedConvolution,
);

/// The kernel of an operation that a pass made because there is one.
fn kernel(geometry: ConvGeometry, pass: Pass) -> conv::PairConvolution {
    conv::PairConvolution::new(geometry, pass).expect("the operation was made where there is such a kernel")
}

impl Op for PairConvolution {
    fn name(&self) -> &'static str {
        "convolution of pairs"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        self.0.infer(inputs)
    }

    fn multiply_adds(&self, inputs: &[Bound], outputs: &[Bound]) -> u64 {
        self.0.multiply_adds(inputs, outputs)
    }

    fn sharing(&self) -> Sharing {
        self.0.sharing()
    }

    fn lower(&self, sizes: &Sizes<'_>) -> Lowered {
        let kernel = kernel(self.0.geometry(sizes.inputs), Pass::Forward);
        let (op, in_place) = (self.0.clone(), sizes.in_place);
        Lowered::with_scratch(kernel.forward_scratch(), move |call| {
            let epilogue = op.epilogue(&call.inputs, in_place);
            kernel.forward(call.inputs[0], call.inputs[1], epilogue, call.outputs[0], call.scratch);
        })
    }
}

impl Op for PackPairs {
    fn name(&self) -> &'static str {
        "packing of pairs"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        super::arity(inputs, 1..=1)?;
        let len = kernel(self.geometry, Pass::ForwardPacked).packed_weights_len();
        Ok(vec![Shape::fixed([len]).into()])
    }

    fn lower(&self, _sizes: &Sizes<'_>) -> Lowered {
        let kernel = kernel(self.geometry, Pass::ForwardPacked);
        Lowered::new(move |call| kernel.pack_weights(call.inputs[0], call.outputs[0]))
    }
}

impl Op for PackedPairConvolution {
    fn name(&self) -> &'static str {
        "convolution of pairs"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        self.0.infer(inputs)
    }

    fn multiply_adds(&self, inputs: &[Bound], outputs: &[Bound]) -> u64 {
        self.0.multiply_adds(inputs, outputs)
    }

    fn sharing(&self) -> Sharing {
        self.0.sharing()
    }

    fn lower(&self, sizes: &Sizes<'_>) -> Lowered {
        let kernel = kernel(self.0.geometry, Pass::ForwardPacked);
        let (op, in_place) = (self.0.convolution.clone(), sizes.in_place);
        Lowered::with_scratch(kernel.forward_packed_scratch(), move |call| {
            let epilogue = op.epilogue(&call.inputs, in_place);
            kernel.forward_packed(call.inputs[0], call.inputs[1], epilogue, call.outputs[0], call.scratch);
        })
    }
}
