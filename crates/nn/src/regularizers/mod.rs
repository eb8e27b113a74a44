//! What large weights or activations cost: terms of the loss.

use std::str::FromStr;

use convnet_engine::error::Mismatch;
use convnet_engine::kernels::elementwise::Activation;
use convnet_engine::ops::{
    Activate, Binary, BinaryFunction, Convolution, Multiply, Permute, Reduce, ReduceFunction, RowNorm,
    RowNormFunction, ScaleShift, Sliding, Sum,
};
use convnet_engine::{EngineError, Graph, Value};
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use crate::error::Error;

/// A term of the loss that keeps weights or activations small, or apart. As [Keras's](https://keras.io/api/layers/regularizers/).
///
/// ```
/// use convnet_nn::layers::{Dense, WithRules};
/// use convnet_nn::Regularizer;
///
/// let layer = Dense::new(10).kernel_regularizer(Regularizer::l2(1e-4));
/// # let _ = layer;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(into = "Json", try_from = "Json")]
pub enum Regularizer {
    /// l1 · Σ |x|.
    L1(f32),
    /// l2 · Σ x².
    L2(f32),
    /// l1 · Σ |x| + l2 · Σ x².
    L1L2 {
        /// The factor of the absolute values.
        l1: f32,
        /// The factor of the squares.
        l2: f32,
    },
    /// factor times the mean absolute product of any two rows (or columns) of a matrix, each brought to length 1.
    Orthogonal {
        /// The factor; Keras's default is 0.01.
        factor: f32,
        /// Whether columns are compared instead of rows.
        columns: bool,
    },
}

impl Regularizer {
    /// factor · Σ |x|.
    pub fn l1(factor: f32) -> Self {
        Self::L1(factor)
    }

    /// factor · Σ x².
    pub fn l2(factor: f32) -> Self {
        Self::L2(factor)
    }

    /// Adds the term for a whole value, which must not have a batch: a scalar.
    ///
    /// # Errors
    /// If a matrix is wanted and the value is none.
    pub fn penalty(self, graph: &mut Graph, x: Value) -> Result<Value, EngineError> {
        match self {
            Self::Orthogonal { factor, columns } => orthogonal(graph, x, factor, columns),
            _ => {
                let all: Vec<usize> = (0..graph.shape(x).dims.len()).collect();
                self.sums(graph, x, &all)
            }
        }
    }

    /// Adds the mean of the terms for the samples of a batch: a scalar.
    ///
    /// # Errors
    /// If the regularizer is for matrices only.
    pub fn activity_penalty(self, graph: &mut Graph, x: Value) -> Result<Value, EngineError> {
        if let Self::Orthogonal { .. } = self {
            let mismatch =
                Mismatch::new("a regularizer of single activations (L1, L2)", "OrthogonalRegularizer");
            return Err(EngineError::Shape { layer: graph.label().to_owned(), op: "regularizer", mismatch });
        }
        let axes: Vec<usize> = (0..graph.shape(x).dims.len()).collect();
        let sums = self.sums(graph, x, &axes)?;
        graph.apply(
            Reduce { function: ReduceFunction::Mean, batch: true, axes: vec![], keep_dims: false },
            &[sums],
        )
    }

    fn sums(self, graph: &mut Graph, x: Value, axes: &[usize]) -> Result<Value, EngineError> {
        let (l1, l2) = match self {
            Self::L1(l1) => (l1, 0.0),
            Self::L2(l2) => (0.0, l2),
            Self::L1L2 { l1, l2 } => (l1, l2),
            Self::Orthogonal { .. } => unreachable!("it has its own terms"),
        };
        let mut terms = Vec::new();
        for (factor, power) in [(l1, 1), (l2, 2)] {
            if factor != 0.0 || (power == 2 && terms.is_empty()) {
                let y = if power == 1 { absolute(graph, x)? } else { graph.apply(Multiply, &[x, x])? };
                let sum = graph.apply(Reduce::new(ReduceFunction::Sum, axes), &[y])?;
                terms.push(graph.apply(ScaleShift { scale: factor, shift: 0.0 }, &[sum])?);
            }
        }
        if terms.len() > 1 { graph.apply(Sum, &terms) } else { Ok(terms[0]) }
    }

    fn class_name(self) -> &'static str {
        match self {
            Self::L1(_) => "L1",
            Self::L2(_) => "L2",
            Self::L1L2 { .. } => "L1L2",
            Self::Orthogonal { .. } => "OrthogonalRegularizer",
        }
    }

    const KNOWN: [&'static str; 4] = ["L1", "L2", "L1L2", "OrthogonalRegularizer"];
}

/// |x| = max(x, 0) + max(−x, 0), whose gradient at 0 is 0.
fn absolute(graph: &mut Graph, x: Value) -> Result<Value, EngineError> {
    let positive = graph.apply(Activate(Activation::Relu), &[x])?;
    let opposite = graph.apply(ScaleShift { scale: -1.0, shift: 0.0 }, &[x])?;
    let negative = graph.apply(Activate(Activation::Relu), &[opposite])?;
    graph.apply(Sum, &[positive, negative])
}

fn orthogonal(graph: &mut Graph, x: Value, factor: f32, columns: bool) -> Result<Value, EngineError> {
    let shape = graph.shape(x).clone();
    let [rows, width] = shape.dims[..] else {
        let mismatch = Mismatch::new("a matrix", shape);
        return Err(EngineError::Shape {
            layer: graph.label().to_owned(),
            op: "OrthogonalRegularizer",
            mismatch,
        });
    };
    let (size, x) = match columns {
        true => (width, graph.apply(Permute { axes: vec![1, 0] }, &[x])?),
        false => (rows, x),
    };
    let unit =
        RowNorm { function: RowNormFunction::Unit { epsilon: 1e-12 }, axes: 1, scale: false, center: false };
    let x = graph.apply(unit, &[x])?;
    let transposed = graph.apply(Permute { axes: vec![1, 0] }, &[x])?;
    let products = graph.apply(Convolution::linear(Sliding::default(), 1), &[x, transposed])?;
    let products = absolute(graph, products)?;
    // Each row's product with itself is |row|², taken off the sum again.
    let squares = graph.apply(Multiply, &[x, x])?;
    let own = graph.apply(Reduce::new(ReduceFunction::Sum, [0, 1]), &[squares])?;
    let all = graph.apply(Reduce::new(ReduceFunction::Sum, [0, 1]), &[products])?;
    let others = graph.apply(Binary(BinaryFunction::Subtract), &[all, own])?;
    let pairs = (size * size.saturating_sub(1)) as f32 / 2.0;
    graph.apply(ScaleShift { scale: factor * 0.5 / pairs, shift: 0.0 }, &[others])
}

impl FromStr for Regularizer {
    type Err = Error;

    /// Takes `L2` and `l2`, with Keras's factors of 0.01.
    fn from_str(name: &str) -> Result<Self, Error> {
        json!({ "class_name": name, "config": {} }).try_into()
    }
}

impl From<Regularizer> for Json {
    fn from(regularizer: Regularizer) -> Self {
        let config = match regularizer {
            Regularizer::L1(l1) => json!({ "l1": l1 }),
            Regularizer::L2(l2) => json!({ "l2": l2 }),
            Regularizer::L1L2 { l1, l2 } => json!({ "l1": l1, "l2": l2 }),
            Regularizer::Orthogonal { factor, columns } => {
                json!({ "factor": factor, "mode": if columns { "columns" } else { "rows" } })
            }
        };
        json!({
            "module": "keras.regularizers",
            "class_name": regularizer.class_name(),
            "config": config,
            "registered_name": null,
        })
    }
}

impl TryFrom<Json> for Regularizer {
    type Error = Error;

    fn try_from(json: Json) -> Result<Self, Error> {
        let name = json.as_str().or_else(|| json.get("class_name")?.as_str()).unwrap_or_default();
        let given = json.get("config");
        let number = |key: &str, default: f64| match given.and_then(|config| config.get(key)) {
            None | Some(Json::Null) => Ok(default as f32),
            Some(value) => match value.as_f64() {
                Some(value) if value >= 0.0 && value.is_finite() => Ok(value as f32),
                _ => Err(Error::argument(name, format!("{key} must be a number of at least 0, got {value}"))),
            },
        };
        let both = if given.is_none() { 0.01 } else { 0.0 };
        match name {
            "L1" | "l1" => Ok(Self::L1(number("l1", 0.01)?)),
            "L2" | "l2" => Ok(Self::L2(number("l2", 0.01)?)),
            "L1L2" | "l1_l2" | "l1l2" => Ok(Self::L1L2 { l1: number("l1", both)?, l2: number("l2", both)? }),
            "OrthogonalRegularizer" | "orthogonal_regularizer" => {
                let mode = given.and_then(|config| config.get("mode")).and_then(Json::as_str);
                Ok(Self::Orthogonal { factor: number("factor", 0.01)?, columns: mode == Some("columns") })
            }
            _ => Err(Error::unknown("regularizer", name, Self::KNOWN)),
        }
    }
}
