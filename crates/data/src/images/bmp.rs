//! Windows bitmaps: 1, 4 and 8 bits with a palette (plain or run-length encoded), 16, 24 and 32 bits with or without masks.
//!
//! Our own, because a header, a table and rows of bytes are less to read than another dependency. See Microsoft's
//! [Bitmap storage](https://learn.microsoft.com/en-us/windows/win32/gdi/bitmap-storage).

use std::path::Path;

use super::Picture;
use super::decode::check_size;
use crate::{DataError, ImageShape, Result};

const FILE_HEADER: usize = 14;

/// What the headers say.
struct Header {
    width: usize,
    height: usize,
    top_down: bool,
    bits: usize,
    compression: Compression,
    /// Where the rows begin.
    pixels: usize,
    /// Red, green, blue of each entry.
    palette: Vec<[u8; 3]>,
    /// Which bits of a pixel are red, green, blue, alpha.
    masks: [u32; 4],
}

#[derive(Clone, Copy, PartialEq)]
enum Compression {
    None,
    Rle8,
    Rle4,
}

/// Decodes to three channels, or to four where a mask for alpha is given.
pub(super) fn decode(bytes: &[u8], path: &Path) -> Result<Picture> {
    let damaged =
        || DataError::malformed(path, "damaged BMP: it ends too early or its header contradicts itself");
    let refused = |what: String| DataError::malformed(path, format!("a BMP with {what}, which is not read"));
    let header = Header::read(bytes, path, &refused)?.ok_or_else(damaged)?;
    let data = bytes.get(header.pixels..).ok_or_else(damaged)?;
    let values = match header.compression {
        Compression::None => header.rows(data).ok_or_else(damaged)?,
        Compression::Rle8 | Compression::Rle4 => header.colours(&header.unpack(data).ok_or_else(damaged)?),
    };
    let channels = header.channels();
    Ok(Picture { shape: ImageShape::new(header.height, header.width, channels), values })
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at.checked_add(2)?)?.try_into().ok().map(u16::from_le_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at.checked_add(4)?)?.try_into().ok().map(u32::from_le_bytes)
}

impl Header {
    /// `None` when the file ends in it.
    fn read(bytes: &[u8], path: &Path, refused: &dyn Fn(String) -> DataError) -> Result<Option<Self>> {
        let Some(size) = u32_at(bytes, FILE_HEADER) else { return Ok(None) };
        let old = size == 12;
        if !old && !(40..=124).contains(&size) {
            return Err(refused(format!("a header of {size} bytes")));
        }
        let Some((sides, bits, compression, colours)) = Self::fields(bytes, old) else { return Ok(None) };
        let (width, height) = (sides.0, sides.1.unsigned_abs() as usize);
        let Ok(width) = usize::try_from(width) else { return Err(refused(format!("a width of {width}"))) };
        check_size(width, height, path)?;
        let (compression, masked) = match (compression, bits) {
            (0, 1 | 4 | 8 | 16 | 24 | 32) => (Compression::None, false),
            (1, 8) => (Compression::Rle8, false),
            (2, 4) => (Compression::Rle4, false),
            (3 | 6, 16 | 32) => (Compression::None, true),
            _ => return Err(refused(format!("{bits} bits and compression {compression}"))),
        };
        if sides.1 < 0 && compression != Compression::None {
            return Err(refused("compressed rows from the top".into()));
        }
        let Some(pixels) = u32_at(bytes, 10) else { return Ok(None) };
        let after = FILE_HEADER + size as usize;
        let Some(masks) = Self::masks(bytes, size, bits, masked) else { return Ok(None) };
        let palette =
            if bits <= 8 { Self::palette(bytes, after, old, bits, colours as usize) } else { Vec::new() };
        let header = Self {
            width,
            height,
            top_down: sides.1 < 0,
            bits: usize::from(bits),
            compression,
            pixels: pixels as usize,
            palette,
            masks,
        };
        Ok(Some(header))
    }

    /// Width and height, bits of a pixel, compression, colours used.
    fn fields(bytes: &[u8], old: bool) -> Option<((i32, i32), u16, u32, u32)> {
        if old {
            let sides = (i32::from(u16_at(bytes, 18)?), i32::from(u16_at(bytes, 20)?));
            return Some((sides, u16_at(bytes, 24)?, 0, 0));
        }
        let sides = (u32_at(bytes, 18)?.cast_signed(), u32_at(bytes, 22)?.cast_signed());
        Some((sides, u16_at(bytes, 28)?, u32_at(bytes, 30)?, u32_at(bytes, 46)?))
    }

    fn masks(bytes: &[u8], size: u32, bits: u16, masked: bool) -> Option<[u32; 4]> {
        // The masks follow a header of 40 bytes, and are part of longer ones; both lie at the same place.
        let mask = |place: usize| u32_at(bytes, FILE_HEADER + 40 + 4 * place);
        match (masked, bits) {
            (true, _) => {
                let alpha = if size >= 56 { mask(3)? } else { 0 };
                Some([mask(0)?, mask(1)?, mask(2)?, alpha])
            }
            (false, 16) => Some([0x7c00, 0x03e0, 0x001f, 0]),
            (false, _) => Some([0x00ff_0000, 0x0000_ff00, 0x0000_00ff, 0]),
        }
    }

    /// As many entries as there are numbers for, black where the file has none.
    fn palette(bytes: &[u8], start: usize, old: bool, bits: u16, colours: usize) -> Vec<[u8; 3]> {
        let (most, entry) = (1 << bits, if old { 3 } else { 4 });
        let count = if colours == 0 { most } else { colours.min(most) };
        let entries = bytes.get(start..).unwrap_or_default().chunks_exact(entry).take(count);
        let mut palette: Vec<[u8; 3]> =
            entries.map(|blue_first| [blue_first[2], blue_first[1], blue_first[0]]).collect();
        palette.resize(most, [0; 3]);
        palette
    }

    fn channels(&self) -> usize {
        if self.masks[3] == 0 { 3 } else { 4 }
    }

    /// Row `row` of the file, counted from the top of the picture.
    fn place(&self, row: usize) -> usize {
        if self.top_down { row } else { self.height - 1 - row }
    }

    /// The pixels of rows that are not compressed; `None` when there are too few bytes.
    fn rows(&self, data: &[u8]) -> Option<Vec<u8>> {
        let stride = (self.width.checked_mul(self.bits)?.checked_add(31)? / 32).checked_mul(4)?;
        if data.len()
            < stride.checked_mul(self.height - 1)?.checked_add((self.width * self.bits).div_ceil(8))?
        {
            return None;
        }
        let mut values = Vec::with_capacity(self.width * self.height * self.channels());
        for row in 0..self.height {
            let line = &data[stride * self.place(row)..];
            match self.bits {
                24 => values.extend(line.chunks_exact(3).take(self.width).flat_map(|p| [p[2], p[1], p[0]])),
                16 => {
                    let pixels = line.chunks_exact(2).take(self.width);
                    pixels.for_each(|p| self.masked(u32::from(p[0]) | u32::from(p[1]) << 8, &mut values));
                }
                32 => {
                    let pixels = line.chunks_exact(4).take(self.width);
                    pixels
                        .for_each(|p| self.masked(u32::from_le_bytes([p[0], p[1], p[2], p[3]]), &mut values));
                }
                bits => {
                    let (each, mask) = (8 / bits, (1u16 << bits) - 1);
                    values.extend((0..self.width).flat_map(|x| {
                        let shift = 8 - bits * (x % each + 1);
                        self.palette[usize::from(u16::from(line[x / each]) >> shift & mask)]
                    }));
                }
            }
        }
        Some(values)
    }

    /// The channels of a pixel with masks, each stretched to 0 … 255.
    fn masked(&self, pixel: u32, values: &mut Vec<u8>) {
        for mask in &self.masks[..self.channels()] {
            let most = mask.checked_shr(mask.trailing_zeros()).unwrap_or(0);
            let value = (pixel & mask).checked_shr(mask.trailing_zeros()).unwrap_or(0);
            let stretched = (u64::from(value) * 255 + u64::from(most) / 2).checked_div(u64::from(most));
            values.push(stretched.unwrap_or(0) as u8);
        }
    }

    fn colours(&self, places: &[u8]) -> Vec<u8> {
        places.iter().flat_map(|&place| self.palette[usize::from(place)]).collect()
    }

    /// Palette entries of run-length encoded rows, from the top; what the file leaves out has entry 0.
    fn unpack(&self, data: &[u8]) -> Option<Vec<u8>> {
        // Two bytes make at most 255 pixels; one that claims much more would have memory taken for nothing.
        if self.width * self.height > data.len().saturating_mul(255) {
            return None;
        }
        let half = self.compression == Compression::Rle4;
        let mut places = vec![0; self.width * self.height];
        let (mut x, mut y, mut at) = (0, 0, 0);
        let mut put = |x: usize, y: usize, place: u8| {
            if x < self.width && y < self.height {
                places[(self.height - 1 - y) * self.width + x] = place;
            }
        };
        let nibble = |byte: u8, odd: bool| if odd { byte & 15 } else { byte >> 4 };
        loop {
            let (&first, &second) = (data.get(at)?, data.get(at + 1)?);
            at += 2;
            match (first, second) {
                (0, 0) => (x, y) = (0, y + 1),
                (0, 1) => return Some(places),
                (0, 2) => {
                    x += usize::from(*data.get(at)?);
                    y += usize::from(*data.get(at + 1)?);
                    at += 2;
                }
                (0, count) => {
                    let count = usize::from(count);
                    let length = if half { count.div_ceil(2) } else { count };
                    let run = data.get(at..at + length)?;
                    for i in 0..count {
                        put(x + i, y, if half { nibble(run[i / 2], i % 2 == 1) } else { run[i] });
                    }
                    x += count;
                    at += length.next_multiple_of(2);
                }
                (count, value) => {
                    let count = usize::from(count);
                    (0..count)
                        .for_each(|i| put(x + i, y, if half { nibble(value, i % 2 == 1) } else { value }));
                    x += count;
                }
            }
            if y >= self.height {
                return Some(places);
            }
        }
    }
}
