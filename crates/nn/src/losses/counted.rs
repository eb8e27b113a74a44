//! From the losses of a batch to one number: what each of them counts.

use convnet_engine::ops::{BatchMean, Expand, Multiply, Reshape};
use convnet_engine::{EngineError, Graph, Shape, Value};

use super::maths::Maths;

/// What decides how much the losses of a batch count.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counted {
    /// A weight for each sample.
    pub(crate) weights: Option<Value>,
    /// 1 for the time steps of predictions that count, 0 for those that are passed over.
    pub(crate) mask: Option<Value>,
    /// The class number that stands for no class. The loss itself has passed over the targets that have it, and divided by their share.
    pub(crate) ignored: Option<i64>,
}

impl Counted {
    /// The mean of losses, one or more a sample: weighted, and over those alone that the mask lets through, as Keras's
    /// `reduce_weighted_values`. 0 if that is none.
    pub(crate) fn mean(self, graph: &mut Graph, losses: Value, targets: Value) -> Result<Value, EngineError> {
        let shape = graph.shape(losses).clone();
        let mut each = losses;
        if let Some(weights) = self.weights {
            let weights = spread(graph, weights, &shape)?;
            each = graph.apply(Multiply, &[each, weights])?;
        }
        // Losses that sum over the time steps have none left to pass over.
        let fits = |mask: &Value| shape.dims.starts_with(&graph.shape(*mask).dims);
        let Some(mask) = self.mask.filter(fits) else { return graph.apply(BatchMean, &[each]) };
        let mask = spread(graph, mask, &shape)?;
        each = graph.apply(Multiply, &[each, mask])?;
        let (mut sum, mut count) = (graph.apply(BatchMean, &[each])?, mask);
        if let Some(class) = self.ignored {
            let mut maths = Maths(graph);
            let is_ignored = maths.equals(targets, class as f32)?;
            let counts = maths.affine(is_ignored, -1.0, 1.0)?;
            let share = graph.apply(BatchMean, &[counts])?;
            let counts = graph.apply(Reshape { dims: shape.dims }, &[counts])?;
            sum = Maths(graph).multiply(sum, share)?;
            count = graph.apply(Multiply, &[mask, counts])?;
        }
        let share = graph.apply(BatchMean, &[count])?;
        let mut maths = Maths(graph);
        let share = maths.clip(share, f32::MIN_POSITIVE, 1.0)?;
        maths.divide(sum, share)
    }
}

/// A value of the first axes, repeated along the others.
fn spread(graph: &mut Graph, value: Value, shape: &Shape) -> Result<Value, EngineError> {
    let mut dims = graph.shape(value).dims.clone();
    if dims == shape.dims {
        return Ok(value);
    }
    dims.resize(shape.dims.len(), 1);
    let value = graph.apply(Reshape { dims }, &[value])?;
    graph.apply(Expand { shape: shape.clone(), shared: false }, &[value])
}
