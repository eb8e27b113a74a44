//! Text in pictures, in a font that is inside of the program: ASCII, Latin-1 and a few marks; other letters are shown as �.

use std::sync::LazyLock;

use ab_glyph::{Font, FontRef, GlyphId, PxScale, ScaleFont, point};

use super::Canvas;

static FONT: LazyLock<FontRef<'static>> = LazyLock::new(|| {
    let bytes = include_bytes!("../../data/font/DejaVuSans-subset.ttf");
    FontRef::try_from_slice(bytes).expect("the font inside of the program is whole")
});

/// The letter's glyph, or the one for letters that the font lacks.
fn glyph(letter: char) -> GlyphId {
    match FONT.glyph_id(letter) {
        GlyphId(0) => FONT.glyph_id('\u{fffd}'),
        known => known,
    }
}

/// Pixels that a line of text takes, of letters `size` pixels high from the lowest to the highest.
pub fn text_width(text: &str, size: f32) -> usize {
    let font = FONT.as_scaled(PxScale::from(size));
    text.chars().map(|letter| font.h_advance(glyph(letter))).sum::<f32>().ceil() as usize
}

/// Pixels from one line to the next.
pub fn line_height(size: f32) -> usize {
    FONT.as_scaled(PxScale::from(size)).height().ceil() as usize + 1
}

/// Text broken into lines of at most `width` pixels: at spaces, else behind `_`, `-`, `/` and `,`, else wherever the line is full. A line
/// has at least one letter.
pub fn wrapped(text: &str, size: f32, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for piece in pieces(text) {
        let line = lines.last_mut().expect("there is one line at least");
        if text_width(&format!("{line}{}", piece.trim_end()), size) <= width {
            line.push_str(piece);
            continue;
        }
        if !line.is_empty() {
            lines.push(String::new());
        }
        for letter in piece.chars() {
            let line = lines.last_mut().expect("there is one line at least");
            if !line.is_empty() && letter != ' ' && text_width(&format!("{line}{letter}"), size) > width {
                lines.push(letter.to_string());
            } else {
                line.push(letter);
            }
        }
    }
    lines.into_iter().map(|line| line.trim_end().to_owned()).collect()
}

/// Pieces of a text behind which a line may end.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    text.split_inclusive([' ', '_', '-', '/', ','])
}

impl Canvas {
    /// Writes a line of text, its upper left corner at `(x, y)`, in letters `size` pixels high from the lowest to the highest; returns the
    /// pixels that it takes in a row ([`text_width`]).
    pub fn text(&mut self, x: isize, y: isize, text: &str, size: f32, colour: [u8; 3]) -> usize {
        let scale = PxScale::from(size);
        let font = FONT.as_scaled(scale);
        let mut at = point(x as f32, y as f32 + font.ascent());
        for letter in text.chars() {
            let id = glyph(letter);
            if let Some(outline) = FONT.outline_glyph(id.with_scale_and_position(scale, at)) {
                let bounds = outline.px_bounds();
                let (left, top) = (bounds.min.x as isize, bounds.min.y as isize);
                outline.draw(|right, down, cover| {
                    self.blend(left + right as isize, top + down as isize, colour, cover);
                });
            }
            at.x += font.h_advance(id);
        }
        text_width(text, size)
    }

    /// Writes a line of text on a bar of its own colour, as boxes on photos are labelled.
    pub fn label(&mut self, x: isize, y: isize, text: &str, size: f32, colour: [u8; 3], ground: [u8; 3]) {
        self.fill(x, y, text_width(text, size) + 4, line_height(size), ground);
        self.text(x + 2, y, text, size, colour);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stays_within_its_width_and_height() {
        let (text, size) = ("Ägypt_quay (100.0 %) → × … £", 15.0);
        let (width, height) = (text_width(text, size), line_height(size));
        let mut canvas = Canvas::new(width + 20, height + 20, [255; 3]);
        assert_eq!(canvas.text(10, 10, text, size, [0; 3]), width);
        let mut dark = 0;
        for ((y, x, _), &value) in canvas.pixels().indexed_iter() {
            if value < 255 {
                dark += usize::from(value < 64);
                assert!((9..=10 + width).contains(&x) && (10..10 + height).contains(&y), "{x} {y}");
            }
        }
        assert!(dark > 200, "there is text: {dark}");
    }

    #[test]
    fn every_letter_shows_something() {
        for letter in ('!'..='~').chain(['é', 'ß', '×', '…', '字']) {
            let mut canvas = Canvas::new(30, 30, [255; 3]);
            canvas.text(5, 5, &letter.to_string(), 16.0, [0; 3]);
            assert!(canvas.pixels().iter().any(|&value| value < 128), "{letter}");
        }
    }

    #[test]
    fn lines_break_where_they_may_and_lose_nothing() {
        let text = "block_5_expand_relu (None, 14, 14, 512), 3 of 512 maps are dead";
        for width in [1, 40, 100, 200] {
            let lines = wrapped(text, 13.0, width);
            let whole: String = lines.concat();
            assert_eq!(whole.replace(' ', ""), text.replace(' ', ""), "{width}");
            assert!(
                lines.iter().all(|line| line.chars().count() <= 2 || text_width(line, 13.0) <= width.max(30))
            );
        }
        assert_eq!(wrapped(text, 13.0, 10_000), [text]);
        assert_eq!(wrapped("", 13.0, 100), [""]);
    }
}
