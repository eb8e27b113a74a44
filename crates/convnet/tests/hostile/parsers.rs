//! Every parser of files that others made, with whole files to damage. Shared with `fuzz/`.

use std::path::{Path, PathBuf};

use convnet::data::ImageShape;
use convnet::data::images::{self, Options};
use convnet::data::sources::read_idx;
use convnet::interop::h5::{Group, H5File};
use convnet::interop::keras::{self, KerasFile};
use convnet::interop::{archive, npy, onnx, pytorch, safetensors};
use convnet::nn::layers::{BatchNormalization, Conv2D, Dense, Flatten, MaxPooling2D};
use convnet::nn::{Model, Sequential, model};
use ndarray::ArrayD;

/// A reader of files.
pub struct Parser {
    /// What it is called; its fuzz target has the same name.
    pub name: &'static str,
    /// Whole files that it reads.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// Reads bytes; tells whether they were accepted. Must return whatever they are.
    pub read: fn(&[u8]) -> bool,
}

/// All of them.
pub const PARSERS: &[Parser] = &[
    Parser {
        name: "keras",
        seeds: || golden("keras", &["branching.keras", "sequential.keras"]),
        read: |bytes| model_of(bytes.to_vec()),
    },
    Parser {
        name: "keras_h5",
        seeds: || golden("keras", &["sequential.h5", "nested.h5", "keras2_branching.h5"]),
        read: |bytes| model_of(bytes.to_vec()),
    },
    Parser { name: "keras_config", seeds: configs, read: |bytes| config(bytes) },
    Parser { name: "keras_members", seeds: inner_weights, read: |bytes| members(bytes) },
    Parser {
        name: "weights_h5",
        seeds: weights,
        read: |bytes| on_disk(bytes, |path| keras::load_weights(&mut small(), path).is_ok()),
    },
    Parser {
        name: "hdf5",
        seeds: || golden("keras", &["shared.h5", "functional.h5"]),
        read: |bytes| hdf5(bytes.to_vec()),
    },
    Parser {
        name: "pth",
        seeds: || golden("pytorch", &["zip.pth", "checkpoint.pt"]),
        read: |bytes| pytorch::from_bytes(bytes.to_vec()).is_ok(),
    },
    Parser {
        name: "pth_row",
        seeds: || golden("pytorch", &["row.pth"]),
        read: |bytes| pytorch::from_bytes(bytes.to_vec()).is_ok(),
    },
    Parser { name: "pickle", seeds: pickles, read: |bytes| pickle(bytes) },
    Parser {
        name: "safetensors",
        seeds: || golden("pytorch", &["plain.safetensors", "bf16.safetensors"]),
        read: |bytes| safetensors::from_bytes(bytes).is_ok(),
    },
    Parser {
        name: "onnx",
        seeds: || vec![onnx::to_bytes(&small()).expect("it can be written")],
        read: |bytes| onnx::Import::new().from_bytes(bytes.to_vec()).is_ok(),
    },
    Parser { name: "npy", seeds: || vec![array()], read: |bytes| npy::read(bytes).is_ok() },
    Parser {
        name: "npz",
        seeds: || vec![archive::to_bytes([("x.npy", &array()[..])]).expect("one name")],
        read: |bytes| npy::read_npz(bytes.to_vec()).is_ok(),
    },
    Parser {
        name: "idx",
        seeds: || vec![idx()],
        read: |bytes| on_disk(bytes, |path| read_idx(path, 3).is_ok()),
    },
    Parser { name: "png", seeds: || vec![png(1), png(3)], read: picture },
    Parser { name: "jpeg", seeds: || vec![file("crates/data/tests/files/turned.jpg")], read: picture },
];

/// The parser of a name.
#[allow(dead_code, reason = "fuzz targets name theirs")]
pub fn named(name: &str) -> &'static Parser {
    PARSERS.iter().find(|parser| parser.name == name).expect("a target has a parser's name")
}

fn file(path: &str) -> Vec<u8> {
    let mut folders = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let root = folders.find(|folder| folder.join("golden").is_dir()).expect("it is in the repository");
    std::fs::read(root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn golden(program: &str, names: &[&str]) -> Vec<Vec<u8>> {
    names.iter().map(|name| file(&format!("golden/{program}/{name}"))).collect()
}

/// Gives the path of a file with these bytes, in memory where there is such a folder.
fn on_disk(bytes: &[u8], read: impl Fn(&Path) -> bool) -> bool {
    let memory = Path::new("/dev/shm");
    let folder = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    let thread = format!("{:?}", std::thread::current().id()).replace(|c: char| !c.is_ascii_digit(), "");
    let path: PathBuf = folder.join(format!("convnet-hostile-{}-{thread}.h5", std::process::id()));
    std::fs::write(&path, bytes).expect("there is room for a small file");
    let accepted = read(&path);
    std::fs::remove_file(&path).expect("it was just written");
    accepted
}

/// A model of every kind of part that its files have.
fn small() -> Model {
    Sequential::new([8, 8, 2])
        .add(Conv2D::new(3, 3))
        .add(BatchNormalization::new())
        .add(MaxPooling2D::new(2))
        .add(Flatten::new())
        .add(Dense::new(4))
        .build()
        .expect("its layers fit")
}

fn model_of(bytes: Vec<u8>) -> bool {
    KerasFile::from_bytes(bytes).is_ok_and(|file| file.to_model().is_ok())
}

fn weights() -> Vec<Vec<u8>> {
    let file = KerasFile::of_model(&small());
    let mut native =
        archive::Archive::open(file.to_bytes(keras::Format::Archive).expect("a model")).expect("an archive");
    let native = native.read("model.weights.h5").expect("whole").expect("it has weights");
    vec![native, file.to_bytes(keras::Format::LegacyH5).expect("a model")]
}

fn member(name: &str, of: &str) -> Vec<u8> {
    let mut archive = archive::Archive::open(file(&format!("golden/keras/{of}"))).expect("an archive");
    archive.read(name).expect("whole").expect("it is there")
}

fn configs() -> Vec<Vec<u8>> {
    ["branching.keras", "nested.keras", "functional.keras"].map(|of| member("config.json", of)).to_vec()
}

fn config(bytes: &[u8]) -> bool {
    serde_json::from_slice(bytes).is_ok_and(|json| model::from_config_within(&json, 1 << 28).is_ok())
}

fn inner_weights() -> Vec<Vec<u8>> {
    vec![member("model.weights.h5", "branching.keras")]
}

/// Damaged weights under right checksums.
fn members(weights: &[u8]) -> bool {
    let config = member("config.json", "branching.keras");
    let packed = archive::to_bytes([("config.json", &config[..]), ("model.weights.h5", weights)]);
    model_of(packed.expect("two names"))
}

/// Walks a file to its end.
fn hdf5(bytes: Vec<u8>) -> bool {
    fn walk(group: &Group<'_>, depth: usize, left: &mut usize) {
        for name in group.arrays().unwrap_or_default().iter().take(100) {
            let _ = (group.floats(name), group.integers(name));
        }
        for name in group.groups().unwrap_or_default() {
            *left = left.saturating_sub(1);
            if let (Ok(Some(inner)), 1.., ..10) = (group.group(&name), *left, depth) {
                let _ = (inner.text("name"), inner.texts("weight_names"));
                walk(&inner, depth + 1, left);
            }
        }
    }
    H5File::open(bytes).inspect(|file| walk(&file.root(), 0, &mut 200)).is_ok()
}

fn pickles() -> Vec<Vec<u8>> {
    let mut archive = archive::Archive::open(file("golden/pytorch/zip.pth")).expect("an archive");
    vec![archive.read("zip/data.pkl").expect("whole").expect("it is there")]
}

/// A damaged pickle under right checksums, with its numbers beside it.
fn pickle(bytes: &[u8]) -> bool {
    let mut archive = archive::Archive::open(file("golden/pytorch/zip.pth")).expect("an archive");
    let names: Vec<String> = archive.names().into_iter().filter(|name| name.contains("/data/")).collect();
    let numbers: Vec<(String, Vec<u8>)> = (names.into_iter())
        .map(|name| {
            let content = archive.read(&name).expect("whole").expect("it is there");
            (name, content)
        })
        .collect();
    let numbers = numbers.iter().map(|(name, content)| (name.as_str(), &content[..]));
    let packed = archive::to_bytes([("zip/data.pkl", bytes)].into_iter().chain(numbers));
    pytorch::from_bytes(packed.expect("different names")).is_ok()
}

fn array() -> Vec<u8> {
    npy::to_bytes(ArrayD::from_elem(vec![2, 3, 4], 0.5).view())
}

fn idx() -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, 3];
    [5u32, 4, 3].iter().for_each(|size| bytes.extend(size.to_be_bytes()));
    bytes.extend(0..60);
    bytes
}

fn png(channels: usize) -> Vec<u8> {
    let pixels: Vec<u8> = (0..24 * 20 * channels).map(|i| (i * 37 % 251) as u8).collect();
    images::encode_png(&pixels, 24, 20, channels).expect("so many pixels")
}

fn picture(bytes: &[u8]) -> bool {
    let shape = ImageShape::new(16, 16, 3);
    images::prepare(bytes, Path::new("picture"), shape, Options::for_shape(shape)).is_ok()
}
