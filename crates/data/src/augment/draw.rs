//! Random numbers by counters.

use convnet_nn::engine::kernels::random::Philox;

/// Numbers of a sequence, a block of four.
const BLOCK: usize = 4;

/// The random numbers of one step of augmentation of one sample in one epoch.
///
/// They follow from (seed, epoch, index, step) alone, so a sample looks the same whatever thread makes it and whatever was made before it. Each such
/// sequence holds 2²⁶ numbers before it runs into that of the next sample.
///
/// ```
/// use convnet_data::augment::Draw;
/// let mut first = Draw::new(7, 1, 1234, 0);
/// let mut again = Draw::new(7, 1, 1234, 0);
/// assert_eq!(first.uniform(), again.uniform());
/// assert_ne!(first.uniform(), Draw::new(7, 2, 1234, 0).uniform());
/// ```
#[derive(Clone, Debug)]
pub struct Draw {
    philox: Philox,
    counter: u64,
    words: [u32; BLOCK],
    used: usize,
}

impl Draw {
    /// The numbers of step `step` for sample `index` in an epoch.
    pub fn new(seed: u64, epoch: u64, index: u64, step: u64) -> Self {
        let philox = Philox::new(seed, (epoch << 32) | (step & 0xffff_ffff));
        Self { philox, counter: index << 24, words: [0; BLOCK], used: BLOCK }
    }

    /// 32 random bits.
    pub fn word(&mut self) -> u32 {
        if self.used == BLOCK {
            self.words = self.philox.block(self.counter);
            self.counter = self.counter.wrapping_add(1);
            self.used = 0;
        }
        self.used += 1;
        self.words[self.used - 1]
    }

    /// A number in [0, 1).
    pub fn uniform(&mut self) -> f32 {
        (self.word() >> 8) as f32 / 16_777_216.0
    }

    /// A number in [low, high).
    pub fn between(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.uniform()
    }

    /// Yes, with this probability.
    pub fn chance(&mut self, probability: f32) -> bool {
        self.uniform() < probability
    }

    /// A whole number below `count`, or 0 if that is 0.
    pub fn below(&mut self, count: usize) -> usize {
        ((u64::from(self.word()) * count as u64) >> 32) as usize
    }

    /// A normal number of mean 0 and deviation 1.
    pub fn normal(&mut self) -> f64 {
        let (radius, angle) = (self.positive(), f64::from(self.word()) / 4_294_967_296.0);
        (-2.0 * radius.ln()).sqrt() * (std::f64::consts::TAU * angle).cos()
    }

    /// A number from the beta distribution with both parameters `alpha`, in [0, 1].
    pub fn beta(&mut self, alpha: f64) -> f64 {
        let (one, other) = (self.gamma(alpha), self.gamma(alpha));
        if one + other > 0.0 { one / (one + other) } else { f64::from(self.uniform() < 0.5) }
    }

    /// A number in (0, 1].
    fn positive(&mut self) -> f64 {
        (f64::from(self.word()) + 1.0) / 4_294_967_296.0
    }

    /// From the gamma distribution of scale 1 (Marsaglia and Tsang, "A simple method for generating gamma variables", 2000).
    fn gamma(&mut self, shape: f64) -> f64 {
        if shape < 1.0 {
            return self.gamma(shape + 1.0) * self.positive().powf(1.0 / shape);
        }
        let d = shape - 1.0 / 3.0;
        let c = 1.0 / (9.0 * d).sqrt();
        loop {
            let x = self.normal();
            let v = (1.0 + c * x).powi(3);
            if v > 0.0 && self.positive().ln() < 0.5 * x * x + d - d * v + d * v.ln() {
                return d * v;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_spread_as_they_should() {
        let mut draw = Draw::new(1, 1, 0, 0);
        let count = 20_000;
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        let uniform: Vec<f64> = (0..count).map(|_| f64::from(draw.between(-1.0, 3.0))).collect();
        assert!((mean(&uniform) - 1.0).abs() < 0.03 && uniform.iter().all(|x| (-1.0..3.0).contains(x)));
        let normal: Vec<f64> = (0..count).map(|_| draw.normal()).collect();
        let squares: Vec<f64> = normal.iter().map(|x| x * x).collect();
        assert!(mean(&normal).abs() < 0.03 && (mean(&squares) - 1.0).abs() < 0.04);
        // The beta distribution has variance 1 / (4 (2α + 1)).
        for alpha in [0.2, 1.0, 4.0] {
            let beta: Vec<f64> = (0..count).map(|_| draw.beta(alpha)).collect();
            let spread: Vec<f64> = beta.iter().map(|x| (x - 0.5) * (x - 0.5)).collect();
            assert!((mean(&beta) - 0.5).abs() < 0.015, "{alpha}");
            assert!((mean(&spread) - 0.25 / (2.0 * alpha + 1.0)).abs() < 0.006, "{alpha}");
        }
        let mut counts = [0; 3];
        (0..3000).for_each(|_| counts[draw.below(3)] += 1);
        assert!(counts.iter().all(|count| (850..1150).contains(count)), "{counts:?}");
    }

    #[test]
    fn each_sample_epoch_and_step_has_its_own() {
        let first = |seed, epoch, index, step| Draw::new(seed, epoch, index, step).word();
        let all =
            [first(1, 1, 1, 1), first(2, 1, 1, 1), first(1, 2, 1, 1), first(1, 1, 2, 1), first(1, 1, 1, 2)];
        assert!((0..5).all(|i| (0..i).all(|j| all[i] != all[j])));
    }
}
