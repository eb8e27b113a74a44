//! Changes that do not always happen.

use std::sync::Arc;

use serde_json::{Map, Value as Json, json};

use super::annotated::Annotated;
use super::{Augment, Draw, Matrix, Warp};

/// Another kind, with a probability: what the argument `p` makes.
#[derive(Clone, Debug)]
pub struct Sometimes {
    /// The probability.
    pub chance: f32,
    /// What then happens.
    pub inner: Arc<dyn Augment>,
}

impl Augment for Sometimes {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn config(&self) -> Map<String, Json> {
        let mut config = self.inner.config();
        let mut chance = json!(self.chance);
        super::shorten(&mut chance);
        config.insert("p".into(), chance);
        config
    }

    fn check(&self) -> Result<(), String> {
        super::within("p", self.chance, 0.0, 1.0)?;
        self.inner.check()
    }

    fn apply(&self, random: &mut Draw, sample: &mut Annotated) {
        if random.chance(self.chance) { self.inner.apply(random, sample) } else { self.inner.rest(sample) }
    }

    fn warp(&self, random: &mut Draw, size: [usize; 2]) -> Option<Warp> {
        // A kind without a warp must find its numbers untouched.
        let mut ahead = random.clone();
        let happens = ahead.chance(self.chance);
        let warp = self.inner.warp(&mut ahead, size)?;
        *random = ahead;
        Some(if happens { warp } else { Warp { matrix: Matrix::IDENTITY, ..warp } })
    }

    fn output_size(&self, size: [usize; 2]) -> [usize; 2] {
        self.inner.output_size(size)
    }

    fn rest(&self, sample: &mut Annotated) {
        self.inner.rest(sample);
    }
}
