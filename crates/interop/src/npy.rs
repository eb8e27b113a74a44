//! NumPy's `.npy` (versions 1 to 3) and `.npz`: arrays in and out.
//!
//! Reading takes floats, integers and booleans of either byte order, row- or column-major, and gives f32; writing makes
//! little-endian f32, row-major. Text, dates, complex numbers, records and pickled objects are refused. Arrays of other numbers
//! are read and written as [`Tensor`](crate::onnx::Tensor)s.

use std::io::Write;
use std::path::Path;

use ndarray::{ArrayD, ArrayViewD, IxDyn, ShapeBuilder};

use crate::archive::Archive;
use crate::error::file_bytes;
use crate::numbers::{Encoding, Kind};
use crate::{InteropError, Result, atomic};

const FORMAT: &str = ".npy file";
const MAGIC: &[u8] = b"\x93NUMPY";
/// NumPy's own bound on axes.
const MAX_AXES: usize = 64;

/// A kind of number that a file can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "letter and bits say it")]
pub enum Number {
    Bool,
    I8,
    I16,
    I32,
    I64,
    U8,
    U16,
    U32,
    U64,
    F32,
    F64,
}

impl Number {
    /// NumPy's text for it, little-endian.
    pub fn descr(self) -> &'static str {
        match self {
            Self::Bool => "|b1",
            Self::I8 => "|i1",
            Self::I16 => "<i2",
            Self::I32 => "<i4",
            Self::I64 => "<i8",
            Self::U8 => "|u1",
            Self::U16 => "<u2",
            Self::U32 => "<u4",
            Self::U64 => "<u8",
            Self::F32 => "<f4",
            Self::F64 => "<f8",
        }
    }
}

/// The numbers of a file, row-major: integers exactly, all else as f32.
pub(crate) enum Numbers {
    Floats(Vec<f32>),
    Integers(Vec<i64>),
}

/// The sizes and numbers in the bytes of a file.
pub(crate) fn read_numbers(bytes: &[u8]) -> Result<(Vec<usize>, Numbers)> {
    let (header, data) = Header::checked(bytes)?;
    if matches!(header.encoding.kind, Kind::Signed | Kind::Unsigned)
        && let Some(values) = header.encoding.to_i64(data)
    {
        let array = header.array(values)?;
        return Ok((header.shape, Numbers::Integers(array.into_raw_vec_and_offset().0)));
    }
    let array = read(bytes)?;
    Ok((header.shape, Numbers::Floats(array.into_raw_vec_and_offset().0)))
}

/// Reads the `.npy` file `path`.
///
/// # Errors
/// With the file's name: cannot be read, is not `.npy`, has an unsupported element type, or is cut short.
pub fn read_file(path: impl AsRef<Path>) -> Result<ArrayD<f32>> {
    let path = path.as_ref();
    read(&file_bytes(path)?).map_err(|error| error.in_file(path))
}

/// Reads an array from the bytes of a `.npy` file.
///
/// ```
/// use ndarray::array;
/// let bytes = convnet_interop::npy::to_bytes(array![[1.0, 2.0], [3.0, 4.0]].into_dyn().view());
/// assert_eq!(convnet_interop::npy::read(&bytes)?, array![[1.0, 2.0], [3.0, 4.0]].into_dyn());
/// # Ok::<(), convnet_interop::InteropError>(())
/// ```
///
/// # Errors
/// See [`read_file`].
pub fn read(bytes: &[u8]) -> Result<ArrayD<f32>> {
    let (header, data) = Header::checked(bytes)?;
    let values = header
        .encoding
        .to_f32(data)
        .ok_or_else(|| InteropError::unsupported(FORMAT, format!("{:?} elements", header.encoding)))?;
    header.array(values)
}

/// Writes `array` as the `.npy` file `path`, whole or not at all.
///
/// # Errors
/// When the file cannot be written.
pub fn write_file(path: impl AsRef<Path>, array: ArrayViewD<'_, f32>) -> Result<()> {
    atomic::write_with(path, |file| {
        file.write_all(&header_bytes(array.shape(), Number::F32))?;
        array.iter().try_for_each(|value| file.write_all(&value.to_le_bytes()))
    })
}

/// `array` as the bytes of a `.npy` file.
pub fn to_bytes(array: ArrayViewD<'_, f32>) -> Vec<u8> {
    let mut bytes = header_bytes(array.shape(), Number::F32);
    bytes.reserve(array.len() * 4);
    array.iter().for_each(|value| bytes.extend_from_slice(&value.to_le_bytes()));
    bytes
}

/// The arrays of a `.npz` archive, by name (without `.npy`), in the archive's order.
///
/// # Errors
/// When it is not a zip archive, unpacks to far more than its size, or a member is not a readable array.
pub fn read_npz(bytes: Vec<u8>) -> Result<Vec<(String, ArrayD<f32>)>> {
    let mut archive = Archive::open(bytes)?;
    let names = archive.names();
    let member = |name: String| {
        let content = archive.read(&name)?.unwrap_or_default();
        let array = read(&content).map_err(|error| error.in_file(Path::new(&name)))?;
        Ok((name.trim_end_matches(".npy").to_owned(), array))
    };
    names.into_iter().map(member).collect()
}

/// What stands before the numbers.
pub(crate) fn header_bytes(shape: &[usize], number: Number) -> Vec<u8> {
    let mut axes: String = shape.iter().map(|length| format!("{length}, ")).collect();
    if shape.len() > 1 {
        axes.truncate(axes.len() - 2);
    } else if shape.len() == 1 {
        axes.truncate(axes.len() - 1);
    }
    let descr = number.descr();
    let text = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({axes}), }}");
    // Padded with spaces so that the data begins at a multiple of 64; a shape of 64 axes still fits 16 bits.
    let total = (MAGIC.len() + 4 + text.len() + 1).next_multiple_of(64);
    let length = total - MAGIC.len() - 4;
    let mut bytes = MAGIC.to_vec();
    bytes.extend([1, 0]);
    bytes.extend((length as u16).to_le_bytes());
    bytes.extend(text.as_bytes());
    bytes.resize(total - 1, b' ');
    bytes.push(b'\n');
    bytes
}

struct Header {
    encoding: Encoding,
    column_major: bool,
    shape: Vec<usize>,
}

impl Header {
    /// As [`parse`](Self::parse), for data that has the length that the header gives it.
    fn checked(bytes: &[u8]) -> Result<(Self, &[u8])> {
        let (header, data) = Self::parse(bytes)?;
        let count = header.shape.iter().try_fold(1usize, |product, &length| product.checked_mul(length));
        let wanted = count.and_then(|count| count.checked_mul(header.encoding.size));
        if wanted != Some(data.len()) {
            let reason = format!(
                "shape {:?} of {}-byte numbers needs {} bytes, the file has {}",
                header.shape,
                header.encoding.size,
                wanted.map_or("too many".to_owned(), |bytes| bytes.to_string()),
                data.len()
            );
            return Err(InteropError::malformed(FORMAT, reason));
        }
        Ok((header, data))
    }

    /// The numbers in their shape, row-major.
    fn array<T: Clone>(&self, values: Vec<T>) -> Result<ArrayD<T>> {
        let wrong = |error| InteropError::malformed(FORMAT, format!("shape {:?}: {error}", self.shape));
        if !self.column_major {
            return ArrayD::from_shape_vec(IxDyn(&self.shape), values).map_err(wrong);
        }
        // Axes of one element would be looked at for each number.
        let longer: Vec<usize> = self.shape.iter().copied().filter(|&length| length != 1).collect();
        let array = ArrayD::from_shape_vec(IxDyn(&longer).f(), values).map_err(wrong)?;
        array.as_standard_layout().into_owned().into_shape_with_order(IxDyn(&self.shape)).map_err(wrong)
    }

    /// The header and the data behind it.
    fn parse(bytes: &[u8]) -> Result<(Self, &[u8])> {
        let malformed = |reason: &str| InteropError::malformed(FORMAT, reason);
        let rest = bytes.strip_prefix(MAGIC).ok_or_else(|| malformed("it does not begin with \\x93NUMPY"))?;
        let (length, rest) = match *rest {
            [1, _, a, b, ref rest @ ..] => (usize::from(u16::from_le_bytes([a, b])), rest),
            [2 | 3, _, a, b, c, d, ref rest @ ..] => (u32::from_le_bytes([a, b, c, d]) as usize, rest),
            [_, _, _, _, ..] => {
                return Err(InteropError::unsupported(FORMAT, format!("version {}", rest[0])));
            }
            _ => return Err(malformed("it ends in its header")),
        };
        let (text, data) = rest.split_at_checked(length).ok_or_else(|| malformed("it ends in its header"))?;
        let text = std::str::from_utf8(text).map_err(|_| malformed("its header is not text"))?;
        let field = |key: &str| {
            let quoted = [format!("'{key}':"), format!("\"{key}\":")];
            let found = quoted.iter().find_map(|quoted| text.split_once(quoted.as_str()));
            found
                .map(|(_, value)| value.trim_start())
                .ok_or_else(|| malformed(&format!("its header has no '{key}'")))
        };
        let column_major = match field("fortran_order")? {
            value if value.starts_with("True") => true,
            value if value.starts_with("False") => false,
            _ => return Err(malformed("fortran_order is neither True nor False")),
        };
        Ok((
            Self { encoding: encoding(field("descr")?)?, column_major, shape: shape(field("shape")?)? },
            data,
        ))
    }
}

/// The element type of a `descr` such as `'<f4'`.
fn encoding(text: &str) -> Result<Encoding> {
    let quote = text.chars().next().filter(|c| matches!(c, '\'' | '"'));
    let descr = quote.and_then(|quote| text[1..].split(quote).next());
    let refused = || {
        let shown: String = descr.unwrap_or("a record").chars().take(20).collect();
        InteropError::unsupported(
            FORMAT,
            format!("elements of type {shown} (floats, integers and booleans are read)"),
        )
    };
    let descr = descr.ok_or_else(refused)?;
    let mut letters = descr.chars();
    let big_endian = match letters.next() {
        Some('<' | '|' | '=') => false,
        Some('>') => true,
        _ => return Err(refused()),
    };
    let kind = match letters.next() {
        Some('f') => Kind::Float,
        Some('i') => Kind::Signed,
        Some('u' | 'b') => Kind::Unsigned,
        _ => return Err(refused()),
    };
    let size =
        letters.as_str().parse().ok().filter(|size| matches!(size, 1 | 2 | 4 | 8)).ok_or_else(refused)?;
    Ok(Encoding { kind, size, big_endian })
}

/// The lengths in a tuple such as `(3, 4)`, `(3,)` or `()`.
fn shape(text: &str) -> Result<Vec<usize>> {
    let malformed = || InteropError::malformed(FORMAT, "its shape is not a tuple of lengths");
    let inside = text.strip_prefix('(').and_then(|text| text.split(')').next()).ok_or_else(malformed)?;
    let lengths = inside
        .split(',')
        .map(|length| length.trim().trim_end_matches('L'))
        .filter(|length| !length.is_empty());
    let shape: Vec<usize> = lengths
        .take(MAX_AXES + 1)
        .map(|length| length.parse().map_err(|_| malformed()))
        .collect::<Result<_>>()?;
    if shape.len() > MAX_AXES { Err(malformed()) } else { Ok(shape) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{arr0, array};

    fn npy(descr: &str, fortran: &str, shape: &str, data: &[u8]) -> Vec<u8> {
        let text = format!("{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}\n");
        let mut bytes = [MAGIC, &[1, 0], &(text.len() as u16).to_le_bytes()].concat();
        bytes.extend(text.as_bytes());
        bytes.extend(data);
        bytes
    }

    #[test]
    fn element_types_and_orders() {
        assert_eq!(
            read(&npy("|u1", "False", "(2, 1)", &[7, 255])).unwrap(),
            array![[7.0], [255.0]].into_dyn()
        );
        assert_eq!(read(&npy("|b1", "False", "(2,)", &[1, 0])).unwrap(), array![1.0, 0.0].into_dyn());
        assert_eq!(
            read(&npy(">i4", "False", "(1,)", &(-3i32).to_be_bytes())).unwrap(),
            array![-3.0].into_dyn()
        );
        assert_eq!(read(&npy("<i8", "False", "()", &9i64.to_le_bytes())).unwrap(), arr0(9.0).into_dyn());
        assert_eq!(
            read(&npy("|u1", "True", "(2, 3)", &[1, 2, 3, 4, 5, 6])).unwrap(),
            array![[1.0, 3.0, 5.0], [2.0, 4.0, 6.0]].into_dyn()
        );
        assert_eq!(read(&npy("<f4", "False", "(0, 3)", &[])).unwrap().shape(), [0, 3]);
    }

    #[test]
    fn what_is_written_is_read_back() {
        for shape in [vec![], vec![1], vec![3], vec![0], vec![2, 3, 4], vec![1; 12]] {
            let count = shape.iter().product::<usize>();
            let array = ArrayD::from_shape_vec(shape, (0..count).map(|i| i as f32 - 0.5).collect()).unwrap();
            let bytes = to_bytes(array.view());
            assert_eq!((bytes.len() - array.len() * 4) % 64, 0);
            assert_eq!(read(&bytes).unwrap(), array);
        }
    }

    #[test]
    fn wrong_files_are_refused_with_reasons() {
        let reason = |bytes: &[u8]| read(bytes).unwrap_err().to_string();
        assert!(reason(b"PK\x03\x04").contains("NUMPY"));
        assert!(reason(&npy("<f4", "False", "(2,)", &[0; 7])).contains("needs 8 bytes, the file has 7"));
        assert!(reason(&npy("<f4", "False", "(4294967296, 4294967296)", &[])).contains("too many"));
        assert!(reason(&npy("<U5", "False", "(1,)", &[0; 20])).contains("<U5"));
        assert!(reason(&npy("|O", "False", "(1,)", &[0; 20])).contains("unsupported"));
        assert!(reason(&npy("<f4", "Perhaps", "(1,)", &[0; 4])).contains("fortran_order"));
    }
}
