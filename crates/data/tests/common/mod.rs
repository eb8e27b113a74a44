//! What several tests need: a folder that goes away, pictures by a formula, a filled batch.

#![allow(dead_code, reason = "each test uses its part")]

use std::fs;
use std::path::{Path, PathBuf};

use convnet_data::images::encode_png;
use convnet_nn::Samples;
use convnet_nn::train::{Batch, Visit};

/// A folder of its own for a test, removed when dropped.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("convnet-data-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).expect("the temporary folder can be written");
        Self(path)
    }

    /// Writes a file, with the folders above it.
    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().expect("a file lies in a folder")).expect("the folder can be made");
        fs::write(&path, bytes).expect("the temporary folder can be written");
        path
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn text(&self) -> &str {
        self.0.to_str().expect("its name is ASCII")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// `at * at * 37 % 251` for each byte, as in `golden/make.py`.
pub fn bytes(range: std::ops::Range<usize>) -> Vec<u8> {
    range.map(|at| (at * at * 37 % 251) as u8).collect()
}

/// A picture in colour with those bytes.
pub fn picture(width: usize, height: usize, from: usize) -> Vec<u8> {
    encode_png(&bytes(from..from + width * height * 3), width, height, 3).expect("the sizes fit")
}

/// A picture of one colour.
pub fn even(side: usize, value: u8) -> Vec<u8> {
    encode_png(&vec![value; side * side * 3], side, side, 3).expect("the sizes fit")
}

/// These samples in a batch.
pub fn filled(samples: &dyn Samples, visit: Visit, indices: &[usize]) -> Batch {
    let mut batch = Batch::new(samples, indices.len());
    samples.fill(visit, indices, &mut batch).expect("the samples can be read");
    batch
}

/// Inputs and targets of all samples, outside training.
pub fn all(samples: &dyn Samples) -> (Vec<f32>, Vec<f32>) {
    let indices: Vec<usize> = (0..samples.len()).collect();
    let batch = filled(samples, Visit::default(), &indices);
    (batch.inputs[0].to_vec(), batch.targets[0].to_vec())
}

pub fn golden() -> serde_json::Value {
    serde_json::from_str(include_str!("../golden/keras.json")).expect("the script writes JSON")
}

pub fn floats(value: &serde_json::Value) -> Vec<f32> {
    let list = value.as_array().expect("a list");
    list.iter().map(|number| number.as_f64().expect("a number") as f32).collect()
}

pub fn near(ours: &[f32], theirs: &[f32], most: f32) {
    assert_eq!(ours.len(), theirs.len());
    for (at, (ours, theirs)) in ours.iter().zip(theirs).enumerate() {
        assert!((ours - theirs).abs() <= most, "at {at}: {ours} and {theirs}");
    }
}
