//! A chart as a picture.

use ndarray::Array3;

use super::scene::{Anchor, Chart, Shape};
use crate::draw::{Canvas, line_height, text_width};

/// Pixels of a point.
const SCALE: f64 = 2.0;

/// Height of letters from the lowest to the highest, as a part of the size that SVG means.
const LETTERS: f64 = 1.164;

/// Length of a dash and of the gap behind it, in points.
const DASH: (f64, f64) = (6.0, 4.0);

impl Chart {
    /// As a picture `(height, width, 3)`, two pixels a point.
    pub fn to_picture(&self) -> Array3<u8> {
        let pixels = |points: f64| (points.ceil() * SCALE) as usize;
        let mut canvas = Canvas::new(pixels(self.width), pixels(self.height), [255; 3]);
        for shape in &self.shapes {
            draw(&mut canvas, shape);
        }
        canvas.into_pixels()
    }
}

fn draw(canvas: &mut Canvas, shape: &Shape) {
    let scaled = |(x, y): (f64, f64)| (x * SCALE, y * SCALE);
    match shape {
        Shape::Box { place, size, colour } => {
            let ((x, y), (width, height)) = (scaled(*place), scaled(*size));
            let (left, top) = (x.round(), y.round());
            let (right, bottom) = ((x + width).round(), (y + height).round());
            canvas.fill(
                left as isize,
                top as isize,
                (right - left) as usize,
                (bottom - top) as usize,
                *colour,
            );
        }
        Shape::Dot { place, radius, colour } => {
            let centre = scaled(*place);
            segment(canvas, centre, centre, radius * SCALE, *colour);
        }
        Shape::Line { points, colour, width, dashed } => {
            let mut along = 0.0;
            for pair in points.windows(2) {
                let (from, to) = (pair[0], pair[1]);
                if *dashed {
                    dashes(from, to, &mut along, &mut |from, to| {
                        segment(canvas, scaled(from), scaled(to), width * SCALE / 2.0, *colour);
                    });
                } else {
                    segment(canvas, scaled(from), scaled(to), width * SCALE / 2.0, *colour);
                }
            }
        }
        Shape::Text { place, text, size, colour, anchor, upright } => {
            let size = (size * LETTERS * SCALE) as f32;
            let (width, height) = (text_width(text, size), line_height(size));
            let (x, y) = scaled(*place);
            let back = match anchor {
                Anchor::Start => 0.0,
                Anchor::Middle => width as f64 / 2.0,
                Anchor::End => width as f64,
            };
            let up = height as f64 / 2.0;
            if *upright {
                upright_text(canvas, text, size, ((x - up) as isize, (y + back) as isize), *colour);
            } else {
                canvas.text((x - back) as isize, (y - up) as isize, text, size, *colour);
            }
        }
    }
}

/// Text that reads from below, its lower left corner at a place.
fn upright_text(canvas: &mut Canvas, text: &str, size: f32, (left, bottom): (isize, isize), colour: [u8; 3]) {
    let mut flat = Canvas::new(text_width(text, size) + 2, line_height(size), [255; 3]);
    flat.text(0, 0, text, size, [0; 3]);
    for ((row, column, channel), &value) in flat.pixels().indexed_iter() {
        if channel == 0 && value < 255 {
            let cover = 1.0 - f32::from(value) / 255.0;
            canvas.blend(left + row as isize, bottom - column as isize, colour, cover);
        }
    }
}

/// The parts of a line that are drawn, `along` being how far the pattern has come.
fn dashes(from: (f64, f64), to: (f64, f64), along: &mut f64, draw: &mut dyn FnMut((f64, f64), (f64, f64))) {
    let length = (to.0 - from.0).hypot(to.1 - from.1);
    let at = |distance: f64| {
        let part = if length > 0.0 { distance / length } else { 0.0 };
        (from.0 + part * (to.0 - from.0), from.1 + part * (to.1 - from.1))
    };
    let mut start = 0.0;
    while start < length {
        let phase = *along % (DASH.0 + DASH.1);
        let (drawn, left) =
            if phase < DASH.0 { (true, DASH.0 - phase) } else { (false, DASH.0 + DASH.1 - phase) };
        // Rounding must not make a step of nothing.
        let end = (start + left.max(0.01)).min(length);
        if drawn {
            draw(at(start), at(end));
        }
        *along += end - start;
        start = end;
    }
}

/// All pixels within `radius` of the line between two points, with soft borders.
fn segment(canvas: &mut Canvas, from: (f64, f64), to: (f64, f64), radius: f64, colour: [u8; 3]) {
    let reach = radius + 1.0;
    let rows = (from.1.min(to.1) - reach).floor().max(0.0)..=(from.1.max(to.1) + reach).ceil();
    let along = (to.0 - from.0, to.1 - from.1);
    let square = along.0 * along.0 + along.1 * along.1;
    let mut y = *rows.start();
    while y <= *rows.end() && y < canvas.height() as f64 {
        let mut x = (from.0.min(to.0) - reach).floor().max(0.0);
        while x <= from.0.max(to.0) + reach && x < canvas.width() as f64 {
            let (across, down) = (x + 0.5 - from.0, y + 0.5 - from.1);
            let part = if square > 0.0 {
                ((across * along.0 + down * along.1) / square).clamp(0.0, 1.0)
            } else {
                0.0
            };
            let distance = (across - part * along.0).hypot(down - part * along.1);
            let cover = (radius + 0.5 - distance).clamp(0.0, 1.0);
            if cover > 0.0 {
                canvas.blend(x as isize, y as isize, colour, cover as f32);
            }
            x += 1.0;
        }
        y += 1.0;
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Line, Panel, TRAINING, panels};
    use super::*;

    #[test]
    fn a_chart_s_picture_has_its_size_twice_over_and_its_line() {
        let line = Line { name: "training".into(), points: vec![(1.0, 1.0), (2.0, 4.0), (3.0, 2.0)] };
        let chart =
            panels("a title", &[Panel { title: "loss".into(), lines: vec![line], ..Panel::default() }]);
        let picture = chart.to_picture();
        assert_eq!(
            (picture.dim().1 as f64, picture.dim().0 as f64),
            (2.0 * chart.size().0, 2.0 * chart.size().1)
        );
        let lanes = picture.rows().into_iter().flatten().copied().collect::<Vec<u8>>();
        let of_line = lanes.chunks_exact(3).filter(|pixel| *pixel == TRAINING).count();
        assert!(of_line > 300, "{of_line}");
    }

    #[test]
    fn dashes_leave_gaps() {
        let mut drawn = 0.0;
        dashes((0.0, 0.0), (100.0, 0.0), &mut 0.0, &mut |from, to| drawn += to.0 - from.0);
        assert!((drawn - 60.0).abs() < 1e-6, "{drawn}");
    }
}
