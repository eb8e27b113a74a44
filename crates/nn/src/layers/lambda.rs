//! Layers from closures.

use std::fmt;
use std::sync::Arc;

use convnet_engine::{EngineError, Graph, Value};
use serde_json::{Map, Value as Json};

use crate::layer::{Layer, LayerContext};

type Function = dyn Fn(&mut Graph, &[Value]) -> Result<Value, EngineError> + Send + Sync;

/// What a closure makes of its inputs with the engine's operations. Shapes and gradients follow from these; masks end here.
///
/// Files cannot hold closures: a model with one can be saved, but read again only where a layer named `Lambda` is registered (see
/// [`register`](super::register)); its weights can be loaded into a model built anew. A layer that is to be saved is a type of its own that
/// implements [`Layer`]. As Keras's [Lambda](https://keras.io/api/layers/core_layers/lambda/).
///
/// ```
/// use convnet_nn::Symbol;
/// use convnet_nn::engine::ops::Multiply;
/// use convnet_nn::layers::Lambda;
///
/// let x = Symbol::input([4, 4, 3]);
/// let squares = x.apply(Lambda::new(|graph, x| graph.apply(Multiply, &[x[0], x[0]])))?;
/// assert_eq!(squares.shape().dims, [4, 4, 3]);
/// # Ok::<(), convnet_nn::Error>(())
/// ```
#[derive(Clone)]
pub struct Lambda(Arc<Function>);

impl Lambda {
    /// A layer of a closure over the graph and the inputs.
    pub fn new(
        function: impl Fn(&mut Graph, &[Value]) -> Result<Value, EngineError> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(function))
    }
}

impl fmt::Debug for Lambda {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lambda")
    }
}

impl Layer for Lambda {
    fn class_name(&self) -> &'static str {
        "Lambda"
    }

    fn config(&self) -> Map<String, Json> {
        Map::new()
    }

    fn call(&self, at: &mut LayerContext<'_>, inputs: &[Value]) -> Result<Value, EngineError> {
        (self.0)(at.graph, inputs)
    }
}
