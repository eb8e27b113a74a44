//! Normalisations, functions of rows, and images in other sizes.

use std::any::Any;

use convnet_nn::engine::op::Op;
use convnet_nn::engine::ops::{
    AdaptiveAveragePool, AdaptiveMaxPool, BatchNormFrozen, GroupNorm, Interpolation, LogSoftmax, Resize,
    ResponseNorm, RowNorm, RowNormFunction, Softmax,
};
use convnet_nn::engine::{Shape, Value};

use super::{At, Attribute, Exporter, Order};
use crate::Result;

pub(super) fn export(at: &mut Exporter<'_>, op: &dyn Op, node: &At<'_>) -> Result<bool> {
    let any = op as &dyn Any;
    let y = node.outputs[0];
    if any.is::<Softmax>() || any.is::<LogSoftmax>() {
        let x = at.input(node.inputs[0], Order::Model)?;
        let operator = if any.is::<Softmax>() { "Softmax" } else { "LogSoftmax" };
        let name = at.node(operator, &[&x], vec![Attribute::int("axis", -1)]);
        at.output(y, Order::Model, name);
    } else if let Some(op) = any.downcast_ref::<BatchNormFrozen>() {
        batch(at, op, node)?;
    } else if let Some(op) = any.downcast_ref::<GroupNorm>() {
        group(at, op, node)?;
    } else if let Some(op) = any.downcast_ref::<RowNorm>() {
        rows(at, op, node)?;
    } else if let Some(ResponseNorm(response)) = any.downcast_ref::<ResponseNorm>() {
        let size = 2 * response.depth_radius + 1;
        if at.shape(node.inputs[0]).dims.len() < 3 {
            return Err(at.refuse("a response normalisation of what is no image"));
        }
        let x = at.input(node.inputs[0], Order::ChannelsFirst)?;
        let attributes = vec![
            Attribute::int("size", size as i64),
            Attribute::float("alpha", response.alpha * size as f32),
            Attribute::float("beta", response.beta),
            Attribute::float("bias", response.bias),
        ];
        let name = at.node("LRN", &[&x], attributes);
        at.output(y, Order::ChannelsFirst, name);
    } else if let Some(op) = any.downcast_ref::<Resize>() {
        resize(at, op, node)?;
    } else if let Some(op) = any.downcast_ref::<AdaptiveAveragePool>() {
        adaptive(at, "AveragePool", &op.size, node)?;
    } else if let Some(op) = any.downcast_ref::<AdaptiveMaxPool>() {
        adaptive(at, "MaxPool", &op.size, node)?;
    } else {
        return Ok(false);
    }
    Ok(true)
}

/// γ and β of a norm, ones and zeros where it has none.
fn affine(
    at: &mut Exporter<'_>,
    inputs: &[Value],
    scale: bool,
    center: bool,
    dims: &[usize],
) -> Result<[String; 2]> {
    let mut weights = inputs.iter();
    let len: usize = dims.iter().product();
    let gamma = match weights.next().filter(|_| scale) {
        Some(&gamma) => at.input(gamma, Order::Model)?,
        None => at.floats(dims, &vec![1.0; len]),
    };
    let beta = match inputs.get(usize::from(scale)).filter(|_| center) {
        Some(&beta) => at.input(beta, Order::Model)?,
        None => at.floats(dims, &vec![0.0; len]),
    };
    Ok([gamma, beta])
}

fn batch(at: &mut Exporter<'_>, op: &BatchNormFrozen, node: &At<'_>) -> Result<()> {
    let channels = at.shape(node.inputs[0]).channels();
    let x = at.input(node.inputs[0], Order::ChannelsFirst)?;
    let [gamma, beta] = affine(at, &node.inputs[3..], op.scale, op.center, &[channels])?;
    let (mean, variance) = (at.input(node.inputs[1], Order::Model)?, at.input(node.inputs[2], Order::Model)?);
    let attributes = vec![Attribute::float("epsilon", op.epsilon)];
    let name = at.node("BatchNormalization", &[&x, &gamma, &beta, &mean, &variance], attributes);
    at.output(node.outputs[0], Order::ChannelsFirst, name);
    Ok(())
}

fn group(at: &mut Exporter<'_>, op: &GroupNorm, node: &At<'_>) -> Result<()> {
    let shape = at.shape(node.inputs[0]);
    let channels = shape.channels();
    let x = at.input(node.inputs[0], Order::ChannelsFirst)?;
    let rank = shape.dims.len();
    // Each group as one channel of a sequence.
    let apart = at.integers(&[0, op.groups as i64, -1]);
    let parts = at.node("Reshape", &[&x, &apart], Vec::new());
    let (ones, zeros) =
        (at.floats(&[op.groups], &vec![1.0; op.groups]), at.floats(&[op.groups], &vec![0.0; op.groups]));
    let attributes = vec![Attribute::float("epsilon", op.epsilon)];
    let normal = at.node("InstanceNormalization", &[&parts, &ones, &zeros], attributes);
    let sizes: Vec<i64> = [0, channels as i64]
        .into_iter()
        .chain(shape.dims[..rank - 1].iter().map(|&size| size as i64))
        .collect();
    let sizes = at.integers(&sizes);
    let normal = at.node("Reshape", &[&normal, &sizes], Vec::new());
    let [gamma, beta] = affine(at, &node.inputs[1..], op.scale, op.center, &[channels])?;
    let along: Vec<i64> = std::iter::once(-1).chain(std::iter::repeat_n(1, rank - 1)).collect();
    let along = at.integers(&along);
    let gamma = at.node("Reshape", &[&gamma, &along], Vec::new());
    let beta = at.node("Reshape", &[&beta, &along], Vec::new());
    let scaled = at.node("Mul", &[&normal, &gamma], Vec::new());
    let name = at.node("Add", &[&scaled, &beta], Vec::new());
    at.output(node.outputs[0], Order::ChannelsFirst, name);
    Ok(())
}

fn rows(at: &mut Exporter<'_>, op: &RowNorm, node: &At<'_>) -> Result<()> {
    let dims = at.shape(node.inputs[0]).dims;
    let row = dims[dims.len() - op.axes..].to_vec();
    let x = at.input(node.inputs[0], Order::Model)?;
    let [gamma, beta] = affine(at, &node.inputs[1..], op.scale, op.center, &row)?;
    let axes: Vec<i64> = (0..op.axes).map(|axis| axis as i64 - op.axes as i64).collect();
    let mean = |at: &mut Exporter<'_>, x: &str| {
        at.node("ReduceMean", &[x], vec![Attribute::ints("axes", axes.clone())])
    };
    let divided = match op.function {
        RowNormFunction::Layer { epsilon } => {
            let attributes =
                vec![Attribute::int("axis", -(op.axes as i64)), Attribute::float("epsilon", epsilon)];
            let name = at.node("LayerNormalization", &[&x, &gamma, &beta], attributes);
            at.output(node.outputs[0], Order::Model, name);
            return Ok(());
        }
        RowNormFunction::Variance { epsilon } | RowNormFunction::RootMeanSquare { epsilon } => {
            let centred = if matches!(op.function, RowNormFunction::Variance { .. }) {
                let middle = mean(at, &x);
                at.node("Sub", &[&x, &middle], Vec::new())
            } else {
                x.clone()
            };
            let square = at.node("Mul", &[&centred, &centred], Vec::new());
            let spread = mean(at, &square);
            let epsilon = at.number(epsilon);
            let sum = at.node("Add", &[&spread, &epsilon], Vec::new());
            let root = at.node("Sqrt", &[&sum], Vec::new());
            at.node("Div", &[&x, &root], Vec::new())
        }
        RowNormFunction::Unit { epsilon } => {
            let length = at.node("ReduceL2", &[&x], vec![Attribute::ints("axes", axes.clone())]);
            let epsilon = at.number(epsilon);
            let length = at.node("Max", &[&length, &epsilon], Vec::new());
            at.node("Div", &[&x, &length], Vec::new())
        }
    };
    let scaled = at.node("Mul", &[&divided, &gamma], Vec::new());
    let name = at.node("Add", &[&scaled, &beta], Vec::new());
    at.output(node.outputs[0], Order::Model, name);
    Ok(())
}

fn resize(at: &mut Exporter<'_>, op: &Resize, node: &At<'_>) -> Result<()> {
    let dims = at.shape(node.inputs[0]).dims;
    let x = at.input(node.inputs[0], Order::ChannelsFirst)?;
    // Scales, since sizes would have to name that of the batch.
    let scales = [1.0, 1.0, op.size[0] as f32 / dims[0] as f32, op.size[1] as f32 / dims[1] as f32];
    // Rounding may lose the last element of an axis; a little more never gains one.
    let safe = |scale: f32, from: usize, to: usize| {
        if (from as f32 * scale).floor() as usize == to { scale } else { scale * (1.0 + 2.0 * f32::EPSILON) }
    };
    let scales = [1.0, 1.0, safe(scales[2], dims[0], op.size[0]), safe(scales[3], dims[1], op.size[1])];
    let scales = at.floats(&[4], &scales);
    let attributes = match op.interpolation {
        Interpolation::Bilinear => vec![
            Attribute::text("mode", "linear"),
            Attribute::text("coordinate_transformation_mode", "half_pixel"),
        ],
        // The place (o + ½) · in / out is cut, which `tf_half_pixel_for_nn` does.
        Interpolation::Nearest => vec![
            Attribute::text("mode", "nearest"),
            Attribute::text("nearest_mode", "floor"),
            Attribute::text("coordinate_transformation_mode", "tf_half_pixel_for_nn"),
        ],
        #[allow(unreachable_patterns, reason = "the engine may learn more of them")]
        _ => return Err(at.refuse("this interpolation")),
    };
    let name = at.node("Resize", &[&x, "", &scales], attributes);
    at.output(node.outputs[0], Order::ChannelsFirst, name);
    Ok(())
}

/// An adaptive pool: one of even windows where they are, else one axis after the other, window by window.
fn adaptive(at: &mut Exporter<'_>, operator: &str, size: &[usize], node: &At<'_>) -> Result<()> {
    let Shape { dims, .. } = at.shape(node.inputs[0]);
    let even = size.iter().zip(&dims).all(|(&size, &from)| from.is_multiple_of(size));
    let mut x = at.input(node.inputs[0], Order::ChannelsFirst)?;
    if even {
        let windows: Vec<usize> = size.iter().zip(&dims).map(|(&size, &from)| from / size).collect();
        let attributes =
            vec![Attribute::sizes("kernel_shape", &windows), Attribute::sizes("strides", &windows)];
        x = at.node(operator, &[&x], attributes);
        at.output(node.outputs[0], Order::ChannelsFirst, x);
        return Ok(());
    }
    let reduce = if operator == "MaxPool" { "ReduceMax" } else { "ReduceMean" };
    for (axis, (&size, &from)) in size.iter().zip(&dims).enumerate() {
        let axis = (axis + 2) as i64;
        let mut parts = Vec::new();
        for place in 0..size {
            let (start, end) = (place * from / size, ((place + 1) * from).div_ceil(size));
            let (starts, ends, axes) =
                (at.integers(&[start as i64]), at.integers(&[end as i64]), at.integers(&[axis]));
            let part = at.node("Slice", &[&x, &starts, &ends, &axes], Vec::new());
            parts.push(at.node(reduce, &[&part], vec![Attribute::ints("axes", [axis])]));
        }
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        x = at.node("Concat", &parts, vec![Attribute::int("axis", axis)]);
    }
    at.output(node.outputs[0], Order::ChannelsFirst, x);
    Ok(())
}
