//! Curves over axes.

use super::scene::{Anchor, Chart, Shape};
use super::{Colour, GREY, GRID, OTHERS, TRAINING, VALIDATION};

/// Width and height of a panel, in points.
const SIZE: (f64, f64) = (440.0, 300.0);

/// What stands around the axes: left, right, above, below.
const MARGIN: [f64; 4] = [66.0, 20.0, 34.0, 46.0];

/// Panels that stand beside each other.
const COLUMNS: usize = 2;

/// Height of the title above all panels.
const TITLE: f64 = 34.0;

/// Curves of so few points have their points marked; a single one would not be seen otherwise.
const MARKED: usize = 30;

/// A curve.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// What the legend says.
    pub name: String,
    /// Points from left to right; those that are not finite are left out.
    pub points: Vec<(f64, f64)>,
}

/// Curves over common axes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Panel {
    /// What stands above.
    pub title: String,
    /// What the horizontal axis counts.
    pub x: String,
    /// What the vertical axis measures.
    pub y: String,
    /// The curves.
    pub lines: Vec<Line>,
    /// Whether the horizontal axis has powers of ten.
    pub log_x: bool,
    /// Whether the vertical axis has powers of ten.
    pub log_y: bool,
    /// Places on the horizontal axis that are marked by an upright line with a name.
    pub marks: Vec<(f64, String)>,
}

/// Any curves, two panels a row.
pub fn panels(title: &str, panels: &[Panel]) -> Chart {
    let columns = COLUMNS.min(panels.len()).max(1);
    let rows = panels.len().div_ceil(columns).max(1);
    let above = if title.is_empty() { 0.0 } else { TITLE };
    let mut chart = Chart::new(columns as f64 * SIZE.0, rows as f64 * SIZE.1 + above);
    if !title.is_empty() {
        chart.text((chart.width / 2.0, TITLE / 2.0 + 2.0), title, 16.0, Anchor::Middle);
    }
    for (at, panel) in panels.iter().enumerate() {
        let corner = ((at % columns) as f64 * SIZE.0, (at / columns) as f64 * SIZE.1 + above);
        draw(&mut chart, panel, corner, SIZE);
    }
    chart
}

/// An axis: a range of values, and where it lies on the sheet.
struct Axis {
    log: bool,
    low: f64,
    high: f64,
    start: f64,
    end: f64,
    ticks: Vec<f64>,
}

impl Axis {
    /// For these values, with a little room at both ends.
    fn new(
        values: impl Iterator<Item = f64>,
        log: bool,
        (start, end): (f64, f64),
        room: f64,
        whole: bool,
    ) -> Self {
        let (mut low, mut high) =
            values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| (low.min(x), high.max(x)));
        if low > high {
            (low, high) = if log { (0.1, 1.0) } else { (0.0, 1.0) };
        }
        if log {
            (low, high) = (low.log10(), high.log10());
        }
        if high - low < 1e-9 * high.abs().max(1e-9) {
            let half = if log || high == 0.0 { 0.5 } else { high.abs() * 0.5 };
            (low, high) = (low - half, high + half);
        } else {
            let more = (high - low) * room;
            (low, high) = (low - more, high + more);
        }
        let ticks = if log { decades(low, high) } else { steps(low, high, whole) };
        Self { log, low, high, start, end, ticks }
    }

    /// Where a value lies on the sheet.
    fn place(&self, value: f64) -> f64 {
        let value = if self.log { value.log10() } else { value };
        self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)
    }
}

/// Powers of ten in a range of exponents; few of them have 2 and 5 times as much between.
fn decades(low: f64, high: f64) -> Vec<f64> {
    let exponents = low.floor() as i32..=high.ceil() as i32;
    let few = high - low < 2.0;
    let factors: &[f64] = if few { &[1.0, 2.0, 5.0] } else { &[1.0] };
    let every = (((high - low) / 7.0).ceil() as i32).max(1);
    let ticks = exponents.filter(|exponent| few || exponent % every == 0);
    let ticks = ticks.flat_map(|exponent| factors.iter().map(move |factor| factor * 10_f64.powi(exponent)));
    ticks.filter(|tick| (low..=high).contains(&tick.log10())).collect()
}

/// Four to eight round numbers in a range.
fn steps(low: f64, high: f64, whole: bool) -> Vec<f64> {
    let rough = (high - low) / 6.0;
    let power = 10_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|factor| factor * power)
        .find(|step| *step >= rough)
        .unwrap_or(rough);
    // Epochs are whole: an axis from 1 to 3 has no 1.5.
    let step = if whole { step.max(1.0).round() } else { step };
    let first = (low / step).ceil() as i64;
    (first..)
        .map(|count| count as f64 * step)
        .take_while(|tick| *tick <= high + step * 1e-9)
        .take(20)
        .collect()
}

/// A number on an axis.
fn written(value: f64, ticks: &[f64], log: bool) -> String {
    let size = ticks.iter().fold(0.0_f64, |size, tick| size.max(tick.abs()));
    if value != 0.0 && (log && !(1e-3..1e4).contains(&value) || !(1e-4..1e6).contains(&size)) {
        return format!("{value:e}");
    }
    let step = ticks.windows(2).map(|pair| pair[1] - pair[0]).fold(f64::INFINITY, f64::min);
    let step = if log || !step.is_finite() { value.abs().max(1e-9) } else { step };
    let decimals = (-(step * 1.000_001).log10().floor()).clamp(0.0, 8.0) as usize;
    format!("{value:.decimals$}")
}

/// The colour of a curve by its name or place.
fn colour(line: &Line, at: usize) -> Colour {
    match &*line.name {
        "training" => TRAINING,
        "validation" => VALIDATION,
        _ => OTHERS[at % OTHERS.len()],
    }
}

/// Draws a panel with its upper left corner at a place.
pub(super) fn draw(chart: &mut Chart, panel: &Panel, (left, top): (f64, f64), (width, height): (f64, f64)) {
    let shown: Vec<Vec<(f64, f64)>> = panel.lines.iter().map(|line| visible(panel, line)).collect();
    let all = || shown.iter().flatten();
    let whole = !panel.log_x && all().all(|point| point.0.fract() == 0.0);
    // A legend of one line says no more than the title.
    let legend = if panel.lines.len() > 1 { 18.0 } else { 0.0 };
    let (start, end) = (left + MARGIN[0], left + width - MARGIN[1]);
    let (ceiling, floor) = (top + MARGIN[2] + legend, top + height - MARGIN[3]);
    let x = Axis::new(all().map(|point| point.0), panel.log_x, (start, end), 0.02, whole);
    let y = Axis::new(all().map(|point| point.1), panel.log_y, (floor, ceiling), 0.06, false);
    for &tick in &x.ticks {
        let at = x.place(tick);
        chart.line(vec![(at, ceiling), (at, floor)], GRID, 1.0);
        chart.text((at, floor + 13.0), written(tick, &x.ticks, x.log), 11.0, Anchor::Middle);
    }
    for &tick in &y.ticks {
        let at = y.place(tick);
        chart.line(vec![(start, at), (end, at)], GRID, 1.0);
        chart.text((start - 7.0, at), written(tick, &y.ticks, y.log), 11.0, Anchor::End);
    }
    chart.line(vec![(start, ceiling), (start, floor), (end, floor)], GREY, 1.2);
    chart.text(((start + end) / 2.0, top + 16.0), panel.title.clone(), 14.0, Anchor::Middle);
    chart.text(((start + end) / 2.0, floor + 32.0), panel.x.clone(), 12.0, Anchor::Middle);
    if !panel.y.is_empty() {
        chart.upright_text((left + 14.0, (ceiling + floor) / 2.0), panel.y.clone(), 12.0, Anchor::Middle);
    }
    for (at, name) in &panel.marks {
        let at = x.place(*at);
        if (start..=end).contains(&at) {
            let points = vec![(at, ceiling), (at, floor)];
            chart.shapes.push(Shape::Line { points, colour: VALIDATION, width: 1.4, dashed: true });
            chart.text((at + 5.0, ceiling + 9.0), name.clone(), 11.0, Anchor::Start);
        }
    }
    for (at, (line, points)) in panel.lines.iter().zip(&shown).enumerate() {
        let colour = colour(line, at);
        let places: Vec<(f64, f64)> =
            points.iter().map(|point| (x.place(point.0), y.place(point.1))).collect();
        if places.len() <= MARKED {
            places.iter().for_each(|&place| chart.shapes.push(Shape::Dot { place, radius: 2.6, colour }));
        }
        chart.line(places, colour, 1.8);
    }
    if legend > 0.0 {
        draw_legend(chart, panel, start, top + MARGIN[2] + 4.0, end - start);
    }
}

/// The points of a curve that can be drawn.
fn visible(panel: &Panel, line: &Line) -> Vec<(f64, f64)> {
    let fits = |value: f64, log: bool| value.is_finite() && (!log || value > 0.0);
    line.points
        .iter()
        .copied()
        .filter(|point| fits(point.0, panel.log_x) && fits(point.1, panel.log_y))
        .collect()
}

/// Names of the curves in a row.
fn draw_legend(chart: &mut Chart, panel: &Panel, left: f64, y: f64, width: f64) {
    let each = (width / panel.lines.len() as f64).min(120.0);
    for (at, line) in panel.lines.iter().enumerate() {
        let x = left + at as f64 * each;
        chart.line(vec![(x, y), (x + 16.0, y)], colour(line, at), 2.4);
        chart.text((x + 22.0, y), line.name.clone(), 11.0, Anchor::Start);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_few() {
        assert_eq!(steps(0.0, 1.0, false), [0.0, 0.2, 0.4, 0.6000000000000001, 0.8, 1.0]);
        assert_eq!(steps(0.9, 3.1, true), [1.0, 2.0, 3.0]);
        assert_eq!(decades(-6.2, -0.9), [1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1]);
        for (low, high) in [(0.0, 1e-7), (-3.0, 1e9), (0.91, 0.93), (5.0, 5.0001)] {
            assert!((3..=20).contains(&steps(low, high, false).len()), "{low} {high}");
        }
        let ticks = steps(0.9, 0.95, false);
        assert_eq!(ticks.iter().map(|tick| written(*tick, &ticks, false)).next().unwrap(), "0.90");
        assert_eq!([written(1e-5, &[1e-5, 1.0], true), written(0.1, &[1e-5, 0.1], true)], ["1e-5", "0.1"]);
    }

    #[test]
    fn nothing_and_a_single_point_are_drawn() {
        let line = |points: &[(f64, f64)]| Line { name: "training".into(), points: points.to_vec() };
        for points in [&[][..], &[(1.0, 0.5)], &[(1.0, f64::NAN)], &[(1.0, 0.0), (2.0, 0.0)]] {
            let svg = panels("", &[Panel { lines: vec![line(points)], ..Panel::default() }]).to_svg();
            assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        }
    }
}
