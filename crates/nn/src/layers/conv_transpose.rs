//! Transposed convolution over one, two or three spatial axes.

use convnet_engine::error::Mismatch;
use convnet_engine::ops::{BiasAdd, ConvolutionDataGradient};
use convnet_engine::{EngineError, Shape, Value};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::config::{self, channels, setters, to_map};
use super::filters::{check_filters, sliding, with_bias};
use super::{Padding, Size};
use crate::activation::Activation;
use crate::initializers::Initializer;
use crate::layer::{Layer, LayerContext, WeightSpec};

/// Spreads each element with trained filters: the gradient of a convolution as a layer, which makes images larger.
///
/// Input `(batch, spatial…, channels)` with `RANK` spatial axes, output `(batch, new spatial…, filters)`. An axis becomes
/// in · stride long with padding "same", and (in − 1) · stride + max(extent, stride) with "valid", unless there is an output
/// padding. Weights: `kernel` `(kernel sizes…, filters, channels)`, `bias` `(filters)`. The layers are [`Conv1DTranspose`],
/// [`Conv2DTranspose`] and [`Conv3DTranspose`], with Keras's defaults.
///
/// ```
/// use convnet_nn::Symbol;
/// use convnet_nn::layers::{Conv2DTranspose, Padding};
///
/// let small = Symbol::input([7, 7, 128]);
/// let large = small.apply(Conv2DTranspose::new(64, 3).strides(2).padding(Padding::Same))?;
/// assert_eq!(large.shape().dims, [14, 14, 64]);
/// # Ok::<(), convnet_nn::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConvTranspose<const RANK: usize> {
    /// Number of filters: channels of the output.
    pub filters: usize,
    /// Sizes of the filters.
    pub kernel_size: Size<RANK>,
    /// Steps between the places of neighbouring elements in the output. Default 1.
    #[serde(default = "Size::one")]
    pub strides: Size<RANK>,
    /// Treatment of the border. Default valid.
    #[serde(default)]
    pub padding: Padding,
    /// Elements added at the end of the output, less than the strides. Default: what gives the sizes above.
    #[serde(default)]
    pub output_padding: Option<Size<RANK>>,
    /// Steps between the taps of a filter. Default 1.
    #[serde(default = "Size::one")]
    pub dilation_rate: Size<RANK>,
    /// The function that is applied to the result. Default linear.
    #[serde(default, deserialize_with = "crate::activation::or_linear")]
    pub activation: Activation,
    /// Whether there is a bias. Default true.
    #[serde(default = "config::yes")]
    pub use_bias: bool,
    /// How the filters are filled at first. Default Glorot uniform.
    #[serde(default)]
    pub kernel_initializer: Initializer,
    /// How the bias is filled at first. Default zeros.
    #[serde(default = "config::zeros")]
    pub bias_initializer: Initializer,
}

/// Transposed convolution of sequences. As Keras's
/// [Conv1DTranspose](https://keras.io/api/layers/convolution_layers/convolution1d_transpose/).
pub type Conv1DTranspose = ConvTranspose<1>;
/// Transposed convolution of images. As Keras's
/// [Conv2DTranspose](https://keras.io/api/layers/convolution_layers/convolution2d_transpose/).
pub type Conv2DTranspose = ConvTranspose<2>;
/// Transposed convolution of volumes. As Keras's
/// [Conv3DTranspose](https://keras.io/api/layers/convolution_layers/convolution3d_transpose/).
pub type Conv3DTranspose = ConvTranspose<3>;

impl<const RANK: usize> ConvTranspose<RANK> {
    /// `filters` filters of a size, Keras's defaults for the rest.
    pub fn new(filters: usize, kernel_size: impl Into<Size<RANK>>) -> Self {
        Self {
            filters,
            kernel_size: kernel_size.into(),
            strides: Size::one(),
            padding: Padding::Valid,
            output_padding: None,
            dilation_rate: Size::one(),
            activation: Activation::Linear,
            use_bias: true,
            kernel_initializer: Initializer::GlorotUniform,
            bias_initializer: Initializer::Zeros,
        }
    }

    /// Sets how many elements are added at the end of the output.
    pub fn output_padding(self, output_padding: impl Into<Size<RANK>>) -> Self {
        Self { output_padding: Some(output_padding.into()), ..self }
    }

    setters! {
        /// Sets the steps between the places of neighbouring elements in the output.
        strides: into Size<RANK>,
        /// Sets the treatment of the border.
        padding: Padding,
        /// Sets the steps between the taps of a filter.
        dilation_rate: into Size<RANK>,
        /// Sets the function that is applied to the result.
        activation: Activation,
        /// Says whether there is a bias.
        use_bias: bool,
        /// Sets how the filters are filled at first.
        kernel_initializer: Initializer,
        /// Sets how the bias is filled at first.
        bias_initializer: Initializer,
    }

    pub(super) fn examples() -> Vec<(Self, Vec<Vec<usize>>)> {
        let input = |sizes, channels| vec![Size::<RANK>::of_last(sizes).with_channels(channels)];
        let strided = Self::new(3, Size::of_last([1, 3, 3])).strides(2).padding(Padding::Same);
        let padded = Self::new(2, 3).strides(2).output_padding(1);
        vec![
            (Self::new(4, Size::of_last([2, 3, 2])), input([2, 4, 3], 2)),
            (strided.activation(Activation::Tanh), input([2, 3, 4], 3)),
            (padded.use_bias(false), input([2, 3, 2], 1)),
        ]
    }
}

impl<const RANK: usize> Layer for ConvTranspose<RANK> {
    fn class_name(&self) -> &'static str {
        ["Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose"][RANK - 1]
    }

    fn config(&self) -> Map<String, Json> {
        to_map(self)
    }

    fn weights(&self, inputs: &[Shape]) -> Result<Vec<WeightSpec>, Mismatch> {
        let channels = channels::<RANK>(inputs)?;
        check_filters(self.filters)?;
        let dims = [&self.kernel_size.0[..], &[self.filters, channels]].concat();
        let kernel = WeightSpec::trainable("kernel", dims, self.kernel_initializer);
        Ok(with_bias(vec![kernel], self.use_bias, self.filters, self.bias_initializer))
    }

    fn call(&self, at: &mut LayerContext<'_>, inputs: &[Value]) -> Result<Value, EngineError> {
        let sliding = sliding(at, self.strides, self.dilation_rate, self.padding)?;
        let output_padding = self.output_padding.map_or([None; 3], |added| added.of_axes().map(Some));
        let (x, w) = (at.graph.shape(inputs[0]), at.graph.shape(at.weights[0]));
        let op = ConvolutionDataGradient::transposed(x, w, sliding, 1, output_padding)
            .map_err(|mismatch| at.mismatch("transposed convolution", mismatch))?;
        let mut y = at.graph.apply(op, &[inputs[0], at.weights[0]])?;
        if let Some(&bias) = at.weights.get(1) {
            y = at.graph.apply(BiasAdd, &[y, bias])?;
        }
        self.activation.apply(at.graph, y)
    }
}
