//! HDF5 files in memory: groups, text attributes and arrays of numbers. No more, and no type of the library beneath.
//!
//! The library (`hdf5-pure`) is young, so it is pinned and kept behind this module, and only its plainest calls are used:
//! raw bytes are read and turned into numbers here, after type, shape and length have been compared. What is written is
//! contiguous and unfiltered, in the format of HDF5 1.8, which every reader of the last fifteen years knows.

mod datatypes;
mod guard;
mod heaps;
mod stored;

use std::cell::Cell;
use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use hdf5_pure::{
    AttrValue, Datatype, DatatypeByteOrder, Error, FileBuilder, FormatError, Layout, LibVer, Source,
    VlenStringReadOptions,
};
use ndarray::{ArrayD, ArrayViewD};

use crate::numbers::{Encoding, Kind};
use crate::{InteropError, Result};

use guard::{Guarded, Meter};
pub(crate) use stored::StoredArray;
use stored::{InMemory, OnDisk, Place};

const FORMAT: &str = "HDF5 file";
/// Bytes of numbers, as they are in memory, that any file may give beyond sixteen times its own size: compressed files hold
/// more than they weigh.
const FREE_BYTES: u64 = 1 << 28;
/// Bytes of a number in memory, at least.
const NUMBER: u64 = 4;
/// Bytes of a text in memory beside its letters.
const TEXT: u64 = 32;

/// Times that groups and arrays of any file may be opened, beyond one for each [`OPENED_BYTES`] of its size.
const FREE_OPENS: u64 = 1 << 10;
/// Of several hundred bytes that a group or an array takes at least: it may be opened often.
const OPENED_BYTES: u64 = 16;
/// Times that groups and arrays of a large file may be opened.
const MOST_OPENS: u64 = 1 << 18;
/// Bytes of a path that count as an opening more: what is opened keeps its path.
const PATH_BYTES: usize = 1 << 8;
/// Times an archive's size, beyond [`FREE_UNPACKED`], that a file packed in it is believed to need: zeros shrink to a
/// thousandth, and so does a structure that is only there to be read.
const UNPACKED_TIMES: u64 = 4;
/// Bytes of a packed file that any archive's size is believed to need: the structure of a thousand layers is some of them.
const FREE_UNPACKED: u64 = 1 << 22;
/// Axes that an array in chunks may have: HDF5's own bound.
const MOST_AXES: usize = 32;
/// Bytes that the library keeps of a chunk while it is found and read, and of each of its axes.
const CHUNK: u64 = 1 << 8;
const CHUNK_AXIS: u64 = 32;
/// Filters that an array's chunks went through. Real ones have up to three: shuffled, packed, with a checksum.
const MOST_FILTERS: usize = 4;

/// Bytes of an array's texts that are read.
const MAX_TEXT: usize = 1 << 26;

/// A file open for reading.
#[derive(Debug)]
pub struct H5File {
    file: hdf5_pure::File,
    content: Content,
    length: u64,
    /// Bytes that the structure is measured by: the length, or less if the file was packed.
    measure: u64,
    meter: Arc<Meter>,
    /// Bytes that may still be made. Many names can lead to one array, so the sum is bounded.
    budget: Cell<u64>,
    /// Times that groups and arrays may still be opened. Groups can hold each other, so that a small file has more paths than
    /// anyone can walk.
    opens: Cell<u64>,
}

/// Where the bytes of a file are.
#[derive(Debug)]
enum Content {
    Memory(Arc<Vec<u8>>),
    Disk(Arc<fs::File>),
}

/// Bytes that may be made of a file of so many.
fn budget(size: u64) -> u64 {
    FREE_BYTES.saturating_add(size.saturating_mul(16))
}

impl H5File {
    /// Whether `bytes` begin as an HDF5 file does.
    pub fn recognises(bytes: &[u8]) -> bool {
        bytes.starts_with(b"\x89HDF\r\n\x1a\n")
    }

    /// Opens the file in `bytes`.
    ///
    /// # Errors
    /// When they are not an HDF5 file.
    pub fn open(bytes: Vec<u8>) -> Result<Self> {
        let length = bytes.len() as u64;
        Self::open_packed(bytes, length)
    }

    /// As [`H5File::open`], of bytes that were `size` ones in a file: what may be made of them goes by that.
    pub(crate) fn open_packed(bytes: Vec<u8>, size: u64) -> Result<Self> {
        let length = bytes.len() as u64;
        let measure = length.min(size.saturating_mul(UNPACKED_TIMES).saturating_add(FREE_UNPACKED));
        let bytes = Arc::new(bytes);
        let file = Self::of(InMemory(Arc::clone(&bytes)), Content::Memory(bytes), length, measure)?;
        file.budget.set(budget(size));
        Ok(file)
    }

    /// Opens the file at `path`, of which nothing is kept in memory but its structure.
    ///
    /// # Errors
    /// When it cannot be read or is not an HDF5 file.
    pub fn open_path(path: &Path) -> Result<Self> {
        let io = |source| InteropError::io("read", path, source);
        let disk = Arc::new(fs::File::open(path).map_err(io)?);
        let length = disk.metadata().map_err(io)?.len();
        let source = OnDisk { file: Arc::clone(&disk), length };
        Self::of(source, Content::Disk(disk), length, length)
    }

    fn of(
        source: impl Source + Send + Sync + 'static,
        content: Content,
        length: u64,
        measure: u64,
    ) -> Result<Self> {
        let meter = Meter::new(measure);
        let source = Guarded { source, meter: Arc::clone(&meter) };
        let file = hdf5_pure::File::from_source(source).map_err(|error| malformed("/", error))?;
        let budget = Cell::new(budget(length));
        let opens = Cell::new((FREE_OPENS + measure / OPENED_BYTES).min(MOST_OPENS));
        Ok(Self { file, content, length, measure, meter, budget, opens })
    }

    /// The outermost group.
    pub fn root(&self) -> Group<'_> {
        Group { file: self, group: self.file.root(), path: String::new() }
    }
}

/// A group of a file.
#[derive(Debug)]
pub struct Group<'a> {
    file: &'a H5File,
    group: hdf5_pure::Group,
    path: String,
}

impl<'a> Group<'a> {
    /// The names of the groups inside, sorted.
    ///
    /// # Errors
    /// When the group is damaged.
    pub fn groups(&self) -> Result<Vec<String>> {
        self.file.meter.begin();
        self.sorted(self.group.groups())
    }

    /// The names of the arrays inside, sorted.
    ///
    /// # Errors
    /// When the group is damaged.
    pub fn arrays(&self) -> Result<Vec<String>> {
        self.file.meter.begin();
        self.sorted(self.group.datasets())
    }

    /// Formats differ in the order that they keep, so none is promised from the file.
    fn sorted(&self, names: std::result::Result<Vec<String>, Error>) -> Result<Vec<String>> {
        let mut names = names.map_err(|error| malformed(&self.path, error))?;
        names.sort_unstable();
        Ok(names)
    }

    /// The group at `path` (names between slashes) inside this one, or `None`.
    ///
    /// # Errors
    /// When the file is damaged there.
    pub fn group(&self, path: &str) -> Result<Option<Group<'a>>> {
        let inner = format!("{}/{path}", self.path);
        self.file.open_once(&inner)?;
        match self.group.group(path) {
            Ok(group) => Ok(Some(Group { file: self.file, group, path: inner })),
            Err(Error::Format(FormatError::PathNotFound(_)) | Error::NotAGroup(_)) => Ok(None),
            Err(error) => Err(malformed(&inner, error)),
        }
    }

    /// The group at `path`, which must be there.
    ///
    /// # Errors
    /// When it is not, or is damaged.
    pub fn required_group(&self, path: &str) -> Result<Group<'a>> {
        self.group(path)?
            .ok_or_else(|| InteropError::malformed(FORMAT, format!("there is no group {}/{path}", self.path)))
    }

    /// The text of an attribute; `None` if there is none of this name or it is not one text.
    ///
    /// # Errors
    /// When the group's attributes are damaged.
    pub fn text(&self, attribute: &str) -> Result<Option<String>> {
        let attributes = self.file.attributes(&self.path, || self.group.attrs())?;
        Ok(attributes.get(attribute).and_then(AttrValue::as_str).map(str::to_owned))
    }

    /// The texts of an attribute that is a list of them, or of its pieces `name0`, `name1`, … into which Keras cuts a
    /// long list. An empty list, of whatever type, and none at all give no texts.
    ///
    /// # Errors
    /// When the group's attributes are damaged.
    pub fn texts(&self, attribute: &str) -> Result<Vec<String>> {
        let attributes = self.file.attributes(&self.path, || self.group.attrs())?;
        let texts = |value: &AttrValue| value.as_strings().map(<[String]>::to_vec).unwrap_or_default();
        if let Some(value) = attributes.get(attribute) {
            return Ok(texts(value));
        }
        let pieces = (0..).map_while(|piece| attributes.get(&format!("{attribute}{piece}")));
        Ok(pieces.flat_map(texts).collect())
    }

    /// The array at `path` as f32: floats and integers of any width, booleans as 0 and 1.
    ///
    /// # Errors
    /// When it is not there, damaged, larger than the file can hold, or of another type.
    pub fn floats(&self, path: &str) -> Result<ArrayD<f32>> {
        self.stored(path)?.floats()
    }

    /// The array at `path` as i64: integers of any width.
    ///
    /// # Errors
    /// As [`floats`](Self::floats), and when it holds other numbers than integers.
    pub fn integers(&self, path: &str) -> Result<ArrayD<i64>> {
        let array = self.stored(path)?;
        let count: usize = array.shape().iter().product();
        self.file.spend(&array.path, Some(count as u64 * NUMBER))?; // an i64 has twice the bytes of an f32
        array.integers()
    }

    /// The texts of the array at `path`: of fixed width, whose padding is left out, or of any.
    ///
    /// # Errors
    /// When it is not there, damaged, larger than the file can hold, or holds no texts.
    pub fn strings(&self, path: &str) -> Result<Vec<String>> {
        let full = format!("{}/{path}", self.path);
        self.file.open_once(&full)?;
        let wrong = |error| malformed(&full, error);
        let dataset = self.group.dataset(path).map_err(wrong)?;
        let datatype = dataset.datatype().map_err(wrong)?;
        let shape = dataset.shape().map_err(wrong)?;
        self.file.claim(&full, &dataset, &shape, datatype.type_size() as usize)?;
        let count = shape.iter().try_fold(TEXT, |product, &length| product.checked_mul(length));
        self.file.spend(&full, count)?;
        if let Datatype::String { .. } = datatype {
            return dataset.read_string().map_err(wrong);
        }
        if !self.file.meter.look_up(shape.iter().product()) {
            let reason = format!("{full}, shape {shape:?}, has too many texts to look them all up");
            return Err(InteropError::too_large(FORMAT, reason));
        }
        let most = usize::try_from(self.file.budget.get()).unwrap_or(usize::MAX).min(MAX_TEXT);
        let limits = VlenStringReadOptions::new().with_max_payload_bytes(most);
        let texts = dataset.read_vlen_strings(limits).map_err(wrong)?;
        self.file.spend(&full, Some(texts.iter().map(|text| text.len() as u64).sum()))?;
        Ok(texts)
    }

    /// The array at `path`, its numbers left where they are.
    pub(crate) fn stored(&self, path: &str) -> Result<StoredArray> {
        let full = format!("{}/{path}", self.path);
        self.file.open_once(&full)?;
        let wrong = |error| malformed(&full, error);
        let dataset = self.group.dataset(path).map_err(wrong)?;
        let datatype = dataset.datatype().map_err(wrong)?;
        // What is allocated here and what the library reads must be one size. It reads an enumeration by the enumeration's
        // own, which need not be that of the numbers it is made of.
        let mut encoding = encoding(&datatype)
            .filter(|encoding| encoding.size == datatype.type_size() as usize)
            .ok_or_else(|| InteropError::unsupported(FORMAT, format!("{full} holds no plain numbers")))?;
        if encoding.size == 2 && encoding.kind != Kind::Bfloat && self.holds_brain_floats(path, &full)? {
            encoding.kind = Kind::Bfloat;
        }
        let shape = dataset.shape().map_err(wrong)?;
        let bytes = self.file.claim(&full, &dataset, &shape, encoding.size)?;
        let layout = dataset.layout().map_err(wrong)?;
        let place = match self.file.place(&layout, bytes) {
            _ if bytes == 0 => Place::Empty,
            Some(place) => place,
            None => Place::Packed(Box::new(dataset), Arc::clone(&self.file.meter)),
        };
        let shape = shape.iter().map(|&length| length as usize).collect(); // their product fits memory
        Ok(StoredArray { path: full, shape, encoding, place })
    }

    /// Whether an attribute of the array at `path` calls its numbers so.
    fn holds_brain_floats(&self, path: &str, full: &str) -> Result<bool> {
        // The array is opened anew, for the meter to see its attributes pass, but not those of the groups on the way.
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        let parent = (!folder.is_empty()).then(|| self.group.group(folder)).transpose();
        let parent = parent.map_err(|error| malformed(full, error))?;
        let parent = parent.as_ref().unwrap_or(&self.group);
        let attributes = self.file.attributes(full, || parent.dataset(name)?.attrs())?;
        Ok(attributes.get("dtype").and_then(AttrValue::as_str) == Some("bfloat16"))
    }
}

impl H5File {
    /// Where an array of so many bytes lies in one piece; `None` for others, and for a place outside the file.
    fn place(&self, layout: &Layout, bytes: u64) -> Option<Place> {
        let Layout::Contiguous { address: Some(start), size } = layout else { return None };
        let end = start.checked_add(bytes).filter(|&end| *size == bytes && end <= self.length)?;
        Some(match &self.content {
            Content::Disk(disk) => Place::Disk(Arc::clone(disk), *start),
            Content::Memory(bytes) => {
                Place::Memory(Arc::clone(bytes), usize::try_from(*start).ok()?..usize::try_from(end).ok()?)
            }
        })
    }

    /// Begins to open a group or an array.
    fn open_once(&self, path: &str) -> Result<()> {
        self.meter.begin();
        let cost = 1 + (path.len() / PATH_BYTES) as u64;
        let left = self.opens.get().checked_sub(cost).ok_or_else(|| {
            let path: String = path.chars().take(PATH_BYTES).collect();
            let reason = format!("its groups and arrays are too many, or hold or name each other, at {path}");
            InteropError::malformed(FORMAT, reason)
        })?;
        self.opens.set(left);
        Ok(())
    }

    /// All attributes of a group or an array, as the library gives them.
    fn attributes(
        &self,
        path: &str,
        read: impl FnOnce() -> std::result::Result<HashMap<String, AttrValue>, Error>,
    ) -> Result<HashMap<String, AttrValue>> {
        self.meter.begin_attributes();
        let attributes = read();
        self.meter.begin();
        let attributes = attributes.map_err(|error| malformed(path, error))?;
        if let Some(reason) = self.meter.refused() {
            let reason = format!("the attributes of {path:?} are larger than the file, or damaged: {reason}");
            return Err(InteropError::malformed(FORMAT, reason));
        }
        Ok(attributes)
    }

    /// Takes from the budget what will be made, `None` being too much.
    fn spend(&self, path: &str, bytes: Option<u64>) -> Result<()> {
        let left = bytes.and_then(|bytes| self.budget.get().checked_sub(bytes));
        self.budget.set(left.ok_or_else(|| {
            let reason = format!(
                "{path} and what was read before are more than a file of {} bytes can hold",
                self.length
            );
            InteropError::too_large(FORMAT, reason)
        })?);
        Ok(())
    }

    /// Each filter makes all of a chunk anew, and one that packs may make more than its chunk for the next.
    fn check_filters(&self, path: &str, dataset: &hdf5_pure::Dataset) -> Result<()> {
        let filters = dataset.filters();
        // The library tells of no filters where it was not let read them.
        if let Some(reason) = self.meter.refused() {
            return Err(InteropError::malformed(FORMAT, format!("{path}: {reason}")));
        }
        let is_repeated = (1..filters.len()).any(|i| filters[..i].contains(&filters[i]));
        if filters.len() > MOST_FILTERS || is_repeated {
            let reason = format!(
                "{path} went through {} filters, where up to {MOST_FILTERS} different ones are read: \
                 write it with fewer, for instance by h5repack -f GZIP=6",
                filters.len()
            );
            return Err(InteropError::unsupported(FORMAT, reason));
        }
        Ok(())
    }

    /// What the library counts chunks by. With a size of zero it knows of no length that a filter may not exceed.
    fn check_chunks(&self, path: &str, shape: &[u64], chunk_shape: &[u64]) -> Result<()> {
        let reason = if shape.len() > MOST_AXES {
            format!("{path} has {} axes, more than {MOST_AXES}", shape.len())
        } else if chunk_shape.len() != shape.len() || chunk_shape.contains(&0) {
            format!("{path}, shape {shape:?}, has chunks of no size: {chunk_shape:?}")
        } else {
            return Ok(());
        };
        Err(InteropError::malformed(FORMAT, reason))
    }

    /// The bytes that an array has in the file; those that it needs are taken from the budget before anything is allocated.
    fn claim(&self, path: &str, dataset: &hdf5_pure::Dataset, shape: &[u64], size: usize) -> Result<u64> {
        let layout = dataset.layout().map_err(|error| malformed(path, error))?;
        let too_large = || {
            let reason =
                format!("{path} claims shape {shape:?}, more than a file of {} bytes can hold", self.length);
            InteropError::too_large(FORMAT, reason)
        };
        let size = size as u64;
        let product = |sizes: &[u64], first| {
            sizes.iter().try_fold(first, |product: u64, &next| product.checked_mul(next))
        };
        let bytes = product(shape, size).ok_or_else(too_large)?;
        let made = product(shape, size.max(NUMBER)).ok_or_else(too_large)?;
        match &layout {
            Layout::Compact { .. } | Layout::Contiguous { .. } if bytes > self.length => {
                return Err(too_large());
            }
            Layout::Chunked { chunk_shape, .. } => {
                self.check_chunks(path, shape, chunk_shape)?;
                self.check_filters(path, dataset)?;
                // What the library makes of chunks, of which some may be there twice and the last are larger than the array.
                let counts: Vec<u64> =
                    shape.iter().zip(chunk_shape).map(|(&length, &chunk)| length.div_ceil(chunk)).collect();
                let count =
                    product(&counts, 1).filter(|&count| count <= self.measure).ok_or_else(too_large)?;
                let chunk = product(chunk_shape, size).ok_or_else(too_large)?;
                let axes = shape.len() as u64;
                // One kind of index needs no bytes of the file, so that nothing is read as the chunks are listed.
                self.spend(path, count.checked_mul(CHUNK + CHUNK_AXIS * axes))?;
                let chunks = dataset.chunks().map_err(|error| malformed(path, error))?;
                let stored = chunks.iter().try_fold(0u64, |sum, chunk| sum.checked_add(chunk.storage_size));
                if chunks.len() as u64 > count {
                    return Err(InteropError::malformed(
                        FORMAT,
                        format!("{path} has more chunks than its shape"),
                    ));
                }
                let unpacked = chunk.checked_mul(chunks.len() as u64).zip(stored);
                let unpacked = unpacked.and_then(|(unpacked, stored)| unpacked.checked_add(stored));
                self.spend(path, unpacked.map(|unpacked| unpacked.saturating_sub(made)))?;
                // Chunks are put in their places row by row, each row's being found over all axes, twice. Pictures of one channel
                // have rows of one number: what is made for these pays for that, too.
                let rows = product(&chunk_shape[..chunk_shape.len().saturating_sub(1)], chunks.len() as u64);
                let rows = rows.and_then(|rows| rows.checked_mul(2 * axes));
                self.spend(path, rows.map(|rows| rows.saturating_sub(made.saturating_mul(4))))?;
            }
            _ => {}
        }
        self.spend(path, Some(made))?;
        Ok(bytes)
    }
}

fn encoding(datatype: &Datatype) -> Option<Encoding> {
    let (kind, size, order) = match datatype {
        Datatype::FloatingPoint { size, byte_order, .. } => (Kind::Float, *size, byte_order),
        Datatype::FixedPoint { size, byte_order, layout } if layout.signed => {
            (Kind::Signed, *size, byte_order)
        }
        Datatype::FixedPoint { size, byte_order, .. } => (Kind::Unsigned, *size, byte_order),
        // What h5py makes of bfloat16, which HDF5 has no name for.
        Datatype::Opaque { size: 2, .. } => {
            return Some(Encoding { kind: Kind::Bfloat, size: 2, big_endian: false });
        }
        Datatype::Enumeration { base_type, .. } => return encoding(base_type), // h5py's booleans
        _ => return None,
    };
    let big_endian = match order {
        DatatypeByteOrder::LittleEndian => false,
        DatatypeByteOrder::BigEndian => true,
        DatatypeByteOrder::Vax => return None,
    };
    Some(Encoding { kind, size: size as usize, big_endian })
}

fn malformed(path: &str, error: Error) -> InteropError {
    let path = if path.is_empty() { "/" } else { path };
    InteropError::malformed(FORMAT, format!("{path}: {error}"))
}

/// Text attributes of a group to be written. Keras's files use both character sets, and h5py shows them differently.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Text {
    /// One text, marked as UTF-8.
    Utf8(String),
    /// One text, marked as ASCII (its content is not checked, as h5py does not).
    Ascii(String),
    /// A list, marked as ASCII; when empty, the empty array of numbers that Keras writes.
    AsciiList(Vec<String>),
}

/// A group to be written, with all that is inside.
#[derive(Clone, Debug, Default)]
pub struct GroupWriter {
    attributes: Vec<(String, Text)>,
    groups: Vec<(String, GroupWriter)>,
    arrays: Vec<(String, Vec<u64>, Numbers)>,
}

#[derive(Clone, Debug)]
enum Numbers {
    Floats(Vec<u8>),
    Integers(Vec<u8>),
}

/// The most bytes of text that an attribute holds before it is cut in pieces: HDF5's bound on an object's header.
const MAX_ATTRIBUTE_BYTES: usize = 64_512;

impl GroupWriter {
    /// Sets an attribute. A list over 64,512 bytes becomes `name0`, `name1`, …, as in Keras's files.
    pub fn attribute(&mut self, name: &str, value: Text) -> &mut Self {
        match value {
            Text::AsciiList(texts) if stored_bytes(&texts) > MAX_ATTRIBUTE_BYTES => {
                let pieces = stored_bytes(&texts).div_ceil(MAX_ATTRIBUTE_BYTES);
                let pieces = texts.chunks(texts.len().div_ceil(pieces).max(1)).enumerate();
                self.attributes
                    .extend(pieces.map(|(i, piece)| (format!("{name}{i}"), Text::AsciiList(piece.to_vec()))));
            }
            value => self.attributes.push((name.to_owned(), value)),
        }
        self
    }

    /// The group at `path` (names between slashes), made if it is not there.
    pub fn group(&mut self, path: &str) -> &mut GroupWriter {
        path.split('/').filter(|name| !name.is_empty()).fold(self, |group, name| {
            let index = group.groups.iter().position(|(known, _)| known == name).unwrap_or_else(|| {
                group.groups.push((name.to_owned(), GroupWriter::default()));
                group.groups.len() - 1
            });
            &mut group.groups[index].1
        })
    }

    /// Adds an array of f32 at `path`, in groups made as needed.
    pub fn floats(&mut self, path: &str, array: ArrayViewD<'_, f32>) -> &mut Self {
        let mut bytes = Vec::with_capacity(array.len() * 4);
        array.iter().for_each(|value| bytes.extend_from_slice(&value.to_le_bytes()));
        self.array(path, array.shape(), Numbers::Floats(bytes))
    }

    /// Adds a single i64 (an array without axes) at `path`.
    pub fn integer(&mut self, path: &str, value: i64) -> &mut Self {
        self.array(path, &[], Numbers::Integers(value.to_le_bytes().to_vec()))
    }

    fn array(&mut self, path: &str, shape: &[usize], numbers: Numbers) -> &mut Self {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        let shape = shape.iter().map(|&length| length as u64).collect();
        self.group(folder).arrays.push((name.to_owned(), shape, numbers));
        self
    }

    /// The bytes of a file with this group as its root.
    ///
    /// # Errors
    /// When a name occurs twice or is not one HDF5 allows.
    pub fn to_file(self) -> Result<Vec<u8>> {
        let mut builder = FileBuilder::new();
        builder.with_libver_bounds(LibVer::Earliest, LibVer::V18);
        for (name, text) in self.attributes {
            builder.set_attr(&name, attribute(text));
        }
        for (name, shape, numbers) in self.arrays {
            fill(builder.create_dataset(&name), &shape, numbers);
        }
        for (name, group) in self.groups {
            let inner = builder.create_group(&name);
            builder.add_group(group.finish(inner));
        }
        builder.finish().map_err(|error| malformed("", error))
    }

    fn finish(self, mut builder: hdf5_pure::GroupBuilder) -> hdf5_pure::FinishedGroup {
        for (name, text) in self.attributes {
            builder.set_attr(&name, attribute(text));
        }
        for (name, shape, numbers) in self.arrays {
            fill(builder.create_dataset(&name), &shape, numbers);
        }
        for (name, group) in self.groups {
            let inner = builder.create_group(&name);
            builder.add_group(group.finish(inner));
        }
        builder.finish()
    }
}

/// What h5py's fixed-width rendering of a list takes, by which Keras decides where to cut.
fn stored_bytes(texts: &[String]) -> usize {
    texts.len() * texts.iter().map(String::len).max().unwrap_or(0)
}

fn attribute(text: Text) -> AttrValue {
    match text {
        Text::Utf8(text) => AttrValue::VarLenString(text),
        Text::Ascii(text) => AttrValue::VarLenAsciiString(text),
        Text::AsciiList(texts) if texts.is_empty() => AttrValue::F64Array(Vec::new()),
        Text::AsciiList(texts) => AttrValue::VarLenAsciiStringArray(texts),
    }
}

fn fill(dataset: &mut hdf5_pure::DatasetBuilder, shape: &[u64], numbers: Numbers) {
    let (datatype, bytes) = match numbers {
        Numbers::Floats(bytes) => (hdf5_pure::make_f32_type(), bytes),
        Numbers::Integers(bytes) => (hdf5_pure::make_i64_type(), bytes),
    };
    let count = shape.iter().product();
    dataset.with_shape(shape).with_raw_data(datatype, bytes, count);
}

#[cfg(test)]
mod tests {
    use ndarray::IxDyn;

    use super::*;
    use ndarray::{ArrayD, array};

    #[test]
    fn what_is_written_is_read_back() {
        let kernel =
            ArrayD::from_shape_fn(IxDyn(&[3, 3, 2, 4]), |index| index[0] as f32 - 0.25 * index[3] as f32);
        let names: Vec<String> = (0..9000).map(|i| format!("block_{i}/kernel")).collect();
        let mut root = GroupWriter::default();
        root.attribute("keras_version", Text::Utf8("3".into()))
            .attribute("model_config", Text::Ascii("{}".repeat(90_000)));
        root.group("model_weights").attribute("names", Text::AsciiList(names.clone()));
        root.group("model_weights/empty").attribute("weight_names", Text::AsciiList(Vec::new()));
        root.floats("model_weights/conv/kernel", kernel.view()).integer("iteration", -3);
        root.floats("none", ArrayD::zeros(IxDyn(&[0, 3])).view());

        let file = H5File::open(root.to_file().unwrap()).unwrap();
        let root = file.root();
        assert_eq!(root.text("keras_version").unwrap().unwrap(), "3");
        assert_eq!(root.text("model_config").unwrap().unwrap().len(), 180_000);
        assert_eq!(root.floats("model_weights/conv/kernel").unwrap(), kernel);
        assert_eq!(root.integers("iteration").unwrap(), ndarray::arr0(-3).into_dyn());
        assert_eq!(root.floats("none").unwrap().shape(), [0, 3]);
        let weights = root.required_group("model_weights").unwrap();
        assert_eq!(weights.texts("names").unwrap(), names);
        assert_eq!(weights.groups().unwrap(), ["conv", "empty"]);
        assert_eq!(weights.group("conv").unwrap().unwrap().arrays().unwrap(), ["kernel"]);
        assert!(weights.required_group("empty").unwrap().texts("weight_names").unwrap().is_empty());
        assert!(weights.group("conv/kernel").unwrap().is_none() && weights.group("dense").unwrap().is_none());
        assert!(root.floats("model_weights/dense").unwrap_err().to_string().contains("/model_weights/dense"));
        assert!(root.integers("model_weights/conv/kernel").is_err());
    }

    #[test]
    fn same_content_gives_same_bytes() {
        let make = || {
            let mut root = GroupWriter::default();
            root.floats("a/b", array![1.0, 2.0].into_dyn().view())
                .group("c")
                .attribute("n", Text::Utf8("x".into()));
            root.to_file().unwrap()
        };
        assert_eq!(make(), make());
    }

    #[test]
    fn a_shape_beyond_the_file_is_refused_before_allocation() {
        let mut root = GroupWriter::default();
        root.floats("x", ArrayD::zeros(IxDyn(&[123_457])).view());
        let mut bytes = root.to_file().unwrap();
        let length = 123_457u64.to_le_bytes();
        let place = bytes.windows(8).position(|window| window == length).unwrap();
        bytes[place..place + 8].copy_from_slice(&(1u64 << 60).to_le_bytes());
        let file = H5File::open(bytes);
        assert!(file.is_err() || file.unwrap().root().floats("x").is_err());
    }
}
