//! Picture files to bytes, with limits.
//!
//! The decoders are used directly rather than through the `image` crate, whose colour management alone would take
//! longer to build than all of this crate.

use std::fs::File;
use std::io::{Cursor, ErrorKind, Read};
use std::path::Path;

use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::{Picture, bmp, exif, gif, webp};
use crate::{DataError, ImageShape, Result};

const MAX_FILE: u64 = 128 << 20;
pub(super) const MAX_PIXELS: usize = 100_000_000;

/// What a file must be, for errors.
const FORMATS: &str = "PNG, JPEG, GIF, BMP or WebP";

/// The bytes of a picture file.
pub(crate) fn read_file(path: &Path) -> Result<Vec<u8>> {
    read_limited(path, MAX_FILE, "expected a PNG, JPEG, GIF, BMP or WebP file")
}

/// The bytes of a file that may have `most`; `help` tells what it should be if it is not there.
pub(crate) fn read_limited(path: &Path, most: u64, help: &str) -> Result<Vec<u8>> {
    let file = File::open(path).map_err(|source| match source.kind() {
        ErrorKind::NotFound => DataError::Missing { path: path.to_path_buf(), help: help.into() },
        _ => DataError::io(path, "open the file", source),
    })?;
    let length = file.metadata().map_or(0, |metadata| metadata.len());
    let mut bytes = Vec::with_capacity(length.min(most) as usize + 1);
    file.take(most + 1)
        .read_to_end(&mut bytes)
        .map_err(|source| DataError::io(path, "read the file", source))?;
    if bytes.len() as u64 > most {
        return Err(too_large(path, "the file", format!("{} MiB", most >> 20)));
    }
    Ok(bytes)
}

/// The picture in a file, as stored, and its EXIF orientation (1, as is, if none is given). The format is told by the first bytes, whatever
/// the file is called.
pub(super) fn decode(bytes: &[u8], path: &Path) -> Result<(Picture, u8)> {
    match bytes {
        [] => Err(DataError::malformed(path, "the file is empty")),
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => decode_png(bytes, path),
        [0xff, 0xd8, 0xff, ..] => decode_jpeg(bytes, path),
        [b'G', b'I', b'F', b'8', ..] => Ok((gif::decode(bytes, path)?, 1)),
        [b'B', b'M', ..] => Ok((bmp::decode(bytes, path)?, 1)),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => webp::decode(bytes, path),
        _ => {
            let found = match bytes {
                [b'I', b'I', b'*', 0, ..] | [b'M', b'M', 0, b'*', ..] => "a TIFF file",
                [_, _, _, _, b'f', b't', b'y', b'p', ..] => "an AVIF or HEIC file",
                _ => return Err(DataError::malformed(path, format!("not {FORMATS} by its first bytes"))),
            };
            Err(DataError::malformed(path, format!("{found}; {FORMATS} are read, so convert it first")))
        }
    }
}

fn decode_png(bytes: &[u8], path: &Path) -> Result<(Picture, u8)> {
    let broken = |error: png::DecodingError| match error {
        png::DecodingError::LimitsExceeded => too_large(path, "the PNG", format!("{MAX_PIXELS} pixels")),
        error => DataError::malformed(path, format!("damaged PNG: {error}")),
    };
    let mut decoder =
        png::Decoder::new_with_limits(Cursor::new(bytes), png::Limits { bytes: MAX_PIXELS * 8 });
    // Palettes and 1, 2 and 4 bits to bytes, 16 bits to their upper byte.
    decoder.set_transformations(png::Transformations::normalize_to_color8());
    decoder.set_ignore_text_chunk(true);
    let header = decoder.read_header_info().map_err(broken)?;
    check_size(header.width as usize, header.height as usize, path)?;
    let mut reader = decoder.read_info().map_err(broken)?;
    let length = reader.output_buffer_size().ok_or_else(|| broken(png::DecodingError::LimitsExceeded))?;
    let mut values = vec![0; length];
    let frame = reader.next_frame(&mut values).map_err(broken)?;
    values.truncate(frame.buffer_size());
    let orientation = reader.info().exif_metadata.as_deref().map_or(1, exif::orientation);
    let shape = ImageShape::new(frame.height as usize, frame.width as usize, frame.color_type.samples());
    Ok((Picture { shape, values }, orientation))
}

fn decode_jpeg(bytes: &[u8], path: &Path) -> Result<(Picture, u8)> {
    let broken = |error| DataError::malformed(path, format!("damaged JPEG: {error}"));
    // Strict, because otherwise the missing part of a torn file would silently be grey.
    let options = DecoderOptions::default().set_strict_mode(true);
    let options = options.set_max_width(usize::from(u16::MAX)).set_max_height(usize::from(u16::MAX));
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(broken)?;
    let (width, height) = decoder.dimensions().unwrap_or_default();
    check_size(width, height, path)?;
    let (channels, space) = match decoder.input_colorspace() {
        Some(ColorSpace::Luma) => (1, ColorSpace::Luma),
        _ => (3, ColorSpace::RGB),
    };
    decoder.set_options(options.jpeg_set_out_colorspace(space));
    let values = decoder.decode().map_err(broken)?;
    let shape = ImageShape::new(height, width, channels);
    if shape.checked_len() != Some(values.len()) {
        return Err(DataError::malformed(path, "damaged JPEG: its data do not fill the size in its header"));
    }
    let orientation = decoder.exif().map_or(1, |exif| exif::orientation(exif));
    Ok((Picture { shape, values }, orientation))
}

pub(super) fn check_size(width: usize, height: usize, path: &Path) -> Result<()> {
    if width == 0 || height == 0 {
        return Err(DataError::malformed(path, format!("an empty picture of {width}x{height}")));
    }
    if width.checked_mul(height).is_none_or(|pixels| pixels > MAX_PIXELS) {
        return Err(too_large(
            path,
            &format!("a picture of {width}x{height}"),
            format!("{MAX_PIXELS} pixels"),
        ));
    }
    Ok(())
}

pub(super) fn too_large(path: &Path, what: &str, limit: String) -> DataError {
    DataError::TooLarge { path: path.to_path_buf(), what: what.into(), limit }
}
