//! From pickles and raw numbers to tensors.

use std::collections::{HashMap, HashSet};

use ndarray::{ArrayD, IxDyn};

use super::pickle::{FORMAT, Id, Pickle, Value};
use crate::archive::Archive;
use crate::numbers::{Encoding, Kind};
use crate::{InteropError, Result};

/// What the first pickle of a file before PyTorch 1.6 is, little-endian.
const MAGIC: [u8; 10] = [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];

/// Under which names checkpoints keep a model's tensors.
const INNER: [&str; 6] = ["state_dict", "model_state_dict", "model", "state_dict_ema", "model_ema", "params"];

/// Bytes of numbers that any file may give, beyond eight times its own size: tensors may share their numbers.
const FREE_BYTES: usize = 1 << 28;

/// A tensor has no more axes in PyTorch.
const MAX_AXES: usize = 64;

/// Bytes that a name or a key has at most.
const MAX_NAME: usize = 1 << 10;

/// Bytes that a tensor takes beside its numbers and its name, and those of an axis.
const OF_TENSOR: usize = 1 << 8;
const OF_AXIS: usize = 16;

/// Where the numbers of tensors come from, by key.
enum Storages {
    Zip { archive: Box<Archive>, folder: String, big_endian: bool },
    Row(HashMap<String, Vec<u8>>),
}

pub(super) fn read(bytes: Vec<u8>) -> Result<Vec<(String, ArrayD<f32>)>> {
    let budget = FREE_BYTES + 8 * bytes.len();
    if bytes.starts_with(b"PK") {
        let mut archive = Archive::open(bytes)?;
        let names = archive.names();
        let pickle = names.iter().find(|name| *name == "data.pkl" || name.ends_with("/data.pkl"));
        let pickle = pickle.ok_or_else(|| malformed("the archive has no data.pkl"))?.clone();
        let folder = pickle.trim_end_matches("data.pkl").to_owned();
        let order = archive.read(&format!("{folder}byteorder"))?;
        let big_endian = order.is_some_and(|order| order.starts_with(b"big"));
        let content = archive.read_values(&pickle)?.unwrap_or_default();
        let (pickle, _) = Pickle::read(&content)?;
        let storages = Storages::Zip { archive: Box::new(archive), folder, big_endian };
        return Tensors { pickle, storages, raw: HashMap::new(), budget }.named();
    }
    if !bytes.starts_with(&[0x80]) {
        return Err(malformed("it begins neither as a zip archive nor as a pickle"));
    }
    let (magic, mut at) = Pickle::read(&bytes)?;
    if !matches!(magic.get(magic.top), Value::BigInt(found) if found[..] == MAGIC) {
        return Err(malformed("it is a pickle, but not one of torch.save"));
    }
    let mut next = || -> Result<Pickle> {
        let (pickle, length) = Pickle::read(&bytes[at..])?;
        at += length;
        Ok(pickle)
    };
    let (_version, _system, pickle, keys) = (next()?, next()?, next()?, next()?);
    let widths = widths(&pickle);
    let mut storages = HashMap::new();
    for &key in keys.tuple(keys.top).ok_or_else(|| malformed("its storages are not listed"))? {
        let key = keys.text(key).ok_or_else(|| malformed("a storage has no name"))?;
        let width = widths.get(key).copied().ok_or_else(|| malformed("a storage belongs to no tensor"))?;
        let rest = &bytes[at..];
        let (count, rest) =
            rest.split_first_chunk().ok_or_else(|| malformed("it ends before its numbers"))?;
        let length =
            usize::try_from(u64::from_le_bytes(*count)).ok().and_then(|count| count.checked_mul(width));
        let length = length.filter(|&length| length <= rest.len());
        let length = length.ok_or_else(|| {
            malformed(&format!("the storage {key} claims more numbers than the file has: cut short?"))
        })?;
        storages.insert(key.to_owned(), rest[..length].to_vec());
        at += 8 + length;
    }
    Tensors { pickle, storages: Storages::Row(storages), raw: HashMap::new(), budget }.named()
}

/// Bytes of a number in each storage that the pickle names.
fn widths(pickle: &Pickle) -> HashMap<String, usize> {
    let storage = |id: Id| match pickle.get(id) {
        Value::Persistent(id) => {
            Storage::parse(pickle, *id).map(|storage| (storage.key.to_owned(), storage.encoding.size))
        }
        _ => None,
    };
    pickle.ids().filter_map(storage).collect()
}

/// What a tensor says of its numbers.
struct Storage<'a> {
    encoding: Encoding,
    key: &'a str,
}

impl<'a> Storage<'a> {
    /// From `("storage", torch.FloatStorage, key, location, count, …)`.
    fn parse(pickle: &'a Pickle, id: Id) -> Option<Self> {
        let [_, class, key, ..] = pickle.tuple(id)? else { return None };
        let (kind, size) = match pickle.global(*class)? {
            "FloatStorage" => (Kind::Float, 4),
            "DoubleStorage" => (Kind::Float, 8),
            "HalfStorage" => (Kind::Float, 2),
            "BFloat16Storage" => (Kind::Bfloat, 2),
            "LongStorage" => (Kind::Signed, 8),
            "IntStorage" => (Kind::Signed, 4),
            "ShortStorage" => (Kind::Signed, 2),
            "CharStorage" => (Kind::Signed, 1),
            "ByteStorage" | "BoolStorage" => (Kind::Unsigned, 1),
            _ => return None,
        };
        Some(Self {
            encoding: Encoding { kind, size, big_endian: false },
            key: pickle.text(*key).filter(|key| key.len() <= MAX_NAME)?,
        })
    }
}

struct Tensors {
    pickle: Pickle,
    storages: Storages,
    /// Numbers that were read already, by key.
    raw: HashMap<String, Vec<f32>>,
    /// Bytes that may still be given out.
    budget: usize,
}

impl Tensors {
    /// All tensors of the state dict.
    fn named(mut self) -> Result<Vec<(String, ArrayD<f32>)>> {
        let found = state_dict(&self.pickle, self.pickle.top, 3, &mut HashSet::new());
        let found =
            found.ok_or_else(|| malformed("there are no tensors by name in it: a state dict is wanted"))?;
        let pickle = std::mem::take(&mut self.pickle);
        let mut tensors = Vec::new();
        for (name, id) in found {
            let name = pickle.text(name).filter(|name| name.len() <= MAX_NAME);
            let name = name.ok_or_else(|| malformed("a tensor has a name that is far too long"))?;
            let tensor = self.tensor(&pickle, id).map_err(|error| match error {
                InteropError::Malformed { reason, .. } => malformed(&format!("{name}: {reason}")),
                error => error,
            })?;
            self.take(name.len() + OF_TENSOR + OF_AXIS * tensor.ndim())?;
            tensors.push((name.to_owned(), tensor));
        }
        Ok(tensors)
    }

    /// Bytes that are about to be given out.
    fn take(&mut self, bytes: usize) -> Result<()> {
        let left = self.budget.checked_sub(bytes);
        self.budget = left.ok_or_else(|| {
            InteropError::too_large(FORMAT, "its tensors hold far more numbers than the file".to_owned())
        })?;
        Ok(())
    }

    /// The tensor that `_rebuild_tensor_v2(storage, offset, sizes, strides, …)` would make.
    fn tensor(&mut self, pickle: &Pickle, id: Id) -> Result<ArrayD<f32>> {
        let mut id = id;
        for _ in 0..2 {
            let Value::Call(function, arguments) = *pickle.get(id) else { break };
            let arguments = pickle.tuple(arguments).unwrap_or(&[]);
            match (pickle.global(function), arguments) {
                (Some("_rebuild_parameter"), [data, ..]) => id = *data,
                (Some("_rebuild_tensor_v2" | "_rebuild_tensor"), [storage, offset, sizes, strides, ..]) => {
                    return self.strided(pickle, [*storage, *offset, *sizes, *strides]);
                }
                _ => break,
            }
        }
        Err(malformed("it is not a tensor"))
    }

    fn strided(
        &mut self,
        pickle: &Pickle,
        [storage, offset, sizes, strides]: [Id; 4],
    ) -> Result<ArrayD<f32>> {
        let Value::Persistent(storage) = *pickle.get(storage) else {
            return Err(malformed("its numbers are nowhere"));
        };
        let storage = Storage::parse(pickle, storage)
            .ok_or_else(|| InteropError::unsupported(FORMAT, "a tensor of numbers that are not read here"))?;
        let offset = pickle.int(offset).and_then(|offset| usize::try_from(offset).ok());
        if [sizes, strides].iter().any(|&id| pickle.tuple(id).is_some_and(|axes| axes.len() > MAX_AXES)) {
            return Err(malformed(&format!("it has more than {MAX_AXES} axes")));
        }
        let (sizes, strides) = (pickle.sizes(sizes), pickle.sizes(strides));
        let (Some(offset), Some(sizes), Some(strides)) = (offset, sizes, strides) else {
            return Err(malformed("its sizes are not numbers"));
        };
        if sizes.len() != strides.len() {
            return Err(malformed("it has not as many strides as sizes"));
        }
        self.load(&storage)?;
        let numbers = self.raw[storage.key].len();
        let count = sizes.iter().try_fold(1usize, |product, &size| product.checked_mul(size));
        let span = sizes.iter().zip(&strides).try_fold(offset, |last, (&size, &stride)| {
            last.checked_add(size.saturating_sub(1).checked_mul(stride)?)
        });
        let count = match (count, span) {
            (Some(0), _) => 0,
            (Some(count), Some(last)) if last < numbers && count <= numbers => count,
            _ => {
                return Err(malformed(&format!("sizes {sizes:?} are more than its {numbers} numbers")));
            }
        };
        self.take(size_of::<f32>() * count)?;
        let gathered = gather(&self.raw[storage.key], offset, &sizes, &strides, count);
        ArrayD::from_shape_vec(IxDyn(&sizes), gathered)
            .map_err(|error| malformed(&format!("sizes {sizes:?}: {error}")))
    }

    /// Reads the numbers of a storage, if that is not done yet.
    fn load(&mut self, storage: &Storage<'_>) -> Result<()> {
        if self.raw.contains_key(storage.key) {
            return Ok(());
        }
        let absent = || malformed(&format!("the storage {} is not in the file", storage.key));
        let mut encoding = storage.encoding;
        let bytes = match &mut self.storages {
            Storages::Zip { archive, folder, big_endian } => {
                encoding.big_endian = *big_endian;
                archive.read(&format!("{folder}data/{}", storage.key))?.ok_or_else(absent)?
            }
            Storages::Row(storages) => storages.remove(storage.key).ok_or_else(absent)?,
        };
        self.take(bytes.len() / encoding.size * size_of::<f32>())?;
        let values = encoding.to_f32(&bytes).ok_or_else(absent)?;
        self.raw.insert(storage.key.to_owned(), values);
        Ok(())
    }
}

/// Names and makers of tensors, from the dict `id` or one inside it. Dicts that were `seen` have none.
fn state_dict(pickle: &Pickle, id: Id, depth: usize, seen: &mut HashSet<Id>) -> Option<Vec<(Id, Id)>> {
    let Value::Dict(items) = pickle.get(id) else { return None };
    if !seen.insert(id) {
        return None;
    }
    // What lies inside comes first: a checkpoint may have tensors beside it, such as the best accuracy.
    let inner = |name: &&str| {
        let found = items.iter().find(|&&(key, _)| pickle.text(key) == Some(name))?;
        state_dict(pickle, found.1, depth.checked_sub(1)?, seen)
    };
    if let Some(found) = INNER.iter().find_map(inner) {
        return Some(found);
    }
    let is_tensor = |&&(key, value): &&(Id, Id)| pickle.text(key).is_some() && is_tensor(pickle, value);
    Some(items.iter().filter(is_tensor).copied().collect::<Vec<_>>()).filter(|tensors| !tensors.is_empty())
}

fn is_tensor(pickle: &Pickle, id: Id) -> bool {
    let Value::Call(function, _) = *pickle.get(id) else { return false };
    pickle.global(function).is_some_and(|name| name.starts_with("_rebuild"))
}

/// Elements of a strided view, row-major. All lie inside `values`.
fn gather(values: &[f32], offset: usize, sizes: &[usize], strides: &[usize], count: usize) -> Vec<f32> {
    // Axes of one element would be looked at for each number.
    let axes = sizes.iter().zip(strides).filter(|&(&size, _)| size != 1);
    let (sizes, strides): (Vec<usize>, Vec<usize>) = axes.unzip();
    let mut gathered = Vec::with_capacity(count);
    let mut index = vec![0; sizes.len()];
    let mut at = offset;
    for _ in 0..count {
        gathered.push(values[at]);
        for axis in (0..sizes.len()).rev() {
            index[axis] += 1;
            at = at.wrapping_add(strides[axis]); // beyond the view only where it is taken back below
            if index[axis] < sizes[axis] {
                break;
            }
            at = at.wrapping_sub(sizes[axis].wrapping_mul(strides[axis]));
            index[axis] = 0;
        }
    }
    gathered
}

fn malformed(reason: &str) -> InteropError {
    InteropError::malformed(FORMAT, reason)
}
