//! Blocks of columns: the kernel under concatenation and slicing along the last axis.

use super::CHUNK;
use crate::par;

/// Copies `width` columns of `rows` rows: `dst[r·dst_stride + dst_offset + i] = src[r·src_stride + src_offset + i]`.
/// The rest of `dst` stays as it is.
///
/// # Panics
/// If a block does not lie inside its rows, or a slice is shorter than `rows` rows.
#[expect(
    clippy::too_many_arguments,
    reason = "two blocks of three numbers each; a struct for either would not say more"
)]
pub fn copy_block(
    rows: usize,
    src: &[f32],
    src_stride: usize,
    src_offset: usize,
    dst: &mut [f32],
    dst_stride: usize,
    dst_offset: usize,
    width: usize,
) {
    assert!(src_offset + width <= src_stride, "copy_block: the source block is wider than its rows");
    assert!(dst_offset + width <= dst_stride, "copy_block: the destination block is wider than its rows");
    assert!(
        src.len() >= rows * src_stride,
        "copy_block: the source is shorter than {rows} rows of {src_stride}"
    );
    assert!(
        dst.len() >= rows * dst_stride,
        "copy_block: the destination is shorter than {rows} rows of {dst_stride}"
    );
    if rows == 0 || width == 0 {
        return;
    }
    let rows_per_piece = (CHUNK / width).max(1);
    let cost = (rows * width) as u64 / 4 + rows as u64;
    par::for_each_chunk(&mut dst[..rows * dst_stride], rows_per_piece * dst_stride, cost, |start, dst| {
        let src = &src[start / dst_stride * src_stride..];
        for (dst, src) in dst.chunks_exact_mut(dst_stride).zip(src.chunks_exact(src_stride)) {
            dst[dst_offset..dst_offset + width].copy_from_slice(&src[src_offset..src_offset + width]);
        }
    });
}
