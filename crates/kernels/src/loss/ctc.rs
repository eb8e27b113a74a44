//! Connectionist temporal classification: how likely a row of scores spells a label, in any of the ways it can.

use super::class;
use crate::softmax::{log_sum_exp, softmax_row};

/// What ending elsewhere than behind the last symbol adds to a logarithm, and in the gradient beginning elsewhere than before the first: ln 1e-307, as
/// TensorFlow has it. A label that does not fit into the steps then has a finite loss, and a gradient.
const OUTSIDE: f32 = -706.893_6;

/// Sizes of scores and labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spelling {
    /// Steps of a sample's scores.
    pub steps: usize,
    /// Scores of a step; the first is that of the blank.
    pub classes: usize,
    /// Places for symbols in a label. Those that are left over have the blank's number, 0.
    pub width: usize,
}

impl Spelling {
    /// Floats of working memory that [`ctc`] and [`ctc_gradient`] take.
    pub fn scratch(self) -> usize {
        (self.steps + 2) * self.states()
    }

    /// Between and around the symbols there may be blanks.
    fn states(self) -> usize {
        2 * self.width + 1
    }

    fn check(self, labels: &[f32], logits: &[f32], samples: usize, what: &str) {
        assert!(self.steps > 0 && self.classes > 0, "{what}: there must be steps and classes");
        assert_eq!(logits.len(), samples * self.steps * self.classes, "{what}: scores for each step");
        assert_eq!(labels.len(), samples * self.width, "{what}: a label for each sample");
    }

    /// The sample of a number.
    fn sample<'a>(self, labels: &'a [f32], logits: &'a [f32], index: usize) -> Sample<'a> {
        let label = &labels[index * self.width..][..self.width];
        let symbols = label.iter().filter(|&&symbol| symbol != 0.0).count();
        let logits = &logits[index * self.steps * self.classes..][..self.steps * self.classes];
        Sample { label: &label[..symbols], logits, classes: self.classes }
    }
}

/// One label and the scores of its steps. State 2i + 1 is symbol i, even states are blanks.
struct Sample<'a> {
    label: &'a [f32],
    logits: &'a [f32],
    classes: usize,
}

impl Sample<'_> {
    fn states(&self) -> usize {
        2 * self.label.len() + 1
    }

    fn class(&self, state: usize) -> usize {
        if state.is_multiple_of(2) { 0 } else { class(self.label[state / 2], self.classes) }
    }

    /// Whether a state can follow the last but one directly: no blank need stand between symbols that differ.
    fn skips(&self, state: usize) -> bool {
        state > 2 && !state.is_multiple_of(2) && self.label[state / 2] != self.label[state / 2 - 1]
    }

    /// What ending in a state adds.
    fn end(&self, state: usize) -> f32 {
        if state + 2 >= self.states() { 0.0 } else { OUTSIDE }
    }

    /// Logarithms of the shares that states have of all ways up to a step, from those before it; the logarithm of their sum is taken
    /// off, and given.
    fn advance(&self, step: usize, from: &[f32], to: &mut [f32]) -> f32 {
        let start = if step == 0 { 0.0 } else { f32::NEG_INFINITY };
        let scores = &self.logits[step * self.classes..][..self.classes];
        let norm = log_sum_exp(scores);
        for state in 0..to.len() {
            let one = if state == 0 { start } else { from[state - 1] };
            let two = match state {
                1 => start,
                _ if self.skips(state) => from[state - 2],
                _ => f32::NEG_INFINITY,
            };
            to[state] = log_add(from[state], one, two) + scores[self.class(state)] - norm;
        }
        normalize(to)
    }

    /// The same backwards: from the shares of the ways behind a step to those before it. Overwrites `behind`.
    fn retreat(&self, step: usize, behind: &mut [f32], before: &mut [f32]) {
        let scores = &self.logits[step * self.classes..][..self.classes];
        let norm = log_sum_exp(scores);
        for (state, value) in behind.iter_mut().enumerate() {
            *value += scores[self.class(state)] - norm;
        }
        let at = |state: usize| behind.get(state).copied().unwrap_or(f32::NEG_INFINITY);
        for (state, value) in before.iter_mut().enumerate() {
            let skipped = state + 2 < behind.len() && self.skips(state + 2);
            *value = log_add(
                behind[state],
                at(state + 1),
                if skipped { behind[state + 2] } else { f32::NEG_INFINITY },
            );
        }
        normalize(before);
    }
}

/// ln(eᵃ + eᵇ + eᶜ).
fn log_add(a: f32, b: f32, c: f32) -> f32 {
    let largest = a.max(b).max(c);
    if largest == f32::NEG_INFINITY {
        return largest;
    }
    largest + ((a - largest).exp() + (b - largest).exp() + (c - largest).exp()).ln()
}

/// Takes ln Σ eˣ off all x, and gives it.
fn normalize(x: &mut [f32]) -> f32 {
    let sum = log_sum_exp(x);
    x.iter_mut().for_each(|x| *x -= sum);
    sum
}

/// `loss[r] = −log Σ Π softmax(x[r,t])[s(t)]` over all ways s that spell `labels[r]`: repeats count once, and blanks (class 0) are left out.
/// Graves, Fernández, Gomez, Schmidhuber, 2006.
///
/// # Panics
/// If the lengths do not fit or a label has a number that is no class.
pub fn ctc(sizes: Spelling, labels: &[f32], logits: &[f32], loss: &mut [f32], scratch: &mut [f32]) {
    sizes.check(labels, logits, loss.len(), "ctc");
    let (a, b) = scratch.split_at_mut(sizes.states());
    for (index, loss) in loss.iter_mut().enumerate() {
        let sample = sizes.sample(labels, logits, index);
        let (mut from, mut to) = (&mut a[..sample.states()], &mut b[..sample.states()]);
        from.fill(f32::NEG_INFINITY);
        let mut total = 0.0;
        for step in 0..sizes.steps {
            total += f64::from(sample.advance(step, from, to));
            std::mem::swap(&mut from, &mut to);
        }
        from.iter_mut().enumerate().for_each(|(state, share)| *share += sample.end(state));
        *loss = -(total + f64::from(log_sum_exp(from))) as f32;
    }
}

/// `dx[r,t,c] = (softmax(x[r,t])[c] − share of the ways that are at c at step t) · dloss[r]`.
///
/// # Panics
/// As [`ctc`].
pub fn ctc_gradient(
    sizes: Spelling,
    labels: &[f32],
    logits: &[f32],
    dloss: &[f32],
    dlogits: &mut [f32],
    scratch: &mut [f32],
) {
    sizes.check(labels, logits, dloss.len(), "ctc_gradient");
    assert_eq!(dlogits.len(), logits.len(), "ctc_gradient: lengths differ");
    for (index, dx) in dlogits.chunks_exact_mut(sizes.steps * sizes.classes).enumerate() {
        let sample = sizes.sample(labels, logits, index);
        let states = sample.states();
        let (ways, rest) = scratch.split_at_mut(sizes.steps * states);
        let (mut behind, mut before) = rest[..2 * states].split_at_mut(states);
        before.fill(OUTSIDE);
        for step in 0..sizes.steps {
            let (done, to) = ways[..(step + 1) * states].split_at_mut(step * states);
            let from = if step == 0 { &*before } else { &done[(step - 1) * states..] };
            sample.advance(step, from, to);
        }
        behind.iter_mut().enumerate().for_each(|(state, share)| *share = sample.end(state));
        for step in (0..sizes.steps).rev() {
            let row = step * sizes.classes..(step + 1) * sizes.classes;
            let dx = &mut dx[row.clone()];
            softmax_row(&sample.logits[row], dx);
            let ways = &mut ways[step * states..][..states];
            ways.iter_mut().zip(&*behind).for_each(|(way, behind)| *way += behind);
            normalize(ways);
            for (state, way) in ways.iter().enumerate() {
                dx[sample.class(state)] -= way.exp();
            }
            dx.iter_mut().for_each(|dx| *dx *= dloss[index]);
            sample.retreat(step, behind, before);
            std::mem::swap(&mut behind, &mut before);
        }
    }
}
