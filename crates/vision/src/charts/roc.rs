//! The receiver operating characteristic.

use super::panel::draw;
use super::scene::{Anchor, Chart, Shape};
use super::{GREY, Line, OTHERS, Panel};

/// The receiver operating characteristic of a score: what share of the others one takes for the class when one finds a given share
/// of the class.
#[derive(Clone, Debug, PartialEq)]
pub struct Roc {
    /// (share of the others that are taken for the class, share of the class that is found), from (0, 0) to (1, 1).
    pub points: Vec<(f64, f64)>,
    /// Area under the curve: the probability that one of the class scores higher than one of the others, equal scores counting half.
    pub area: f64,
}

impl Roc {
    /// Of scores, and whether each is of the class. `None` if none or all of them are.
    pub fn new(scored: &[(f32, bool)]) -> Option<Self> {
        let positives = scored.iter().filter(|(_, of_class)| *of_class).count() as f64;
        let negatives = scored.len() as f64 - positives;
        if positives == 0.0 || negatives == 0.0 {
            return None;
        }
        let mut sorted = scored.to_vec();
        sorted.sort_by(|a, b| b.0.total_cmp(&a.0));
        let (mut found, mut taken) = (0.0, 0.0);
        let (mut points, mut area) = (vec![(0.0, 0.0)], 0.0);
        // Equal scores pass the threshold together, which makes a slanted piece.
        for same in sorted.chunk_by(|a, b| a.0 == b.0) {
            let of_class = same.iter().filter(|(_, of_class)| *of_class).count() as f64;
            let others = same.len() as f64 - of_class;
            area += others * (found + of_class / 2.0);
            found += of_class;
            taken += others;
            points.push((taken / negatives, found / positives));
        }
        Some(Self { points, area: area / (positives * negatives) })
    }
}

/// Points that a curve is drawn with at most; more are not told apart.
const DRAWN: usize = 400;

/// Width and height of the axes with what stands around them.
const SIZE: (f64, f64) = (440.0, 420.0);

/// Curves by name, with their areas in the legend.
pub fn roc(title: &str, curves: &[(String, Roc)]) -> Chart {
    let height = SIZE.1.max(70.0 + 18.0 * curves.len() as f64);
    let mut chart = Chart::new(SIZE.0 + 210.0, height);
    let axes = Panel {
        title: title.to_owned(),
        x: "others taken for the class".into(),
        y: "found of the class".into(),
        ..Panel::default()
    };
    // Drawn over each other, one panel a curve, so that all have the axes of the square.
    let corners = Line { name: String::new(), points: vec![(0.0, 0.0), (1.0, 1.0)] };
    draw(&mut chart, &Panel { lines: vec![corners], ..axes }, (0.0, 0.0), SIZE);
    let Some(place) = diagonal(&mut chart) else { return chart };
    for (at, (name, roc)) in curves.iter().enumerate() {
        let every = roc.points.len().div_ceil(DRAWN).max(1);
        let points = roc.points.iter().step_by(every).chain(roc.points.last());
        let colour = OTHERS[at % OTHERS.len()];
        // When all colours have been used they come again, in dashes.
        let line = if (at / OTHERS.len()).is_multiple_of(2) { Chart::line } else { Chart::dashed_line };
        line(&mut chart, points.map(|&point| place(point)).collect(), colour, 1.8);
        let y = 44.0 + 18.0 * at as f64;
        line(&mut chart, vec![(SIZE.0 + 4.0, y), (SIZE.0 + 22.0, y)], colour, 2.4);
        let name: String = name.chars().take(18).collect();
        chart.text((SIZE.0 + 28.0, y), format!("{name} {:.3}", roc.area), 11.0, Anchor::Start);
    }
    chart
}

/// Makes the line between the corners the dashed one of mere chance, and gives the way from shares to places.
fn diagonal(chart: &mut Chart) -> Option<impl Fn((f64, f64)) -> (f64, f64) + use<>> {
    chart.shapes.retain(|shape| !matches!(shape, Shape::Dot { .. }));
    let Some(Shape::Line { points, colour, width, dashed }) = chart.shapes.last_mut() else { return None };
    (*colour, *width, *dashed) = (GREY, 1.2, true);
    let &mut [from, to] = &mut points[..] else { return None };
    Some(move |(x, y): (f64, f64)| (from.0 + x * (to.0 - from.0), from.1 + y * (to.1 - from.1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_area_is_the_share_of_pairs_in_right_order() {
        let scored = [(0.9, true), (0.8, false), (0.7, true), (0.7, false), (0.2, false), (0.1, true)];
        // Pairs (class, other): .9 beats 3 of 3; .7 beats .2, half of .7; .1 beats none.
        let roc = Roc::new(&scored).unwrap();
        assert!((roc.area - (3.0 + 1.5) / 9.0).abs() < 1e-12, "{}", roc.area);
        assert_eq!((roc.points[0], roc.points.last()), ((0.0, 0.0), Some(&(1.0, 1.0))));
        let steps = roc.points.windows(2).map(|pair| (pair[1].0 - pair[0].0) * (pair[1].1 + pair[0].1) / 2.0);
        assert!((steps.sum::<f64>() - roc.area).abs() < 1e-12, "the area is that under the points");
    }

    #[test]
    fn one_class_alone_has_no_curve() {
        assert_eq!(Roc::new(&[(0.1, true), (0.2, true)]), None);
        assert_eq!(Roc::new(&[]), None);
    }

    #[test]
    fn a_dozen_curves_are_told_apart() {
        let curve = Roc::new(&[(0.9, true), (0.1, false)]).unwrap();
        let curves: Vec<_> = (0..12).map(|class| (class.to_string(), curve.clone())).collect();
        let chart = roc("ROC", &curves);
        let looks = chart.shapes.iter().filter_map(|shape| match shape {
            Shape::Line { colour, width: 2.4, dashed, .. } => Some((*colour, *dashed)),
            _ => None,
        });
        let mut looks: Vec<_> = looks.collect();
        assert_eq!(looks.len(), 12);
        looks.sort_unstable();
        looks.dedup();
        assert_eq!(looks.len(), 12);
    }

    #[test]
    fn legends_have_names_and_areas() {
        let curve = Roc::new(&[(0.9, true), (0.1, false)]).unwrap();
        let svg = roc("ROC", &[("cat".into(), curve)]).to_svg();
        assert!(svg.contains("cat 1.000"), "{svg}");
    }
}
