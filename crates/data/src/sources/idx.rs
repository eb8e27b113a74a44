//! The IDX format of the MNIST family: a big-endian header of dimensions, then bytes; plain or gzipped.
//!
//! Header: two zero bytes, the type of the values (8 is unsigned bytes, the only one read here), the number of
//! dimensions, then each dimension as a 32-bit number. The values follow in row-major order and end the file.

use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use crate::{DataError, Result};

/// Values that an IDX file may hold: far more than any set of this family has, far less than a lying header can ask.
const MAX_VALUES: u64 = 1 << 32;

/// What deflate can make of one byte at most, so that a header's claim can be weighed against the file's length
/// before memory is taken.
const MAX_GZIP_RATIO: u64 = 1032;

/// Contents of an IDX file of unsigned bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idx {
    /// The dimensions, none of them 0: `(count)` for labels, `(count, height, width)` for images.
    pub dims: Vec<usize>,
    /// The values in row-major order.
    pub values: Vec<u8>,
}

/// Reads an IDX file of unsigned bytes with `rank` dimensions; gzip is recognised by the contents, not by the name.
///
/// # Errors
/// [`DataError::Missing`] or [`DataError::Io`] when the file cannot be opened, [`DataError::Malformed`] when it is no
/// such file (magic number, type of values, number of dimensions, an empty dimension, too few or too many bytes, broken
/// gzip), [`DataError::TooLarge`] when its header asks for over 4 GiB.
pub fn read_idx(path: &Path, rank: usize) -> Result<Idx> {
    let file = File::open(path).map_err(|source| match source.kind() {
        ErrorKind::NotFound => DataError::Missing {
            path: path.to_path_buf(),
            help: "expected an IDX file, plain or gzipped".into(),
        },
        _ => DataError::io(path, "open the file", source),
    })?;
    let length = file.metadata().map_err(|source| DataError::io(path, "read the file", source))?.len();
    read_idx_from(BufReader::with_capacity(1 << 16, file), length, rank, path)
}

/// Reads IDX from a stream of `length` bytes; `path` is only for errors.
pub(crate) fn read_idx_from(mut reader: impl BufRead, length: u64, rank: usize, path: &Path) -> Result<Idx> {
    let start = reader.fill_buf().map_err(|source| DataError::io(path, "read the file", source))?;
    if start.starts_with(&[0x1f, 0x8b]) {
        let most = length.saturating_mul(MAX_GZIP_RATIO);
        read_plain(MultiGzDecoder::new(reader), most, rank, path)
    } else {
        read_plain(reader, length, rank, path)
    }
}

/// `most` is a bound on the bytes that `reader` can give.
fn read_plain(mut reader: impl Read, most: u64, rank: usize, path: &Path) -> Result<Idx> {
    let dims = read_header(&mut reader, rank, path)?;
    let values = dims.iter().try_fold(1u64, |product, &dim| product.checked_mul(u64::from(dim)));
    let values = values.filter(|&values| values <= MAX_VALUES && usize::try_from(values).is_ok());
    let Some(count) = values else {
        return Err(DataError::TooLarge {
            path: path.to_path_buf(),
            what: format!("an array of {}", product(&dims)),
            limit: format!("{MAX_VALUES} values"),
        });
    };
    let truncated = |held: String| {
        let problem = format!(
            "truncated: the header announces {} = {count} values, but the file {held}; fetch it again",
            product(&dims)
        );
        DataError::malformed(path, problem)
    };
    if count > most {
        return Err(truncated(format!("cannot hold more than {most}")));
    }
    // One byte more than announced, so that a longer stream shows without being read to its end.
    let mut values = Vec::new();
    values.try_reserve_exact(count as usize + 1).map_err(|_| DataError::TooLarge {
        path: path.to_path_buf(),
        what: format!("an array of {}", product(&dims)),
        limit: "the memory that is free".into(),
    })?;
    reader.take(count + 1).read_to_end(&mut values).map_err(|source| read_error(path, source))?;
    if (values.len() as u64) < count {
        return Err(truncated(format!("ends after {}", values.len())));
    }
    if values.len() as u64 > count {
        let problem =
            format!("longer than the {} = {count} values that its header announces", product(&dims));
        return Err(DataError::malformed(path, problem));
    }
    Ok(Idx { dims: dims.iter().map(|&dim| dim as usize).collect(), values })
}

fn read_header(reader: &mut impl Read, rank: usize, path: &Path) -> Result<Vec<u32>> {
    let mut word = || -> Result<[u8; 4]> {
        let mut bytes = [0; 4];
        reader.read_exact(&mut bytes).map_err(|source| read_error(path, source))?;
        Ok(bytes)
    };
    let magic = word()?;
    let problem = match magic {
        [0, 0, 8, dims] if usize::from(dims) == rank => None,
        [0, 0, 8, dims] => Some(format!(
            "an IDX file of {dims} dimensions where {rank} were expected (images have 3, labels 1): is this the right \
             file?"
        )),
        [0, 0, kind @ (9 | 11 | 12 | 13 | 14), _] => {
            Some(format!("IDX values of type 0x{kind:02x}; only unsigned bytes (0x08) are read"))
        }
        _ => {
            Some(format!("not an IDX file: it starts with {magic:02x?} instead of [00, 00, 08, {rank:02x}]"))
        }
    };
    if let Some(problem) = problem {
        return Err(DataError::malformed(path, problem));
    }
    let dims = (0..rank).map(|_| word().map(u32::from_be_bytes)).collect::<Result<Vec<_>>>()?;
    if dims.contains(&0) {
        return Err(DataError::malformed(path, format!("empty: its dimensions are {}", product(&dims))));
    }
    Ok(dims)
}

fn read_error(path: &Path, source: std::io::Error) -> DataError {
    match source.kind() {
        ErrorKind::UnexpectedEof => {
            DataError::malformed(path, "truncated: it ends too early; fetch it again")
        }
        ErrorKind::InvalidInput | ErrorKind::InvalidData => {
            DataError::malformed(path, format!("broken gzip data ({source}); fetch it again"))
        }
        _ => DataError::io(path, "read the file", source),
    }
}

fn product(dims: &[u32]) -> String {
    dims.iter().map(u32::to_string).collect::<Vec<_>>().join(" × ")
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn read(bytes: &[u8], rank: usize) -> Result<Idx> {
        read_idx_from(bytes, bytes.len() as u64, rank, Path::new("test.idx"))
    }

    fn idx(dims: &[u32], values: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0, 0, 8, dims.len() as u8];
        dims.iter().for_each(|dim| bytes.extend(dim.to_be_bytes()));
        bytes.extend(values);
        bytes
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn plain_and_gzipped_are_read() {
        let bytes = idx(&[2, 3, 1], &[1, 2, 3, 4, 5, 6]);
        for file in [bytes.clone(), gzip(&bytes)] {
            let idx = read(&file, 3).unwrap();
            assert_eq!((idx.dims, idx.values), (vec![2, 3, 1], vec![1, 2, 3, 4, 5, 6]));
        }
    }

    #[test]
    fn lies_are_told_apart() {
        let cases: [(Vec<u8>, &str); 11] = [
            (vec![], "ends too early"),
            (vec![0, 0, 8, 1, 0, 0], "ends too early"),
            (b"PK\x03\x04....".to_vec(), "not an IDX file"),
            (idx(&[1, 1, 1], &[0]), "3 dimensions where 1 were expected"),
            (vec![0, 0, 13, 1, 0, 0, 0, 1, 0, 0, 0, 0], "type 0x0d"),
            (idx(&[0], &[]), "empty"),
            (idx(&[4], &[1, 2, 3]), "ends after 3"),
            (idx(&[4], &[1, 2, 3, 4, 5]), "longer than"),
            (idx(&[u32::MAX], &[0; 9]), "cannot hold more than"),
            (gzip(&idx(&[4], &[1, 2, 3, 4, 5])), "longer than"),
            (gzip(&idx(&[4], &[1, 2, 3, 4]))[..20].to_vec(), "fetch it again"),
        ];
        for (bytes, expected) in cases {
            let error = read(&bytes, 1).unwrap_err().to_string();
            assert!(error.starts_with("test.idx: ") && error.contains(expected), "{error} / {expected}");
        }
        let huge = read(&idx(&[u32::MAX, u32::MAX, u32::MAX], &[0; 9]), 3).unwrap_err();
        assert!(matches!(huge, DataError::TooLarge { .. }), "{huge}");
    }

    #[test]
    fn a_gzip_bomb_is_left_after_the_announced_length() {
        let bomb = gzip(&idx(&[4], &vec![0; 50_000_000]));
        assert!(read(&bomb, 1).unwrap_err().to_string().contains("longer than"));
        let lying = gzip(&idx(&[1 << 31], &[0; 100]));
        assert!(read(&lying, 1).unwrap_err().to_string().contains("cannot hold more than"));
    }

    #[test]
    fn mutated_files_never_panic() {
        let plain = idx(&[3, 4, 4], &[7; 48]);
        let seeds = [plain.clone(), gzip(&plain)];
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut next = |below: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state % below as u64) as usize
        };
        for case in 0..10_000 {
            let mut bytes = seeds[case % 2].clone();
            for _ in 0..1 + next(4) {
                let at = next(bytes.len());
                match next(3) {
                    0 => bytes[at] ^= 1 << next(8),
                    1 => bytes[at] = next(256) as u8,
                    _ => bytes.truncate(at.max(1)),
                }
            }
            if let Ok(idx) = read(&bytes, 3) {
                assert_eq!(idx.dims.iter().product::<usize>(), idx.values.len());
            }
        }
    }
}
