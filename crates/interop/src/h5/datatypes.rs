//! What the types in a piece of a file say that costs more than their bytes: how deep they are nested, which the library
//! recurses for, and how many texts an attribute has, each of which it makes and may have to find.

/// Types inside types that are believed: real ones have three or four.
const MAX_DEPTH: usize = 32;

/// Messages of an object's header that hold a type.
const DATATYPE: u16 = 3;
const ATTRIBUTE: u16 = 12;

/// Classes of types whose values are texts, or may be: an enumeration is decoded as what it is made of.
const STRING: u8 = 3;
const ENUMERATION: u8 = 8;
const ANY_LENGTH: u8 = 9;
/// Bytes of a value that is elsewhere.
const REFERENCE: u64 = 16;

/// Whether a type in `structure` is nested too deep.
pub(super) fn are_too_deep(structure: &[u8]) -> bool {
    is_too_deep(structure)
        || attribute(structure).is_some_and(is_too_deep)
        || messages(structure).any(|(kind, body)| match kind {
            DATATYPE => is_too_deep(body),
            ATTRIBUTE => attribute(body).is_some_and(is_too_deep),
            _ => false,
        })
}

/// What an attribute may hold, by its type and length.
pub(super) struct Texts {
    /// Of fixed length or any.
    pub count: u64,
    /// Those of any length, each with the place where it is.
    pub places: u64,
}

/// The texts of each attribute in `structure`.
pub(super) fn texts(structure: &[u8]) -> impl Iterator<Item = Texts> {
    let bodies = messages(structure).filter_map(|(kind, body)| (kind == ATTRIBUTE).then_some(body));
    std::iter::once(structure).chain(bodies).filter_map(attribute_texts)
}

fn attribute_texts(message: &[u8]) -> Option<Texts> {
    let datatype = attribute(message)?;
    let length = message.len() as u64;
    // A reference to a type that is elsewhere stands for any.
    let is_shared = message[0] > 1 && message[1] & 1 != 0;
    let is_any_length = is_shared || matches!(datatype.first()? & 15, ENUMERATION | ANY_LENGTH);
    let places = if is_any_length { length / REFERENCE } else { 0 };
    let count = match datatype.get(4..8) {
        _ if is_shared => length,
        Some(&[a, b, c, d]) if datatype[0] & 15 == STRING => {
            length / u64::from(u32::from_le_bytes([a, b, c, d])).max(1)
        }
        _ => places,
    };
    Some(Texts { count, places })
}

/// The messages in `structure`, by kind. Nothing says what was read, so it is looked at as each of the things that hold some:
/// an object's header of either version or its continuation.
fn messages(structure: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    let starts = match structure.first_chunk::<4>() {
        Some(b"OCHK") => [Some((4, 4)), Some((4, 6))],
        Some(b"OHDR") => {
            let flags = structure.get(5).copied().unwrap_or(0);
            let times = if flags & 0x20 != 0 { 16 } else { 0 };
            let attributes = if flags & 0x10 != 0 { 4 } else { 0 };
            let start = 6 + times + attributes + (1 << (flags & 3));
            [Some((start, if flags & 4 != 0 { 6 } else { 4 })), None]
        }
        _ => [Some((0, 8)), None],
    };
    starts.into_iter().flatten().flat_map(move |(start, prefix)| in_messages(structure, start, prefix))
}

/// The messages from `start`. Before each stand `prefix` bytes: eight in version 1.
fn in_messages(structure: &[u8], start: usize, prefix: usize) -> impl Iterator<Item = (u16, &[u8])> {
    let mut rest = structure.get(start..).unwrap_or_default();
    std::iter::from_fn(move || {
        let (head, behind) = rest.split_at_checked(prefix)?;
        let (kind, size) = match prefix {
            8 => (u16::from_le_bytes([head[0], head[1]]), u16::from_le_bytes([head[2], head[3]])),
            _ => (u16::from(head[0]), u16::from_le_bytes([head[1], head[2]])),
        };
        let (body, next) = behind.split_at_checked(usize::from(size))?;
        rest = next;
        Some((kind, body))
    })
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
