//! AVX-512: tiles of 14 × 32, which leave four of thirty-two registers for operands.

super::kernels!(
    #[target_feature(enable = "avx2,fma,avx512f,avx512vl,avx512bw,avx512dq")]
    crate::simd::Avx512, 16, 14, 10, avx512_brgemm, avx512_outer,
    [1 2 3 4 5 6 7 8 9 10 11 12 13 14],
    [1 2 3 4 5 6 7 8 9 10]
);

super::kernels!(
    @pairs
    #[target_feature(enable = "avx2,fma,avx512f,avx512vl,avx512bw,avx512dq,avx512bf16")]
    crate::simd::Avx512<true>, avx512_brgemm_pairs,
    [1 2 3 4 5 6 7 8 9 10 11 12 13 14],
    [1 2 3 4 5 6 7 8 9 10]
);
