//! Attacks that have a name ([`named`]), and a hundred thousand damaged files of each kind: each is to be read or refused, in bounded time and memory, and
//! none to make a reader panic. The latter are read when asked for: `cargo test -p convnet --test hostile -- --ignored`.
//!
//! `CONVNET_MUTATIONS=3000` damages so many files of each parser, `CONVNET_MUTATION_PARSER=gif` those of one parser, `CONVNET_MUTATION_SECONDS=3600` goes on for an hour, with other damage. `fuzz/` has the same readers as targets of cargo-fuzz.

mod damage;
mod named;
mod parsers;

use std::alloc::System;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use cap::Cap;
use damage::Random;
use parsers::{PARSERS, Parser};

/// All that is allocated is counted, and more than this is not given: the process would end, naming the bytes that were asked for.
#[global_allocator]
static MEMORY: Cap<System> = Cap::new(System, LIMIT);
const LIMIT: usize = 3 << 30;

/// Damaged files of each parser, unless it is said how many.
const FILES: usize = 100_000;
/// No damaged file may take longer; most take microseconds.
const PATIENCE: Duration = Duration::from_secs(10);

/// A number of the environment.
fn asked(variable: &str) -> Option<usize> {
    std::env::var(variable).ok()?.parse().ok()
}

/// Reads `count` damaged copies of a parser's files; gives how many were still accepted and the longest time of one.
fn survive(parser: &Parser, seed: u64, count: usize) -> (usize, Duration) {
    let seeds = (parser.seeds)();
    for (index, seed) in seeds.iter().enumerate() {
        assert!((parser.read)(seed), "{}: seed {index} is not accepted whole", parser.name);
    }
    let (mut accepted, mut longest) = (0, Duration::ZERO);
    for case in 0..count {
        let mut random = Random::new(seed << 32 | case as u64);
        let mut bytes = seeds[case % seeds.len()].clone();
        random.damage(&mut bytes);
        let timed = || {
            let start = Instant::now();
            let read = catch_unwind(AssertUnwindSafe(|| (parser.read)(&bytes)));
            (read, start.elapsed())
        };
        let (mut read, mut elapsed) = timed();
        if elapsed > PATIENCE {
            // The machine may have had other work.
            (read, elapsed) = timed();
        }
        let read = read.unwrap_or_else(|_| panic!("{}: case {case} of seed {seed} panicked", parser.name));
        assert!(elapsed < PATIENCE, "{}: case {case} of seed {seed} took {elapsed:?}", parser.name);
        accepted += usize::from(read);
        longest = longest.max(elapsed);
    }
    (accepted, longest)
}

/// All parsers once, by two threads; or the one that is asked for.
fn round(seed: u64, count: usize) {
    let asked = std::env::var("CONVNET_MUTATION_PARSER").ok();
    let wanted = |parser: &&Parser| asked.as_ref().is_none_or(|name| parser.name == name);
    let parsers: Vec<&Parser> = PARSERS.iter().filter(wanted).collect();
    assert!(!parsers.is_empty(), "no parser is called {asked:?}");
    let next = AtomicUsize::new(0);
    let work = || {
        while let Some(parser) = parsers.get(next.fetch_add(1, Ordering::Relaxed)) {
            let start = Instant::now();
            let (accepted, longest) = survive(parser, seed, count);
            let (name, elapsed) = (parser.name, start.elapsed());
            println!(
                "seed {seed} {name:<14} {count} files, {accepted} accepted, {elapsed:.1?}, the longest {longest:.1?}"
            );
            assert!(accepted < count, "{name}: no damage was noticed");
        }
    };
    thread::scope(|scope| {
        scope.spawn(work);
        scope.spawn(work);
    });
}

/// Whole files are accepted; so that what fuzzing starts from is worth it.
#[test]
fn whole_files_are_accepted() {
    for parser in PARSERS {
        survive(parser, 0, 0);
    }
}

/// Files in the folder of a parser's name once took too long, too much memory, or a reader down.
#[test]
fn what_fuzzing_found_is_read_or_refused() {
    let found = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hostile/found");
    let mut count = 0;
    for parser in PARSERS {
        let files = std::fs::read_dir(found.join(parser.name)).into_iter().flatten();
        for path in files.map(|entry| entry.expect("it is listed").path()) {
            let bytes = std::fs::read(&path).expect("it is listed");
            let start = Instant::now();
            (parser.read)(&bytes);
            assert!(start.elapsed() < PATIENCE, "{} took {:?}", path.display(), start.elapsed());
            count += 1;
        }
    }
    let folders = std::fs::read_dir(&found).map_or(0, |folders| folders.count());
    assert!(count >= folders, "{} has a folder of no parser", found.display());
}

#[test]
#[ignore = "takes some minutes: cargo test -p convnet --test hostile -- --ignored"]
fn a_hundred_thousand_damaged_files_are_read_or_refused() {
    let count = asked("CONVNET_MUTATIONS").unwrap_or(FILES);
    let seconds = asked("CONVNET_MUTATION_SECONDS");
    let start = Instant::now();
    round(1, count);
    for seed in 2.. {
        if seconds.is_none_or(|seconds| start.elapsed().as_secs() >= seconds as u64) {
            break;
        }
        round(seed, count);
    }
}
