//! Optimizers with Keras 3's numerics, on flat slices of parameters, gradients and slots.

mod adadelta;
mod adagrad;
mod adam;
mod adamax;
mod gradients;
mod lamb;
mod lion;
mod nadam;
mod rmsprop;
mod sgd;

pub use adadelta::{Adadelta, adadelta};
pub use adagrad::{Adagrad, adagrad};
pub use adam::{Adam, adam, amsgrad};
pub use adamax::{Adamax, adamax};
pub use gradients::{accumulate, average, clip, decay, mix, scale, squares};
pub use lamb::{Lamb, lamb};
pub use lion::{Lion, lion};
pub use nadam::{Nadam, momentum_product, nadam};
pub use rmsprop::{RmsProp, rmsprop};
pub use sgd::{Sgd, sgd};

use crate::par::{self, Shared};

/// Elements of a piece of a loop.
const CHUNK: usize = 1 << 13;

/// Calls `work` for consecutive pieces of the parameters, each with its gradients and its parts of the slots. `cost` is the
/// estimate for all pieces, in nanoseconds on one thread.
///
/// # Panics
/// If the lengths differ.
fn for_each_piece<const N: usize>(
    parameters: &mut [f32],
    gradients: &[f32],
    slots: [&mut [f32]; N],
    cost: u64,
    work: impl Fn(&mut [f32], &[f32], [&mut [f32]; N]) + Sync + Send,
) {
    let len = parameters.len();
    let alike = gradients.len() == len && slots.iter().all(|slot| slot.len() == len);
    assert!(alike, "an optimizer's parameters, gradients and slots differ in length");
    let slots = slots.map(Shared::new);
    par::for_each_chunk(parameters, CHUNK, cost, |start, w| {
        // SAFETY: pieces are disjoint, and so are their parts of the slots.
        let parts = slots.each_ref().map(|slot| unsafe { slot.part(start, w.len()) });
        work(w, &gradients[start..start + w.len()], parts);
    });
}
