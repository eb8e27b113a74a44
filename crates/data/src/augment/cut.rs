//! Parts of pictures, at their own size or another.

use ndarray::{Array2, Array3, s};

use super::annotated::Annotated;
use super::fill::Fill;

/// A part of a picture in whole pixels; rows and columns may lie outside of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// First row.
    pub top: isize,
    /// First column.
    pub left: isize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
}

/// Cuts a part out of a picture and its marks, filling what lies outside; masks have 0 where the picture has the constant.
pub fn crop(sample: &mut Annotated, part: Part, fill: Fill, value: f32) {
    let [height, width] = sample.size();
    if height == 0 || width == 0 {
        return;
    }
    let places = |first: isize, count: usize, len: usize| -> Vec<Option<usize>> {
        (0..count).map(|at| fill.pixel(first + at as isize, len)).collect()
    };
    let rows = places(part.top, part.height, height);
    let columns = places(part.left, part.width, width);
    let from = |row: usize, column: usize| rows[row].zip(columns[column]);
    let channels = sample.image.dim().2;
    let image = &sample.image;
    let mut cut = Array3::from_elem((part.height, part.width, channels), value);
    for row in 0..part.height {
        for column in 0..part.width {
            if let Some((y, x)) = from(row, column) {
                (0..channels).for_each(|channel| cut[[row, column, channel]] = image[[y, x, channel]]);
            }
        }
    }
    sample.image = cut;
    for mask in &mut sample.masks {
        let pixel = |(row, column)| from(row, column).map_or(0, |(y, x)| mask[[y, x]]);
        *mask = Array2::from_shape_fn((part.height, part.width), pixel);
    }
    let (left, top) = (part.left as f32, part.top as f32);
    sample.move_marks(|[x, y]| [x - left, y - top]);
}

/// Brings a picture and its marks to a size: bilinear, and smoothed where it becomes smaller, as torchvision's `resize` with `antialias` and
/// Pillow do it. Masks take the nearest pixel.
pub fn resize(sample: &mut Annotated, [height, width]: [usize; 2]) {
    let [from_height, from_width] = sample.size();
    if [from_height, from_width] == [height, width] || from_height * from_width == 0 {
        return;
    }
    sample.image = resize_axis(&sample.image, 1, width);
    sample.image = resize_axis(&sample.image, 0, height);
    let nearest = |at: usize, from: usize, to: usize| ((2 * at + 1) * from / (2 * to)).min(from - 1);
    for mask in &mut sample.masks {
        let pixel =
            |(row, column)| mask[[nearest(row, from_height, height), nearest(column, from_width, width)]];
        *mask = Array2::from_shape_fn((height, width), pixel);
    }
    let scale = [width as f32 / from_width as f32, height as f32 / from_height as f32];
    sample.move_marks(|[x, y]| [x * scale[0], y * scale[1]]);
}

/// Where an output pixel comes from: its first pixel and the weights of this one and the next ones.
fn taps(from: usize, to: usize) -> Vec<(usize, Vec<f32>)> {
    let scale = from as f64 / to as f64;
    let reach = scale.max(1.0);
    (0..to)
        .map(|at| {
            let middle = (at as f64 + 0.5) * scale;
            let first = (middle - reach + 0.5).max(0.0) as usize;
            let last = ((middle + reach + 0.5) as usize).min(from);
            let weight = |pixel: usize| (1.0 - ((pixel as f64 - middle + 0.5) / reach).abs()).max(0.0);
            let weights: Vec<f64> = (first..last).map(weight).collect();
            let sum: f64 = weights.iter().sum();
            (first, weights.iter().map(|weight| (weight / sum) as f32).collect())
        })
        .collect()
}

fn resize_axis(image: &Array3<f32>, axis: usize, to: usize) -> Array3<f32> {
    let (height, width, channels) = image.dim();
    let from = image.dim();
    if [from.0, from.1][axis] == to {
        return image.clone();
    }
    let mut sizes = [height, width, channels];
    let taps = taps(sizes[axis], to);
    sizes[axis] = to;
    let mut out = Array3::zeros(sizes);
    let source = image.as_standard_layout();
    let (Some(source), Some(target)) = (source.as_slice(), out.as_slice_mut()) else { return out };
    let stride = width * channels;
    if axis == 0 {
        for ((first, weights), out) in taps.iter().zip(target.chunks_exact_mut(stride.max(1))) {
            for (row, weight) in source.chunks_exact(stride).skip(*first).zip(weights) {
                out.iter_mut().zip(row).for_each(|(out, x)| *out += weight * x);
            }
        }
        return out;
    }
    let rows = target.chunks_exact_mut((to * channels).max(1)).zip(source.chunks_exact(stride));
    for (out, row) in rows {
        for ((first, weights), out) in taps.iter().zip(out.chunks_exact_mut(channels)) {
            for (pixel, weight) in row[first * channels..].chunks_exact(channels).zip(weights) {
                out.iter_mut().zip(pixel).for_each(|(out, x)| *out += weight * x);
            }
        }
    }
    out
}

/// The middle of a picture, as large as it can be with the proportions of `size`, brought to that size.
pub fn middle(sample: &mut Annotated, size: [usize; 2]) {
    let [height, width] = sample.size();
    let rows = (width * size[0] / size[1].max(1)).clamp(1, height.max(1));
    let columns = (height * size[1] / size[0].max(1)).clamp(1, width.max(1));
    let part = Part {
        top: ((height - rows.min(height)) / 2) as isize,
        left: ((width - columns.min(width)) / 2) as isize,
        height: rows,
        width: columns,
    };
    crop(sample, part, Fill::Nearest, 0.0);
    resize(sample, size);
}

/// Paints a rectangle, given as rows and columns, in one value. Marks stay.
pub fn paint(
    sample: &mut Annotated,
    rows: std::ops::Range<usize>,
    columns: std::ops::Range<usize>,
    value: f32,
) {
    let [height, width] = sample.size();
    let (rows, columns) =
        (rows.start.min(height)..rows.end.min(height), columns.start.min(width)..columns.end.min(width));
    if !rows.is_empty() && !columns.is_empty() {
        sample.image.slice_mut(s![rows, columns, ..]).fill(value);
    }
}
