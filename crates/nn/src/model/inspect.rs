//! Questions about how the layers of a model hang together.

use super::Model;

/// Layers that give each number its own place in the output.
const KEEP_PLACES: [&str; 7] = ["Activation", "ReLU", "LeakyReLU", "ELU", "Softmax", "Dropout", "Rescaling"];

impl Model {
    /// The sizes (…, channels) of the maps whose flattening is the input of a layer, whether directly or through layers that leave
    /// each number in its place. `None` where there is no `Flatten` of more than one axis before it.
    ///
    /// Whoever exchanges weights with a library that has channels first needs it: there, the rows of the matrix behind have
    /// another order.
    pub fn flattened_maps(&self, layer: &str) -> Option<Vec<usize>> {
        let of_layer = |name: &str| self.layers.iter().position(|layer| layer.name == name);
        let mut call = self.calls.iter().find(|call| Some(call.layer) == of_layer(layer))?;
        loop {
            let [input] = call.inputs[..] else { return None };
            call = self.calls.iter().find(|call| call.output == input)?;
            let class = self.layers[call.layer].class_name();
            if class == "Flatten" {
                let maps = &self.tensors[*call.inputs.first()?].dims;
                return (maps.len() > 1).then(|| maps.clone());
            }
            if !KEEP_PLACES.contains(&class) {
                return None;
            }
        }
    }
}
