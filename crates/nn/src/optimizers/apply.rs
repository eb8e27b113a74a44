//! One step: what goes before and after an optimizer's own rule.

use std::ops::Range;

use convnet_engine::Slab;
use convnet_engine::kernels::optimizer as kernels;
use smallvec::SmallVec;

use super::{Optimizer, Step};

/// A weight that is trained.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// Its path: `conv2d/kernel`.
    pub path: String,
    /// Its place in the slabs, up to where the next one can begin.
    pub range: Range<usize>,
    /// Factor of the step size.
    pub rate: f32,
}

/// The weights that are trained, and the runs of them that take the same step together.
#[derive(Clone, Debug, Default)]
pub struct Course {
    weights: Vec<Range<usize>>,
    runs: Vec<Run>,
}

/// Parameters side by side for which all is the same.
#[derive(Clone, Debug)]
struct Run {
    range: Range<usize>,
    rate: f32,
    decays: bool,
}

impl Course {
    /// The course through these weights, which lie in rising order.
    pub fn new(optimizer: &dyn Optimizer, weights: impl IntoIterator<Item = Target>) -> Self {
        let excluded = &optimizer.settings().exclude_from_weight_decay;
        let mut course = Self::default();
        for Target { path, range, rate } in weights {
            let decays = !excluded.iter().any(|word| path.contains(word.as_str()));
            match course.runs.last_mut() {
                Some(last)
                    if last.range.end == range.start
                        && (last.rate, last.decays) == (rate, decays)
                        && !optimizer.by_weight() =>
                {
                    last.range.end = range.end;
                }
                _ => course.runs.push(Run { range: range.clone(), rate, decays }),
            }
            course.weights.push(range);
        }
        course
    }
}

/// Slabs for the optimizer's memory, one a slot, of `len` parameters.
pub fn memory(optimizer: &dyn Optimizer, len: usize) -> Vec<Slab> {
    let slab = |slot| {
        let mut slab = Slab::new(len);
        let start = optimizer.slot_start(slot);
        if start != 0.0 {
            slab.fill(start);
        }
        slab
    };
    (0..optimizer.slots().len()).map(slab).collect()
}

/// Takes one step: gradients are added up and clipped, weights decay, the optimizer's rule is applied, averages follow. `taken`
/// is the number of steps before it; slots are in the order of [`Optimizer::slots`]. Gradients are changed on the way.
pub fn apply(
    optimizer: &dyn Optimizer,
    course: &Course,
    taken: u64,
    parameters: &mut [f32],
    gradients: &mut [f32],
    slots: &mut [Slab],
) {
    let settings = optimizer.settings();
    let (common, own) = slots.split_at_mut(settings.slots().count());
    let mut common = common.iter_mut();
    let mut averages = if settings.use_ema { common.next() } else { None };
    let accumulated = settings.accumulated();
    let updates = taken / accumulated;
    let is_update = (taken + 1).is_multiple_of(accumulated);
    if let Some(sums) = common.next() {
        for Run { range, .. } in &course.runs {
            let (sums, gradients) = (&mut sums[range.clone()], &mut gradients[range.clone()]);
            if is_update {
                kernels::average(gradients, sums, accumulated as f32);
            } else {
                kernels::accumulate(sums, gradients);
            }
        }
    }
    if is_update {
        clip(optimizer, course, gradients);
        let rate = optimizer.rate_after(taken);
        for Run { range, rate: factor, decays } in &course.runs {
            let (parameters, gradients) = (&mut parameters[range.clone()], &gradients[range.clone()]);
            let at = Step { number: updates + 1, learning_rate: rate * factor };
            if let Some(share) = optimizer.weight_decay().filter(|share| *decays && *share != 0.0) {
                kernels::decay(parameters, share * at.learning_rate);
            }
            let mut slots: SmallVec<[&mut [f32]; 4]> =
                own.iter_mut().map(|slot| &mut slot[range.clone()]).collect();
            optimizer.update(at, parameters, gradients, &mut slots);
        }
    }
    let overwrites =
        settings.ema_overwrite_frequency.is_some_and(|steps| (updates + 1).is_multiple_of(steps));
    for Run { range, .. } in &course.runs {
        let Some(averages) = &mut averages else { break };
        let (averages, parameters) = (&mut averages[range.clone()], &mut parameters[range.clone()]);
        kernels::mix(averages, parameters, if updates == 0 { 0.0 } else { settings.ema_momentum });
        if overwrites {
            parameters.copy_from_slice(averages);
        }
    }
}

fn clip(optimizer: &dyn Optimizer, course: &Course, gradients: &mut [f32]) {
    let settings = optimizer.settings();
    let on = |limit: Option<f32>| limit.filter(|limit| *limit > 0.0);
    if let Some(limit) = on(settings.clipnorm) {
        for range in &course.weights {
            let gradients = &mut gradients[range.clone()];
            let length = kernels::squares(gradients).sqrt() as f32;
            if length > limit {
                kernels::scale(gradients, limit / length);
            }
        }
    } else if let Some(limit) = on(settings.global_clipnorm) {
        let all: f64 = course.weights.iter().map(|range| kernels::squares(&gradients[range.clone()])).sum();
        let length = all.sqrt() as f32;
        for Run { range, .. } in course.runs.iter().filter(|_| length > limit) {
            kernels::scale(&mut gradients[range.clone()], limit / length);
        }
    } else if let Some(limit) = on(settings.clipvalue) {
        for Run { range, .. } in &course.runs {
            kernels::clip(&mut gradients[range.clone()], limit);
        }
    }
}
