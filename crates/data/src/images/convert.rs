//! One change to a picture each; what may be counted on is checked by the caller.

use super::Picture;
use crate::ImageShape;

/// Turns and mirrors by an EXIF orientation of 2 to 8.
pub(super) fn orient(picture: Picture, orientation: u8) -> Picture {
    let ImageShape { height, width, channels } = picture.shape;
    let turned = orientation >= 5;
    let (new_height, new_width) = if turned { (width, height) } else { (height, width) };
    let mut values = Vec::with_capacity(picture.values.len());
    for row in 0..new_height {
        for column in 0..new_width {
            let (bottom, right) = (height - 1, width - 1);
            let (from_row, from_column) = match orientation {
                2 => (row, right - column),
                3 => (bottom - row, right - column),
                4 => (bottom - row, column),
                5 => (column, row),
                6 => (bottom - column, row),
                7 => (bottom - column, right - row),
                8 => (column, right - row),
                _ => (row, column),
            };
            values.extend_from_slice(
                &picture.values[(from_row * width + from_column) * channels..][..channels],
            );
        }
    }
    Picture { shape: ImageShape::new(new_height, new_width, channels), values }
}

/// Lays 2 or 4 channels over white, giving 1 or 3, and whether anything was transparent.
pub(super) fn flatten(picture: Picture) -> (Picture, bool) {
    let channels = picture.shape.channels;
    let mut values = Vec::with_capacity(picture.values.len() / channels * (channels - 1));
    let mut seen = false;
    for pixel in picture.values.chunks_exact(channels) {
        let alpha = u32::from(pixel[channels - 1]);
        seen |= alpha < 255;
        let over_white = |&value: &u8| ((u32::from(value) * alpha + 255 * (255 - alpha) + 127) / 255) as u8;
        values.extend(pixel[..channels - 1].iter().map(over_white));
    }
    (Picture { shape: ImageShape { channels: channels - 1, ..picture.shape }, values }, seen)
}

/// ITU-R 601 luma, in the fixed-point arithmetic of Pillow's mode `L`, so that both give the same bytes.
pub(super) fn to_grey(picture: Picture) -> Picture {
    let luma = |pixel: &[u8]| {
        let [red, green, blue] = [pixel[0], pixel[1], pixel[2]].map(u32::from);
        ((red * 19_595 + green * 38_470 + blue * 7_471 + 0x8000) >> 16) as u8
    };
    let values = picture.values.chunks_exact(3).map(luma).collect();
    Picture { shape: ImageShape { channels: 1, ..picture.shape }, values }
}

/// Three equal channels.
pub(super) fn to_colour(picture: Picture) -> Picture {
    let values = picture.values.iter().flat_map(|&value| [value; 3]).collect();
    Picture { shape: ImageShape { channels: 3, ..picture.shape }, values }
}

/// Median of the values along the four sides.
pub(super) fn border_median(picture: &Picture) -> u8 {
    let ImageShape { height, width, channels } = picture.shape;
    let row_length = width * channels;
    let mut border = Vec::with_capacity(2 * (row_length + height * channels));
    for (row, values) in picture.values.chunks_exact(row_length).enumerate() {
        if row == 0 || row == height - 1 {
            border.extend_from_slice(values);
        } else {
            border.extend_from_slice(&values[..channels]);
            border.extend_from_slice(&values[row_length - channels..]);
        }
    }
    let middle = border.len() / 2;
    *border.select_nth_unstable(middle).1
}

/// Four channels, opaque where there was no alpha.
pub(super) fn with_alpha(picture: Picture) -> Picture {
    let channels = picture.shape.channels;
    let pixel = |pixel: &[u8]| match *pixel {
        [grey] => [grey, grey, grey, 255],
        [grey, alpha] => [grey, grey, grey, alpha],
        [red, green, blue] => [red, green, blue, 255],
        _ => [pixel[0], pixel[1], pixel[2], pixel[3]],
    };
    let values = picture.values.chunks_exact(channels).flat_map(pixel).collect();
    Picture { shape: ImageShape { channels: 4, ..picture.shape }, values }
}

/// The part in the middle that has the proportions of `shape`: as large as there is room for, sides rounded down as Keras does, or `share` of that;
/// at least a pixel.
pub(super) fn crop(picture: Picture, shape: ImageShape, share: Option<f64>) -> Picture {
    let ImageShape { width, channels, .. } = picture.shape;
    let [(top, new_height), (left, new_width)] = middle(picture.shape, shape, share);
    let rows = picture.values.chunks_exact(width * channels).skip(top).take(new_height);
    let values = rows.flat_map(|row| &row[left * channels..(left + new_width) * channels]).copied().collect();
    Picture { shape: ImageShape::new(new_height, new_width, channels), values }
}

/// The rows and columns of the largest part of the right proportions in the middle, or a share of it: first, how many.
pub(super) fn middle(picture: ImageShape, shape: ImageShape, share: Option<f64>) -> [(usize, usize); 2] {
    let ImageShape { height, width, .. } = picture;
    let (new_height, new_width) = match share {
        None => {
            let fitting_height = (width * shape.height / shape.width).clamp(1, height);
            (fitting_height, (height * shape.width / shape.height).clamp(1, width))
        }
        Some(share) => {
            let scale = (height as f64 / shape.height as f64).min(width as f64 / shape.width as f64) * share;
            let side = |size: usize, most: usize| ((size as f64 * scale).round() as usize).clamp(1, most);
            (side(shape.height, height), side(shape.width, width))
        }
    };
    [((height - new_height) / 2, new_height), ((width - new_width) / 2, new_width)]
}

/// The largest size with the proportions of `picture` inside `shape` (at least a pixel), and the rows above it and columns before it, as
/// `tf.image.resize_with_pad` computes them: each rounded down from the exact number.
pub(super) fn inside(picture: ImageShape, shape: ImageShape) -> (ImageShape, (usize, usize)) {
    let (height, width) = (picture.height as f32, picture.width as f32);
    let ratio = (width / shape.width as f32).max(height / shape.height as f32);
    let fit = |side: f32, most: usize| {
        let exact = side / ratio;
        let whole = (exact.floor() as usize).clamp(1, most);
        (whole, (((most as f32 - exact) / 2.0).floor().max(0.0) as usize).min(most - whole))
    };
    let ((height, top), (width, left)) = (fit(height, shape.height), fit(width, shape.width));
    (ImageShape::new(height, width, shape.channels), (top, left))
}

/// Writes values of 0 … 255 of the size `inside` into `shape` from (row, column) `corner` on, scaled to 0 … `white`; zeros around.
pub(super) fn lay_in(
    values: impl Iterator<Item = f32>,
    inside: ImageShape,
    corner: (usize, usize),
    shape: ImageShape,
    white: f32,
    pixels: &mut [f32],
) {
    // Divides, as `x.astype("float32") / 255` does; a product with 1/255 would differ in the last bit.
    let scaled = |value: f32| if white == 255.0 { value } else { value / 255.0 * white };
    if inside == shape {
        pixels.iter_mut().zip(values).for_each(|(pixel, value)| *pixel = scaled(value));
        return;
    }
    pixels.fill(0.0);
    let (top, left) = corner;
    let row_length = inside.width * inside.channels;
    let places = (0..inside.height).flat_map(|row| {
        let start = ((top + row) * shape.width + left) * shape.channels;
        start..start + row_length
    });
    places.zip(values).for_each(|(place, value)| pixels[place] = scaled(value));
}
