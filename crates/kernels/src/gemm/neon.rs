//! NEON: tiles of 6 × 16, whose sums take 24 of thirty-two registers, and the columns 4.

super::kernels!(
    crate::simd::Neon, 8, 6, 6, neon_brgemm, neon_outer,
    [1 2 3 4 5 6],
    [1 2 3 4 5 6]
);
