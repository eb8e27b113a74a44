//! Scratch for the pieces of a loop: a piece takes the part that its thread had before, if that is free, so a few parts stay in
//! their threads' caches however many pieces there are.

use super::Shared;
use std::sync::atomic::{AtomicU64, Ordering};

/// Most slots there can be.
pub(crate) const MAX: usize = 64;

/// Equal parts of a slice, each used by one piece at a time.
pub(crate) struct Slots<'a> {
    memory: Shared<'a>,
    len: usize,
    free: AtomicU64,
}

impl<'a> Slots<'a> {
    /// `count` slots of `len` elements; no more than `count` pieces may ask for one at the same time.
    pub(crate) fn new(memory: &'a mut [f32], count: usize, len: usize) -> Self {
        assert!(count <= MAX && memory.len() >= count * len, "{count} slots of {len} in {}", memory.len());
        let free = if count == MAX { u64::MAX } else { (1 << count) - 1 };
        Self { memory: Shared::new(memory), len, free: AtomicU64::new(free) }
    }

    /// Runs `work` with a slot, whose content may be anything.
    ///
    /// # Panics
    /// If all slots are taken.
    pub(crate) fn with<R>(&self, work: impl FnOnce(&mut [f32]) -> R) -> R {
        // Taking and giving back order a piece's accesses after those of the slot's last user.
        let own = 1_u64.checked_shl(super::INDEX.get() as u32).unwrap_or(0);
        let slot_of = |free: u64| if free & own != 0 { own } else { free & free.wrapping_neg() };
        let taken = self
            .free
            .fetch_update(Ordering::Acquire, Ordering::Relaxed, |free| Some(free & !slot_of(free)))
            .unwrap_or(0);
        assert!(taken != 0, "more pieces than slots");
        let slot = slot_of(taken).trailing_zeros();
        // SAFETY: a slot's bit is taken by one piece only until it is given back.
        let result = work(unsafe { self.memory.part(slot as usize * self.len, self.len) });
        self.free.fetch_or(1 << slot, Ordering::Release);
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_at_the_same_time_have_different_slots() {
        let mut memory = vec![0.0; 12];
        let slots = Slots::new(&mut memory, 3, 4);
        slots.with(|a| {
            a.fill(1.0);
            slots.with(|b| {
                b.fill(2.0);
                slots.with(|c| c.fill(3.0));
                slots.with(|c| assert_eq!(c, [3.0; 4]));
            });
            slots.with(|b| assert_eq!(b, [2.0; 4]));
        });
        assert_eq!(memory, [1., 1., 1., 1., 2., 2., 2., 2., 3., 3., 3., 3.]);
    }
}
