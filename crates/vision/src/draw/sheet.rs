//! Sheets: pictures in rows and columns, with a title and words beside them.

use ndarray::{Array3, ArrayView3};

use super::canvas::Canvas;
use super::text::{line_height, text_width, wrapped};

const TITLE: f32 = 18.0;
const TEXT: f32 = 14.0;
const GROUND: [u8; 3] = [255; 3];
const INK: [u8; 3] = [24; 3];
/// Pixels around the whole.
const MARGIN: usize = 8;
/// Words get at least this width before they are broken, as far as the picture leaves it.
const LEAST_TEXT: usize = 96;

/// One place of a sheet.
#[derive(Clone, Debug, Default)]
pub struct Cell {
    picture: Option<Array3<u8>>,
    lines: Vec<String>,
}

impl Cell {
    /// A picture `(height, width, 3)`.
    pub fn picture(picture: Array3<u8>) -> Self {
        Self { picture: Some(picture), lines: Vec::new() }
    }

    /// Words only.
    pub fn words(lines: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { picture: None, lines: lines.into_iter().map(Into::into).collect() }
    }

    /// A line under the picture.
    pub fn line(mut self, line: impl Into<String>) -> Self {
        self.lines.push(line.into());
        self
    }

    /// Width of the picture, or the one that words want.
    fn width(&self) -> usize {
        let words = self.lines.iter().map(|line| text_width(line, TEXT)).max().unwrap_or(0);
        match &self.picture {
            Some(picture) => picture.dim().1.max(words.min(LEAST_TEXT)),
            None => words.min(240),
        }
    }

    fn wrapped(&self, width: usize) -> Vec<String> {
        self.lines.iter().flat_map(|line| wrapped(line, TEXT, width)).collect()
    }

    fn height(&self, width: usize) -> usize {
        let picture = self.picture.as_ref().map_or(0, |picture| picture.dim().0);
        picture + self.wrapped(width).len() * line_height(TEXT)
    }
}

/// Cells in rows and columns on white, under a title. Columns are as wide and rows as high as what is in them, lines too long for their place
/// are broken: nothing is cut off.
///
/// ```
/// use convnet_vision::draw::{Cell, Sheet};
/// use ndarray::Array3;
///
/// let tile = || Cell::picture(Array3::from_elem((64, 64, 3), 128)).line("grey");
/// let picture = Sheet::new(2).title("Two tiles").cells([tile(), tile()]).picture();
/// assert!(picture.dim().0 > 64 && picture.dim().1 > 2 * 64);
/// ```
#[derive(Clone, Debug)]
pub struct Sheet {
    columns: usize,
    gap: usize,
    title: String,
    heads: Vec<String>,
    cells: Vec<Cell>,
}

impl Sheet {
    /// An empty sheet of so many columns, at least one.
    pub fn new(columns: usize) -> Self {
        Self { columns: columns.max(1), gap: 6, title: String::new(), heads: Vec::new(), cells: Vec::new() }
    }

    /// Pixels between cells; 6 if not said.
    pub fn gap(mut self, pixels: usize) -> Self {
        self.gap = pixels;
        self
    }

    /// The line above all.
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.title = title.into();
        self
    }

    /// What stands above the columns.
    pub fn heads(mut self, heads: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.heads = heads.into_iter().map(Into::into).collect();
        self
    }

    /// Adds cells, row by row.
    pub fn cells(mut self, cells: impl IntoIterator<Item = Cell>) -> Self {
        self.cells.extend(cells);
        self
    }

    /// The picture `(height, width, 3)`.
    pub fn picture(&self) -> Array3<u8> {
        let widths = self.widths();
        let inner: usize = widths.iter().sum::<usize>() + self.gap * widths.len().saturating_sub(1);
        let titles = if self.title.is_empty() { Vec::new() } else { wrapped(&self.title, TITLE, inner) };
        let heads: Vec<Vec<String>> =
            self.heads.iter().zip(&widths).map(|(head, &width)| wrapped(head, TEXT, width)).collect();
        let heights: Vec<usize> = (self.cells.chunks(self.columns))
            .map(|row| row.iter().zip(&widths).map(|(cell, &width)| cell.height(width)).max().unwrap_or(0))
            .collect();
        let title_height = titles.len() * line_height(TITLE) + if titles.is_empty() { 0 } else { self.gap };
        let head_height = heads.iter().map(Vec::len).max().unwrap_or(0) * line_height(TEXT);
        let cells: usize = heights.iter().sum::<usize>() + self.gap * heights.len().saturating_sub(1);
        let mut canvas =
            Canvas::new(inner + 2 * MARGIN, title_height + head_height + cells + 2 * MARGIN, GROUND);
        write(&mut canvas, MARGIN, MARGIN, &titles, TITLE);
        let mut y = MARGIN + title_height;
        let lefts: Vec<usize> = widths
            .iter()
            .scan(MARGIN, |x, width| {
                let left = *x;
                *x += width + self.gap;
                Some(left)
            })
            .collect();
        for (head, &x) in heads.iter().zip(&lefts) {
            write(&mut canvas, x, y, head, TEXT);
        }
        y += head_height;
        for (row, height) in self.cells.chunks(self.columns).zip(heights) {
            for ((cell, &x), &width) in row.iter().zip(&lefts).zip(&widths) {
                let empty = Array3::zeros((0, 0, 3));
                let picture: ArrayView3<'_, u8> = cell.picture.as_ref().unwrap_or(&empty).view();
                let below = y + picture.dim().0;
                canvas.paste(x, y, picture);
                write(&mut canvas, x, below, &cell.wrapped(width), TEXT);
            }
            y += height + self.gap;
        }
        canvas.into_pixels()
    }

    /// Widths of the columns; if the title's longest word, or a sensible line of it, needs more, the last is wider.
    fn widths(&self) -> Vec<usize> {
        let used = self.columns.min(self.cells.len().max(self.heads.len()).max(1));
        let mut widths = vec![1; used];
        for (index, cell) in self.cells.iter().enumerate() {
            let width = &mut widths[index % self.columns];
            *width = (*width).max(cell.width());
        }
        for (head, width) in self.heads.iter().zip(&mut widths) {
            *width = (*width).max(text_width(head, TEXT).min(LEAST_TEXT));
        }
        let inner: usize = widths.iter().sum::<usize>() + self.gap * (used - 1);
        let wanted = text_width(&self.title, TITLE).min(320);
        *widths.last_mut().expect("there is a column") += wanted.saturating_sub(inner);
        widths
    }
}

fn write(canvas: &mut Canvas, x: usize, y: usize, lines: &[String], size: f32) {
    for (index, line) in lines.iter().enumerate() {
        canvas.text(x as isize, (y + index * line_height(size)) as isize, line, size, INK);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tiles of a colour that nothing else on a sheet has.
    fn tile(height: usize, width: usize) -> Cell {
        Cell::picture(Array3::from_shape_fn((height, width, 3), |(_, _, channel)| [200, 0, 77][channel]))
    }

    fn tile_pixels(picture: &Array3<u8>) -> usize {
        picture.rows().into_iter().filter(|pixel| pixel.as_slice() == Some(&[200, 0, 77])).count()
    }

    #[test]
    fn no_tile_is_clipped_and_the_border_stays_white() {
        for count in [1, 2, 3, 7, 16] {
            let cells = (0..count).map(|index| {
                tile(10 + index % 3, 20 + index % 5).line(format!("a rather long name, number {index}"))
            });
            let wanted: usize = (0..count).map(|index| (10 + index % 3) * (20 + index % 5)).sum();
            let sheet =
                Sheet::new(3).title("A title that is longer than the tiles are wide, so that it is broken");
            let picture = sheet.heads(["first", "second one", "third"]).cells(cells).picture();
            assert_eq!(tile_pixels(&picture), wanted);
            let (height, width, _) = picture.dim();
            for ((y, x, _), &value) in picture.indexed_iter() {
                let is_border = y < 4 || x < 4 || y >= height - 4 || x >= width - 4;
                assert!(!is_border || value == 255, "{count} cells: {x} {y} of {width} × {height}");
            }
        }
    }

    #[test]
    fn a_sheet_without_words_is_tiles_gaps_and_margin() {
        let picture = Sheet::new(8).gap(2).cells((0..64).map(|_| tile(64, 64))).picture();
        assert_eq!(picture.dim(), (8 * 64 + 7 * 2 + 16, 8 * 64 + 7 * 2 + 16, 3));
        assert_eq!(Sheet::new(3).picture().dim().2, 3);
    }
}
