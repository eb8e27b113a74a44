//! Boxes cut out of pictures and brought to one size, as detectors do with their regions.

use ndarray::{Array4, ArrayView4};

use crate::{DataError, Result};

/// How the values between pixels are found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BoxSampling {
    /// Between the four pixels around.
    #[default]
    Bilinear,
    /// The nearest pixel, halves rounded away from 0.
    Nearest,
}

/// Cuts boxes out of `images` (count, height, width, channels) and brings each to `size` (height, width), giving (boxes, height, width, channels).
///
/// A box is `[y1, x1, y2, x2]`, where 0 is the first row or column and 1 the last; the picture is mirrored where `y1 > y2`, and what lies outside of the
/// picture becomes `outside`. `of` says which image each box belongs to. The corners of the result are those of the box (for a side of one pixel,
/// its middle), as in [tf.image.crop_and_resize](https://www.tensorflow.org/api_docs/python/tf/image/crop_and_resize).
///
/// ```
/// use convnet_data::images::{BoxSampling, crop_and_resize};
/// let picture = ndarray::Array4::from_shape_fn((1, 3, 3, 1), |(_, y, x, _)| (3 * y + x) as f32);
/// let corner = crop_and_resize(picture.view(), &[[0.0, 0.0, 0.5, 0.5]], &[0], (2, 2), BoxSampling::Bilinear, 0.0)?;
/// assert_eq!(corner.as_slice(), Some(&[0.0, 1.0, 3.0, 4.0][..]));
/// # Ok::<(), convnet_data::DataError>(())
/// ```
///
/// # Errors
/// [`DataError::Shape`] when there are not as many `of` as boxes, one of them names no image, an image has no pixels, or `size` has a side of 0 or over 65,535.
pub fn crop_and_resize(
    images: ArrayView4<'_, f32>,
    boxes: &[[f32; 4]],
    of: &[usize],
    size: (usize, usize),
    sampling: BoxSampling,
    outside: f32,
) -> Result<Array4<f32>> {
    let (count, height, width, channels) = images.dim();
    let wrong = |what, expected: String, received: String| Err(DataError::Shape { what, expected, received });
    if boxes.len() != of.len() {
        return wrong("images of boxes", boxes.len().to_string(), of.len().to_string());
    }
    if let Some(image) = of.iter().find(|&&image| image >= count) {
        return wrong("image of a box", format!("a number below {count}"), image.to_string());
    }
    let sides = 1..=usize::from(u16::MAX);
    if height == 0 || width == 0 || !sides.contains(&size.0) || !sides.contains(&size.1) {
        let received = format!("{height} × {width} to {} × {}", size.0, size.1);
        return wrong("size of boxes", "sides of 1 to 65535 pixels".into(), received);
    }
    let mut cut = Array4::from_elem((boxes.len(), size.0, size.1, channels), outside);
    for (place, ([y1, x1, y2, x2], &image)) in boxes.iter().copied().zip(of).enumerate() {
        let columns: Vec<Option<f32>> = (0..size.1).map(|at| coordinate(x1, x2, at, size.1, width)).collect();
        for row in 0..size.0 {
            let Some(y) = coordinate(y1, y2, row, size.0, height) else { continue };
            for (column, x) in columns.iter().enumerate() {
                let Some(x) = *x else { continue };
                for channel in 0..channels {
                    let at = |y: usize, x: usize| images[[image, y, x, channel]];
                    cut[[place, row, column, channel]] = match sampling {
                        BoxSampling::Nearest => at(y.round() as usize, x.round() as usize),
                        BoxSampling::Bilinear => {
                            let (top, left) = (y.floor() as usize, x.floor() as usize);
                            let (bottom, right) = (y.ceil() as usize, x.ceil() as usize);
                            let upper = at(top, left) + (at(top, right) - at(top, left)) * (x - x.floor());
                            let lower =
                                at(bottom, left) + (at(bottom, right) - at(bottom, left)) * (x - x.floor());
                            upper + (lower - upper) * (y - y.floor())
                        }
                    };
                }
            }
        }
    }
    Ok(cut)
}

/// Where pixel `at` of `count` lies along an axis of `length` pixels, if inside.
fn coordinate(first: f32, last: f32, at: usize, count: usize, length: usize) -> Option<f32> {
    let end = (length - 1) as f32;
    let place = if count > 1 {
        first * end + at as f32 * ((last - first) * end / (count - 1) as f32)
    } else {
        0.5 * (first + last) * end
    };
    (0.0..=end).contains(&place).then_some(place)
}
