//! Plain Rust with the tiles of AVX-512 (14 × 32), so that their logic can be tested on any machine.

super::kernels!(
    crate::simd::Plain<16>, 16, 14, 10, emulated512_brgemm, emulated512_outer,
    [1 2 3 4 5 6 7 8 9 10 11 12 13 14],
    [1 2 3 4 5 6 7 8 9 10]
);

super::kernels!(
    @pairs
    crate::simd::Plain<16, true>, emulated512_brgemm_pairs,
    [1 2 3 4 5 6 7 8 9 10 11 12 13 14],
    [1 2 3 4 5 6 7 8 9 10]
);
