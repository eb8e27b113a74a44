//! What lies outside of a picture, and what lies between its pixels.

use convnet_nn::engine::kernels::{resize, warp};
use serde::{Deserialize, Serialize};

/// What a warped picture shows where the original has no pixels. Names and behaviour are Keras's `fill_mode` and the `mode` of SciPy's
/// [`affine_transform`](https://docs.scipy.org/doc/scipy/reference/generated/scipy.ndimage.affine_transform.html), here for pixels a b c d.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fill {
    /// The pixel at the border: a a a | a b c d | d d d.
    #[default]
    Nearest,
    /// One value: k k k | a b c d | k k k. Nothing is mixed with it, so a pixel that is only partly outside has it wholly.
    Constant,
    /// The picture mirrored at its border: c b a | a b c d | d c b.
    Reflect,
    /// The picture again, its last pixel laid over its first, as SciPy does it: b c d | a b c d | b c d with d in a's place.
    Wrap,
}

/// How values between pixels are found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Interpolation {
    /// The nearest pixel: SciPy's order 0.
    Nearest,
    /// Between the four nearest, in proportion to the distance: SciPy's order 1.
    #[default]
    Bilinear,
}

impl Fill {
    /// What the kernel calls it; `value` is that of the constant.
    pub(super) fn outside(self, value: f32) -> warp::Outside {
        match self {
            Self::Nearest => warp::Outside::Nearest,
            Self::Constant => warp::Outside::Constant(value),
            Self::Reflect => warp::Outside::Reflect,
            Self::Wrap => warp::Outside::Wrap,
        }
    }

    /// The pixel of an axis of `len` that stands in a place outside of it, which is in steps of whole pixels; `None` for the constant.
    pub(super) fn pixel(self, at: isize, len: usize) -> Option<usize> {
        let last = len as isize - 1;
        if (0..=last).contains(&at) {
            return Some(at as usize);
        }
        let found = match self {
            Self::Constant => return None,
            Self::Nearest => at.clamp(0, last),
            Self::Reflect => {
                let within = at.rem_euclid(2 * (last + 1));
                within.min(2 * last + 1 - within)
            }
            Self::Wrap => at.rem_euclid(last.max(1)),
        };
        Some(found.clamp(0, last) as usize)
    }
}

impl Interpolation {
    /// What the kernel calls it.
    pub(super) fn kernel(self) -> resize::Interpolation {
        match self {
            Self::Nearest => resize::Interpolation::Nearest,
            Self::Bilinear => resize::Interpolation::Bilinear,
        }
    }
}
