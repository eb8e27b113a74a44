//! The history of a training.

use super::{Chart, Line, Panel, panels};

/// The history of a training, a panel each for loss, metrics and learning rate. Columns have their names in the history: `loss`,
/// `val_loss`, `accuracy`, `val_accuracy`, `learning_rate`, …; those with `val_` are drawn over those without. Points are
/// (epoch, value).
pub fn curves(title: &str, columns: &[(String, Vec<(f64, f64)>)]) -> Chart {
    let finite = |points: &[(f64, f64)]| points.iter().any(|point| point.1.is_finite());
    let shown = || columns.iter().filter(|(_, points)| finite(points));
    let panel = |(name, points): &(String, Vec<(f64, f64)>)| {
        let mut lines = vec![Line { name: "training".into(), points: points.clone() }];
        let validated = shown().find(|(other, _)| other.strip_prefix("val_") == Some(name));
        lines.extend(validated.map(|(_, points)| Line { name: "validation".into(), points: points.clone() }));
        let log_y = name == "learning_rate" && spans_decades(points);
        Panel { title: name.replace('_', " "), x: "epoch".into(), lines, log_y, ..Panel::default() }
    };
    let drawn: Vec<Panel> = shown().filter(|(name, _)| !name.starts_with("val_")).map(panel).collect();
    panels(title, &drawn)
}

/// Whether the largest value is at least ten times the smallest, and all are above 0.
fn spans_decades(points: &[(f64, f64)]) -> bool {
    let smallest = points.iter().map(|point| point.1).fold(f64::INFINITY, f64::min);
    let largest = points.iter().map(|point| point.1).fold(0.0, f64::max);
    smallest > 0.0 && largest >= 10.0 * smallest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn validation_is_drawn_over_training_and_columns_without_numbers_are_not_drawn() {
        let column = |name: &str, value: fn(f64) -> f64| {
            let points = (1..=12).map(|epoch| (f64::from(epoch), value(f64::from(epoch))));
            (name.to_owned(), points.collect::<Vec<_>>())
        };
        let history = [
            column("loss", |epoch| 1.0 / epoch),
            column("val_loss", |epoch| 1.2 / epoch),
            column("accuracy", |epoch| 1.0 - 0.5 / epoch),
            column("val_accuracy", |_| f64::NAN),
            column("learning_rate", |epoch| 0.1_f64.powf(epoch / 4.0)),
        ];
        let svg = curves("a run", &history).to_svg();
        assert_eq!(svg.matches(">validation<").count(), 1, "only the loss has a curve of validation");
        for title in ["a run", "loss", "accuracy", "learning rate"] {
            assert!(svg.contains(&format!(">{title}<")), "{title}");
        }
        assert!(!svg.contains("val accuracy"));
    }
}
