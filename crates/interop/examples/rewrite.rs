//! Reads a Keras model and writes it anew: `rewrite IN OUT`, the formats by the names' ends. What `golden/keras/check_random.py` lets Keras read.

use convnet_interop::keras::{load_model, save_model};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut paths = std::env::args().skip(1);
    let (Some(input), Some(output)) = (paths.next(), paths.next()) else {
        return Err("usage: rewrite IN OUT".into());
    };
    let model = load_model(input)?;
    save_model(&model, output)?;
    Ok(())
}
