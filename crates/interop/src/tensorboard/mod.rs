//! TensorBoard's event files: what [TensorBoard](https://www.tensorflow.org/tensorboard) shows of a training while it runs.
//!
//! A file is a list of records, each an `Event` message of `tensorflow/core/util/event.proto` between its length and checksums.
//! It only grows; every record is handed to the system as it is written, so a training that is killed loses none.

mod callback;
mod crc32c;
mod graph;
mod histogram;
mod proto;

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use convnet_nn::Model;
use prost::Message;
use prost::bytes::Bytes;

use crate::{InteropError, Result};
use proto::{Event, Image, Summary, Value, event::What, value::Content};

pub use callback::{Encoded, TensorBoard};

/// Writes one event file.
///
/// ```
/// use convnet_interop::tensorboard::EventWriter;
///
/// let folder = std::env::temp_dir().join("convnet-tensorboard-example");
/// let mut writer = EventWriter::new(&folder)?;
/// writer.scalar("epoch_loss", 1, 0.25)?;
/// writer.histogram("dense/kernel", 1, &[-0.1, 0.0, 0.3])?;
/// assert!(writer.path().metadata().is_ok_and(|file| file.len() > 100));
/// # std::fs::remove_dir_all(folder).unwrap();
/// # Ok::<(), convnet_interop::InteropError>(())
/// ```
#[derive(Debug)]
pub struct EventWriter {
    file: File,
    path: PathBuf,
}

impl EventWriter {
    /// Makes the folder if need be, and in it a file of its own, named as TensorBoard wants it.
    ///
    /// # Errors
    /// If the folder cannot be made or written to.
    pub fn new(folder: impl AsRef<Path>) -> Result<Self> {
        let folder = folder.as_ref();
        fs::create_dir_all(folder).map_err(|source| InteropError::io("make the folder", folder, source))?;
        let seconds = now() as u64;
        // Writers that start within a second are told apart by the number at the end.
        for number in 0.. {
            let name = format!("events.out.tfevents.{seconds:010}.convnet.{}.{number}", std::process::id());
            let path = folder.join(name);
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(file) => {
                    let mut writer = Self { file, path };
                    writer.event(0, What::FileVersion("brain.Event:2".into()))?;
                    return Ok(writer);
                }
                Err(problem) if problem.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(source) => return Err(InteropError::io("write", &path, source)),
            }
        }
        unreachable!("a number is free")
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A number of a step, shown as a curve over steps.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn scalar(&mut self, tag: &str, step: u64, value: f64) -> Result<()> {
        self.value(tag, step, Content::SimpleValue(value as f32))
    }

    /// Numbers of a step, shown as their distribution. Those that are not finite are left out.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn histogram(&mut self, tag: &str, step: u64, values: &[f32]) -> Result<()> {
        self.value(tag, step, Content::Histo(histogram::of(values)))
    }

    /// A picture of a step: the bytes of a PNG, JPEG or GIF file, with its sizes and channels (1 grey, 3 colour, 4 with opacity).
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn image(&mut self, tag: &str, step: u64, size: [usize; 3], encoded: Vec<u8>) -> Result<()> {
        let [height, width, channels] = size.map(|size| i32::try_from(size).unwrap_or(i32::MAX));
        let encoded = Bytes::from(encoded);
        self.value(tag, step, Content::Image(Image { height, width, colorspace: channels, encoded }))
    }

    /// The operations of a model, layers as boxes.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn graph(&mut self, model: &Model) -> Result<()> {
        let definition = graph::of(&model.inference_graph()?, model);
        self.event(0, What::GraphDef(definition.encode_to_vec().into()))
    }

    fn value(&mut self, tag: &str, step: u64, content: Content) -> Result<()> {
        let value = Value { tag: tag.to_owned(), content: Some(content) };
        self.event(step, What::Summary(Summary { value: vec![value] }))
    }

    fn event(&mut self, step: u64, what: What) -> Result<()> {
        let step = i64::try_from(step).unwrap_or(i64::MAX);
        let event = Event { wall_time: now(), step, what: Some(what) };
        let record = record(&event.encode_to_vec());
        // One write a record: a reader, or a kill, finds whole ones.
        self.file.write_all(&record).map_err(|source| InteropError::io("write", &self.path, source))
    }
}

/// Length, its checksum, the data, their checksum; as `tensorflow/core/lib/io/record_writer.h` says.
fn record(data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u64).to_le_bytes();
    let mut record = Vec::with_capacity(data.len() + 16);
    record.extend(length);
    record.extend(crc32c::masked(&length).to_le_bytes());
    record.extend(data);
    record.extend(crc32c::masked(data).to_le_bytes());
    record
}

/// Seconds since 1970.
fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The events of a file, its checksums tested.
    fn events(path: &Path) -> Vec<Event> {
        let bytes = fs::read(path).unwrap();
        let mut rest = &bytes[..];
        let mut events = Vec::new();
        while !rest.is_empty() {
            let length = u64::from_le_bytes(rest[..8].try_into().unwrap()) as usize;
            let sum = |at: usize| u32::from_le_bytes(rest[at..at + 4].try_into().unwrap());
            let data = &rest[12..12 + length];
            assert_eq!((sum(8), sum(12 + length)), (crc32c::masked(&rest[..8]), crc32c::masked(data)));
            events.push(Event::decode(data).unwrap());
            rest = &rest[16 + length..];
        }
        events
    }

    #[test]
    fn what_is_written_is_what_a_reader_finds() {
        let folder = std::env::temp_dir().join(format!("convnet-events-{}", std::process::id()));
        let mut writer = EventWriter::new(&folder).unwrap();
        let other = EventWriter::new(&folder).unwrap();
        assert_ne!(writer.path(), other.path());
        writer.scalar("loss", 3, 0.5).unwrap();
        writer.image("picture", 4, [2, 3, 1], vec![1, 2, 3]).unwrap();
        let events = events(writer.path());
        assert_eq!(events[0].what, Some(What::FileVersion("brain.Event:2".into())));
        assert_eq!((events.len(), events[1].step, events[2].step), (3, 3, 4));
        let Some(What::Summary(summary)) = &events[1].what else { panic!("{:?}", events[1]) };
        assert_eq!(
            (&*summary.value[0].tag, &summary.value[0].content),
            ("loss", &Some(Content::SimpleValue(0.5)))
        );
        fs::remove_dir_all(folder).unwrap();
    }
}
