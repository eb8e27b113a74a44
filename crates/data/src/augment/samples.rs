//! Samples that are augmented, mixed or standardised on their way to a model.

use convnet_nn::engine::Slab;
use convnet_nn::train::{Batch, OneHot, Visit};
use convnet_nn::{Error, Result, Samples};
use ndarray::Array3;
use rayon::prelude::*;

use super::standardize::Moments;
use super::{Annotated, Mix, Pipeline, Standardize};

/// Samples that are read at once where all must be gone through.
const TOGETHER: usize = 32;

/// Samples whose first input, pictures `(height, width, channels)`, is augmented in training; otherwise it is only brought to the same size.
///
/// ```
/// use convnet_data::augment::{Augmented, Pipeline};
/// use convnet_nn::Samples;
///
/// let digits = convnet_data::load("mnist")?.train;
/// let more = Augmented::new(&digits, Pipeline::named("light")?)?;
/// assert_eq!(more.input_dims(), [[28, 28, 1]]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Augmented<'s> {
    samples: &'s dyn Samples,
    pipeline: Pipeline,
    white: f32,
    size: [usize; 3],
}

impl<'s> Augmented<'s> {
    /// Samples of pictures whose values are 0 … 1. Mixtures of the pipeline are [`Mixed`]'s business.
    ///
    /// # Errors
    /// If the first input is no picture.
    pub fn new(samples: &'s dyn Samples, pipeline: Pipeline) -> Result<Self> {
        let dims = samples.input_dims();
        let Some(&[height, width, channels]) = dims.first().map(Vec::as_slice) else {
            let problem = format!("samples must be pictures (height, width, channels), received {dims:?}");
            return Err(Error::argument("Augmented", problem));
        };
        Ok(Self { samples, pipeline, white: 1.0, size: [height, width, channels] })
    }

    /// The same for values 0 … `white`.
    pub fn white(self, white: f32) -> Self {
        Self { white, ..self }
    }

    /// Height, width and channels of what comes out.
    fn output(&self) -> [usize; 3] {
        let [height, width, channels] = self.size;
        let [height, width] = self.pipeline.output_size([height, width]);
        [height, width, channels]
    }

    /// One picture: values in its own range from `from` to `to`.
    fn augment(&self, visit: Visit, index: usize, from: &[f32], to: &mut [f32]) -> Result<()> {
        let scale = super::colour::WHITE / self.white;
        let values = from.iter().map(|value| value * scale).collect();
        let [height, width, channels] = self.size;
        let image = Array3::from_shape_vec((height, width, channels), values)
            .map_err(|problem| Error::argument("Augmented", problem.to_string()))?;
        let mut sample = Annotated::new(image);
        if visit.training {
            self.pipeline.apply(visit.seed, visit.epoch, index as u64, &mut sample);
        } else {
            self.pipeline.rest(&mut sample);
        }
        let pixels = sample.pixels();
        if pixels.len() != to.len() {
            let problem = format!("a step made {} values of a picture instead of {}", pixels.len(), to.len());
            return Err(Error::argument("Augmented", problem));
        }
        to.iter_mut().zip(pixels).for_each(|(to, value)| *to = *value / scale);
        Ok(())
    }
}

impl Samples for Augmented<'_> {
    fn len(&self) -> usize {
        self.samples.len()
    }

    fn input_dims(&self) -> Vec<Vec<usize>> {
        let mut dims = self.samples.input_dims();
        dims[0] = self.output().to_vec();
        dims
    }

    fn target_dims(&self) -> Vec<Vec<usize>> {
        self.samples.target_dims()
    }

    fn classes(&self) -> Option<usize> {
        self.samples.classes()
    }

    fn weighted(&self) -> bool {
        self.samples.weighted()
    }

    fn fill(&self, visit: Visit, indices: &[usize], batch: &mut Batch) -> Result<()> {
        let same_size = self.output() == self.size;
        if same_size && (!visit.training || self.pipeline.steps().is_empty()) {
            return self.samples.fill(visit, indices, batch);
        }
        let [from, to] = [self.size, self.output()].map(|size| size.iter().product::<usize>());
        let results = std::mem::replace(&mut batch.inputs[0], Slab::new(indices.len() * from));
        let filled = self.samples.fill(visit, indices, batch);
        let originals = std::mem::replace(&mut batch.inputs[0], results);
        filled?;
        let pictures = batch.inputs[0].par_chunks_exact_mut(to).zip(originals.par_chunks_exact(from));
        let numbered = pictures.zip(indices.par_iter());
        numbered.try_for_each(|((to, from), &index)| self.augment(visit, index, from, to))
    }
}

/// Samples that are mixed within their batch in training. Targets are rows of a number for each class, for losses that take those; class numbers
/// become such rows.
pub struct Mixed<'s> {
    samples: &'s dyn Samples,
    mixes: Vec<Mix>,
    rows: bool,
    classes: usize,
    size: [usize; 3],
}

impl<'s> Mixed<'s> {
    /// Samples of pictures with class numbers below `classes`, or rows of so many numbers. Of several kinds of mixture one is drawn for each batch.
    ///
    /// # Errors
    /// If the samples have another form.
    pub fn new(samples: &'s dyn Samples, mixes: Vec<Mix>, classes: usize) -> Result<Self> {
        let (inputs, targets) = (samples.input_dims(), samples.target_dims());
        let (Some(&[height, width, channels]), [target]) = (inputs.first().map(Vec::as_slice), &targets[..])
        else {
            let problem = "samples must be pictures (height, width, channels) with one target";
            return Err(Error::argument("Mixed", problem));
        };
        let rows = !target.is_empty();
        if rows && *target != [classes] {
            let problem = format!("targets must be class numbers or rows of {classes}, received {target:?}");
            return Err(Error::argument("Mixed", problem));
        }
        if !rows {
            OneHot::new(samples, classes)?;
        }
        Ok(Self { samples, mixes, rows, classes, size: [height, width, channels] })
    }
}

impl Samples for Mixed<'_> {
    fn len(&self) -> usize {
        self.samples.len()
    }

    fn input_dims(&self) -> Vec<Vec<usize>> {
        self.samples.input_dims()
    }

    fn target_dims(&self) -> Vec<Vec<usize>> {
        vec![vec![self.classes]]
    }

    fn weighted(&self) -> bool {
        self.samples.weighted()
    }

    fn fill(&self, visit: Visit, indices: &[usize], batch: &mut Batch) -> Result<()> {
        if self.rows {
            self.samples.fill(visit, indices, batch)?;
        } else {
            OneHot::new(self.samples, self.classes)?.fill(visit, indices, batch)?;
        }
        if let (true, Some(&first)) = (visit.training, indices.first())
            && let Some(mix) = Mix::draw(&self.mixes, (visit.seed, visit.epoch), first)
        {
            let (images, targets) = (&mut batch.inputs[0], &mut batch.targets[0]);
            mix.apply((visit.seed, visit.epoch), indices, images, self.size, targets);
        }
        Ok(())
    }
}

/// Samples whose first input is standardised, in training and otherwise.
pub struct Standardized<'s> {
    samples: &'s dyn Samples,
    standardize: Standardize,
}

impl<'s> Standardized<'s> {
    /// Samples that are brought to mean 0 or deviation 1.
    ///
    /// # Errors
    /// If means or deviations are not one for each channel of the first input.
    pub fn new(samples: &'s dyn Samples, standardize: Standardize) -> Result<Self> {
        let channels = samples.input_dims().first().and_then(|dims| dims.last().copied()).unwrap_or(0);
        for numbers in [&standardize.means, &standardize.deviations] {
            if !numbers.is_empty() && numbers.len() != channels {
                let problem = format!("{} numbers for {channels} channels", numbers.len());
                return Err(Error::argument("Standardized", problem));
            }
        }
        Ok(Self { samples, standardize })
    }
}

impl Samples for Standardized<'_> {
    fn len(&self) -> usize {
        self.samples.len()
    }

    fn input_dims(&self) -> Vec<Vec<usize>> {
        self.samples.input_dims()
    }

    fn target_dims(&self) -> Vec<Vec<usize>> {
        self.samples.target_dims()
    }

    fn classes(&self) -> Option<usize> {
        self.samples.classes()
    }

    fn weighted(&self) -> bool {
        self.samples.weighted()
    }

    fn fill(&self, visit: Visit, indices: &[usize], batch: &mut Batch) -> Result<()> {
        self.samples.fill(visit, indices, batch)?;
        let sample = (batch.inputs[0].len() / indices.len().max(1)).max(1);
        batch.inputs[0].par_chunks_exact_mut(sample).for_each(|sample| self.standardize.apply(sample));
        Ok(())
    }
}

impl Standardize {
    /// Means and deviations of each channel of the first input over all samples, which are gone through once, not augmented.
    ///
    /// # Errors
    /// If there are no samples, or one cannot be read.
    pub fn fit_samples(samples: &dyn Samples) -> Result<Self> {
        let dims = samples.input_dims();
        let mut moments = Moments::new(dims.first().and_then(|dims| dims.last().copied()).unwrap_or(0));
        let all: Vec<usize> = (0..samples.len()).collect();
        for indices in all.chunks(TOGETHER) {
            let mut batch = Batch::new(samples, indices.len());
            samples.fill(Visit::default(), indices, &mut batch)?;
            moments.add(&batch.inputs[0])?;
        }
        moments.finish()
    }
}

#[cfg(test)]
mod tests {
    use convnet_nn::train::Arrays;
    use ndarray::{Array1, Array4};

    use super::*;
    use crate::augment::Draw;

    const COUNT: usize = 10;

    fn data() -> (Array4<f32>, Array1<f32>) {
        let mut draw = Draw::new(1, 1, 1, 1);
        let x = Array4::from_shape_simple_fn((COUNT, 12, 9, 3), || draw.uniform());
        (x, (0..COUNT).map(|label| (label % 4) as f32).collect())
    }

    fn fill(samples: &dyn Samples, visit: Visit, indices: &[usize]) -> Batch {
        let mut batch = Batch::new(samples, indices.len());
        samples.fill(visit, indices, &mut batch).unwrap();
        batch
    }

    const TRAINING: Visit = Visit { seed: 3, epoch: 1, training: true };

    #[test]
    fn a_sample_is_augmented_alike_in_any_batch_on_any_threads() {
        let (x, y) = data();
        let arrays = Arrays::new(x.view(), y.view()).unwrap();
        let augmented = Augmented::new(&arrays, "flip,rotate=20,hue=0.2,erase:p=1".parse().unwrap()).unwrap();
        let len = 12 * 9 * 3;
        let whole = fill(&augmented, TRAINING, &[0, 1, 2, 3, 4, 5, 6, 7]);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        let alone = pool.install(|| fill(&augmented, TRAINING, &[5, 2]));
        assert_eq!(alone.inputs[0][..len], whole.inputs[0][5 * len..][..len]);
        assert_eq!(alone.inputs[0][len..2 * len], whole.inputs[0][2 * len..][..len]);
        assert!(whole.inputs[0].iter().all(|value| (0.0..=1.0).contains(value)));
        for other in [Visit { epoch: 2, ..TRAINING }, Visit { seed: 4, ..TRAINING }] {
            assert_ne!(fill(&augmented, other, &[5]).inputs[0][..], whole.inputs[0][5 * len..][..len]);
        }
        // Otherwise samples are as they are, also for evaluation with another range of values.
        let plain = fill(&arrays, Visit::default(), &[5, 2]);
        let rest = fill(&augmented, Visit { training: false, ..TRAINING }, &[5, 2]);
        assert_eq!(
            (&rest.inputs[0][..], &rest.targets[0][..]),
            (&plain.inputs[0][..], &plain.targets[0][..])
        );
    }

    #[test]
    fn values_have_the_range_that_is_said() {
        let (x, y) = data();
        let bytes = x.mapv(|value| value * 255.0);
        let of = |x: &Array4<f32>, white| {
            let arrays = Arrays::new(x.view(), y.view()).unwrap();
            let pipeline = "solarize=100:p=1,contrast=0.5".parse().unwrap();
            fill(&Augmented::new(&arrays, pipeline).unwrap().white(white), TRAINING, &[1]).inputs[0].to_vec()
        };
        let (unit, bytes) = (of(&x, 1.0), of(&bytes, 255.0));
        assert!(unit.iter().zip(&bytes).all(|(unit, byte)| (unit * 255.0 - byte).abs() < 1e-2));
    }

    #[test]
    fn crops_change_the_size_in_training_and_otherwise() {
        let (x, y) = data();
        let arrays = Arrays::new(x.view(), y.view()).unwrap();
        let augmented = Augmented::new(&arrays, "crop=6x5".parse().unwrap()).unwrap();
        assert_eq!(augmented.input_dims(), [[6, 5, 3]]);
        for training in [true, false] {
            assert_eq!(
                fill(&augmented, Visit { training, ..TRAINING }, &[1, 2]).inputs[0].len(),
                2 * 6 * 5 * 3
            );
        }
        let flat = x.to_shape((COUNT, 12 * 9 * 3)).unwrap();
        let flat = Arrays::new(flat.view(), y.view()).unwrap();
        assert!(Augmented::new(&flat, Pipeline::default()).err().unwrap().to_string().contains("pictures"));
    }

    #[test]
    fn mixed_targets_are_rows_that_sum_to_one() {
        let (x, y) = data();
        let arrays = Arrays::new(x.view(), y.view()).unwrap();
        let mixes = vec![Mix::MixUp { alpha: 1.0 }, Mix::CutMix { alpha: 1.0 }];
        let mixed = Mixed::new(&arrays, mixes.clone(), 4).unwrap();
        let batch = fill(&mixed, TRAINING, &[0, 1, 2, 3, 4]);
        assert!(batch.targets[0].chunks(4).all(|row| (row.iter().sum::<f32>() - 1.0).abs() < 1e-5));
        assert!(batch.targets[0].iter().any(|&share| share > 0.0 && share < 1.0));
        let plain = fill(&mixed, Visit::default(), &[0, 1, 2, 3, 4]);
        assert!(plain.targets[0].iter().all(|&share| share == 0.0 || share == 1.0));
        // Rows are mixed as they are.
        let rows = Array4::<f32>::zeros((COUNT, 1, 1, 4)).into_shape_with_order((COUNT, 4)).unwrap();
        let arrays = Arrays::new(x.view(), rows.view()).unwrap();
        assert!(Mixed::new(&arrays, mixes.clone(), 4).is_ok());
        assert!(Mixed::new(&arrays, mixes, 5).is_err());
    }

    #[test]
    fn standardised_samples_have_mean_0_and_deviation_1() {
        let (x, y) = data();
        let arrays = Arrays::new(x.view(), y.view()).unwrap();
        let fitted = Standardize::fit_samples(&arrays).unwrap();
        assert_eq!(fitted, Standardize::fit([x.as_slice().unwrap()], 3).unwrap());
        let all: Vec<usize> = (0..COUNT).collect();
        let batch = fill(&Standardized::new(&arrays, fitted).unwrap(), TRAINING, &all);
        for channel in 0..3 {
            let values = || batch.inputs[0].iter().skip(channel).step_by(3).map(|&value| f64::from(value));
            let count = values().count() as f64;
            let mean = values().sum::<f64>() / count;
            let variance = values().map(|value| value * value).sum::<f64>() / count - mean * mean;
            assert!(mean.abs() < 1e-5 && (variance - 1.0).abs() < 1e-4, "{mean} {variance}");
        }
        let wrong = Standardize { means: vec![0.0; 2], ..Standardize::default() };
        assert!(Standardized::new(&arrays, wrong).is_err());
        assert!(Standardize::fit([], 3).is_err() && Standardize::fit([&[0.0; 4][..]], 3).is_err());
    }
}
