//! Making of problems: numbers that are the same in every run, and slices with guards around them.

use convnet_kernels::geometry::{Axis, ConvGeometry, Padding, Window};
use convnet_kernels::random::Philox;

/// `len` numbers in [−1, 1) that depend on `seed` only.
pub fn numbers(seed: u64, len: usize) -> Vec<f32> {
    let mut values = vec![0.0; len];
    Philox::new(seed, 0).fill_uniform(-1.0, 1.0, &mut values);
    values
}

/// Random cases of a property: `usual`, or as many as `PROPTEST_CASES` says, where each takes long.
pub fn cases(usual: u32) -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

/// The value that guards hold.
const GUARD: f32 = -1.25e30;
/// Elements of a guard on each side.
const GUARD_LEN: usize = 67;

/// A slice of exact length between guards that must stay as they are. What it holds at first is not a number, so that
/// whatever reads it before writing shows.
#[derive(Clone, Debug)]
pub struct Guarded {
    values: Vec<f32>,
}

impl Guarded {
    /// `len` elements that are not numbers.
    pub fn new(len: usize) -> Self {
        let mut values = vec![GUARD; len + 2 * GUARD_LEN];
        values[GUARD_LEN..GUARD_LEN + len].fill(f32::NAN);
        Self { values }
    }

    /// A copy of `content`, with not-a-number guards: whoever reads them shows it in the result.
    pub fn input(content: &[f32]) -> Self {
        let mut values = vec![f32::NAN; content.len() + 2 * GUARD_LEN];
        values[GUARD_LEN..GUARD_LEN + content.len()].copy_from_slice(content);
        Self { values }
    }

    /// The elements between the guards.
    pub fn slice(&self) -> &[f32] {
        &self.values[GUARD_LEN..self.values.len() - GUARD_LEN]
    }

    /// The elements between the guards, to write.
    pub fn slice_mut(&mut self) -> &mut [f32] {
        let end = self.values.len() - GUARD_LEN;
        &mut self.values[GUARD_LEN..end]
    }

    /// Asserts that the guards of an output are as they were.
    ///
    /// # Panics
    /// If something was written beside the slice.
    #[track_caller]
    pub fn assert_intact(&self) {
        let end = self.values.len() - GUARD_LEN;
        let guards = self.values[..GUARD_LEN].iter().chain(&self.values[end..]);
        assert!(guards.into_iter().all(|&value| value == GUARD), "something was written beside the slice");
    }
}

/// A convolution over height and width: `[input, kernel, stride, dilation]` of each, with one padding.
///
/// # Panics
/// If the window does not fit.
pub fn image_convolution(
    batch: usize,
    [in_channels, out_channels]: [usize; 2],
    height: [usize; 4],
    width: [usize; 4],
    padding: Padding,
) -> ConvGeometry {
    let axis = |[input, kernel, stride, dilation]: [usize; 4]| {
        Axis::new(input, kernel, stride, dilation, padding).expect("the window fits by the caller's choice")
    };
    ConvGeometry {
        batch,
        in_channels,
        out_channels,
        groups: 1,
        window: Window::image(axis(height), axis(width)),
    }
}
