//! Raw numbers of any common width and byte order, as f32 or i64: what NumPy's and HDF5's files have in common.

/// How one number is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Encoding {
    pub kind: Kind,
    /// Bytes in one number.
    pub size: usize,
    pub big_endian: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Float,
    /// The upper half of an f32.
    Bfloat,
    Signed,
    Unsigned,
}

/// Writes every number of `$bytes`, read as `$type` and converted, to the elements of `$to`.
macro_rules! fill {
    ($type:ty, $bytes:expr, $big_endian:expr, $to:expr, $convert:expr) => {{
        let (chunks, _) = $bytes.as_chunks::<{ size_of::<$type>() }>();
        match $big_endian {
            false => {
                $to.iter_mut().zip(chunks).for_each(|(to, &x)| *to = $convert(<$type>::from_le_bytes(x)))
            }
            true => $to.iter_mut().zip(chunks).for_each(|(to, &x)| *to = $convert(<$type>::from_be_bytes(x))),
        }
    }};
}

/// Applies `$convert` to every number of `$bytes`, read as `$type`.
macro_rules! convert {
    ($type:ty, $bytes:expr, $big_endian:expr, $convert:expr) => {{
        const SIZE: usize = size_of::<$type>();
        let (chunks, _) = $bytes.as_chunks::<SIZE>();
        match $big_endian {
            false => chunks.iter().map(|&chunk| $convert(<$type>::from_le_bytes(chunk))).collect(),
            true => chunks.iter().map(|&chunk| $convert(<$type>::from_be_bytes(chunk))).collect(),
        }
    }};
}

impl Encoding {
    /// The numbers as f32, or `None` for a width that does not exist. Integers above 2²⁴ and doubles are rounded.
    pub fn to_f32(self, bytes: &[u8]) -> Option<Vec<f32>> {
        let mut values = vec![0.0; bytes.len().checked_div(self.size)?];
        self.fill_f32(bytes, &mut values)?;
        Some(values)
    }

    /// As [`to_f32`](Self::to_f32), into memory that is there.
    pub fn fill_f32(self, bytes: &[u8], to: &mut [f32]) -> Option<()> {
        let big = self.big_endian;
        match (self.kind, self.size) {
            (Kind::Float, 2) => fill!(u16, bytes, big, to, half_to_f32),
            (Kind::Float, 4) => fill!(f32, bytes, big, to, |x| x),
            (Kind::Float, 8) => fill!(f64, bytes, big, to, |x| x as f32),
            (Kind::Bfloat, 2) => fill!(u16, bytes, big, to, |x| f32::from_bits(u32::from(x) << 16)),
            (Kind::Signed, 1) => fill!(i8, bytes, big, to, f32::from),
            (Kind::Signed, 2) => fill!(i16, bytes, big, to, f32::from),
            (Kind::Signed, 4) => fill!(i32, bytes, big, to, |x| x as f32),
            (Kind::Signed, 8) => fill!(i64, bytes, big, to, |x| x as f32),
            (Kind::Unsigned, 1) => fill!(u8, bytes, big, to, f32::from),
            (Kind::Unsigned, 2) => fill!(u16, bytes, big, to, f32::from),
            (Kind::Unsigned, 4) => fill!(u32, bytes, big, to, |x| x as f32),
            (Kind::Unsigned, 8) => fill!(u64, bytes, big, to, |x| x as f32),
            _ => return None,
        }
        Some(())
    }

    /// The numbers as i64, or `None` for floats, unknown widths and values beyond i64.
    pub fn to_i64(self, bytes: &[u8]) -> Option<Vec<i64>> {
        let big = self.big_endian;
        Some(match (self.kind, self.size) {
            (Kind::Signed, 1) => convert!(i8, bytes, big, i64::from),
            (Kind::Signed, 2) => convert!(i16, bytes, big, i64::from),
            (Kind::Signed, 4) => convert!(i32, bytes, big, i64::from),
            (Kind::Signed, 8) => convert!(i64, bytes, big, |x| x),
            (Kind::Unsigned, 1) => convert!(u8, bytes, big, i64::from),
            (Kind::Unsigned, 2) => convert!(u16, bytes, big, i64::from),
            (Kind::Unsigned, 4) => convert!(u32, bytes, big, i64::from),
            (Kind::Unsigned, 8) => {
                let values: Option<Vec<i64>> = convert!(u64, bytes, big, |x: u64| i64::try_from(x).ok());
                return values;
            }
            _ => return None,
        })
    }
}

/// IEEE 754 half precision, exactly.
fn half_to_f32(half: u16) -> f32 {
    let sign = u32::from(half & 0x8000) << 16;
    let (exponent, mantissa) = (u32::from(half >> 10 & 0x1f), u32::from(half & 0x3ff));
    let magnitude = match exponent {
        // Subnormal: mantissa · 2⁻²⁴, which f32 holds exactly.
        0 => (mantissa as f32 * 2f32.powi(-24)).to_bits(),
        0x1f => 0x7f80_0000 | mantissa << 13,
        _ => (exponent + 112) << 23 | mantissa << 13,
    };
    f32::from_bits(sign | magnitude)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_are_exact() {
        let cases = [
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x7bff, 65504.0),
            (0x0001, 2f32.powi(-24)),
            (0x0400, 2f32.powi(-14)),
        ];
        for (bits, value) in cases {
            assert_eq!(half_to_f32(bits), value);
        }
        assert_eq!(half_to_f32(0xfc00), f32::NEG_INFINITY);
        assert!(half_to_f32(0x7e00).is_nan());
    }

    #[test]
    fn byte_orders_and_widths() {
        let encoding = |kind, size, big_endian| Encoding { kind, size, big_endian };
        assert_eq!(encoding(Kind::Signed, 2, true).to_f32(&[0xff, 0xfe]).unwrap(), [-2.0]);
        assert_eq!(encoding(Kind::Signed, 2, false).to_i64(&[0xfe, 0xff]).unwrap(), [-2]);
        assert_eq!(encoding(Kind::Float, 8, true).to_f32(&1.5f64.to_be_bytes()).unwrap(), [1.5]);
        assert_eq!(encoding(Kind::Bfloat, 2, false).to_f32(&[0x80, 0x3f]).unwrap(), [1.0]);
        assert_eq!(encoding(Kind::Unsigned, 8, false).to_i64(&[0xff; 8]), None);
        assert_eq!(encoding(Kind::Float, 16, false).to_f32(&[0; 16]), None);
    }
}
