//! 2-D convolution.

use convnet_engine::error::Mismatch;
use convnet_engine::ops::{self, Convolution, Sliding};
use convnet_engine::{EngineError, Shape, Value};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::config::{self, to_map};
use super::{Padding, Size2};
use crate::activation::Activation;
use crate::initializers::Initializer;
use crate::layer::{Layer, LayerContext, WeightSpec};

/// Convolves images with trained filters: y = f(x ∗ kernel + bias).
///
/// Input `(batch, height, width, channels)`, output `(batch, new height, new width, filters)`. Weights: `kernel`
/// `(kernel height, kernel width, channels / groups, filters)`, `bias` `(filters)`. As Keras's
/// [Conv2D](https://keras.io/api/layers/convolution_layers/convolution2d/), with the same defaults.
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
pub struct Conv2D {
    /// Number of filters: channels of the output.
    pub filters: usize,
    /// Height and width of the filters.
    pub kernel_size: Size2,
    /// Steps between windows. Default 1.
    #[serde(default = "one")]
    pub strides: Size2,
    /// Treatment of the border. Default valid.
    #[serde(default)]
    pub padding: Padding,
    /// Steps between the taps of a filter. Default 1.
    #[serde(default = "one")]
    pub dilation_rate: Size2,
    /// Parts that channels and filters are divided in, each filtered by itself; both are multiples of it. Default 1.
    #[serde(default = "config::one_group")]
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

fn one() -> Size2 {
    1.into()
}

impl Conv2D {
    /// `filters` filters of a size, Keras's defaults for the rest.
    pub fn new(filters: usize, kernel_size: impl Into<Size2>) -> Self {
        Self {
            filters,
            kernel_size: kernel_size.into(),
            strides: one(),
            padding: Padding::Valid,
            dilation_rate: one(),
            groups: 1,
            activation: Activation::Linear,
            use_bias: true,
            kernel_initializer: Initializer::GlorotUniform,
            bias_initializer: Initializer::Zeros,
        }
    }

    /// Sets the steps between windows.
    pub fn strides(self, strides: impl Into<Size2>) -> Self {
        Self { strides: strides.into(), ..self }
    }

    /// Sets the treatment of the border.
    pub fn padding(self, padding: Padding) -> Self {
        Self { padding, ..self }
    }

    /// Sets the steps between the taps of a filter.
    pub fn dilation_rate(self, dilation_rate: impl Into<Size2>) -> Self {
        Self { dilation_rate: dilation_rate.into(), ..self }
    }

    /// Sets the parts that channels and filters are divided in, each filtered by itself.
    pub fn groups(self, groups: usize) -> Self {
        Self { groups, ..self }
    }

    /// Sets the function that is applied to the result.
    pub fn activation(self, activation: Activation) -> Self {
        Self { activation, ..self }
    }

    /// Says whether there is a bias.
    pub fn use_bias(self, use_bias: bool) -> Self {
        Self { use_bias, ..self }
    }

    /// Sets how the filters are filled at first.
    pub fn kernel_initializer(self, kernel_initializer: Initializer) -> Self {
        Self { kernel_initializer, ..self }
    }

    /// Sets how the bias is filled at first.
    pub fn bias_initializer(self, bias_initializer: Initializer) -> Self {
        Self { bias_initializer, ..self }
    }

    pub(super) fn examples() -> Vec<(Self, Vec<Vec<usize>>)> {
        vec![
            (Self::new(4, 3), vec![vec![6, 5, 2]]),
            (Self::new(3, (2, 3)).strides(2).padding(Padding::Same).activation(Activation::Tanh), vec![vec![7, 6, 3]]),
            (Self::new(2, 3).dilation_rate(2).padding(Padding::Same).use_bias(false), vec![vec![6, 7, 1]]),
            (Self::new(5, 1).activation(Activation::Softmax), vec![vec![3, 3, 4]]),
            (Self::new(6, 3).groups(2).padding(Padding::Same), vec![vec![4, 5, 4]]),
        ]
    }
}

impl Layer for Conv2D {
    fn class_name(&self) -> &'static str {
        "Conv2D"
    }

    fn config(&self) -> Map<String, Json> {
        to_map(self)
    }

    fn weights(&self, inputs: &[Shape]) -> Result<Vec<WeightSpec>, Mismatch> {
        let [height, width] = self.kernel_size.0;
        let channels = match inputs {
            [Shape { dims, .. }] if dims.len() == 3 => dims[2],
            [shape] => return Err(Mismatch::new("an image (height, width, channels)", shape)),
            _ => return Err(Mismatch::new("one input", inputs.len())),
        };
        if self.filters == 0 {
            return Err(Mismatch::new("at least 1 filter", 0));
        }
        if !channels.is_multiple_of(self.groups) || !self.filters.is_multiple_of(self.groups) {
            let expected = format!("channels and filters that divide into {} groups", self.groups);
            return Err(Mismatch::new(expected, format!("{channels} and {}", self.filters)));
        }
        let shape = [height, width, channels / self.groups, self.filters];
        let kernel = WeightSpec::trainable("kernel", shape, self.kernel_initializer);
        let bias = self.use_bias.then(|| WeightSpec::trainable("bias", [self.filters], self.bias_initializer));
        Ok(std::iter::once(kernel).chain(bias).collect())
    }

    fn call(&self, at: &mut LayerContext<'_>, inputs: &[Value]) -> Result<Value, EngineError> {
        let sliding = Sliding {
            strides: self.strides.of_axes(),
            dilation: self.dilation_rate.of_axes(),
            padding: self.padding.of_axes(),
        };
        let inputs: Vec<Value> = inputs.iter().chain(at.weights).copied().collect();
        let fused = self.activation.elementwise();
        let op = Convolution { sliding, groups: self.groups, activation: fused.unwrap_or(ops::Activation::Linear) };
        let y = at.graph.apply(op, &inputs)?;
        if fused.is_some() { Ok(y) } else { self.activation.apply(at.graph, y) }
    }
}
