//! Writes events whose values are known, for `golden/tensorboard/check_events.py` to read with the real TensorBoard.
//!
//! `cargo run -p convnet-interop --example tensorboard_events -- FOLDER`

use convnet_interop::tensorboard::EventWriter;
use convnet_nn::layers::{Conv2D, Dense, Flatten, MaxPooling2D};
use convnet_nn::{Activation, Sequential};

/// A PNG of 2 × 3 red pixels, as Python's zlib makes it.
const PNG: &[u8] = &[
    0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0x00, 0x00, 0x00, 0x0d, 0x49, 0x48, 0x44, 0x52, 0x00,
    0x00, 0x00, 0x03, 0x00, 0x00, 0x00, 0x02, 0x08, 0x02, 0x00, 0x00, 0x00, 0x12, 0x16, 0xf1, 0x4d, 0x00,
    0x00, 0x00, 0x10, 0x49, 0x44, 0x41, 0x54, 0x78, 0xda, 0x63, 0xf8, 0xcf, 0xc0, 0x00, 0x41, 0x0c, 0x70,
    0x16, 0x00, 0x41, 0xd2, 0x05, 0xfb, 0x6f, 0xf1, 0x16, 0xc7, 0x00, 0x00, 0x00, 0x00, 0x49, 0x45, 0x4e,
    0x44, 0xae, 0x42, 0x60, 0x82,
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args().nth(1).ok_or("the folder to write to is missing")?;
    let model = Sequential::new([28, 28, 1])
        .add(Conv2D::new(8, 3).activation(Activation::Relu))
        .add(MaxPooling2D::new(2))
        .add(Flatten::new())
        .add(Dense::new(10).activation(Activation::Softmax))
        .build()?;
    let mut train = EventWriter::new(format!("{folder}/train"))?;
    let mut validation = EventWriter::new(format!("{folder}/validation"))?;
    train.graph(&model)?;
    for epoch in 1..=5_u64 {
        train.scalar("epoch_loss", epoch, 1.0 / epoch as f64)?;
        validation.scalar("epoch_loss", epoch, 1.5 / epoch as f64)?;
        let values: Vec<f32> = (0..1000).map(|i| (i as f32 - 499.5) / 100.0 * epoch as f32).collect();
        train.histogram("dense/kernel", epoch, &values)?;
    }
    train.image("examples", 1, [2, 3, 3], PNG.to_vec())?;
    Ok(())
}
