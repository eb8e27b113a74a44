//! Element by element: activations and their gradients, sums, products, affine maps, copies of blocks and borders, axes in another order.

mod activate;
mod activation;
mod along;
mod arithmetic;
mod bf16;
mod border;
mod broadcast;
mod copy;
mod functions;
pub mod math;
mod permute;
mod rows;
mod unary;

pub(crate) use activate::activate_piece_in_place;
pub use activate::{activate, activate_in_place, activation_gradient, activation_gradient_in_place};
pub use activation::Activation;
pub(crate) use activation::Bounds;
pub use along::{pick_along, place_along};
pub use arithmetic::{
    add, add_assign, add_bias, affine_channels, affine_channels_in_place, multiply, scale_in_place,
    scale_shift, sum,
};
pub use bf16::{from_bf16, narrow, narrow_in_place, round_in_place, to_bf16, widen};
pub use border::{Border, Borders, crop, pad};
pub use broadcast::{BinaryFunction, Broadcast, binary, binary_in_place, expand};
pub use copy::copy_block;
pub use permute::{AxisOrder, permute};
pub use rows::{gather_rows, scatter_rows};
pub use unary::{UnaryFunction, select, unary};

/// Elements of a piece of a loop: 64 KB, so that a piece of a few arrays stays in the second-level cache.
const CHUNK: usize = 1 << 14;
