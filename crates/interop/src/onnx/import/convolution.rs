//! Convolutions and transposed convolutions.

use convnet_nn::LayerRef;
use convnet_nn::layers::{
    self, Conv1D, Conv1DTranspose, Conv2D, Conv2DTranspose, Conv3D, Conv3DTranspose, DepthwiseConv2D,
    Operation, Padding, Size, Windows,
};

use super::call::one;
use super::pick::{border, take};
use super::shape::regroup;
use super::{Call, Operator, Traced, Value};
use crate::Result;
use crate::onnx::tensor::{self, Element, Tensor};

pub(super) const OPERATORS: &[Operator] = &[
    Operator { name: "Col2Im", import: columns },
    Operator { name: "Conv", import: convolution },
    Operator { name: "ConvTranspose", import: transposed },
];

impl Call<'_, '_> {
    /// An input that is a batch of images (sequences, volumes), channels last.
    pub(super) fn images(&mut self, index: usize) -> Result<Traced> {
        let x = self.sample(index)?;
        self.at.channels_last(&x)
    }

    /// An input whose first axis is the batch, without it.
    pub(super) fn sample(&mut self, index: usize) -> Result<Traced> {
        let mut x = self.traced(index)?;
        if !self.at.batched {
            // The model's own batch stands for the file's if that has one element.
            if x.dims().first() != Some(&1) {
                return Err(self.mixes());
            }
            x.groups.remove(0);
        }
        if x.groups.is_empty() {
            return Err(self.malformed("an input without channels"));
        }
        Ok(x)
    }

    /// The result for [`Call::images`] and [`Call::sample`].
    pub(super) fn of_images(&self, mut y: Traced) -> Result<Vec<Value>> {
        if !self.at.batched {
            y.groups.insert(0, Vec::new());
        }
        one(y)
    }

    /// Windows over spatial axes of sizes `spatial`, whose own sizes are given or else an attribute.
    pub(super) fn windows(&mut self, spatial: &[usize], kernel: Option<&[usize]>) -> Result<Windows> {
        let count = spatial.len();
        let sizes = match kernel {
            Some(kernel) => kernel.to_vec(),
            None => {
                if self.ints("kernel_shape")?.is_none() {
                    return Err(self.malformed("it has no kernel_shape"));
                }
                self.sizes("kernel_shape", count, 1)?
            }
        };
        let strides = self.sizes("strides", count, 1)?;
        let dilations = self.sizes("dilations", count, 1)?;
        self.at.pools = kernel.is_none();
        self.at.window = sizes.iter().fold(1, |all, &size| all.saturating_mul(size));
        if sizes.iter().chain(&strides).chain(&dilations).any(|&size| size == 0) {
            return Err(self.malformed("a size, stride or dilation of 0"));
        }
        let flat = self.sizes("pads", 2 * count, 0)?;
        let mut pads: Vec<(usize, usize)> = (0..count).map(|axis| (flat[axis], flat[count + axis])).collect();
        let auto = self.string("auto_pad", "NOTSET")?;
        match auto {
            "NOTSET" => {}
            "VALID" => pads.fill((0, 0)),
            "SAME_UPPER" | "SAME_LOWER" => {
                for axis in 0..count {
                    let extent = dilations[axis] * (sizes[axis] - 1) + 1;
                    let steps = spatial[axis].div_ceil(strides[axis]).saturating_sub(1);
                    let total = (steps * strides[axis] + extent).saturating_sub(spatial[axis]);
                    let half = total / 2;
                    pads[axis] =
                        if auto == "SAME_UPPER" { (half, total - half) } else { (total - half, half) };
                }
            }
            other => return Err(self.malformed(format!("auto_pad {other}"))),
        }
        Ok(Windows { sizes, strides, dilations, pads })
    }
}

/// Whether padding is what Keras calls "same".
pub(super) fn is_same(windows: &Windows, spatial: &[usize]) -> bool {
    (0..spatial.len()).all(|axis| {
        let extent = windows.dilations[axis] * (windows.sizes[axis] - 1) + 1;
        let steps = spatial[axis].div_ceil(windows.strides[axis]).saturating_sub(1);
        let total = (steps * windows.strides[axis] + extent).saturating_sub(spatial[axis]);
        windows.pads[axis] == (total / 2, total - total / 2)
    })
}

pub(super) fn size<const RANK: usize>(sizes: &[usize]) -> Size<RANK> {
    Size(std::array::from_fn(|axis| sizes[axis]))
}

/// A convolution of one of Keras's layers.
macro_rules! conv {
    ($layer:ident, $filters:expr, $windows:expr, $padding:expr, $groups:expr, $bias:expr) => {
        $layer::new($filters, size(&$windows.sizes))
            .strides(size(&$windows.strides))
            .dilation_rate(size(&$windows.dilations))
            .padding($padding)
            .groups($groups)
            .use_bias($bias)
            .into()
    };
}

pub(super) fn bias(call: &mut Call<'_, '_>, index: usize, filters: usize) -> Result<Option<Vec<f32>>> {
    let Some(bias) = call.known(index)? else { return Ok(None) };
    if bias.len() != filters {
        return Err(call.malformed(format!("a bias of {} numbers for {filters} filters", bias.len())));
    }
    call.at.copy_floats(&bias).map(Some)
}

/// The weights and their sizes, checked against `kernel_shape`.
pub(super) fn kernel(call: &Call<'_, '_>) -> Result<std::sync::Arc<Tensor>> {
    let kernel = call.constant(1)?;
    let rank = kernel.dims.len();
    if !(3..=5).contains(&rank) || kernel.is_empty() {
        return Err(call.unsupported(format!("weights of sizes {:?}", kernel.dims)));
    }
    if call.ints("kernel_shape")?.is_some() && call.sizes("kernel_shape", rank - 2, 1)? != kernel.dims[2..] {
        return Err(call.malformed(format!("weights of sizes {:?} and another kernel_shape", kernel.dims)));
    }
    Ok(kernel)
}

pub(super) fn convolution(call: &mut Call<'_, '_>) -> Result<Vec<Value>> {
    let kernel = kernel(call)?;
    let mut x = call.images(0)?;
    let rank = kernel.dims.len() - 2;
    let groups = usize::try_from(call.int("group", 1)?).unwrap_or(0);
    let (filters, group_channels) = (kernel.dims[0], kernel.dims[1]);
    let [spatial @ .., channels] = x.physical() else { return Err(call.malformed("no channels")) };
    let (spatial, channels) = (spatial.to_vec(), *channels);
    if spatial.len() != rank || groups == 0 || group_channels.checked_mul(groups) != Some(channels) {
        let expected = format!(
            "weights {:?} in {groups} groups do not fit an input (batch, {channels} channels, {spatial:?})",
            kernel.dims
        );
        return Err(call.malformed(expected));
    }
    let windows = call.windows(&spatial, Some(&kernel.dims[2..]))?;
    let bias = bias(call, 2, filters)?;
    let mut padding = Padding::Valid;
    if windows.pads.iter().any(|&pad| pad != (0, 0)) {
        let strided = windows
            .strides
            .iter()
            .zip(&windows.dilations)
            .any(|(&stride, &dilation)| stride > 1 && dilation > 1);
        if is_same(&windows, &spatial) && !strided {
            padding = Padding::Same;
        } else {
            let sides: Vec<(usize, usize)> =
                std::iter::once((0, 0)).chain(windows.pads.iter().copied()).collect();
            x = border(call, &x, &sides, Some(0.0))?;
        }
    }
    // Depthwise weights (filters, 1, kernel…) become (kernel…, channels, multiplier), others (kernel…, channels, filters).
    let depthwise = groups == channels && groups > 1 && rank == 2 && windows.strides[0] == windows.strides[1];
    let order: Vec<usize> = (2..rank + 2).chain(if depthwise { [0, 1] } else { [1, 0] }).collect();
    let mut weights = vec![call.at.transposed(&kernel, &order)?.into_floats()];
    let has_bias = bias.is_some();
    weights.extend(bias);
    let layer: LayerRef = match rank {
        _ if depthwise => DepthwiseConv2D::new(size::<2>(&windows.sizes))
            .strides(size::<2>(&windows.strides))
            .dilation_rate(size::<2>(&windows.dilations))
            .depth_multiplier(filters / channels)
            .padding(padding)
            .use_bias(has_bias)
            .into(),
        1 => conv!(Conv1D, filters, windows, padding, groups, has_bias),
        2 => conv!(Conv2D, filters, windows, padding, groups, has_bias),
        _ => conv!(Conv3D, filters, windows, padding, groups, has_bias),
    };
    let symbol = call.layer(layer, &[&x.symbol], weights)?;
    call.of_images(x.with(symbol))
}

fn transposed(call: &mut Call<'_, '_>) -> Result<Vec<Value>> {
    let kernel = kernel(call)?;
    let x = call.images(0)?;
    let rank = kernel.dims.len() - 2;
    let groups = usize::try_from(call.int("group", 1)?).unwrap_or(0);
    let [spatial @ .., channels] = x.physical() else { return Err(call.malformed("no channels")) };
    let (spatial, channels) = (spatial.to_vec(), *channels);
    let fits =
        spatial.len() == rank && kernel.dims[0] == channels && groups > 0 && channels.is_multiple_of(groups);
    let filters = kernel.dims[1].checked_mul(groups).filter(|_| fits);
    let filters =
        filters.ok_or_else(|| call.malformed(format!("weights {:?} do not fit the input", kernel.dims)))?;
    let mut windows = call.windows(&spatial, Some(&kernel.dims[2..]))?;
    let mut added = call.sizes("output_padding", rank, 0)?;
    let auto = call.string("auto_pad", "NOTSET")?;
    let wanted = call.ints("output_shape")?.map(|_| call.sizes("output_shape", rank, 0)).transpose()?;
    for axis in 0..rank {
        let (stride, extent) =
            (windows.strides[axis], windows.dilations[axis] * (windows.sizes[axis] - 1) + 1);
        let all = spatial[axis].checked_mul(stride).and_then(|all| all.checked_add(extent));
        let all = all.ok_or_else(|| call.malformed(format!("a stride of {stride} for {spatial:?}")))?;
        let full = all - stride;
        let wanted = match &wanted {
            Some(wanted) => wanted[axis],
            None if auto.starts_with("SAME") => spatial[axis] * stride,
            None => continue,
        };
        let total = full.checked_add(added[axis]);
        let total = total.ok_or_else(|| call.malformed(format!("an output_padding of {}", added[axis])))?;
        let total = total.saturating_sub(wanted);
        added[axis] = (wanted + total).saturating_sub(full);
        let half = total / 2;
        windows.pads[axis] = if auto == "SAME_UPPER" { (half, total - half) } else { (total - half, half) };
    }
    let bias = bias(call, 2, filters)?;
    let plain = windows.pads.iter().all(|&pad| pad == (0, 0))
        && added.iter().all(|&added| added == 0)
        && groups == 1
        && (0..rank).all(|axis| windows.dilations[axis] == 1 && windows.sizes[axis] >= windows.strides[axis]);
    let order: Vec<usize> = (2..rank + 2).chain([1, 0]).collect();
    let weights = call.at.transposed(&kernel, &order)?;
    if plain {
        let has_bias = bias.is_some();
        let layer: LayerRef = match rank {
            1 => Conv1DTranspose::new(filters, size(&windows.sizes))
                .strides(size(&windows.strides))
                .use_bias(has_bias)
                .into(),
            2 => Conv2DTranspose::new(filters, size(&windows.sizes))
                .strides(size(&windows.strides))
                .use_bias(has_bias)
                .into(),
            _ => Conv3DTranspose::new(filters, size(&windows.sizes))
                .strides(size(&windows.strides))
                .use_bias(has_bias)
                .into(),
        };
        let all = std::iter::once(weights.into_floats()).chain(bias).collect();
        let symbol = call.layer(layer, &[&x.symbol], all)?;
        return call.of_images(x.with(symbol));
    }
    // Elements beyond the stride's reach have no window: they are zeros.
    let beyond: Vec<(usize, usize)> =
        (0..rank).map(|axis| (0, added[axis].saturating_sub(windows.strides[axis] - 1))).collect();
    for (added, &(_, beyond)) in added.iter_mut().zip(&beyond) {
        *added -= beyond;
    }
    let operator = layers::Operator::ConvolutionTranspose { windows, output_padding: added, groups };
    let layer = Operation::new(operator).constant(1, weights.dims.clone(), true);
    let symbol = call.layer(layer, &[&x.symbol], vec![weights.into_floats()])?;
    let sides: Vec<(usize, usize)> = std::iter::once((0, 0)).chain(beyond).collect();
    let mut y = border(call, &x.with(symbol), &sides, Some(0.0))?;
    if let Some(bias) = bias {
        let add =
            Operation::new(layers::Operator::Binary { function: "add".into() }).constant(1, [filters], true);
        let symbol = call.at.layer("bias", add, &[&y.symbol], vec![bias])?;
        y = y.with(symbol);
    }
    call.of_images(y)
}

/// Windows laid over each other and summed up: a transposed convolution, channel by channel, whose filters have a single 1.
fn columns(call: &mut Call<'_, '_>) -> Result<Vec<Value>> {
    let x = call.sample(0)?;
    let sizes = |index: usize| -> Result<Vec<usize>> {
        let given = call.known_integers(index)?.unwrap_or_default();
        let sizes =
            given.iter().map(|&size| usize::try_from(size).ok().filter(|size| (1..1 << 24).contains(size)));
        let sizes: Option<Vec<usize>> = sizes.collect();
        sizes.ok_or_else(|| call.malformed(format!("sizes {given:?}")))
    };
    let (image, block) = (sizes(1)?, sizes(2)?);
    let [rows, count] = x.dims()[..] else {
        return Err(call.malformed("an input that is no batch of columns"));
    };
    let rank = image.len();
    if !(1..=3).contains(&rank) || block.len() != rank {
        return Err(call.unsupported(format!("blocks {block:?} of an image {image:?}")));
    }
    let windows = call.windows(&image, Some(&block))?;
    let taps = tensor::len(&block).filter(|&taps| taps > 0 && rows.is_multiple_of(taps));
    let taps = taps.ok_or_else(|| call.malformed(format!("{rows} rows for blocks {block:?}")))?;
    let mut blocks = Vec::new();
    for axis in 0..rank {
        let extent = windows.dilations[axis] * (block[axis] - 1) + 1;
        let room = (image[axis] + windows.pads[axis].0 + windows.pads[axis].1).checked_sub(extent);
        let room = room.ok_or_else(|| call.malformed(format!("blocks {block:?} of an image {image:?}")))?;
        blocks.push(room / windows.strides[axis] + 1);
    }
    if tensor::len(&blocks) != Some(count) {
        return Err(call.malformed(format!("{count} columns for {blocks:?} blocks")));
    }
    let channels = rows / taps;
    let all: Vec<usize> = std::iter::once(rows).chain(blocks.iter().copied()).collect();
    let x = regroup(call, &x, &all)?;
    let x = call.at.channels_last(&x)?;
    call.at.spend_on(&[taps, rows], Element::Float)?;
    let mut filters = vec![0.0; taps * rows];
    (0..rows).for_each(|row| filters[row % taps * rows + row] = 1.0);
    let dims: Vec<usize> = block.iter().copied().chain([1, rows]).collect();
    let pads = windows.pads.clone();
    let extents: Vec<usize> = (0..rank)
        .map(|axis| {
            (blocks[axis] - 1) * windows.strides[axis] + windows.dilations[axis] * (block[axis] - 1) + 1
        })
        .collect();
    let windows = Windows { pads: vec![(0, 0); rank], ..windows };
    let operator =
        layers::Operator::ConvolutionTranspose { windows, output_padding: vec![0; rank], groups: channels };
    let layer = Operation::new(operator).constant(1, dims, false);
    let symbol = call.layer(layer, &[&x.symbol], vec![filters])?;
    // Elements that no block reaches are zeros; the padding is taken off.
    let sides = (0..rank).map(|axis| (0, (pads[axis].0 + image[axis]).saturating_sub(extents[axis])));
    let sides: Vec<(usize, usize)> = std::iter::once((0, 0)).chain(sides).collect();
    let mut y = border(call, &x.with(symbol), &sides, Some(0.0))?;
    for axis in 0..rank {
        y = take(call, &y, axis + 1, pads[axis].0..pads[axis].0 + image[axis])?;
    }
    call.of_images(y)
}
