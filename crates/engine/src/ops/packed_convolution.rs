//! Convolution with weights that were packed once for many runs.

use convnet_kernels::conv;
use convnet_kernels::geometry::ConvGeometry;

use super::Convolution;
use super::convolution::output_shape;
use crate::error::Mismatch;
use crate::op::{Lowered, Op, Sharing, Sizes};
use crate::shape::{Bound, Shape, TensorType};

/// Weights of a [`Convolution`] in the order in which its kernel reads them at one batch size. Input w.
#[derive(Clone, Debug)]
pub struct PackWeights {
    /// The convolution, its batch bound.
    pub geometry: ConvGeometry,
    /// Elements of the packed weights.
    pub len: usize,
}

/// A [`Convolution`] with packed weights. Inputs as there, [`PackWeights`] in the place of w.
#[derive(Clone, Debug)]
pub struct PackedConvolution {
    /// What is computed.
    pub convolution: Convolution,
    /// Shape of w.
    pub weights: Shape,
    /// The convolution, its batch bound.
    pub geometry: ConvGeometry,
}

impl Op for PackWeights {
    fn name(&self) -> &'static str {
        "packing of weights"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        super::arity(inputs, 1..=1)?;
        Ok(vec![Shape::fixed([self.len]).into()])
    }

    fn lower(&self, _sizes: &Sizes<'_>) -> Lowered {
        let kernels = conv::Convolution::new(self.geometry);
        Lowered::new(move |call| kernels.pack_weights(call.inputs[0], call.outputs[0]))
    }
}

impl Op for PackedConvolution {
    fn name(&self) -> &'static str {
        "convolution"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        let residual = usize::from(self.convolution.residual);
        super::arity(inputs, 2 + residual..=3 + residual)?;
        let Convolution { sliding, groups, .. } = &self.convolution;
        let y = output_shape(sliding, *groups, &inputs[0].shape, &self.weights)?;
        self.convolution.check_epilogue(inputs, &y)?;
        Ok(vec![y.into()])
    }

    fn multiply_adds(&self, _inputs: &[Bound], _outputs: &[Bound]) -> u64 {
        self.geometry.multiply_adds()
    }

    fn sharing(&self) -> Sharing {
        self.convolution.epilogue_sharing()
    }

    fn lower(&self, sizes: &Sizes<'_>) -> Lowered {
        let kernels = conv::Convolution::new(self.geometry);
        let (op, in_place) = (self.convolution.clone(), sizes.in_place);
        Lowered::with_scratch(kernels.forward_packed_scratch(), move |call| {
            let epilogue = op.epilogue(&call.inputs, in_place);
            kernels.forward_packed(call.inputs[0], call.inputs[1], epilogue, call.outputs[0], call.scratch);
        })
    }
}
