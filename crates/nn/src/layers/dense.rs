//! Fully connected layer.

use convnet_engine::error::Mismatch;
use convnet_engine::ops::Sliding;
use convnet_engine::{EngineError, Shape, Value};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::config::{self, setters, to_map};
use super::conv::convolve;
use super::filters::with_bias;
use crate::activation::Activation;
use crate::initializers::Initializer;
use crate::layer::{Layer, LayerContext, WeightSpec};

/// Connects every input with every unit: y = f(x · kernel + bias), along the last axis.
///
/// Input `(batch, …, inputs)`, output `(batch, …, units)`. Weights: `kernel` `(inputs, units)`, `bias` `(units)`.
/// As Keras's [Dense](https://keras.io/api/layers/core_layers/dense/), with the same defaults.
///
/// ```
/// use convnet_nn::layers::Dense;
/// use convnet_nn::{Activation, Symbol};
///
/// let features = Symbol::input([1152]);
/// let classes = features.apply(Dense::new(10).activation(Activation::Softmax))?;
/// assert_eq!(classes.shape().dims, [10]);
/// # Ok::<(), convnet_nn::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dense {
    /// Number of units: size of the last axis of the output.
    pub units: usize,
    /// The function f. Default linear.
    #[serde(default, deserialize_with = "crate::activation::or_linear")]
    pub activation: Activation,
    /// Whether there is a bias. Default true.
    #[serde(default = "config::yes")]
    pub use_bias: bool,
    /// How the kernel is filled at first. Default Glorot uniform.
    #[serde(default)]
    pub kernel_initializer: Initializer,
    /// How the bias is filled at first. Default zeros.
    #[serde(default = "config::zeros")]
    pub bias_initializer: Initializer,
}

impl Dense {
    /// `units` units, Keras's defaults for the rest.
    pub fn new(units: usize) -> Self {
        Self {
            units,
            activation: Activation::Linear,
            use_bias: true,
            kernel_initializer: Initializer::GlorotUniform,
            bias_initializer: Initializer::Zeros,
        }
    }

    setters! {
        /// Sets the function that is applied to the result.
        activation: Activation,
        /// Says whether there is a bias.
        use_bias: bool,
        /// Sets how the kernel is filled at first.
        kernel_initializer: Initializer,
        /// Sets how the bias is filled at first.
        bias_initializer: Initializer,
    }

    pub(super) fn examples() -> Vec<(Self, Vec<Vec<usize>>)> {
        vec![
            (Self::new(3), vec![vec![5]]),
            (Self::new(4).activation(Activation::Sigmoid).use_bias(false), vec![vec![2, 3]]),
            (Self::new(17).activation(Activation::Softmax), vec![vec![7]]),
        ]
    }
}

impl Layer for Dense {
    fn class_name(&self) -> &'static str {
        "Dense"
    }

    fn config(&self) -> Map<String, Json> {
        to_map(self)
    }

    fn weights(&self, inputs: &[Shape]) -> Result<Vec<WeightSpec>, Mismatch> {
        let size = match inputs {
            [Shape { dims, .. }] if !dims.is_empty() => dims[dims.len() - 1],
            [shape] => return Err(Mismatch::new("an input with an axis besides the batch", shape)),
            _ => return Err(Mismatch::new("one input", inputs.len())),
        };
        if self.units == 0 {
            return Err(Mismatch::new("at least 1 unit", 0));
        }
        let kernel = WeightSpec::trainable("kernel", [size, self.units], self.kernel_initializer);
        Ok(with_bias(vec![kernel], self.use_bias, self.units, self.bias_initializer))
    }

    fn call(&self, at: &mut LayerContext<'_>, inputs: &[Value]) -> Result<Value, EngineError> {
        let inputs: Vec<Value> = inputs.iter().chain(at.weights).copied().collect();
        convolve(at.graph, Sliding::default(), 1, self.activation, &inputs)
    }

    fn passes_mask(&self) -> bool {
        true
    }
}
