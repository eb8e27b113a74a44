//! Three convolutions in one call: one that widens, a depthwise one, and one that narrows again.

use convnet_kernels::conv::{Banded, Filters};
use convnet_kernels::geometry::ConvGeometry;
use smallvec::SmallVec;

use super::{Convolution, PackedConvolution};
use crate::error::Mismatch;
use crate::op::{Lowered, Op, Sizes};
use crate::shape::{Bound, Shape, TensorType};

/// A [`PackedConvolution`], a depthwise [`Convolution`] of its output, and a [`PackedConvolution`] of that with a 1 × 1 kernel.
/// Inputs x, then those of each of the three behind their first one.
#[derive(Clone, Debug)]
pub struct BandedConvolution {
    /// The first.
    pub wide: PackedConvolution,
    /// The second.
    pub depthwise: Convolution,
    /// Its shape, the batch bound.
    pub depthwise_geometry: ConvGeometry,
    /// The third.
    pub narrow: PackedConvolution,
    /// How many inputs each of the three has beside its first one.
    pub inputs: [usize; 3],
    /// Shape of the output.
    pub output: Shape,
}

impl BandedConvolution {
    /// The kernel, if it can do these.
    pub(crate) fn kernel(&self) -> Option<Banded> {
        Banded::new(self.wide.geometry, self.depthwise_geometry, self.narrow.geometry)
    }

    fn convolutions(&self) -> [&Convolution; 3] {
        [&self.wide.convolution, &self.depthwise, &self.narrow.convolution]
    }

    /// Weights and epilogue of each.
    fn filters<'a>(&self, inputs: &[&'a [f32]]) -> [Filters<'a>; 3] {
        let mut start = 0;
        let mut next = 0;
        [(); 3].map(|()| {
            // Each finds its inputs where it has them when it is by itself.
            let mut own: SmallVec<[&[f32]; 4]> =
                SmallVec::from_slice(&inputs[start..=start + self.inputs[next]]);
            own[0] = &[];
            let epilogue = self.convolutions()[next].epilogue(&own, false);
            start += self.inputs[next];
            next += 1;
            Filters { weights: own[1], epilogue }
        })
    }
}

impl Op for BandedConvolution {
    fn name(&self) -> &'static str {
        "banded convolutions"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        let count = 1 + self.inputs.iter().sum::<usize>();
        super::arity(inputs, count..=count)?;
        Ok(vec![self.output.clone().into()])
    }

    fn multiply_adds(&self, _inputs: &[Bound], _outputs: &[Bound]) -> u64 {
        let all = [self.wide.geometry, self.depthwise_geometry, self.narrow.geometry];
        all.iter().map(ConvGeometry::multiply_adds).sum()
    }

    fn lower(&self, _sizes: &Sizes<'_>) -> Lowered {
        let kernel = self.kernel().expect("the pass that makes this operation has asked");
        let op = self.clone();
        Lowered::with_scratch(kernel.scratch(), move |call| {
            kernel.forward(call.inputs[0], op.filters(&call.inputs), call.outputs[0], call.scratch);
        })
    }
}
