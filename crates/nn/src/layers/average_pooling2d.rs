//! Average pooling of images.

use convnet_engine::ops::{AveragePool, Sliding};
use convnet_engine::{EngineError, Value};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::config::to_map;
use super::{Padding, Size2};
use crate::layer::{Layer, LayerContext};

/// The mean of each window, channel by channel; padding does not count.
///
/// Input `(batch, height, width, channels)`, output `(batch, new height, new width, channels)`. As Keras's
/// [AveragePooling2D](https://keras.io/api/layers/pooling_layers/average_pooling2d/).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AveragePooling2D {
    /// Height and width of the windows. Default 2.
    #[serde(default = "two")]
    pub pool_size: Size2,
    /// Treatment of the border. Default valid.
    #[serde(default)]
    pub padding: Padding,
    /// Steps between windows; the window's own size if not given.
    #[serde(default)]
    pub strides: Option<Size2>,
}

fn two() -> Size2 {
    2.into()
}

impl AveragePooling2D {
    /// Windows of a size that lie side by side.
    pub fn new(pool_size: impl Into<Size2>) -> Self {
        Self { pool_size: pool_size.into(), padding: Padding::Valid, strides: None }
    }

    /// Sets the steps between windows.
    pub fn strides(self, strides: impl Into<Size2>) -> Self {
        Self { strides: Some(strides.into()), ..self }
    }

    /// Sets the treatment of the border.
    pub fn padding(self, padding: Padding) -> Self {
        Self { padding, ..self }
    }

    pub(super) fn examples() -> Vec<(Self, Vec<Vec<usize>>)> {
        vec![
            (Self::new(2), vec![vec![6, 5, 3]]),
            (Self::new((3, 2)).strides((1, 2)).padding(Padding::Same), vec![vec![5, 7, 2]]),
        ]
    }
}

impl Layer for AveragePooling2D {
    fn class_name(&self) -> &'static str {
        "AveragePooling2D"
    }

    fn config(&self) -> Map<String, Json> {
        // Keras writes the strides that are in force.
        to_map(&Self { strides: Some(self.strides.unwrap_or(self.pool_size)), ..self.clone() })
    }

    fn call(&self, at: &mut LayerContext<'_>, inputs: &[Value]) -> Result<Value, EngineError> {
        let sliding = Sliding {
            strides: self.strides.unwrap_or(self.pool_size).of_axes(),
            padding: self.padding.of_axes(),
            ..Sliding::default()
        };
        at.graph.apply(AveragePool { window: self.pool_size.0.to_vec(), sliding }, inputs)
    }
}
