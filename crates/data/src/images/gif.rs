//! The first picture of a GIF.

use std::io::Cursor;
use std::num::NonZeroU64;
use std::path::Path;

use gif::{ColorOutput, DecodeOptions, DecodingError, MemoryLimit};

use super::Picture;
use super::decode::{MAX_PIXELS, check_size, too_large};
use crate::{DataError, ImageShape, Result};

/// Decodes the first frame, laid where it belongs on a screen that is otherwise transparent.
pub(super) fn decode(bytes: &[u8], path: &Path) -> Result<Picture> {
    let broken = |error: DecodingError| DataError::malformed(path, format!("damaged GIF: {error}"));
    let mut options = DecodeOptions::new();
    options.set_color_output(ColorOutput::RGBA);
    let limit = NonZeroU64::new(MAX_PIXELS as u64 * 4).expect("the limit is not 0");
    options.set_memory_limit(MemoryLimit::Bytes(limit));
    let mut decoder = options.read_info(Cursor::new(bytes)).map_err(broken)?;
    let (width, height) = (usize::from(decoder.width()), usize::from(decoder.height()));
    check_size(width, height, path)?;
    let frame = decoder
        .next_frame_info()
        .map_err(broken)?
        .ok_or_else(|| DataError::malformed(path, "a GIF without a picture"))?;
    let (left, top) = (usize::from(frame.left), usize::from(frame.top));
    let (columns, rows) = (usize::from(frame.width), usize::from(frame.height));
    check_size(columns, rows, path)?;
    let pixels = columns * rows * 4;
    if decoder.buffer_size() != pixels {
        return Err(too_large(path, "the GIF's first frame", format!("{MAX_PIXELS} pixels")));
    }
    let mut frame = vec![0; pixels];
    decoder.read_into_buffer(&mut frame).map_err(broken)?;
    let shape = ImageShape::new(height, width, 4);
    if (left, top, columns, rows) == (0, 0, width, height) {
        return Ok(Picture { shape, values: frame });
    }
    let mut values = vec![0; width * height * 4];
    let seen = columns.min(width.saturating_sub(left)) * 4;
    let lines = values.chunks_exact_mut(width * 4).skip(top).zip(frame.chunks_exact(columns * 4));
    for (line, from) in lines {
        if seen > 0 {
            line[left * 4..][..seen].copy_from_slice(&from[..seen]);
        }
    }
    Ok(Picture { shape, values })
}
