//! Numbers of words as samples.

use convnet_nn::Samples;
use convnet_nn::train::{Batch, Visit};

use super::pad::{Side, pad_into};
use crate::{DataError, Labelled, Result};

/// Sequences of word numbers with a class each: inputs `(length)`, filled up with 0 and cut when a batch asks for them.
///
/// In memory they take 4 bytes a word, however long the padded length is.
#[derive(Clone, Debug, PartialEq)]
pub struct TextSamples {
    words: Vec<u32>,
    /// Where each sequence ends in `words`.
    ends: Vec<usize>,
    labels: Vec<u32>,
    classes: usize,
    length: usize,
    padding: Side,
    truncating: Side,
}

impl TextSamples {
    /// These sequences, brought to `length`, at the front as Keras's `pad_sequences` does unless [`sides`](Self::sides) says otherwise.
    ///
    /// # Errors
    /// [`DataError::Shape`] when there are not as many labels, or none, or `length` is 0; [`DataError::Label`] when a label is not below `classes`.
    pub fn new<S: AsRef<[u32]>>(
        sequences: impl IntoIterator<Item = S>,
        labels: Vec<u32>,
        classes: usize,
        length: usize,
    ) -> Result<Self> {
        let (mut words, mut ends) = (Vec::new(), Vec::new());
        for sequence in sequences {
            words.extend_from_slice(sequence.as_ref());
            ends.push(words.len());
        }
        if ends.len() != labels.len() || labels.is_empty() || length == 0 {
            return Err(DataError::Shape {
                what: "texts",
                expected: format!(
                    "as many as labels, {}, at least one, and a length of at least 1",
                    labels.len()
                ),
                received: format!("{} texts, length {length}", ends.len()),
            });
        }
        if let Some((index, &label)) =
            labels.iter().enumerate().find(|&(_, &label)| label as usize >= classes)
        {
            return Err(DataError::Label { label, index, classes });
        }
        Ok(Self { words, ends, labels, classes, length, padding: Side::Pre, truncating: Side::Pre })
    }

    /// At which end sequences are filled up, and at which they are cut.
    pub fn sides(self, padding: Side, truncating: Side) -> Self {
        Self { padding, truncating, ..self }
    }

    /// The sequence of a sample as it was given.
    ///
    /// # Panics
    /// If there are not so many.
    pub fn sequence(&self, index: usize) -> &[u32] {
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.words[start..self.ends[index]]
    }
}

impl Samples for TextSamples {
    fn len(&self) -> usize {
        self.labels.len()
    }

    fn input_dims(&self) -> Vec<Vec<usize>> {
        vec![vec![self.length]]
    }

    fn target_dims(&self) -> Vec<Vec<usize>> {
        vec![Vec::new()]
    }

    fn classes(&self) -> Option<usize> {
        Some(self.classes)
    }

    fn fill(&self, _: Visit, indices: &[usize], batch: &mut Batch) -> convnet_nn::Result<()> {
        for (row, &index) in batch.inputs[0].chunks_exact_mut(self.length).zip(indices) {
            row.fill(0.0);
            pad_into(self.sequence(index), row, self.padding, self.truncating);
        }
        batch.targets[0]
            .iter_mut()
            .zip(indices)
            .for_each(|(target, &index)| *target = self.labels[index] as f32);
        Ok(())
    }
}

impl Labelled for TextSamples {
    fn labels(&self) -> Option<Vec<u32>> {
        Some(self.labels.clone())
    }
}
