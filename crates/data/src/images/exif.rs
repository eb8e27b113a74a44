//! The one EXIF entry that matters here: which way up the camera was held.

const ORIENTATION: u16 = 0x0112;

/// The orientation of a picture from its EXIF block: 1 (as is) to 8, and 1 when the block does not tell.
///
/// The block is a TIFF file: byte order, 42, offset of the first directory; there, a count and entries of 12 bytes.
pub(super) fn orientation(block: &[u8]) -> u8 {
    read(block.strip_prefix(b"Exif\0\0").unwrap_or(block))
        .filter(|value| (1..=8).contains(value))
        .unwrap_or(1)
}

fn read(tiff: &[u8]) -> Option<u8> {
    let little = match tiff.get(..4)? {
        b"II*\0" => true,
        b"MM\0*" => false,
        _ => return None,
    };
    let short = |at: usize| {
        let bytes = tiff.get(at..at.checked_add(2)?)?.try_into().ok()?;
        Some(if little { u16::from_le_bytes(bytes) } else { u16::from_be_bytes(bytes) })
    };
    let bytes = tiff.get(4..8)?.try_into().ok()?;
    let directory = if little { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) } as usize;
    let entries = usize::from(short(directory)?);
    let mut places = (0..entries).map_while(|entry| directory.checked_add(2 + entry * 12));
    let place = places.find(|&place| short(place) == Some(ORIENTATION))?;
    u8::try_from(short(place.checked_add(8)?)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orientation_is_read_in_both_byte_orders() {
        let little =
            b"II*\0\x08\0\0\0\x02\0\x00\x01\x03\0\x01\0\0\0\x09\0\0\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0";
        let big = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x08\0\0";
        assert_eq!((orientation(little), orientation(big)), (6, 8));
        for end in 0..little.len() - 4 {
            assert_eq!(orientation(&little[..end.min(28)]), 1);
        }
        assert_eq!(orientation(b"II*\0\xff\xff\xff\xff"), 1);
    }
}
