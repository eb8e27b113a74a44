//! MNIST's digits on larger pictures, over fragments of others: where the evidence is, is known.

#![allow(dead_code, reason = "each example uses a part of it")]

use convnet::data::Split;
use ndarray::{Array1, Array3, Array4, ArrayView3, ArrayViewMut3, s};

/// Side of a digit.
pub const DIGIT: usize = 28;

/// How pictures are made.
#[derive(Clone, Copy, Debug)]
pub struct Clutter {
    /// Side of a picture.
    pub side: usize,
    /// How many squares, cut from digits drawn at random, lie under the digit.
    pub fragments: usize,
    /// Side of such a square.
    pub piece: usize,
}

/// Pictures `(count, side, side, 1)` of 0 … 1, their classes, and where the digit is.
pub struct Scenes {
    pub pictures: Array4<f32>,
    pub classes: Array1<f32>,
    pub places: Vec<Place>,
}

/// Where the digit of a picture is.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// The square of 28 × 28 pixels that was pasted.
    pub square: Frame,
    /// The smallest rectangle that holds all light of the digit.
    pub ink: Frame,
}

/// A rectangle of pixels.
#[derive(Clone, Copy, Debug)]
pub struct Frame {
    pub top: usize,
    pub left: usize,
    pub height: usize,
    pub width: usize,
}

impl Frame {
    pub fn holds(&self, (y, x): (usize, usize)) -> bool {
        (self.top..self.top + self.height).contains(&y) && (self.left..self.left + self.width).contains(&x)
    }

    pub fn area(&self) -> usize {
        self.height * self.width
    }
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

impl Clutter {
    /// The first `count` digits of some kinds, each at a place of its own. The class is the place of the digit among `kinds`.
    pub fn scenes(&self, split: &Split, kinds: &[u32], count: usize, seed: u64) -> Scenes {
        let mut random = Random(seed);
        let mut pictures = Array4::zeros((count, self.side, self.side, 1));
        let (mut classes, mut places) = (Vec::new(), Vec::new());
        let wanted = split
            .labels()
            .iter()
            .enumerate()
            .filter_map(|(index, label)| Some((index, kinds.iter().position(|kind| kind == label)?)));
        for ((index, class), picture) in wanted.take(count).zip(pictures.outer_iter_mut()) {
            classes.push(class as f32);
            places.push(self.lay(digit(split, index).view(), split, &mut random, picture));
        }
        assert_eq!(classes.len(), count, "the split has enough digits of these kinds");
        Scenes { pictures, classes: Array1::from_vec(classes), places }
    }

    /// Lays fragments of digits of the split into a black picture, and a digit `(28, 28, 1)` over them.
    pub fn lay(
        &self,
        digit: ArrayView3<'_, f32>,
        split: &Split,
        random: &mut Random,
        mut picture: ArrayViewMut3<'_, f32>,
    ) -> Place {
        let Self { side, fragments, piece } = *self;
        for _ in 0..fragments {
            let other = self::digit(split, random.below(split.len()));
            let (row, column) = (4 + random.below(DIGIT - piece - 8), 4 + random.below(DIGIT - piece - 8));
            let (y, x) = (random.below(side - piece), random.below(side - piece));
            picture
                .slice_mut(s![y..y + piece, x..x + piece, ..])
                .zip_mut_with(&other.slice(s![row..row + piece, column..column + piece, ..]), brighter);
        }
        let (top, left) = (random.below(side - DIGIT + 1), random.below(side - DIGIT + 1));
        let mut under = picture.slice_mut(s![top..top + DIGIT, left..left + DIGIT, ..]);
        // The digit has the ground around its strokes to itself.
        under.slice_mut(s![4..24, 4..24, ..]).fill(0.0);
        under.zip_mut_with(&digit, brighter);
        let within = ink(digit);
        let ink = Frame { top: top + within.top, left: left + within.left, ..within };
        Place { square: Frame { top, left, height: DIGIT, width: DIGIT }, ink }
    }
}

fn brighter(here: &mut f32, light: &f32) {
    *here = here.max(*light);
}

/// The smallest rectangle that holds all light.
fn ink(digit: ArrayView3<'_, f32>) -> Frame {
    let mut ends = [DIGIT, 0, DIGIT, 0];
    for ((y, x, _), _) in digit.indexed_iter().filter(|(_, light)| **light > 0.0) {
        ends = [ends[0].min(y), ends[1].max(y + 1), ends[2].min(x), ends[3].max(x + 1)];
    }
    let [top, bottom, left, right] = ends;
    Frame { top, left, height: bottom.saturating_sub(top), width: right.saturating_sub(left) }
}

/// A digit `(28, 28, 1)` of 0 … 1.
fn digit(split: &Split, index: usize) -> Array3<f32> {
    let bytes = split.image(index).expect("an index of the split");
    ArrayView3::from_shape((DIGIT, DIGIT, 1), bytes)
        .expect("MNIST's size")
        .mapv(|light| f32::from(light) / 255.0)
}
