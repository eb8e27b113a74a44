//! Picture files as samples: read, decoded and resized when a batch asks for them, side by side on rayon's threads.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use convnet_nn::Samples;
use convnet_nn::train::{Batch, Visit};
use rayon::prelude::*;

use super::names::Names;
use crate::images::{self, Change, Options};
use crate::{DataError, ImageShape, Labelled, Result};

/// What is done with a file that cannot be read or decoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnBroken {
    /// Filling a batch fails, with the file's name.
    #[default]
    Fail,
    /// The next readable file of the same class, in the samples' order and from the end on to the start, stands in for it. The file is
    /// named once to whoever listens, and in [`PictureFiles::broken`].
    Skip,
}

/// Told once of each broken file; may be called from any thread.
pub type OnReport = Arc<dyn Fn(&DataError) + Send + Sync>;

/// Told of each picture that is read, as often as it is, what was done to it; may be called from any thread.
pub type OnChange = Arc<dyn Fn(&[Change]) + Send + Sync>;

/// What pictures are brought to, and what is done with broken ones.
#[derive(Clone)]
pub(crate) struct Reading {
    pub(crate) shape: ImageShape,
    pub(crate) options: Options,
    pub(crate) white: f32,
    pub(crate) on_broken: OnBroken,
    pub(crate) report: Option<OnReport>,
    pub(crate) changes: Option<OnChange>,
}

/// Labelled picture files.
///
/// Inputs are `(height, width, channels)`, targets class numbers. Files are opened when a batch needs them; what stays in memory is
/// their names, so that a hundred thousand take a few megabytes.
#[derive(Clone)]
pub struct PictureFiles {
    names: Arc<Names>,
    /// The file of each sample.
    files: Vec<u32>,
    /// The class of each sample.
    labels: Vec<u32>,
    classes: usize,
    reading: Reading,
    /// What is wrong with files (by number) that were found to be broken.
    broken: Arc<RwLock<BTreeMap<u32, String>>>,
}

impl PictureFiles {
    pub(crate) fn new(
        names: Arc<Names>,
        files: Vec<u32>,
        labels: Vec<u32>,
        classes: usize,
        reading: Reading,
    ) -> Self {
        Self { names, files, labels, classes, reading, broken: Arc::default() }
    }

    /// The same files and the same memory of broken ones, but only the samples of this range.
    pub(crate) fn range(&self, range: std::ops::Range<usize>) -> Self {
        let (files, labels) = (self.files[range.clone()].to_vec(), self.labels[range].to_vec());
        Self { files, labels, ..self.clone() }
    }

    /// The class of each sample.
    pub fn labels(&self) -> &[u32] {
        &self.labels
    }

    /// Shape of a sample.
    pub fn shape(&self) -> ImageShape {
        self.reading.shape
    }

    /// The file of a sample.
    ///
    /// # Panics
    /// If there are not so many samples.
    pub fn path(&self, index: usize) -> PathBuf {
        self.names.path(self.files[index] as usize)
    }

    /// Files that were found to be broken so far, with what is wrong with each.
    pub fn broken(&self) -> Vec<(PathBuf, String)> {
        let broken = self.broken.read().unwrap_or_else(PoisonError::into_inner);
        broken.iter().map(|(&file, problem)| (self.names.path(file as usize), problem.clone())).collect()
    }

    /// Decodes every file once, on all threads, and drops the samples whose files are broken; tells how many. For data of which nothing is known,
    /// where a stand-in ([`OnBroken::Skip`]) is not wanted.
    pub fn drop_broken(&mut self) -> usize {
        let length = self.reading.shape.checked_len().unwrap_or(0);
        let bad: Vec<bool> = (0..self.files.len())
            .into_par_iter()
            .map_init(|| vec![0.0; length], |pixels, index| self.read(index, pixels).is_err())
            .collect();
        let kept = |values: &[u32]| {
            values.iter().zip(&bad).filter(|(_, bad)| !**bad).map(|(&value, _)| value).collect()
        };
        (self.files, self.labels) = (kept(&self.files), kept(&self.labels));
        bad.iter().filter(|bad| **bad).count()
    }

    /// One picture, without a stand-in.
    ///
    /// # Errors
    /// What is wrong with its file.
    pub(crate) fn read(&self, index: usize, pixels: &mut [f32]) -> Result<()> {
        let file = self.files[index];
        let path = self.names.path(file as usize);
        if let Some(problem) = self.broken.read().unwrap_or_else(PoisonError::into_inner).get(&file) {
            return Err(DataError::malformed(&path, problem.clone()));
        }
        let Reading { shape, options, white, .. } = self.reading;
        let bytes = images::read_file(&path);
        let read = bytes.and_then(|bytes| images::prepare_into(&bytes, &path, shape, options, white, pixels));
        let changes = read.inspect_err(|error| self.remember(file, error))?;
        if let Some(told) = &self.reading.changes {
            told(&changes);
        }
        Ok(())
    }

    /// Names a broken file once, and never opens it again where it may be skipped.
    fn remember(&self, file: u32, error: &DataError) {
        if self.reading.on_broken == OnBroken::Fail {
            return;
        }
        let mut broken = self.broken.write().unwrap_or_else(PoisonError::into_inner);
        let problem = match error {
            DataError::Malformed { problem, .. } => problem.clone(),
            error => error.to_string(),
        };
        if broken.insert(file, problem).is_none()
            && let Some(report) = &self.reading.report
        {
            report(error);
        }
    }

    /// The picture of a sample, or of the one that stands in for it.
    fn fill_one(&self, index: usize, pixels: &mut [f32]) -> Result<()> {
        let Err(error) = self.read(index, pixels) else { return Ok(()) };
        if self.reading.on_broken == OnBroken::Fail {
            return Err(error);
        }
        let (label, count) = (self.labels[index], self.files.len());
        let others = (index + 1..count).chain(0..index).filter(|&other| self.labels[other] == label);
        for other in others {
            if self.read(other, pixels).is_ok() {
                return Ok(());
            }
        }
        Err(DataError::malformed(
            &self.path(index),
            format!("broken, and so is every other file of its class: {error}"),
        ))
    }
}

impl Samples for PictureFiles {
    fn len(&self) -> usize {
        self.files.len()
    }

    fn input_dims(&self) -> Vec<Vec<usize>> {
        let ImageShape { height, width, channels } = self.reading.shape;
        vec![vec![height, width, channels]]
    }

    fn target_dims(&self) -> Vec<Vec<usize>> {
        vec![Vec::new()]
    }

    fn classes(&self) -> Option<usize> {
        Some(self.classes)
    }

    fn fill(&self, _: Visit, indices: &[usize], batch: &mut Batch) -> convnet_nn::Result<()> {
        let length = self.reading.shape.checked_len().unwrap_or(0).max(1);
        let slots = batch.inputs[0].par_chunks_exact_mut(length).zip(indices.par_iter());
        // All results, so that of several broken files it is always the first that is named.
        let results: Vec<Result<()>> =
            slots.with_max_len(1).map(|(pixels, &index)| self.fill_one(index, pixels)).collect();
        results.into_iter().collect::<Result<()>>()?;
        for (target, &index) in batch.targets[0].iter_mut().zip(indices) {
            *target = self.labels[index] as f32;
        }
        Ok(())
    }
}

impl Labelled for PictureFiles {
    fn labels(&self) -> Option<Vec<u32>> {
        Some(self.labels.clone())
    }

    fn origin(&self, index: usize) -> Option<String> {
        self.files.get(index).map(|_| self.path(index).display().to_string())
    }

    fn white(&self) -> Option<f32> {
        Some(self.reading.white)
    }
}

impl std::fmt::Debug for PictureFiles {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "PictureFiles({} files of {} classes, {})",
            self.files.len(),
            self.classes,
            self.reading.shape
        )
    }
}
