//! In how many bits values are stored.

use std::fmt;
use std::str::FromStr;

/// How exactly values are stored. Sums have 32 bits in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// 32 bits for everything.
    #[default]
    F32,
    /// 16 bits (bf16: the range of 32 bits, 8 significant bits) for what takes most memory, 32 for the rest.
    ///
    /// Trained: activations that the backward sweep needs are rounded to 16 bits (relative error at most 2⁻⁸) where they are made,
    /// and kept so; weights, gradients, statistics, the optimizer's memory, losses and metrics have 32 bits.
    ///
    /// Predicting: weights that a call reads once, those of dense layers for up to three samples, which is a matter of memory's speed,
    /// are rounded and kept in 16 bits beside the model's own. Others are read many times and gain nothing; nor do activations, which are
    /// not kept.
    ///
    /// On machines with AVX-512 BF16 both also round what convolutions and dense layers multiply, weights and inputs, and sum up two
    /// products at once in 32 bits: with one group, an even number of channels, where tiles of 3 × 3 convolutions are not expected to be
    /// faster; trained, in the forward sweep, up to what the loss reads. Results there differ from those of other machines by this rounding.
    Bf16,
}

/// A text that names no [`Precision`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no precision `{0}`; there are `f32` and `bf16`")]
pub struct UnknownPrecision(pub String);

impl Precision {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::F32, Self::Bf16];

    /// Its short name.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
        }
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Precision {
    type Err = UnknownPrecision;

    /// The short names, and those of Keras's policies that they come nearest to.
    fn from_str(text: &str) -> Result<Self, UnknownPrecision> {
        match text {
            "f32" | "float32" => Ok(Self::F32),
            "bf16" | "mixed_bfloat16" => Ok(Self::Bf16),
            _ => Err(UnknownPrecision(text.to_owned())),
        }
    }
}
