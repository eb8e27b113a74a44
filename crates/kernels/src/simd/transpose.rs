//! Transposition of small blocks.

/// `target[k·target_stride + i] = source[i·source_stride + k]` for i, k < 4.
///
/// # Panics
/// If a slice is too short.
#[inline(always)]
pub(crate) fn transpose_4x4(source: &[f32], source_stride: usize, target: &mut [f32], target_stride: usize) {
    let row = |i: usize| -> [f32; 4] {
        let row = &source[i * source_stride..][..4];
        [row[0], row[1], row[2], row[3]]
    };
    let columns = transposed([row(0), row(1), row(2), row(3)]);
    for (k, column) in columns.into_iter().enumerate() {
        target[k * target_stride..][..4].copy_from_slice(&column);
    }
}

/// The transpose of a block, by shuffles of the vectors that every machine of this kind has.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn transposed(rows: [[f32; 4]; 4]) -> [[f32; 4]; 4] {
    use std::arch::x86_64::{
        _mm_loadu_ps, _mm_movehl_ps, _mm_movelh_ps, _mm_storeu_ps, _mm_unpackhi_ps, _mm_unpacklo_ps,
    };
    let mut columns = [[0.0; 4]; 4];
    // SAFETY: SSE belongs to the architecture; each load and store is of four elements of an array of four.
    unsafe {
        let [a, b, c, d] = rows.map(|row| _mm_loadu_ps(row.as_ptr()));
        let (ab_low, cd_low) = (_mm_unpacklo_ps(a, b), _mm_unpacklo_ps(c, d));
        let (ab_high, cd_high) = (_mm_unpackhi_ps(a, b), _mm_unpackhi_ps(c, d));
        _mm_storeu_ps(columns[0].as_mut_ptr(), _mm_movelh_ps(ab_low, cd_low));
        _mm_storeu_ps(columns[1].as_mut_ptr(), _mm_movehl_ps(cd_low, ab_low));
        _mm_storeu_ps(columns[2].as_mut_ptr(), _mm_movelh_ps(ab_high, cd_high));
        _mm_storeu_ps(columns[3].as_mut_ptr(), _mm_movehl_ps(cd_high, ab_high));
    }
    columns
}

/// The transpose of a block, by interleaving rows twice.
#[cfg(target_arch = "aarch64")]
#[inline(always)]
fn transposed(rows: [[f32; 4]; 4]) -> [[f32; 4]; 4] {
    use std::arch::aarch64::{vld1q_f32, vst1q_f32, vzip1q_f32, vzip2q_f32};
    let mut columns = [[0.0; 4]; 4];
    // SAFETY: NEON belongs to the architecture; each load and store is of four elements of an array of four.
    unsafe {
        let [a, b, c, d] = rows.map(|row| vld1q_f32(row.as_ptr()));
        let (ac_low, bd_low) = (vzip1q_f32(a, c), vzip1q_f32(b, d));
        let (ac_high, bd_high) = (vzip2q_f32(a, c), vzip2q_f32(b, d));
        vst1q_f32(columns[0].as_mut_ptr(), vzip1q_f32(ac_low, bd_low));
        vst1q_f32(columns[1].as_mut_ptr(), vzip2q_f32(ac_low, bd_low));
        vst1q_f32(columns[2].as_mut_ptr(), vzip1q_f32(ac_high, bd_high));
        vst1q_f32(columns[3].as_mut_ptr(), vzip2q_f32(ac_high, bd_high));
    }
    columns
}

/// The transpose of a block.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn transposed(rows: [[f32; 4]; 4]) -> [[f32; 4]; 4] {
    std::array::from_fn(|k| std::array::from_fn(|i| rows[i][k]))
}
