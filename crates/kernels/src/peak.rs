//! The machine's multiply-add peak, to hold kernels against.

use crate::cpu::Isa;
use crate::simd::{Plain, Simd};
use std::hint::black_box;
use std::sync::Barrier;
use std::time::Instant;

/// Independent sums: more than latency times throughput of any machine's multiply-add.
const SUMS: usize = 12;
/// Runs of which the best counts: many and short, so that on a busy machine some are not interrupted.
const RUNS: usize = 40;
/// Seconds that a run should take.
const RUN_SECONDS: f64 = 0.003;

/// Measures GFLOP/s of `isa` on `threads` threads with multiply-adds that touch registers only: the best of many
/// runs of some 3 ms. An instruction set that this machine does not have gives 0.
pub fn measure(isa: Isa, threads: usize) -> f64 {
    if !isa.is_supported() || threads == 0 {
        return 0.0;
    }
    let mut rounds = 10_000;
    let seconds = loop {
        let seconds = time(isa, 1, rounds);
        if seconds > RUN_SECONDS / 4.0 {
            break seconds;
        }
        rounds *= 4;
    };
    rounds = ((rounds as f64 * RUN_SECONDS / seconds) as u64).max(1);
    let best = (0..RUNS).map(|_| time(isa, threads, rounds)).fold(f64::INFINITY, f64::min);
    2.0 * (rounds * SUMS as u64 * lanes(isa) as u64 * threads as u64) as f64 / best * 1e-9
}

/// Seconds that `rounds` take on the slowest of `threads` threads.
fn time(isa: Isa, threads: usize, rounds: u64) -> f64 {
    let barrier = Barrier::new(threads);
    let work = || {
        barrier.wait();
        let start = Instant::now();
        multiply_adds(isa, rounds);
        start.elapsed().as_secs_f64()
    };
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        let own = work();
        others.into_iter().map(|other| other.join().unwrap_or(f64::INFINITY)).fold(own, f64::max)
    })
}

fn lanes(isa: Isa) -> usize {
    match isa {
        Isa::Scalar => 4,
        Isa::Neon | Isa::Avx2 => 8,
        Isa::Avx512 | Isa::Emulated512 => 16,
    }
}

fn multiply_adds(isa: Isa, rounds: u64) {
    match isa {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: `measure` asks for supported instruction sets only.
        Isa::Avx2 => unsafe { avx2_multiply_adds(rounds) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        Isa::Avx512 => unsafe { avx512_multiply_adds(rounds) },
        #[cfg(target_arch = "aarch64")]
        // SAFETY: NEON belongs to the architecture.
        Isa::Neon => unsafe { run::<crate::simd::Neon>(rounds) },
        // SAFETY: plain arrays need no instruction set.
        Isa::Emulated512 => unsafe { run::<Plain<16>>(rounds) },
        // SAFETY: as above.
        _ => unsafe { run::<Plain<4>>(rounds) },
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn avx2_multiply_adds(rounds: u64) {
    // SAFETY: the features are enabled here.
    unsafe { run::<crate::simd::Avx2>(rounds) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,avx512f,avx512vl,avx512bw,avx512dq")]
fn avx512_multiply_adds(rounds: u64) {
    // SAFETY: the features are enabled here.
    unsafe { run::<crate::simd::Avx512>(rounds) }
}

/// `rounds` of `SUMS` independent multiply-adds of vectors.
///
/// # Safety
/// The machine must have the instruction set.
#[inline(always)]
unsafe fn run<S: Simd>(rounds: u64) {
    // SAFETY: the instruction set is there, and the store goes to an array of the largest vector's size.
    unsafe {
        let (a, b) = (S::splat(black_box(0.5)), S::splat(black_box(1.0)));
        let mut sums = [b; SUMS];
        for _ in 0..rounds {
            for sum in &mut sums {
                *sum = S::multiply_add(*sum, a, b);
            }
        }
        let mut out = [0.0_f32; 16];
        for sum in sums {
            S::store(out.as_mut_ptr(), sum);
            black_box(out[0]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_supported_instruction_set_has_a_peak() {
        assert!(measure(Isa::Scalar, 1) > 0.0);
    }
}
