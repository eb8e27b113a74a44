//! Convolution over one, two or three spatial axes.

use convnet_engine::error::Mismatch;
use convnet_engine::ops::{self, Convolution, Sliding};
use convnet_engine::{EngineError, Graph, Shape, Value};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::config::{self, channels, setters, to_map};
use super::filters::{check_filters, with_bias};
use super::{Padding, Size};
use crate::activation::Activation;
use crate::initializers::Initializer;
use crate::layer::{Layer, LayerContext, WeightSpec};

/// Convolves its input with trained filters: y = f(x ∗ kernel + bias).
///
/// Input `(batch, spatial…, channels)` with `RANK` spatial axes, output `(batch, new spatial…, filters)`. Weights: `kernel`
/// `(kernel sizes…, channels / groups, filters)`, `bias` `(filters)`. The layers are [`Conv1D`], [`Conv2D`] and [`Conv3D`], with
/// Keras's defaults.
///
/// ```
/// use convnet_nn::layers::{Conv2D, Padding};
/// use convnet_nn::{Activation, Symbol};
///
/// let photo = Symbol::input([224, 224, 3]);
/// let maps = photo.apply(Conv2D::new(64, 7).strides(2).padding(Padding::Same).activation(Activation::Relu))?;
/// assert_eq!(maps.shape().dims, [112, 112, 64]);
/// # Ok::<(), convnet_nn::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conv<const RANK: usize> {
    /// Number of filters: channels of the output.
    pub filters: usize,
    /// Sizes of the filters.
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
    /// Parts that channels and filters are divided in, each filtered by itself; both are multiples of it. Default 1.
    #[serde(default = "config::one")]
    pub groups: usize,
    /// The function f. Default linear.
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

/// Convolution of sequences. As Keras's [Conv1D](https://keras.io/api/layers/convolution_layers/convolution1d/).
pub type Conv1D = Conv<1>;
/// Convolution of images. As Keras's [Conv2D](https://keras.io/api/layers/convolution_layers/convolution2d/).
pub type Conv2D = Conv<2>;
/// Convolution of volumes. As Keras's [Conv3D](https://keras.io/api/layers/convolution_layers/convolution3d/).
pub type Conv3D = Conv<3>;

impl<const RANK: usize> Conv<RANK> {
    /// `filters` filters of a size, Keras's defaults for the rest.
    pub fn new(filters: usize, kernel_size: impl Into<Size<RANK>>) -> Self {
        Self {
            filters,
            kernel_size: kernel_size.into(),
            strides: Size::one(),
            padding: Padding::Valid,
            dilation_rate: Size::one(),
            groups: 1,
            activation: Activation::Linear,
            use_bias: true,
            kernel_initializer: Initializer::GlorotUniform,
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
        /// Sets the parts that channels and filters are divided in, each filtered by itself.
        groups: usize,
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
        let strided = Self::new(3, Size::of_last([2, 2, 3])).strides(2).padding(Padding::Same);
        let dilated = Self::new(2, Size::of_last([1, 3, 3])).dilation_rate(2).padding(Padding::Same);
        let mut examples = vec![
            (Self::new(4, Size::of_last([2, 3, 3])), input([4, 6, 5], 2)),
            (strided.activation(Activation::Tanh), input([3, 7, 6], 3)),
            (dilated.use_bias(false), input([3, 6, 7], 1)),
            (Self::new(5, 1).activation(Activation::Softmax), input([2, 3, 3], 4)),
            (Self::new(6, Size::of_last([2, 3, 3])).groups(2).padding(Padding::Same), input([3, 4, 5], 4)),
        ];
        if RANK == 1 {
            let causal = Self::new(3, Size::of_last([1, 1, 3])).dilation_rate(2).padding(Padding::Causal);
            examples.push((causal, input([1, 1, 7], 2)));
        }
        examples
    }
}

impl<const RANK: usize> Layer for Conv<RANK> {
    fn class_name(&self) -> &'static str {
        ["Conv1D", "Conv2D", "Conv3D"][RANK - 1]
    }

    fn config(&self) -> Map<String, Json> {
        to_map(self)
    }

    fn weights(&self, inputs: &[Shape]) -> Result<Vec<WeightSpec>, Mismatch> {
        let channels = channels::<RANK>(inputs)?;
        check_filters(self.filters)?;
        if !channels.is_multiple_of(self.groups) || !self.filters.is_multiple_of(self.groups) {
            let expected = format!("channels and filters that divide into {} groups", self.groups);
            return Err(Mismatch::new(expected, format!("{channels} and {}", self.filters)));
        }
        let dims = [&self.kernel_size.0[..], &[channels / self.groups, self.filters]].concat();
        let kernel = WeightSpec::trainable("kernel", dims, self.kernel_initializer);
        Ok(with_bias(vec![kernel], self.use_bias, self.filters, self.bias_initializer))
    }

    fn call(&self, at: &mut LayerContext<'_>, inputs: &[Value]) -> Result<Value, EngineError> {
        let padding = match self.padding {
            Padding::Causal if RANK == 1 => {
                let before = self.kernel_size.0[0].saturating_sub(1).saturating_mul(self.dilation_rate.0[0]);
                [ops::Padding::Explicit { before, after: 0 }; 3]
            }
            padding => padding.of_axes(at)?,
        };
        let sliding =
            Sliding { strides: self.strides.of_axes(), dilation: self.dilation_rate.of_axes(), padding };
        let inputs: Vec<Value> = inputs.iter().chain(at.weights).copied().collect();
        convolve(at.graph, sliding, self.groups, self.activation, &inputs)
    }
}

/// Adds a convolution of input, kernel and perhaps bias, and the function that ends it, in one operation where that is possible.
pub(super) fn convolve(
    graph: &mut Graph,
    sliding: Sliding,
    groups: usize,
    activation: Activation,
    inputs: &[Value],
) -> Result<Value, EngineError> {
    let fused = activation.elementwise();
    let linear = Convolution::linear(sliding, groups);
    let op = Convolution { activation: fused.unwrap_or(ops::Activation::Linear), ..linear };
    let y = graph.apply(op, inputs)?;
    if fused.is_some() { Ok(y) } else { activation.apply(graph, y) }
}
