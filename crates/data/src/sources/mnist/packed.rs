//! The format of `assets/mnist.bin`.
//!
//! A byte with the number of parts; for each part a byte (0: train, 1: test), the number of images and the length of
//! its stream, both 32-bit little-endian; then the streams in the same order. A stream is brotli and inflates to: a
//! byte for each image with the place of its window (row in the high four bits, column in the low four), a byte for
//! each label, then 20×20 bytes for each window. All else of an image is 0.
//!
//! Parts exist to be decoded side by side, each into its own piece of the arrays.

use std::io::Read;
use std::path::Path;

use brotli_decompressor::Decompressor;
use rayon::prelude::*;

use crate::{DataError, ImageShape, Result, Split};

pub(super) const CLASSES: usize = 10;
const SIDE: usize = 28;
const WINDOW: usize = 20;
const MAX_IMAGES: usize = 1 << 20;

/// Windows inflated at a time: few enough to stay in the nearest cache.
const BLOCK: usize = 64;

struct Part<'a> {
    stream: &'a [u8],
    images: &'a mut [u8],
    labels: &'a mut [u32],
}

/// The train and test splits.
///
/// # Errors
/// [`DataError::Malformed`] when the bytes do not keep to the format.
pub(super) fn unpack(bytes: &[u8]) -> Result<(Split, Split)> {
    let header = read_header(bytes).ok_or_else(|| malformed("its header is damaged"))?;
    let count = |test: bool| header.iter().filter(|part| part.0 == test).map(|part| part.1).sum::<usize>();
    let counts = [count(false), count(true)];
    let mut images = counts.map(|count| vec![0; count * SIDE * SIDE]);
    let mut labels = counts.map(|count| vec![0; count]);

    let mut free_images = images.each_mut().map(Vec::as_mut_slice);
    let mut free_labels = labels.each_mut().map(Vec::as_mut_slice);
    let parts: Vec<Part<'_>> = header
        .into_iter()
        .map(|(test, count, stream)| Part {
            stream,
            images: cut(&mut free_images[usize::from(test)], count * SIDE * SIDE),
            labels: cut(&mut free_labels[usize::from(test)], count),
        })
        .collect();
    parts.into_par_iter().try_for_each(unpack_part)?;

    let [train_images, test_images] = images;
    let [train_labels, test_labels] = labels;
    let shape = ImageShape::new(SIDE, SIDE, 1);
    Ok((
        Split::new(train_images, train_labels, shape, CLASSES)?,
        Split::new(test_images, test_labels, shape, CLASSES)?,
    ))
}

/// Whether it is of the test split, number of images, and stream of each part; `None` when they do not fill `bytes`.
fn read_header(bytes: &[u8]) -> Option<Vec<(bool, usize, &[u8])>> {
    let (&parts, rest) = bytes.split_first()?;
    let (table, mut streams) = rest.split_at_checked(usize::from(parts) * 9)?;
    let word = |bytes: &[u8]| bytes.try_into().map(u32::from_le_bytes).ok().map(|word| word as usize);
    let mut total = 0;
    let header = table.chunks_exact(9).map(|entry| {
        let count = word(&entry[1..5])?;
        total += count;
        let (stream, after) = streams.split_at_checked(word(&entry[5..9])?)?;
        streams = after;
        (entry[0] <= 1 && total <= MAX_IMAGES).then_some((entry[0] == 1, count, stream))
    });
    let header = header.collect::<Option<Vec<_>>>()?;
    streams.is_empty().then_some(header)
}

/// Takes the first `count` values off `free`.
fn cut<'a, T>(free: &mut &'a mut [T], count: usize) -> &'a mut [T] {
    let (head, tail) = std::mem::take(free).split_at_mut(count);
    *free = tail;
    head
}

fn unpack_part(part: Part<'_>) -> Result<()> {
    let count = part.labels.len();
    let mut stream = Decompressor::new(part.stream, 1 << 12);
    let mut read =
        |buffer: &mut [u8]| stream.read_exact(buffer).map_err(|_| malformed("a stream is damaged"));
    let mut places = vec![0; count];
    read(&mut places)?;
    let mut labels = vec![0; count];
    read(&mut labels)?;
    for (label, byte) in part.labels.iter_mut().zip(labels) {
        *label = u32::from(byte);
    }
    let mut windows = [0; BLOCK * WINDOW * WINDOW];
    for (places, images) in places.chunks(BLOCK).zip(part.images.chunks_mut(BLOCK * SIDE * SIDE)) {
        let windows = &mut windows[..places.len() * WINDOW * WINDOW];
        read(windows)?;
        let windows = windows.chunks_exact(WINDOW * WINDOW);
        for ((&place, image), window) in places.iter().zip(images.chunks_exact_mut(SIDE * SIDE)).zip(windows)
        {
            put_window(image, window, place)?;
        }
    }
    match stream.read(&mut [0]) {
        Ok(0) => Ok(()),
        _ => Err(malformed("a stream is too long")),
    }
}

fn put_window(image: &mut [u8], window: &[u8], place: u8) -> Result<()> {
    let (top, left) = (usize::from(place >> 4), usize::from(place & 15));
    if top.max(left) > SIDE - WINDOW {
        return Err(malformed("a window lies outside its image"));
    }
    let rows = image.chunks_exact_mut(SIDE).skip(top).zip(window.chunks_exact(WINDOW));
    rows.for_each(|(row, ink)| row[left..left + WINDOW].copy_from_slice(ink));
    Ok(())
}

fn malformed(problem: &str) -> DataError {
    DataError::malformed(Path::new("the MNIST inside this program"), problem)
}
