//! The instruction set in use: found at start-up, or forced by `CONVNET_ISA`.

use crate::winograd;
use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicU8, Ordering};

/// An instruction set that the kernels are compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Isa {
    /// Plain Rust, right everywhere; the oracle of the others.
    Scalar,
    /// 128-bit vectors of AArch64, which has them always.
    Neon,
    /// 256-bit vectors with fused multiply-add.
    Avx2,
    /// 512-bit vectors.
    Avx512,
    /// Plain Rust with the register tiles of AVX-512, so that their logic can be tested on any machine. Never chosen
    /// by detection.
    Emulated512,
}

impl Isa {
    /// All instruction sets, from the plainest to the widest.
    pub const ALL: [Self; 5] = [Self::Scalar, Self::Neon, Self::Avx2, Self::Avx512, Self::Emulated512];

    /// The name used by `CONVNET_ISA`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::Neon => "neon",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
            Self::Emulated512 => "emulated512",
        }
    }

    /// Whether this machine can run it.
    pub fn is_supported(self) -> bool {
        match self {
            Self::Scalar | Self::Emulated512 => true,
            Self::Neon => cfg!(target_arch = "aarch64"),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => {
                Self::Avx2.is_supported()
                    && is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512vl")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512dq")
            }
            #[cfg(not(target_arch = "x86_64"))]
            Self::Avx2 | Self::Avx512 => false,
        }
    }

    /// Whether it and this machine have an instruction that multiplies pairs of 16-bit numbers (bf16) and adds both products to a float:
    /// AVX-512 BF16, or its emulation.
    pub fn has_pairs(self) -> bool {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => self.is_supported() && is_x86_feature_detected!("avx512bf16"),
            Self::Emulated512 => true,
            _ => false,
        }
    }

    const fn code(self) -> u8 {
        match self {
            Self::Scalar => 1,
            Self::Avx2 => 2,
            Self::Avx512 => 3,
            Self::Emulated512 => 4,
            Self::Neon => 5,
        }
    }

    const fn from_code(code: u8) -> Option<Self> {
        match code {
            1 => Some(Self::Scalar),
            2 => Some(Self::Avx2),
            3 => Some(Self::Avx512),
            4 => Some(Self::Emulated512),
            5 => Some(Self::Neon),
            _ => None,
        }
    }
}

impl fmt::Display for Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Isa {
    type Err = CpuError;

    fn from_str(text: &str) -> Result<Self, CpuError> {
        let wanted = text.trim().to_ascii_lowercase();
        Self::ALL
            .into_iter()
            .find(|isa| isa.name() == wanted)
            .ok_or_else(|| CpuError::Unknown(text.to_owned()))
    }
}

/// Why an instruction set, or another setting of the environment, cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CpuError {
    /// No instruction set has this name.
    Unknown(String),
    /// This machine does not have it.
    Unsupported(Isa),
    /// Not a tile size of Winograd's convolutions.
    UnknownTile(String),
}

impl fmt::Display for CpuError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |set: &[Isa]| set.iter().map(|isa| isa.name()).collect::<Vec<_>>().join(", ");
        match self {
            Self::Unknown(name) => write!(
                f,
                "{ISA_VARIABLE}={name}: no such instruction set; this machine can run {}",
                list(&supported())
            ),
            Self::Unsupported(isa) => write!(
                f,
                "{ISA_VARIABLE}={isa}: this machine does not have {isa}; it can run {}",
                list(&supported())
            ),
            Self::UnknownTile(text) => {
                write!(f, "{}={text}: it can be off, 2, 4 or 6", winograd::VARIABLE)
            }
        }
    }
}

impl std::error::Error for CpuError {}

const ISA_VARIABLE: &str = "CONVNET_ISA";

/// The environment variables that this crate reads: name and meaning.
pub const KNOBS: &[(&str, &str)] = &[
    (
        ISA_VARIABLE,
        "instruction set of the kernels: scalar, neon, avx2 or avx512 (default: the widest the machine has)",
    ),
    (
        winograd::VARIABLE,
        "tiles of 3 x 3 convolutions: off, 2, 4 or 6 (default: what a model of their cost expects to be fastest)",
    ),
];

/// The instruction set in use as its code; 0 until it has been chosen.
static CHOSEN: AtomicU8 = AtomicU8::new(0);

/// Chooses the instruction set: the one named by `CONVNET_ISA`, else the widest that the machine has.
///
/// # Errors
/// If `CONVNET_ISA` names no instruction set, or one that this machine does not have; or if another of [`KNOBS`] has a
/// value that it cannot have.
pub fn init() -> Result<Isa, CpuError> {
    winograd::init()?;
    let isa = match std::env::var(ISA_VARIABLE) {
        Ok(name) if !name.trim().is_empty() => {
            let isa: Isa = name.parse()?;
            if !isa.is_supported() {
                return Err(CpuError::Unsupported(isa));
            }
            isa
        }
        _ => detect(),
    };
    CHOSEN.store(isa.code(), Ordering::Relaxed);
    Ok(isa)
}

/// The instruction set in use. The first call chooses it as [`init`] does, but falls back to detection where that
/// would fail.
#[inline]
pub fn isa() -> Isa {
    match Isa::from_code(CHOSEN.load(Ordering::Relaxed)) {
        Some(isa) => isa,
        None => choose(),
    }
}

#[cold]
fn choose() -> Isa {
    init().unwrap_or_else(|_| {
        let isa = detect();
        CHOSEN.store(isa.code(), Ordering::Relaxed);
        isa
    })
}

/// Uses `isa` from now on, in the whole process. Meant for tests and benchmarks.
///
/// # Errors
/// If this machine does not have it.
pub fn force(isa: Isa) -> Result<(), CpuError> {
    if !isa.is_supported() {
        return Err(CpuError::Unsupported(isa));
    }
    CHOSEN.store(isa.code(), Ordering::Relaxed);
    Ok(())
}

/// The instruction sets that this machine can run, from the plainest to the widest, without emulated ones.
pub fn supported() -> Vec<Isa> {
    [Isa::Scalar, Isa::Neon, Isa::Avx2, Isa::Avx512].into_iter().filter(|isa| isa.is_supported()).collect()
}

fn detect() -> Isa {
    supported().pop().unwrap_or(Isa::Scalar)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        for isa in Isa::ALL {
            assert_eq!(isa.name().parse(), Ok(isa));
            assert_eq!(Isa::from_code(isa.code()), Some(isa));
        }
    }

    #[test]
    fn an_unknown_name_is_refused_with_the_possible_ones() {
        let error = "sse9".parse::<Isa>().unwrap_err();
        assert!(error.to_string().contains("sse9") && error.to_string().contains("scalar"), "{error}");
    }
}
