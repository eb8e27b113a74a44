//! Merging of inputs element by element.

use std::fmt::Debug;
use std::marker::PhantomData;

use convnet_engine::error::Mismatch;
use convnet_engine::ops::{Binary, BinaryFunction, Fill, Reshape, ScaleShift, Sum};
use convnet_engine::{EngineError, Graph, Shape, Value};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::config::to_map;
use super::masks;
use crate::layer::{Layer, LayerContext, WeightSpec};

/// What is made of the elements in one place.
pub trait Merger: Clone + Debug + PartialEq + Send + Sync + 'static {
    /// Keras's class name.
    const CLASS: &'static str;
    /// Most inputs that it takes.
    const MOST: usize = usize::MAX;

    /// Adds the operation to a graph.
    ///
    /// # Errors
    /// If the inputs do not fit each other.
    fn merge(graph: &mut Graph, inputs: &[Value]) -> Result<Value, EngineError>;

    /// The same of inputs of as many axes, of which some have a mask. Unless it is said otherwise, masked steps are merged as others.
    ///
    /// # Errors
    /// If the inputs do not fit each other.
    fn merge_masked(
        at: &mut LayerContext<'_>,
        inputs: &[Value],
        _masks: &[Option<Value>],
    ) -> Result<Value, EngineError> {
        Self::merge(at.graph, inputs)
    }
}

/// Makes one output of two or more inputs.
///
/// They have one shape, which the output has too, or differ in axes along which one of them has a single element, which is
/// then repeated; of fewer axes the last ones count. The layers are [`Add`], [`Subtract`], [`Multiply`], [`Average`],
/// [`Maximum`] and [`Minimum`].
///
/// ```
/// use convnet_nn::Symbol;
/// use convnet_nn::layers::{Add, Multiply};
///
/// let (a, b) = (Symbol::input([4, 4, 8]), Symbol::input([4, 4, 8]));
/// assert_eq!(Symbol::merge(Add::new(), &[&a, &b])?.shape().dims, [4, 4, 8]);
/// let weights_of_channels = Symbol::input([1, 1, 8]);
/// assert_eq!(Symbol::merge(Multiply::new(), &[&a, &weights_of_channels])?.shape().dims, [4, 4, 8]);
/// # Ok::<(), convnet_nn::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, bound = "")]
pub struct Merging<M: Merger> {
    /// What is made of the elements in one place.
    #[serde(skip)]
    pub merger: PhantomData<M>,
}

/// The sum of all inputs. As Keras's [Add](https://keras.io/api/layers/merging_layers/add/).
pub type Add = Merging<Sums>;
/// The first of two inputs less the second. As Keras's [Subtract](https://keras.io/api/layers/merging_layers/subtract/).
pub type Subtract = Merging<Differences>;
/// The product of all inputs. As Keras's [Multiply](https://keras.io/api/layers/merging_layers/multiply/).
pub type Multiply = Merging<Products>;
/// The mean of all inputs. As Keras's [Average](https://keras.io/api/layers/merging_layers/average/).
pub type Average = Merging<Means>;
/// The largest of all inputs. As Keras's [Maximum](https://keras.io/api/layers/merging_layers/maximum/).
pub type Maximum = Merging<Maxima>;
/// The smallest of all inputs. As Keras's [Minimum](https://keras.io/api/layers/merging_layers/minimum/).
pub type Minimum = Merging<Minima>;

/// Σ xᵢ.
#[derive(Clone, Debug, PartialEq)]
pub struct Sums;

/// x₁ − x₂.
#[derive(Clone, Debug, PartialEq)]
pub struct Differences;

/// ∏ xᵢ.
#[derive(Clone, Debug, PartialEq)]
pub struct Products;

/// Σ xᵢ / n.
#[derive(Clone, Debug, PartialEq)]
pub struct Means;

/// max xᵢ.
#[derive(Clone, Debug, PartialEq)]
pub struct Maxima;

/// min xᵢ.
#[derive(Clone, Debug, PartialEq)]
pub struct Minima;

impl Merger for Sums {
    const CLASS: &'static str = "Add";

    fn merge(graph: &mut Graph, inputs: &[Value]) -> Result<Value, EngineError> {
        if inputs[1..].iter().all(|&input| graph.shape(input) == graph.shape(inputs[0])) {
            return graph.apply(Sum, inputs);
        }
        fold(graph, BinaryFunction::Add, inputs)
    }
}

impl Merger for Differences {
    const CLASS: &'static str = "Subtract";
    const MOST: usize = 2;

    fn merge(graph: &mut Graph, inputs: &[Value]) -> Result<Value, EngineError> {
        fold(graph, BinaryFunction::Subtract, inputs)
    }
}

impl Merger for Products {
    const CLASS: &'static str = "Multiply";

    fn merge(graph: &mut Graph, inputs: &[Value]) -> Result<Value, EngineError> {
        fold(graph, BinaryFunction::Multiply, inputs)
    }

    /// Masked steps count as 1, and where all inputs are masked the product is 0.
    fn merge_masked(
        at: &mut LayerContext<'_>,
        inputs: &[Value],
        masks: &[Option<Value>],
    ) -> Result<Value, EngineError> {
        let number =
            |at: &mut LayerContext<'_>, value| at.graph.apply(Fill { value, shape: Shape::fixed([]) }, &[]);
        let one = number(at, 1.0)?;
        let mut factors = Vec::new();
        for (&input, &mask) in inputs.iter().zip(masks) {
            factors.push(match mask {
                Some(mask) => masks::select(at, mask, input, one)?,
                None => input,
            });
        }
        let product = Self::merge(at.graph, &factors)?;
        match masks::any(at.graph, masks)? {
            Some(mask) => {
                let zero = number(at, 0.0)?;
                masks::select(at, mask, product, zero)
            }
            None => Ok(product),
        }
    }
}

impl Merger for Means {
    const CLASS: &'static str = "Average";

    fn merge(graph: &mut Graph, inputs: &[Value]) -> Result<Value, EngineError> {
        let sum = Sums::merge(graph, inputs)?;
        graph.apply(ScaleShift { scale: 1.0 / inputs.len() as f32, shift: 0.0 }, &[sum])
    }
}

impl Merger for Maxima {
    const CLASS: &'static str = "Maximum";

    fn merge(graph: &mut Graph, inputs: &[Value]) -> Result<Value, EngineError> {
        fold(graph, BinaryFunction::Maximum, inputs)
    }

    fn merge_masked(
        at: &mut LayerContext<'_>,
        inputs: &[Value],
        masks: &[Option<Value>],
    ) -> Result<Value, EngineError> {
        extreme_of_masked::<Self>(at, inputs, masks)
    }
}

impl Merger for Minima {
    const CLASS: &'static str = "Minimum";

    fn merge(graph: &mut Graph, inputs: &[Value]) -> Result<Value, EngineError> {
        fold(graph, BinaryFunction::Minimum, inputs)
    }

    fn merge_masked(
        at: &mut LayerContext<'_>,
        inputs: &[Value],
        masks: &[Option<Value>],
    ) -> Result<Value, EngineError> {
        extreme_of_masked::<Self>(at, inputs, masks)
    }
}

/// The largest or smallest, where a masked step gives way to the others': two inputs at a time, the first with the second, both with the third.
fn extreme_of_masked<M: Merger>(
    at: &mut LayerContext<'_>,
    inputs: &[Value],
    masks: &[Option<Value>],
) -> Result<Value, EngineError> {
    let (mut merged, mut merged_mask) = (inputs[0], masks[0]);
    for (&input, &mask) in inputs.iter().zip(masks).skip(1) {
        let x = match mask {
            Some(mask) => masks::select(at, mask, input, merged)?,
            None => input,
        };
        if let Some(mask) = merged_mask {
            merged = masks::select(at, mask, merged, x)?;
        }
        merged = M::merge(at.graph, &[merged, x])?;
        merged_mask = masks::any(at.graph, &[merged_mask, mask])?;
    }
    Ok(merged)
}

/// The function of the first two inputs, of that and the third, and so on.
fn fold(graph: &mut Graph, function: BinaryFunction, inputs: &[Value]) -> Result<Value, EngineError> {
    inputs[1..].iter().try_fold(inputs[0], |merged, &input| {
        let axes = [merged, input].map(|value| graph.shape(value).dims.len());
        let [merged, input] = [with_axes(graph, merged, axes[1])?, with_axes(graph, input, axes[0])?];
        graph.apply(Binary(function), &[merged, input])
    })
}

/// A value with at least so many axes, those that it lacks of one element each, right after the batch.
fn with_axes(graph: &mut Graph, value: Value, axes: usize) -> Result<Value, EngineError> {
    let dims = graph.shape(value).dims.clone();
    match axes.checked_sub(dims.len()) {
        None | Some(0) => Ok(value),
        Some(missing) => {
            let dims = std::iter::repeat_n(1, missing).chain(dims).collect();
            graph.apply(Reshape { dims }, &[value])
        }
    }
}

impl<M: Merger> Default for Merging<M> {
    fn default() -> Self {
        Self { merger: PhantomData }
    }
}

impl<M: Merger> Merging<M> {
    /// The layer; it has no arguments.
    pub fn new() -> Self {
        Self::default()
    }

    pub(super) fn examples() -> Vec<(Self, Vec<Vec<usize>>)> {
        let most = 3.min(M::MOST);
        vec![
            (Self::new(), vec![vec![3, 2]; 2]),
            (Self::new(), vec![vec![4]; most]),
            (Self::new(), vec![vec![3, 4, 2], vec![1, 2]]),
        ]
    }
}

impl<M: Merger> Layer for Merging<M> {
    fn class_name(&self) -> &'static str {
        M::CLASS
    }

    fn config(&self) -> Map<String, Json> {
        to_map(self)
    }

    fn weights(&self, inputs: &[Shape]) -> Result<Vec<WeightSpec>, Mismatch> {
        match inputs.len() {
            0 | 1 => Err(Mismatch::new("two or more inputs", inputs.len())),
            count if count > M::MOST => Err(Mismatch::new(format!("{} inputs", M::MOST), count)),
            _ => Ok(Vec::new()),
        }
    }

    fn call(&self, at: &mut LayerContext<'_>, inputs: &[Value]) -> Result<Value, EngineError> {
        let mut masks = std::mem::take(&mut at.masks);
        masks.resize(inputs.len(), None);
        at.output_masks = vec![masks::any(at.graph, &masks)?];
        // An input that gets axes loses its mask in Keras.
        let axes = |at: &LayerContext<'_>, value: Value| at.graph.shape(value).dims.len();
        let most = inputs.iter().map(|&input| axes(at, input)).max().unwrap_or(0);
        for (mask, &input) in masks.iter_mut().zip(inputs) {
            mask.take_if(|_| axes(at, input) < most);
        }
        if masks.iter().any(Option::is_some) {
            let inputs: Result<Vec<Value>, _> =
                inputs.iter().map(|&input| with_axes(at.graph, input, most)).collect();
            return M::merge_masked(at, &inputs?, &masks);
        }
        M::merge(at.graph, inputs)
    }
}
