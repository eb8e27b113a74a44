//! Axes in another order.

use super::CHUNK;
use crate::par;

/// How a tensor is walked through in the order of another's axes.
#[derive(Clone, Debug)]
pub struct AxisOrder {
    /// Sizes of the result, outermost first, and the distance in the source of neighbours along each axis.
    axes: Vec<(usize, usize)>,
}

impl AxisOrder {
    /// Axis `i` of the result is axis `order[i]` of a source of sizes `dims`.
    ///
    /// # Panics
    /// If `order` does not have each axis once.
    pub fn new(dims: &[usize], order: &[usize]) -> Self {
        let mut sorted = order.to_vec();
        sorted.sort_unstable();
        assert!(
            sorted.iter().copied().eq(0..dims.len()),
            "permute: {order:?} is no order of {} axes",
            dims.len()
        );
        let axes = order.iter().map(|&axis| (dims[axis], dims[axis + 1..].iter().product())).collect();
        Self { axes }
    }

    /// Elements of source and result.
    fn len(&self) -> usize {
        self.axes.iter().map(|(size, _)| size).product()
    }
}

/// Writes the elements of `src` to `dst` in another order of axes.
///
/// # Panics
/// If a slice has another length than the sizes say.
pub fn permute(order: &AxisOrder, src: &[f32], dst: &mut [f32]) {
    assert_eq!(src.len(), order.len(), "permute: source");
    assert_eq!(dst.len(), order.len(), "permute: result");
    let Some((&(width, stride), outer)) = order.axes.split_last() else { return dst.copy_from_slice(src) };
    if dst.is_empty() {
        return;
    }
    let rows_per_piece = (CHUNK / width).max(1);
    let cost = dst.len() as u64;
    par::for_each_chunk(dst, rows_per_piece * width, cost, |start, dst| {
        for (row, dst) in (start / width..).zip(dst.chunks_exact_mut(width)) {
            let (mut rest, mut place) = (row, 0);
            for &(size, stride) in outer.iter().rev() {
                place += rest % size * stride;
                rest /= size;
            }
            if stride == 1 {
                dst.copy_from_slice(&src[place..place + width]);
            } else {
                for (dst, src) in dst.iter_mut().zip(src[place..].iter().step_by(stride)) {
                    *dst = *src;
                }
            }
        }
    });
}
