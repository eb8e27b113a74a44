//! Plain Rust: tiles of 4 × 8.

super::kernels!(
    crate::simd::Plain<4>, 4, 4, 4, scalar_brgemm, scalar_outer,
    [1 2 3 4],
    [1 2 3 4]
);
