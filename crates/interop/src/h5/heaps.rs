//! The order of the texts in a collection of them. The library looks a text up by halves where their numbers rise, and else
//! compares it with each: as often as there are texts times references to them, which a small file makes thousands of millions.

use hdf5_pure::Source;

/// Bytes that are read at once.
const BLOCK: usize = 1 << 12;

/// Whether the numbers of the objects rise in the collection at `start` that begins with `head`. Programs number them as they
/// add them, and only begin anew after 65,535 in one collection. What cannot be read is left for the library to find.
pub(super) fn numbers_rise(source: &impl Source, start: u64, head: &[u8]) -> bool {
    let number = |bytes: &[u8]| {
        bytes.iter().rev().fold(0u64, |number, &byte| number.wrapping_shl(8) | u64::from(byte))
    };
    // An object's head is as long as the collection's, and its size stands in the same place.
    let length = head.len() as u64;
    let end = start.saturating_add(number(head.get(8..).unwrap_or_default())).min(source.len());
    let mut block = [0; BLOCK];
    let mut held = 0..0;
    let mut place = start.saturating_add(length);
    let mut last = 0;
    while let Some(behind) = place.checked_add(length).filter(|&behind| behind <= end) {
        if place < held.start || behind > held.end {
            held = place..end.min(place.saturating_add(BLOCK as u64));
            if source.read_at(place, &mut block[..(held.end - held.start) as usize]).is_err() {
                return true;
            }
        }
        let object = &block[(place - held.start) as usize..(behind - held.start) as usize];
        let index = number(&object[..2]);
        if index == 0 {
            return true; // what is free
        }
        if index <= last {
            return false;
        }
        last = index;
        let size = number(&object[8..]).checked_next_multiple_of(8);
        let Some(next) = size.and_then(|size| behind.checked_add(size)) else { return true };
        place = next;
    }
    true
}
