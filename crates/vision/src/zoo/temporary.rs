use convnet_nn::Initializer;
use convnet_nn::engine::error::Mismatch;
use convnet_nn::engine::ops::{Binary, BinaryFunction, Dropout, Fill, FrozenAffine, Response, ResponseNorm};
use convnet_nn::engine::{EngineError, Shape, Value};
use convnet_nn::layer::{Layer, LayerContext, WeightSpec};
use serde_json::{Map, Value as Json, json};

#[derive(Clone, Debug)]
pub struct Normalization;
impl Normalization {
    pub fn new() -> Self {
        Self
    }
}
impl Layer for Normalization {
    fn class_name(&self) -> &'static str {
        "Normalization"
    }
    fn config(&self) -> Map<String, Json> {
        Map::new()
    }
    fn weights(&self, inputs: &[Shape]) -> Result<Vec<WeightSpec>, Mismatch> {
        let c = inputs[0].channels();
        Ok(vec![
            WeightSpec::state("mean", [c], Initializer::Zeros),
            WeightSpec::state("variance", [c], Initializer::Ones),
            WeightSpec::state("count", [], Initializer::Zeros),
        ])
    }
    fn call(&self, _at: &mut LayerContext<'_>, inputs: &[Value]) -> Result<Value, EngineError> {
        let _ = FrozenAffine { epsilon: 0.0, scale: false, center: false };
        Ok(inputs[0])
    }
}
#[derive(Clone, Debug)]
pub struct DropSamples(pub f64);
pub fn drop_samples(rate: f64) -> DropSamples {
    DropSamples(rate)
}
impl Layer for DropSamples {
    fn class_name(&self) -> &'static str {
        "Dropout"
    }
    fn config(&self) -> Map<String, Json> {
        Map::from_iter([("rate".to_owned(), json!(self.0))])
    }
    fn call(&self, at: &mut LayerContext<'_>, inputs: &[Value]) -> Result<Value, EngineError> {
        if !at.training {
            return Ok(inputs[0]);
        }
        let shape = Shape::batched(vec![1; at.graph.shape(inputs[0]).dims.len()]);
        let ones = at.graph.apply(Fill { value: 1.0, shape }, &[])?;
        let mask = at.graph.apply(Dropout { rate: self.0 as f32, stream: at.stream }, &[ones])?;
        at.graph.apply(Binary(BinaryFunction::Multiply), &[inputs[0], mask])
    }
}
#[derive(Clone, Debug)]
pub struct LocalResponse {
    pub depth_radius: usize,
    pub bias: f64,
    pub alpha: f64,
    pub beta: f64,
}
impl LocalResponse {
    pub fn of_paper() -> Self {
        Self { depth_radius: 2, bias: 2.0, alpha: 1e-4, beta: 0.75 }
    }
    pub fn of_caffe() -> Self {
        Self { depth_radius: 2, bias: 1.0, alpha: 2e-5, beta: 0.75 }
    }
}
impl Layer for LocalResponse {
    fn class_name(&self) -> &'static str {
        "LocalResponseNormalization"
    }
    fn config(&self) -> Map<String, Json> {
        Map::new()
    }
    fn call(&self, at: &mut LayerContext<'_>, inputs: &[Value]) -> Result<Value, EngineError> {
        at.graph.apply(
            ResponseNorm(Response {
                depth_radius: self.depth_radius,
                bias: self.bias as f32,
                alpha: self.alpha as f32,
                beta: self.beta as f32,
            }),
            inputs,
        )
    }
}
