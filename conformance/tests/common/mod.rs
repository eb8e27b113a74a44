//! What the tests against Keras's numbers share: reading the golden files, running a graph on given values.
#![allow(dead_code, reason = "each test binary uses its own part")]

use std::path::PathBuf;

use convnet_engine::{Graph, Memory, Plan, Program, RunContext, Shape, Target, Value};
use serde_json::Value as Json;

/// An array of a golden file.
#[derive(Clone, Debug)]
pub struct Tensor {
    pub dims: Vec<usize>,
    pub values: Vec<f32>,
}

impl Tensor {
    pub fn read(json: &Json) -> Self {
        let dims =
            json["shape"].as_array().unwrap().iter().map(|size| size.as_u64().unwrap() as usize).collect();
        let values = json["values"].as_array().unwrap().iter().map(|x| x.as_f64().unwrap() as f32).collect();
        Self { dims, values }
    }

    pub fn read_all(json: &Json) -> Vec<Self> {
        json.as_array().unwrap().iter().map(Self::read).collect()
    }

    /// Its shape, the first size being the batch.
    pub fn batched(&self) -> Shape {
        Shape::batched(&self.dims[1..])
    }
}

/// A file that Keras wrote, or the script beside it.
pub fn golden(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "..", "golden", "keras", name].iter().collect()
}

pub fn golden_json(name: &str) -> Json {
    let text = std::fs::read_to_string(golden(name)).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// Runs a program for a batch and gives what it fetches.
pub fn run(
    program: Program,
    batch: usize,
    inputs: &[&[f32]],
    states: &mut [f32],
    passes: bool,
) -> Vec<Vec<f32>> {
    let fetches = program.fetches.len();
    let stores = program.stores.iter().any(|(_, target)| matches!(target, Target::Gradient(_)));
    assert!(!stores, "gradients are fetched, not stored, in these tests");
    let plan = if passes { Plan::new(program, batch) } else { Plan::without_passes(program, batch) };
    // Whatever lies in the arena beforehand must not matter.
    let mut arena = convnet_engine::Slab::new(plan.arena_len());
    arena.fill(f32::NAN);
    let mut constants = convnet_engine::Slab::new(plan.constants_len());
    plan.prepare(&[], states, &mut constants);
    let (constants, arena) = (&constants[..], &mut arena[..]);
    let mut memory = Memory { inputs, parameters: &[], gradients: &mut [], states, constants, arena };
    plan.run(&mut memory, &RunContext { seed: 3, step: 5 });
    (0..fetches).map(|index| plan.fetched(index, &memory).to_vec()).collect()
}

/// A placeholder for each tensor, batched or not.
pub fn placeholders(graph: &mut Graph, tensors: &[Tensor], batched: bool) -> Vec<Value> {
    let shape = |tensor: &Tensor| if batched { tensor.batched() } else { Shape::fixed(tensor.dims.clone()) };
    tensors.iter().map(|tensor| graph.input(shape(tensor))).collect()
}

/// Fails with `what` and the place if two arrays differ by more than a share of the largest expected value.
pub fn assert_close(what: &str, actual: &[f32], expected: &[f32], tolerance: f32) {
    assert_eq!(actual.len(), expected.len(), "{what}: lengths differ");
    let scale = expected.iter().fold(1e-3_f32, |scale, x| scale.max(x.abs()));
    for (i, (a, e)) in actual.iter().zip(expected).enumerate() {
        let near = (a - e).abs() <= tolerance * scale || a == e;
        assert!(near, "{what}: element {i} is {a}, expected {e} (largest {scale})");
    }
}
