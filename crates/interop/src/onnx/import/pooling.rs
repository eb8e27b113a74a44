//! Pools over windows and over everything.

use convnet_nn::layers::{
    self, AveragePooling1D, AveragePooling2D, AveragePooling3D, GlobalAveragePooling1D,
    GlobalAveragePooling2D, GlobalAveragePooling3D, GlobalMaxPooling1D, GlobalMaxPooling2D,
    GlobalMaxPooling3D, MaxPooling1D, MaxPooling2D, MaxPooling3D, Operation, Padding, Windows,
};
use convnet_nn::{LayerRef, Symbol};

use super::align::number;
use super::convolution::{is_same, size};
use super::elementwise::pair;
use super::pick::border;
use super::reduction::reduce;
use super::shape::regroup;
use super::{Call, Operator, Traced, Value};
use crate::Result;
use crate::onnx::tensor::{self, Element};

pub(super) const OPERATORS: &[Operator] = &[
    Operator { name: "AveragePool", import: average },
    Operator { name: "GlobalAveragePool", import: |call| global(call, false) },
    Operator { name: "GlobalLpPool", import: global_norm },
    Operator { name: "GlobalMaxPool", import: |call| global(call, true) },
    Operator { name: "LpPool", import: norm },
    Operator { name: "MaxPool", import: max },
    Operator { name: "MaxUnpool", import: unpool },
];

/// The layer of a rank.
macro_rules! of_rank {
    ($rank:expr, $one:expr, $two:expr, $three:expr) => {
        match $rank {
            1 => LayerRef::from($one),
            2 => LayerRef::from($two),
            _ => LayerRef::from($three),
        }
    };
}

fn spatial(call: &Call<'_, '_>, x: &Traced) -> Result<Vec<usize>> {
    match x.physical() {
        [spatial @ .., _] if (1..=3).contains(&spatial.len()) => Ok(spatial.to_vec()),
        other => Err(call.unsupported(format!("an input with {} axes after the batch", other.len()))),
    }
}

/// Adds the padding at the end that makes the last window a whole one, where the file says to count it.
fn round_up(call: &Call<'_, '_>, windows: &mut Windows, spatial: &[usize]) -> Result<()> {
    if call.int("ceil_mode", 0)? == 0 {
        return Ok(());
    }
    for (axis, &size) in spatial.iter().enumerate() {
        let (before, after) = windows.pads[axis];
        let extent = windows.dilations[axis] * (windows.sizes[axis] - 1) + 1;
        let stride = windows.strides[axis];
        let Some(room) = (size + before + after).checked_sub(extent) else { continue };
        let mut steps = room.div_ceil(stride);
        // A window that would start in the padding at the end is none.
        if steps * stride >= size + before {
            steps -= 1;
        }
        windows.pads[axis].1 = (steps * stride + extent)
            .saturating_sub(size + before)
            .max(if steps * stride + extent < size + before + after { after } else { 0 });
    }
    Ok(())
}

/// A window of more elements is reduced without a pool, which notes places in bytes, if it is the only one.
const LARGEST: usize = 256;

fn max(call: &mut Call<'_, '_>) -> Result<Vec<Value>> {
    let x = call.images(0)?;
    let spatial = spatial(call, &x)?;
    let mut windows = call.windows(&spatial, None)?;
    round_up(call, &mut windows, &spatial)?;
    if call.node.output.get(1).is_some_and(|name| !name.is_empty()) {
        return with_places(call, &x, windows, &spatial);
    }
    let rank = spatial.len();
    let plain = windows.dilations.iter().all(|&dilation| dilation == 1);
    let valid = windows.pads.iter().all(|&pad| pad == (0, 0));
    let same = is_same(&windows, &spatial);
    if plain && valid && windows.sizes == spatial && windows.sizes.iter().product::<usize>() > LARGEST {
        let axes: Vec<usize> = (1..=rank).collect();
        let y = reduce(call, &x, "max", &axes, true)?;
        return call.of_images(Traced { not_negative: x.not_negative, element: x.element, ..y });
    }
    // Zeros around what is not negative never win, which is how Keras's own networks pad before they pool.
    let by_zeros = x.not_negative && !same && rank == 2;
    let y = if plain && (valid || same || by_zeros) {
        let mut x = x.clone();
        if !valid && !same {
            let sides: Vec<(usize, usize)> =
                std::iter::once((0, 0)).chain(windows.pads.iter().copied()).collect();
            x = border(call, &x, &sides, Some(0.0))?;
        }
        let padding = if same && !valid { Padding::Same } else { Padding::Valid };
        let Windows { sizes, strides, .. } = &windows;
        let layer = of_rank!(
            rank,
            MaxPooling1D::new(size::<1>(sizes)).strides(size::<1>(strides)).padding(padding),
            MaxPooling2D::new(size::<2>(sizes)).strides(size::<2>(strides)).padding(padding),
            MaxPooling3D::new(size::<3>(sizes)).strides(size::<3>(strides)).padding(padding)
        );
        let symbol = call.layer(layer, &[&x.symbol], Vec::new())?;
        x.with(symbol)
    } else {
        let symbol =
            call.layer(Operation::new(layers::Operator::MaxPool(windows)), &[&x.symbol], Vec::new())?;
        x.with(symbol)
    };
    call.of_images(Traced { not_negative: x.not_negative, element: x.element, ..y })
}

/// Numbers up to this are whole in 32-bit floating point.
const EXACT: usize = 1 << 24;

fn binary(function: &str) -> Operation {
    Operation::new(layers::Operator::Binary { function: function.into() })
}

/// The maxima, and where they stand: places count the elements of the whole input in the file's order.
fn with_places(
    call: &mut Call<'_, '_>,
    x: &Traced,
    windows: Windows,
    spatial: &[usize],
) -> Result<Vec<Value>> {
    let name = &call.node.output[1];
    let readers = call.at.readers.get(name).map_or(&[][..], Vec::as_slice);
    let inside = !call.at.outputs.contains(name) && readers.iter().all(|node| node.op_type == "MaxUnpool");
    if call.at.batched && !inside {
        // They count the samples before, too; `unpool` takes those off again.
        return Err(call.mixes());
    }
    let channels = x.physical().last().copied().unwrap_or(0);
    let plane: usize = spatial.iter().product();
    if plane.saturating_mul(channels) > EXACT {
        return Err(call.unsupported(format!("places among more than {EXACT} elements")));
    }
    let operator = layers::Operator::MaxPool(windows.clone());
    let maxima = call.layer(Operation::new(operator), &[&x.symbol], Vec::new())?;
    let operator = layers::Operator::MaxPlaces(windows);
    let mut places = call.at.layer("places", Operation::new(operator), &[&x.symbol], Vec::new())?;
    if call.int("storage_order", 0)? != 0 {
        places = columns_first(call, &places, spatial)?;
    }
    call.at.spend_on(&[channels], Element::Float)?;
    let starts = (0..channels).map(|channel| (channel * plane) as f32).collect();
    let add = binary("add").constant(1, [channels], false);
    let places = call.at.layer("places", add, &[&places], vec![starts])?;
    let mut outputs =
        call.of_images(Traced { not_negative: x.not_negative, element: x.element, ..x.with(maxima) })?;
    let places = Traced { element: Element::Integer, not_negative: true, ..x.with(places) };
    outputs.extend(call.of_images(places)?);
    Ok(outputs)
}

/// Places that count the first axis fastest, from such that count the last one fastest.
fn columns_first(call: &mut Call<'_, '_>, places: &Symbol, spatial: &[usize]) -> Result<Symbol> {
    let scale = |scale: f32| Operation::new(layers::Operator::Scale { scale, shift: 0.0 });
    let truncate = || Operation::new(layers::Operator::Unary { function: "truncate".into() });
    let at = &mut *call.at;
    let (mut rest, mut sum) = (places.clone(), None);
    for (axis, &size) in spatial.iter().enumerate().rev() {
        let divide = binary("divide").constant(1, Vec::new(), false);
        let quotient = at.layer("places", divide, &[&rest], vec![vec![size as f32]])?;
        let quotient = at.layer("places", truncate(), &[&quotient], Vec::new())?;
        let whole = at.layer("places", scale(size as f32), &[&quotient], Vec::new())?;
        let digit = at.layer("places", binary("subtract"), &[&rest, &whole], Vec::new())?;
        let step = spatial[..axis].iter().product::<usize>() as f32;
        let term = at.layer("places", scale(step), &[&digit], Vec::new())?;
        sum = Some(match sum {
            None => term,
            Some(sum) => at.layer("places", binary("add"), &[&sum, &term], Vec::new())?,
        });
        rest = quotient;
    }
    Ok(sum.unwrap_or(rest))
}

/// Elements put where their maxima stood, zeros elsewhere.
fn unpool(call: &mut Call<'_, '_>) -> Result<Vec<Value>> {
    let (x, places) = (call.images(0)?, call.images(1)?);
    let sizes = spatial(call, &x)?;
    if x.dims() != places.dims() {
        return Err(call.malformed(format!("elements {:?} and places {:?}", x.dims(), places.dims())));
    }
    let windows = call.windows(&sizes, None)?;
    let channels = x.dims()[0];
    let mut dims = vec![channels];
    for (axis, size) in sizes.iter().enumerate() {
        let (before, after) = windows.pads[axis];
        let full = (size - 1)
            .checked_mul(windows.strides[axis])
            .and_then(|size| size.checked_add(windows.sizes[axis]));
        let size = full.and_then(|full| full.checked_sub(before + after)).filter(|&size| size > 0);
        dims.push(size.ok_or_else(|| call.malformed("more padding than elements"))?);
    }
    let Some(size) = tensor::len(&dims).filter(|&size| size <= EXACT) else {
        return Err(call.unsupported(format!("places among more than {EXACT} elements")));
    };
    let count: usize = x.dims().iter().product();
    let (x, mut places) = (regroup(call, &x, &[count])?, regroup(call, &places, &[count])?);
    if call.at.batched {
        places = pair(call, "modulo", &[Value::Traced(places), number(size as f32)])?;
    }
    let values = [call.at.canonical(&x)?, call.at.canonical(&places)?];
    let layer = Operation::new(layers::Operator::PlaceAlong { axis: 0, size, sums: false });
    let symbol = call.layer(layer, &[&values[0], &values[1]], Vec::new())?;
    let y = Traced { not_negative: x.not_negative, ..Traced::plain(symbol, x.element) };
    let mut y = regroup(call, &y, &dims)?;
    if let Some(wanted) = call.known_integers(2)?.filter(|wanted| !wanted.is_empty()) {
        let mut sides = vec![(0, 0); dims.len()];
        if wanted.len() != dims.len() + 1 {
            return Err(call.malformed("an output_shape for another number of axes"));
        }
        for ((side, &wanted), &size) in sides.iter_mut().zip(&wanted[1..]).zip(&dims) {
            let wanted = usize::try_from(wanted).ok().filter(|&wanted| wanted < EXACT);
            let more = wanted.and_then(|wanted| wanted.checked_sub(size));
            side.1 = more.ok_or_else(|| call.malformed("an output_shape that is too small, or too large"))?;
        }
        y = border(call, &y, &sides, Some(0.0))?;
    }
    call.of_images(y)
}

/// The mean of each window.
fn mean(call: &mut Call<'_, '_>, x: &Traced, windows: Windows, spatial: &[usize]) -> Result<Traced> {
    let plain = windows.dilations.iter().all(|&dilation| dilation == 1);
    let valid = windows.pads.iter().all(|&pad| pad == (0, 0));
    let symbol = if plain && (valid || is_same(&windows, spatial)) {
        let padding = if valid { Padding::Valid } else { Padding::Same };
        let Windows { sizes, strides, .. } = &windows;
        let layer = of_rank!(
            spatial.len(),
            AveragePooling1D::new(size::<1>(sizes)).strides(size::<1>(strides)).padding(padding),
            AveragePooling2D::new(size::<2>(sizes)).strides(size::<2>(strides)).padding(padding),
            AveragePooling3D::new(size::<3>(sizes)).strides(size::<3>(strides)).padding(padding)
        );
        call.layer(layer, &[&x.symbol], Vec::new())?
    } else {
        call.layer(Operation::new(layers::Operator::AveragePool(windows)), &[&x.symbol], Vec::new())?
    };
    Ok(Traced { not_negative: x.not_negative, ..x.with(symbol) })
}

/// Padding that counts is a border of zeros; what only rounds up stays padding.
fn with_counted_padding(
    call: &mut Call<'_, '_>,
    x: &Traced,
    windows: &mut Windows,
) -> Result<(Traced, Vec<usize>)> {
    let mut spatial = spatial(call, x)?;
    let counted = windows.pads.clone();
    round_up(call, windows, &spatial)?;
    let sides: Vec<(usize, usize)> = std::iter::once((0, 0)).chain(counted.iter().copied()).collect();
    let x = border(call, x, &sides, Some(0.0))?;
    for (axis, &(before, after)) in counted.iter().enumerate() {
        spatial[axis] += before + after;
        windows.pads[axis] = (0, windows.pads[axis].1.saturating_sub(after));
    }
    Ok((x, spatial))
}

fn average(call: &mut Call<'_, '_>) -> Result<Vec<Value>> {
    let mut x = call.images(0)?;
    let mut sizes = spatial(call, &x)?;
    let mut windows = call.windows(&sizes, None)?;
    if call.int("count_include_pad", 0)? != 0 {
        (x, sizes) = with_counted_padding(call, &x, &mut windows)?;
    } else {
        round_up(call, &mut windows, &sizes)?;
    }
    let y = mean(call, &x, windows, &sizes)?;
    call.of_images(y)
}

/// Applies a function of each element of the engine.
fn function(call: &mut Call<'_, '_>, x: &Traced, function: &str, arguments: &[f32]) -> Result<Traced> {
    let operator = layers::Operator::Activation { function: function.into(), arguments: arguments.to_vec() };
    call.at.map(x, Operation::new(operator))
}

/// |x|^p, and the exponent.
fn powers(call: &mut Call<'_, '_>, x: &Traced) -> Result<(Traced, f32)> {
    let p = match call.some_int("p") {
        Ok(p) => p.unwrap_or(2) as f32,
        Err(_) => call.float("p", 2.0)?,
    };
    if p <= 0.0 {
        return Err(call.malformed(format!("p = {p}")));
    }
    let size = function(call, x, "absolute", &[])?;
    let powers = match p {
        1.0 => size,
        2.0 => function(call, &size, "square", &[])?,
        _ => function(call, &size, "power", &[p])?,
    };
    Ok((powers, p))
}

fn root(call: &mut Call<'_, '_>, x: &Traced, p: f32) -> Result<Traced> {
    match p {
        1.0 => Ok(x.clone()),
        2.0 => function(call, x, "sqrt", &[]),
        _ => function(call, x, "power", &[1.0 / p]),
    }
}

fn norm(call: &mut Call<'_, '_>) -> Result<Vec<Value>> {
    let x = call.images(0)?;
    let sizes = spatial(call, &x)?;
    let mut windows = call.windows(&sizes, None)?;
    let (powers, p) = powers(call, &x)?;
    // The sum of a window is its mean times its size, padding being zeros that count.
    let (padded, sizes) = with_counted_padding(call, &powers, &mut windows)?;
    let rest: Vec<(usize, usize)> = std::iter::once((0, 0)).chain(windows.pads.iter().copied()).collect();
    let padded = border(call, &padded, &rest, Some(0.0))?;
    let sizes: Vec<usize> =
        sizes.iter().zip(&windows.pads).map(|(size, (before, after))| size + before + after).collect();
    windows.pads.fill((0, 0));
    let count: f32 = windows.sizes.iter().map(|&size| size as f32).product();
    let mean = mean(call, &padded, windows, &sizes)?;
    let sum = call.at.map(&mean, Operation::new(layers::Operator::Scale { scale: count, shift: 0.0 }))?;
    let y = root(call, &sum, p)?;
    call.of_images(y)
}

/// One element a channel; the spatial axes stay in the file, with one element.
fn global(call: &mut Call<'_, '_>, max: bool) -> Result<Vec<Value>> {
    let x = call.images(0)?;
    let rank = spatial(call, &x)?.len();
    let layer = if max {
        of_rank!(rank, GlobalMaxPooling1D::new(), GlobalMaxPooling2D::new(), GlobalMaxPooling3D::new())
    } else {
        of_rank!(
            rank,
            GlobalAveragePooling1D::new(),
            GlobalAveragePooling2D::new(),
            GlobalAveragePooling3D::new()
        )
    };
    let symbol = call.layer(layer, &[&x.symbol], Vec::new())?;
    let groups = std::iter::once(vec![0]).chain(std::iter::repeat_n(Vec::new(), rank)).collect();
    call.of_images(Traced { symbol, groups, ..x })
}

fn global_norm(call: &mut Call<'_, '_>) -> Result<Vec<Value>> {
    let x = call.images(0)?;
    let sizes = spatial(call, &x)?;
    let (powers, p) = powers(call, &x)?;
    let axes = (0..sizes.len()).collect();
    let operator = layers::Operator::Reduce { function: "sum".into(), axes, keep_dims: true };
    let symbol = call.layer(Operation::new(operator), &[&powers.symbol], Vec::new())?;
    let y = root(call, &powers.with(symbol), p)?;
    call.of_images(y)
}
