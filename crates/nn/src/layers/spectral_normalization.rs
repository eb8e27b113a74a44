//! A layer whose kernel is kept at spectral norm 1.

use convnet_engine::error::Mismatch;
use convnet_engine::{EngineError, Shape, Value};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value as Json, json};

use super::wrapped::{Inner, finish};
use crate::initializers::Initializer;
use crate::layer::{Layer, LayerContext, LayerRef, WeightSpec};

/// Divides the kernel of a layer by its largest singular value before each step of training; prediction takes the kernel as the last step left it.
///
/// The singular value is estimated by power iteration, whose vector is the weight `vector_u` `(1, columns)`, after the kernel. Input and output are
/// those of the layer. As Keras's
/// [SpectralNormalization](https://keras.io/api/layers/normalization_layers/spectral_normalization/) (Miyato et al., 2018).
#[derive(Clone, Debug)]
pub struct SpectralNormalization {
    layer: Inner,
    power_iterations: usize,
}

impl SpectralNormalization {
    /// Around a layer with a kernel, or with embeddings.
    pub fn new(layer: impl Into<LayerRef>) -> Self {
        Self { layer: Inner::new(layer), power_iterations: 1 }
    }

    /// Sets the iterations of a step. Default 1.
    pub fn power_iterations(self, power_iterations: usize) -> Self {
        Self { power_iterations, ..self }
    }

    pub(super) fn examples() -> Vec<(Self, Vec<Vec<usize>>)> {
        vec![(Self::new(super::Dense::new(3)), vec![vec![4]])]
    }
}

impl<'de> Deserialize<'de> for SpectralNormalization {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let class = "SpectralNormalization";
        let mut config = Map::deserialize(from)?;
        let power_iterations = match config.shift_remove("power_iterations") {
            None => 1,
            Some(number) => serde_json::from_value(number).map_err(serde::de::Error::custom)?,
        };
        let read = |config: &mut Map<String, Json>| {
            let layer = Inner::required(class, "layer", config)?;
            finish(class, config, &["layer", "power_iterations"])?;
            Ok(Self { layer, power_iterations })
        };
        read(&mut config).map_err(|problem: crate::Error| serde::de::Error::custom(problem))
    }
}

impl Layer for SpectralNormalization {
    fn class_name(&self) -> &'static str {
        "SpectralNormalization"
    }

    fn config(&self) -> Map<String, Json> {
        let mut config = Map::new();
        config.insert("layer".into(), self.layer.object());
        config.insert("power_iterations".into(), json!(self.power_iterations));
        config
    }

    fn weights(&self, inputs: &[Shape]) -> Result<Vec<WeightSpec>, Mismatch> {
        let mut weights = self.layer.layer().weights(inputs)?;
        // Keras lists the kernel, the vector, and then what else the layer has.
        let Some(&columns) =
            weights.first().filter(|weight| is_kernel(weight)).and_then(|kernel| kernel.dims.last())
        else {
            return Err(Mismatch::new(
                "a layer with a kernel or embeddings",
                self.layer.layer().class_name(),
            ));
        };
        if self.power_iterations == 0 {
            return Err(Mismatch::new("at least 1 power iteration", 0));
        }
        let normal = Initializer::TruncatedNormal { mean: 0.0, stddev: 0.02 };
        let mut vector = WeightSpec::state("vector_u", [1, columns], normal);
        vector.power_iterations = Some(self.power_iterations);
        weights = weights.into_iter().map(|weight| weight.in_group("layer")).collect();
        weights.insert(1, vector);
        Ok(weights)
    }

    fn call(&self, at: &mut LayerContext<'_>, inputs: &[Value]) -> Result<Value, EngineError> {
        let mut weights = at.weights.to_vec();
        weights.remove(1);
        let mut inner = LayerContext {
            graph: at.graph,
            weights: &weights,
            training: at.training,
            trainable: at.trainable,
            stream: at.stream,
            // Layers with a kernel have no states.
            updates: &mut Vec::new(),
            penalties: at.penalties,
            masks: at.masks.clone(),
            output_masks: Vec::new(),
        };
        self.layer.layer().call(&mut inner, inputs)
    }

    fn passes_mask(&self) -> bool {
        self.layer.layer().passes_mask()
    }
}

fn is_kernel(weight: &WeightSpec) -> bool {
    ["kernel", "embeddings"].contains(&weight.name)
}

/// A kernel of `columns` columns divided by its largest singular value, which power iteration from `vector` estimates; `vector` is where it gets to. A
/// kernel of zeros stays.
pub(crate) fn normalise(kernel: &mut [f32], columns: usize, vector: &mut [f32], iterations: usize) {
    if kernel.iter().all(|&x| x == 0.0) {
        return;
    }
    let rows = kernel.len() / columns.max(1);
    let mut left = vec![0.0; rows];
    for _ in 0..iterations {
        for (left, row) in left.iter_mut().zip(kernel.chunks_exact(columns)) {
            *left = row.iter().zip(&*vector).map(|(a, b)| a * b).sum();
        }
        to_unit(&mut left);
        vector.fill(0.0);
        for (left, row) in left.iter().zip(kernel.chunks_exact(columns)) {
            vector.iter_mut().zip(row).for_each(|(sum, x)| *sum += left * x);
        }
        to_unit(vector);
    }
    let rows = left.iter().zip(kernel.chunks_exact(columns));
    let sigma: f32 =
        rows.map(|(left, row)| left * row.iter().zip(&*vector).map(|(a, b)| a * b).sum::<f32>()).sum();
    kernel.iter_mut().for_each(|x| *x /= sigma);
}

/// Brings a vector to length 1, unless it is zero.
fn to_unit(vector: &mut [f32]) {
    let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt().max(1e-12);
    vector.iter_mut().for_each(|x| *x /= length);
}
