//! Products of matrices, among them the dense layer.

use std::sync::Arc;

use convnet_nn::Symbol;
use convnet_nn::layers::{self, Dense, Operation};

use super::align::number;
use super::call::one;
use super::elementwise::pair;
use super::{Call, Operator, Samples, Traced, Value};
use crate::Result;
use crate::onnx::proto::NodeProto;
use crate::onnx::tensor::{Element, Tensor};

pub(super) const OPERATORS: &[Operator] = &[
    Operator { name: "Einsum", import: super::einsum::import },
    Operator { name: "Gemm", import: gemm },
    Operator { name: "MatMul", import: product },
];

/// A dense layer: the last of the file's axes of x times the rows of a matrix, whose rows are brought to the order in which
/// the axis lies in the symbol.
fn dense(call: &mut Call<'_, '_>, x: &Traced, matrix: &Tensor, bias: Option<Vec<f32>>) -> Result<Traced> {
    let &[rows, columns] = &matrix.dims[..] else { return Err(call.malformed("weights that are no matrix")) };
    let rank = x.groups.len();
    if rank == 0 || x.dims()[rank - 1] != rows || matrix.is_empty() {
        return Err(call.malformed(format!(
            "weights {:?} for an input whose samples are {:?}",
            matrix.dims,
            x.dims()
        )));
    }
    let (symbol, matrix, groups) = if rank == 1 && x.groups[0].len() > 1 {
        // A flattened value: the symbol is flattened as it lies, and the weights follow.
        let physical = x.physical().to_vec();
        let mut order: Vec<usize> = (0..x.groups[0].len()).collect();
        order.sort_by_key(|&place| x.groups[0][place]);
        let mut factors: Vec<usize> = x.groups[0].iter().map(|&axis| physical[axis]).collect();
        factors.push(columns);
        order.push(order.len());
        let matrix = call.at.copy(matrix)?.reshaped(factors);
        let matrix = call.at.transposed(&matrix, &order)?.reshaped(vec![rows, columns]);
        (call.at.reshaped(&x.symbol, &[rows])?, matrix, vec![vec![0]])
    } else if x.dims()[..rank - 1].iter().all(|&size| size == 1) && call.at.samples != Samples::None {
        // A row, whatever else is left of axes: the layer is a plain one, whose classes can be exchanged.
        let symbol = call.at.canonical(x)?;
        let mut groups = vec![Vec::new(); rank];
        groups[rank - 1] = vec![0];
        (call.at.reshaped(&symbol, &[rows])?, call.at.copy(matrix)?, groups)
    } else {
        let is_last = |&axis: &usize| axis + 1 == x.physical().len();
        let order = if x.is_simple() && x.groups[rank - 1].first().is_some_and(is_last) {
            x.order()
        } else {
            (0..rank).collect()
        };
        let x = call.at.arrange(x, &order)?;
        (x.symbol, call.at.copy(matrix)?, x.groups)
    };
    let layer = Dense::new(columns).use_bias(bias.is_some());
    let weights = std::iter::once(matrix.into_floats()).chain(bias).collect();
    let symbol = call.layer(layer, &[&symbol], weights)?;
    Ok(Traced { symbol, groups, element: Element::Float, not_negative: false })
}

/// A list of numbers, one a column, of a constant that is added to rows.
fn row(call: &mut Call<'_, '_>, tensor: &Tensor, columns: usize) -> Result<Option<Vec<f32>>> {
    let (last, outer) = tensor.dims.split_last().unwrap_or((&1, &[]));
    let fits = outer.iter().all(|&size| size == 1) && (*last == columns || *last == 1);
    if !fits {
        return Ok(None);
    }
    call.at.spend_on(&[columns], Element::Float)?;
    let values = tensor.to_floats();
    Ok(Some(if *last == columns { values } else { vec![values[0]; columns] }))
}

fn gemm(call: &mut Call<'_, '_>) -> Result<Vec<Value>> {
    let (alpha, beta) = (call.float("alpha", 1.0)?, call.float("beta", 1.0)?);
    let [flip_a, flip_b] = [call.int("transA", 0)? != 0, call.int("transB", 0)? != 0];
    let c = call.optional(2).cloned();
    if let Value::Known(b) = call.input(1)?.clone()
        && b.dims.len() == 2
        && !flip_a
        && !b.is_empty()
    {
        let b = if flip_b { call.at.transposed(&b, &[1, 0])? } else { call.at.copy(&b)? };
        let columns = b.dims[1];
        let bias = match &c {
            None => Some(None),
            Some(Value::Known(c)) => row(call, c, columns)?.map(Some),
            Some(Value::Traced(_)) => None,
        };
        if let Some(bias) = bias {
            let scaled = |values: Vec<f32>, factor: f32| -> Vec<f32> {
                if factor == 1.0 { values } else { values.into_iter().map(|value| value * factor).collect() }
            };
            let b = Tensor::floats(b.dims.clone(), scaled(b.into_floats(), alpha));
            let x = call.traced(0)?;
            let x = if call.at.batched { x } else { whole_rows(call, &x)? };
            return one(dense(call, &x, &b, bias.map(|bias| scaled(bias, beta)))?);
        }
    }
    let mut sides = [call.input(0)?.clone(), call.input(1)?.clone()];
    for (side, flip) in sides.iter_mut().zip([flip_a, flip_b]) {
        if flip {
            *side = flipped(call, side)?;
        }
    }
    let mut y = multiply(call, &sides[0], &sides[1])?;
    if alpha != 1.0 {
        y = pair(call, "multiply", &[Value::Traced(y), number(alpha)])?;
    }
    match c {
        None => one(y),
        Some(c) => {
            let c = match c {
                c if beta == 1.0 => c,
                Value::Known(c) => {
                    let values = call.at.copy_floats(&c)?.into_iter().map(|value| value * beta).collect();
                    Value::Known(Arc::new(Tensor::floats(c.dims.clone(), values)))
                }
                c => Value::Traced(pair(call, "multiply", &[c, number(beta)])?),
            };
            one(pair(call, "add", &[Value::Traced(y), c])?)
        }
    }
}

/// A value as it is, checked to be a matrix.
fn whole_rows(call: &Call<'_, '_>, x: &Traced) -> Result<Traced> {
    if x.groups.len() == 2 { Ok(x.clone()) } else { Err(call.malformed("an input that is no matrix")) }
}

fn flipped(call: &mut Call<'_, '_>, value: &Value) -> Result<Value> {
    match value {
        Value::Known(tensor) if tensor.dims.len() == 2 => {
            Ok(Value::Known(Arc::new(call.at.transposed(tensor, &[1, 0])?)))
        }
        Value::Traced(x) if !call.at.batched && x.groups.len() == 2 => {
            let groups = vec![x.groups[1].clone(), x.groups[0].clone()];
            Ok(Value::Traced(Traced { groups, ..x.clone() }))
        }
        Value::Known(_) => Err(call.malformed("an input that is no matrix")),
        Value::Traced(_) => Err(call.mixes()),
    }
}

/// A constant that is added to all rows right after the product, and nowhere else used: the bias of a dense layer.
fn following_bias(call: &mut Call<'_, '_>, columns: usize) -> Result<Option<(Vec<f32>, String)>> {
    let Some((reader, tensor)) = following_sum(call, columns) else { return Ok(None) };
    let Some(name) = reader.output.first() else { return Ok(None) };
    let Some(bias) = row(call, &tensor, columns)? else { return Ok(None) };
    call.at.absorbed.insert(std::ptr::from_ref(reader), ());
    Ok(Some((bias, name.clone())))
}

/// The only node that reads a product, if it adds a constant row, and the row.
fn following_sum<'f>(call: &Call<'_, 'f>, columns: usize) -> Option<(&'f NodeProto, Arc<Tensor>)> {
    let output = call.node.output.first()?;
    let &[reader] = &call.at.readers.get(output)?[..] else { return None };
    if call.at.outputs.contains(output) || reader.op_type != "Add" || reader.input.len() != 2 {
        return None;
    }
    let other = reader.input.iter().find(|name| *name != output)?;
    let Some(Value::Known(tensor)) = call.at.values.get(other) else { return None };
    if tensor.element() != Element::Float || tensor.dims.last() != Some(&columns) {
        return None;
    }
    Some((reader, Arc::clone(tensor)))
}

fn product(call: &mut Call<'_, '_>) -> Result<Vec<Value>> {
    let (a, b) = (call.input(0)?.clone(), call.input(1)?.clone());
    if let (Value::Traced(x), Value::Known(matrix)) = (&a, &b)
        && matrix.dims.len() == 2
        && !x.groups.is_empty()
        && matrix.dims[0] == x.dims()[x.groups.len() - 1]
        && !matrix.is_empty()
    {
        let bias = following_bias(call, matrix.dims[1])?;
        let (bias, name) = bias.unzip();
        let y = dense(call, x, matrix, bias)?;
        if let Some(name) = name {
            call.at.values.insert(name, Value::Traced(y.clone()));
        }
        return one(y);
    }
    one(multiply(call, &a, &b)?)
}

/// A product of matrices in the last two axes, those before repeated as in NumPy.
pub(super) fn multiply(call: &mut Call<'_, '_>, a: &Value, b: &Value) -> Result<Traced> {
    let first = call.first();
    let rank = |value: &Value| match value {
        Value::Known(tensor) => tensor.dims.len(),
        Value::Traced(x) => x.groups.len() + first,
    };
    let (rank_a, rank_b) = (rank(a), rank(b));
    if rank_a == 0 || rank_b == 0 {
        return Err(call.malformed("a factor that is a single number"));
    }
    // Vectors are matrices of one row or column, and leave no axis in the result.
    let a = with_axis(call, a, rank_a == 1, 0)?;
    let b = with_axis(call, b, rank_b == 1, 1)?;
    let rank = rank_a.max(rank_b).max(2);
    let mut constants = Vec::new();
    let mut symbols: Vec<Symbol> = Vec::new();
    let mut layer = Operation::new(layers::Operator::MatMul {});
    for (position, value) in [a, b].into_iter().enumerate() {
        match value {
            Value::Known(tensor) => {
                let mut dims = tensor.dims.clone();
                if first == 1 && dims.len() == rank {
                    if dims[0] != 1 {
                        return Err(call.mixes());
                    }
                    dims.remove(0);
                }
                layer = layer.constant(position, dims, tensor.len() > 1);
                constants.push(call.at.copy_floats(&tensor)?);
            }
            Value::Traced(x) => {
                if first == 1 && (x.groups.len() + 1 != rank || rank < 3) {
                    return Err(call.mixes());
                }
                symbols.push(call.at.canonical(&x)?);
            }
        }
    }
    let symbols: Vec<&Symbol> = symbols.iter().collect();
    let symbol = call.layer(layer, &symbols, constants)?;
    let mut y = Traced::plain(symbol, Element::Float);
    if rank_b == 1 {
        y.groups.pop();
    }
    if rank_a == 1 {
        let last = y.groups.len() - usize::from(rank_b != 1);
        y.groups.remove(last - 1);
    }
    Ok(y)
}

/// A vector as a matrix.
fn with_axis(call: &mut Call<'_, '_>, value: &Value, is_vector: bool, place: usize) -> Result<Value> {
    if !is_vector {
        return Ok(value.clone());
    }
    Ok(match value {
        Value::Known(tensor) => {
            let mut dims = tensor.dims.clone();
            dims.insert(place, 1);
            Value::Known(Arc::new(call.at.copy(tensor)?.reshaped(dims)))
        }
        Value::Traced(_) if call.at.batched => return Err(call.mixes()),
        Value::Traced(x) => {
            let mut x = x.clone();
            x.groups.insert(place, Vec::new());
            Value::Traced(x)
        }
    })
}
