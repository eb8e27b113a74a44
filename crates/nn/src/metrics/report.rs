//! Precision, recall and F1 of each class, as a table.

use std::fmt;

use ndarray::Array2;
use serde::Serialize;

use super::ratio;

/// The figures of a class, or means over classes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct ClassFigures {
    /// Share of what was taken for the class that is of it.
    pub precision: f64,
    /// Share of the class that was taken for it.
    pub recall: f64,
    /// The harmonic mean of both.
    pub f1: f64,
    /// Samples of the class, by weight.
    pub support: f64,
}

/// A table of classes, as scikit-learn's `classification_report`. A share of nothing is 0.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClassReport {
    /// Class by class.
    pub classes: Vec<ClassFigures>,
    /// Share of samples that were taken for what they are.
    pub accuracy: f64,
    /// Means over classes.
    pub macro_average: ClassFigures,
    /// Means over classes by their support.
    pub weighted_average: ClassFigures,
    /// What the classes are called; empty if nobody said.
    pub names: Vec<String>,
}

impl ClassReport {
    /// From counts with true classes in rows and predicted ones in columns.
    pub fn new(counts: &Array2<f64>) -> Self {
        let classes: Vec<ClassFigures> = (0..counts.nrows())
            .map(|class| {
                let (hit, support) = (counts[(class, class)], counts.row(class).sum());
                let (precision, recall) = (ratio(hit, counts.column(class).sum()), ratio(hit, support));
                let f1 = ratio(2.0 * precision * recall, precision + recall);
                ClassFigures { precision, recall, f1, support }
            })
            .collect();
        let total: f64 = classes.iter().map(|class| class.support).sum();
        let mean = |weight: &dyn Fn(&ClassFigures) -> f64| {
            let sum = |read: fn(&ClassFigures) -> f64| -> f64 {
                classes.iter().map(|class| weight(class) * read(class)).sum()
            };
            ClassFigures {
                precision: sum(|class| class.precision),
                recall: sum(|class| class.recall),
                f1: sum(|class| class.f1),
                support: total,
            }
        };
        let count = classes.len().max(1) as f64;
        Self {
            accuracy: ratio(counts.diag().sum(), total),
            macro_average: mean(&|_| 1.0 / count),
            weighted_average: mean(&|class| ratio(class.support, total)),
            classes,
            names: Vec::new(),
        }
    }

    /// The same with what the classes are called.
    pub fn named(self, names: Vec<String>) -> Self {
        Self { names, ..self }
    }
}

impl fmt::Display for ClassReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |class: usize| self.names.get(class).cloned().unwrap_or_else(|| class.to_string());
        let width =
            (0..self.classes.len()).map(|class| name(class).chars().count()).max().unwrap_or(0).max(12);
        writeln!(f, "{:width$}  precision  recall      f1  support", "")?;
        let mut line = |name: &str, figures: &ClassFigures| {
            let ClassFigures { precision, recall, f1, support } = figures;
            writeln!(f, "{name:width$}  {precision:9.4}  {recall:6.4}  {f1:6.4}  {support:7}")
        };
        for (class, figures) in self.classes.iter().enumerate() {
            line(&name(class), figures)?;
        }
        line("macro mean", &self.macro_average)?;
        line("weighted mean", &self.weighted_average)?;
        write!(
            f,
            "{:width$}  {:9}  {:6}  {:6.4}  {:7}",
            "accuracy", "", "", self.accuracy, self.macro_average.support
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_those_counted_by_hand() {
        let report = ClassReport::new(&ndarray::arr2(&[[3.0, 1.0, 0.0], [0.0, 2.0, 2.0], [0.0, 0.0, 0.0]]));
        let [first, second, third] = report.classes[..] else { panic!("three classes") };
        assert_eq!((first.precision, first.recall, first.support), (1.0, 0.75, 4.0));
        assert!((first.f1 - 6.0 / 7.0).abs() < 1e-12 && (second.f1 - 4.0 / 7.0).abs() < 1e-12);
        assert_eq!((second.precision, second.recall), (2.0 / 3.0, 0.5));
        assert_eq!(third, ClassFigures::default());
        assert_eq!((report.accuracy, report.macro_average.support), (0.625, 8.0));
        assert!((report.macro_average.recall - 1.25 / 3.0).abs() < 1e-12);
        assert!((report.weighted_average.recall - 0.625).abs() < 1e-12);
        let text = report.named(vec!["cat".into(), "dog".into(), "cow".into()]).to_string();
        assert!(text.contains("cat") && text.lines().count() == 7, "{text}");
    }
}
