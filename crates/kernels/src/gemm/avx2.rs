//! AVX2: tiles of 6 × 16, which leave three of sixteen registers for operands.

super::kernels!(
    #[target_feature(enable = "avx2,fma")]
    crate::simd::Avx2, 8, 6, 6, avx2_brgemm, avx2_outer,
    [1 2 3 4 5 6],
    [1 2 3 4 5 6]
);
