//! Arrays where they lie in a file: what is known of them before their numbers are read, and reading these into memory
//! that is there already. The weights of a large network are hundreds of megabytes, of which each copy is felt.

use std::fs;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use hdf5_pure::{FormatError, Source};
use ndarray::{ArrayD, IxDyn};

use super::guard::Meter;
use super::{FORMAT, malformed};
use crate::numbers::Encoding;
use crate::{InteropError, Result};

/// Bytes that are read at once: they stay in a core's own cache until they are numbers.
const BLOCK: usize = 1 << 17;

/// An array of a file, its type, shape and length compared and taken from the file's budget, its numbers not yet read.
#[derive(Debug)]
pub(crate) struct StoredArray {
    pub(super) path: String,
    pub(super) shape: Vec<usize>,
    pub(super) encoding: Encoding,
    pub(super) place: Place,
}

/// Where an array's bytes are.
pub(super) enum Place {
    /// In one piece of a file in memory.
    Memory(Arc<Vec<u8>>, Range<usize>),
    /// In one piece of a file on disk, from this byte.
    Disk(Arc<fs::File>, u64),
    /// In pieces, compressed, or in the array's header.
    Packed(Box<hdf5_pure::Dataset>, Arc<Meter>),
    /// Nowhere: there are none.
    Empty,
}

impl std::fmt::Debug for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Memory(..) => "memory",
            Self::Disk(..) => "disk",
            Self::Packed(..) => "packed",
            Self::Empty => "empty",
        })
    }
}

impl StoredArray {
    /// Its sizes.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Reads the numbers into `values`, of which there are as many as the shape says.
    ///
    /// # Errors
    /// When the file is cut short or damaged there, or the numbers are of a width that does not exist.
    pub fn read_into(&self, values: &mut [f32]) -> Result<()> {
        let bytes = values.len() * self.encoding.size;
        match &self.place {
            Place::Empty => Ok(()),
            Place::Memory(file, range) => {
                let raw = file.get(range.clone()).unwrap_or_default();
                self.convert(self.of_length(raw, bytes)?, values)
            }
            Place::Packed(dataset, meter) => {
                meter.begin();
                let raw = dataset.read_raw().map_err(|error| malformed(&self.path, error))?;
                self.convert(self.of_length(&raw, bytes)?, values)
            }
            Place::Disk(file, start) => {
                let mut block = vec![0; BLOCK.min(bytes)];
                let mut place = *start;
                // A block is a whole number of numbers of any width up to its own.
                for values in values.chunks_mut((BLOCK / self.encoding.size.max(1)).max(1)) {
                    let block = &mut block[..values.len() * self.encoding.size];
                    read_at(file, place, block).map_err(|error| {
                        InteropError::malformed(FORMAT, format!("{}: {error}", self.path))
                    })?;
                    self.convert(block, values)?;
                    place += block.len() as u64;
                }
                Ok(())
            }
        }
    }

    /// The array with its numbers.
    ///
    /// # Errors
    /// As [`read_into`](Self::read_into).
    pub fn floats(&self) -> Result<ArrayD<f32>> {
        let mut values = vec![0.0; self.shape.iter().product()];
        self.read_into(&mut values)?;
        self.array(values)
    }

    /// The array with its numbers, which must be integers.
    pub(super) fn integers(&self) -> Result<ArrayD<i64>> {
        let count = self.shape.iter().product::<usize>();
        let mut raw = vec![0; count * self.encoding.size];
        match &self.place {
            Place::Disk(file, start) => read_at(file, *start, &mut raw)
                .map_err(|error| InteropError::malformed(FORMAT, format!("{}: {error}", self.path)))?,
            Place::Memory(file, range) => {
                let found = file.get(range.clone()).unwrap_or_default();
                let bytes = raw.len();
                raw.copy_from_slice(self.of_length(found, bytes)?);
            }
            Place::Packed(dataset, meter) => {
                meter.begin();
                let found = dataset.read_raw().map_err(|error| malformed(&self.path, error))?;
                let bytes = raw.len();
                raw.copy_from_slice(self.of_length(&found, bytes)?);
            }
            Place::Empty => {}
        }
        self.array(self.encoding.to_i64(&raw).ok_or_else(|| self.refused())?)
    }

    fn array<T>(&self, values: Vec<T>) -> Result<ArrayD<T>> {
        ArrayD::from_shape_vec(IxDyn(&self.shape), values).map_err(|error| {
            InteropError::malformed(FORMAT, format!("{}, shape {:?}: {error}", self.path, self.shape))
        })
    }

    fn of_length<'a>(&self, raw: &'a [u8], bytes: usize) -> Result<&'a [u8]> {
        if raw.len() == bytes {
            return Ok(raw);
        }
        let reason = format!("{} has {} bytes of {bytes}", self.path, raw.len());
        Err(InteropError::malformed(FORMAT, reason))
    }

    fn convert(&self, raw: &[u8], values: &mut [f32]) -> Result<()> {
        self.encoding.fill_f32(raw, values).ok_or_else(|| self.refused())
    }

    fn refused(&self) -> InteropError {
        InteropError::unsupported(FORMAT, format!("{} holds {:?} numbers", self.path, self.encoding))
    }
}

/// A file in memory, whose bytes the arrays share.
pub(super) struct InMemory(pub Arc<Vec<u8>>);

impl Source for InMemory {
    fn len(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> std::result::Result<(), FormatError> {
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let end = start.saturating_add(buffer.len());
        let missing = FormatError::UnexpectedEof { expected: end, available: self.0.len() };
        buffer.copy_from_slice(self.0.get(start..end).ok_or(missing)?);
        Ok(())
    }
}

/// A file on disk, of which the library reads the structure alone.
#[derive(Debug)]
pub(super) struct OnDisk {
    pub file: Arc<fs::File>,
    pub length: u64,
}

impl Source for OnDisk {
    fn len(&self) -> u64 {
        self.length
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> std::result::Result<(), FormatError> {
        read_at(&self.file, offset, buffer).map_err(|_| FormatError::UnexpectedEof {
            expected: usize::try_from(offset).unwrap_or(usize::MAX).saturating_add(buffer.len()),
            available: usize::try_from(self.length).unwrap_or(usize::MAX),
        })
    }
}

/// Fills `buffer` from a place in a file, whatever other threads read of it meanwhile.
#[cfg(unix)]
fn read_at(file: &fs::File, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, buffer, offset)
}

#[cfg(windows)]
fn read_at(file: &fs::File, mut offset: u64, mut buffer: &mut [u8]) -> io::Result<()> {
    while !buffer.is_empty() {
        match std::os::windows::fs::FileExt::seek_read(file, buffer, offset)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => {
                offset += count as u64;
                buffer = &mut buffer[count..];
            }
        }
    }
    Ok(())
}
