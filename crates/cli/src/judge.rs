//! How a classifier does on labelled samples, class by class and sample by sample.

use std::fmt;

use anyhow::{Result, bail};
use convnet::nn::train::{Batch, Visit};
use convnet::prelude::*;
use convnet::vision::charts::Roc;
use ndarray::{ArrayViewD, IxDyn};
use serde::Serialize;

use crate::format::thousands;

/// Samples that are predicted together.
const TOGETHER: usize = 64;

/// Probabilities that are kept for curves at most.
const MAX_PROBABILITIES: usize = 1 << 24;

/// What a model made of one sample.
#[derive(Clone, Copy, Debug)]
pub struct Verdict {
    /// The sample's number.
    pub sample: usize,
    /// Its class.
    pub truth: usize,
    /// The class that it was taken for.
    pub taken: usize,
    /// With what probability.
    pub probability: f32,
    /// The probability that the true class was given.
    pub of_truth: f32,
}

/// What a model made of all samples.
#[derive(Clone, Debug)]
pub struct Judgement {
    /// Names of the classes.
    pub classes: Vec<String>,
    /// A row a true class, a column a predicted one.
    pub counts: Vec<Vec<u64>>,
    /// Sample by sample.
    pub verdicts: Vec<Verdict>,
    /// Probabilities of all classes, sample by sample; empty if they are too many.
    probabilities: Vec<f32>,
}

/// Figures of a class.
#[derive(Clone, Debug, Serialize)]
pub struct ClassRow {
    /// Its name.
    pub class: String,
    /// Of those taken for it, the share that is of it.
    pub precision: f64,
    /// Of those of it, the share that was taken for it.
    pub recall: f64,
    /// The harmonic mean of both.
    pub f1: f64,
    /// How many samples there are of it.
    pub samples: u64,
}

impl Judgement {
    /// Lets the model predict all samples, whose targets are class numbers in any form.
    ///
    /// # Errors
    /// If the model is no classifier, or a sample cannot be read.
    pub fn new(model: &Model, samples: &dyn Samples, names: &[String], logits: bool) -> Result<Self> {
        let [output] = &model.output_shapes()[..] else {
            bail!("the model has several outputs, so it has no classes to report on")
        };
        let &[outputs] = &output.dims[..] else {
            bail!("the model gives {output} for a sample, not a row of classes")
        };
        let classes = outputs.max(2);
        let classes: Vec<String> = match names.len() == classes {
            true => names.to_vec(),
            false => (0..classes).map(|class| class.to_string()).collect(),
        };
        let mut judged = Self {
            counts: vec![vec![0; classes.len()]; classes.len()],
            verdicts: Vec::with_capacity(samples.len()),
            probabilities: Vec::new(),
            classes,
        };
        let dims = samples.input_dims();
        let targets = samples.target_dims().first().map_or(1, |dims| dims.iter().product::<usize>().max(1));
        let keep = samples.len() * judged.classes.len() <= MAX_PROBABILITIES;
        for start in (0..samples.len()).step_by(TOGETHER) {
            let indices: Vec<usize> = (start..samples.len().min(start + TOGETHER)).collect();
            let mut batch = Batch::new(samples, indices.len());
            samples.fill(Visit::default(), &indices, &mut batch)?;
            let views = (batch.inputs.iter().zip(&dims)).map(|(slab, dims)| {
                let shape: Vec<usize> = std::iter::once(indices.len()).chain(dims.iter().copied()).collect();
                ArrayViewD::from_shape(IxDyn(&shape), slab)
            });
            let scores = model.predict_all(&views.collect::<Result<Vec<_>, _>>()?)?;
            for (at, (row, &sample)) in scores[0].outer_iter().zip(&indices).enumerate() {
                let row: Vec<f32> = row.iter().copied().collect();
                let truth = class_of(&batch.targets[0][at * targets..(at + 1) * targets]);
                judged.add(sample, truth, &probabilities(row, logits), keep)?;
            }
        }
        Ok(judged)
    }

    /// As [`Judgement::new`], for a compiled model whose loss tells whether it gives scores or probabilities.
    ///
    /// # Errors
    /// As [`Judgement::new`].
    pub fn of(model: &Model, samples: &dyn Samples, names: &[String]) -> Result<Self> {
        let loss = model.compiled().and_then(|compiled| compiled.loss()).map(|loss| loss.config());
        let logits = loss.is_some_and(|loss| loss.get("from_logits").is_some_and(|value| value == true));
        Self::new(model, samples, names, logits)
    }

    fn add(&mut self, sample: usize, truth: usize, probabilities: &[f32], keep: bool) -> Result<()> {
        let best =
            |best: usize, class: usize| if probabilities[class] > probabilities[best] { class } else { best };
        let taken = (0..probabilities.len()).fold(0, best);
        let Some(row) = self.counts.get_mut(truth) else {
            bail!("sample {sample} is of class {truth}, but the model knows {} classes", self.classes.len());
        };
        row[taken] += 1;
        let (probability, of_truth) = (probabilities[taken], probabilities[truth]);
        self.verdicts.push(Verdict { sample, truth, taken, probability, of_truth });
        if keep {
            self.probabilities.extend(probabilities);
        }
        Ok(())
    }

    /// Share of right predictions.
    pub fn accuracy(&self) -> f64 {
        let right = self.verdicts.iter().filter(|verdict| verdict.truth == verdict.taken).count();
        right as f64 / self.verdicts.len().max(1) as f64
    }

    /// A row a class.
    pub fn rows(&self) -> Vec<ClassRow> {
        let share = |part: u64, whole: u64| if whole == 0 { 0.0 } else { part as f64 / whole as f64 };
        let row = |(class, name): (usize, &String)| {
            let right = self.counts[class][class];
            let taken = self.counts.iter().map(|row| row[class]).sum();
            let samples = self.counts[class].iter().sum();
            let (precision, recall) = (share(right, taken), share(right, samples));
            let sum = precision + recall;
            let f1 = if sum > 0.0 { 2.0 * precision * recall / sum } else { 0.0 };
            ClassRow { class: name.clone(), precision, recall, f1, samples }
        };
        self.classes.iter().enumerate().map(row).collect()
    }

    /// The mistakes, those first of which the model was surest.
    pub fn mistakes(&self) -> Vec<Verdict> {
        let mut wrong: Vec<Verdict> =
            self.verdicts.iter().filter(|verdict| verdict.truth != verdict.taken).copied().collect();
        wrong.sort_by(|a, b| b.probability.total_cmp(&a.probability).then(a.sample.cmp(&b.sample)));
        wrong
    }

    /// The receiver operating characteristic of each class that has samples; of two classes that of the second.
    pub fn curves(&self) -> Vec<(String, Roc)> {
        let classes = self.classes.len();
        if self.probabilities.is_empty() {
            return Vec::new();
        }
        let first = if classes == 2 { 1 } else { 0 };
        let curve = |class: usize| {
            let rows = self.verdicts.iter().zip(self.probabilities.chunks_exact(classes));
            let scored: Vec<(f32, bool)> =
                rows.map(|(verdict, row)| (row[class], verdict.truth == class)).collect();
            Some((self.classes[class].clone(), Roc::new(&scored)?))
        };
        (first..classes).filter_map(curve).collect()
    }
}

/// The class that a target stands for: a number, or the largest of a row.
fn class_of(target: &[f32]) -> usize {
    match target {
        [number] => *number as usize,
        row => (0..row.len()).fold(0, |best, class| if row[class] > row[best] { class } else { best }),
    }
}

/// A model's output as probabilities of all classes.
pub fn probabilities(mut scores: Vec<f32>, logits: bool) -> Vec<f32> {
    if let [score] = scores[..] {
        let probability = if logits { 1.0 / (1.0 + (-score).exp()) } else { score };
        return vec![1.0 - probability, probability];
    }
    if logits {
        let highest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        scores.iter_mut().for_each(|score| *score = (*score - highest).exp());
        let sum: f32 = scores.iter().sum();
        scores.iter_mut().for_each(|score| *score /= sum);
    }
    scores
}

/// Classes whose confusion matrix still fits a terminal.
const MATRIX_CLASSES: usize = 20;

impl fmt::Display for Judgement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows = self.rows();
        let width = rows.iter().map(|row| row.class.chars().count()).max().unwrap_or(0).max(7);
        writeln!(f, "{:<width$}  precision  recall     f1   samples", "class")?;
        for row in &rows {
            let samples = thousands(row.samples);
            writeln!(
                f,
                "{:<width$}     {:.4}  {:.4}  {:.4} {samples:>8}",
                row.class, row.precision, row.recall, row.f1
            )?;
        }
        let all: u64 = rows.iter().map(|row| row.samples).sum();
        let known: Vec<&ClassRow> = rows.iter().filter(|row| row.samples > 0).collect();
        let mean = |figure: fn(&ClassRow) -> f64| {
            known.iter().map(|row| figure(row)).sum::<f64>() / known.len().max(1) as f64
        };
        let means = (mean(|row| row.precision), mean(|row| row.recall), mean(|row| row.f1));
        write!(
            f,
            "{:<width$}     {:.4}  {:.4}  {:.4} {:>8}",
            "mean",
            means.0,
            means.1,
            means.2,
            thousands(all)
        )?;
        if self.classes.len() > MATRIX_CLASSES {
            return write!(
                f,
                "\n\nThe confusion matrix of {} classes is too wide to print; `--json` has it.",
                self.classes.len()
            );
        }
        let largest = self.counts.iter().flatten().max().copied().unwrap_or(0);
        let cell = thousands(largest).len().max(3) + 2;
        write!(f, "\n\nTrue classes in rows, predictions in columns:\n{:width$}", "")?;
        for column in 0..self.classes.len() {
            write!(f, "{:>cell$}", letter(column))?;
        }
        for (row, (name, counts)) in self.classes.iter().zip(&self.counts).enumerate() {
            write!(f, "\n{name:<width$}")?;
            for &count in counts {
                let text = if count == 0 { "·".to_owned() } else { thousands(count) };
                write!(f, "{text:>cell$}")?;
            }
            write!(f, "  {}", letter(row))?;
        }
        Ok(())
    }
}

/// A column's name: a, b, …
fn letter(column: usize) -> char {
    char::from(b'a' + column as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged() -> Judgement {
        let mut judged = Judgement {
            classes: vec!["cat".into(), "dog".into()],
            counts: vec![vec![0; 2]; 2],
            verdicts: Vec::new(),
            probabilities: Vec::new(),
        };
        for (sample, (truth, dog)) in [(0, 0.1), (0, 0.9), (0, 0.6), (1, 0.8)].into_iter().enumerate() {
            judged.add(sample, truth, &[1.0 - dog, dog], true).unwrap();
        }
        judged
    }

    #[test]
    fn figures_of_a_class_follow_from_its_row_and_column() {
        let judged = judged();
        assert_eq!(judged.counts, [[1, 2], [0, 1]]);
        let rows = judged.rows();
        assert_eq!((rows[0].precision, rows[0].recall, rows[0].samples), (1.0, 1.0 / 3.0, 3));
        assert_eq!((rows[1].precision, rows[1].recall), (1.0 / 3.0, 1.0));
        assert_eq!((rows[0].f1, judged.accuracy()), (0.5, 0.5));
    }

    #[test]
    fn the_surest_mistake_comes_first() {
        let mistakes = judged().mistakes();
        assert_eq!(mistakes.iter().map(|verdict| verdict.sample).collect::<Vec<_>>(), [1, 2]);
        assert!((mistakes[0].of_truth - 0.1).abs() < 1e-6);
    }

    #[test]
    fn the_table_and_the_matrix_can_be_read() {
        let text = judged().to_string();
        assert!(text.contains("cat         1.0000  0.3333  0.5000        3"), "{text}");
        assert!(text.ends_with("dog        ·    1  b"), "{text}");
    }

    #[test]
    fn one_output_and_scores_become_probabilities() {
        assert_eq!(probabilities(vec![0.25], false), [0.75, 0.25]);
        assert_eq!(probabilities(vec![0.0], true), [0.5, 0.5]);
        assert_eq!(probabilities(vec![3.0, 3.0], true), [0.5, 0.5]);
    }
}
