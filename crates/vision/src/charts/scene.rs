//! Shapes on a sheet, and the sheet as SVG.

use std::fmt::Write;

use super::{Colour, INK};

/// Which end of a text its place is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// What is drawn. Places are in points from the upper left corner.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Shape {
    /// Points that are joined.
    Line { points: Vec<(f64, f64)>, colour: Colour, width: f64, dashed: bool },
    /// A filled rectangle.
    Box { place: (f64, f64), size: (f64, f64), colour: Colour },
    /// A filled circle.
    Dot { place: (f64, f64), radius: f64, colour: Colour },
    /// Letters; the place is at the height of the middle of small ones. Upright text reads from below.
    Text { place: (f64, f64), text: String, size: f64, colour: Colour, anchor: Anchor, upright: bool },
}

/// A chart, to be written as SVG or drawn as a picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Chart {
    pub(super) width: f64,
    pub(super) height: f64,
    pub(super) shapes: Vec<Shape>,
}

impl Chart {
    pub(super) fn new(width: f64, height: f64) -> Self {
        Self { width, height, shapes: Vec::new() }
    }

    /// Width and height in points; the picture has twice as many pixels.
    pub fn size(&self) -> (f64, f64) {
        (self.width, self.height)
    }

    pub(super) fn line(&mut self, points: Vec<(f64, f64)>, colour: Colour, width: f64) {
        self.shapes.push(Shape::Line { points, colour, width, dashed: false });
    }

    pub(super) fn dashed_line(&mut self, points: Vec<(f64, f64)>, colour: Colour, width: f64) {
        self.shapes.push(Shape::Line { points, colour, width, dashed: true });
    }

    pub(super) fn rectangle(&mut self, place: (f64, f64), size: (f64, f64), colour: Colour) {
        self.shapes.push(Shape::Box { place, size, colour });
    }

    pub(super) fn text(&mut self, place: (f64, f64), text: impl Into<String>, size: f64, anchor: Anchor) {
        self.shapes.push(Shape::Text { place, text: text.into(), size, colour: INK, anchor, upright: false });
    }

    pub(super) fn upright_text(
        &mut self,
        place: (f64, f64),
        text: impl Into<String>,
        size: f64,
        anchor: Anchor,
    ) {
        self.shapes.push(Shape::Text { place, text: text.into(), size, colour: INK, anchor, upright: true });
    }

    /// As SVG, a document of its own that can also stand in an HTML page.
    pub fn to_svg(&self) -> String {
        let (width, height) = (self.width.ceil(), self.height.ceil());
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
             font-family=\"DejaVu Sans, Verdana, sans-serif\">\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n"
        );
        for shape in &self.shapes {
            let _infallible = write_shape(&mut svg, shape);
        }
        svg + "</svg>\n"
    }
}

/// A colour as CSS has it.
fn css([red, green, blue]: Colour) -> String {
    format!("#{red:02x}{green:02x}{blue:02x}")
}

fn write_shape(svg: &mut String, shape: &Shape) -> std::fmt::Result {
    match shape {
        Shape::Line { points, colour, width, dashed } => {
            let dash = if *dashed { " stroke-dasharray=\"6 4\"" } else { "" };
            write!(
                svg,
                "<polyline fill=\"none\" stroke=\"{}\" stroke-width=\"{width}\"{dash} stroke-linejoin=\"round\" points=\"",
                css(*colour)
            )?;
            for (x, y) in points {
                write!(svg, "{x:.2},{y:.2} ")?;
            }
            writeln!(svg, "\"/>")
        }
        Shape::Box { place: (x, y), size: (width, height), colour } => {
            writeln!(
                svg,
                "<rect x=\"{x:.2}\" y=\"{y:.2}\" width=\"{width:.2}\" height=\"{height:.2}\" fill=\"{}\"/>",
                css(*colour)
            )
        }
        Shape::Dot { place: (x, y), radius, colour } => {
            writeln!(svg, "<circle cx=\"{x:.2}\" cy=\"{y:.2}\" r=\"{radius}\" fill=\"{}\"/>", css(*colour))
        }
        Shape::Text { place: (x, y), text, size, colour, anchor, upright } => {
            let anchor = match anchor {
                Anchor::Start => "start",
                Anchor::Middle => "middle",
                Anchor::End => "end",
            };
            // The middle of small letters lies some third of the size above the line that they stand on.
            let down = size * 0.35;
            let turn =
                if *upright { format!(" transform=\"rotate(-90 {x:.2} {y:.2})\"") } else { String::new() };
            let safe = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
            writeln!(
                svg,
                "<text x=\"{x:.2}\" y=\"{:.2}\" font-size=\"{size}\" fill=\"{}\" text-anchor=\"{anchor}\"{turn}>{safe}</text>",
                y + down,
                css(*colour)
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_become_markup() {
        let mut chart = Chart::new(10.0, 10.0);
        chart.text((0.0, 0.0), "<script>&", 9.0, Anchor::Start);
        let svg = chart.to_svg();
        assert!(svg.contains("&lt;script&gt;&amp;") && !svg.contains("<script"), "{svg}");
    }
}
