//! Threads: a pool, and loops whose pieces are fixed by shape.
//!
//! A loop here is given its pieces; how they fall on threads changes nothing in the result. A whole training step runs
//! inside one [`Pool::install`], between whose loops the threads stay awake. Loops too small to be worth sharing stay on
//! their thread.

pub(crate) mod slots;
mod team;

use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::thread;
use team::Team;

/// Work below so many nanoseconds is not shared among threads.
const WORTH_SHARING: u64 = 5_000;

thread_local! {
    /// Whose helpers share the loops of this thread; none while it runs a piece of one.
    static TEAM: Cell<Option<Arc<Team>>> = const { Cell::new(None) };

    /// Which of its team a thread is.
    static INDEX: Cell<usize> = const { Cell::new(0) };
}

/// A pool of threads: the one that enters it, and helpers.
pub struct Pool {
    team: Arc<Team>,
}

/// Why a pool could not be made.
#[derive(Debug)]
pub struct PoolError(std::io::Error);

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
        let threads =
            if threads == 0 { thread::available_parallelism().map_or(1, usize::from) } else { threads };
        Ok(Self { team: Arc::new(Team::new(threads).map_err(PoolError)?) })
    }

    /// Number of threads.
    pub fn threads(&self) -> usize {
        self.team.threads()
    }

    /// Runs `work`: the loops of this crate called by it share the pool's threads. These serve one caller at a time; what
    /// another thread runs meanwhile stays on that thread.
    pub fn install<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        let turn = self.team.turn();
        let outer = TEAM.take();
        let is_inside = outer.as_ref().is_some_and(|outer| Arc::ptr_eq(outer, &self.team));
        let has_helpers = is_inside || turn.is_some() && self.team.threads() > 1;
        TEAM.set(has_helpers.then(|| Arc::clone(&self.team)));
        let _restore = Restore(outer);
        work()
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("threads", &self.threads()).finish()
    }
}

/// Gives a thread its team back, also where a piece panics.
struct Restore(Option<Arc<Team>>);

impl Drop for Restore {
    fn drop(&mut self) {
        TEAM.set(self.0.take());
    }
}

/// Calls `work(0..pieces)`, shared among the threads of the current pool if all pieces together are expected to take
/// more than some 5 µs. `cost` is the estimate for all pieces, in nanoseconds on one thread.
pub fn for_each(pieces: usize, cost: u64, work: impl Fn(usize) + Sync + Send) {
    let is_shared = (2..=u32::MAX as usize).contains(&pieces) && cost >= WORTH_SHARING;
    match if is_shared { TEAM.take() } else { None } {
        None => (0..pieces).for_each(work),
        Some(team) => {
            let restore = Restore(Some(Arc::clone(&team)));
            team.run(pieces as u32, &work);
            drop(restore);
        }
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
    let len = data.len();
    let data = Shared::new(data);
    for_each(len.div_ceil(chunk), cost, |index| {
        let start = index * chunk;
        // SAFETY: each piece has its own elements.
        work(start, unsafe { data.part(start, chunk.min(len - start)) });
    });
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// A cost that is worth sharing.
    const MUCH: u64 = 1 << 30;

    #[test]
    fn each_piece_is_run_once_on_any_number_of_threads() {
        for threads in [1, 2, 3, 8] {
            let pool = Pool::new(threads).unwrap();
            assert_eq!(pool.threads(), threads);
            for pieces in [0, 1, 2, 7, 1000] {
                // Often, so that helpers are met on their way in and out of the gate, and asleep.
                for round in 0..200 {
                    let runs: Vec<_> = (0..pieces).map(|_| AtomicUsize::new(0)).collect();
                    pool.install(|| {
                        for_each(pieces, MUCH, |piece| {
                            runs[piece].fetch_add(1, Ordering::Relaxed);
                        });
                    });
                    assert!(runs.iter().all(|runs| runs.load(Ordering::Relaxed) == 1));
                    if round % 64 == 0 {
                        thread::sleep(std::time::Duration::from_millis(1));
                    }
                }
            }
        }
    }

    #[test]
    fn loops_share_threads_also_within_loops_and_pools_within_pools() {
        let (pool, other) = (Pool::new(2).unwrap(), Pool::new(3).unwrap());
        let count = AtomicUsize::new(0);
        let add = |_| {
            count.fetch_add(1, Ordering::Relaxed);
        };
        pool.install(|| {
            for_each(10, MUCH, |_| pool.install(|| for_each(10, MUCH, add)));
            other.install(|| for_each(10, MUCH, |_| for_each(10, MUCH, add)));
            pool.install(|| for_each(10, MUCH, add));
        });
        assert_eq!(count.into_inner(), 210);
    }

    #[test]
    fn several_callers_of_one_pool_all_get_their_work_done() {
        let (pool, count) = (Pool::new(2).unwrap(), AtomicUsize::new(0));
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..100 {
                        pool.install(|| {
                            for_each(5, MUCH, |_| {
                                count.fetch_add(1, Ordering::Relaxed);
                            })
                        });
                    }
                });
            }
        });
        assert_eq!(count.into_inner(), 2000);
    }

    #[test]
    fn a_piece_that_panics_ends_the_call_and_the_pool_goes_on() {
        let pool = Pool::new(2).unwrap();
        for bad in 0..8 {
            let work = |piece| assert_ne!(piece, bad, "this piece was to panic");
            let ended = catch_unwind(AssertUnwindSafe(|| pool.install(|| for_each(8, MUCH, work))));
            assert!(ended.is_err());
            let mut data = [0; 100];
            pool.install(|| for_each_chunk(&mut data, 3, MUCH, |start, part| part.fill(start)));
            assert!(data.iter().enumerate().all(|(index, &start)| start == index / 3 * 3));
        }
    }
}
