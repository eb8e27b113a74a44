//! Tensors in NumPy's files.

use std::io::{BufWriter, Write};
use std::path::Path;

use super::tensor::{Data, Tensor};
use crate::error::file_bytes;
use crate::npy::{self, Number, Numbers};
use crate::{Result, atomic};

/// Writes each number as the bytes of a type.
macro_rules! write_as {
    ($file:expr, $data:expr, $number:expr, $($kind:ident => $type:ty),*) => {
        match $number {
            $(Number::$kind => match $data {
                Data::Floats(values) => values.iter().try_for_each(|&x| $file.write_all(&(x as $type).to_le_bytes())),
                Data::Integers(values) => values.iter().try_for_each(|&x| $file.write_all(&(x as $type).to_le_bytes())),
                Data::Booleans(values) => {
                    values.iter().try_for_each(|&x| $file.write_all(&(u8::from(x) as $type).to_le_bytes()))
                }
            },)*
            Number::Bool => match $data {
                Data::Floats(values) => values.iter().try_for_each(|&x| $file.write_all(&[u8::from(x != 0.0)])),
                Data::Integers(values) => values.iter().try_for_each(|&x| $file.write_all(&[u8::from(x != 0)])),
                Data::Booleans(values) => values.iter().try_for_each(|&x| $file.write_all(&[u8::from(x)])),
            },
        }
    };
}

impl Tensor {
    /// Reads the `.npy` file `path`; integers (and booleans, as 0 and 1) stay what they are.
    ///
    /// # Errors
    /// As [`npy::read_file`].
    pub fn read_npy(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let numbers = file_bytes(path).and_then(|bytes| npy::read_numbers(&bytes));
        let (dims, numbers) = numbers.map_err(|error| error.in_file(path))?;
        let data = match numbers {
            Numbers::Floats(values) => Data::Floats(values),
            Numbers::Integers(values) => Data::Integers(values),
        };
        Ok(Self { dims, data })
    }

    /// Writes the `.npy` file `path`, whole or not at all, as numbers of a kind.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write_npy(&self, path: impl AsRef<Path>, number: Number) -> Result<()> {
        atomic::write_with(path, |file| {
            file.write_all(&npy::header_bytes(&self.dims, number))?;
            self.write_numbers(file, number)
        })
    }

    fn write_numbers(&self, file: &mut BufWriter<std::fs::File>, number: Number) -> std::io::Result<()> {
        write_as!(file, &self.data, number, I8 => i8, I16 => i16, I32 => i32, I64 => i64, U8 => u8, U16 => u16,
            U32 => u32, U64 => u64, F32 => f32, F64 => f64)
    }
}

#[cfg(test)]
#[test]
fn numbers_keep_their_kind_in_files() {
    let path = std::env::temp_dir().join(format!("convnet-arrays-{}.npy", std::process::id()));
    let whole = Tensor::integers([2, 2], vec![0, -7, 1 << 53, i64::MAX]);
    whole.write_npy(&path, Number::I64).unwrap();
    assert_eq!(Tensor::read_npy(&path).unwrap(), whole);
    Tensor::floats([3], vec![0.0, 2.0, -1.5]).write_npy(&path, Number::Bool).unwrap();
    assert_eq!(Tensor::read_npy(&path).unwrap(), Tensor::integers([3], vec![0, 1, 1]));
    assert!(String::from_utf8_lossy(&std::fs::read(&path).unwrap()).contains("'|b1'"));
    Tensor { dims: vec![2], data: Data::Booleans(vec![true, false]) }.write_npy(&path, Number::F64).unwrap();
    assert_eq!(Tensor::read_npy(&path).unwrap(), Tensor::floats([2], vec![1.0, 0.0]));
    Tensor::floats([0, 3], Vec::new()).write_npy(&path, Number::F32).unwrap();
    assert_eq!(Tensor::read_npy(&path).unwrap().dims, [0, 3]);
    std::fs::remove_file(&path).unwrap();
}
