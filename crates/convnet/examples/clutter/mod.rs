//! MNIST's digits on larger pictures, over fragments of others: where the evidence is, is known.

#![allow(dead_code, reason = "each example uses a part of it")]

use std::ops::Range;

use convnet::data::Split;
use ndarray::{Array1, Array4, ArrayView3, s};

/// Sides of a digit and of a picture.
pub const DIGIT: usize = 28;
pub const SIDE: usize = 48;

/// Pictures `(count, 48, 48, 1)` of 0 … 1, their classes, and where the digit is: (top, left).
pub struct Scenes {
    pub pictures: Array4<f32>,
    pub classes: Array1<f32>,
    pub places: Vec<(usize, usize)>,
}

/// Numbers of a seed: SplitMix64.
pub struct Random(pub u64);

impl Random {
    /// A whole number below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((bits ^ (bits >> 31)) >> 11) as usize % end.max(1)
    }
}

/// The first `count` digits of some kinds from a part of a split, each at a place of its own among `fragments` squares of 7 pixels cut from
/// other digits. The class is the place of the digit among `kinds`.
pub fn scenes(
    split: &Split,
    part: Range<usize>,
    kinds: &[u32],
    count: usize,
    fragments: usize,
    seed: u64,
) -> Scenes {
    const PIECE: usize = 7;
    let mut random = Random(seed);
    let mut pictures = Array4::zeros((count, SIDE, SIDE, 1));
    let (mut classes, mut places) = (Vec::new(), Vec::new());
    let wanted = part
        .clone()
        .filter_map(|index| Some((index, kinds.iter().position(|&kind| kind == split.labels()[index])?)));
    for ((index, class), mut picture) in wanted.take(count).zip(pictures.outer_iter_mut()) {
        for _ in 0..fragments {
            let other = digit(split, part.start + random.below(part.len()));
            let (row, column) = (4 + random.below(DIGIT - PIECE - 8), 4 + random.below(DIGIT - PIECE - 8));
            let (y, x) = (random.below(SIDE - PIECE), random.below(SIDE - PIECE));
            let piece = other.slice(s![row..row + PIECE, column..column + PIECE, ..]).to_owned();
            picture
                .slice_mut(s![y..y + PIECE, x..x + PIECE, ..])
                .zip_mut_with(&piece, |here: &mut f32, &light| *here = here.max(light));
        }
        let (top, left) = (random.below(SIDE - DIGIT + 1), random.below(SIDE - DIGIT + 1));
        let mut under = picture.slice_mut(s![top..top + DIGIT, left..left + DIGIT, ..]);
        // The digit has the ground around its strokes to itself.
        under.slice_mut(s![4..24, 4..24, ..]).fill(0.0);
        under.zip_mut_with(&digit(split, index), |here: &mut f32, &light| *here = here.max(light));
        classes.push(class as f32);
        places.push((top, left));
    }
    assert_eq!(classes.len(), count, "the part of the split has enough digits of these kinds");
    Scenes { pictures, classes: Array1::from_vec(classes), places }
}

/// A digit `(28, 28, 1)` of 0 … 1.
fn digit(split: &Split, index: usize) -> ndarray::Array3<f32> {
    let bytes = split.image(index).expect("an index of the split");
    ArrayView3::from_shape((DIGIT, DIGIT, 1), bytes)
        .expect("MNIST's size")
        .mapv(|light| f32::from(light) / 255.0)
}
