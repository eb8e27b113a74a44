//! Zip archives in memory: what `.keras` and `.npz` files are.
//!
//! Reading refuses archives that would unpack to far more than they can honestly hold. Writing stores members as they
//! are (as Keras does: weights hardly compress), with a fixed date, so that the same content gives the same bytes.

use std::collections::HashMap;
use std::io::{Cursor, Read, Write};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipArchive, ZipWriter};

use crate::{InteropError, Result};

const FORMAT: &str = "zip archive";
/// Bytes that any archive may unpack to, beyond [`TIMES`] its own size.
const FREE_BYTES: u64 = 1 << 27;
/// Numbers of pictures shrink to a tenth, those of few values to a thirtieth; what shrinks to a thousandth is made to.
const TIMES: u64 = 32;
/// Bytes that a member may have which becomes many small values, beyond four times the archive's size: each takes up to 150 bytes of memory.
const FREE_TEXT: u64 = 1 << 21;

/// An archive open for reading.
#[derive(Debug)]
pub struct Archive {
    zip: ZipArchive<Cursor<Vec<u8>>>,
    /// Where members are whose names are not in UTF-8.
    others: HashMap<String, usize>,
    /// Bytes that may still be unpacked.
    budget: u64,
    /// Bytes of the archive itself.
    len: u64,
}

impl Archive {
    /// Opens the archive in `bytes`.
    ///
    /// # Errors
    /// When they are not a zip archive, it is cut short, or members share bytes.
    pub fn open(bytes: Vec<u8>) -> Result<Self> {
        let damaged = |error: zip::result::ZipError| {
            InteropError::malformed(FORMAT, format!("it is cut short or damaged ({error})"))
        };
        let len = bytes.len() as u64;
        let mut zip = ZipArchive::new(Cursor::new(bytes)).map_err(damaged)?;
        // Thousands of members that are the same bytes would take as many times as long.
        if zip.has_overlapping_files().map_err(damaged)? {
            return Err(InteropError::malformed(FORMAT, "members of it share bytes"));
        }
        let name = |index| Some((zip.name_for_index(index)?.ok()?.into_owned(), index));
        let others = (0..zip.len()).rev().filter_map(name).filter(|(name, _)| !name.is_ascii()).collect();
        Ok(Self { zip, others, budget: FREE_BYTES + TIMES * len, len })
    }

    /// Bytes of the archive itself, by which what is made of its members is to be measured.
    pub fn size(&self) -> u64 {
        self.len
    }

    /// The members' names, in the archive's order.
    pub fn names(&self) -> Vec<String> {
        self.zip.file_names().flatten().map(|name| name.into_owned()).collect()
    }

    /// A member's content; `None` if there is no such member.
    ///
    /// # Errors
    /// When the member is damaged (its checksum is wrong), encrypted, compressed in an unusual way, or too large.
    pub fn read(&mut self, name: &str) -> Result<Option<Vec<u8>>> {
        self.read_at_most(name, u64::MAX)
    }

    /// As [`Archive::read`], of a member such as JSON, each byte of which may become a value of many.
    ///
    /// # Errors
    /// As [`Archive::read`].
    pub fn read_values(&mut self, name: &str) -> Result<Option<Vec<u8>>> {
        self.read_at_most(name, FREE_TEXT + 4 * self.len)
    }

    fn read_at_most(&mut self, name: &str, most: u64) -> Result<Option<Vec<u8>>> {
        let index = self.zip.index_for_name_raw(name.as_bytes()).or_else(|| self.others.get(name).copied());
        let Some(index) = index else { return Ok(None) };
        let member = self.zip.by_index(index).map_err(|error| match error {
            zip::result::ZipError::UnsupportedArchive(reason) => {
                InteropError::unsupported(FORMAT, format!("{name}: {reason}"))
            }
            error => InteropError::malformed(FORMAT, format!("{name}: {error}")),
        })?;
        let size = member.size();
        let most = self.budget.min(most);
        if size > most {
            let reason = format!("{name} claims to unpack to {size} bytes, {most} are allowed");
            return Err(InteropError::too_large(FORMAT, reason));
        }
        self.budget -= size;
        // The claim may be a lie either way: memory grows with what arrives, and one byte more than claimed is an error.
        let mut content = Vec::new();
        let mut limited = member.take(size + 1);
        limited
            .read_to_end(&mut content)
            .map_err(|error| InteropError::malformed(FORMAT, format!("{name}: {error}")))?;
        if content.len() as u64 != size {
            return Err(InteropError::malformed(
                FORMAT,
                format!("{name} is not the {size} bytes long that it claims"),
            ));
        }
        Ok(Some(content))
    }
}

/// An archive of `members` (name, content), stored in this order.
///
/// # Errors
/// When a name occurs twice.
pub fn to_bytes<'a>(members: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Result<Vec<u8>> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in members {
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Stored)
            .last_modified_time(DateTime::default()) // 1980-01-01, the first that zip knows
            .unix_permissions(0o600)
            .large_file(content.len() >= u32::MAX as usize);
        zip.start_file(name, options).map_err(malformed)?;
        zip.write_all(content)
            .map_err(|error| InteropError::malformed(FORMAT, format!("{name}: {error}")))?;
    }
    Ok(zip.finish().map_err(malformed)?.into_inner())
}

fn malformed(error: zip::result::ZipError) -> InteropError {
    InteropError::malformed(FORMAT, error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_come_back_and_bytes_are_the_same_each_time() {
        let members = [("config.json", b"{}".as_slice()), ("model.weights.h5", &[7; 1000])];
        let bytes = to_bytes(members).unwrap();
        assert_eq!(bytes, to_bytes(members).unwrap());
        let mut archive = Archive::open(bytes).unwrap();
        assert_eq!(archive.names(), ["config.json", "model.weights.h5"]);
        assert_eq!(archive.read("model.weights.h5").unwrap().unwrap(), [7; 1000]);
        assert!(archive.read("assets").unwrap().is_none());
    }

    #[test]
    fn damage_is_noticed() {
        let mut bytes = to_bytes([("a", [1u8; 100].as_slice())]).unwrap();
        bytes[60] ^= 1;
        assert!(Archive::open(bytes.clone()).unwrap().read("a").unwrap_err().to_string().contains("a: "));
        bytes.truncate(bytes.len() - 1);
        assert!(Archive::open(bytes).is_err());
    }

    #[test]
    fn a_bomb_is_refused() {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
        zip.start_file("config.json", options).unwrap();
        zip.write_all(&[0; 1000]).unwrap();
        let mut bytes = zip.finish().unwrap().into_inner();
        let claim = 1000u32.to_le_bytes();
        while let Some(place) = bytes.windows(4).position(|window| window == claim) {
            bytes[place..place + 4].copy_from_slice(&2_000_000_000u32.to_le_bytes());
        }
        let mut archive = Archive::open(bytes).unwrap();
        assert!(matches!(archive.read("config.json"), Err(InteropError::TooLarge { .. })));
    }
}
