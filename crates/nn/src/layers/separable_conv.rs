//! Convolution of each channel by itself, then across the channels, over one or two spatial axes.

use convnet_engine::error::Mismatch;
use convnet_engine::ops::Sliding;
use convnet_engine::{EngineError, Shape, Value};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::config::{self, channels, setters, to_map};
use super::conv::convolve;
use super::depthwise_conv::{convolve_depthwise, depthwise_dims};
use super::filters::{check_filters, sliding, with_bias};
use super::{Padding, Size};
use crate::activation::Activation;
use crate::initializers::Initializer;
use crate::layer::{Layer, LayerContext, WeightSpec};

/// Convolves each channel with filters of its own, then mixes the channels of each place: y = f((x ∗ depthwise) · pointwise + bias).
///
/// Input `(batch, spatial…, channels)` with `RANK` spatial axes, output `(batch, new spatial…, filters)`. Weights:
/// `depthwise_kernel` `(kernel sizes…, channels, depth multiplier)`, `pointwise_kernel`
/// `(1…, channels · depth multiplier, filters)`, `bias` `(filters)`. The layers are [`SeparableConv1D`] and
/// [`SeparableConv2D`], with Keras's defaults (Chollet, 2017).
///
/// ```
/// use convnet_nn::Symbol;
/// use convnet_nn::layers::SeparableConv2D;
///
/// let maps = Symbol::input([64, 64, 3]).apply(SeparableConv2D::new(32, 3))?;
/// assert_eq!(maps.shape().dims, [62, 62, 32]);
/// # Ok::<(), convnet_nn::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeparableConv<const RANK: usize> {
    /// Number of filters: channels of the output.
    pub filters: usize,
    /// Sizes of the filters of the channels.
    pub kernel_size: Size<RANK>,
    /// Steps between windows. Default 1.
    #[serde(default = "Size::one")]
    pub strides: Size<RANK>,
    /// Treatment of the border. Default valid.
    #[serde(default)]
    pub padding: Padding,
    /// Steps between the taps of a filter. Default 1.
    #[serde(default = "Size::one")]
    pub dilation_rate: Size<RANK>,
    /// Filters of a channel in the first step. Default 1.
    #[serde(default = "config::one")]
    pub depth_multiplier: usize,
    /// The function f. Default linear.
    #[serde(default, deserialize_with = "crate::activation::or_linear")]
    pub activation: Activation,
    /// Whether there is a bias. Default true.
    #[serde(default = "config::yes")]
    pub use_bias: bool,
    /// How the filters of the first step are filled at first. Default Glorot uniform.
    #[serde(default)]
    pub depthwise_initializer: Initializer,
    /// How those of the second step are filled at first. Default Glorot uniform.
    #[serde(default)]
    pub pointwise_initializer: Initializer,
    /// How the bias is filled at first. Default zeros.
    #[serde(default = "config::zeros")]
    pub bias_initializer: Initializer,
}

/// Separable convolution of sequences. As Keras's
/// [SeparableConv1D](https://keras.io/api/layers/convolution_layers/separable_convolution1d/).
pub type SeparableConv1D = SeparableConv<1>;
/// Separable convolution of images. As Keras's
/// [SeparableConv2D](https://keras.io/api/layers/convolution_layers/separable_convolution2d/).
pub type SeparableConv2D = SeparableConv<2>;

impl<const RANK: usize> SeparableConv<RANK> {
    /// `filters` filters of a size, Keras's defaults for the rest.
    pub fn new(filters: usize, kernel_size: impl Into<Size<RANK>>) -> Self {
        Self {
            filters,
            kernel_size: kernel_size.into(),
            strides: Size::one(),
            padding: Padding::Valid,
            dilation_rate: Size::one(),
            depth_multiplier: 1,
            activation: Activation::Linear,
            use_bias: true,
            depthwise_initializer: Initializer::GlorotUniform,
            pointwise_initializer: Initializer::GlorotUniform,
            bias_initializer: Initializer::Zeros,
        }
    }

    setters! {
        /// Sets the steps between windows.
        strides: into Size<RANK>,
        /// Sets the treatment of the border.
        padding: Padding,
        /// Sets the steps between the taps of a filter.
        dilation_rate: into Size<RANK>,
        /// Sets how many filters a channel has in the first step.
        depth_multiplier: usize,
        /// Sets the function that is applied to the result.
        activation: Activation,
        /// Says whether there is a bias.
        use_bias: bool,
        /// Sets how the filters of the first step are filled at first.
        depthwise_initializer: Initializer,
        /// Sets how those of the second step are filled at first.
        pointwise_initializer: Initializer,
        /// Sets how the bias is filled at first.
        bias_initializer: Initializer,
    }

    pub(super) fn examples() -> Vec<(Self, Vec<Vec<usize>>)> {
        let input = |sizes, channels| vec![Size::<RANK>::of_last(sizes).with_channels(channels)];
        let strided = Self::new(3, 3).strides(2).padding(Padding::Same).depth_multiplier(2);
        vec![
            (Self::new(4, Size::of_last([1, 3, 2])), input([1, 6, 5], 3)),
            (strided.activation(Activation::Tanh), input([1, 7, 6], 2)),
            (Self::new(2, 2).dilation_rate(2).use_bias(false), input([1, 5, 6], 3)),
        ]
    }
}

impl<const RANK: usize> Layer for SeparableConv<RANK> {
    fn class_name(&self) -> &'static str {
        ["SeparableConv1D", "SeparableConv2D"][RANK - 1]
    }

    fn config(&self) -> Map<String, Json> {
        to_map(self)
    }

    fn weights(&self, inputs: &[Shape]) -> Result<Vec<WeightSpec>, Mismatch> {
        let channels = channels::<RANK>(inputs)?;
        check_filters(self.filters)?;
        let depthwise = depthwise_dims(self.kernel_size, channels, self.depth_multiplier)?;
        let pointwise =
            Size::<RANK>::one().0.into_iter().chain([channels * self.depth_multiplier, self.filters]);
        let pointwise: Vec<usize> = pointwise.collect();
        let kernels = vec![
            WeightSpec::trainable("depthwise_kernel", depthwise, self.depthwise_initializer),
            WeightSpec::trainable("pointwise_kernel", pointwise, self.pointwise_initializer),
        ];
        Ok(with_bias(kernels, self.use_bias, self.filters, self.bias_initializer))
    }

    fn call(&self, at: &mut LayerContext<'_>, inputs: &[Value]) -> Result<Value, EngineError> {
        let sliding = sliding(at, self.strides, self.dilation_rate, self.padding)?;
        let (depthwise, rest) = at.weights.split_at(1);
        let x = convolve_depthwise(at.graph, sliding, Activation::Linear, inputs[0], depthwise)?;
        let inputs: Vec<Value> = std::iter::once(x).chain(rest.iter().copied()).collect();
        convolve(at.graph, Sliding::default(), 1, self.activation, &inputs)
    }
}
