//! Samples in arrays that are owned: what HDF5, `.npz` and `.npy` files hold.

use convnet_nn::Samples;
use convnet_nn::train::{Batch, Visit};
use ndarray::ArrayD;

use crate::{DataError, Dataset, ImageShape, Labelled, Result, SampleSet, Split};

/// An array whose first axis counts samples.
#[derive(Clone, Debug)]
enum Values {
    /// Pixels of 0 … 255, handed out as 0 … 1.
    Pixels(Vec<u8>),
    Floats(Vec<f32>),
}

impl Values {
    fn write(&self, indices: &[usize], each: usize, to: &mut [f32]) {
        for (row, &index) in to.chunks_exact_mut(each.max(1)).zip(indices) {
            match self {
                Self::Floats(values) => row.copy_from_slice(&values[index * each..][..each]),
                Self::Pixels(bytes) => {
                    let bytes = &bytes[index * each..][..each];
                    row.iter_mut().zip(bytes).for_each(|(value, &byte)| *value = crate::dataset::scale(byte));
                }
            }
        }
    }
}

/// Samples in memory.
///
/// Inputs of at least two axes that hold nothing but whole numbers of 0 … 255, and one above 1, are pictures: they are kept as bytes and handed out as 0 … 1, with an axis of
/// one channel added where there is none. Targets that are whole numbers from 0 on, one a sample, are class numbers.
#[derive(Clone, Debug)]
pub struct ArraySamples {
    inputs: Values,
    input_dims: Vec<usize>,
    targets: Vec<f32>,
    target_dims: Vec<usize>,
    labels: Option<Vec<u32>>,
    classes: Option<usize>,
}

impl ArraySamples {
    /// Samples `x` (count, …) with targets `y`: (count), (count, 1), or (1, count) for one number each, (count, …) for more.
    ///
    /// # Errors
    /// [`DataError::Shape`] when they are not of one number, or there are none.
    pub fn new(x: ArrayD<f32>, y: ArrayD<f32>) -> Result<Self> {
        let count = x.shape().first().copied().unwrap_or(0);
        let wrong = |expected: String| DataError::Shape {
            what: "arrays of samples and targets",
            expected,
            received: format!("{:?} and {:?}", x.shape(), y.shape()),
        };
        if count == 0 || x.is_empty() {
            return Err(wrong("at least one sample".into()));
        }
        let mut input_dims = x.shape()[1..].to_vec();
        let mut target_dims = match *y.shape() {
            [1, columns] if columns == count => Vec::new(),
            [rows, 1] if rows == count => vec![1],
            [rows, ref rest @ ..] if rows == count => rest.to_vec(),
            _ => return Err(wrong("one first size, the number of samples".into())),
        };
        let x: Vec<f32> = x.as_standard_layout().iter().copied().collect();
        let targets: Vec<f32> = y.as_standard_layout().iter().copied().collect();
        let byte = |value: f32| value.fract() == 0.0 && (0.0..=255.0).contains(&value);
        let pictures =
            input_dims.len() >= 2 && x.iter().all(|&value| byte(value)) && x.iter().any(|&value| value > 1.0);
        let inputs = if pictures {
            if input_dims.len() == 2 {
                input_dims.push(1);
            }
            Values::Pixels(x.iter().map(|&value| value as u8).collect())
        } else {
            Values::Floats(x)
        };
        let one_each = target_dims.iter().product::<usize>() == 1;
        let number = |value: &f32| value.fract() == 0.0 && (0.0..16_777_216.0).contains(value);
        let labels = (one_each && targets.iter().all(number))
            .then(|| targets.iter().map(|&value| value as u32).collect());
        if labels.is_some() {
            target_dims.clear();
        }
        let classes = labels
            .as_ref()
            .and_then(|labels: &Vec<u32>| labels.iter().max().map(|&label| label as usize + 1));
        Ok(Self { inputs, input_dims, targets, target_dims, labels, classes })
    }

    /// With at least so many classes: those of a test set may not all occur.
    pub fn at_least_classes(self, classes: usize) -> Self {
        Self { classes: self.classes.map(|known| known.max(classes)), ..self }
    }

    /// Number of classes, if targets are class numbers.
    pub fn class_count(&self) -> Option<usize> {
        self.classes
    }
}

impl Samples for ArraySamples {
    fn len(&self) -> usize {
        self.targets.len() / self.target_dims.iter().product::<usize>().max(1)
    }

    fn input_dims(&self) -> Vec<Vec<usize>> {
        vec![self.input_dims.clone()]
    }

    fn target_dims(&self) -> Vec<Vec<usize>> {
        vec![self.target_dims.clone()]
    }

    fn classes(&self) -> Option<usize> {
        self.classes
    }

    fn fill(&self, _: Visit, indices: &[usize], batch: &mut Batch) -> convnet_nn::Result<()> {
        self.inputs.write(indices, self.input_dims.iter().product(), &mut batch.inputs[0]);
        let each = self.target_dims.iter().product::<usize>();
        for (row, &index) in batch.targets[0].chunks_exact_mut(each.max(1)).zip(indices) {
            row.copy_from_slice(&self.targets[index * each..][..each]);
        }
        Ok(())
    }
}

impl Labelled for ArraySamples {
    fn labels(&self) -> Option<Vec<u32>> {
        self.labels.clone()
    }

    fn white(&self) -> Option<f32> {
        matches!(self.inputs, Values::Pixels(_)).then_some(1.0)
    }
}

impl Labelled for Split {
    fn labels(&self) -> Option<Vec<u32>> {
        Some(Split::labels(self).to_vec())
    }

    fn white(&self) -> Option<f32> {
        Some(1.0)
    }
}

impl From<Split> for SampleSet {
    fn from(split: Split) -> Self {
        SampleSet::new(split)
    }
}

impl Dataset {
    /// Shape of the images.
    pub fn shape(&self) -> ImageShape {
        self.train.shape()
    }
}
