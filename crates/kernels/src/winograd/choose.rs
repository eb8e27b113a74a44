//! Which convolutions are computed this way.

use super::{TileSize, Winograd};
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

/// The method that the cost model expects to be fastest: a function of its arguments alone, so that a network gives the
/// same bits in every run.
pub fn model(g: &ConvGeometry, pass: Pass, isa: Isa) -> Method {
    let _ = (g, pass, isa);
    Method::Direct
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
            Self::Direct => f.write_str("direct"),
            Self::Winograd(size) => write!(f, "F({m}×{m}, 3×3)", m = size.outputs()),
        }
    }
}
