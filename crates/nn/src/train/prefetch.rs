//! Batches made ahead, by a thread of their own, while the step before them computes.

use std::mem;
use std::panic::resume_unwind;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Scope, ScopedJoinHandle};

use convnet_engine::Slab;
use convnet_engine::kernels::random::Philox;

use super::samples::ClassNumbers;
use super::{Batch, Place, Samples, Visit};
use crate::error::Result;

/// Full batches that exist: one is trained on, one waits, one is being filled.
const SLOTS: usize = 3;

/// Stream of random numbers for the order of samples; layers count up from 0.
const SHUFFLE_STREAM: u64 = u64::MAX;

/// What a training goes through.
pub(super) struct Course<'a> {
    pub(super) samples: &'a dyn Samples,
    pub(super) class_numbers: ClassNumbers,
    /// What each class counts; empty if all count alike.
    pub(super) class_weight: &'a [f32],
    /// What has been done before.
    pub(super) first: Place,
    pub(super) epochs: usize,
    pub(super) batch_size: usize,
    pub(super) shuffle: bool,
    pub(super) seed: u64,
}

/// A batch and the number of its samples.
pub(super) struct Filled {
    pub(super) batch: Batch,
    pub(super) count: usize,
}

/// The end of the line at which batches come out.
pub(super) struct Prefetch<'scope> {
    ready: Receiver<Result<Filled>>,
    back: SyncSender<Filled>,
    thread: Option<ScopedJoinHandle<'scope, ()>>,
}

impl<'scope> Prefetch<'scope> {
    /// Starts the thread that makes the batches of all epochs, in order. It ends when this is dropped.
    pub(super) fn start<'env>(scope: &'scope Scope<'scope, 'env>, course: Course<'scope>) -> Self {
        // One more slot than full batches: the last of an epoch may be a smaller one.
        let (ready_sender, ready) = sync_channel(SLOTS + 1);
        let (back, back_receiver) = sync_channel(SLOTS + 1);
        let thread = scope.spawn(move || {
            let mut slots = Slots::new(&course, back_receiver);
            // The other end is gone when training ends before its last step.
            let _ended = course.run(&mut slots, &ready_sender);
        });
        Self { ready, back, thread: Some(thread) }
    }

    /// The next batch.
    ///
    /// # Errors
    /// If it could not be filled.
    pub(super) fn next(&mut self) -> Result<Filled> {
        if let Ok(filled) = self.ready.recv() {
            return filled;
        }
        match self.thread.take().map(ScopedJoinHandle::join) {
            Some(Err(panic)) => resume_unwind(panic),
            _ => unreachable!("the thread makes a batch for each step"),
        }
    }

    /// Gives the memory of a batch back, to be filled again.
    pub(super) fn give_back(&self, filled: Filled) {
        // After the last batch nobody wants it.
        let _unwanted = self.back.send(filled);
    }
}

/// The other end of the line has been given up.
struct Ended;

impl Course<'_> {
    fn run(&self, slots: &mut Slots<'_, '_>, ready: &SyncSender<Result<Filled>>) -> Result<(), Ended> {
        let mut order = Vec::new();
        for epoch in self.first.epoch as u64..=self.epochs as u64 {
            let done = if epoch == self.first.epoch as u64 { self.first.step } else { 0 };
            self.order(epoch, &mut order);
            let visit = Visit { seed: self.seed, epoch, training: true };
            for indices in order.chunks(self.batch_size).skip(done) {
                let mut filled = slots.take(indices.len())?;
                let result = self.fill(visit, indices, &mut filled.batch);
                let failed = result.is_err();
                ready.send(result.map(|()| filled)).map_err(|_| Ended)?;
                if failed {
                    return Err(Ended);
                }
            }
        }
        Ok(())
    }

    fn fill(&self, visit: Visit, indices: &[usize], batch: &mut Batch) -> Result<()> {
        if !self.samples.weighted() {
            batch.weights.fill(1.0);
        }
        self.samples.fill(visit, indices, batch)?;
        self.class_numbers.check(batch)?;
        if !self.class_weight.is_empty() {
            let targets = &batch.targets[0];
            let row = targets.len() / indices.len();
            for (weight, target) in batch.weights.iter_mut().zip(targets.chunks_exact(row)) {
                *weight *= self.class_weight.get(class_of(target)).unwrap_or(&1.0);
            }
        }
        Ok(())
    }

    /// Room for `count` samples and their weights.
    fn new_batch(&self, count: usize) -> Batch {
        let mut batch = Batch::new(self.samples, count);
        if !self.class_weight.is_empty() && batch.weights.is_empty() {
            batch.weights = Slab::new(count);
        }
        batch
    }

    /// The order in which an epoch visits the samples.
    fn order(&self, epoch: u64, order: &mut Vec<usize>) {
        order.clear();
        order.extend(0..self.samples.len());
        if self.shuffle {
            let random = Philox::new(self.seed, SHUFFLE_STREAM - epoch);
            for last in (1..order.len()).rev() {
                // The product's upper half is a number up to `last`, its bias below 2⁻³².
                let other = (u64::from(random.word(last as u64)) * (last as u64 + 1)) >> 32;
                order.swap(last, other as usize);
            }
        }
    }
}

/// The class that a target stands for: a number, or the place of the largest in a row.
fn class_of(target: &[f32]) -> usize {
    match target {
        [number] => number.round() as usize,
        row => (1..row.len()).fold(0, |best, at| if row[at] > row[best] { at } else { best }),
    }
}

/// Memory of batches that nobody uses.
struct Slots<'c, 'a> {
    course: &'c Course<'a>,
    free: Vec<Filled>,
    /// Full batches that may still be made; the smaller one is made when it is wanted.
    unmade: usize,
    small_made: bool,
    back: Receiver<Filled>,
}

impl<'c, 'a> Slots<'c, 'a> {
    fn new(course: &'c Course<'a>, back: Receiver<Filled>) -> Self {
        Self { course, free: Vec::with_capacity(SLOTS + 1), unmade: SLOTS, small_made: false, back }
    }

    /// A batch of `count` samples: one that came back, or a new one as long as there are few.
    fn take(&mut self, count: usize) -> Result<Filled, Ended> {
        self.free.extend(self.back.try_iter());
        loop {
            if let Some(place) = self.free.iter().position(|filled| filled.count == count) {
                return Ok(self.free.swap_remove(place));
            }
            let may_be_made = if count == self.course.batch_size {
                let left = self.unmade > 0;
                self.unmade = self.unmade.saturating_sub(1);
                left
            } else {
                !mem::replace(&mut self.small_made, true)
            };
            if may_be_made {
                return Ok(Filled { batch: self.course.new_batch(count), count });
            }
            self.free.push(self.back.recv().map_err(|_| Ended)?);
        }
    }
}
