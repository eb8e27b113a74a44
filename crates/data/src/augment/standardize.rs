//! Samples of mean 0 and deviation 1.

use convnet_nn::{Error, Result};

/// Added to deviations before dividing, as Keras does.
const EPSILON: f64 = 1e-6;

/// Subtracts means and divides by standard deviations: of each sample by itself, or for each channel those of the data that it was fitted to. As Keras's
/// `ImageDataGenerator` with `samplewise_center`, `samplewise_std_normalization`, `featurewise_center` and `featurewise_std_normalization`, in this order.
///
/// ```
/// use convnet_data::augment::Standardize;
/// let mut sample = [1.0, 3.0, 5.0, 7.0];
/// Standardize { samplewise_std: true, ..Standardize::default() }.apply(&mut sample);
/// assert!((sample[0] + 3.0 / 5.0_f32.sqrt()).abs() < 1e-5);
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Standardize {
    /// Subtracts the mean of each sample.
    pub samplewise_center: bool,
    /// Divides by the standard deviation of each sample, after the mean was subtracted.
    pub samplewise_std: bool,
    /// A number for each channel that is subtracted; empty for none.
    pub means: Vec<f32>,
    /// A number for each channel by which, and 10⁻⁶ more, is divided; empty for none.
    pub deviations: Vec<f32>,
}

impl Standardize {
    /// Means and deviations of each channel over the values of many samples, whose last axis is the channels. They are gone through once.
    ///
    /// # Errors
    /// If there is nothing to fit to, or a sample has no whole number of pixels.
    pub fn fit<'s>(samples: impl IntoIterator<Item = &'s [f32]>, channels: usize) -> Result<Self> {
        let mut moments = Moments::new(channels);
        for sample in samples {
            moments.add(sample)?;
        }
        moments.finish()
    }

    /// Standardises one sample, whose last axis is the channels.
    pub fn apply(&self, sample: &mut [f32]) {
        if self.samplewise_center || self.samplewise_std {
            let mean = mean(sample, |x| x);
            sample.iter_mut().for_each(|x| *x = (f64::from(*x) - mean) as f32);
        }
        if self.samplewise_std {
            let deviation = mean(sample, |x| x * x).sqrt() + EPSILON;
            sample.iter_mut().for_each(|x| *x = (f64::from(*x) / deviation) as f32);
        }
        if !self.means.is_empty() {
            let means = self.means.iter().cycle();
            sample.iter_mut().zip(means).for_each(|(x, mean)| *x -= mean);
        }
        if !self.deviations.is_empty() {
            let deviations = self.deviations.iter().cycle();
            sample.iter_mut().zip(deviations).for_each(|(x, deviation)| *x /= deviation + EPSILON as f32);
        }
    }
}

fn mean(values: &[f32], of: impl Fn(f64) -> f64) -> f64 {
    values.iter().map(|&x| of(f64::from(x))).sum::<f64>() / values.len().max(1) as f64
}

/// Mean and squared distances from it for each channel, kept up to date pixel by pixel (Welford, 1962), so that large means cost no precision.
#[derive(Clone, Debug)]
pub(super) struct Moments {
    count: f64,
    channels: Vec<(f64, f64)>,
}

impl Moments {
    pub(super) fn new(channels: usize) -> Self {
        Self { count: 0.0, channels: vec![(0.0, 0.0); channels] }
    }

    pub(super) fn add(&mut self, sample: &[f32]) -> Result<()> {
        let channels = self.channels.len();
        if channels == 0 || !sample.len().is_multiple_of(channels) {
            let problem =
                format!("a sample has {} values, not a multiple of {channels} channels", sample.len());
            return Err(Error::argument("Standardize::fit", problem));
        }
        for pixel in sample.chunks_exact(channels) {
            self.count += 1.0;
            for ((mean, squares), &value) in self.channels.iter_mut().zip(pixel) {
                let distance = f64::from(value) - *mean;
                *mean += distance / self.count;
                *squares += distance * (f64::from(value) - *mean);
            }
        }
        Ok(())
    }

    pub(super) fn finish(self) -> Result<Standardize> {
        if self.count == 0.0 {
            return Err(Error::argument("Standardize::fit", "there are no samples to fit to"));
        }
        let means = self.channels.iter().map(|(mean, _)| *mean as f32).collect();
        let deviations =
            self.channels.iter().map(|(_, squares)| (squares / self.count).sqrt() as f32).collect();
        Ok(Standardize { means, deviations, ..Standardize::default() })
    }
}
