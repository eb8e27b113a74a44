//! Images read at places between their elements: bent by a grid, or by convolutions whose windows are moved by computed distances.
//!
//! All is composed of operations that have gradients: those of the image, and of the places by way of the weights of the neighbours.

use std::sync::Arc;

use convnet_nn::layers::{self, Conv1D, Operation};

use super::align::number;
use super::along::pick;
use super::convolution::{bias, kernel};
use super::elementwise::pair;
use super::pick::{border, take};
use super::shape::{expand, regroup};
use super::{Call, Operator, Traced, Value};
use crate::Result;
use crate::onnx::tensor::{Element, Tensor};

pub(super) const OPERATORS: &[Operator] = &[
    Operator { name: "AffineGrid", import: affine_grid },
    Operator { name: "DeformConv", import: deformable },
    Operator { name: "GridSample", import: grid_sample },
];

/// What lies outside of an image.
#[derive(Clone, Copy)]
enum Outside {
    Zeros,
    /// The nearest element.
    Border,
    /// The image mirrored, at the middle of its outermost elements or else at their outer edge.
    Mirrored {
        at_middle: bool,
    },
}

/// The neighbours of a place, counted from the whole number below it, and how they are weighted: by polynomials of the distance from
/// that number, the lowest coefficient first.
type Taps = &'static [(f32, &'static [f32])];

const NEAREST: Taps = &[(0.0, &[1.0])];
const LINEAR: Taps = &[(0.0, &[1.0, -1.0]), (1.0, &[0.0, 1.0])];
/// Bytes that the layers of a neighbour take: a node has many layers, a file many nodes.
const LAYERS: usize = 1 << 16;

/// Keys's kernel with a = −0.75.
const CUBIC: Taps = &[
    (-1.0, &[0.0, -0.75, 1.5, -0.75]),
    (0.0, &[1.0, 0.0, -2.25, 1.25]),
    (1.0, &[0.0, 0.75, 1.5, -1.25]),
    (2.0, &[0.0, 0.0, -0.75, 0.75]),
];

fn unary(call: &mut Call<'_, '_>, function: &str, x: &Traced) -> Result<Traced> {
    call.at.map(x, Operation::new(layers::Operator::Unary { function: function.into() }))
}

fn scaled(call: &mut Call<'_, '_>, x: &Traced, scale: f32, shift: f32) -> Result<Traced> {
    if (scale, shift) == (1.0, 0.0) {
        return Ok(x.clone());
    }
    call.at.map(x, Operation::new(layers::Operator::Scale { scale, shift }))
}

fn two(call: &mut Call<'_, '_>, function: &str, a: &Traced, b: &Traced) -> Result<Traced> {
    pair(call, function, &[Value::Traced(a.clone()), Value::Traced(b.clone())])
}

/// A polynomial of a value; `None` if it is 1 everywhere.
fn polynomial(call: &mut Call<'_, '_>, x: &Traced, coefficients: &[f32]) -> Result<Option<Traced>> {
    let [lower @ .., second, first] = coefficients else { return Ok(None) };
    let mut y = scaled(call, x, *first, *second)?;
    for &coefficient in lower.iter().rev() {
        let product = two(call, "multiply", &y, x)?;
        y = scaled(call, &product, 1.0, coefficient)?;
    }
    Ok(Some(y))
}

/// Whole numbers as places of an axis that has `size` elements, and one more on each side if there are zeros outside.
fn inside(call: &mut Call<'_, '_>, whole: &Traced, size: usize, outside: Outside) -> Result<Traced> {
    let (mut whole, mut last) = (whole.clone(), size as f32 - 1.0);
    match outside {
        Outside::Border => {}
        Outside::Zeros => {
            whole = scaled(call, &whole, 1.0, 1.0)?;
            last += 2.0;
        }
        Outside::Mirrored { at_middle } => {
            let period = if at_middle { 2.0 * last } else { 2.0 * last + 2.0 };
            whole = pair(call, "modulo", &[Value::Traced(whole), number(period.max(1.0))])?;
            let back = scaled(call, &whole, -1.0, if at_middle { period } else { period - 1.0 })?;
            whole = two(call, "minimum", &whole, &back)?;
        }
    }
    let clipped =
        layers::Operator::Activation { function: "ramp".into(), arguments: vec![1.0, 0.0, 0.0, last] };
    call.at.map(&whole, Operation::new(clipped))
}

/// The elements of x `(channels, sizes…)` at places between them: `(channels, count)`. For each axis of the sizes, `places` has
/// `(parts, count)`, where each of the parts is for as many neighbouring channels.
fn sample(
    call: &mut Call<'_, '_>,
    x: &Traced,
    places: &[Traced],
    taps: Taps,
    outside: Outside,
) -> Result<Traced> {
    let dims = x.dims();
    let (channels, sizes) = (dims[0], &dims[1..]);
    let [parts, count] = places[0].dims()[..] else { unreachable!("places have two axes") };
    let margin = usize::from(matches!(outside, Outside::Zeros));
    let sides: Vec<(usize, usize)> =
        std::iter::once((0, 0)).chain(sizes.iter().map(|_| (margin, margin))).collect();
    let padded = border(call, x, &sides, Some(0.0))?;
    let flat = regroup(call, &padded, &[channels, sizes.iter().map(|size| size + 2 * margin).product()])?;
    // Each combination of neighbours along the axes so far: its place in the flat image, and its weight.
    let mut corners: Vec<(Option<Traced>, Option<Traced>)> = vec![(None, None)];
    call.at.spend(LAYERS.saturating_mul(taps.len().saturating_pow(sizes.len() as u32)))?;
    for (place, &size) in places.iter().zip(sizes) {
        let whole = unary(call, if taps.len() == 1 { "round" } else { "floor" }, place)?;
        let distance = two(call, "subtract", place, &whole)?;
        let mut along = Vec::new();
        for &(shift, coefficients) in taps {
            let neighbour = scaled(call, &whole, 1.0, shift)?;
            along
                .push((inside(call, &neighbour, size, outside)?, polynomial(call, &distance, coefficients)?));
        }
        let mut next = Vec::new();
        for (index, weight) in &corners {
            for (neighbour, share) in &along {
                let index = match index {
                    None => neighbour.clone(),
                    Some(index) => {
                        let rows = scaled(call, index, (size + 2 * margin) as f32, 0.0)?;
                        two(call, "add", &rows, neighbour)?
                    }
                };
                let weight = match (weight, share) {
                    (Some(weight), Some(share)) => Some(two(call, "multiply", weight, share)?),
                    (weight, share) => weight.clone().or_else(|| share.clone()),
                };
                next.push((Some(index), weight));
            }
        }
        corners = next;
    }
    let (each, mut sum) = ([parts, channels / parts, count], None);
    for (index, weight) in corners {
        let index = index.ok_or_else(|| call.malformed("an image without axes"))?;
        let index = regroup(call, &index, &[parts, 1, count])?;
        let index = expand(call, &index, &each)?;
        let index = regroup(call, &index, &[channels, count])?;
        let mut found = pick(call, &flat, &index, 1)?;
        if let Some(weight) = weight {
            found = regroup(call, &found, &each)?;
            let weight = regroup(call, &weight, &[parts, 1, count])?;
            found = two(call, "multiply", &found, &weight)?;
        }
        sum = Some(match sum {
            None => found,
            Some(sum) => two(call, "add", &sum, &found)?,
        });
    }
    let sum = sum.ok_or_else(|| call.malformed("an image without axes"))?;
    regroup(call, &sum, &[channels, count])
}

/// Indices are kept as single precision numbers.
fn can_be_counted(call: &Call<'_, '_>, sizes: &[usize]) -> Result<()> {
    let len = sizes.iter().try_fold(1_usize, |len, &size| len.checked_mul(size + 2));
    match len.filter(|&len| len <= 1 << 24) {
        Some(_) => Ok(()),
        None => Err(call.unsupported(format!("an image of sizes {sizes:?}"))),
    }
}

fn grid_sample(call: &mut Call<'_, '_>) -> Result<Vec<Value>> {
    let (x, grid) = (call.sample(0)?, call.sample(1)?);
    let dims = x.dims();
    let mut wanted = grid.dims();
    let rank = wanted.pop();
    if dims.len() < 2 || rank != Some(dims.len() - 1) || wanted.len() != dims.len() - 1 {
        return Err(call.malformed(format!("a grid {:?} for an image {dims:?}", grid.dims())));
    }
    can_be_counted(call, &dims[1..])?;
    let at_middle = call.int("align_corners", 0)? != 0;
    let taps = match call.string("mode", "linear")? {
        "linear" | "bilinear" => LINEAR,
        "nearest" => NEAREST,
        "cubic" | "bicubic" => CUBIC,
        other => return Err(call.malformed(format!("mode {other}"))),
    };
    let outside = match call.string("padding_mode", "zeros")? {
        "zeros" => Outside::Zeros,
        "border" => Outside::Border,
        "reflection" => Outside::Mirrored { at_middle },
        other => return Err(call.malformed(format!("padding_mode {other}"))),
    };
    let count: usize = wanted.iter().product();
    let grid = regroup(call, &grid, &[count, dims.len() - 1])?;
    let mut places = Vec::new();
    for (axis, &size) in dims[1..].iter().enumerate() {
        // The last number of the grid is for the first axis; −1 and 1 are the ends.
        let last = dims.len() - 2 - axis;
        let place = take(call, &grid, 1, last..last + 1)?;
        let place = regroup(call, &place, &[1, count])?;
        let half = size as f32 / 2.0;
        let (scale, shift) = if at_middle { (half - 0.5, half - 0.5) } else { (half, half - 0.5) };
        places.push(scaled(call, &place, scale, shift)?);
    }
    let y = sample(call, &x, &places, taps, outside)?;
    let all: Vec<usize> = std::iter::once(dims[0]).chain(wanted).collect();
    let y = regroup(call, &y, &all)?;
    call.of_images(y)
}

/// The grid that brings each image of a batch to a matrix's places: products of the matrices with the places of an even grid.
fn affine_grid(call: &mut Call<'_, '_>) -> Result<Vec<Value>> {
    let theta = call.sample(0)?;
    let size = call.integers(1)?;
    let size: Option<Vec<usize>> =
        size.iter().skip(2).map(|&size| usize::try_from(size).ok().filter(|&size| size > 0)).collect();
    let size = size.unwrap_or_default();
    let rank = size.len();
    if rank < 2 || theta.dims() != [rank, rank + 1] {
        return Err(call.malformed(format!("matrices {:?} for images of sizes {size:?}", theta.dims())));
    }
    let count = crate::onnx::tensor::len(&size).ok_or_else(|| call.malformed(format!("sizes {size:?}")))?;
    call.at.spend_on(&[count, rank + 1], Element::Float)?;
    let at_middle = call.int("align_corners", 0)? != 0;
    // −1 and 1 are the ends: the outermost elements, or else their outer edges.
    let along = |place: usize, size: usize| match (at_middle, size) {
        (true, 1) => -1.0,
        (true, _) => 2.0 * place as f32 / (size as f32 - 1.0) - 1.0,
        (false, _) => (2.0 * place as f32 + 1.0) / size as f32 - 1.0,
    };
    let mut even = Vec::with_capacity(count * (rank + 1));
    for place in 0..count {
        for axis in (0..rank).rev() {
            let inner: usize = size[axis + 1..].iter().product();
            even.push(along(place / inner % size[axis], size[axis]));
        }
        even.push(1.0);
    }
    let turned = Traced { groups: vec![theta.groups[1].clone(), theta.groups[0].clone()], ..theta };
    let turned = call.at.canonical(&turned)?;
    let layer = Operation::new(layers::Operator::MatMul {}).constant(0, [count, rank + 1], false);
    let symbol = call.layer(layer, &[&turned], vec![even])?;
    let y = Traced::plain(symbol, Element::Float);
    let all: Vec<usize> = size.into_iter().chain([rank]).collect();
    let y = regroup(call, &y, &all)?;
    call.of_images(y)
}

fn deformable(call: &mut Call<'_, '_>) -> Result<Vec<Value>> {
    let kernel = kernel(call)?;
    let (x, offsets) = (call.sample(0)?, call.sample(2)?);
    let (dims, wanted) = (x.dims(), offsets.dims());
    let count = |name: &str| -> Result<usize> { Ok(usize::try_from(call.int(name, 1)?).unwrap_or(0)) };
    let (groups, parts) = (count("group")?, count("offset_group")?);
    let &[filters, group_channels, ref window @ ..] = &kernel.dims[..] else { unreachable!("checked") };
    let taps: usize = window.iter().product();
    let rank = window.len();
    let fits = dims.len() == rank + 1
        && groups > 0
        && parts > 0
        && group_channels.checked_mul(groups) == Some(dims[0])
        && filters.is_multiple_of(groups)
        && dims[0].is_multiple_of(parts)
        && wanted.len() == rank + 1
        && wanted[0] == parts.saturating_mul(taps * rank);
    if !fits {
        let reason =
            format!("weights {:?} and distances {wanted:?} do not fit an input {dims:?}", kernel.dims);
        return Err(call.malformed(reason));
    }
    can_be_counted(call, &dims[1..])?;
    let windows = call.windows(&dims[1..], Some(window))?;
    let size: usize = wanted[1..].iter().product();
    let offsets = regroup(call, &offsets, &[parts, taps, rank, size])?;
    let mut places = Vec::new();
    for axis in 0..rank {
        let inner: usize = window[axis + 1..].iter().product();
        let behind: usize = wanted[axis + 2..].iter().product();
        call.at.spend_on(&[taps * size], Element::Integer)?;
        let starts = (0..taps * size).map(|at| {
            let (tap, place) = (at / size / inner % window[axis], at % size / behind % wanted[axis + 1]);
            let start = tap * windows.dilations[axis] + place * windows.strides[axis];
            start as i64 - windows.pads[axis].0 as i64
        });
        // As whole numbers, so that they are not taken for weights.
        let starts = Value::Known(Arc::new(Tensor::integers([taps * size], starts.collect())));
        let moved = take(call, &offsets, 2, axis..axis + 1)?;
        let moved = regroup(call, &moved, &[parts, taps * size])?;
        places.push(pair(call, "add", &[Value::Traced(moved), starts])?);
    }
    let mut columns = sample(call, &x, &places, LINEAR, Outside::Zeros)?;
    if call.optional(4).is_some() {
        let mask = call.sample(4)?;
        if mask.dims().iter().product::<usize>() != parts * taps * size {
            return Err(call.malformed(format!("a mask {:?} for distances {wanted:?}", mask.dims())));
        }
        let mask = regroup(call, &mask, &[parts, 1, taps * size])?;
        columns = regroup(call, &columns, &[parts, dims[0] / parts, taps * size])?;
        columns = two(call, "multiply", &columns, &mask)?;
    }
    // What the windows hold is a row of positions, with as many channels as a window has elements.
    let columns = regroup(call, &columns, &[dims[0] * taps, size])?;
    let columns = call.at.channels_last(&columns)?;
    let bias = bias(call, 3, filters)?;
    let layer = Conv1D::new(filters, 1).groups(groups).use_bias(bias.is_some());
    let weights = call.at.copy(&kernel)?.reshaped(vec![filters, group_channels * taps]);
    let weights = call.at.transposed(&weights, &[1, 0])?;
    let weights = std::iter::once(weights.into_floats()).chain(bias).collect();
    let symbol = call.layer(layer, &[&columns.symbol], weights)?;
    let all: Vec<usize> = std::iter::once(filters).chain(wanted[1..].iter().copied()).collect();
    let y = regroup(call, &columns.with(symbol), &all)?;
    call.of_images(y)
}
