//! Images in other sizes: each axis by itself is a weighted sum of neighbours.

use std::sync::Arc;

use convnet_nn::layers::{self, Operation, UpSampling2D};

use super::align::number;
use super::call::one;
use super::convolution::size;
use super::pick::{listed, take};
use super::{Call, Operator, Traced, Value};
use crate::Result;
use crate::onnx::tensor::Tensor;

pub(super) const OPERATORS: &[Operator] =
    &[Operator { name: "Resize", import: resize }, Operator { name: "Upsample", import: upsample }];

/// How an axis is resized.
#[derive(Clone, Copy)]
struct Axis<'a> {
    from: usize,
    to: usize,
    scale: f32,
    /// Where an output element lies in the input.
    transformation: &'a str,
    /// Begin and end of the part that `tf_crop_and_resize` takes.
    region: (f32, f32),
}

impl Axis<'_> {
    fn place(&self, index: usize) -> Option<f32> {
        let (x, from, to) = (index as f32, self.from as f32, self.to as f32);
        Some(match self.transformation {
            "half_pixel" => (x + 0.5) / self.scale - 0.5,
            "pytorch_half_pixel" if self.to > 1 => (x + 0.5) / self.scale - 0.5,
            "pytorch_half_pixel" => 0.0,
            "asymmetric" => x / self.scale,
            // The length that the scale asks for need not be whole.
            "align_corners" if self.to > 1 => x * (from - 1.0) / (self.scale * from - 1.0),
            "align_corners" => 0.0,
            "tf_half_pixel_for_nn" => (x + 0.5) / self.scale,
            "half_pixel_symmetric" => {
                let adjustment = to / (self.scale * from);
                let centre = from / 2.0;
                centre * (1.0 - adjustment) + (x + 0.5) / self.scale - 0.5
            }
            "tf_crop_and_resize" => {
                let (start, end) = self.region;
                if self.to > 1 {
                    start * (from - 1.0) + x * (end - start) * (from - 1.0) / (to - 1.0)
                } else {
                    0.5 * (start + end) * (from - 1.0)
                }
            }
            _ => return None,
        })
    }
}

/// Weights around a place for an interpolation: the first tap and the weights.
fn kernel(mode: &str, place: f32, coefficient: f32, stretch: f32) -> (i64, Vec<f32>) {
    let radius = if mode == "cubic" { 2.0 } else { 1.0 } * stretch;
    let weight = |distance: f32| {
        let d = (distance / stretch).abs();
        let a = coefficient;
        match mode {
            "cubic" if d <= 1.0 => ((a + 2.0) * d - (a + 3.0)) * d * d + 1.0,
            "cubic" if d < 2.0 => ((a * d - 5.0 * a) * d + 8.0 * a) * d - 4.0 * a,
            "cubic" => 0.0,
            _ => (1.0 - d).max(0.0),
        }
    };
    let first = (place - radius).floor() as i64 + 1;
    let last = (place + radius).ceil() as i64 - 1;
    let (first, last) = if stretch == 1.0 && mode != "cubic" {
        (place.floor() as i64, place.floor() as i64 + 1)
    } else if stretch == 1.0 {
        (place.floor() as i64 - 1, place.floor() as i64 + 2)
    } else {
        (first, last.max(first))
    };
    let mut weights: Vec<f32> = (first..=last).map(|tap| weight(tap as f32 - place)).collect();
    if stretch != 1.0 {
        let sum: f32 = weights.iter().sum();
        weights.iter_mut().for_each(|weight| *weight /= sum);
    }
    (first, weights)
}

fn nearest(mode: &str, place: f32) -> Option<f32> {
    Some(match mode {
        "round_prefer_floor" => (place - 0.5).ceil(),
        "round_prefer_ceil" => (place + 0.5).floor(),
        "floor" => place.floor(),
        "ceil" => place.ceil(),
        _ => return None,
    })
}

/// For each output element the input elements and their weights; none where it lies outside.
fn taps(call: &Call<'_, '_>, axis: Axis<'_>, mode: &str) -> Result<Vec<Vec<(usize, f32)>>> {
    let coefficient = call.float("cubic_coeff_a", -0.75)?;
    let (exclude, antialias) = (call.int("exclude_outside", 0)? != 0, call.int("antialias", 0)? != 0);
    let nearest_mode =
        call.string("nearest_mode", if call.at.opset < 11 { "floor" } else { "round_prefer_floor" })?;
    let stretch = if antialias && axis.scale < 1.0 { 1.0 / axis.scale } else { 1.0 };
    let last = axis.from as i64 - 1;
    let mut all = Vec::with_capacity(axis.to);
    for index in 0..axis.to {
        let unknown = || call.unsupported(format!("coordinate_transformation_mode {}", axis.transformation));
        let place = axis.place(index).ok_or_else(unknown)?;
        if axis.transformation == "tf_crop_and_resize" && !(0.0..=last as f32).contains(&place) {
            all.push(Vec::new());
            continue;
        }
        if mode == "nearest" {
            let place = nearest(nearest_mode, place);
            let place = place.ok_or_else(|| call.unsupported(format!("nearest_mode {nearest_mode}")))?;
            all.push(vec![((place as i64).clamp(0, last) as usize, 1.0)]);
            continue;
        }
        let (first, weights) = kernel(mode, place, coefficient, stretch);
        let mut taps: Vec<(usize, f32)> = Vec::with_capacity(weights.len());
        for (offset, weight) in weights.into_iter().enumerate() {
            let tap = first + offset as i64;
            let inside = (0..=last).contains(&tap);
            let (tap, weight) = (tap.clamp(0, last) as usize, if inside || !exclude { weight } else { 0.0 });
            match taps.last_mut() {
                Some((known, sum)) if *known == tap => *sum += weight,
                _ => taps.push((tap, weight)),
            }
        }
        if exclude {
            let sum: f32 = taps.iter().map(|(_, weight)| weight).sum();
            taps.iter_mut().for_each(|(_, weight)| *weight /= sum);
        }
        taps.retain(|&(_, weight)| weight != 0.0);
        all.push(taps);
    }
    Ok(all)
}

/// Another value where an axis has no taps.
fn extrapolated(
    call: &mut Call<'_, '_>,
    y: Traced,
    axis: usize,
    taps: &[Vec<(usize, f32)>],
) -> Result<Traced> {
    let value = call.float("extrapolation_value", 0.0)?;
    if value == 0.0 || taps.iter().all(|taps| !taps.is_empty()) {
        return Ok(y);
    }
    let mut dims = vec![1; call.rank(&y)];
    dims[call.first() + axis] = taps.len();
    let inside = taps.iter().map(|taps| f32::from(u8::from(!taps.is_empty()))).collect();
    let element = y.element;
    let values = [Value::Known(Arc::new(Tensor::floats(dims, inside))), Value::Traced(y), number(value)];
    call.matched(layers::Operator::Select {}, &values, element)
}

fn upsample(call: &mut Call<'_, '_>) -> Result<Vec<Value>> {
    let x = call.traced(0)?;
    let scales = match call.floats("scales")? {
        Some(scales) => scales.to_vec(),
        None => {
            let scales = call.few(1)?;
            scales.ok_or_else(|| call.malformed("it has no scales"))?.to_floats()
        }
    };
    let mode = match call.string("mode", "nearest")? {
        "nearest" => "nearest",
        "linear" | "bilinear" => "linear",
        other => return Err(call.unsupported(format!("mode {other}"))),
    };
    let plan = Plan { scales: Some(scales), sizes: None, region: None, mode, transformation: "asymmetric" };
    one(resized(call, x, &plan)?)
}

/// What a node asks for, axis by axis of the file.
struct Plan<'a> {
    scales: Option<Vec<f32>>,
    sizes: Option<Vec<i64>>,
    region: Option<Vec<f32>>,
    mode: &'a str,
    transformation: &'a str,
}

fn resize(call: &mut Call<'_, '_>) -> Result<Vec<Value>> {
    let x = call.traced(0)?;
    let rank = call.rank(&x);
    let old = call.at.opset < 11;
    let (scales_at, sizes_at) = if old { (1, 9) } else { (2, 3) };
    let filled = |index: usize| -> Result<_> { Ok(call.few(index)?.filter(|tensor| !tensor.is_empty())) };
    let (mut scales, mut sizes) =
        (filled(scales_at)?.map(|t| t.to_floats()), filled(sizes_at)?.map(|t| t.to_integers()));
    let mut region = if old { None } else { filled(1)?.map(|t| t.to_floats()) };
    if let Some(axes) = call.ints("axes")? {
        let axes = axes.iter().map(|&axis| call.any_axis(axis, rank)).collect::<Result<Vec<_>>>()?;
        let dims = call.file_dims(&x);
        let short = [scales.as_ref().map(Vec::len), sizes.as_ref().map(Vec::len)];
        if short.into_iter().flatten().any(|len| len != axes.len()) {
            return Err(call.malformed("scales or sizes for another number of axes"));
        }
        scales = scales.map(|given| spread(&axes, &given, vec![1.0; rank]));
        sizes = sizes.map(|given| {
            let given = keep_aspect(call, &axes.iter().map(|&axis| dims[axis]).collect::<Vec<_>>(), given);
            spread(&axes, &given, dims.clone())
        });
        region = region.filter(|region| region.len() == 2 * axes.len()).map(|region| {
            let (starts, ends) = region.split_at(axes.len());
            [spread(&axes, starts, vec![0.0; rank]), spread(&axes, ends, vec![1.0; rank])].concat()
        });
    } else {
        sizes = sizes.map(|given| keep_aspect(call, &call.file_dims(&x), given));
    }
    let mode = call.string("mode", "nearest")?;
    if !matches!(mode, "nearest" | "linear" | "cubic") {
        return Err(call.unsupported(format!("mode {mode}")));
    }
    let default = if old { "asymmetric" } else { "half_pixel" };
    let transformation = call.string("coordinate_transformation_mode", default)?;
    let element = x.element;
    let y = resized(call, x, &Plan { scales, sizes, region, mode, transformation })?;
    one(Traced { element, ..y })
}

fn spread<T: Copy>(axes: &[usize], given: &[T], mut all: Vec<T>) -> Vec<T> {
    for (&axis, &value) in axes.iter().zip(given) {
        all[axis] = value;
    }
    all
}

/// Sizes that keep the proportions, if the node asks for that.
fn keep_aspect(call: &Call<'_, '_>, dims: &[i64], sizes: Vec<i64>) -> Vec<i64> {
    let policy = call.string("keep_aspect_ratio_policy", "stretch").unwrap_or("stretch");
    let ratios =
        sizes.iter().zip(dims).filter(|(_, dim)| **dim > 0).map(|(&size, &dim)| size as f64 / dim as f64);
    let scale = match policy {
        "not_larger" => ratios.fold(f64::INFINITY, f64::min),
        "not_smaller" => ratios.fold(0.0, f64::max),
        _ => return sizes,
    };
    dims.iter().map(|&dim| (scale * dim as f64).round() as i64).collect()
}

fn resized(call: &mut Call<'_, '_>, x: Traced, plan: &Plan<'_>) -> Result<Traced> {
    let (rank, first) = (call.rank(&x), call.first());
    let wrong = |len: Option<usize>| len.is_some_and(|len| len != rank);
    if wrong(plan.scales.as_ref().map(Vec::len)) || wrong(plan.sizes.as_ref().map(Vec::len)) {
        return Err(call.malformed("scales or sizes for another number of axes"));
    }
    let dims = x.dims();
    let mut axes = Vec::new();
    for axis in 0..rank {
        let scale = plan.scales.as_ref().map(|scales| scales[axis]);
        let size = plan.sizes.as_ref().map(|sizes| sizes[axis]);
        let Some(inner) = axis.checked_sub(first) else {
            let stays = scale.is_none_or(|scale| scale == 1.0)
                && size.is_none_or(|size| {
                    size == 1 || size == super::BATCH || size == call.at.file_batch.unwrap_or(1) as i64
                });
            if stays { continue } else { return Err(call.mixes()) }
        };
        let from = dims[inner];
        let region =
            plan.region.as_ref().and_then(|region| Some((*region.get(axis)?, *region.get(rank + axis)?)));
        let region = region.unwrap_or((0.0, 1.0));
        let crops = plan.transformation == "tf_crop_and_resize";
        let (to, scale) = match (scale, size) {
            (Some(scale), _) => {
                let span = if crops { region.1 - region.0 } else { 1.0 };
                ((from as f32 * span * scale).floor(), scale)
            }
            (None, Some(size)) => (size as f32, size as f32 / from as f32),
            (None, None) => return Err(call.malformed("neither scales nor sizes")),
        };
        if !(1.0..=16_777_216.0).contains(&to) {
            return Err(call.malformed(format!("a size of {to}")));
        }
        let to = to as usize;
        axes.push((inner, Axis { from, to, scale, transformation: plan.transformation, region }));
    }
    let changed: Vec<_> = axes
        .into_iter()
        .filter(|(_, axis)| axis.from != axis.to || axis.scale != 1.0 || axis.region != (0.0, 1.0))
        .collect();
    let mut all = Vec::new();
    for &(inner, axis) in &changed {
        // A list of taps for each element, of which layer and graph keep some copies; so many more taps as smoothing takes in.
        let taken_in = (8.0 / axis.scale.clamp(0.0, 1.0)) as usize;
        call.at.window = call.at.window.max(taken_in.saturating_mul(8));
        let list = taken_in.saturating_add(24).saturating_mul(size_of::<(usize, f32)>());
        call.at.spend(axis.to.saturating_mul(list))?;
        all.push((inner, axis, taps(call, axis, plan.mode)?));
    }
    if let Some(y) = by_repetition(call, &x, &all)? {
        return Ok(y);
    }
    let (mut y, mut outside) = (x, Vec::new());
    for (inner, axis, taps) in all {
        if taps.iter().all(|taps| matches!(taps[..], [(_, 1.0)])) {
            let nearest = listed(call, taps.iter().map(|taps| taps[0].0))?;
            y = take(call, &y, inner, nearest)?;
            continue;
        }
        y = call.at.simple(&y)?;
        if taps.iter().any(Vec::is_empty) {
            outside.push((inner, taps.clone()));
        }
        let layer =
            Operation::new(layers::Operator::Blend { axis: y.groups[inner][0], size: axis.from, taps });
        let symbol = call.layer(layer, &[&y.symbol], Vec::new())?;
        y = y.with(symbol);
    }
    for (inner, taps) in outside {
        y = extrapolated(call, y, inner, &taps)?;
    }
    Ok(y)
}

/// Taps of an axis that was resized.
type Resized<'a> = (usize, Axis<'a>, Vec<Vec<(usize, f32)>>);

/// Keras's layer, where every element is repeated as often along the height, and along the width.
fn by_repetition(call: &mut Call<'_, '_>, x: &Traced, axes: &[Resized<'_>]) -> Result<Option<Traced>> {
    let [(1, height, rows), (2, width, columns)] = axes else { return Ok(None) };
    let repeats = |axis: &Axis<'_>, taps: &[Vec<(usize, f32)>]| {
        let times = axis.to / axis.from.max(1);
        let exact = times * axis.from == axis.to && times > 0;
        exact && taps.iter().enumerate().all(|(index, taps)| taps[..] == [(index / times, 1.0)])
    };
    if !call.at.batched || !repeats(height, rows) || !repeats(width, columns) {
        return Ok(None);
    }
    let x = call.at.channels_last(x)?;
    let factors = [height.to / height.from, width.to / width.from];
    let symbol = call.layer(UpSampling2D::new(size::<2>(&factors)), &[&x.symbol], Vec::new())?;
    Ok(Some(Traced { not_negative: x.not_negative, ..x.with(symbol) }))
}
