//! What stands between a file and the library: reads are counted, and structures that it would follow without end are refused.
//!
//! The library follows addresses wherever they lead: blocks that name each other twice are visited 2ⁿ times. What it reads
//! for one call, and for all of them, is therefore bounded by what a file of that size can need. Five structures cost more than
//! the bytes that they are read from, and are looked at as they pass: types inside types and version 2 B-trees, for which it
//! recurses; arrays of chunks; the names of old groups, of which each entry becomes a copy; and collections of texts, which
//! are looked up in a list.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

use hdf5_pure::{FormatError, Source};

use super::{datatypes, heaps};

/// Bytes beside those asked for, for what a read costs however small it is.
const READ: u64 = 64;
/// Levels of a B-tree of version 2: real ones have three.
const MAX_LEVELS: u16 = 8;
/// Bytes of a record of such a tree: real ones have eleven to some three hundred.
const RECORD_BYTES: std::ops::RangeInclusive<u16> = 8..=512;
/// Bytes of a name in a group.
const MAX_NAME: usize = 1 << 10;
/// Bytes of the head of a collection of texts, of which the last say how long it is.
const COLLECTION_HEAD: std::ops::RangeInclusive<usize> = 9..=16;
/// Collections that all texts together may be looked for in: the library compares each text's with those read before, which
/// are one for each 4096 bytes as HDF5 writes them. It takes some seconds.
const MOST_LOOKUPS: u64 = 1 << 28;

/// Counts what the library reads of a file.
#[derive(Debug)]
pub(super) struct Meter {
    length: u64,
    /// What one call may still read.
    call: AtomicU64,
    /// What all may still read.
    all: AtomicU64,
    /// Collections of texts that one call has read.
    collections: AtomicU64,
    /// Comparisons with such that all may still need.
    lookups: AtomicU64,
    refused: OnceLock<&'static str>,
    /// Whether the names of a group are read next.
    names: AtomicBool,
}

impl Meter {
    pub fn new(length: u64) -> Arc<Self> {
        let all = AtomicU64::new(length.saturating_mul(256).saturating_add(1 << 26));
        let meter = Self {
            length,
            call: AtomicU64::new(0),
            all,
            collections: AtomicU64::new(0),
            lookups: AtomicU64::new(MOST_LOOKUPS),
            refused: OnceLock::new(),
            names: AtomicBool::new(false),
        };
        meter.begin();
        Arc::new(meter)
    }

    /// Begins a call of the library: none needs a byte of the file more than a few times.
    pub fn begin(&self) {
        self.collections.store(0, Relaxed);
        self.call.store(self.length.saturating_mul(8).saturating_add(1 << 20), Relaxed);
    }

    /// Why a read was refused, if one was. The library tells it of most, but leaves out attributes that it cannot read.
    pub fn refused(&self) -> Option<&'static str> {
        self.refused.get().copied()
    }

    fn charge(&self, bytes: usize) -> Result<(), FormatError> {
        let cost = READ + bytes as u64;
        let take = |left: &AtomicU64, cost| {
            left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(cost)).is_ok()
        };
        if !take(&self.lookups, self.collections.load(Relaxed)) {
            return Err(self.refuse("its texts are spread over too many places to look them all up"));
        }
        if take(&self.call, cost) && take(&self.all, cost) {
            return Ok(());
        }
        Err(self.refuse("its structure leads to the same places again and again"))
    }

    fn refuse(&self, reason: &'static str) -> FormatError {
        self.refused.get_or_init(|| reason);
        FormatError::Source(reason.to_owned())
    }

    fn check(&self, structure: &[u8]) -> Result<(), FormatError> {
        let names = self.names.swap(structure.starts_with(b"HEAP"), Relaxed);
        if names && structure.split(|&byte| byte == 0).any(|name| name.len() > MAX_NAME) {
            return Err(self.refuse("a name in a group is longer than 1024 bytes"));
        }
        let word = |at: usize| u16::from_le_bytes([structure[at], structure[at + 1]]);
        let is_sound = match structure.first_chunk::<4>() {
            Some(b"BTHD") if structure.len() >= 14 => {
                RECORD_BYTES.contains(&word(10)) && word(12) <= MAX_LEVELS
            }
            // Bytes of an element, then bits of counts: 32 of elements and 10 of a page's as every program writes them.
            Some(b"FAHD") if structure.len() >= 8 => structure[6] >= 4 && structure[7] <= 32,
            Some(b"EAHD") if structure.len() >= 12 => {
                structure[6] >= 4 && structure[7] <= 32 && structure[10] <= 16 && structure[11] <= 32
            }
            _ => true,
        };
        if !is_sound {
            return Err(self.refuse("the header of an index is of no size that programs write"));
        }
        if datatypes::are_too_deep(structure) {
            return Err(self.refuse("a type is nested too deep in others"));
        }
        Ok(())
    }
}

/// A file of which the library may read as much as the meter allows.
pub(super) struct Guarded<S> {
    pub source: S,
    pub meter: Arc<Meter>,
}

impl<S: Source> Source for Guarded<S> {
    fn len(&self) -> u64 {
        self.source.len()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), FormatError> {
        self.meter.charge(buffer.len())?;
        self.source.read_at(offset, buffer)
    }

    fn read_metadata_at(&self, offset: u64, length: usize) -> Result<Vec<u8>, FormatError> {
        let structure = self.read_exact_at(offset, length)?;
        self.meter.check(&structure)?;
        if structure.starts_with(b"GCOL") && COLLECTION_HEAD.contains(&length) {
            self.meter.collections.fetch_add(1, Relaxed);
            if !heaps::numbers_rise(&self.source, offset, &structure) {
                return Err(self
                    .meter
                    .refuse("its texts are not numbered in their order: h5repack mends it"));
            }
        }
        Ok(structure)
    }
}
