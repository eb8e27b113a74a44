//! How operators become nodes of a graph.

use std::sync::Arc;

use convnet_engine::error::Mismatch;
use convnet_engine::ops::{
    self, Activate, AveragePool, Binary, Blend, ConvolutionDataGradient, Expand, Extreme, ExtremePlace,
    GroupNorm, MatMul, MaxPool, Pad, Padding, PickAlong, PlaceAlong, Reduce, Response, ResponseNorm, RowNorm,
    RowNormFunction, ScaleShift, Select, Slice, Sliding, Taps, Unary, WinnerPlaces, log_softmax_along,
};
use convnet_engine::{EngineError, Graph, Shape, Value};

use super::{Operator, Windows, names};
use crate::layer::LayerContext;
use crate::model::spend_operations;

impl Operator {
    /// Adds the operation.
    pub(in crate::layers) fn apply(
        &self,
        at: &mut LayerContext<'_>,
        inputs: &[Value],
    ) -> Result<Value, EngineError> {
        let wanted = self.inputs();
        if !wanted.contains(&inputs.len()) {
            let expected = format!("{} to {} inputs", wanted.start(), wanted.end());
            return Err(at.mismatch("operation", Mismatch::new(expected, inputs.len())));
        }
        match self {
            Self::Activation { .. } | Self::Unary { .. } | Self::Binary { .. } | Self::Scale { .. } => {
                self.function(at, inputs)
            }
            Self::Identity {} => at.graph.apply(ops::Reshape { dims: dims(at.graph, inputs[0]) }, inputs),
            Self::Select {} => select(at, inputs),
            Self::MatMul {} => mat_mul(at, inputs),
            Self::Expand { dims } => expand(at.graph, inputs[0], dims, at_batch(at.graph, inputs)),
            Self::Constant { dims } => expand(at.graph, inputs[1], dims, true),
            Self::Take { axis, indices } => {
                spend_operations(indices.len(), at.graph.label(), "places")?;
                let taps = indices.iter().map(|&index| vec![(index, 1.0)]).collect();
                blend(at, inputs, *axis, None, taps)
            }
            Self::Blend { axis, size, taps } => {
                // A tap takes less than what is counted as a place: sums along some thousand elements are possible.
                let places = taps.len() + taps.iter().map(Vec::len).sum::<usize>() / 2;
                spend_operations(places, at.graph.label(), "places")?;
                blend(at, inputs, *axis, Some(*size), taps.clone())
            }
            &Self::Slice { axis, start, size } => at.graph.apply(Slice { axis, start, size }, inputs),
            Self::Pad { border, value } => {
                let value = value.unwrap_or(f32::NEG_INFINITY);
                at.graph.apply(Pad { border: border.clone(), value }, inputs)
            }
            Self::Reduce { function, axes, keep_dims } => {
                let function = known(at, function, names::reduce(function))?;
                let op = Reduce { function, batch: false, axes: axes.clone(), keep_dims: *keep_dims };
                at.graph.apply(op, inputs)
            }
            &Self::ExtremePlace { axis, smallest, last } => {
                at.graph.apply(ExtremePlace { axis, extreme: Extreme { smallest, last } }, inputs)
            }
            &Self::PickAlong { axis } => at.graph.apply(PickAlong { axis }, inputs),
            &Self::PlaceAlong { axis, size, sums } => at.graph.apply(PlaceAlong { axis, size, sums }, inputs),
            Self::LogSoftmax { axis } => {
                let rank = dims(at.graph, inputs[0]).len();
                if *axis >= rank {
                    return Err(at.mismatch("log softmax", Mismatch::new(format!("{rank} axes"), axis)));
                }
                log_softmax_along(at.graph, inputs[0], *axis)
            }
            Self::MaxPool(windows) => {
                let sliding = windows.sliding(at)?;
                at.graph.apply(MaxPool { window: windows.sizes.clone(), sliding }, inputs)
            }
            Self::MaxPlaces(windows) => {
                let pool = MaxPool { window: windows.sizes.clone(), sliding: windows.sliding(at)? };
                let input = at.graph.shape(inputs[0]).clone();
                let taps = at.graph.add(pool.clone(), inputs)?[1];
                at.graph.apply(WinnerPlaces { pool, input }, &[taps])
            }
            Self::AveragePool(windows) => {
                let sliding = windows.sliding(at)?;
                at.graph.apply(AveragePool { window: windows.sizes.clone(), sliding }, inputs)
            }
            Self::ConvolutionTranspose { windows, output_padding, groups } => {
                let sliding = windows.sliding(at)?;
                let mut added = [Some(0); 3];
                let first = added.len().saturating_sub(output_padding.len());
                for (to, &from) in added[first..].iter_mut().zip(output_padding) {
                    *to = Some(from);
                }
                let (x, w) = (at.graph.shape(inputs[0]), at.graph.shape(inputs[1]));
                let op = ConvolutionDataGradient::transposed(x, w, sliding, *groups, added)
                    .map_err(|mismatch| at.mismatch("transposed convolution", mismatch))?;
                at.graph.apply(op, inputs)
            }
            Self::LayerNorm { .. } | Self::GroupNorm { .. } | Self::ResponseNorm { .. } => {
                self.normalize(at, inputs)
            }
        }
    }

    /// How many inputs it takes.
    fn inputs(&self) -> std::ops::RangeInclusive<usize> {
        match self {
            Self::Binary { .. }
            | Self::MatMul {}
            | Self::PickAlong { .. }
            | Self::PlaceAlong { .. }
            | Self::Constant { .. }
            | Self::ConvolutionTranspose { .. } => 2..=2,
            Self::Select {} => 3..=3,
            Self::LayerNorm { .. } => 1..=3,
            Self::GroupNorm { .. } => 1..=3,
            _ => 1..=1,
        }
    }

    fn function(&self, at: &mut LayerContext<'_>, inputs: &[Value]) -> Result<Value, EngineError> {
        match self {
            Self::Activation { function, arguments } => {
                let found = known(at, function, names::activation(function, arguments))?;
                at.graph.apply(Activate(found), inputs)
            }
            Self::Unary { function } => {
                let found = known(at, function, names::unary(function))?;
                at.graph.apply(Unary(found), inputs)
            }
            Self::Binary { function } => {
                let found = known(at, function, names::binary(function))?;
                at.graph.apply(Binary(found), inputs)
            }
            &Self::Scale { scale, shift } => at.graph.apply(ScaleShift { scale, shift }, inputs),
            _ => unreachable!("only functions come here"),
        }
    }

    fn normalize(&self, at: &mut LayerContext<'_>, inputs: &[Value]) -> Result<Value, EngineError> {
        let (scale, center) = (inputs.len() > 1, inputs.len() > 2);
        match *self {
            Self::LayerNorm { axes, epsilon, root_mean_square } => {
                let function = if root_mean_square {
                    RowNormFunction::RootMeanSquare { epsilon }
                } else {
                    RowNormFunction::Layer { epsilon }
                };
                at.graph.apply(RowNorm { function, axes, scale, center }, inputs)
            }
            Self::GroupNorm { groups, epsilon } => {
                at.graph.apply(GroupNorm { groups, epsilon, scale, center }, inputs)
            }
            Self::ResponseNorm { depth_radius, bias, alpha, beta } => {
                at.graph.apply(ResponseNorm(Response { depth_radius, bias, alpha, beta }), inputs)
            }
            _ => unreachable!("only norms come here"),
        }
    }
}

impl Windows {
    fn sliding(&self, at: &LayerContext<'_>) -> Result<Sliding, EngineError> {
        let count = self.sizes.len();
        let same = [self.strides.len(), self.dilations.len(), self.pads.len()] == [count; 3];
        if !(1..=3).contains(&count) || !same {
            let mismatch = Mismatch::new("sizes, strides, dilations, pads of one to three axes", count);
            return Err(at.mismatch("windows", mismatch));
        }
        let mut sliding = Sliding::default();
        for axis in 0..count {
            let to = 3 - count + axis;
            (sliding.strides[to], sliding.dilation[to]) = (self.strides[axis], self.dilations[axis]);
            let (before, after) = self.pads[axis];
            sliding.padding[to] = Padding::Explicit { before, after };
        }
        Ok(sliding)
    }
}

fn known<T>(at: &LayerContext<'_>, name: &str, found: Option<T>) -> Result<T, EngineError> {
    found.ok_or_else(|| at.mismatch("operation", Mismatch::new("a function with its arguments", name)))
}

fn dims(graph: &Graph, value: Value) -> Vec<usize> {
    graph.shape(value).dims.clone()
}

/// Whether one of the values has the batch.
fn at_batch(graph: &Graph, inputs: &[Value]) -> bool {
    inputs.iter().any(|&input| graph.shape(input).batched)
}

/// The value repeated to a shape; axes that it lacks are put after the batch.
fn expand(graph: &mut Graph, x: Value, dims: &[usize], batched: bool) -> Result<Value, EngineError> {
    let mut shape = graph.shape(x).clone();
    if shape.batched && shape.dims.len() < dims.len() {
        let missing = dims.len() - shape.dims.len();
        shape.dims = std::iter::repeat_n(1, missing).chain(shape.dims).collect();
    }
    let x = graph.apply(ops::Reshape { dims: shape.dims.clone() }, &[x])?;
    let wanted = Shape { batched, dims: dims.to_vec() };
    if shape == wanted { Ok(x) } else { graph.apply(Expand { shape: wanted, shared: false }, &[x]) }
}

/// The sizes of values repeated to match each other.
fn common(at: &LayerContext<'_>, all: &[&[usize]]) -> Result<Vec<usize>, EngineError> {
    let rank = all.iter().map(|dims| dims.len()).max().unwrap_or(0);
    let mut common = vec![1; rank];
    for dims in all {
        for (to, &size) in common[rank - dims.len()..].iter_mut().zip(*dims) {
            if *to != size && *to != 1 && size != 1 {
                let mismatch = Mismatch::new("inputs that can be repeated to match", format!("{all:?}"));
                return Err(at.mismatch("operation", mismatch));
            }
            *to = if *to == 1 { size } else { *to };
        }
    }
    Ok(common)
}

fn select(at: &mut LayerContext<'_>, inputs: &[Value]) -> Result<Value, EngineError> {
    let all: Vec<Vec<usize>> = inputs.iter().map(|&input| dims(at.graph, input)).collect();
    let common = common(at, &all.iter().map(Vec::as_slice).collect::<Vec<_>>())?;
    let batched = at_batch(at.graph, inputs);
    let mut expanded = Vec::new();
    for &input in inputs {
        expanded.push(expand(at.graph, input, &common, batched)?);
    }
    at.graph.apply(Select, &expanded)
}

fn mat_mul(at: &mut LayerContext<'_>, inputs: &[Value]) -> Result<Value, EngineError> {
    let [a, b] = [dims(at.graph, inputs[0]), dims(at.graph, inputs[1])];
    if a.len() < 2 || b.len() < 2 {
        let mismatch = Mismatch::new("matrices", format!("{a:?} and {b:?}"));
        return Err(at.mismatch("matrix product", mismatch));
    }
    let outer = common(at, &[&a[..a.len() - 2], &b[..b.len() - 2]])?;
    let batched = at_batch(at.graph, inputs);
    let mut expanded = Vec::new();
    for (&input, dims) in inputs.iter().zip([a, b]) {
        let wanted = [&outer[..], &dims[dims.len() - 2..]].concat();
        expanded.push(expand(at.graph, input, &wanted, batched)?);
    }
    at.graph.apply(MatMul, &expanded)
}

/// Lists of taps are made anew wherever the layer is called: whoever calls this has paid for them.
fn blend(
    at: &mut LayerContext<'_>,
    inputs: &[Value],
    axis: usize,
    size: Option<usize>,
    taps: Vec<Vec<(usize, f32)>>,
) -> Result<Value, EngineError> {
    let found = dims(at.graph, inputs[0]).get(axis).copied();
    let input = size.or(found).unwrap_or(0);
    let inside = taps.iter().flatten().all(|&(index, _)| index < input);
    if found != Some(input) || !inside || taps.is_empty() {
        let expected = format!("an axis {} that has all elements that are picked", axis.saturating_add(1));
        return Err(at.mismatch("blend", Mismatch::new(expected, at.graph.shape(inputs[0]))));
    }
    at.graph.apply(Blend { axis, taps: Arc::new(Taps::new(input, taps)) }, inputs)
}
