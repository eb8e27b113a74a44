//! Pictures a second that are read, decoded and resized, by number of threads:
//!
//! ```text
//! cargo run --release -p convnet-data --example decode_speed -- FOLDER [SIDE]
//! ```
//!
//! The folder has a sub-folder for each class; `bench/photos.py` makes one from sample photos.

use std::error::Error;
use std::time::{Duration, Instant};

use convnet_data::ImageFolder;
use convnet_nn::Samples;
use convnet_nn::train::{Batch, Visit};

const BATCH: usize = 32;
const TIME: Duration = Duration::from_secs(4);

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().ok_or("give a folder with a sub-folder of pictures for each class")?;
    let side = arguments.next().map_or(Ok(224), |side| side.parse())?;
    let start = Instant::now();
    let pictures = ImageFolder::new(folder).image_size(side, side).open()?.train;
    let count = pictures.labels().len();
    println!("{count} files listed in {:.0} ms", start.elapsed().as_secs_f64() * 1e3);
    let most = std::thread::available_parallelism()?.get();
    for threads in 1..=most {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
        let mut batch = Batch::new(&pictures, BATCH);
        let (start, mut read) = (Instant::now(), 0);
        while start.elapsed() < TIME {
            let indices: Vec<usize> = (read..read + BATCH).map(|index| index % count).collect();
            pool.install(|| pictures.fill(Visit::default(), &indices, &mut batch))?;
            read += BATCH;
        }
        println!(
            "{threads} threads: {:.0} pictures/s at {side} × {side}",
            read as f64 / start.elapsed().as_secs_f64()
        );
    }
    Ok(())
}
