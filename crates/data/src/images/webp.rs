//! WebP: lossy and lossless, the first picture of an animation.

use std::io::Cursor;
use std::path::Path;

use image_webp::{DecodingError, WebPDecoder};

use super::decode::{MAX_PIXELS, check_size, too_large};
use super::{Picture, exif};
use crate::{DataError, ImageShape, Result};

/// The picture as stored, and its EXIF orientation.
pub(super) fn decode(bytes: &[u8], path: &Path) -> Result<(Picture, u8)> {
    let broken = |error: DecodingError| DataError::malformed(path, format!("damaged WebP: {error}"));
    let mut decoder = WebPDecoder::new(Cursor::new(bytes)).map_err(broken)?;
    let (width, height) = decoder.dimensions();
    let (width, height) = (width as usize, height as usize);
    check_size(width, height, path)?;
    decoder.set_memory_limit(MAX_PIXELS * 4);
    let length = decoder.output_buffer_size();
    let length = length.ok_or_else(|| too_large(path, "the WebP", format!("{MAX_PIXELS} pixels")))?;
    let shape = ImageShape::new(height, width, if decoder.has_alpha() { 4 } else { 3 });
    if shape.checked_len() != Some(length) {
        return Err(DataError::malformed(path, "damaged WebP: its data do not fill the size in its header"));
    }
    let mut values = vec![0; length];
    decoder.read_image(&mut values).map_err(broken)?;
    // Metadata that cannot be read are no reason to refuse a picture that can.
    let exif = decoder.exif_metadata().ok().flatten();
    Ok((Picture { shape, values }, exif.as_deref().map_or(1, exif::orientation)))
}
