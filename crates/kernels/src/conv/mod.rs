//! Convolutions and dense layers: forward and both gradients.

mod backward_data;
mod backward_weights;
mod forward;
mod grouped;
mod layout;
mod vector;
mod work;

use crate::cpu::{self, Isa};
use crate::elementwise::Activation;
use crate::gemm::Kernels;
use crate::geometry::ConvGeometry;
use crate::reduce;
use backward_data::DataPlan;
use backward_weights::WeightsPlan;
use forward::ForwardPlan;
use grouped::Grouped;
use layout::Layout;
use std::sync::OnceLock;
pub(crate) use work::for_each_tile;

/// What is done to the sums before they are stored: `output = activation(sum + bias)`.
#[derive(Clone, Copy, Debug)]
pub struct Epilogue<'a> {
    /// One value per output channel.
    pub bias: Option<&'a [f32]>,
    /// Applied last.
    pub activation: Activation,
}

impl Epilogue<'_> {
    /// Stores the sums as they are.
    pub const NONE: Self = Self { bias: None, activation: Activation::Linear };
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
        }
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

    /// Elements of scratch that [`Convolution::forward`] needs.
    pub fn forward_scratch(&self) -> usize {
        let len = match &self.grouped {
            Some(grouped) => grouped.forward_scratch(),
            None => self.forward_plan().scratch(),
        };
        len + ALIGNMENT
    }

    /// Elements of scratch that [`Convolution::backward_data`] needs.
    pub fn backward_data_scratch(&self) -> usize {
        let len = match &self.grouped {
            Some(grouped) => grouped.backward_data_scratch(),
            None => self.data_plan().scratch(),
        };
        len + ALIGNMENT
    }

    /// Elements of scratch that [`Convolution::backward_weights`] needs.
    pub fn backward_weights_scratch(&self) -> usize {
        let len = match &self.grouped {
            Some(grouped) => grouped.backward_weights_scratch(),
            None => self.weights_plan().scratch(),
        };
        len + ALIGNMENT
    }

    /// `output[n,o,f] = activation(bias[f] + Σ_tap Σ_c input[n, source(o,tap), c] · weights[tap,c,f])`.
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
        if let Some(grouped) = &self.grouped {
            let scratch = aligned("forward", scratch, grouped.forward_scratch());
            grouped.forward(input, weights, epilogue, output, scratch);
            return;
        }
        let plan = self.forward_plan();
        let scratch = aligned("forward", scratch, plan.scratch());
        plan.run(g, self.layout(), self.kernels, input, weights, epilogue, output, scratch);
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
        if let Some(grouped) = &self.grouped {
            let scratch = aligned("backward_data", scratch, grouped.backward_data_scratch());
            grouped.backward_data(output_gradient, weights, input_gradient, scratch);
            return;
        }
        let plan = self.data_plan();
        let scratch = aligned("backward_data", scratch, plan.scratch());
        plan.run(g, self.kernels, output_gradient, weights, input_gradient, scratch);
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
        if let Some(grouped) = &self.grouped {
            let scratch = aligned("backward_weights", scratch, grouped.backward_weights_scratch());
            grouped.backward_weights(input, output_gradient, weight_gradient, scratch);
        } else {
            let plan = self.weights_plan();
            let scratch = aligned("backward_weights", scratch, plan.scratch());
            plan.run(g, self.layout(), self.kernels, input, output_gradient, weight_gradient, scratch);
        }
        if let Some(bias_gradient) = bias_gradient {
            check("backward_weights", "bias gradient", bias_gradient.len(), g.out_channels);
            let rows = output_gradient.len() / g.out_channels;
            reduce::sum_rows(rows, g.out_channels, output_gradient, bias_gradient);
        }
    }
}

/// Elements of a cache line: packed panels start on its border.
const ALIGNMENT: usize = 16;

fn check(pass: &str, what: &str, received: usize, expected: usize) {
    assert_eq!(received, expected, "convolution {pass}: the {what} does not have the length of its shape");
}

/// The first `len` elements of `scratch` from a cache line's border on.
fn aligned<'a>(pass: &str, scratch: &'a mut [f32], len: usize) -> &'a mut [f32] {
    assert!(
        scratch.len() >= len + ALIGNMENT,
        "convolution {pass}: {} elements of scratch, but {} are needed",
        scratch.len(),
        len + ALIGNMENT
    );
    let start = scratch.as_ptr().align_offset(4 * ALIGNMENT).min(ALIGNMENT);
    &mut scratch[start..start + len]
}
