//! Pooling: the maximum or the mean of each window, over one, two or three spatial axes.

use std::fmt::Debug;
use std::marker::PhantomData;

use convnet_engine::ops::{AveragePool, MaxPool, Reduce, ReduceFunction, Sliding};
use convnet_engine::{EngineError, Graph, Value};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::config::{setters, to_map};
use super::{Padding, Size};
use crate::layer::{Layer, LayerContext};

/// What is made of the elements of a window: [`Max`] or [`Mean`].
pub trait Reduction: Clone + Debug + PartialEq + Send + Sync + 'static {
    /// Keras's class names of the pools over windows, for one, two and three axes.
    const WINDOWS: [&'static str; 3];
    /// Keras's class names of the pools over everything.
    const GLOBAL: [&'static str; 3];
    /// Keras's class names of the pools of a given output size.
    const ADAPTIVE: [&'static str; 3];
    /// Whether it is the largest element, and not the mean.
    const IS_MAX: bool;

    /// Adds the operation to a graph.
    ///
    /// # Errors
    /// If the window does not fit the input.
    fn pool(graph: &mut Graph, x: Value, window: &[usize], sliding: Sliding) -> Result<Value, EngineError>;

    /// Adds the operation for a single window over everything; the spatial axes stay, with one element each.
    ///
    /// # Errors
    /// If the input has other spatial sizes.
    fn pool_all(graph: &mut Graph, x: Value, spatial: &[usize]) -> Result<Value, EngineError> {
        Self::pool(graph, x, spatial, Sliding::default())
    }
}

/// The largest element.
#[derive(Clone, Debug, PartialEq)]
pub struct Max;

/// The mean; padding does not count.
#[derive(Clone, Debug, PartialEq)]
pub struct Mean;

impl Reduction for Max {
    const WINDOWS: [&'static str; 3] = ["MaxPooling1D", "MaxPooling2D", "MaxPooling3D"];
    const GLOBAL: [&'static str; 3] = ["GlobalMaxPooling1D", "GlobalMaxPooling2D", "GlobalMaxPooling3D"];
    const ADAPTIVE: [&'static str; 3] =
        ["AdaptiveMaxPooling1D", "AdaptiveMaxPooling2D", "AdaptiveMaxPooling3D"];
    const IS_MAX: bool = true;

    fn pool(graph: &mut Graph, x: Value, window: &[usize], sliding: Sliding) -> Result<Value, EngineError> {
        graph.apply(MaxPool { window: window.to_vec(), sliding }, &[x])
    }

    /// A reduction, which unlike a pool has no byte to name the winner in, so that the window may be of any size.
    fn pool_all(graph: &mut Graph, x: Value, spatial: &[usize]) -> Result<Value, EngineError> {
        let axes = (0..spatial.len()).collect();
        graph.apply(Reduce { function: ReduceFunction::Max, batch: false, axes, keep_dims: true }, &[x])
    }
}

impl Reduction for Mean {
    const WINDOWS: [&'static str; 3] = ["AveragePooling1D", "AveragePooling2D", "AveragePooling3D"];
    const GLOBAL: [&'static str; 3] =
        ["GlobalAveragePooling1D", "GlobalAveragePooling2D", "GlobalAveragePooling3D"];
    const ADAPTIVE: [&'static str; 3] =
        ["AdaptiveAveragePooling1D", "AdaptiveAveragePooling2D", "AdaptiveAveragePooling3D"];
    const IS_MAX: bool = false;

    fn pool(graph: &mut Graph, x: Value, window: &[usize], sliding: Sliding) -> Result<Value, EngineError> {
        graph.apply(AveragePool { window: window.to_vec(), sliding }, &[x])
    }
}

/// Makes one element of each window, channel by channel.
///
/// Input `(batch, spatial…, channels)` with `RANK` spatial axes, output `(batch, new spatial…, channels)`. The layers are
/// [`MaxPooling1D`], [`MaxPooling2D`], [`MaxPooling3D`], [`AveragePooling1D`], [`AveragePooling2D`] and [`AveragePooling3D`].
///
/// ```
/// use convnet_nn::Symbol;
/// use convnet_nn::layers::{AveragePooling3D, MaxPooling2D, Padding};
///
/// let maps = Symbol::input([112, 112, 64]).apply(MaxPooling2D::new(3).strides(2).padding(Padding::Same))?;
/// assert_eq!(maps.shape().dims, [56, 56, 64]);
/// let scan = Symbol::input([16, 64, 64, 1]).apply(AveragePooling3D::new((1, 4, 4)))?;
/// assert_eq!(scan.shape().dims, [16, 16, 16, 1]);
/// # Ok::<(), convnet_nn::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, bound = "")]
pub struct Pooling<R: Reduction, const RANK: usize> {
    /// Sizes of the windows. Default 2.
    #[serde(default = "Size::two")]
    pub pool_size: Size<RANK>,
    /// Treatment of the border. Default valid.
    #[serde(default)]
    pub padding: Padding,
    /// Steps between windows; the window's own size if not given.
    #[serde(default)]
    pub strides: Option<Size<RANK>>,
    /// What is made of a window.
    #[serde(skip)]
    pub reduction: PhantomData<R>,
}

/// The maximum of each window of a sequence. As Keras's [MaxPooling1D](https://keras.io/api/layers/pooling_layers/max_pooling1d/).
pub type MaxPooling1D = Pooling<Max, 1>;
/// The maximum of each window of an image. As Keras's [MaxPooling2D](https://keras.io/api/layers/pooling_layers/max_pooling2d/).
pub type MaxPooling2D = Pooling<Max, 2>;
/// The maximum of each window of a volume. As Keras's [MaxPooling3D](https://keras.io/api/layers/pooling_layers/max_pooling3d/).
pub type MaxPooling3D = Pooling<Max, 3>;
/// The mean of each window of a sequence. As Keras's
/// [AveragePooling1D](https://keras.io/api/layers/pooling_layers/average_pooling1d/).
pub type AveragePooling1D = Pooling<Mean, 1>;
/// The mean of each window of an image. As Keras's
/// [AveragePooling2D](https://keras.io/api/layers/pooling_layers/average_pooling2d/).
pub type AveragePooling2D = Pooling<Mean, 2>;
/// The mean of each window of a volume. As Keras's
/// [AveragePooling3D](https://keras.io/api/layers/pooling_layers/average_pooling3d/).
pub type AveragePooling3D = Pooling<Mean, 3>;

impl<R: Reduction, const RANK: usize> Pooling<R, RANK> {
    /// Windows of a size that lie side by side.
    pub fn new(pool_size: impl Into<Size<RANK>>) -> Self {
        Self { pool_size: pool_size.into(), padding: Padding::Valid, strides: None, reduction: PhantomData }
    }

    /// Sets the steps between windows.
    pub fn strides(self, strides: impl Into<Size<RANK>>) -> Self {
        Self { strides: Some(strides.into()), ..self }
    }

    setters! {
        /// Sets the treatment of the border.
        padding: Padding,
    }

    pub(super) fn examples() -> Vec<(Self, Vec<Vec<usize>>)> {
        let overlapping = Self::new(Size::of_last([2, 3, 2])).strides(Size::of_last([2, 1, 2]));
        vec![
            (Self::new(2), vec![Size::<RANK>::of_last([4, 6, 5]).with_channels(3)]),
            (overlapping.padding(Padding::Same), vec![Size::<RANK>::of_last([3, 5, 7]).with_channels(2)]),
        ]
    }
}

impl<R: Reduction, const RANK: usize> Layer for Pooling<R, RANK> {
    fn class_name(&self) -> &'static str {
        R::WINDOWS[RANK - 1]
    }

    fn config(&self) -> Map<String, Json> {
        // Keras writes the strides that are in force.
        to_map(&Self { strides: Some(self.strides.unwrap_or(self.pool_size)), ..self.clone() })
    }

    fn call(&self, at: &mut LayerContext<'_>, inputs: &[Value]) -> Result<Value, EngineError> {
        let sliding = Sliding {
            strides: self.strides.unwrap_or(self.pool_size).of_axes(),
            padding: self.padding.of_axes(at)?,
            ..Sliding::default()
        };
        R::pool(at.graph, inputs[0], &self.pool_size.0, sliding)
    }
}
