//! A picture file brought to what a model expects: height, width, channels, values in `[0, 1]`.
//!
//! In this order, each only where needed: decode (PNG, JPEG, GIF, BMP, WebP; of several pictures the first), turn it as its EXIF
//! orientation says, lay transparency over white, convert between colour and grey (ITU-R 601 luma), invert a dark drawing on bright
//! paper if the model was trained on the opposite, crop, resize (bilinear with antialias, without keeping the ratio of the sides) or
//! pad, divide by 255. [`Prepared::changes`] tells what was done, so that a program can say so.
//!
//! [`crop_and_resize`] cuts boxes out of arrays, as detectors do.

use std::fmt;
use std::path::Path;

use ndarray::Array3;

use crate::dataset::scale;
use crate::{DataError, ImageShape, Result};

mod bmp;
mod boxes;
mod convert;
mod decode;
mod exif;
mod gif;
mod resize;
mod webp;

pub(crate) use decode::{read_file, read_limited};

pub use boxes::{BoxSampling, crop_and_resize};
pub use resize::Resampling;

/// Endings of the names of picture files that are read, in lower case and without the dot.
pub const ENDINGS: &[&str] = &["bmp", "gif", "jpeg", "jpg", "png", "webp"];

/// What a model's training images have behind the thing they show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Background {
    /// Anything: leave pictures as they are.
    Any,
    /// Black, as in MNIST: invert a picture that is dark on bright. It is taken for that when the median of its border
    /// is above one half and some of it is below.
    Dark,
}

impl Background {
    /// `Dark` for models of one channel, which as good as always learnt from MNIST or its kin; else `Any`.
    pub fn for_shape(shape: ImageShape) -> Self {
        if shape.channels == 1 { Background::Dark } else { Background::Any }
    }
}

/// How a picture comes to the proportions of a model's images.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fit {
    /// Its sides are stretched or squeezed, each by itself.
    Stretch,
    /// The largest part of the right proportions is cut from its middle, then resized. Keras's
    /// `load_img(keep_aspect_ratio=True)` and `crop_to_aspect_ratio=True`.
    Crop,
    /// As [`Crop`](Self::Crop), but only this share of that part, 0 … 1: 0.875 is what networks for ImageNet are usually tested with
    /// (256 pixels, of which the 224 in the middle are taken).
    CropShare(f64),
    /// It is resized to fit, and the rest on both sides is black. Keras's `pad_to_aspect_ratio=True`, `tf.image.resize_with_pad`.
    Pad,
}

/// What [`load_with`] may do to a picture.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// What is behind the thing on the model's pictures.
    pub background: Background,
    /// How proportions are brought about.
    pub fit: Fit,
    /// How new pixels are made of old ones.
    pub resampling: Resampling,
}

impl Options {
    /// Stretched, bilinear, on a background that is usual for this shape.
    pub fn for_shape(shape: ImageShape) -> Self {
        Self { background: Background::for_shape(shape), fit: Fit::Stretch, resampling: Resampling::Bilinear }
    }
}

/// A picture as a model takes it.
#[derive(Clone, Debug, PartialEq)]
pub struct Prepared {
    /// `(height, width, channels)`, in `[0, 1]`.
    pub pixels: Vec<f32>,
    /// Shape of `pixels`.
    pub shape: ImageShape,
    /// What was done to the picture, in order; empty when it was right as it came.
    pub changes: Vec<Change>,
}

/// One thing that was done to a picture; prints as a phrase such as `resized from 640x427 to 28x28`.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Change {
    /// Turned or mirrored by its EXIF orientation, 2 to 8.
    Oriented(u8),
    /// Transparent parts were laid over white.
    LaidOverWhite,
    /// Three channels became one.
    ColourToGrey,
    /// One channel became three equal ones.
    GreyToColour,
    /// Black and white were exchanged, because the border's median, in `[0, 1]`, was bright.
    Inverted {
        /// The median of the border's pixels.
        border: f32,
    },
    /// Only its middle was kept; sizes as (width, height) in pixels.
    Cropped {
        /// Size before.
        from: (usize, usize),
        /// Size after.
        to: (usize, usize),
    },
    /// Black was added on two sides; sizes as (width, height) in pixels.
    Padded {
        /// Size before.
        from: (usize, usize),
        /// Size after.
        to: (usize, usize),
    },
    /// Brought to another size; both as (width, height) in pixels.
    Resized {
        /// Size before.
        from: (usize, usize),
        /// Size after.
        to: (usize, usize),
    },
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Change::Oriented(orientation) => write!(f, "turned as its EXIF orientation {orientation} says"),
            Change::LaidOverWhite => write!(f, "laid over white where it is transparent"),
            Change::ColourToGrey => write!(f, "converted colour to grey"),
            Change::GreyToColour => write!(f, "converted grey to colour"),
            Change::Inverted { border } => {
                write!(f, "inverted: dark on a bright ground (median of its border {border:.2})")
            }
            Change::Cropped { from, to } => {
                write!(f, "cropped from {}x{} to the {}x{} in the middle", from.0, from.1, to.0, to.1)
            }
            Change::Padded { from, to } => {
                write!(f, "padded with black from {}x{} to {}x{}", from.0, from.1, to.0, to.1)
            }
            Change::Resized { from, to } => {
                write!(f, "resized from {}x{} to {}x{}", from.0, from.1, to.0, to.1)
            }
        }
    }
}

/// Bytes of a picture, `(height, width, channels)`, with 1 to 4 channels: grey, grey and alpha, colour, colour and
/// alpha.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Picture {
    pub(crate) shape: ImageShape,
    pub(crate) values: Vec<u8>,
}

/// Reads a picture file and brings it to `shape`.
///
/// # Errors
/// [`DataError::Missing`] or [`DataError::Io`] when it cannot be read, [`DataError::Malformed`] when it is none of the formats
/// or is damaged, [`DataError::TooLarge`] over 128 MiB or 100 megapixels, [`DataError::Shape`] when `shape`
/// has a side of 0, a side over 65,535, or channels other than 1 (grey), 3 (colour) or 4 (colour and alpha).
pub fn load(path: &Path, shape: ImageShape, background: Background) -> Result<Prepared> {
    load_with(path, shape, Options { background, ..Options::for_shape(shape) })
}

/// As [`load`], with a choice of what is done.
///
/// # Errors
/// As [`load`].
pub fn load_with(path: &Path, shape: ImageShape, options: Options) -> Result<Prepared> {
    let bytes = read_file(path)?;
    prepare(&bytes, path, shape, options)
}

/// Reads a picture file as it is: (height, width, channels) with one channel for grey and three for colour, in `[0, 1]`.
///
/// # Errors
/// As [`load`].
pub fn read(path: &Path) -> Result<Array3<f32>> {
    let (mut picture, orientation) = decode::decode(&read_file(path)?, path)?;
    if let 2..=8 = orientation {
        picture = convert::orient(picture, orientation);
    }
    if matches!(picture.shape.channels, 2 | 4) {
        (picture, _) = convert::flatten(picture);
    }
    let ImageShape { height, width, channels } = picture.shape;
    let pixels = picture.values.iter().map(|&value| scale(value)).collect();
    Ok(Array3::from_shape_vec((height, width, channels), pixels)
        .expect("a decoder fills the sizes that it gives"))
}

/// Height, width and channels of the picture in a file, as stored but turned as it should be.
pub(crate) fn shape_of(path: &Path) -> Result<ImageShape> {
    let (picture, orientation) = decode::decode(&read_file(path)?, path)?;
    let ImageShape { height, width, channels } = picture.shape;
    Ok(if orientation >= 5 { ImageShape::new(width, height, channels) } else { picture.shape })
}

/// Bytes (height, width, channels) as a PNG file, with one channel for grey, three for colour.
///
/// # Errors
/// [`DataError::Shape`] when the bytes are not as many, or channels are others.
pub fn encode_png(bytes: &[u8], width: usize, height: usize, channels: usize) -> Result<Vec<u8>> {
    let wrong = || DataError::Shape {
        what: "picture to write",
        expected: "height × width × channels bytes, with 1 or 3 channels".into(),
        received: format!("{} bytes for {height} × {width} × {channels}", bytes.len()),
    };
    let colour = match channels {
        1 => png::ColorType::Grayscale,
        3 => png::ColorType::Rgb,
        _ => return Err(wrong()),
    };
    let (Ok(columns), Ok(rows)) = (u32::try_from(width), u32::try_from(height)) else { return Err(wrong()) };
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, columns, rows);
    encoder.set_color(colour);
    encoder.set_depth(png::BitDepth::Eight);
    let written = encoder.write_header().and_then(|mut writer| writer.write_image_data(bytes));
    written.map_err(|_| wrong())?;
    Ok(file)
}

/// Like [`load_with`], for a file that is in memory already; `path` is only for errors.
///
/// # Errors
/// As [`load`].
pub fn prepare(bytes: &[u8], path: &Path, shape: ImageShape, options: Options) -> Result<Prepared> {
    let length = check_shape(shape)?;
    let mut pixels = vec![0.0; length];
    let changes = prepare_into(bytes, path, shape, options, 1.0, &mut pixels)?;
    Ok(Prepared { pixels, shape, changes })
}

/// As [`prepare`], into memory of the caller's, `(height, width, channels)`, with `white` (1 or 255, as a rule) as the highest value. Tells what was done.
///
/// # Errors
/// As [`load`], and [`DataError::Shape`] when `pixels` has another length.
pub fn prepare_into(
    bytes: &[u8],
    path: &Path,
    shape: ImageShape,
    options: Options,
    white: f32,
    pixels: &mut [f32],
) -> Result<Vec<Change>> {
    if check_shape(shape)? != pixels.len() {
        return Err(DataError::Shape {
            what: "memory for a picture",
            expected: format!("{shape} values"),
            received: format!("{} values", pixels.len()),
        });
    }
    let (mut picture, mut changes) = in_channels(bytes, path, shape.channels)?;
    if options.background == Background::Dark && picture.values.iter().any(|&value| value < 128) {
        let border = convert::border_median(&picture);
        if border > 127 {
            picture.values.iter_mut().for_each(|value| *value = 255 - *value);
            changes.push(Change::Inverted { border: scale(border) });
        }
    }
    let sides = |picture: &Picture| (picture.shape.width, picture.shape.height);
    let from = sides(&picture);
    let share = match options.fit {
        Fit::Stretch | Fit::Pad => None,
        Fit::Crop => Some(None),
        Fit::CropShare(share) => Some(Some(share)),
    };
    // Pillow's filters see what is around the part, TensorFlow cuts it out first.
    let mut part = [(0, picture.shape.height), (0, picture.shape.width)];
    if let Some(share) = share {
        if share.is_none() && !options.resampling.is_tensorflow() {
            part = convert::middle(picture.shape, shape, share);
        } else {
            picture = convert::crop(picture, shape, share);
            part = [(0, picture.shape.height), (0, picture.shape.width)];
        }
        let to = (part[1].1, part[0].1);
        changes.extend((from != to).then_some(Change::Cropped { from, to }));
    }
    let from = (part[1].1, part[0].1);
    let (inside, corner) =
        if options.fit == Fit::Pad { convert::inside(picture.shape, shape) } else { (shape, (0, 0)) };
    let to = (inside.width, inside.height);
    if from == to && sides(&picture) == to {
        convert::lay_in(
            picture.values.iter().map(|&value| f32::from(value)),
            inside,
            corner,
            shape,
            white,
            pixels,
        );
    } else {
        changes.extend((from != to).then_some(Change::Resized { from, to }));
        let values = resize::resize_part(&picture, part, inside, options.resampling);
        convert::lay_in(values.iter().copied(), inside, corner, shape, white, pixels);
    }
    let whole = (shape.width, shape.height);
    changes.extend((to != whole).then_some(Change::Padded { from: to, to: whole }));
    Ok(changes)
}

/// Number of values of a picture of this shape, if there can be one.
pub(crate) fn check_shape(shape: ImageShape) -> Result<usize> {
    let sides = 1..=usize::from(u16::MAX);
    let fits =
        matches!(shape.channels, 1 | 3 | 4) && sides.contains(&shape.height) && sides.contains(&shape.width);
    shape.checked_len().filter(|_| fits).ok_or_else(|| DataError::Shape {
        what: "shape to bring a picture to",
        expected: "(height, width, 1) for grey, (height, width, 3) for colour or (height, width, 4) with alpha, sides of 1 to 65535".into(),
        received: shape.to_string(),
    })
}

/// The picture in a file, turned as it should be, with so many channels; and what was done for that.
fn in_channels(bytes: &[u8], path: &Path, channels: usize) -> Result<(Picture, Vec<Change>)> {
    let (mut picture, orientation) = decode::decode(bytes, path)?;
    let mut changes = Vec::new();
    if let 2..=8 = orientation {
        picture = convert::orient(picture, orientation);
        changes.push(Change::Oriented(orientation));
    }
    if channels == 4 {
        changes.extend((picture.shape.channels < 3).then_some(Change::GreyToColour));
        return Ok((convert::with_alpha(picture), changes));
    }
    if matches!(picture.shape.channels, 2 | 4) {
        let (flat, seen) = convert::flatten(picture);
        picture = flat;
        changes.extend(seen.then_some(Change::LaidOverWhite));
    }
    if picture.shape.channels == 3 && channels == 1 {
        let was_grey =
            picture.values.chunks_exact(3).all(|pixel| pixel[0] == pixel[1] && pixel[1] == pixel[2]);
        picture = convert::to_grey(picture);
        changes.extend((!was_grey).then_some(Change::ColourToGrey));
    } else if picture.shape.channels == 1 && channels == 3 {
        picture = convert::to_colour(picture);
        changes.push(Change::GreyToColour);
    }
    Ok((picture, changes))
}

#[cfg(test)]
mod tests;
