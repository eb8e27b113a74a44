//! Numbers that lie in files beside the model's.

use std::io::{Read, Seek, SeekFrom};
use std::path::{Component, Path};

use super::FORMAT;
use super::proto::TensorProto;
use crate::{InteropError, Result};

/// The bytes of a tensor that lies in another file of the model's folder.
pub(super) fn read(proto: &TensorProto, folder: Option<&Path>) -> Result<Vec<u8>> {
    let name = &proto.name;
    let entry = |key: &str| proto.external_data.iter().find(|entry| entry.key == key);
    let refuse = |reason: String| InteropError::malformed(FORMAT, format!("tensor `{name}`: {reason}"));
    let location = entry("location").map(|entry| Path::new(&entry.value));
    let location = location.ok_or_else(|| refuse("its external data has no location".into()))?;
    let inside = location.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    if !inside {
        return Err(refuse(format!(
            "its data would lie outside of the model's folder, in {}",
            location.display()
        )));
    }
    let Some(folder) = folder else {
        let reason = format!(
            "tensor `{name}` lies in the file {}; read the model from its folder",
            location.display()
        );
        return Err(InteropError::unsupported(FORMAT, reason));
    };
    let number = |key: &str| {
        let entry = entry(key).map(|entry| entry.value.parse::<u64>());
        entry.transpose().map_err(|_| refuse(format!("its {key} is not a number")))
    };
    let path = folder.join(location);
    let io = |source| InteropError::io("read", &path, source);
    let mut file = std::fs::File::open(&path).map_err(io)?;
    let size = file.metadata().map_err(io)?.len();
    let offset = number("offset")?.unwrap_or(0);
    let length = number("length")?.unwrap_or(size.saturating_sub(offset));
    if offset.checked_add(length).is_none_or(|end| end > size) {
        return Err(refuse(format!("{} has {size} bytes, not {length} from {offset} on", path.display())));
    }
    let length = usize::try_from(length).map_err(|_| refuse("its data is too large".into()))?;
    let mut bytes = vec![0; length];
    file.seek(SeekFrom::Start(offset)).map_err(io)?;
    file.read_exact(&mut bytes).map_err(io)?;
    Ok(bytes)
}
