//! Convolution of each channel by itself, over one or two spatial axes.

use convnet_engine::error::Mismatch;
use convnet_engine::ops::{Reshape, Sliding};
use convnet_engine::{EngineError, Graph, Shape, Value};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::config::{self, channels, setters, to_map};
use super::conv::convolve;
use super::filters::{sliding, with_bias};
use super::{Padding, Size};
use crate::activation::Activation;
use crate::initializers::Initializer;
use crate::layer::{Layer, LayerContext, WeightSpec};

/// Convolves each channel with filters of its own: y = f(x ∗ kernel + bias).
///
/// Input `(batch, spatial…, channels)` with `RANK` spatial axes, output
/// `(batch, new spatial…, channels · depth multiplier)`, where the results of a channel lie side by side. Weights: `kernel`
/// `(kernel sizes…, channels, depth multiplier)`, `bias` `(channels · depth multiplier)`. The layers are
/// [`DepthwiseConv1D`] and [`DepthwiseConv2D`], with Keras's defaults.
///
/// ```
/// use convnet_nn::Symbol;
/// use convnet_nn::layers::{DepthwiseConv2D, Padding};
///
/// let maps = Symbol::input([112, 112, 32]).apply(DepthwiseConv2D::new(3).padding(Padding::Same))?;
/// assert_eq!(maps.shape().dims, [112, 112, 32]);
/// # Ok::<(), convnet_nn::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DepthwiseConv<const RANK: usize> {
    /// Sizes of the filters.
    pub kernel_size: Size<RANK>,
    /// Steps between windows. Default 1.
    #[serde(default = "Size::one")]
    pub strides: Size<RANK>,
    /// Treatment of the border. Default valid.
    #[serde(default)]
    pub padding: Padding,
    /// Filters of a channel. Default 1.
    #[serde(default = "config::one")]
    pub depth_multiplier: usize,
    /// Steps between the taps of a filter. Default 1.
    #[serde(default = "Size::one")]
    pub dilation_rate: Size<RANK>,
    /// The function f. Default linear.
    #[serde(default, deserialize_with = "crate::activation::or_linear")]
    pub activation: Activation,
    /// Whether there is a bias. Default true.
    #[serde(default = "config::yes")]
    pub use_bias: bool,
    /// How the filters are filled at first. Default Glorot uniform.
    #[serde(default)]
    pub depthwise_initializer: Initializer,
    /// How the bias is filled at first. Default zeros.
    #[serde(default = "config::zeros")]
    pub bias_initializer: Initializer,
}

/// Depthwise convolution of sequences. As Keras's
/// [DepthwiseConv1D](https://keras.io/api/layers/convolution_layers/depthwise_convolution1d/).
pub type DepthwiseConv1D = DepthwiseConv<1>;
/// Depthwise convolution of images. As Keras's
/// [DepthwiseConv2D](https://keras.io/api/layers/convolution_layers/depthwise_convolution2d/).
pub type DepthwiseConv2D = DepthwiseConv<2>;

impl<const RANK: usize> DepthwiseConv<RANK> {
    /// One filter of a size for each channel, Keras's defaults for the rest.
    pub fn new(kernel_size: impl Into<Size<RANK>>) -> Self {
        Self {
            kernel_size: kernel_size.into(),
            strides: Size::one(),
            padding: Padding::Valid,
            depth_multiplier: 1,
            dilation_rate: Size::one(),
            activation: Activation::Linear,
            use_bias: true,
            depthwise_initializer: Initializer::GlorotUniform,
            bias_initializer: Initializer::Zeros,
        }
    }

    setters! {
        /// Sets the steps between windows.
        strides: into Size<RANK>,
        /// Sets the treatment of the border.
        padding: Padding,
        /// Sets how many filters a channel has.
        depth_multiplier: usize,
        /// Sets the steps between the taps of a filter.
        dilation_rate: into Size<RANK>,
        /// Sets the function that is applied to the result.
        activation: Activation,
        /// Says whether there is a bias.
        use_bias: bool,
        /// Sets how the filters are filled at first.
        depthwise_initializer: Initializer,
        /// Sets how the bias is filled at first.
        bias_initializer: Initializer,
    }

    pub(super) fn examples() -> Vec<(Self, Vec<Vec<usize>>)> {
        let input = |sizes, channels| vec![Size::<RANK>::of_last(sizes).with_channels(channels)];
        let strided = Self::new(3).strides(2).padding(Padding::Same).depth_multiplier(2);
        vec![
            (Self::new(Size::of_last([1, 3, 2])), input([1, 6, 5], 3)),
            (strided.activation(Activation::Tanh), input([1, 7, 6], 2)),
            (Self::new(2).dilation_rate(2).use_bias(false), input([1, 5, 6], 9)),
        ]
    }
}

impl<const RANK: usize> Layer for DepthwiseConv<RANK> {
    fn class_name(&self) -> &'static str {
        ["DepthwiseConv1D", "DepthwiseConv2D"][RANK - 1]
    }

    fn config(&self) -> Map<String, Json> {
        to_map(self)
    }

    fn weights(&self, inputs: &[Shape]) -> Result<Vec<WeightSpec>, Mismatch> {
        let channels = channels::<RANK>(inputs)?;
        let dims = depthwise_dims(self.kernel_size, channels, self.depth_multiplier)?;
        let filters = dims[RANK] * dims[RANK + 1];
        let kernel = WeightSpec::trainable("kernel", dims, self.depthwise_initializer);
        Ok(with_bias(vec![kernel], self.use_bias, filters, self.bias_initializer))
    }

    fn call(&self, at: &mut LayerContext<'_>, inputs: &[Value]) -> Result<Value, EngineError> {
        let sliding = sliding(at, self.strides, self.dilation_rate, self.padding)?;
        convolve_depthwise(at.graph, sliding, self.activation, inputs[0], at.weights)
    }
}

/// Sizes of a depthwise kernel, of which the last two, channels and depth multiplier, have a product.
pub(super) fn depthwise_dims<const RANK: usize>(
    kernel_size: Size<RANK>,
    channels: usize,
    depth_multiplier: usize,
) -> Result<Vec<usize>, Mismatch> {
    match channels.checked_mul(depth_multiplier) {
        _ if depth_multiplier == 0 => Err(Mismatch::new("a depth multiplier of at least 1", 0)),
        None => {
            Err(Mismatch::new(format!("a smaller depth multiplier of {channels} channels"), depth_multiplier))
        }
        Some(_) => Ok([&kernel_size.0[..], &[channels, depth_multiplier]].concat()),
    }
}

/// Adds a convolution of as many groups as there are channels. `weights` are the depthwise kernel and perhaps a bias.
pub(super) fn convolve_depthwise(
    graph: &mut Graph,
    sliding: Sliding,
    activation: Activation,
    x: Value,
    weights: &[Value],
) -> Result<Value, EngineError> {
    let mut dims = graph.shape(weights[0]).dims.clone();
    let (channels, multiplier) = (dims[dims.len() - 2], dims[dims.len() - 1]);
    let axes = dims.len();
    dims[axes - 2..].copy_from_slice(&[1, channels * multiplier]);
    let kernel = graph.apply(Reshape { dims }, &weights[..1])?;
    let inputs: Vec<Value> = [x, kernel].into_iter().chain(weights[1..].iter().copied()).collect();
    convolve(graph, sliding, channels, activation, &inputs)
}
