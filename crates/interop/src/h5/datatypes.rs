//! How deep types are nested in a piece of a file. The library recurses as deep as they are.

/// Types inside types that are believed: real ones have three or four.
const MAX_DEPTH: usize = 32;

/// Messages of an object's header that hold a type.
const DATATYPE: u16 = 3;
const ATTRIBUTE: u16 = 12;

/// Whether a type in `structure` is nested too deep. Nothing says what was read, so it is looked at as each of the things that
/// hold types: an object's header of either version or its continuation, an attribute, a type.
pub(super) fn are_too_deep(structure: &[u8]) -> bool {
    if is_too_deep(structure) || attribute(structure).is_some_and(is_too_deep) {
        return true;
    }
    match structure.first_chunk::<4>() {
        Some(b"OCHK") => [4, 6].iter().any(|&prefix| in_messages(structure, 4, prefix)),
        Some(b"OHDR") => {
            let flags = structure.get(5).copied().unwrap_or(0);
            let times = if flags & 0x20 != 0 { 16 } else { 0 };
            let attributes = if flags & 0x10 != 0 { 4 } else { 0 };
            let start = 6 + times + attributes + (1 << (flags & 3));
            in_messages(structure, start, if flags & 4 != 0 { 6 } else { 4 })
        }
        _ => in_messages(structure, 0, 8),
    }
}

/// Whether one of the messages from `start` holds such a type. Before each stand `prefix` bytes: eight in version 1.
fn in_messages(structure: &[u8], start: usize, prefix: usize) -> bool {
    let mut rest = structure.get(start..).unwrap_or_default();
    while let Some((head, behind)) = rest.split_at_checked(prefix) {
        let (kind, size) = match prefix {
            8 => (u16::from_le_bytes([head[0], head[1]]), u16::from_le_bytes([head[2], head[3]])),
            _ => (u16::from(head[0]), u16::from_le_bytes([head[1], head[2]])),
        };
        let Some((body, next)) = behind.split_at_checked(usize::from(size)) else { return false };
        let found = match kind {
            DATATYPE => Some(body),
            ATTRIBUTE => attribute(body),
            _ => None,
        };
        if found.is_some_and(is_too_deep) {
            return true;
        }
        rest = next;
    }
    false
}

/// The type in an attribute.
fn attribute(message: &[u8]) -> Option<&[u8]> {
    let head = message.first_chunk::<8>()?;
    let name = usize::from(u16::from_le_bytes([head[2], head[3]]));
    let start = match head[0] {
        1 => 8 + name.next_multiple_of(8),
        2 => 8 + name,
        3 => 9 + name,
        _ => return None,
    };
    message.get(start..)?.get(..usize::from(u16::from_le_bytes([head[4], head[5]])))
}

fn is_too_deep(datatype: &[u8]) -> bool {
    matches!(Types { rest: datatype }.skip(0), Err(Fault::TooDeep))
}

enum Fault {
    /// Which the library finds, too.
    Malformed,
    TooDeep,
}

/// Bytes that begin with a type.
struct Types<'a> {
    rest: &'a [u8],
}

impl<'a> Types<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], Fault> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(Fault::Malformed)?;
        self.rest = rest;
        Ok(taken)
    }

    /// Skips a name and the zero behind it.
    fn name(&mut self, is_padded: bool) -> Result<(), Fault> {
        let length = 1 + self.rest.iter().position(|&byte| byte == 0).ok_or(Fault::Malformed)?;
        self.take(if is_padded { length.next_multiple_of(8) } else { length })?;
        Ok(())
    }

    /// Skips a type, and gives the bytes that a value of it has.
    fn skip(&mut self, depth: usize) -> Result<u32, Fault> {
        if depth > MAX_DEPTH {
            return Err(Fault::TooDeep);
        }
        let head = self.take(8)?;
        let (class, version) = (head[0] & 15, head[0] >> 4);
        let count = usize::from(u16::from_le_bytes([head[1], head[2]]));
        let size = u32::from_le_bytes([head[4], head[5], head[6], head[7]]);
        match class {
            0 | 4 => drop(self.take(4)?),
            1 => drop(self.take(12)?),
            2 => drop(self.take(2)?),
            3 | 7 => {}
            // The last may lack its padding.
            5 => drop(self.take(usize::from(head[1]).next_multiple_of(8).min(self.rest.len()))?),
            6 | 11 => {
                let offset = match (class, version, size) {
                    (6, 1, _) => 32,
                    (6, 2, _) => 4,
                    (.., ..=0xff) => 1,
                    (.., ..=0xffff) => 2,
                    _ => 4,
                };
                for _ in 0..count {
                    self.name(class == 6 && version < 3)?;
                    self.take(offset)?;
                    self.skip(depth + 1)?;
                }
            }
            8 => {
                let base = self.skip(depth + 1)?;
                for _ in 0..count {
                    self.name(version < 3)?;
                }
                self.take(count.saturating_mul(base as usize))?;
                return Ok(size);
            }
            9 => return self.skip(depth + 1).map(|_| 16),
            10 => {
                let axes = usize::from(self.take(if version == 2 { 4 } else { 1 })?[0]);
                let sizes = self.take(axes * 4)?;
                if version == 2 {
                    self.take(axes * 4)?;
                }
                let base = self.skip(depth + 1)?;
                let sizes = sizes.as_chunks::<4>().0.iter().map(|&size| u32::from_le_bytes(size));
                return Ok(sizes.fold(base, u32::saturating_mul));
            }
            _ => return Err(Fault::Malformed),
        }
        Ok(size)
    }
}
