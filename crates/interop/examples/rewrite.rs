//! Reads a Keras model and writes it anew: `rewrite IN OUT`, the formats by the names' ends, `.onnx` among them. What
//! `golden/keras/check_random.py` lets Keras read, and `golden/onnx/check_random.py` ONNX Runtime.

use convnet_interop::keras::{load_model, save_model};
use convnet_interop::onnx;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut paths = std::env::args().skip(1);
    let (Some(input), Some(output)) = (paths.next(), paths.next()) else {
        return Err("usage: rewrite IN OUT".into());
    };
    let model = load_model(input)?;
    if output.ends_with(".onnx") {
        std::fs::write(output, onnx::to_bytes(&model)?)?;
    } else {
        save_model(&model, output)?;
    }
    Ok(())
}
