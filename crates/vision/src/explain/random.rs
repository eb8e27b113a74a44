//! Random numbers of a seed, for noise on pictures.

/// SplitMix64.
pub(super) struct Random(pub u64);

impl Random {
    /// At least 0, below 1.
    pub fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((bits ^ (bits >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A whole number of −most … most.
    pub fn around(&mut self, most: usize) -> isize {
        (self.uniform() * (2 * most + 1) as f64) as isize - most as isize
    }

    /// From the normal distribution, by Box and Muller.
    pub fn normal(&mut self) -> f32 {
        let (a, b) = (1.0 - self.uniform(), self.uniform());
        ((-2.0 * a.ln()).sqrt() * (std::f64::consts::TAU * b).cos()) as f32
    }
}
