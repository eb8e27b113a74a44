//! Constants, and values that only sizes decide.

use std::sync::Arc;

use super::call::known;
use super::{BATCH, Call, Operator, Value};
use crate::Result;
use crate::onnx::tensor::{Data, Element, Tensor};

pub(super) const OPERATORS: &[Operator] = &[
    Operator { name: "Constant", import: constant },
    Operator { name: "ConstantOfShape", import: constant_of_shape },
    Operator { name: "EyeLike", import: eye_like },
    Operator { name: "Range", import: range },
    Operator { name: "Shape", import: shape },
    Operator { name: "Size", import: size },
];

fn constant(call: &mut Call<'_, '_>) -> Result<Vec<Value>> {
    if let Some(tensor) = call.tensor("value")? {
        return known(tensor);
    }
    if let Some(value) = call.some_float("value_float")? {
        return known(Tensor::floats([], vec![value]));
    }
    if let Some(value) = call.some_int("value_int")? {
        return known(Tensor::integers([], vec![value]));
    }
    if let Some(values) = call.floats("value_floats")? {
        return known(Tensor::floats([values.len()], values.to_vec()));
    }
    if let Some(values) = call.ints("value_ints")? {
        return known(Tensor::integers([values.len()], values.to_vec()));
    }
    Err(call.unsupported("a constant that is neither a tensor nor numbers"))
}

/// Sizes of a value that is to be made.
fn sizes(call: &mut Call<'_, '_>, sizes: &[i64], element: Element) -> Result<Vec<usize>> {
    let dims: Option<Vec<usize>> = sizes.iter().map(|&size| usize::try_from(size).ok()).collect();
    let Some(dims) = dims else {
        return Err(if sizes.contains(&BATCH) {
            call.mixes()
        } else {
            call.malformed(format!("sizes {sizes:?}"))
        });
    };
    call.at.spend_on(&dims, element)?;
    Ok(dims)
}

fn constant_of_shape(call: &mut Call<'_, '_>) -> Result<Vec<Value>> {
    let mut wanted = call.integers(0)?;
    if call.at.batched && wanted.first() == Some(&BATCH) {
        // The same for every sample; it is repeated where it meets them.
        wanted[0] = 1;
    }
    let value = call.tensor("value")?.unwrap_or_else(|| Tensor::floats([1], vec![0.0]));
    if value.len() != 1 {
        return Err(call.malformed("its value is no single number"));
    }
    let dims = sizes(call, &wanted, value.element())?;
    let len = dims.iter().product();
    known(value.gather(dims, std::iter::repeat_n(0, len)))
}

fn eye_like(call: &mut Call<'_, '_>) -> Result<Vec<Value>> {
    let (dims, own): (Vec<i64>, Element) = match call.input(0)?.clone() {
        Value::Known(tensor) => (tensor.dims.iter().map(|&size| size as i64).collect(), tensor.element()),
        Value::Traced(traced) => (call.file_dims(&traced), traced.element),
    };
    let dims = sizes(call, &dims, Element::Integer)?;
    let [rows, columns] = dims[..] else { return Err(call.malformed("an input that is no matrix")) };
    let diagonal = call.int("k", 0)?;
    let one = |place: usize| (place % columns.max(1)) as i64 - (place / columns.max(1)) as i64 == diagonal;
    let values = Data::Booleans((0..rows * columns).map(one).collect());
    let element = match call.some_int("dtype")? {
        Some(to) => i32::try_from(to).ok().and_then(Element::of).unwrap_or(own),
        None => own,
    };
    known(Tensor { dims, data: values }.cast(element))
}

fn range(call: &mut Call<'_, '_>) -> Result<Vec<Value>> {
    let [start, limit, delta] = [call.constant(0)?, call.constant(1)?, call.constant(2)?];
    if [&start, &limit, &delta].iter().any(|tensor| tensor.len() != 1) {
        return Err(call.malformed("bounds that are no single numbers"));
    }
    if start.element() == Element::Integer {
        let [start, limit, delta] = [&start, &limit, &delta].map(|tensor| tensor.to_integers()[0]);
        if [start, limit, delta].contains(&BATCH) {
            return Err(call.mixes());
        }
        // Rounded up, whichever way it goes; a step backwards is one forwards of the opposite numbers.
        let sign = i128::from(delta.signum());
        let way = (i128::from(limit) - i128::from(start)) * sign;
        let count = match sign {
            0 => return Err(call.malformed("a step of 0")),
            _ => -(-way).div_euclid(i128::from(delta) * sign),
        };
        let count = usize::try_from(count.max(0)).unwrap_or(usize::MAX);
        call.at.spend_on(&[count], Element::Integer)?;
        let values = (0..count as i64).map(|index| start.wrapping_add(index.wrapping_mul(delta))).collect();
        return known(Tensor::integers([count], values));
    }
    let [start, limit, delta] = [&start, &limit, &delta].map(|tensor| tensor.to_floats()[0]);
    let count = ((limit - start) / delta).ceil().max(0.0);
    if !count.is_finite() {
        return Err(call.malformed("a range without an end"));
    }
    call.at.spend_on(&[count as usize], Element::Float)?;
    let values: Vec<f32> = (0..count as usize).map(|index| start + index as f32 * delta).collect();
    known(Tensor::floats([values.len()], values))
}

fn shape(call: &mut Call<'_, '_>) -> Result<Vec<Value>> {
    let dims: Vec<i64> = match call.input(0)?.clone() {
        Value::Known(tensor) => tensor.dims.iter().map(|&size| size as i64).collect(),
        Value::Traced(traced) => call.file_dims(&traced),
    };
    let rank = dims.len() as i64;
    let bound =
        |place: i64| if place < 0 { place.saturating_add(rank) } else { place }.clamp(0, rank) as usize;
    let (start, end) = (bound(call.int("start", 0)?), bound(call.int("end", rank)?));
    let part = dims.get(start..end).unwrap_or_default().to_vec();
    known(Tensor::integers([part.len()], part))
}

fn size(call: &mut Call<'_, '_>) -> Result<Vec<Value>> {
    let len = match call.input(0)?.clone() {
        Value::Known(tensor) => tensor.len(),
        Value::Traced(_) if call.at.batched => return Err(call.mixes()),
        Value::Traced(traced) => traced.dims().iter().product(),
    };
    Ok(vec![Value::Known(Arc::new(Tensor::integers([], vec![len as i64])))])
}
