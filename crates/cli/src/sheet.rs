//! Sheets of photos with boxes drawn on them.

use convnet::data::augment::BoxF;
use ndarray::{Array3, ArrayView3, s};

/// Pixels between tiles and around them.
const GAP: usize = 4;
/// What boxes are drawn in.
const FRAME: [u8; 3] = [255, 220, 0];

/// A photo of a sheet.
pub struct Tile {
    picture: Array3<u8>,
    /// Words below it.
    pub name: String,
}

impl Tile {
    /// Of a photo `(height, width, channels)` of 0 … 255, with boxes.
    pub fn new(photo: ArrayView3<'_, f32>, boxes: &[BoxF]) -> Self {
        let (height, width, channels) = photo.dim();
        let mut picture = Array3::from_shape_fn((height, width, 3), |(y, x, channel)| {
            photo[[y, x, if channels < 3 { 0 } else { channel }]].round() as u8
        });
        for mark in boxes.iter().filter(|mark| !mark.is_empty()) {
            frame(&mut picture, *mark);
        }
        Self { picture, name: String::new() }
    }

    /// The same with words below it.
    pub fn named(self, name: &str) -> Self {
        Self { name: name.to_owned(), ..self }
    }
}

/// The border of a rectangle, one pixel wide, inside of it.
fn frame(picture: &mut Array3<u8>, mark: BoxF) {
    let (height, width, _) = picture.dim();
    let (left, top) = (mark.x0.round() as usize, mark.y0.round() as usize);
    let right = (mark.x1.round() as usize).clamp(left + 1, width.max(left + 1)) - 1;
    let bottom = (mark.y1.round() as usize).clamp(top + 1, height.max(top + 1)) - 1;
    let mut paint = |y: usize, x: usize| {
        if y < height && x < width {
            picture.slice_mut(s![y, x, ..]).assign(&ndarray::aview1(&FRAME));
        }
    };
    (left..=right).for_each(|x| [top, bottom].into_iter().for_each(|y| paint(y, x)));
    (top..=bottom).for_each(|y| [left, right].into_iter().for_each(|x| paint(y, x)));
}

/// Tiles in rows of so many, on white.
pub fn picture(tiles: &[Tile], columns: usize) -> Array3<u8> {
    let columns = columns.clamp(1, tiles.len().max(1));
    let rows: Vec<&[Tile]> = tiles.chunks(columns).collect();
    let side = |row: &[Tile]| row.iter().map(|tile| tile.picture.dim().0).max().unwrap_or(0);
    let cell = tiles.iter().map(|tile| tile.picture.dim().1).max().unwrap_or(0) + GAP;
    let height = GAP + rows.iter().map(|row| side(row) + GAP).sum::<usize>();
    let mut sheet = Array3::from_elem((height, GAP + columns * cell, 3), 255);
    let mut top = GAP;
    for row in rows {
        for (column, tile) in row.iter().enumerate() {
            let (height, width, _) = tile.picture.dim();
            let left = GAP + column * cell;
            sheet.slice_mut(s![top..top + height, left..left + width, ..]).assign(&tile.picture);
        }
        top += side(row) + GAP;
    }
    sheet
}
