//! Layers that single networks have, by the same trait as those of `convnet-nn`.
//!
//! [`register`] makes them known, so that files that have them can be read.

use std::sync::{Arc, Once};

use convnet_nn::layer::Layer;
use convnet_nn::layers::LayerClass;
use convnet_nn::{Error, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value as Json};

mod layer_scale;
mod radial_basis;
mod scaled_sum;
mod scaled_tanh;
mod subsampling;
mod table_convolution;

/// Re-exports the layers and lists them in [`REGISTRY`].
macro_rules! registry {
    ($($module:ident :: $layer:ident, $class:literal, $about:literal;)*) => {
        $(pub use $module::$layer;)*

        /// All of them.
        pub const REGISTRY: &[LayerClass] = &[$(LayerClass {
            name: $class,
            about: $about,
            from_config: |config| Ok(Arc::new(parse::<$layer>($class, config)?)),
            examples: || {
                $layer::examples().into_iter().map(|(layer, inputs)| (Arc::new(layer) as Arc<dyn Layer>, inputs)).collect()
            },
        }),*];
    };
}

registry! {
    scaled_sum::ScaledSum, "CustomScaleLayer", "adds a second input times a number";
    layer_scale::LayerScale, "LayerScale", "multiplies each channel by a trained factor";
    radial_basis::RadialBasis, "RadialBasis", "measures how far its input is from points";
    scaled_tanh::ScaledTanh, "ScaledTanh", "applies LeNet-5's squashing function";
    subsampling::Subsampling, "Subsampling", "adds up windows, times a trained factor of the channel";
    table_convolution::TableConvolution, "TableConvolution", "convolves with filters that see some channels only";
}

/// Makes these layers known by their names for the rest of the program. Building a network of the zoo does so too.
pub fn register() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| REGISTRY.iter().copied().for_each(convnet_nn::layers::register));
}

/// A layer from its arguments; what Keras writes for every layer is passed over.
fn parse<T: DeserializeOwned>(class: &str, mut config: Map<String, Json>) -> Result<T> {
    config.retain(|key, _| !matches!(key.as_str(), "name" | "trainable" | "dtype"));
    let layer = serde_json::from_value(Json::Object(config));
    layer.map_err(|problem| Error::argument(format!("layer {class}"), problem.to_string()))
}

fn to_map(layer: &impl Serialize) -> Map<String, Json> {
    match serde_json::to_value(layer) {
        Ok(Json::Object(map)) => map,
        _ => unreachable!("layers are structures of plain data"),
    }
}
