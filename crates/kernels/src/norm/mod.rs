//! Normalisation: over the batch, over rows (layer, root mean square, unit length), over groups of channels, and by
//! the response of neighbouring channels.

mod batch;
mod batch_gradient;
mod group;
mod response;
mod rows;

pub use batch::{
    BatchNormForward, Clip, Statistics, batch_norm_apply, batch_norm_forward, batch_norm_scratch,
    frozen_affine, moving_average,
};
pub use batch_gradient::{BatchNormBackward, batch_norm_backward, batch_norm_residual_backward};
pub use group::{GroupNorm, GroupNormBackward, group_norm_backward, group_norm_forward, group_norm_scratch};
pub use response::{Response, response_norm_backward, response_norm_forward};
pub use rows::{RowNorm, RowNormBackward, RowStatistics, row_norm_backward, row_norm_forward};

/// Elements of the rows of a piece: enough rows that what is worked out for a channel pays.
fn piece(channels: usize) -> usize {
    ((1 << 14) / channels.max(1)).max(32) * channels
}
