//! Every parser of files that others made, with whole files to damage. Shared with `fuzz/`.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use convnet::data::ImageShape;
use convnet::data::augment::Pipeline;
use convnet::data::images::{self, Options};
use convnet::data::sources::{Columns, ImdbRules, load_cifar, read_arrays, read_idx, read_imdb, read_labels};
use convnet::data::text::Tokenizer;
use convnet::interop::h5::{Group, GroupWriter, H5File};
use convnet::interop::keras::{self, KerasFile};
use convnet::interop::{archive, checkpoint, npy, onnx, pytorch, safetensors};
use convnet::nn::activation::Activation;
use convnet::nn::layers::{
    BatchNormalization, Conv2D, Conv2DTranspose, Dense, DepthwiseConv2D, Flatten, GlobalAveragePooling2D,
    LSTM, LayerNormalization, MaxPooling2D, Reshape, UpSampling2D,
};
use convnet::nn::losses::SparseCategoricalCrossentropy;
use convnet::nn::optimizers::Adam;
use convnet::nn::train::{Arrays, Checkpoint, Often};
use convnet::nn::{Fit, Metric, Model, Sequential, model};
use ndarray::{Array1, Array4, ArrayD};

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
        read: |bytes| {
            thread_local! { static MODEL: RefCell<Model> = RefCell::new(small()); }
            on_disk(bytes, |path| MODEL.with_borrow_mut(|model| keras::load_weights(model, path).is_ok()))
        },
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
        seeds: || {
            let own = [small(), wide()].map(|net| onnx::to_bytes(&net).expect("it can be written"));
            let names = ["attention", "branches", "quantised", "recurrent", "sizes"];
            own.into_iter()
                .chain(names.map(|name| file(&format!("golden/onnx/operators/{name}.onnx"))))
                .collect()
        },
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
    Parser { name: "cifar", seeds: || vec![cifar()], read: |bytes| batch_of_cifar(bytes) },
    Parser {
        name: "imdb",
        seeds: || vec![file("crates/data/tests/files/imdb.npz")],
        read: |bytes| on_disk(bytes, |path| read_imdb(path, ImdbRules::default()).is_ok()),
    },
    Parser { name: "imdb_lists", seeds: lists, read: |bytes| reviews(bytes) },
    Parser {
        name: "arrays",
        seeds: || vec![arrays_in_hdf5(), arrays_in_zip()],
        read: |bytes| on_disk(bytes, |path| read_arrays(path, None).is_ok()),
    },
    Parser {
        name: "word_index",
        seeds: || vec![br#"{"the": 1, "film": 2, "\u00fcber": 4, "a": 3}"#.to_vec()],
        read: |bytes| on_disk(bytes, |path| Tokenizer::new().load_word_index(path).is_ok()),
    },
    Parser {
        name: "augmentation",
        seeds: || vec![AUGMENTATION.to_vec()],
        read: |bytes| std::str::from_utf8(bytes).is_ok_and(|text| Pipeline::from_toml(text).is_ok()),
    },
    Parser { name: "checkpoint", seeds: || vec![half_trained()], read: |bytes| goes_on(bytes) },
    Parser {
        name: "labels",
        seeds: || {
            vec![
                b"path,class,split\na/1.png,\"cat, grey\",train\nb 2.jpg,\"a \"\"dog\"\"\",test\n".to_vec(),
                b"good\t1\nbad\t0\n".to_vec(),
            ]
        },
        read: |bytes| on_disk(bytes, |path| read_labels(path, &Columns::default()).is_ok()),
    },
    Parser {
        name: "png",
        seeds: || [vec![png(1), png(3)], pictures(&["turned.png", "deep.png"])].concat(),
        read: picture,
    },
    Parser { name: "jpeg", seeds: || pictures(&["turned.jpg", "cmyk.jpg", "grey.jpg"]), read: picture },
    Parser {
        name: "bmp",
        seeds: || pictures(&["alpha.bmp", "grey.bmp", "masks.bmp", "packed.bmp", "two.bmp"]),
        read: picture,
    },
    Parser { name: "gif", seeds: || pictures(&["picture.gif"]), read: picture },
    Parser {
        name: "webp",
        seeds: || pictures(&["alpha.webp", "lossless.webp", "lossy.webp", "turned.webp"]),
        read: picture,
    },
];

/// Augmentation written down: a text, tables, and what happens sometimes.
const AUGMENTATION: &[u8] = br#"
augment = [
    "light, rotate=15:fill=reflect",
    { kind = "blur", sigma = 3, p = 0.5 },
    { kind = "cutmix" },
]
"#;

fn pictures(names: &[&str]) -> Vec<Vec<u8>> {
    names.iter().map(|name| file(&format!("crates/data/tests/files/{name}"))).collect()
}

fn file(path: &str) -> Vec<u8> {
    let mut folders = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let root = folders.find(|folder| folder.join("golden").is_dir()).expect("it is in the repository");
    std::fs::read(root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn golden(program: &str, names: &[&str]) -> Vec<Vec<u8>> {
    names.iter().map(|name| file(&format!("golden/{program}/{name}"))).collect()
}

/// A path of this thread's own, in memory where there is such a folder.
fn scratch() -> PathBuf {
    let memory = Path::new("/dev/shm");
    let folder = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    let thread = format!("{:?}", std::thread::current().id()).replace(|c: char| !c.is_ascii_digit(), "");
    folder.join(format!("convnet-hostile-{}-{thread}.h5", std::process::id()))
}

/// Gives the path of a file with these bytes.
fn on_disk(bytes: &[u8], read: impl Fn(&Path) -> bool) -> bool {
    let path = scratch();
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

/// A model of other operators than those of [`small`].
fn wide() -> Model {
    Sequential::new([8, 8, 2])
        .add(DepthwiseConv2D::new(3))
        .add(LayerNormalization::new())
        .add(UpSampling2D::new(2))
        .add(Conv2DTranspose::new(3, 3).strides(2))
        .add(Reshape::new([25, 75]))
        .add(LSTM::new(3).return_sequences(true))
        .add(Reshape::new([5, 5, 3]))
        .add(GlobalAveragePooling2D::new())
        .add(Dense::new(4).activation(Activation::Softmax))
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
    static CONFIG: LazyLock<Vec<u8>> = LazyLock::new(|| member("config.json", "branching.keras"));
    let config = &*CONFIG;
    let packed = archive::to_bytes([("config.json", &config[..]), ("model.weights.h5", weights)]);
    model_of(packed.expect("two names"))
}

/// Walks a file to its end; whether all of its arrays are numbers that can be read.
fn hdf5(bytes: Vec<u8>) -> bool {
    fn walk(group: &Group<'_>, depth: usize, left: &mut usize) -> bool {
        let (arrays, groups) = (group.arrays(), group.groups());
        let mut whole = arrays.is_ok() && groups.is_ok();
        for name in arrays.unwrap_or_default().iter().take(100) {
            let (floats, integers) = (group.floats(name), group.integers(name));
            whole &= floats.is_ok() || integers.is_ok();
        }
        for name in groups.unwrap_or_default() {
            *left = left.saturating_sub(1);
            if let (Ok(Some(inner)), 1.., ..10) = (group.group(&name), *left, depth) {
                let _ = (inner.text("name"), inner.texts("weight_names"));
                whole &= walk(&inner, depth + 1, left);
            }
        }
        whole
    }
    H5File::open(bytes).is_ok_and(|file| walk(&file.root(), 0, &mut 200))
}

fn pickles() -> Vec<Vec<u8>> {
    let mut archive = archive::Archive::open(file("golden/pytorch/zip.pth")).expect("an archive");
    vec![archive.read("zip/data.pkl").expect("whole").expect("it is there")]
}

/// A damaged pickle under right checksums, with its numbers beside it.
fn pickle(bytes: &[u8]) -> bool {
    static NUMBERS: LazyLock<Vec<(String, Vec<u8>)>> = LazyLock::new(|| {
        let mut archive = archive::Archive::open(file("golden/pytorch/zip.pth")).expect("an archive");
        let names = archive.names().into_iter().filter(|name| name.contains("/data/"));
        let mut content = |name: &str| archive.read(name).expect("whole").expect("it is there");
        names.collect::<Vec<String>>().into_iter().map(|name| (name.clone(), content(&name))).collect()
    });
    let numbers = NUMBERS.iter().map(|(name, content)| (name.as_str(), &content[..]));
    let packed = archive::to_bytes([("zip/data.pkl", bytes)].into_iter().chain(numbers));
    pytorch::from_bytes(packed.expect("different names")).is_ok()
}

/// Trains a small net for three epochs of two steps, from a checkpoint if there is one, and leaves checkpoints.
fn train(model: &mut Model, resume: Option<&Checkpoint>, often: Often, path: &Path) -> bool {
    let x = Array4::from_shape_fn((4, 8, 8, 2), |(i, y, x, c)| (i * 7 + y * 5 + x * 3 + c) as f32 / 50.0);
    let y = Array1::from_shape_fn(4, |i| i as f32);
    let data = Arrays::new(x.view(), y.view()).expect("as many of each");
    let keep = checkpoint::keep(path);
    let fit = Fit::new().epochs(3).batch_size(2).checkpoints(often, &keep);
    let fit = match resume {
        Some(checkpoint) => fit.resume(checkpoint),
        None => fit,
    };
    model.fit(&data, fit).is_ok()
}

/// The checkpoint of a training after its fifth step.
fn half_trained() -> Vec<u8> {
    let (mut model, path) = (small(), scratch());
    let (optimizer, loss) = (Adam::default(), SparseCategoricalCrossentropy::default());
    model.compile(optimizer, loss, [Metric::Accuracy]).expect("they fit");
    assert!(train(&mut model, None, Often::Steps(5), &path), "it can be trained");
    let bytes = std::fs::read(&path).expect("it was just written");
    std::fs::remove_file(&path).expect("it was just written");
    bytes
}

/// Takes the last step of a training.
fn goes_on(bytes: &[u8]) -> bool {
    let Ok(checkpoint) = checkpoint::from_bytes(bytes) else { return false };
    let Ok(mut model) = checkpoint.to_model() else { return false };
    train(&mut model, Some(&checkpoint), Often::Minutes(1e9), &scratch())
}

/// Two records of CIFAR-10.
fn cifar() -> Vec<u8> {
    (0..2).flat_map(|label| std::iter::once(label).chain((0..3072).map(|at| (at % 251) as u8))).collect()
}

fn batch_of_cifar(bytes: &[u8]) -> bool {
    let folder = scratch();
    std::fs::create_dir_all(&folder).expect("there is room for a folder");
    std::fs::write(folder.join("data_batch_1.bin"), bytes).expect("there is room for a small file");
    let accepted = load_cifar(&folder).is_ok();
    std::fs::remove_dir_all(&folder).expect("it was just made");
    accepted
}

const REVIEWS: &str = "crates/data/tests/files/imdb.npz";

fn lists() -> Vec<Vec<u8>> {
    let mut archive = archive::Archive::open(file(REVIEWS)).expect("an archive");
    vec![archive.read("x_train.npy").expect("whole").expect("it is there")]
}

/// Damaged lists under right checksums, with the other arrays beside them.
fn reviews(bytes: &[u8]) -> bool {
    static OTHERS: LazyLock<Vec<(String, Vec<u8>)>> = LazyLock::new(|| {
        let mut archive = archive::Archive::open(file(REVIEWS)).expect("an archive");
        let names = archive.names().into_iter().filter(|name| name != "x_train.npy");
        let mut content = |name: &str| archive.read(name).expect("whole").expect("it is there");
        names.collect::<Vec<String>>().into_iter().map(|name| (name.clone(), content(&name))).collect()
    });
    let others = OTHERS.iter().map(|(name, content)| (name.as_str(), &content[..]));
    let packed = archive::to_bytes([("x_train.npy", bytes)].into_iter().chain(others));
    on_disk(&packed.expect("different names"), |path| read_imdb(path, ImdbRules::default()).is_ok())
}

/// Pictures and their labels.
fn pairs() -> [(&'static str, ArrayD<f32>); 2] {
    [("x", ArrayD::from_elem(vec![3, 4, 4, 1], 0.5)), ("y", ArrayD::from_elem(vec![3], 1.0))]
}

fn arrays_in_hdf5() -> Vec<u8> {
    let mut root = GroupWriter::default();
    for (name, array) in pairs() {
        root.floats(&format!("train/{name}"), array.view());
    }
    root.to_file().expect("two small arrays")
}

fn arrays_in_zip() -> Vec<u8> {
    let [(_, x), (_, y)] = pairs();
    let (x, y) = (npy::to_bytes(x.view()), npy::to_bytes(y.view()));
    archive::to_bytes([("x.npy", &x[..]), ("y.npy", &y[..])]).expect("different names")
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
