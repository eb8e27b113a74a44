//! What layers around another layer share: the inner layer as an argument.

use std::sync::Arc;

use serde_json::{Map, Value as Json};

use crate::error::{Error, Result};
use crate::layer::{Layer, LayerKind, LayerRef};
use crate::model::{inner_layer, inner_object};

/// A layer, or a model as one, that another layer calls.
#[derive(Clone, Debug)]
pub(super) struct Inner {
    kind: LayerKind,
    name: String,
}

impl Inner {
    pub(super) fn new(layer: impl Into<LayerRef>) -> Self {
        let layer = layer.into();
        Self { kind: layer.0.kind.clone(), name: layer.name() }
    }

    /// The layer under `key` of the arguments of a `class`.
    pub(super) fn take(class: &str, key: &str, config: &mut Map<String, Json>) -> Result<Option<Self>> {
        let Some(object) = config.shift_remove(key).filter(|object| !object.is_null()) else {
            return Ok(None);
        };
        let (kind, name) = inner_layer(&object)
            .map_err(|problem| Error::argument(format!("layer {class}"), format!("its {key}: {problem}")))?;
        let name = name.unwrap_or_else(|| crate::names::snake_case(kind.as_layer().class_name()));
        Ok(Some(Self { kind, name }))
    }

    pub(super) fn required(class: &str, key: &str, config: &mut Map<String, Json>) -> Result<Self> {
        Self::take(class, key, config)?
            .ok_or_else(|| Error::argument(format!("layer {class}"), format!("it needs a {key}")))
    }

    /// A layer of the same class with other arguments.
    pub(super) fn with_arguments(&self, changes: &[(&str, Json)], prefix: &str) -> Result<Self> {
        let mut config = self.layer().config();
        for (key, value) in changes {
            config.insert((*key).to_owned(), value.clone());
        }
        let layer: Arc<dyn Layer> = super::from_config(self.layer().class_name(), config)?;
        let name =
            format!("{prefix}{}", self.name.trim_start_matches("forward_").trim_start_matches("backward_"));
        Ok(Self { kind: LayerKind::Layer(layer), name })
    }

    pub(super) fn layer(&self) -> &dyn Layer {
        self.kind.as_layer()
    }

    /// As it stands among arguments.
    pub(super) fn object(&self) -> Json {
        inner_object(&self.kind, &self.name)
    }
}

/// Refuses arguments that are not known.
pub(super) fn finish(class: &str, config: &Map<String, Json>, known: &[&'static str]) -> Result<()> {
    match config.keys().next() {
        Some(key) => Err(Error::unknown("argument", key, known.iter().copied()))
            .map_err(|problem: Error| Error::argument(format!("layer {class}"), problem.to_string())),
        None => Ok(()),
    }
}
