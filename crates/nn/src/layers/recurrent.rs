//! Recurrent layers: a cell that is called for each step of a sequence, and hands its state on.

use std::fmt::Debug;
use std::marker::PhantomData;

use convnet_engine::error::Mismatch;
use convnet_engine::ops::{
    BiasAdd, Binary, BinaryFunction, Convolution, Fill, Reshape, Slice, Sliding, Sum, Unstack,
};
use convnet_engine::{EngineError, Graph, Shape, Value};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::config::{self, channels, check_steps, setters, stack, to_map};
use super::noise::{check_rate, random_mask};
use crate::activation::Activation;
use crate::initializers::Initializer;
use crate::layer::{Layer, LayerContext, WeightSpec};

/// What a recurrent layer does in a step: [`PlainCell`], [`LongShortTermCell`] or [`GatedCell`].
pub trait Cell: Clone + Debug + PartialEq + Send + Sync + 'static {
    /// Keras's class name of the layer.
    const CLASS: &'static str;
    /// How many times `units` numbers the kernels make.
    const GATES: usize;
    /// How many states there are, each of `units` numbers. The first is the output.
    const STATES: usize;
    /// Arguments that the layer does not have.
    const WITHOUT: &'static [&'static str];

    /// Adds a step: new states from what the kernel made of the input, and the states before.
    ///
    /// # Errors
    /// If a function does not fit.
    fn step(
        layer: &Recurrent<Self>,
        graph: &mut Graph,
        at: &StepWeights,
        x: Value,
        states: &[Value],
    ) -> Result<Vec<Value>, EngineError>;
}

/// The values that every step of a recurrent layer uses.
#[derive(Clone, Debug)]
pub struct StepWeights {
    /// `(units, gates · units)`.
    pub recurrent_kernel: Value,
    /// A bias of the recurrent product, if there is one.
    pub recurrent_bias: Option<Value>,
    /// Factors of the state before it is multiplied, in training with dropout.
    pub mask: Option<Value>,
}

/// A sequence read step by step.
///
/// Input `(batch, steps, features)`, and `(batch, units)` for each state if it is not to start with zeros; output `(batch, units)`, or `(batch, steps, units)` with
/// `return_sequences`, and the last states as further outputs with `return_state`. Weights: `kernel` `(features, gates · units)`, `recurrent_kernel`
/// `(units, gates · units)`, `bias`. The layers are [`SimpleRNN`], [`LSTM`] and [`GRU`], with Keras's arguments. The graph has the cell once for
/// each step.
///
/// ```
/// use convnet_nn::Symbol;
/// use convnet_nn::layers::{Embedding, LSTM};
///
/// let review = Symbol::input([80]);
/// let words = review.apply(Embedding::new(1000, 16))?;
/// let states = words.apply(LSTM::new(32).return_sequences(true))?;
/// assert_eq!(states.shape().dims, [80, 32]);
/// # Ok::<(), convnet_nn::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, bound = "")]
pub struct Recurrent<C: Cell> {
    /// Size of each state.
    pub units: usize,
    /// The function of the new state. Default tanh.
    #[serde(default = "tanh", deserialize_with = "crate::activation::or_linear")]
    pub activation: Activation,
    /// The function of the gates. Default sigmoid.
    #[serde(default = "sigmoid", deserialize_with = "crate::activation::or_linear")]
    pub recurrent_activation: Activation,
    /// Whether there is a bias. Default true.
    #[serde(default = "config::yes")]
    pub use_bias: bool,
    /// How the kernel is filled at first. Default Glorot uniform.
    #[serde(default)]
    pub kernel_initializer: Initializer,
    /// How the kernel of the states is filled at first. Default orthogonal.
    #[serde(default = "orthogonal")]
    pub recurrent_initializer: Initializer,
    /// How the bias is filled at first. Default zeros.
    #[serde(default = "config::zeros")]
    pub bias_initializer: Initializer,
    /// Whether the bias of the forget gate starts with ones (LSTM). Default true.
    #[serde(default = "config::yes")]
    pub unit_forget_bias: bool,
    /// Whether the reset gate acts after the product (GRU). Default true.
    #[serde(default = "config::yes")]
    pub reset_after: bool,
    /// Share of the inputs that become zero in training, the same in each step. Default 0.
    #[serde(default)]
    pub dropout: f32,
    /// Share of the states that become zero before their product in training, the same in each step. Default 0.
    #[serde(default)]
    pub recurrent_dropout: f32,
    /// Whether the output has all steps. Default false.
    #[serde(default)]
    pub return_sequences: bool,
    /// Whether the last states are further outputs. Default false.
    #[serde(default)]
    pub return_state: bool,
    /// Whether the last step is read first. The output has the steps in the order in which they were read. Default false.
    #[serde(default)]
    pub go_backwards: bool,
    /// Whether the output of steps that are passed over is zero, and not that of the step before. Default false.
    #[serde(default)]
    pub zero_output_for_mask: bool,
    /// What is done in a step.
    #[serde(skip)]
    pub cell: PhantomData<C>,
}

fn tanh() -> Activation {
    Activation::Tanh
}

fn sigmoid() -> Activation {
    Activation::Sigmoid
}

fn orthogonal() -> Initializer {
    Initializer::Orthogonal { gain: 1.0 }
}

/// h' = f(x · kernel + h · recurrent kernel + bias).
#[derive(Clone, Debug, PartialEq)]
pub struct PlainCell;

/// A state that gates fill, keep and show (Hochreiter, Schmidhuber, 1997).
#[derive(Clone, Debug, PartialEq)]
pub struct LongShortTermCell;

/// A state that gates mix with a new one (Cho et al., 2014).
#[derive(Clone, Debug, PartialEq)]
pub struct GatedCell;

/// As Keras's [SimpleRNN](https://keras.io/api/layers/recurrent_layers/simple_rnn/).
pub type SimpleRNN = Recurrent<PlainCell>;
/// As Keras's [LSTM](https://keras.io/api/layers/recurrent_layers/lstm/). Its states are the output and the carry.
pub type LSTM = Recurrent<LongShortTermCell>;
/// As Keras's [GRU](https://keras.io/api/layers/recurrent_layers/gru/).
pub type GRU = Recurrent<GatedCell>;

/// x · kernel along the last axis.
fn product(graph: &mut Graph, x: Value, kernel: Value) -> Result<Value, EngineError> {
    graph.apply(Convolution::linear(Sliding::default(), 1), &[x, kernel])
}

fn binary(graph: &mut Graph, function: BinaryFunction, a: Value, b: Value) -> Result<Value, EngineError> {
    graph.apply(Binary(function), &[a, b])
}

/// The parts for each gate of a value `(batch, gates · units)`.
fn gates(graph: &mut Graph, x: Value, count: usize) -> Result<Vec<Value>, EngineError> {
    let units = graph.shape(x).channels() / count;
    let apart = graph.apply(Reshape { dims: vec![count, units] }, &[x])?;
    graph.add(Unstack { axis: 0 }, &[apart])
}

impl StepWeights {
    fn masked(&self, graph: &mut Graph, state: Value) -> Result<Value, EngineError> {
        match self.mask {
            Some(mask) => binary(graph, BinaryFunction::Multiply, state, mask),
            None => Ok(state),
        }
    }

    /// The recurrent product of a state.
    fn recurrent(&self, graph: &mut Graph, state: Value) -> Result<Value, EngineError> {
        let state = self.masked(graph, state)?;
        let y = product(graph, state, self.recurrent_kernel)?;
        match self.recurrent_bias {
            Some(bias) => graph.apply(BiasAdd, &[y, bias]),
            None => Ok(y),
        }
    }
}

impl Cell for PlainCell {
    const CLASS: &'static str = "SimpleRNN";
    const GATES: usize = 1;
    const STATES: usize = 1;
    const WITHOUT: &'static [&'static str] = &["recurrent_activation", "unit_forget_bias", "reset_after"];

    fn step(
        layer: &Recurrent<Self>,
        graph: &mut Graph,
        at: &StepWeights,
        x: Value,
        states: &[Value],
    ) -> Result<Vec<Value>, EngineError> {
        let h = at.recurrent(graph, states[0])?;
        let sum = graph.apply(Sum, &[x, h])?;
        Ok(vec![layer.activation.apply(graph, sum)?])
    }
}

impl Cell for LongShortTermCell {
    const CLASS: &'static str = "LSTM";
    const GATES: usize = 4;
    const STATES: usize = 2;
    const WITHOUT: &'static [&'static str] = &["reset_after"];

    fn step(
        layer: &Recurrent<Self>,
        graph: &mut Graph,
        at: &StepWeights,
        x: Value,
        states: &[Value],
    ) -> Result<Vec<Value>, EngineError> {
        use BinaryFunction::Multiply;
        let h = at.recurrent(graph, states[0])?;
        let sum = graph.apply(Sum, &[x, h])?;
        let parts = gates(graph, sum, 4)?;
        let input = layer.recurrent_activation.apply(graph, parts[0])?;
        let forget = layer.recurrent_activation.apply(graph, parts[1])?;
        let new = layer.activation.apply(graph, parts[2])?;
        let output = layer.recurrent_activation.apply(graph, parts[3])?;
        let kept = binary(graph, Multiply, forget, states[1])?;
        let added = binary(graph, Multiply, input, new)?;
        let carry = graph.apply(Sum, &[kept, added])?;
        let shown = layer.activation.apply(graph, carry)?;
        Ok(vec![binary(graph, Multiply, output, shown)?, carry])
    }
}

impl Cell for GatedCell {
    const CLASS: &'static str = "GRU";
    const GATES: usize = 3;
    const STATES: usize = 1;
    const WITHOUT: &'static [&'static str] = &["unit_forget_bias"];

    fn step(
        layer: &Recurrent<Self>,
        graph: &mut Graph,
        at: &StepWeights,
        x: Value,
        states: &[Value],
    ) -> Result<Vec<Value>, EngineError> {
        use BinaryFunction::{Multiply, Subtract};
        let x = gates(graph, x, 3)?;
        let gate = |graph: &mut Graph, x: Value, h: Value| {
            let sum = graph.apply(Sum, &[x, h])?;
            layer.recurrent_activation.apply(graph, sum)
        };
        let (update, recurrent) = if layer.reset_after {
            let h = at.recurrent(graph, states[0])?;
            let h = gates(graph, h, 3)?;
            let update = gate(graph, x[0], h[0])?;
            let reset = gate(graph, x[1], h[1])?;
            (update, binary(graph, Multiply, reset, h[2])?)
        } else {
            let units = layer.units;
            let part = |graph: &mut Graph, start, size| {
                graph.apply(Slice { axis: 1, start, size }, &[at.recurrent_kernel])
            };
            let (both, last) = (part(graph, 0, 2 * units)?, part(graph, 2 * units, units)?);
            let state = at.masked(graph, states[0])?;
            let h = product(graph, state, both)?;
            let h = gates(graph, h, 2)?;
            let update = gate(graph, x[0], h[0])?;
            let reset = gate(graph, x[1], h[1])?;
            let left = binary(graph, Multiply, reset, state)?;
            (update, product(graph, left, last)?)
        };
        let sum = graph.apply(Sum, &[x[2], recurrent])?;
        let new = layer.activation.apply(graph, sum)?;
        // z · h + (1 − z) · new
        let difference = binary(graph, Subtract, states[0], new)?;
        let change = binary(graph, Multiply, update, difference)?;
        Ok(vec![graph.apply(Sum, &[new, change])?])
    }
}

impl<C: Cell> Recurrent<C> {
    /// States of `units` numbers, Keras's defaults for the rest.
    pub fn new(units: usize) -> Self {
        Self {
            units,
            activation: Activation::Tanh,
            recurrent_activation: Activation::Sigmoid,
            use_bias: true,
            kernel_initializer: Initializer::GlorotUniform,
            recurrent_initializer: orthogonal(),
            bias_initializer: Initializer::Zeros,
            unit_forget_bias: true,
            reset_after: true,
            dropout: 0.0,
            recurrent_dropout: 0.0,
            return_sequences: false,
            return_state: false,
            go_backwards: false,
            zero_output_for_mask: false,
            cell: PhantomData,
        }
    }

    setters! {
        /// Sets the function of the new state.
        activation: Activation,
        /// Sets the function of the gates.
        recurrent_activation: Activation,
        /// Says whether there is a bias.
        use_bias: bool,
        /// Sets how the kernel is filled at first.
        kernel_initializer: Initializer,
        /// Sets how the kernel of the states is filled at first.
        recurrent_initializer: Initializer,
        /// Sets how the bias is filled at first.
        bias_initializer: Initializer,
        /// Says whether the bias of the forget gate starts with ones (LSTM).
        unit_forget_bias: bool,
        /// Says whether the reset gate acts after the product (GRU).
        reset_after: bool,
        /// Sets the share of the inputs that become zero in training.
        dropout: f32,
        /// Sets the share of the states that become zero before their product in training.
        recurrent_dropout: f32,
        /// Says whether the output has all steps.
        return_sequences: bool,
        /// Says whether the last states are further outputs.
        return_state: bool,
        /// Says whether the last step is read first.
        go_backwards: bool,
    }

    pub(super) fn examples() -> Vec<(Self, Vec<Vec<usize>>)> {
        let sequences = Self::new(2).return_sequences(true).go_backwards(true).use_bias(false);
        vec![
            (Self::new(3), vec![vec![4, 2]]),
            (sequences.dropout(0.1).recurrent_dropout(0.1), vec![vec![3, 2]]),
            (Self::new(2).reset_after(false), vec![vec![3, 1]]),
        ]
    }

    /// The bias of the products of inputs, and of those of states.
    fn biases(&self, at: &mut LayerContext<'_>) -> Result<[Option<Value>; 2], EngineError> {
        let Some(&bias) = at.weights.get(2) else { return Ok([None; 2]) };
        if !self.has_two_biases() {
            return Ok([Some(bias), None]);
        }
        let both = at.graph.add(Unstack { axis: 0 }, &[bias])?;
        Ok([Some(both[0]), Some(both[1])])
    }

    fn has_two_biases(&self) -> bool {
        C::CLASS == "GRU" && self.reset_after
    }

    /// The states after each step, in the order in which steps are read, with the masks of the steps.
    fn run(
        &self,
        at: &mut LayerContext<'_>,
        inputs: &[Value],
    ) -> Result<Vec<(Vec<Value>, Option<Value>)>, EngineError> {
        let mut x = inputs[0];
        if at.training && self.dropout > 0.0 {
            let dims = vec![1, at.graph.shape(x).channels()];
            let mask = random_mask(at, dims, self.dropout, at.stream)?;
            x = binary(at.graph, BinaryFunction::Multiply, x, mask)?;
        }
        let [bias, recurrent_bias] = self.biases(at)?;
        let mut mask = None;
        if at.training && self.recurrent_dropout > 0.0 {
            let stream = crate::layer::stream_of_part(at.stream, 1);
            mask = Some(random_mask(at, vec![self.units], self.recurrent_dropout, stream)?);
        }
        let weights = StepWeights { recurrent_kernel: at.weights[1], recurrent_bias, mask };
        let operands: Vec<Value> = [x, at.weights[0]].into_iter().chain(bias).collect();
        let projected = at.graph.apply(Convolution::linear(Sliding::default(), 1), &operands)?;
        let mut steps = at.graph.add(Unstack { axis: 0 }, &[projected])?;
        // As in Keras 3, which finds no mask where there are states.
        let mut masks = match at.mask().filter(|_| inputs.len() == 1) {
            Some(mask) => at.graph.add(Unstack { axis: 0 }, &[mask])?.into_iter().map(Some).collect(),
            None => vec![None; steps.len()],
        };
        if self.go_backwards {
            steps.reverse();
            masks.reverse();
        }
        let mut states = inputs[1..].to_vec();
        while states.len() < C::STATES {
            let shape = Shape::batched([self.units]);
            states.push(at.graph.apply(Fill { value: 0.0, shape }, &[])?);
        }
        let mut all = Vec::new();
        for (&step, mask) in steps.iter().zip(masks) {
            check_steps(at)?;
            let mut new = C::step(self, at.graph, &weights, step, &states)?;
            let mask = match mask {
                Some(mask) => Some(at.graph.apply(Reshape { dims: vec![1] }, &[mask])?),
                None => None,
            };
            if let Some(mask) = mask {
                for (new, &old) in new.iter_mut().zip(&states) {
                    let difference = binary(at.graph, BinaryFunction::Subtract, *new, old)?;
                    let change = binary(at.graph, BinaryFunction::Multiply, difference, mask)?;
                    *new = at.graph.apply(Sum, &[old, change])?;
                }
            }
            states.clone_from(&new);
            all.push((new, mask));
        }
        Ok(all)
    }
}

impl<C: Cell> Layer for Recurrent<C> {
    fn class_name(&self) -> &'static str {
        C::CLASS
    }

    fn config(&self) -> Map<String, Json> {
        let mut map = to_map(self);
        C::WITHOUT.iter().for_each(|key| {
            map.shift_remove(*key);
        });
        map
    }

    fn weights(&self, inputs: &[Shape]) -> Result<Vec<WeightSpec>, Mismatch> {
        let features = channels::<1>(&inputs[..inputs.len().min(1)])?;
        check_rate(self.dropout)?;
        check_rate(self.recurrent_dropout)?;
        let state = Shape::batched([self.units]);
        let states = &inputs[1..];
        if !states.is_empty() && (states.len() != C::STATES || states.iter().any(|given| *given != state)) {
            let shapes: Vec<String> = states.iter().map(ToString::to_string).collect();
            return Err(Mismatch::new(
                format!("{} initial states of shape {state}", C::STATES),
                shapes.join(", "),
            ));
        }
        if self.units == 0 || inputs[0].dims[0] == 0 {
            return Err(Mismatch::new("at least 1 unit and 1 time step", 0));
        }
        let width =
            C::GATES.checked_mul(self.units).ok_or_else(|| Mismatch::new("fewer units", self.units))?;
        let mut weights = vec![
            WeightSpec::trainable("kernel", [features, width], self.kernel_initializer),
            WeightSpec::trainable("recurrent_kernel", [self.units, width], self.recurrent_initializer),
        ];
        if self.use_bias {
            let initializer = match C::CLASS {
                "LSTM" if self.unit_forget_bias => Initializer::ForgetBias,
                _ => self.bias_initializer,
            };
            let dims = if self.has_two_biases() { vec![2, width] } else { vec![width] };
            weights.push(WeightSpec::trainable("bias", dims, initializer));
        }
        Ok(weights.into_iter().map(|weight| weight.in_group("cell")).collect())
    }

    fn call(&self, at: &mut LayerContext<'_>, inputs: &[Value]) -> Result<Value, EngineError> {
        Ok(self.call_all(at, inputs)?[0])
    }

    fn call_all(&self, at: &mut LayerContext<'_>, inputs: &[Value]) -> Result<Vec<Value>, EngineError> {
        let steps = self.run(at, inputs)?;
        let last = steps.last().map(|(states, _)| states.clone()).expect("there is a step");
        let mut shown = Vec::new();
        for (states, mask) in &steps {
            shown.push(match mask {
                Some(mask) if self.zero_output_for_mask => {
                    binary(at.graph, BinaryFunction::Multiply, states[0], *mask)?
                }
                _ => states[0],
            });
        }
        let mut outputs = vec![*shown.last().expect("there is a step")];
        if self.return_sequences {
            outputs[0] = stack(at.graph, &shown)?;
            at.output_masks = vec![at.mask()];
        }
        if self.return_state {
            outputs.extend(last);
        }
        Ok(outputs)
    }
}
