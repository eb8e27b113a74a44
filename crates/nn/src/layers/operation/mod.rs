//! Operations of the engine as layers: what other frameworks' graphs have between their layers.

use convnet_engine::error::Mismatch;
use convnet_engine::{EngineError, Shape, Value};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::config::to_map;
use crate::initializers::Initializer;
use crate::layer::{Layer, LayerContext, WeightSpec};

mod apply;
mod names;

/// One operation of the engine, on inputs of which some may be constants of its own.
///
/// Models read from ONNX files have it where no layer of Keras does the same. Its configuration is this crate's own: other
/// programs cannot read it.
///
/// ```
/// use convnet_nn::Symbol;
/// use convnet_nn::layers::{Operation, Operator};
///
/// let row = Symbol::input([5]);
/// let picked = row.apply(Operation::new(Operator::Take { axis: 0, indices: vec![4, 0, 0] }))?;
/// assert_eq!(picked.shape().dims, [3]);
/// # Ok::<(), convnet_nn::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Operation {
    /// What is done.
    pub operator: Operator,
    /// The inputs that are its own.
    #[serde(default)]
    pub constants: Vec<Constant>,
}

/// An input that belongs to the layer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Constant {
    /// Its place among the inputs of the operation.
    pub position: usize,
    /// Its sizes.
    pub dims: Vec<usize>,
    /// Whether training may change it.
    pub trainable: bool,
}

/// What an [`Operation`] does. Axes are counted without the batch, 0 being the first after it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Operator {
    /// The input as it is.
    Identity {},
    /// An activation function of the engine by name, with its arguments.
    Activation {
        /// The engine's name, such as `elu`.
        function: String,
        /// Its arguments, in the order of the engine's fields.
        #[serde(default)]
        arguments: Vec<f32>,
    },
    /// A function of one number.
    Unary {
        /// Its name, such as `floor`.
        function: String,
    },
    /// A function of two values, repeated as in NumPy.
    Binary {
        /// Its name, such as `power`.
        function: String,
    },
    /// scale · x + shift.
    Scale {
        /// Factor.
        scale: f32,
        /// Summand.
        shift: f32,
    },
    /// The second input where the first is not 0, else the third, repeated as in NumPy.
    Select {},
    /// The product of the matrices in the last two axes.
    MatMul {},
    /// The input repeated along axes that have one element, or that it does not have.
    Expand {
        /// Sizes of the result.
        dims: Vec<usize>,
    },
    /// The second input, repeated for each sample of the first.
    Constant {
        /// Sizes of the result.
        dims: Vec<usize>,
    },
    /// Elements of an axis by their places.
    Take {
        /// The axis.
        axis: usize,
        /// The places.
        indices: Vec<usize>,
    },
    /// Weighted sums of elements of an axis.
    Blend {
        /// The axis.
        axis: usize,
        /// Its size.
        size: usize,
        /// For each element of the result, places and weights.
        taps: Vec<Vec<(usize, f32)>>,
    },
    /// Neighbouring elements of an axis.
    Slice {
        /// The axis.
        axis: usize,
        /// The first element.
        start: usize,
        /// How many.
        size: usize,
    },
    /// A border of one value.
    Pad {
        /// Elements before and after, axis by axis.
        border: Vec<(usize, usize)>,
        /// The value; none is −∞.
        value: Option<f32>,
    },
    /// One element of all along some axes.
    Reduce {
        /// `sum`, `mean`, `max`, `min`, `product`.
        function: String,
        /// The axes, rising.
        axes: Vec<usize>,
        /// Whether they stay, with one element.
        keep_dims: bool,
    },
    /// The place of the largest or smallest element of an axis, which stays, with one element.
    ExtremePlace {
        /// The axis.
        axis: usize,
        /// The smallest instead of the largest.
        smallest: bool,
        /// Of equals the last instead of the first.
        last: bool,
    },
    /// The elements of the first input whose places along an axis the second one has.
    PickAlong {
        /// The axis.
        axis: usize,
    },
    /// The elements of the first input at places along an axis that the second one has, zeros elsewhere.
    PlaceAlong {
        /// The axis.
        axis: usize,
        /// Its elements in the result.
        size: usize,
        /// Whether elements of the same place are summed up; else the last one stays.
        sums: bool,
    },
    /// The logarithm of the softmax.
    LogSoftmax {
        /// Along which axis.
        axis: usize,
    },
    /// The largest element of each window.
    MaxPool(Windows),
    /// The place of the largest element of each window among those of its channel.
    MaxPlaces(Windows),
    /// The mean of each window, padding not counted.
    AveragePool(Windows),
    /// A transposed convolution. Inputs x, kernel (kernel…, filters / groups, channels).
    ConvolutionTranspose {
        /// Windows; `sizes` is that of the kernel.
        windows: Windows,
        /// Elements added at the end of each axis.
        output_padding: Vec<usize>,
        /// Parts that the channels are divided in.
        groups: usize,
    },
    /// Each row of the last axes brought to mean 0 and deviation 1. Inputs x, perhaps scale, perhaps shift.
    LayerNorm {
        /// How many axes.
        axes: usize,
        /// Keeps the division finite.
        epsilon: f32,
        /// Whether only the root of the mean square is brought to 1.
        root_mean_square: bool,
    },
    /// Groups of channels brought to mean 0 and deviation 1. Inputs x, scale, shift.
    GroupNorm {
        /// How many groups.
        groups: usize,
        /// Keeps the division finite.
        epsilon: f32,
    },
    /// Local response normalisation over channels.
    ResponseNorm {
        /// Channels on each side.
        depth_radius: usize,
        /// Keeps the division finite.
        bias: f32,
        /// Factor of the squares.
        alpha: f32,
        /// Exponent.
        beta: f32,
    },
}

/// Windows along the spatial axes, outermost first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Windows {
    /// Elements.
    pub sizes: Vec<usize>,
    /// Steps between windows.
    pub strides: Vec<usize>,
    /// Steps between the elements of a window.
    pub dilations: Vec<usize>,
    /// Padding before and after.
    pub pads: Vec<(usize, usize)>,
}

impl Operation {
    /// An operation without constants.
    pub fn new(operator: Operator) -> Self {
        Self { operator, constants: Vec::new() }
    }

    /// With an input of its own at a position among all inputs. Trainable ones are to be added first.
    pub fn constant(mut self, position: usize, dims: impl Into<Vec<usize>>, trainable: bool) -> Self {
        self.constants.push(Constant { position, dims: dims.into(), trainable });
        self
    }

    pub(super) fn examples() -> Vec<(Self, Vec<Vec<usize>>)> {
        let binary = |function: &str| Self::new(Operator::Binary { function: function.into() });
        let windows = |sizes: &[usize], pads: &[(usize, usize)]| Windows {
            sizes: sizes.to_vec(),
            strides: vec![2; sizes.len()],
            dilations: vec![1; sizes.len()],
            pads: pads.to_vec(),
        };
        vec![
            (binary("add"), vec![vec![3, 2], vec![3, 2]]),
            (binary("multiply").constant(1, [2], true), vec![vec![3, 2]]),
            (Self::new(Operator::MatMul {}), vec![vec![3, 2], vec![2, 4]]),
            (Self::new(Operator::Take { axis: 1, indices: vec![1, 1, 0] }), vec![vec![3, 2]]),
            (Self::new(Operator::Slice { axis: 0, start: 1, size: 2 }), vec![vec![3, 2]]),
            (Self::new(Operator::Unary { function: "sin".into() }), vec![vec![5]]),
            (
                Self::new(Operator::Reduce { function: "mean".into(), axes: vec![0], keep_dims: false }),
                vec![vec![3, 2]],
            ),
            (Self::new(Operator::MaxPool(windows(&[2, 2], &[(1, 0), (0, 1)]))), vec![vec![4, 4, 2]]),
            (Self::new(Operator::PickAlong { axis: 0 }), vec![vec![3, 2], vec![4, 2]]),
            (Self::new(Operator::PlaceAlong { axis: 1, size: 5, sums: true }), vec![vec![3, 2], vec![3, 2]]),
            (Self::new(Operator::AveragePool(windows(&[3], &[(1, 1)]))), vec![vec![6, 2]]),
            (
                Self::new(Operator::LayerNorm { axes: 1, epsilon: 1e-5, root_mean_square: false })
                    .constant(1, [4], true)
                    .constant(2, [4], true),
                vec![vec![3, 4]],
            ),
        ]
    }

    /// The layer's inputs and constants, each in its place.
    fn arguments(&self, inputs: &[Value], weights: &[Value]) -> Option<Vec<Value>> {
        let count = inputs.len() + weights.len();
        let mut places = vec![None; count];
        for (constant, &weight) in self.constants.iter().zip(weights) {
            *places.get_mut(constant.position)? = Some(weight);
        }
        let mut inputs = inputs.iter().copied();
        places.into_iter().map(|place| place.or_else(|| inputs.next())).collect()
    }
}

/// What the constants of a layer are called.
const NAMES: [&str; 8] = [
    "constant",
    "constant_1",
    "constant_2",
    "constant_3",
    "constant_4",
    "constant_5",
    "constant_6",
    "constant_7",
];

impl Layer for Operation {
    fn class_name(&self) -> &'static str {
        "Operation"
    }

    fn config(&self) -> Map<String, Json> {
        to_map(self)
    }

    fn weights(&self, _inputs: &[Shape]) -> Result<Vec<WeightSpec>, Mismatch> {
        if self.constants.len() > NAMES.len() {
            return Err(Mismatch::new(format!("at most {} constants", NAMES.len()), self.constants.len()));
        }
        if !self.constants.is_sorted_by_key(|constant| !constant.trainable) {
            return Err(Mismatch::new("constants that are trained first", "others before them"));
        }
        for constant in &self.constants {
            Shape::fixed(constant.dims.clone()).check()?;
        }
        let weight = |(constant, &name): (&Constant, &&'static str)| {
            let make = if constant.trainable { WeightSpec::trainable } else { WeightSpec::state };
            make(name, constant.dims.clone(), Initializer::Ones)
        };
        Ok(self.constants.iter().zip(&NAMES).map(weight).collect())
    }

    fn call(&self, at: &mut LayerContext<'_>, inputs: &[Value]) -> Result<Value, EngineError> {
        let Some(arguments) = self.arguments(inputs, at.weights) else {
            let received = format!("{} inputs", inputs.len());
            return Err(at.mismatch("operation", Mismatch::new("inputs beside the constants", received)));
        };
        self.operator.apply(at, &arguments)
    }
}
