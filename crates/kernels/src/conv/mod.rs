//! Convolutions and dense layers: forward and both gradients.

mod backward_data;
mod backward_weights;
mod banded;
mod forward;
mod grouped;
mod layout;
mod pairs;
mod vector;
pub(crate) mod work;

use crate::cpu::{self, Isa};
use crate::elementwise::Activation;
use crate::gemm::Kernels;
use crate::geometry::ConvGeometry;
use crate::reduce;
use crate::winograd::{self, Method, Pass, Winograd};
use backward_data::DataPlan;
use backward_weights::WeightsPlan;
pub use banded::{Banded, Filters};
use forward::ForwardPlan;
use grouped::Grouped;
use layout::Layout;
pub use pairs::PairConvolution;
use std::sync::OnceLock;
pub(crate) use work::for_each_tile;

/// What is added to the output of a convolution.
#[derive(Clone, Copy, Debug, Default)]
pub enum Residual<'a> {
    /// Nothing.
    #[default]
    None,
    /// Values of the output's shape.
    Slice(&'a [f32]),
    /// What is in the output before the call.
    Output,
}

/// What is done to the sums before they are stored: `output = activation(sum + bias + residual)`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Epilogue<'a> {
    /// One value per output channel.
    pub bias: Option<&'a [f32]>,
    /// The other branch of a residual connection; none if there are several groups.
    pub residual: Residual<'a>,
    /// Applied last.
    pub activation: Activation,
}

impl Epilogue<'_> {
    /// Stores the sums as they are.
    pub const NONE: Self = Self { bias: None, residual: Residual::None, activation: Activation::Linear };
}

/// A convolution of fixed shape, with its tables prepared: make one per planned node, then call it every step.
///
/// Shapes, all row-major: input `(batch, depth, height, width, in_channels)`, weights
/// `(kernel depth, kernel height, kernel width, in_channels / groups, out_channels)`, output
/// `(batch, out depth, out height, out width, out_channels)`. Dense layers are [`ConvGeometry::matrix`].
///
/// The tables of a pass are made when its scratch is asked for, or at its first call.
///
/// ```
/// use convnet_kernels::conv::{Convolution, Epilogue};
/// use convnet_kernels::geometry::ConvGeometry;
///
/// let dense = Convolution::new(ConvGeometry::matrix(1, 2, 3));
/// let mut output = [0.0; 3];
/// let mut scratch = vec![0.0; dense.forward_scratch()];
/// dense.forward(&[1.0, 2.0], &[1.0, 0.0, 3.0, 0.0, 1.0, 1.0], Epilogue::NONE, &mut output, &mut scratch);
/// assert_eq!(output, [1.0, 2.0, 5.0]);
/// ```
#[derive(Clone, Debug)]
pub struct Convolution {
    geometry: ConvGeometry,
    kernels: &'static Kernels,
    /// What runs instead of the plans below if there is more than one group.
    grouped: Option<Grouped>,
    layout: OnceLock<Layout>,
    forward: OnceLock<ForwardPlan>,
    data: OnceLock<DataPlan>,
    weights: OnceLock<WeightsPlan>,
    isa: Isa,
    /// The method that is used for all passes that allow it; `None` leaves the choice to [`winograd::choose`].
    method: Option<Method>,
    /// Those passes that are computed by tiles.
    winograd: [OnceLock<Option<Winograd>>; 4],
}

/// How a pass is done.
enum Way<'a> {
    Direct,
    Grouped(&'a Grouped),
    Winograd(&'a Winograd),
}

impl Convolution {
    /// A convolution on the instruction set in use.
    ///
    /// # Panics
    /// If a channel count or the batch is zero, or the groups do not divide the channels.
    pub fn new(geometry: ConvGeometry) -> Self {
        Self::with_isa(geometry, cpu::isa())
    }

    /// A convolution on a given instruction set; results of different ones differ by rounding only.
    ///
    /// # Panics
    /// If this machine does not have it, a channel count or the batch is zero, or the groups do not divide the channels.
    pub fn with_isa(geometry: ConvGeometry, isa: Isa) -> Self {
        assert!(isa.is_supported(), "this machine does not have {isa}");
        assert!(
            geometry.batch > 0 && geometry.in_channels > 0 && geometry.out_channels > 0,
            "a convolution needs at least one image and one channel on each side: {geometry:?}"
        );
        assert!(
            geometry.in_channels.is_multiple_of(geometry.groups)
                && geometry.out_channels.is_multiple_of(geometry.groups),
            "the groups must divide the channels: {geometry:?}"
        );
        Self {
            geometry,
            kernels: Kernels::of(isa),
            grouped: (geometry.groups > 1).then(|| Grouped::new(&geometry, isa)),
            layout: OnceLock::new(),
            forward: OnceLock::new(),
            data: OnceLock::new(),
            weights: OnceLock::new(),
            isa,
            method: None,
            winograd: Default::default(),
        }
    }

    /// Uses a method for all passes instead of the one that [`winograd::choose`] would take for each. Meant for tests and
    /// benchmarks; tiles fall back to direct where [`Winograd::allows`] does not.
    #[must_use]
    pub fn with_method(mut self, method: Method) -> Self {
        self.method = Some(method);
        self.grouped = self.grouped.map(|grouped| grouped.with_method(method));
        self.winograd = Default::default();
        self
    }

    /// The shape.
    pub fn geometry(&self) -> &ConvGeometry {
        &self.geometry
    }

    fn layout(&self) -> &Layout {
        self.layout.get_or_init(|| Layout::new(&self.geometry))
    }

    fn forward_plan(&self) -> &ForwardPlan {
        self.forward.get_or_init(|| ForwardPlan::new(&self.geometry, self.layout(), self.kernels))
    }

    fn data_plan(&self) -> &DataPlan {
        self.data.get_or_init(|| DataPlan::new(&self.geometry, self.kernels))
    }

    fn weights_plan(&self) -> &WeightsPlan {
        self.weights.get_or_init(|| WeightsPlan::new(&self.geometry, self.layout(), self.kernels))
    }

    /// What computes a pass by tiles, if that is the way to do it.
    fn winograd(&self, pass: Pass) -> Option<&Winograd> {
        let cell = match pass {
            Pass::Forward => &self.winograd[0],
            Pass::ForwardPacked => &self.winograd[1],
            Pass::BackwardData => &self.winograd[2],
            Pass::BackwardWeights => &self.winograd[3],
        };
        let make = || match self.method.unwrap_or_else(|| winograd::choose(&self.geometry, pass, self.isa)) {
            Method::Winograd(size) if Winograd::allows(&self.geometry) => {
                Some(Winograd::new(self.geometry, self.isa, size))
            }
            _ => None,
        };
        cell.get_or_init(make).as_ref()
    }

    /// How a pass is done.
    fn way(&self, pass: Pass) -> Way<'_> {
        match (&self.grouped, self.winograd(pass)) {
            (Some(grouped), _) => Way::Grouped(grouped),
            (None, Some(winograd)) => Way::Winograd(winograd),
            (None, None) => Way::Direct,
        }
    }

    /// Elements of scratch that [`Convolution::forward`] needs.
    pub fn forward_scratch(&self) -> usize {
        match self.way(Pass::Forward) {
            Way::Grouped(grouped) => grouped.forward_scratch() + ALIGNMENT,
            Way::Winograd(winograd) => winograd.forward_scratch(),
            Way::Direct => self.forward_plan().scratch() + ALIGNMENT,
        }
    }

    /// Elements of scratch that [`Convolution::backward_data`] needs.
    pub fn backward_data_scratch(&self) -> usize {
        match self.way(Pass::BackwardData) {
            Way::Grouped(grouped) => grouped.backward_data_scratch() + ALIGNMENT,
            Way::Winograd(winograd) => winograd.backward_data_scratch(),
            Way::Direct => self.data_plan().scratch() + ALIGNMENT,
        }
    }

    /// Elements of scratch that [`Convolution::backward_weights`] needs.
    pub fn backward_weights_scratch(&self) -> usize {
        match self.way(Pass::BackwardWeights) {
            Way::Grouped(grouped) => grouped.backward_weights_scratch() + ALIGNMENT,
            Way::Winograd(winograd) => winograd.backward_weights_scratch(),
            Way::Direct => self.weights_plan().scratch(&self.geometry) + ALIGNMENT,
        }
    }

    /// `output[n,o,f] = activation(bias[f] + residual[n,o,f] + Σ_tap Σ_c input[n, source(o,tap), c] · weights[tap,c,f])`.
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
        let g = &self.geometry;
        check("forward", "input", input.len(), g.input_len());
        check("forward", "weights", weights.len(), g.weights_len());
        check("forward", "output", output.len(), g.output_len());
        if let Some(bias) = epilogue.bias {
            check("forward", "bias", bias.len(), g.out_channels);
        }
        check_residual(epilogue.residual, g);
        match self.way(Pass::Forward) {
            Way::Grouped(grouped) => {
                let scratch = aligned("forward", scratch, grouped.forward_scratch());
                grouped.forward(input, weights, epilogue, output, scratch);
            }
            Way::Winograd(winograd) => winograd.forward(input, weights, epilogue, output, scratch),
            Way::Direct => {
                let plan = self.forward_plan();
                let scratch = aligned("forward", scratch, plan.scratch());
                plan.run(g, self.layout(), self.kernels, input, weights, epilogue, output, scratch);
            }
        }
    }

    /// Elements that [`Convolution::pack_weights`] writes; `None` where packing gains nothing, because a call reads each
    /// weight only once or twice, and for several groups.
    pub fn packed_weights_len(&self) -> Option<usize> {
        match self.way(Pass::ForwardPacked) {
            Way::Grouped(_) => None,
            Way::Winograd(winograd) => Some(winograd.packed_weights_len()),
            Way::Direct => self.forward_plan().packed_len(),
        }
    }

    /// Brings weights into the order in which [`Convolution::forward_packed`] reads them: once for many calls.
    ///
    /// # Panics
    /// If a slice has a wrong length.
    pub fn pack_weights(&self, weights: &[f32], packed: &mut [f32]) {
        check("pack_weights", "weights", weights.len(), self.geometry.weights_len());
        check("pack_weights", "packed", packed.len(), self.packed_weights_len().unwrap_or(0));
        match self.way(Pass::ForwardPacked) {
            Way::Winograd(winograd) => winograd.pack_weights(weights, packed),
            _ => self.forward_plan().pack(&self.geometry, self.kernels, weights, packed),
        }
    }

    /// Elements of scratch that [`Convolution::forward_packed`] needs.
    pub fn forward_packed_scratch(&self) -> usize {
        match self.way(Pass::ForwardPacked) {
            Way::Winograd(winograd) => winograd.forward_packed_scratch(),
            _ => self.forward_plan().packed_scratch() + ALIGNMENT,
        }
    }

    /// As [`Convolution::forward`], with packed weights.
    ///
    /// # Panics
    /// As [`Convolution::forward`].
    pub fn forward_packed(
        &self,
        input: &[f32],
        packed: &[f32],
        epilogue: Epilogue<'_>,
        output: &mut [f32],
        scratch: &mut [f32],
    ) {
        let g = &self.geometry;
        check("forward_packed", "input", input.len(), g.input_len());
        check("forward_packed", "packed", packed.len(), self.packed_weights_len().unwrap_or(0));
        check("forward_packed", "output", output.len(), g.output_len());
        if let Some(bias) = epilogue.bias {
            check("forward_packed", "bias", bias.len(), g.out_channels);
        }
        check_residual(epilogue.residual, g);
        if let Way::Winograd(winograd) = self.way(Pass::ForwardPacked) {
            return winograd.forward_packed(input, packed, epilogue, output, scratch);
        }
        let plan = self.forward_plan();
        let scratch = aligned("forward_packed", scratch, plan.packed_scratch());
        plan.run_packed(g, self.layout(), self.kernels, input, packed, epilogue, output, scratch);
    }

    /// Whether there is [`Convolution::forward_bf16`]: where a call reads each weight once, and has to wait for memory. The dense layer of
    /// up to three samples is such a call.
    pub fn has_forward_bf16(&self) -> bool {
        self.grouped.is_none()
            && matches!(self.way(Pass::Forward), Way::Direct)
            && self.forward_plan().is_vector()
    }

    /// As [`Convolution::forward`], with weights of 16 bits, whose reading takes half the time.
    ///
    /// # Panics
    /// As [`Convolution::forward`], and if there is no such call for this shape.
    pub fn forward_bf16(
        &self,
        input: &[f32],
        weights: &[u16],
        epilogue: Epilogue<'_>,
        output: &mut [f32],
        scratch: &mut [f32],
    ) {
        let g = &self.geometry;
        assert!(self.has_forward_bf16(), "convolution forward_bf16: not for this shape");
        check("forward_bf16", "input", input.len(), g.input_len());
        check("forward_bf16", "weights", weights.len(), g.weights_len());
        check("forward_bf16", "output", output.len(), g.output_len());
        if let Some(bias) = epilogue.bias {
            check("forward_bf16", "bias", bias.len(), g.out_channels);
        }
        check_residual(epilogue.residual, g);
        let scratch = aligned("forward_bf16", scratch, self.forward_plan().scratch());
        let input = self.layout().prepare(g, input, scratch);
        vector::forward(g, self.layout(), input, weights, epilogue, output);
    }

    /// `input_gradient[n,i,c] = Σ_{o,tap: source(o,tap)=i} Σ_f output_gradient[n,o,f] · weights[tap,c,f]`; what was in
    /// `input_gradient` is overwritten.
    ///
    /// # Panics
    /// As [`Convolution::forward`].
    pub fn backward_data(
        &self,
        output_gradient: &[f32],
        weights: &[f32],
        input_gradient: &mut [f32],
        scratch: &mut [f32],
    ) {
        let g = &self.geometry;
        check("backward_data", "output gradient", output_gradient.len(), g.output_len());
        check("backward_data", "weights", weights.len(), g.weights_len());
        check("backward_data", "input gradient", input_gradient.len(), g.input_len());
        match self.way(Pass::BackwardData) {
            Way::Grouped(grouped) => {
                let scratch = aligned("backward_data", scratch, grouped.backward_data_scratch());
                grouped.backward_data(output_gradient, weights, input_gradient, scratch);
            }
            Way::Winograd(winograd) => {
                winograd.backward_data(output_gradient, weights, input_gradient, scratch);
            }
            Way::Direct => {
                let plan = self.data_plan();
                let scratch = aligned("backward_data", scratch, plan.scratch());
                plan.run(g, self.kernels, output_gradient, weights, input_gradient, scratch);
            }
        }
    }

    /// `weight_gradient[tap,c,f] = Σ_{n,o} input[n, source(o,tap), c] · output_gradient[n,o,f]` and, if asked for,
    /// `bias_gradient[f] = Σ_{n,o} output_gradient[n,o,f]`; both are overwritten.
    ///
    /// # Panics
    /// As [`Convolution::forward`].
    pub fn backward_weights(
        &self,
        input: &[f32],
        output_gradient: &[f32],
        weight_gradient: &mut [f32],
        bias_gradient: Option<&mut [f32]>,
        scratch: &mut [f32],
    ) {
        let g = &self.geometry;
        check("backward_weights", "input", input.len(), g.input_len());
        check("backward_weights", "output gradient", output_gradient.len(), g.output_len());
        check("backward_weights", "weight gradient", weight_gradient.len(), g.weights_len());
        if let Some(bias_gradient) = &bias_gradient {
            check("backward_weights", "bias gradient", bias_gradient.len(), g.out_channels);
        }
        match self.way(Pass::BackwardWeights) {
            Way::Grouped(grouped) => {
                let scratch = aligned("backward_weights", scratch, grouped.backward_weights_scratch());
                grouped.backward_weights(input, output_gradient, weight_gradient, scratch);
            }
            Way::Winograd(winograd) => {
                winograd.backward_weights(input, output_gradient, weight_gradient, scratch);
            }
            Way::Direct => {
                let plan = self.weights_plan();
                let scratch = aligned("backward_weights", scratch, plan.scratch(g));
                let (layout, kernels) = (self.layout(), self.kernels);
                return plan.run(
                    g,
                    layout,
                    kernels,
                    input,
                    output_gradient,
                    weight_gradient,
                    bias_gradient,
                    scratch,
                );
            }
        }
        if let Some(bias_gradient) = bias_gradient {
            let rows = output_gradient.len() / g.out_channels;
            reduce::sum_rows(rows, g.out_channels, output_gradient, bias_gradient);
        }
    }
}

/// Elements of a cache line: packed panels start on its border.
const ALIGNMENT: usize = 16;

pub(crate) fn check(pass: &str, what: &str, received: usize, expected: usize) {
    assert_eq!(received, expected, "convolution {pass}: the {what} does not have the length of its shape");
}

pub(crate) fn check_residual(residual: Residual<'_>, g: &ConvGeometry) {
    assert!(
        g.groups == 1 || matches!(residual, Residual::None),
        "convolution forward: a residual needs a single group"
    );
    if let Residual::Slice(values) = residual {
        check("forward", "residual", values.len(), g.output_len());
    }
}

/// The first `len` elements of `scratch` from a cache line's border on.
pub(crate) fn aligned<'a>(pass: &str, scratch: &'a mut [f32], len: usize) -> &'a mut [f32] {
    assert!(
        scratch.len() >= len + ALIGNMENT,
        "convolution {pass}: {} elements of scratch, but {} are needed",
        scratch.len(),
        len + ALIGNMENT
    );
    let start = scratch.as_ptr().align_offset(4 * ALIGNMENT).min(ALIGNMENT);
    &mut scratch[start..start + len]
}
