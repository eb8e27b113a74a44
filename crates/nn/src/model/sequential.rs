//! Models whose layers stand in a row.

use super::{Kind, Model, Network, Symbol};
use crate::error::{Error, Result};
use crate::layer::LayerRef;

/// A row of layers, each fed by the one before it. Keras's `Sequential`.
///
/// ```
/// use convnet_nn::layers::{Conv2D, Dense, Flatten, MaxPooling2D};
/// use convnet_nn::{Activation, Sequential};
///
/// let model = Sequential::new([28, 28, 1])
///     .add(Conv2D::new(32, 3).activation(Activation::Relu))
///     .add(MaxPooling2D::new(2))
///     .add(Flatten::new())
///     .add(Dense::new(10).activation(Activation::Softmax))
///     .build()?;
/// assert_eq!(model.output_shapes()[0].dims, [10]);
/// # Ok::<(), convnet_nn::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Sequential {
    input: Symbol,
    name: Option<String>,
    layers: Vec<LayerRef>,
}

impl Sequential {
    /// A row without layers yet, for samples of these sizes, the batch not counted.
    pub fn new(input_shape: impl Into<Vec<usize>>) -> Self {
        Self { input: Symbol::input(input_shape), name: None, layers: Vec::new() }
    }

    /// Sets the model's name.
    pub fn named(self, name: impl Into<String>) -> Self {
        Self { name: Some(name.into()), ..self }
    }

    /// Adds a layer at the end.
    #[expect(clippy::should_implement_trait, reason = "Keras's word")]
    pub fn add(mut self, layer: impl Into<LayerRef>) -> Self {
        self.layers.push(layer.into());
        self
    }

    /// Makes the model, with fresh weights of seed 0.
    ///
    /// # Errors
    /// If a layer does not fit the one before it, or there is none.
    pub fn build(self) -> Result<Model> {
        let mut model = Model::of_network(self.assemble()?);
        model.start();
        Ok(model)
    }

    /// The model without its numbers.
    pub(super) fn assemble(self) -> Result<Network> {
        let last = self.layers.into_iter().try_fold(self.input.clone(), |last, layer| last.apply(layer))?;
        let mut network = in_row(self.input, last)?;
        if let Some(name) = self.name {
            network.name = name;
        }
        Ok(network)
    }
}

/// The row of the layers that were called between a placeholder and what the last one gives.
pub(super) fn in_row(input: Symbol, last: Symbol) -> Result<Network> {
    if last.is_same(&input) {
        return Err(Error::argument("Sequential", "a model needs at least one layer; use `add`"));
    }
    let mut network = Network::new(&[input], &[last])?;
    network.kind = Kind::Sequential;
    network.name = "sequential".into();
    Ok(network)
}
