//! Thousands of damaged files: each is read or refused, in bounded time, and none makes the reader panic.

#![expect(clippy::unwrap_used, reason = "a failed helper is a failed test")]

use std::path::PathBuf;
use std::time::{Duration, Instant};

use convnet_interop::h5::{Group, H5File};
use convnet_interop::keras::KerasFile;
use convnet_interop::{archive, npy, pytorch, safetensors};
use ndarray::ArrayD;

/// Xorshift: the same damage in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % bound.max(1)
    }

    /// One to eight wounds: flipped bits, extreme bytes and lengths, copied, cut out and cut off parts.
    fn damage(&mut self, bytes: &mut Vec<u8>, from: usize) {
        for _ in 0..=self.below(8) {
            let place = from + self.below(bytes.len().saturating_sub(from));
            let length = 1 + self.below(8);
            let end = (place + length).min(bytes.len()); // before `place` once the file is cut there
            match self.below(8) {
                0..3 if place < bytes.len() => bytes[place] ^= 1 << self.below(8),
                3 if place < end => bytes[place..end].fill([0, 0xff, 0x7f, 0x80][length % 4]),
                4 if place < end => {
                    let source = self.below(bytes.len().saturating_sub(length));
                    let source_end = (source + end.saturating_sub(place)).min(bytes.len());
                    bytes.copy_within(source..source_end, place);
                }
                5 if place < bytes.len() => bytes[place] = self.below(256) as u8,
                6 if self.below(10) == 0 => bytes.truncate(place),
                7 if place < end && self.below(10) == 0 => drop(bytes.drain(place..end)),
                _ => {}
            }
        }
    }
}

fn golden(name: &str) -> Vec<u8> {
    golden_of("keras", name)
}

fn golden_of(program: &str, name: &str) -> Vec<u8> {
    std::fs::read(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../golden").join(program).join(name))
        .unwrap()
}

/// How many files of a format are damaged: as many as `CONVNET_MUTATIONS` says.
fn count(usual: usize) -> usize {
    std::env::var("CONVNET_MUTATIONS").ok().and_then(|count| count.parse().ok()).unwrap_or(usual)
}

/// Reads damaged copies of `whole`; counts those that were still read.
fn survive(whole: &[u8], usual: usize, seed: u64, from: usize, read: impl Fn(Vec<u8>) -> bool) -> usize {
    let mut random = Random(seed);
    let mut read_all_the_same = 0;
    for i in 0..count(usual) {
        let mut bytes = whole.to_vec();
        random.damage(&mut bytes, from);
        let start = Instant::now();
        read_all_the_same += usize::from(read(bytes));
        assert!(
            start.elapsed() < Duration::from_secs(10),
            "case {i} of seed {seed} took {:?}",
            start.elapsed()
        );
    }
    read_all_the_same
}

#[test]
fn damaged_legacy_models() {
    for (seed, name) in [(1, "sequential.h5"), (2, "nested.h5"), (3, "keras2_branching.h5")] {
        let read = survive(&golden(name), 1000, seed, 0, |bytes| KerasFile::from_bytes(bytes).is_ok());
        assert!((1..count(1000)).contains(&read), "{read} damaged copies of {name} were read");
    }
}

#[test]
fn damaged_archives() {
    let read = survive(&golden("branching.keras"), 1000, 4, 0, |bytes| KerasFile::from_bytes(bytes).is_ok());
    assert!(read < count(1000) / 2, "checksums find most damage, but {read} were read");
}

/// Damage inside the members, under right checksums, reaches the JSON and HDF5 readers.
#[test]
fn damaged_members_of_archives() {
    let mut archive = archive::Archive::open(golden("branching.keras")).unwrap();
    let mut member = |name: &str| archive.read(name).unwrap().unwrap();
    let (config, weights) = (member("config.json"), member("model.weights.h5"));
    let pack = |config: &[u8], weights: &[u8]| {
        archive::to_bytes([("config.json", config), ("model.weights.h5", weights)]).unwrap()
    };
    survive(&weights, 1500, 5, 0, |damaged| KerasFile::from_bytes(pack(&config, &damaged)).is_ok());
    survive(&config, 1000, 6, 0, |damaged| KerasFile::from_bytes(pack(&damaged, &weights)).is_ok());
}

#[test]
fn damaged_hdf5_walked_to_the_end() {
    fn walk(group: &Group<'_>, depth: usize, left: &mut usize) {
        for name in group.arrays().unwrap_or_default() {
            let _ = (group.floats(&name), group.integers(&name));
        }
        for name in group.groups().unwrap_or_default() {
            *left = left.saturating_sub(1);
            if let (Ok(Some(inner)), 1.., ..10) = (group.group(&name), *left, depth) {
                let _ = (inner.text("name"), inner.texts("weight_names"));
                walk(&inner, depth + 1, left);
            }
        }
    }
    survive(&golden("shared.h5"), 1000, 7, 0, |bytes| {
        H5File::open(bytes).inspect(|file| walk(&file.root(), 0, &mut 200)).is_ok()
    });
}

#[test]
fn damaged_arrays() {
    let whole = npy::to_bytes(ArrayD::from_elem(vec![2, 3, 4], 0.5).view());
    let read = survive(&whole, 5000, 8, 0, |bytes| npy::read(&bytes).is_ok());
    assert!((1..count(5000)).contains(&read));
    survive(&whole, 5000, 9, 6, |bytes| npy::read(&bytes).is_ok());
    let packed = archive::to_bytes([("x.npy", whole.as_slice())]).unwrap();
    survive(&packed, 2000, 10, 0, |bytes| npy::read_npz(bytes).is_ok());
}

#[test]
fn damaged_state_dicts() {
    for (name, seed) in [("zip.pth", 21), ("row.pth", 22), ("checkpoint.pt", 23)] {
        let whole = golden_of("pytorch", name);
        let read = survive(&whole, 2000, seed, 0, |bytes| pytorch::from_bytes(bytes).is_ok());
        assert!(read > 0, "{name}: every damaged file was refused, so the damage is not subtle");
    }
    // Undamaged numbers behind a damaged pickle.
    let read = survive(&golden_of("pytorch", "row.pth")[..2500], 5000, 24, 0, |bytes| {
        pytorch::from_bytes(bytes).is_ok()
    });
    assert_eq!(read, 0, "a file without its numbers was read");
    let plain = golden_of("pytorch", "plain.safetensors");
    assert!(survive(&plain, 2000, 25, 0, |bytes| safetensors::from_bytes(&bytes).is_ok()) > 0);
}
