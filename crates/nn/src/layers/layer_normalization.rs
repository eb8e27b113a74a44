//! Normalisation of each sample or position by itself.

use convnet_engine::error::Mismatch;
use convnet_engine::ops::{Binary, BinaryFunction, Permute, RowNorm, RowNormFunction};
use convnet_engine::{EngineError, Shape, Value};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::config::{self, inner_axis, setters, to_map};
use crate::initializers::Initializer;
use crate::layer::{Layer, LayerContext, WeightSpec};

/// Axes, counted with the batch; negative from the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Axes {
    /// A single one.
    One(isize),
    /// Several.
    Many(Vec<isize>),
}

impl Default for Axes {
    fn default() -> Self {
        Self::One(-1)
    }
}

impl From<isize> for Axes {
    fn from(axis: isize) -> Self {
        Self::One(axis)
    }
}

impl<const N: usize> From<[isize; N]> for Axes {
    fn from(axes: [isize; N]) -> Self {
        Self::Many(axes.to_vec())
    }
}

impl Axes {
    /// Places among the sizes of a sample, in rising order.
    pub(super) fn inner(&self, shape: &Shape) -> Result<Vec<usize>, Mismatch> {
        let mut axes = match self {
            Self::One(axis) => vec![inner_axis(*axis, shape)?],
            Self::Many(axes) => axes.iter().map(|&axis| inner_axis(axis, shape)).collect::<Result<_, _>>()?,
        };
        axes.sort_unstable();
        let count = axes.len();
        axes.dedup();
        if axes.is_empty() || axes.len() < count {
            return Err(Mismatch::new("one or more different axes", format!("{self:?}")));
        }
        Ok(axes)
    }
}

/// Adds a normalisation over some axes, by bringing them to the end and back if they do not stand there.
fn normalise(
    at: &mut LayerContext<'_>,
    axes: &Axes,
    function: RowNormFunction,
    [scale, center]: [bool; 2],
    x: Value,
) -> Result<Value, EngineError> {
    let shape = at.graph.shape(x).clone();
    let axes = axes.inner(&shape).map_err(|mismatch| at.mismatch("normalisation", mismatch))?;
    let op = RowNorm { function, axes: axes.len(), scale, center };
    let others = (0..shape.dims.len()).filter(|axis| !axes.contains(axis));
    let order: Vec<usize> = others.chain(axes.iter().copied()).collect();
    let weights = if scale || center { at.weights } else { &[] };
    if order.is_sorted() {
        let inputs: Vec<Value> = std::iter::once(x).chain(weights.iter().copied()).collect();
        return at.graph.apply(op, &inputs);
    }
    let mut back = vec![0; order.len()];
    order.iter().enumerate().for_each(|(to, &from)| back[from] = to);
    let x = at.graph.apply(Permute { axes: order }, &[x])?;
    let inputs: Vec<Value> = std::iter::once(x).chain(weights.iter().copied()).collect();
    let y = at.graph.apply(op, &inputs)?;
    at.graph.apply(Permute { axes: back }, &[y])
}

/// The sizes of the weights: those of the axes.
fn sizes(axes: &Axes, inputs: &[Shape]) -> Result<Vec<usize>, Mismatch> {
    match inputs {
        [shape] => Ok(axes.inner(shape)?.into_iter().map(|axis| shape.dims[axis]).collect()),
        _ => Err(Mismatch::new("one input", inputs.len())),
    }
}

/// y = gamma (x − mean) / √(variance + epsilon) + beta, with mean and variance over some axes of each sample. Output as the input.
///
/// Weights: `gamma`, `beta`, of the sizes of the axes. As Keras's
/// [LayerNormalization](https://keras.io/api/layers/normalization_layers/layer_normalization/) (Ba, Kiros, Hinton, 2016).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LayerNormalization {
    /// The axes that are normalised over. Default −1, the channels.
    #[serde(default)]
    pub axis: Axes,
    /// Added to the variance. Default 0.001.
    #[serde(default = "config::epsilon")]
    pub epsilon: f64,
    /// Whether there is a beta. Default true.
    #[serde(default = "config::yes")]
    pub center: bool,
    /// Whether there is a gamma. Default true.
    #[serde(default = "config::yes")]
    pub scale: bool,
    /// Whether x is only divided, and that by √(variance + epsilon). Keras's deprecated argument. Default false.
    #[serde(default)]
    pub rms_scaling: bool,
    /// How beta is filled at first. Default zeros.
    #[serde(default = "config::zeros")]
    pub beta_initializer: Initializer,
    /// How gamma is filled at first. Default ones.
    #[serde(default = "config::ones")]
    pub gamma_initializer: Initializer,
}

impl Default for LayerNormalization {
    fn default() -> Self {
        Self {
            axis: Axes::default(),
            epsilon: config::epsilon(),
            center: true,
            scale: true,
            rms_scaling: false,
            beta_initializer: config::zeros(),
            gamma_initializer: config::ones(),
        }
    }
}

impl LayerNormalization {
    /// Over the channels of each position.
    pub fn new() -> Self {
        Self::default()
    }

    setters! {
        /// Sets the axes, counted with the batch; negative from the end.
        axis: into Axes,
        /// Sets what is added to the variance.
        epsilon: f64,
        /// Says whether there is a beta.
        center: bool,
        /// Says whether there is a gamma.
        scale: bool,
    }

    pub(super) fn examples() -> Vec<(Self, Vec<Vec<usize>>)> {
        vec![
            (Self::new(), vec![vec![3, 5]]),
            (Self::new().axis([1, 2]).center(false), vec![vec![3, 4]]),
            (Self::new().axis(1), vec![vec![3, 2, 2]]),
        ]
    }

    /// Whether there is a gamma, and whether there is a beta.
    fn affine(&self) -> [bool; 2] {
        [self.scale || self.rms_scaling, self.center && !self.rms_scaling]
    }
}

impl Layer for LayerNormalization {
    fn class_name(&self) -> &'static str {
        "LayerNormalization"
    }

    fn config(&self) -> Map<String, Json> {
        let mut map = to_map(self);
        if !self.rms_scaling {
            map.shift_remove("rms_scaling");
        }
        map
    }

    fn weights(&self, inputs: &[Shape]) -> Result<Vec<WeightSpec>, Mismatch> {
        let dims = sizes(&self.axis, inputs)?;
        let [scale, center] = self.affine();
        let gamma = scale.then(|| WeightSpec::trainable("gamma", dims.clone(), self.gamma_initializer));
        let beta = center.then(|| WeightSpec::trainable("beta", dims, self.beta_initializer));
        Ok(gamma.into_iter().chain(beta).collect())
    }

    fn call(&self, at: &mut LayerContext<'_>, inputs: &[Value]) -> Result<Value, EngineError> {
        let epsilon = self.epsilon as f32;
        let function = match self.rms_scaling {
            true => RowNormFunction::Variance { epsilon },
            false => RowNormFunction::Layer { epsilon },
        };
        normalise(at, &self.axis, function, self.affine(), inputs[0])
    }

    fn passes_mask(&self) -> bool {
        true
    }
}

/// y = scale · x / √(mean of x² + epsilon), with the mean over some axes of each sample. Output as the input.
///
/// Weights: `scale`, of the sizes of the axes, by which the last axes are multiplied, whichever are normalised over. As Keras's
/// [RMSNormalization](https://keras.io/api/layers/normalization_layers/rms_normalization/) (Zhang, Sennrich, 2019).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RMSNormalization {
    /// The axes that are normalised over. Default −1, the channels.
    #[serde(default)]
    pub axis: Axes,
    /// Added to the mean of the squares. Default 1e-6.
    #[serde(default = "tiny")]
    pub epsilon: f64,
}

fn tiny() -> f64 {
    1e-6
}

impl Default for RMSNormalization {
    fn default() -> Self {
        Self { axis: Axes::default(), epsilon: tiny() }
    }
}

impl RMSNormalization {
    /// Over the channels of each position.
    pub fn new() -> Self {
        Self::default()
    }

    setters! {
        /// Sets the axes, counted with the batch; negative from the end.
        axis: into Axes,
        /// Sets what is added to the mean of the squares.
        epsilon: f64,
    }

    pub(super) fn examples() -> Vec<(Self, Vec<Vec<usize>>)> {
        vec![(Self::new(), vec![vec![3, 5]]), (Self::new().axis(1).epsilon(0.1), vec![vec![2, 2]])]
    }
}

impl Layer for RMSNormalization {
    fn class_name(&self) -> &'static str {
        "RMSNormalization"
    }

    fn config(&self) -> Map<String, Json> {
        to_map(self)
    }

    fn weights(&self, inputs: &[Shape]) -> Result<Vec<WeightSpec>, Mismatch> {
        let sizes = sizes(&self.axis, inputs)?;
        let dims = &inputs[0].dims;
        if sizes.iter().rev().zip(dims.iter().rev()).any(|(&size, &along)| size != along && size != 1) {
            let expected =
                format!("the last axes to have the sizes {sizes:?} of the scale, or axes that are the last");
            return Err(Mismatch::new(expected, &inputs[0]));
        }
        Ok(vec![WeightSpec::trainable("scale", sizes, Initializer::Ones)])
    }

    fn call(&self, at: &mut LayerContext<'_>, inputs: &[Value]) -> Result<Value, EngineError> {
        let function = RowNormFunction::RootMeanSquare { epsilon: self.epsilon as f32 };
        let shape = at.graph.shape(inputs[0]).clone();
        let axes = self.axis.inner(&shape).map_err(|mismatch| at.mismatch("normalisation", mismatch))?;
        if axes[0] + axes.len() == shape.dims.len() {
            return normalise(at, &self.axis, function, [true, false], inputs[0]);
        }
        let y = normalise(at, &self.axis, function, [false; 2], inputs[0])?;
        at.graph.apply(Binary(BinaryFunction::Multiply), &[y, at.weights[0]])
    }
}

/// y = x / √(Σ x²), with the sum over some axes of each sample. Output as the input.
///
/// As Keras's [UnitNormalization](https://keras.io/api/layers/normalization_layers/unit_normalization/).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnitNormalization {
    /// The axes that are normalised over. Default −1, the channels.
    #[serde(default)]
    pub axis: Axes,
}

impl UnitNormalization {
    /// Over the channels of each position.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the axes, counted with the batch; negative from the end.
    pub fn axis(self, axis: impl Into<Axes>) -> Self {
        Self { axis: axis.into() }
    }

    pub(super) fn examples() -> Vec<(Self, Vec<Vec<usize>>)> {
        vec![(Self::new(), vec![vec![3, 5]]), (Self::new().axis([1, 2]), vec![vec![3, 2, 4]])]
    }
}

impl Layer for UnitNormalization {
    fn class_name(&self) -> &'static str {
        "UnitNormalization"
    }

    fn config(&self) -> Map<String, Json> {
        to_map(self)
    }

    fn call(&self, at: &mut LayerContext<'_>, inputs: &[Value]) -> Result<Value, EngineError> {
        normalise(at, &self.axis, RowNormFunction::Unit { epsilon: 1e-12 }, [false; 2], inputs[0])
    }

    fn passes_mask(&self) -> bool {
        true
    }
}
