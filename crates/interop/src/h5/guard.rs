//! What stands between a file and the library: reads are counted, and structures that it would follow without end are refused.
//!
//! The library follows addresses wherever they lead: blocks that name each other twice are visited 2ⁿ times. What it reads
//! for one call, and for all of them, is therefore bounded by what a file of that size can need. Six structures cost more than
//! the bytes that they are read from, and are looked at as they pass: types inside types and version 2 B-trees, for which it
//! recurses; arrays of chunks; the names of old groups, of which each entry becomes a copy; collections of texts, which
//! are looked up in a list; and attributes, whose texts may have a letter each.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

use hdf5_pure::{FormatError, Source};

use super::datatypes::{self, Texts};
use super::heaps;

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
/// Entries of a list that are moved in the time of a comparison. The library sorts the places of all texts of an array or an
/// attribute before it reads the first, by inserting each, so that n texts move n² / 2 entries if their places fall.
const MOVES: u64 = 16;
/// Texts that the attributes of a file may hold, each time that they are read: each takes as long as hundreds of bytes that
/// are read, and may have one. Those that name the weights of a large network are some ten thousand.
const MOST_TEXTS: u64 = 1 << 22;

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
    /// Texts that attributes may still hold.
    texts: AtomicU64,
    refused: OnceLock<&'static str>,
    /// Whether the names of a group are read next.
    names: AtomicBool,
    /// Whether the attributes that are read are decoded, too. Wherever a group is passed on a path, they are only read.
    attributes: AtomicBool,
}

fn take(left: &AtomicU64, cost: u64) -> bool {
    left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(cost)).is_ok()
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
            texts: AtomicU64::new(MOST_TEXTS),
            refused: OnceLock::new(),
            names: AtomicBool::new(false),
            attributes: AtomicBool::new(false),
        };
        meter.begin();
        Arc::new(meter)
    }

    /// Begins a call of the library: none needs a byte of the file more than a few times.
    pub fn begin(&self) {
        self.attributes.store(false, Relaxed);
        self.collections.store(0, Relaxed);
        self.call.store(self.length.saturating_mul(8).saturating_add(1 << 20), Relaxed);
    }

    /// Begins a call that decodes the attributes of what it reads.
    pub fn begin_attributes(&self) {
        self.begin();
        self.attributes.store(true, Relaxed);
    }

    /// Takes what it costs to find the places of so many texts; `false` if that is too much.
    pub fn look_up(&self, texts: u64) -> bool {
        take(&self.lookups, texts.saturating_mul(texts) / (2 * MOVES))
    }

    /// Why a read was refused, if one was. The library tells it of most, but leaves out attributes that it cannot read.
    pub fn refused(&self) -> Option<&'static str> {
        self.refused.get().copied()
    }

    fn charge(&self, bytes: usize) -> Result<(), FormatError> {
        let cost = READ + bytes as u64;
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
        let is_costly = |texts: Texts| !take(&self.texts, texts.count) || !self.look_up(texts.places);
        if self.attributes.load(Relaxed) && datatypes::texts(structure).any(is_costly) {
            return Err(self.refuse("its attributes hold too many texts"));
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
