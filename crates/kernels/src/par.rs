//! Threads: a pool, and loops whose pieces are fixed by shape.
//!
//! A loop here is given its pieces; how they fall on threads changes nothing in the result. A whole training step runs
//! inside one [`Pool::install`], because entering the pool from outside costs far more than a loop inside it. Loops too
//! small to be worth sharing stay on their thread.

use rayon::prelude::*;
use std::fmt;
use std::marker::PhantomData;

/// Work below so many nanoseconds is not shared among threads.
const WORTH_SHARING: u64 = 10_000;

/// A pool of threads.
pub struct Pool {
    pool: rayon::ThreadPool,
}

/// Why a pool could not be made.
#[derive(Debug)]
pub struct PoolError(rayon::ThreadPoolBuildError);

impl fmt::Display for PoolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "could not start the threads: {}", self.0)
    }
}

impl std::error::Error for PoolError {}

impl Pool {
    /// A pool of `threads` threads; 0 means as many as the machine has.
    ///
    /// # Errors
    /// If the system refuses to start them.
    pub fn new(threads: usize) -> Result<Self, PoolError> {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(|index| format!("convnet-{index}"))
            .build()
            .map_err(PoolError)?;
        Ok(Self { pool })
    }

    /// Number of threads.
    pub fn threads(&self) -> usize {
        self.pool.current_num_threads()
    }

    /// Runs `work` inside the pool: the loops of this crate called by it share the pool's threads.
    pub fn install<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        self.pool.install(work)
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("threads", &self.threads()).finish()
    }
}

/// Calls `work(0..pieces)`, shared among the threads of the current pool if all pieces together are expected to take
/// more than some 10 µs. `cost` is the estimate for all pieces, in nanoseconds on one thread.
pub fn for_each(pieces: usize, cost: u64, work: impl Fn(usize) + Sync + Send) {
    if pieces < 2 || cost < WORTH_SHARING || rayon::current_thread_index().is_none() {
        (0..pieces).for_each(work);
    } else {
        (0..pieces).into_par_iter().for_each(work);
    }
}

/// Calls `work(start, piece)` for consecutive pieces of `data`, `chunk` elements each (the last may be shorter), where
/// `start` is the index of the piece's first element. See [`for_each`] for `cost`.
///
/// # Panics
/// If `chunk` is zero.
pub fn for_each_chunk<T: Send>(
    data: &mut [T],
    chunk: usize,
    cost: u64,
    work: impl Fn(usize, &mut [T]) + Sync + Send,
) {
    if data.len() <= chunk || cost < WORTH_SHARING || rayon::current_thread_index().is_none() {
        data.chunks_mut(chunk).enumerate().for_each(|(index, piece)| work(index * chunk, piece));
    } else {
        data.par_chunks_mut(chunk).enumerate().for_each(|(index, piece)| work(index * chunk, piece));
    }
}

/// A mutable slice that several pieces of a loop write to, each its own part.
pub(crate) struct Shared<'a, T = f32> {
    pointer: *mut T,
    len: usize,
    owner: PhantomData<&'a mut [T]>,
}

// SAFETY: the slice is exclusively borrowed for 'a; parts handed out are disjoint by the contract of `part`.
unsafe impl<T: Send> Send for Shared<'_, T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Shared<'_, T> {}

impl<'a, T> Shared<'a, T> {
    pub(crate) fn new(slice: &'a mut [T]) -> Self {
        Self { pointer: slice.as_mut_ptr(), len: slice.len(), owner: PhantomData }
    }

    /// The part `start..start + len`.
    ///
    /// # Safety
    /// No two parts alive at the same time may overlap.
    #[allow(clippy::mut_from_ref)] // that is the purpose: disjoint parts of one slice
    pub(crate) unsafe fn part(&self, start: usize, len: usize) -> &mut [T] {
        assert!(start <= self.len && len <= self.len - start, "part {start}+{len} of {}", self.len);
        // SAFETY: inside the slice by the assertion; disjoint by this function's contract.
        unsafe { std::slice::from_raw_parts_mut(self.pointer.add(start), len) }
    }

    /// Where element `index` lies. Writing there keeps the rule of [`Shared::part`].
    #[inline]
    pub(crate) fn pointer_at(&self, index: usize) -> *mut T {
        assert!(index < self.len, "element {index} of {}", self.len);
        self.pointer.wrapping_add(index)
    }
}
