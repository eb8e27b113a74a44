//! Questions about how the layers of a model hang together.

use super::Model;
use super::network::Network;
use crate::layer::LayerKind;

/// Layers that give each number its own place in the output.
const KEEP_PLACES: [&str; 7] = ["Activation", "ReLU", "LeakyReLU", "ELU", "Softmax", "Dropout", "Rescaling"];

impl Model {
    /// The sizes (…, channels) of the maps whose flattening is the input of a layer, whether directly or through layers that leave
    /// each number in its place. `None` where there is no `Flatten` of more than one axis before it in the same model.
    ///
    /// Whoever exchanges weights with a library that has channels first needs it: there, the rows of the matrix behind have
    /// another order.
    pub fn flattened_maps(&self, path: &str) -> Option<Vec<usize>> {
        flattened_maps(&self.network, path)
    }
}

fn flattened_maps(network: &Network, path: &str) -> Option<Vec<usize>> {
    let Some(at) = network.layers.iter().position(|layer| layer.name == path) else {
        let inner = network.layers.iter().find_map(|layer| {
            let rest = path.strip_prefix(&layer.name)?.strip_prefix('/')?;
            match &layer.kind {
                Some(LayerKind::Network(network)) => Some((network, rest)),
                _ => None,
            }
        });
        return inner.and_then(|(network, rest)| flattened_maps(network, rest));
    };
    let mut call = network.calls.iter().find(|call| call.layer == at)?;
    loop {
        let [input] = call.inputs[..] else { return None };
        call = network.maker_of(input);
        let class = network.layers[call.layer].class_name();
        if class == "Flatten" {
            let maps = &network.tensors[*call.inputs.first()?].dims;
            return (maps.len() > 1).then(|| maps.clone());
        }
        if !KEEP_PLACES.contains(&class) {
            return None;
        }
    }
}
