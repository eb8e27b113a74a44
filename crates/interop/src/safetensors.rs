//! `.safetensors`: tensors by name, and nothing else.
//!
//! The [format](https://huggingface.co/docs/safetensors) says of each tensor its type, sizes and place. Those of PyTorch users have
//! PyTorch's names and axes; [`pytorch`](crate::pytorch) brings them to a model.

use std::path::Path;

use ndarray::{ArrayD, IxDyn};
use safetensors::tensor::{Metadata, TensorView};
use safetensors::{Dtype, SafeTensors};

use crate::error::file_bytes;
use crate::numbers::{Encoding, Kind};
use crate::{InteropError, Result, atomic};

const FORMAT: &str = "safetensors file";

/// The tensors of the file `path`, sorted by name. Numbers of any type come as f32.
///
/// # Errors
/// With the file's name: cannot be read, is not of this format, is cut short, or holds numbers of a type that is not read.
pub fn read(path: impl AsRef<Path>) -> Result<Vec<(String, ArrayD<f32>)>> {
    let path = path.as_ref();
    from_bytes(&file_bytes(path)?).map_err(|error| error.in_file(path))
}

/// As [`read`], from a file's bytes.
///
/// # Errors
/// As [`read`], without a name.
pub fn from_bytes(bytes: &[u8]) -> Result<Vec<(String, ArrayD<f32>)>> {
    check_ends(bytes)?;
    let file = SafeTensors::deserialize(bytes)
        .map_err(|error| InteropError::malformed(FORMAT, error.to_string()))?;
    let mut tensors = Vec::with_capacity(file.len());
    for (name, view) in file.iter() {
        let encoding = encoding(view.dtype()).ok_or_else(|| {
            InteropError::unsupported(FORMAT, format!("{name} holds numbers of type {:?}", view.dtype()))
        })?;
        let wrong = |problem: String| InteropError::malformed(FORMAT, format!("{name}: {problem}"));
        let values = encoding.to_f32(view.data()).ok_or_else(|| wrong("an unknown width".into()))?;
        let array =
            ArrayD::from_shape_vec(IxDyn(view.shape()), values).map_err(|error| wrong(error.to_string()))?;
        tensors.push((name.to_owned(), array));
    }
    tensors.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(tensors)
}

/// Refuses tensors that end beyond the file. The reader adds up where they end, and would leave the range of numbers. What else is wrong
/// it says itself.
pub(crate) fn check_ends(bytes: &[u8]) -> Result<()> {
    let Some((length, rest)) = bytes.split_first_chunk() else { return Ok(()) };
    let header = usize::try_from(u64::from_le_bytes(*length)).ok().and_then(|length| rest.get(..length));
    let Some(Ok(metadata)) = header.map(serde_json::from_slice::<Metadata>) else { return Ok(()) };
    let tensors = metadata.tensors();
    match tensors.iter().find(|(_, tensor)| tensor.data_offsets.1 > bytes.len()) {
        None => Ok(()),
        Some((name, _)) => {
            Err(InteropError::malformed(FORMAT, format!("{name} ends beyond the file: is it cut short?")))
        }
    }
}

/// Writes tensors as the file `path`, whole or not at all.
///
/// # Errors
/// When the file cannot be written, or two tensors have one name.
pub fn write(path: impl AsRef<Path>, tensors: &[(String, ArrayD<f32>)]) -> Result<()> {
    let path = path.as_ref();
    atomic::write(path, &to_bytes(tensors).map_err(|error| error.in_file(path))?)
}

/// Tensors as a file's bytes; the same tensors give the same bytes.
///
/// # Errors
/// When two tensors have one name.
pub fn to_bytes(tensors: &[(String, ArrayD<f32>)]) -> Result<Vec<u8>> {
    let wrong = |error: safetensors::SafeTensorError| InteropError::malformed(FORMAT, error.to_string());
    let bytes: Vec<Vec<u8>> = tensors
        .iter()
        .map(|(_, values)| values.iter().flat_map(|value| value.to_le_bytes()).collect())
        .collect();
    let views = tensors.iter().zip(&bytes).map(|((name, values), bytes)| {
        Ok((name.as_str(), TensorView::new(Dtype::F32, values.shape().to_vec(), bytes)?))
    });
    let views = views.collect::<std::result::Result<Vec<_>, _>>().map_err(wrong)?;
    safetensors::serialize(views, None).map_err(wrong)
}

fn encoding(dtype: Dtype) -> Option<Encoding> {
    let (kind, size) = match dtype {
        Dtype::F16 => (Kind::Float, 2),
        Dtype::F32 => (Kind::Float, 4),
        Dtype::F64 => (Kind::Float, 8),
        Dtype::BF16 => (Kind::Bfloat, 2),
        Dtype::I8 => (Kind::Signed, 1),
        Dtype::I16 => (Kind::Signed, 2),
        Dtype::I32 => (Kind::Signed, 4),
        Dtype::I64 => (Kind::Signed, 8),
        Dtype::U8 | Dtype::BOOL => (Kind::Unsigned, 1),
        Dtype::U16 => (Kind::Unsigned, 2),
        Dtype::U32 => (Kind::Unsigned, 4),
        Dtype::U64 => (Kind::Unsigned, 8),
        _ => return None,
    };
    Some(Encoding { kind, size, big_endian: false })
}
