//! Convolutions, dense layers and pools.

use std::any::Any;

use convnet_nn::engine::Value;
use convnet_nn::engine::kernels::geometry::Axis;
use convnet_nn::engine::op::Op;
use convnet_nn::engine::ops::{
    Activation, AveragePool, Convolution, ConvolutionDataGradient, MaxPool, Reshape, Sliding,
};

use super::{At, Attribute, Exporter, Order};
use crate::Result;
use crate::onnx::Tensor;

pub(super) fn export(at: &mut Exporter<'_>, op: &dyn Op, node: &At<'_>) -> Result<bool> {
    let any = op as &dyn Any;
    if let Some(op) = any.downcast_ref::<Convolution>() {
        convolution(at, op, node)?;
    } else if let Some(op) = any.downcast_ref::<ConvolutionDataGradient>() {
        transposed(at, op, node)?;
    } else if let Some(op) = any.downcast_ref::<MaxPool>() {
        pool(at, "MaxPool", &op.window, &op.sliding, node)?;
    } else if let Some(op) = any.downcast_ref::<AveragePool>() {
        pool(at, "AveragePool", &op.window, &op.sliding, node)?;
    } else {
        return Ok(false);
    }
    Ok(true)
}

/// Strides, dilations and paddings of windows of sizes `kernel` over `spatial` elements.
pub(super) fn windows(
    at: &Exporter<'_>,
    sliding: &Sliding,
    spatial: &[usize],
    kernel: &[usize],
) -> Result<Vec<Attribute>> {
    let first = 3 - spatial.len();
    let (mut before, mut after) = (Vec::new(), Vec::new());
    for (i, (&size, &kernel)) in spatial.iter().zip(kernel).enumerate() {
        let place = first + i;
        let axis =
            Axis::new(size, kernel, sliding.strides[place], sliding.dilation[place], sliding.padding[place])
                .map_err(|problem| at.refuse(problem))?;
        before.push(axis.pad_before);
        after.push(axis.pad_after);
    }
    Ok(vec![
        Attribute::sizes("kernel_shape", kernel),
        Attribute::sizes("strides", &sliding.strides[first..]),
        Attribute::sizes("dilations", &sliding.dilation[first..]),
        Attribute::sizes("pads", &[before, after].concat()),
    ])
}

/// The name of weights with their axes in another order: of a variable, perhaps under another shape, its numbers in that order.
fn weights(at: &mut Exporter<'_>, value: Value, order: &[usize]) -> Result<String> {
    let mut from = value;
    while let Some(node) = at.graph.producer(from).filter(|node| node.op_as::<Reshape>().is_some()) {
        from = node.inputs[0];
    }
    if let Some((name, _, values)) = at.variable(from) {
        let moved = Tensor::floats(at.shape(value).dims, values).transposed(order);
        return Ok(at.variable_as(&name, &moved.dims.clone(), &moved.to_floats()));
    }
    let computed = at.input(value, Order::Model)?;
    let axes = order.iter().map(|&axis| axis as i64);
    Ok(at.node("Transpose", &[&computed], vec![Attribute::ints("perm", axes)]))
}

fn convolution(at: &mut Exporter<'_>, op: &Convolution, node: &At<'_>) -> Result<()> {
    let (x, y) = (node.inputs[0], node.outputs[0]);
    let rank = at.shape(node.inputs[1]).dims.len() - 2;
    if rank == 0 {
        return dense(at, op, node);
    }
    let kernel = at.shape(node.inputs[1]).dims;
    // (kernel…, channels / groups, filters) becomes (filters, channels / groups, kernel…).
    let order: Vec<usize> = [rank + 1, rank].into_iter().chain(0..rank).collect();
    let w = weights(at, node.inputs[1], &order)?;
    let spatial = at.shape(x).dims[..rank].to_vec();
    let mut attributes = windows(at, &op.sliding, &spatial, &kernel[..rank])?;
    attributes.push(Attribute::int("group", op.groups as i64));
    let x = at.input(x, Order::ChannelsFirst)?;
    let mut inputs = vec![x, w];
    if let Some(&bias) = node.inputs.get(2 + usize::from(op.residual)) {
        inputs.push(at.input(bias, Order::Model)?);
    }
    let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
    let mut result = at.node("Conv", &inputs, attributes);
    if op.residual {
        let residual = at.input(node.inputs[2], Order::ChannelsFirst)?;
        result = at.node("Add", &[&result, &residual], Vec::new());
    }
    finish(at, op.activation, y, Order::ChannelsFirst, result);
    Ok(())
}

/// Applies the function that ends an operation.
fn finish(at: &mut Exporter<'_>, activation: Activation, y: Value, order: Order, result: String) {
    let result = super::elementwise::activation(at, activation, &result);
    at.output(y, order, result);
}

fn dense(at: &mut Exporter<'_>, op: &Convolution, node: &At<'_>) -> Result<()> {
    if op.groups != 1 {
        return Err(at.refuse("a dense layer in groups"));
    }
    let x = at.input(node.inputs[0], Order::Model)?;
    let w = at.input(node.inputs[1], Order::Model)?;
    let bias = node
        .inputs
        .get(2 + usize::from(op.residual))
        .map(|&bias| at.input(bias, Order::Model))
        .transpose()?;
    let is_plain = at.shape(node.inputs[0]).dims.len() == 1 && at.shape(node.inputs[0]).batched;
    let mut result = match (&bias, is_plain) {
        (Some(bias), true) => at.node("Gemm", &[&x, &w, bias], Vec::new()),
        (None, _) => at.node("MatMul", &[&x, &w], Vec::new()),
        (Some(bias), false) => {
            let product = at.node("MatMul", &[&x, &w], Vec::new());
            at.node("Add", &[&product, bias], Vec::new())
        }
    };
    if op.residual {
        let residual = at.input(node.inputs[2], Order::Model)?;
        result = at.node("Add", &[&result, &residual], Vec::new());
    }
    finish(at, op.activation, node.outputs[0], Order::Model, result);
    Ok(())
}

/// A transposed convolution, whose output is the input of the convolution that it is the gradient of.
fn transposed(at: &mut Exporter<'_>, op: &ConvolutionDataGradient, node: &At<'_>) -> Result<()> {
    let (x, w) = (node.inputs[0], node.inputs[1]);
    let rank = at.shape(w).dims.len() - 2;
    let kernel = at.shape(w).dims;
    // (kernel…, filters / groups, channels) becomes (channels, filters / groups, kernel…).
    let order: Vec<usize> = [rank + 1, rank].into_iter().chain(0..rank).collect();
    let w = weights(at, w, &order)?;
    let spatial = op.input.dims[..rank].to_vec();
    let mut attributes = windows(at, &op.sliding, &spatial, &kernel[..rank])?;
    let from = at.shape(x).dims;
    let mut added = Vec::new();
    for axis in 0..rank {
        let place = 3 - rank + axis;
        let all = Axis::new(
            spatial[axis],
            kernel[axis],
            op.sliding.strides[place],
            op.sliding.dilation[place],
            op.sliding.padding[place],
        )
        .map_err(|problem| at.refuse(problem))?;
        let extent = all.dilation * (all.kernel - 1) + 1;
        let full = (from[axis] - 1) * all.stride + extent;
        added.push((spatial[axis] + all.pad_before + all.pad_after).saturating_sub(full));
    }
    attributes.push(Attribute::sizes("output_padding", &added));
    attributes.push(Attribute::int("group", op.groups as i64));
    let x = at.input(x, Order::ChannelsFirst)?;
    let result = at.node("ConvTranspose", &[&x, &w], attributes);
    at.output(node.outputs[0], Order::ChannelsFirst, result);
    Ok(())
}

fn pool(
    at: &mut Exporter<'_>,
    operator: &str,
    window: &[usize],
    sliding: &Sliding,
    node: &At<'_>,
) -> Result<()> {
    let spatial = at.shape(node.inputs[0]).dims[..window.len()].to_vec();
    let mut attributes = windows(at, sliding, &spatial, window)?;
    if operator == "AveragePool" {
        // Dilation came with operator set 19.
        if sliding.dilation != [1; 3] {
            return Err(at.refuse("an average pool with dilation"));
        }
        attributes.remove(2);
    }
    let x = at.input(node.inputs[0], Order::ChannelsFirst)?;
    let result = at.node(operator, &[&x], attributes);
    at.output(node.outputs[0], Order::ChannelsFirst, result);
    Ok(())
}
