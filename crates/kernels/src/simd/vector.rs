//! The vector operations that register-tiled kernels are written in.

/// Vectors of one instruction set.
///
/// Some are of pairs: the factors of [`Simd::multiply_add`] then are 16-bit numbers (bf16), two in the bits of each element, and
/// `a·b` is the sum of both products. All else, what is added to included, is as for others, so a kernel that only moves and multiplies its
/// operands need not know.
///
/// # Safety
/// All functions need a machine that has the instruction set; those with pointers need so many elements there.
pub(crate) trait Simd: Copy {
    /// A vector.
    type V: Copy;
    /// Its elements.
    const LANES: usize;

    unsafe fn splat(value: f32) -> Self::V;
    unsafe fn load(pointer: *const f32) -> Self::V;
    unsafe fn store(pointer: *mut f32, value: Self::V);
    /// The first `count` (at most `LANES`) elements; the others are zero and not touched.
    unsafe fn load_partial(pointer: *const f32, count: usize) -> Self::V;
    /// The first `count` (at most `LANES`) elements; the memory after them is not touched.
    unsafe fn store_partial(pointer: *mut f32, value: Self::V, count: usize);
    /// `a·b + c`.
    unsafe fn multiply_add(a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    unsafe fn add(a: Self::V, b: Self::V) -> Self::V;
    /// `a − b`.
    unsafe fn subtract(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn multiply(a: Self::V, b: Self::V) -> Self::V;
    /// The larger one, or `b` if one is a NaN.
    unsafe fn max(a: Self::V, b: Self::V) -> Self::V;
    /// The smaller one, or `b` if one is a NaN.
    unsafe fn min(a: Self::V, b: Self::V) -> Self::V;
    /// Hints that the cache line at `pointer` will be used soon. It may lie anywhere.
    #[inline(always)]
    fn prefetch(_pointer: *const f32) {}
    /// Hints that the cache line at `pointer` will be used, but not before others: the second-level cache is near enough.
    #[inline(always)]
    fn prefetch_far(_pointer: *const f32) {}
}
