//! How many parts a file may have: an empty part takes two bytes of a file, but hundreds of memory.

use super::FORMAT;
use crate::{InteropError, Result};

/// Nodes, attributes, tensors and the like, altogether.
const PARTS: usize = 1 << 21;

/// An attribute has room for a tensor and a graph, and takes as much as so many other parts.
const ATTRIBUTE: usize = 4;

/// As deep as the decoder goes.
const DEPTH: usize = 100;

/// A kind of message that has others inside.
#[derive(Clone, Copy)]
enum Kind {
    Model,
    Training,
    Function,
    Graph,
    Node,
    Attribute,
    /// Whatever lies inside is counted, not looked into.
    Other,
}

impl Kind {
    /// What a field holds; `None` for numbers and text.
    fn of_field(self, field: u64) -> Option<Self> {
        Some(match (self, field) {
            (Self::Model, 7) => Self::Graph,
            (Self::Model, 20) => Self::Training,
            (Self::Model, 25) => Self::Function,
            (Self::Model, 8 | 14 | 26) => Self::Other,
            (Self::Training, 1 | 2) => Self::Graph,
            (Self::Training, 3 | 4) => Self::Other,
            (Self::Function, 7) => Self::Node,
            (Self::Function, 11) => Self::Attribute,
            (Self::Function, 9 | 12 | 14) => Self::Other,
            (Self::Graph, 1) => Self::Node,
            (Self::Graph, 5 | 11..=16) => Self::Other,
            (Self::Node, 5) => Self::Attribute,
            (Self::Node, 9 | 10) => Self::Other,
            (Self::Attribute, 6 | 11) => Self::Graph,
            (Self::Attribute, 5 | 10 | 14 | 15 | 22 | 23) => Self::Other,
            // Sizes of inputs and places of external data.
            (Self::Other, 1..=16) => Self::Other,
            _ => return None,
        })
    }
}

/// Refuses a file with too many parts before memory is taken for them. Damage is left to the decoder.
pub(super) fn check(bytes: &[u8]) -> Result<()> {
    let mut left = PARTS;
    if count(bytes, Kind::Model, 0, &mut left) {
        Ok(())
    } else {
        let reason =
            format!("more than {PARTS} nodes, attributes (each of which counts {ATTRIBUTE}) and tensors");
        Err(InteropError::too_large(FORMAT, reason))
    }
}

/// Takes the parts off what is left; false if that does not suffice.
fn count(mut bytes: &[u8], kind: Kind, depth: usize, left: &mut usize) -> bool {
    while let Some(key) = number(&mut bytes) {
        let skipped = match key & 7 {
            0 => number(&mut bytes).map(|_| 0),
            1 => Some(8),
            5 => Some(4),
            2 => number(&mut bytes).and_then(|length| usize::try_from(length).ok()),
            _ => None,
        };
        let Some((part, rest)) = skipped.and_then(|length| bytes.split_at_checked(length)) else {
            return true;
        };
        bytes = rest;
        if key & 7 == 2
            && let Some(inside) = kind.of_field(key >> 3)
        {
            // Numbers and text of other messages look like parts; they count only if they are short.
            let counts = !matches!(kind, Kind::Other) || part.len() < 64;
            if counts {
                let parts = if matches!(inside, Kind::Attribute) { ATTRIBUTE } else { 1 };
                let Some(fewer) = left.checked_sub(parts) else { return false };
                *left = fewer;
            }
            let deeper = !matches!(inside, Kind::Other) || part.len() < 1 << 16;
            if deeper && depth < DEPTH && !count(part, inside, depth + 1, left) {
                return false;
            }
        }
    }
    true
}

/// A number of protobuf's variable length.
fn number(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}
