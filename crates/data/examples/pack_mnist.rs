//! Makes `assets/mnist.bin` from the four original IDX files (plain or gzipped):
//!
//! ```text
//! cargo run --release -p convnet-data --features pack --example pack_mnist -- FOLDER crates/data/assets/mnist.bin
//! ```
//!
//! The format is described in `src/sources/mnist/packed.rs`, which reads it; that crate's test compares what it reads
//! with the digests of the originals. Takes some two minutes.

use std::error::Error;
use std::io::Write;
use std::path::PathBuf;

use convnet_data::Split;
use convnet_data::sources::load_folder;

const SIDE: usize = 28;
const WINDOW: usize = 20;

/// Images of the first part. Two threads get the first part, and the other two: 35,000 images each.
const FIRST_PART: usize = 35_000;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [folder, target] = &arguments[..] else {
        return Err("usage: pack_mnist FOLDER TARGET".into());
    };
    let dataset = load_folder(folder)?;
    let train = dataset.train;
    let test = dataset.test.ok_or("the folder has no test files")?;
    let parts = [(0, train.slice(0..FIRST_PART)?), (0, train.slice(FIRST_PART..train.len())?), (1, test)];
    let mut header = vec![parts.len() as u8];
    let mut streams = Vec::new();
    for (kind, part) in &parts {
        let stream = compress(&cut_windows(part)?)?;
        header.push(*kind);
        header.extend((part.len() as u32).to_le_bytes());
        header.extend((stream.len() as u32).to_le_bytes());
        streams.extend(stream);
    }
    header.extend(streams);
    std::fs::write(target, &header)?;
    println!("{}: {} bytes", target.display(), header.len());
    Ok(())
}

/// Places of the windows, labels, windows.
fn cut_windows(split: &Split) -> Result<Vec<u8>, Box<dyn Error>> {
    let (mut places, mut windows) = (Vec::new(), Vec::new());
    for image in split.images().chunks_exact(SIDE * SIDE) {
        let inked = |row: usize, column: usize| image[row * SIDE + column] != 0;
        let most = SIDE - WINDOW;
        let top = (0..most).find(|&row| (0..SIDE).any(|column| inked(row, column))).unwrap_or(most);
        let left = (0..most).find(|&column| (0..SIDE).any(|row| inked(row, column))).unwrap_or(most);
        let inside = |at: usize, start: usize| (start..start + WINDOW).contains(&at);
        let lost =
            (0..SIDE * SIDE).any(|at| image[at] != 0 && !(inside(at / SIDE, top) && inside(at % SIDE, left)));
        if lost {
            return Err("an image has ink outside every 20×20 window".into());
        }
        places.push((top << 4 | left) as u8);
        for row in image.chunks_exact(SIDE).skip(top).take(WINDOW) {
            windows.extend(&row[left..left + WINDOW]);
        }
    }
    let labels = split.labels().iter().map(|&label| label as u8);
    Ok(places.into_iter().chain(labels).chain(windows).collect())
}

fn compress(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let params = brotli::enc::BrotliEncoderParams {
        quality: 11,
        lgwin: 24,
        size_hint: bytes.len(),
        ..Default::default()
    };
    let mut writer = brotli::CompressorWriter::with_params(Vec::new(), 1 << 16, &params);
    writer.write_all(bytes)?;
    Ok(writer.into_inner())
}
