//! The threads of a pool: they wait for the next loop by looking, because waking one takes as long as many a whole loop.
//!
//! Each thread has a part of the pieces, neighbours together, so that what it wrote in one loop is in its caches in the next.
//! Who has finished takes pieces from the far ends of the others' parts.

use std::any::Any;
use std::cell::UnsafeCell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread::{self, JoinHandle};

/// How often a helper looks for a loop before it sleeps: some 100 µs.
const LOOKS: usize = 1 << 12;

/// How often the end of a loop is looked for before others may have the core.
const LOOKS_FOR_END: usize = 1 << 14;

/// Of the gate: whether helpers may enter.
const OPEN: u64 = 1 << 16;
/// Of the gate: how many helpers are inside.
const INSIDE: u64 = OPEN - 1;
/// Of the gate, from this bit on: the number of the loop.
const LOOP: u32 = 17;

type Work<'a> = &'a (dyn Fn(usize) + Sync);

/// A value with cache lines of its own.
#[repr(align(128))]
struct Apart<T>(T);

/// What caller and helpers share.
struct Shared {
    gate: Apart<AtomicU64>,
    /// For each thread, the pieces that are left of its part: first << 32 | end.
    parts: Box<[Apart<AtomicU64>]>,
    /// The loop's body. Written while the gate is closed and nobody is inside, read by those inside.
    work: UnsafeCell<Option<Work<'static>>>,
    asleep: Box<[Apart<AtomicBool>]>,
    panic: Mutex<Option<Box<dyn Any + Send>>>,
    quit: AtomicBool,
}

// SAFETY: `work` alone is not shareable by itself; its rule above and the gate's order of memory keep writing and reading
// apart.
unsafe impl Sync for Shared {}
// SAFETY: as above.
unsafe impl Send for Shared {}

/// A caller's helpers.
pub(super) struct Team {
    shared: Arc<Shared>,
    helpers: Vec<JoinHandle<()>>,
    turn: Mutex<()>,
}

impl Team {
    /// A team of so many threads, that of the caller among them.
    pub(super) fn new(threads: usize) -> std::io::Result<Self> {
        let threads = threads.clamp(1, INSIDE as usize);
        let shared = Arc::new(Shared {
            gate: Apart(AtomicU64::new(0)),
            parts: (0..threads).map(|_| Apart(AtomicU64::new(0))).collect(),
            work: UnsafeCell::new(None),
            asleep: (0..threads).map(|_| Apart(AtomicBool::new(false))).collect(),
            panic: Mutex::new(None),
            quit: AtomicBool::new(false),
        });
        let mut team = Self { shared, helpers: Vec::with_capacity(threads - 1), turn: Mutex::new(()) };
        for index in 1..threads {
            let shared = Arc::clone(&team.shared);
            let help = move || shared.help(index);
            team.helpers.push(thread::Builder::new().name(format!("convnet-{index}")).spawn(help)?);
        }
        Ok(team)
    }

    pub(super) fn threads(&self) -> usize {
        self.helpers.len() + 1
    }

    /// The right to call [`Team::run`]; `None` while another thread has it.
    pub(super) fn turn(&self) -> Option<MutexGuard<'_, ()>> {
        match self.turn.try_lock() {
            Ok(turn) => Some(turn),
            Err(TryLockError::Poisoned(turn)) => Some(turn.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// Calls `work(0..pieces)`, shared with the helpers. Needs a [`Team::turn`].
    ///
    /// # Panics
    /// If a piece does.
    pub(super) fn run(&self, pieces: u32, work: Work<'_>) {
        let shared = &*self.shared;
        let threads = self.threads() as u64;
        for (index, part) in (0..).zip(&shared.parts) {
            let border = |index: u64| u64::from(pieces) * index / threads;
            part.0.store(border(index) << 32 | border(index + 1), Ordering::Relaxed);
        }
        // SAFETY: the lifetime is forgotten only until `Closing` has seen the last helper leave, and none enters later.
        let forgotten = unsafe { std::mem::transmute::<Work<'_>, Work<'static>>(work) };
        // SAFETY: the gate is closed and nobody is inside, because each loop ends so and callers take turns.
        unsafe { *shared.work.get() = Some(forgotten) };
        let before = shared.gate.0.load(Ordering::Relaxed);
        shared.gate.0.store(((before >> LOOP) + 1) << LOOP | OPEN, Ordering::SeqCst);
        let closing = Closing(shared);
        for (helper, asleep) in self.helpers.iter().zip(&shared.asleep[1..]) {
            if asleep.0.load(Ordering::SeqCst) && asleep.0.swap(false, Ordering::SeqCst) {
                helper.thread().unpark();
            }
        }
        shared.take_pieces(0, work);
        drop(closing);
        if let Some(panic) = shared.panic.lock().unwrap_or_else(PoisonError::into_inner).take() {
            resume_unwind(panic);
        }
    }
}

impl Drop for Team {
    fn drop(&mut self) {
        self.shared.quit.store(true, Ordering::SeqCst);
        for helper in self.helpers.drain(..) {
            helper.thread().unpark();
            // A panic of a piece was handed to the caller; there is no other.
            let _ = helper.join();
        }
    }
}

/// Ends a loop, also where a piece of the caller's panics.
struct Closing<'a>(&'a Shared);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        let gate = &self.0.gate.0;
        gate.fetch_and(!OPEN, Ordering::AcqRel);
        let mut looks = 0;
        while gate.load(Ordering::Acquire) & INSIDE != 0 {
            looks += 1;
            if looks < LOOKS_FOR_END { std::hint::spin_loop() } else { thread::yield_now() }
        }
    }
}

impl Shared {
    /// A helper's life.
    fn help(&self, index: usize) {
        super::INDEX.set(index);
        let mut done = 0;
        while let Some(gate) = self.next_loop(index, done) {
            if self.gate.0.compare_exchange(gate, gate + 1, Ordering::Acquire, Ordering::Relaxed).is_err() {
                continue;
            }
            done = gate >> LOOP;
            // SAFETY: inside an open gate the body is there and stays.
            let work = unsafe { *self.work.get() }.expect("an open gate has work behind it");
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| self.take_pieces(index, work))) {
                *self.panic.lock().unwrap_or_else(PoisonError::into_inner) = Some(panic);
            }
            self.gate.0.fetch_sub(1, Ordering::Release);
        }
    }

    /// The gate of a loop after `done`, once it is open; `None` at the end of the team.
    fn next_loop(&self, index: usize, done: u64) -> Option<u64> {
        let open = || {
            let gate = self.gate.0.load(Ordering::SeqCst);
            (gate & OPEN != 0 && gate >> LOOP != done).then_some(gate)
        };
        loop {
            for _ in 0..LOOKS {
                if let Some(gate) = open() {
                    return Some(gate);
                }
                std::hint::spin_loop();
            }
            // Who opens the gate looks here afterwards, so that one of both sees the other.
            self.asleep[index].0.store(true, Ordering::SeqCst);
            while open().is_none() && self.asleep[index].0.load(Ordering::SeqCst) {
                if self.quit.load(Ordering::SeqCst) {
                    return None;
                }
                thread::park();
            }
            self.asleep[index].0.store(false, Ordering::SeqCst);
        }
    }

    /// Does the pieces of a thread's part, then of those of the others.
    fn take_pieces(&self, index: usize, work: Work<'_>) {
        while let Some(piece) = self.take(index, true) {
            work(piece);
        }
        let threads = self.parts.len();
        for other in (index + 1..threads).chain(0..index) {
            while let Some(piece) = self.take(other, false) {
                work(piece);
            }
        }
    }

    /// A piece of a part, from its start or its end.
    fn take(&self, index: usize, first: bool) -> Option<usize> {
        let part = &self.parts[index].0;
        let split = |left: u64| (left >> 32, left & u64::from(u32::MAX));
        let shorter = |left: u64| {
            let (start, end) = split(left);
            (start < end).then(|| if first { left + (1 << 32) } else { left - 1 })
        };
        // Relaxed, because what pieces read and write is ordered by the gate.
        let left = part.fetch_update(Ordering::Relaxed, Ordering::Relaxed, shorter).ok()?;
        let (start, end) = split(left);
        Some(if first { start } else { end - 1 } as usize)
    }
}
