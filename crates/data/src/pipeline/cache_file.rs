//! Samples kept in a file once they have been made, also from one run of a program to the next.
//!
//! The file: `CVNCACHE`, then as 64-bit little-endian numbers a version, the number of samples and the values of each, then a record for each sample: its
//! values as little-endian f32, and a hash of them, never 0. A record that is not there yet is zeros, and one that was torn by a crash has a wrong
//! hash; both are made anew.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use convnet_nn::Samples;
use convnet_nn::train::{Batch, Visit};

use super::cache::{gather, sample_len, scatter};
use super::stage::{Filled, Stage};
use crate::{DataError, Result, SampleSet};

const MAGIC: &[u8; 8] = b"CVNCACHE";
const VERSION: u64 = 1;
const HEADER: u64 = 32;

struct CacheFile {
    path: PathBuf,
    file: Mutex<File>,
    /// Values of a sample.
    values: usize,
}

impl SampleSet {
    /// As [`cache`](Self::cache), in the file `path`, which is made if it is not there, and used again by later runs: a frozen network's features, or pictures
    /// that took long to decode. Samples of other sizes or another number make the file anew; it cannot know of files that changed since, so
    /// delete it then. It takes 4 bytes a value.
    ///
    /// # Errors
    /// [`DataError::Io`] when the file cannot be made, [`DataError::Malformed`] when there is another file of that name.
    pub fn cache_file(&self, path: impl AsRef<Path>) -> Result<SampleSet> {
        let path = path.as_ref().to_path_buf();
        let values = sample_len(self);
        let failed = |source| DataError::io(&path, "open the cache file", source);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(failed)?;
        let wanted = [
            &MAGIC[..],
            &VERSION.to_le_bytes(),
            &(self.len() as u64).to_le_bytes(),
            &(values as u64).to_le_bytes(),
        ];
        let wanted = wanted.concat();
        let mut header = Vec::new();
        Read::by_ref(&mut file).take(HEADER).read_to_end(&mut header).map_err(failed)?;
        if !header.is_empty() && !header.starts_with(MAGIC) {
            return Err(DataError::malformed(
                &path,
                "not a cache of samples; choose another name, it would be overwritten",
            ));
        }
        let record = values as u64 * 4 + 8;
        let length = record.checked_mul(self.len() as u64).and_then(|records| records.checked_add(HEADER));
        let length = length.ok_or_else(|| DataError::TooLarge {
            path: path.clone(),
            what: format!("a cache of {} samples of {values} values", self.len()),
            limit: "what a file can hold".into(),
        })?;
        if header != wanted || file.metadata().map_err(failed)?.len() != length {
            // To nothing first, so that no record of before is taken for one of these. Zeros take no room on most disks until they are written.
            let made = file
                .set_len(0)
                .and_then(|()| file.set_len(length))
                .and_then(|()| file.seek(SeekFrom::Start(0)));
            made.and_then(|_| file.write_all(&wanted)).map_err(failed)?;
        }
        Ok(self.staged(CacheFile { path, file: Mutex::new(file), values }))
    }
}

impl CacheFile {
    fn record(&self) -> usize {
        self.values * 4 + 8
    }

    fn seek(&self, file: &mut File, index: usize) -> std::io::Result<u64> {
        file.seek(SeekFrom::Start(HEADER + (index * self.record()) as u64))
    }

    /// The sample's values, if they are there and whole.
    fn read(&self, index: usize, bytes: &mut Vec<u8>, values: &mut Vec<f32>) -> Result<bool> {
        bytes.resize(self.record(), 0);
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let read = self.seek(&mut file, index).and_then(|_| file.read_exact(bytes));
        drop(file);
        read.map_err(|source| DataError::io(&self.path, "read the cache file", source))?;
        let (data, stored) = bytes.split_at(self.values * 4);
        if hash(data).to_le_bytes() != stored {
            return Ok(false);
        }
        values.clear();
        values.extend(data.as_chunks::<4>().0.iter().map(|&value| f32::from_le_bytes(value)));
        Ok(true)
    }

    fn write(&self, index: usize, bytes: &mut Vec<u8>, values: &[f32]) -> Result<()> {
        bytes.clear();
        values.iter().for_each(|value| bytes.extend_from_slice(&value.to_le_bytes()));
        bytes.extend_from_slice(&hash(bytes).to_le_bytes());
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let written = self.seek(&mut file, index).and_then(|_| file.write_all(bytes));
        written.map_err(|source| DataError::io(&self.path, "write the cache file", source))
    }
}

/// FNV-1a over words of eight bytes, never 0.
fn hash(bytes: &[u8]) -> u64 {
    let step = |hash: u64, word: u64| (hash ^ word).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(23);
    let (words, rest) = bytes.as_chunks::<8>();
    let hash = words.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &word| step(hash, u64::from_le_bytes(word)));
    rest.iter().fold(hash, |hash, &byte| step(hash, u64::from(byte))).max(1)
}

impl Stage for CacheFile {
    fn fill(&self, set: &SampleSet, visit: Visit, indices: &[usize], batch: &mut Batch) -> Filled {
        let (mut bytes, mut values, mut missing) = (Vec::new(), Vec::new(), Vec::new());
        for (place, &index) in indices.iter().enumerate() {
            if self.read(index, &mut bytes, &mut values)? {
                scatter(&values, batch, place, indices.len());
            } else {
                missing.push(place);
            }
        }
        if missing.is_empty() {
            return Ok(());
        }
        let numbers: Vec<usize> = missing.iter().map(|&place| indices[place]).collect();
        let mut made = Batch::new(set, numbers.len());
        set.fill(visit, &numbers, &mut made)?;
        for (at, (&place, &index)) in missing.iter().zip(&numbers).enumerate() {
            gather(&made, at, numbers.len(), &mut values);
            self.write(index, &mut bytes, &values)?;
            scatter(&values, batch, place, indices.len());
        }
        Ok(())
    }
}
