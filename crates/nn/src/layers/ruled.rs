//! Layers with rules for their weights and outputs: regularizers and constraints, which Keras takes as arguments of the layers.

use std::sync::Arc;

use convnet_engine::error::Mismatch;
use convnet_engine::{EngineError, Shape, Value};
use serde_json::{Map, Value as Json};

use crate::constraints::Constraint;
use crate::error::{Error, Result};
use crate::layer::{Layer, LayerContext, WeightSpec};
use crate::regularizers::Regularizer;

/// A layer whose weights or outputs cost something, or are held to something. Made by [`WithRules`].
#[derive(Clone, Debug)]
pub struct Ruled {
    layer: Arc<dyn Layer>,
    /// Under the names of Keras's arguments without their ends: `kernel`.
    regularizers: Vec<(String, Regularizer)>,
    constraints: Vec<(String, Constraint)>,
    activity: Option<Regularizer>,
}

/// Arguments that Keras's layers have for their weights. `weight` is what Keras's argument says before `_regularizer` or
/// `_constraint`: `kernel`, `bias`, `depthwise`, `recurrent`, `embeddings`, `gamma`, …
///
/// ```
/// use convnet_nn::layers::{Conv2D, WithRules};
/// use convnet_nn::{Constraint, Regularizer, Symbol};
///
/// let image = Symbol::input([8, 8, 3]);
/// image.apply(Conv2D::new(4, 3).kernel_regularizer(Regularizer::l2(1e-4)).constraint("bias", Constraint::NonNeg))?;
/// # Ok::<(), convnet_nn::Error>(())
/// ```
pub trait WithRules: Sized {
    /// The layer with room for rules.
    fn ruled(self) -> Ruled;

    /// Makes a weight cost something.
    fn regularizer(self, weight: &str, regularizer: Regularizer) -> Ruled {
        let mut ruled = self.ruled();
        ruled.regularizers.push((weight.to_owned(), regularizer));
        ruled
    }

    /// Holds a weight to something.
    fn constraint(self, weight: &str, constraint: Constraint) -> Ruled {
        let mut ruled = self.ruled();
        ruled.constraints.push((weight.to_owned(), constraint));
        ruled
    }

    /// Makes the kernel cost something.
    fn kernel_regularizer(self, regularizer: Regularizer) -> Ruled {
        self.regularizer("kernel", regularizer)
    }

    /// Makes the bias cost something.
    fn bias_regularizer(self, regularizer: Regularizer) -> Ruled {
        self.regularizer("bias", regularizer)
    }

    /// Makes the output cost something: the mean over the batch.
    fn activity_regularizer(self, regularizer: Regularizer) -> Ruled {
        Ruled { activity: Some(regularizer), ..self.ruled() }
    }

    /// Holds the kernel to something.
    fn kernel_constraint(self, constraint: Constraint) -> Ruled {
        self.constraint("kernel", constraint)
    }

    /// Holds the bias to something.
    fn bias_constraint(self, constraint: Constraint) -> Ruled {
        self.constraint("bias", constraint)
    }
}

impl<L: Layer> WithRules for L {
    fn ruled(self) -> Ruled {
        Ruled::around(Arc::new(self))
    }
}

impl Ruled {
    /// A rule for a rule is one for the layer in it.
    fn around(layer: Arc<dyn Layer>) -> Self {
        match (&*layer as &dyn std::any::Any).downcast_ref::<Self>() {
            Some(ruled) => ruled.clone(),
            None => Self { layer, regularizers: Vec::new(), constraints: Vec::new(), activity: None },
        }
    }

    /// Takes the rules out of a layer's arguments; `None` if there are none.
    pub(super) fn take(config: &mut Map<String, Json>) -> Result<Option<Self>> {
        let mut rules = Self::around(Arc::new(super::Flatten::new()));
        let keys: Vec<String> = config.keys().cloned().collect();
        for key in keys {
            let place = key.strip_suffix("_regularizer").map(|weight| (weight, true));
            let place = place.or_else(|| Some((key.strip_suffix("_constraint")?, false)));
            let Some((weight, regularizes)) = place else { continue };
            let value = config.shift_remove(&key).unwrap_or_default();
            if value.is_null() {
                continue;
            }
            let named =
                |problem: Error| Error::argument(format!("layer argument {key}"), problem.to_string());
            match (regularizes, weight) {
                (true, "activity") => rules.activity = Some(value.try_into().map_err(named)?),
                (true, _) => rules.regularizers.push((weight.to_owned(), value.try_into().map_err(named)?)),
                (false, _) => rules.constraints.push((weight.to_owned(), value.try_into().map_err(named)?)),
            }
        }
        let none = rules.regularizers.is_empty() && rules.constraints.is_empty() && rules.activity.is_none();
        Ok((!none).then_some(rules))
    }

    /// The same rules for a layer.
    pub(super) fn with_layer(self, layer: Arc<dyn Layer>) -> Self {
        Self { layer, ..self }
    }
}

/// Whether a rule for `argument` is one for the weight.
fn is_for(argument: &str, weight: &str) -> bool {
    weight == argument
        || weight.strip_suffix("_kernel") == Some(argument)
        || (argument == "depthwise" && weight == "kernel")
}

impl Layer for Ruled {
    fn class_name(&self) -> &'static str {
        self.layer.class_name()
    }

    fn module(&self) -> &'static str {
        self.layer.module()
    }

    fn config(&self) -> Map<String, Json> {
        let mut config = self.layer.config();
        for (weight, regularizer) in &self.regularizers {
            config.insert(format!("{weight}_regularizer"), (*regularizer).into());
        }
        for (weight, constraint) in &self.constraints {
            config.insert(format!("{weight}_constraint"), constraint.clone().into());
        }
        config.extend(self.activity.map(|activity| ("activity_regularizer".to_owned(), activity.into())));
        config
    }

    fn weights(&self, inputs: &[Shape]) -> Result<Vec<WeightSpec>, Mismatch> {
        let mut weights = self.layer.weights(inputs)?;
        for weight in &mut weights {
            let regularizer = self.regularizers.iter().find(|(argument, _)| is_for(argument, weight.name));
            weight.regularizer = regularizer.map(|&(_, regularizer)| regularizer).or(weight.regularizer);
            if let Some((_, constraint)) = self.constraints.iter().find(|(name, _)| is_for(name, weight.name))
            {
                let axes = match constraint {
                    Constraint::NonNeg => &[][..],
                    Constraint::MaxNorm { axes, .. }
                    | Constraint::UnitNorm { axes }
                    | Constraint::MinMaxNorm { axes, .. } => axes,
                };
                if let Some(axis) = axes.iter().find(|&&axis| axis >= weight.dims.len()) {
                    let expected = format!("constraint axes of the {:?} of {}", weight.dims, weight.name);
                    return Err(Mismatch::new(expected, axis));
                }
                weight.constraint = Some(constraint.clone());
            }
        }
        Ok(weights)
    }

    fn call(&self, at: &mut LayerContext<'_>, inputs: &[Value]) -> Result<Value, EngineError> {
        Ok(self.call_all(at, inputs)?[0])
    }

    fn call_all(&self, at: &mut LayerContext<'_>, inputs: &[Value]) -> Result<Vec<Value>, EngineError> {
        let outputs = self.layer.call_all(at, inputs)?;
        if let Some(activity) = self.activity {
            for &output in &outputs {
                at.penalties.push(activity.activity_penalty(at.graph, output)?);
            }
        }
        Ok(outputs)
    }

    fn passes_mask(&self) -> bool {
        self.layer.passes_mask()
    }
}
