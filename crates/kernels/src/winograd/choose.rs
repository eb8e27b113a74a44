//! Which convolutions are computed this way.

use super::{TileSize, Winograd, cost};
use crate::cpu::{CpuError, Isa};
use crate::geometry::ConvGeometry;
use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicU8, Ordering};

/// How a pass is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// As it is defined.
    Direct,
    /// By tiles of this size.
    Winograd(TileSize),
}

/// What is computed of a convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Pass {
    /// The output.
    Forward,
    /// The output, with weights that were packed before.
    ForwardPacked,
    /// The gradient of the input.
    BackwardData,
    /// The gradient of the weights.
    BackwardWeights,
}

impl Pass {
    /// All of them.
    pub const ALL: [Self; 4] =
        [Self::Forward, Self::ForwardPacked, Self::BackwardData, Self::BackwardWeights];
}

/// The method of a pass: the one that is forced by [`force`] or `CONVNET_WINOGRAD`, else that of [`model`]. A forced tile
/// size falls back to direct where [`Winograd::allows`] does not.
pub fn choose(g: &ConvGeometry, pass: Pass, isa: Isa) -> Method {
    match forced() {
        Some(Method::Winograd(_)) if !Winograd::allows(g) => Method::Direct,
        Some(method) => method,
        None => model(g, pass, isa),
    }
}

/// Errors that are too large, as shares of the root mean square of the results.
const MOST_ERROR: f64 = 1e-4;
/// Share of the direct time that tiles must be expected to stay below.
const WORTH_TILES: f64 = 0.9;
/// Share of the time of smaller tiles that tiles of 6 × 6 must be expected to stay below, since their errors are four
/// times those of 4 × 4.
const WORTH_SIX: f64 = 0.93;

/// The method that the cost model expects to be fastest: a function of its arguments alone, so that a network gives the
/// same bits in every run on any number of threads. Sizes whose [`TileSize::largest_error`] is 1e-4 or more are not taken:
/// 6 × 6 for sums over more than 177 channels.
pub fn model(g: &ConvGeometry, pass: Pass, isa: Isa) -> Method {
    if !Winograd::allows(g) {
        return Method::Direct;
    }
    let cost = |method| cost::nanoseconds(g, pass, isa, method);
    let (mut best, mut least) = (Method::Direct, WORTH_TILES * cost(Method::Direct));
    let channels = match pass {
        Pass::Forward | Pass::ForwardPacked => g.in_channels,
        Pass::BackwardData => g.out_channels,
        Pass::BackwardWeights => 0,
    };
    for size in TileSize::ALL {
        if size.largest_error(channels) >= MOST_ERROR {
            continue;
        }
        let method = Method::Winograd(size);
        let share = if size == TileSize::Six && best != Method::Direct { WORTH_SIX } else { 1.0 };
        let expected = cost(method);
        if expected < share * least {
            (best, least) = (method, expected);
        }
    }
    best
}

/// How much faster than with floats a direct pass is taken to be on pairs of 16-bit numbers. Not measured: the instruction has twice
/// the products.
const PAIRS: f64 = 2.0;

/// Whether a pass on pairs of 16-bit numbers is expected to be faster than what [`choose`] gives; if tiles are forced, it is not.
pub(crate) fn pairs_are_faster(g: &ConvGeometry, pass: Pass, isa: Isa) -> bool {
    match (choose(g, pass, isa), forced()) {
        (Method::Direct, _) => true,
        (Method::Winograd(_), Some(_)) => false,
        (tiles, None) => {
            let cost = |method| cost::nanoseconds(g, pass, isa, method);
            cost(Method::Direct) < PAIRS * cost(tiles)
        }
    }
}

/// The environment variable that forces a method.
pub(crate) const VARIABLE: &str = "CONVNET_WINOGRAD";

/// Parsed from [`VARIABLE`]: `None` leaves the choice to the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Forced(Option<Method>);

impl FromStr for Forced {
    type Err = CpuError;

    fn from_str(text: &str) -> Result<Self, CpuError> {
        let method = match text.trim().to_ascii_lowercase().as_str() {
            "" => None,
            "off" => Some(Method::Direct),
            "2" => Some(Method::Winograd(TileSize::Two)),
            "4" => Some(Method::Winograd(TileSize::Four)),
            "6" => Some(Method::Winograd(TileSize::Six)),
            _ => return Err(CpuError::UnknownTile(text.to_owned())),
        };
        Ok(Self(method))
    }
}

impl Forced {
    /// All of them; a code is a place here plus one.
    const ALL: [Self; 5] = [
        Self(None),
        Self(Some(Method::Direct)),
        Self(Some(Method::Winograd(TileSize::Two))),
        Self(Some(Method::Winograd(TileSize::Four))),
        Self(Some(Method::Winograd(TileSize::Six))),
    ];

    fn store(self) {
        let code = Self::ALL.iter().position(|known| *known == self).unwrap_or(0) as u8 + 1;
        FORCED.store(code, Ordering::Relaxed);
    }
}

/// What is forced, as its code; 0 until the environment has been read.
static FORCED: AtomicU8 = AtomicU8::new(0);

/// Reads `CONVNET_WINOGRAD`.
pub(crate) fn init() -> Result<(), CpuError> {
    let forced = match std::env::var(VARIABLE) {
        Ok(text) => text.parse()?,
        Err(_) => Forced(None),
    };
    forced.store();
    Ok(())
}

fn forced() -> Option<Method> {
    let code = usize::from(FORCED.load(Ordering::Relaxed));
    match Forced::ALL.get(code.wrapping_sub(1)) {
        Some(forced) => forced.0,
        None => read(),
    }
}

/// The first look at the environment, where nobody called [`crate::cpu::init`], which tells of errors.
#[cold]
fn read() -> Option<Method> {
    if init().is_err() {
        Forced(None).store();
    }
    forced()
}

/// Uses a method from now on in the whole process for every pass that allows it, or `None` to leave the choice to the
/// model. Meant for tests and benchmarks; convolutions that exist keep what they have chosen.
pub fn force(method: Option<Method>) {
    Forced(method).store();
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Direct => f.pad("direct"),
            Self::Winograd(size) => f.pad(&format!("F({m}×{m}, 3×3)", m = size.outputs())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::{Axis, Padding, Window};

    fn image(batch: usize, channels: usize, size: usize) -> ConvGeometry {
        let axis = Axis::new(size, 3, 1, 1, Padding::Same).unwrap();
        ConvGeometry {
            batch,
            in_channels: channels,
            out_channels: channels,
            groups: 1,
            window: Window::image(axis, axis),
        }
    }

    #[test]
    fn large_layers_are_tiled_and_tiny_ones_are_not() {
        for pass in Pass::ALL {
            for isa in Isa::ALL {
                assert_ne!(model(&image(8, 128, 28), pass, isa), Method::Direct, "{pass:?} {isa}");
                assert_eq!(model(&image(1, 4, 5), pass, isa), Method::Direct, "{pass:?} {isa}");
            }
        }
    }

    #[test]
    fn taps_that_must_be_transformed_for_few_tiles_are_not() {
        let g = image(1, 512, 7);
        assert_eq!(model(&g, Pass::Forward, Isa::Avx2), Method::Direct);
        assert_ne!(model(&g, Pass::ForwardPacked, Isa::Avx2), Method::Direct);
    }

    #[test]
    fn few_pixels_with_packed_weights_are_not_tiled() {
        let axis = Axis::new(5, 3, 1, 1, Padding::Valid).unwrap();
        let g = ConvGeometry {
            batch: 1,
            in_channels: 64,
            out_channels: 128,
            groups: 1,
            window: Window::image(axis, axis),
        };
        assert_eq!(model(&g, Pass::ForwardPacked, Isa::Avx2), Method::Direct);
    }

    #[test]
    fn sums_over_many_channels_are_kept_from_the_largest_tiles() {
        let six = Method::Winograd(TileSize::Six);
        for pass in [Pass::Forward, Pass::ForwardPacked, Pass::BackwardData] {
            assert_eq!(model(&image(1, 64, 222), pass, Isa::Avx2), six, "{pass:?}");
            assert_ne!(model(&image(1, 256, 222), pass, Isa::Avx2), six, "{pass:?}");
        }
    }

    #[test]
    fn other_windows_are_direct() {
        let mut g = image(8, 128, 28);
        g.window.axes[1].stride = 2;
        assert_eq!(model(&g, Pass::Forward, Isa::Avx2), Method::Direct);
        g = image(8, 128, 28);
        g.window.axes[0] = Axis { input: 3, ..Axis::UNIT };
        assert_eq!(model(&g, Pass::Forward, Isa::Avx2), Method::Direct);
    }

    #[test]
    fn a_forced_method_holds_where_it_can() {
        let (large, mut strided) = (image(8, 128, 28), image(8, 128, 28));
        strided.window.axes[2].stride = 2;
        for method in [Method::Direct, Method::Winograd(TileSize::Two), Method::Winograd(TileSize::Six)] {
            force(Some(method));
            assert_eq!(choose(&large, Pass::Forward, Isa::Avx2), method);
            assert_eq!(choose(&strided, Pass::Forward, Isa::Avx2), Method::Direct);
        }
        force(None);
        assert_eq!(choose(&large, Pass::Forward, Isa::Avx2), model(&large, Pass::Forward, Isa::Avx2));
    }

    #[test]
    fn settings_are_read_and_bad_ones_refused() {
        assert_eq!("off".parse(), Ok(Forced(Some(Method::Direct))));
        assert_eq!(" 4 ".parse(), Ok(Forced(Some(Method::Winograd(TileSize::Four)))));
        assert_eq!("".parse(), Ok(Forced(None)));
        let error = "5".parse::<Forced>().unwrap_err().to_string();
        assert!(error.contains(VARIABLE) && error.contains("off, 2, 4 or 6"), "{error}");
    }
}
