//! The forward pass on pairs of 16-bit numbers, for machines that multiply two at once.
//!
//! Two neighbouring channels, rounded to 16 bits (bf16), take the place of one float. To everything but the multiply-add this is a
//! convolution of half the channels, so tables, pieces and kernels are those of the direct one. Sums have 32 bits, and so have bias,
//! residual and output.
//!
//! The instruction (AVX-512 BF16, `vdpbf16ps`) adds first the product of the odd channels, then that of the even ones, each rounded to nearest
//! even. It takes numbers below 2⁻¹²⁶ for zero, factors as well as sums.

use super::forward::ForwardPlan;
use super::layout::Layout;
use super::{ALIGNMENT, Epilogue, aligned, check, check_residual};
use crate::cpu::{self, Isa};
use crate::elementwise;
use crate::gemm::{Kernels, pack};
use crate::geometry::ConvGeometry;
use crate::winograd::{self, Pass};

/// A convolution of fixed shape whose input and weights are rounded to 16 bits. Slices are as for [`super::Convolution`].
///
/// ```
/// use convnet_kernels::conv::{Epilogue, PairConvolution};
/// use convnet_kernels::{cpu::Isa, geometry::ConvGeometry};
///
/// let g = ConvGeometry::matrix(4, 2, 1);
/// let dense = PairConvolution::with_isa(g, Isa::Emulated512).unwrap();
/// let (mut output, mut scratch) = ([0.0; 4], vec![0.0; dense.forward_scratch()]);
/// let input = [1.0, 1.0, 1.0, 2.0, 1.0, 3.0, 1.0 + 1.0 / 512.0, 0.0];
/// dense.forward(&input, &[0.5, 2.0], Epilogue::NONE, &mut output, &mut scratch);
/// assert_eq!(output, [2.5, 4.5, 6.5, 0.5]);
/// ```
#[derive(Clone, Debug)]
pub struct PairConvolution {
    geometry: ConvGeometry,
    /// The same with a pair in the place of two channels.
    pairs: ConvGeometry,
    kernels: &'static Kernels,
    layout: Layout,
    plan: ForwardPlan,
}

impl PairConvolution {
    /// A convolution on the instruction set in use, where that is expected to be the fastest way for a forward pass.
    pub fn new(geometry: ConvGeometry, pass: Pass) -> Option<Self> {
        let isa = cpu::isa();
        let convolution = Self::with_isa(geometry, isa)?;
        winograd::pairs_are_faster(&geometry, pass, isa).then_some(convolution)
    }

    /// A convolution on a given instruction set; `None` if that has no such instruction ([`Isa::has_pairs`]), and where there is no use for
    /// it: for several groups, an odd number of channels, and up to three output pixels (see
    /// [`super::Convolution::has_forward_bf16`]).
    pub fn with_isa(geometry: ConvGeometry, isa: Isa) -> Option<Self> {
        let kernels = Kernels::of_pairs(isa)?;
        if geometry.groups > 1 || !geometry.in_channels.is_multiple_of(2) {
            return None;
        }
        let pairs = ConvGeometry { in_channels: geometry.in_channels / 2, ..geometry };
        let layout = Layout::new(&pairs);
        let plan = ForwardPlan::new(&pairs, &layout, kernels);
        (!plan.is_vector()).then_some(Self { geometry, pairs, kernels, layout, plan })
    }

    /// Elements that [`PairConvolution::pack_weights`] writes.
    pub fn packed_weights_len(&self) -> usize {
        self.plan.packed_len().unwrap_or(0)
    }

    /// Rounds weights and brings them into the order in which [`PairConvolution::forward_packed`] reads them.
    ///
    /// # Panics
    /// If a slice has a wrong length.
    pub fn pack_weights(&self, weights: &[f32], packed: &mut [f32]) {
        check("pack_weights", "weights", weights.len(), self.geometry.weights_len());
        check("pack_weights", "packed", packed.len(), self.packed_weights_len());
        pack::pack_pairs(weights, self.geometry.out_channels, self.kernels.columns(), packed);
    }

    /// Elements of the input in pairs, so that what follows starts on a cache line's border.
    fn input_len(&self) -> usize {
        self.pairs.input_len().next_multiple_of(ALIGNMENT)
    }

    /// Elements of scratch that [`PairConvolution::forward_packed`] needs.
    pub fn forward_packed_scratch(&self) -> usize {
        self.input_len() + self.plan.packed_scratch() + ALIGNMENT
    }

    /// Elements of scratch that [`PairConvolution::forward`] needs.
    pub fn forward_scratch(&self) -> usize {
        self.packed_weights_len() + self.forward_packed_scratch()
    }

    /// `output[n,o,f] = activation(bias[f] + residual[n,o,f] + Σ_tap Σ_c input[n, source(o,tap), c] · weights[tap,c,f])`, the factors of the sum
    /// rounded to 16 bits.
    ///
    /// # Panics
    /// If a slice does not have the length of its shape, or `scratch` is too short.
    pub fn forward(
        &self,
        input: &[f32],
        weights: &[f32],
        epilogue: Epilogue<'_>,
        output: &mut [f32],
        scratch: &mut [f32],
    ) {
        let scratch = aligned("forward of pairs", scratch, self.forward_scratch() - ALIGNMENT);
        let (packed, scratch) = scratch.split_at_mut(self.packed_weights_len());
        self.pack_weights(weights, packed);
        self.run(input, packed, epilogue, output, scratch);
    }

    /// As [`PairConvolution::forward`], with packed weights.
    ///
    /// # Panics
    /// As [`PairConvolution::forward`].
    pub fn forward_packed(
        &self,
        input: &[f32],
        packed: &[f32],
        epilogue: Epilogue<'_>,
        output: &mut [f32],
        scratch: &mut [f32],
    ) {
        let scratch = aligned("forward of pairs", scratch, self.forward_packed_scratch() - ALIGNMENT);
        check("forward of pairs", "packed", packed.len(), self.packed_weights_len());
        self.run(input, packed, epilogue, output, scratch);
    }

    fn run(
        &self,
        input: &[f32],
        packed: &[f32],
        epilogue: Epilogue<'_>,
        output: &mut [f32],
        scratch: &mut [f32],
    ) {
        let g = &self.geometry;
        check("forward of pairs", "input", input.len(), g.input_len());
        check("forward of pairs", "output", output.len(), g.output_len());
        if let Some(bias) = epilogue.bias {
            check("forward of pairs", "bias", bias.len(), g.out_channels);
        }
        check_residual(epilogue.residual, g);
        let (pairs, copy) = scratch.split_at_mut(self.input_len());
        let pairs = &mut pairs[..self.pairs.input_len()];
        // SAFETY: any bits are numbers of 16 bits, and any two of those a float.
        let (_, halves, _) = unsafe { pairs.align_to_mut::<u16>() };
        elementwise::narrow(input, halves);
        self.plan.run_packed(&self.pairs, &self.layout, self.kernels, pairs, packed, epilogue, output, copy);
    }
}
