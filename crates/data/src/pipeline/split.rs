//! Parts by share.

use convnet_nn::Samples;
use convnet_nn::engine::kernels::random::Philox;

use crate::{DataError, Labelled, Result, SampleSet};

/// In what parts [`SampleSet::split`] cuts, and how samples come into them.
#[derive(Clone, Debug, PartialEq)]
pub struct Shares {
    shares: Vec<f64>,
    seed: u64,
    stratified: bool,
    shuffled: bool,
}

impl Shares {
    /// Parts of these shares, which add up to 1 or less (what is left is in no part): `[0.1, 0.15, 0.75]` for tests, validation and training. Samples
    /// are dealt out by chance, with seed 0.
    ///
    /// # Errors
    /// [`DataError::Shape`] when there is none, one is not positive, or their sum is above 1.
    pub fn new(shares: &[f64]) -> Result<Self> {
        let sum: f64 = shares.iter().sum();
        // NaN is in no range.
        let fit = shares.iter().all(|share| (f64::MIN_POSITIVE..=1.0).contains(share)) && sum <= 1.0 + 1e-9;
        if shares.is_empty() || !fit {
            let expected = "positive numbers that add up to 1 or less".into();
            return Err(DataError::Shape { what: "shares", expected, received: format!("{shares:?}") });
        }
        Ok(Self { shares: shares.to_vec(), seed: 0, stratified: false, shuffled: true })
    }

    /// Another seed: other samples in each part.
    pub fn seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// Each class by itself, so that all parts have the same mixture.
    pub fn stratified(self) -> Self {
        Self { stratified: true, ..self }
    }

    /// In the samples' order, one part behind the other.
    pub fn in_order(self) -> Self {
        Self { shuffled: false, ..self }
    }

    /// Numbers of the samples in each part, rising.
    fn deal(&self, groups: &[Vec<usize>]) -> Vec<Vec<usize>> {
        let mut parts = vec![Vec::new(); self.shares.len()];
        for (group, numbers) in groups.iter().enumerate() {
            let mut numbers = numbers.clone();
            if self.shuffled {
                let random = Philox::new(self.seed, SPLIT_STREAM - group as u64);
                for last in (1..numbers.len()).rev() {
                    // The product's upper half is a number up to `last`, its bias below 2⁻³².
                    let other = (u64::from(random.word(last as u64)) * (last as u64 + 1)) >> 32;
                    numbers.swap(last, other as usize);
                }
            }
            let mut start = 0;
            let mut sum = 0.0;
            for (part, share) in parts.iter_mut().zip(&self.shares) {
                sum += share;
                // Borders are rounded, not sizes, so that no sample is lost between two parts.
                let end = ((sum * numbers.len() as f64).round() as usize).clamp(start, numbers.len());
                part.extend_from_slice(&numbers[start..end]);
                start = end;
            }
        }
        parts.iter_mut().for_each(|part| part.sort_unstable());
        parts
    }
}

/// Stream of random numbers for splits, counted down for classes; those of training count elsewhere.
const SPLIT_STREAM: u64 = u64::MAX >> 1;

impl SampleSet {
    /// Cut in parts of these shares; every sample is in one part at most.
    ///
    /// # Errors
    /// [`DataError::Shape`] when a part would be empty, or [`stratified`](Shares::stratified) is asked for and the samples have no labels.
    pub fn split(&self, shares: Shares) -> Result<Vec<SampleSet>> {
        let groups = if shares.stratified {
            let labels = self.labels().ok_or_else(|| DataError::Shape {
                what: "samples to split by class",
                expected: "samples with labels".into(),
                received: "samples without".into(),
            })?;
            let mut groups = vec![Vec::new(); labels.iter().max().map_or(0, |&label| label as usize + 1)];
            labels.iter().enumerate().for_each(|(number, &label)| groups[label as usize].push(number));
            groups
        } else {
            vec![(0..self.len()).collect()]
        };
        let parts = shares.deal(&groups);
        if let Some(empty) = parts.iter().position(Vec::is_empty) {
            return Err(DataError::Shape {
                what: "part of a split",
                expected: "at least one sample".into(),
                received: format!("none for the share {} of {} samples", shares.shares[empty], self.len()),
            });
        }
        parts.iter().map(|part| self.subset(part)).collect()
    }
}
