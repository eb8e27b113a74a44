//! Attacks that have a name, each refused with a reason and without the memory that it asks for.

use std::time::{Duration, Instant};

use convnet::interop::keras::KerasFile;
use convnet::interop::{archive, npy, onnx, pytorch, safetensors};
use convnet::nn::model;
use serde_json::{Value as Json, json};

use super::MEMORY;

/// Runs an attack; its error must say one of the texts, soon, and with little memory in use afterwards.
#[track_caller]
fn refused<T>(attack: impl FnOnce() -> Result<T, String>, says: &[&str]) {
    let start = Instant::now();
    let Err(reason) = attack() else { panic!("it was accepted") };
    assert!(start.elapsed() < Duration::from_secs(60), "it took {:?}", start.elapsed());
    assert!(MEMORY.allocated() < 1 << 30, "{} bytes are in use", MEMORY.allocated());
    assert!(says.iter().any(|text| reason.contains(text)), "{reason}");
}

fn text<T, E: std::fmt::Display>(result: Result<T, E>) -> Result<T, String> {
    result.map_err(|error| error.to_string())
}

/// A Keras configuration of a row of layers.
fn row(input: Json, layers: &[Json]) -> Json {
    let first = json!({"class_name": "InputLayer", "config": {"name": "in", "batch_shape": input}});
    let layers: Vec<Json> = std::iter::once(first).chain(layers.iter().cloned()).collect();
    json!({"class_name": "Sequential", "config": {"name": "m", "layers": layers}})
}

fn layer(class: &str, config: Json) -> Json {
    let mut config = config;
    config["name"] = json!(class.to_lowercase());
    json!({"class_name": class, "config": config})
}

/// An archive whose members claim to unpack to gigabytes.
fn bomb(member: &str, claim: u32) -> Vec<u8> {
    let content = vec![0; 54_321];
    let mut bytes = archive::to_bytes([(member, &content[..])]).expect("one name");
    let honest = 54_321u32.to_le_bytes();
    while let Some(place) = bytes.windows(4).position(|window| window == honest) {
        bytes[place..place + 4].copy_from_slice(&claim.to_le_bytes());
    }
    bytes
}

#[test]
fn zip_bombs() {
    let says = ["claims to unpack", "is not the", "damaged", "cut short", "zip archive"];
    for claim in [2_000_000_000, u32::MAX - 1] {
        refused(|| text(KerasFile::from_bytes(bomb("config.json", claim))), &says);
        refused(|| text(npy::read_npz(bomb("x.npy", claim))), &says);
        refused(|| text(pytorch::from_bytes(bomb("archive/data.pkl", claim))), &says);
    }
}

#[test]
fn circles_of_layers() {
    let tensor = |layer: &str| {
        json!({"class_name": "__keras_tensor__", "config":
            {"shape": [null, 4], "dtype": "float32", "keras_history": [layer, 0, 0]}})
    };
    let calls = |name: &str, from: &str| {
        let mut object = layer("ReLU", json!({}));
        object["name"] = json!(name);
        object["config"]["name"] = json!(name);
        object["inbound_nodes"] = json!([{"args": [tensor(from)], "kwargs": {}}]);
        object
    };
    let config = json!({"class_name": "Functional", "config": {"name": "m", "layers": [
        {"class_name": "InputLayer", "name": "in", "config": {"name": "in", "batch_shape": [null, 4]}, "inbound_nodes": []},
        calls("a", "b"), calls("b", "a")],
        "input_layers": [["in", 0, 0]], "output_layers": [["b", 0, 0]]}});
    refused(|| text(model::from_config(&config)), &["circle"]);
}

#[test]
fn models_in_models_without_end() {
    let mut config = row(json!([null, 4]), &[layer("Dense", json!({"units": 2}))]);
    for _ in 0..200 {
        config = json!({"class_name": "Sequential", "config": {"name": "m", "layers": [config]}});
    }
    // JSON itself is nested too deeply to be read.
    let bytes =
        archive::to_bytes([("config.json", config.to_string().as_bytes()), ("model.weights.h5", b"")])
            .expect("two names");
    refused(|| text(KerasFile::from_bytes(bytes)), &["recursion limit", "nested"]);
}

#[test]
fn absurd_shapes() {
    let huge = [1u64 << 31, 1 << 40, u64::MAX];
    for size in huge {
        let dense = row(json!([null, 1000]), &[layer("Dense", json!({"units": size}))]);
        refused(
            || text(model::from_config(&dense)),
            &["weights of at most", "units", "expected", "integer", "number"],
        );
        let conv = row(
            json!([null, 8, 8, 3]),
            &[layer("Conv2D", json!({"filters": 4, "kernel_size": [size, size]}))],
        );
        refused(
            || text(model::from_config(&conv)),
            &["weights of at most", "kernel", "expected", "integer", "number"],
        );
        let input = row(json!([null, size, size, 3]), &[]);
        refused(|| text(model::from_config(&input)), &["input", "shape", "size"]);
        let shape = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({size}, {size}), }}");
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((shape.len() as u16).to_le_bytes());
        bytes.extend(shape.as_bytes());
        refused(|| text(npy::read(&bytes)), &["npy", "NumPy", "shape", "bytes"]);
        let header =
            format!("{{\"x\":{{\"dtype\":\"F32\",\"shape\":[{size},{size}],\"data_offsets\":[0,4]}}}}");
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header.as_bytes());
        bytes.extend([0; 4]);
        refused(|| text(safetensors::from_bytes(&bytes)), &["safetensors"]);
    }
    // Within each bound, but more together than the file has.
    let dense = || layer("Dense", json!({"units": 60_000}));
    let config = row(json!([null, 60_000]), &[dense()]);
    refused(|| text(model::from_config_within(&config, 1 << 28)), &["at most"]);
}

#[test]
fn lying_lengths() {
    for claim in [100u64, 1 << 40, u64::MAX] {
        let mut bytes = claim.to_le_bytes().to_vec();
        bytes.extend(b"{}");
        refused(|| text(safetensors::from_bytes(&bytes)), &["safetensors"]);
    }
    // A model of which a graph of 2⁶² bytes is announced.
    let mut bytes = vec![0x08, 0x08, 0x3a];
    bytes.extend([0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x40]);
    refused(|| text(onnx::Import::new().from_bytes(bytes)), &["ONNX"]);
    // A tensor of 2⁴⁰ numbers with none.
    let mut model = Message::default();
    let mut tensor = Message::default();
    tensor.number(1, 1 << 40).number(2, 1).bytes(8, b"w");
    let mut graph = Message::default();
    graph.message(5, &tensor).message(12, Message::default().bytes(1, b"w"));
    model.number(1, 8).message(7, &graph).message(8, Message::default().number(2, 17));
    refused(|| text(onnx::Import::new().from_bytes(model.0)), &["ONNX"]);
}

#[test]
fn circles_of_onnx_nodes() {
    let node = |from: &[u8], to: &[u8]| {
        let mut node = Message::default();
        node.bytes(1, from).bytes(2, to).bytes(4, b"Relu");
        node
    };
    let mut graph = Message::default();
    graph
        .message(1, &node(b"b", b"a"))
        .message(1, &node(b"a", b"b"))
        .message(12, Message::default().bytes(1, b"b"));
    let mut model = Message::default();
    model.number(1, 8).message(7, &graph).message(8, Message::default().number(2, 17));
    refused(|| text(onnx::Import::new().from_bytes(model.0)), &["ONNX"]);
}

/// Small files whose axes, or what is picked of them, are so long that a list of places would fill the memory.
#[test]
fn onnx_files_that_ask_for_long_lists() {
    let sizes = |dims: &[u64]| {
        let mut shape = Message::default();
        for &size in dims {
            shape.message(1, Message::default().number(1, size));
        }
        let mut tensor = Message::default();
        tensor.number(1, 1).message(2, &shape);
        let mut kind = Message::default();
        kind.message(1, &tensor);
        kind
    };
    let integers = |name: &[u8], numbers: &[i64]| {
        let mut tensor = Message::default();
        tensor.number(1, numbers.len() as u64).number(2, 7).bytes(8, name);
        tensor.bytes(9, &numbers.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<u8>>());
        tensor
    };
    let file = |operator: &[u8], dims: &[u64], constants: &[&[i64]]| {
        let (mut graph, mut node) = (Message::default(), Message::default());
        node.bytes(1, b"x");
        for (index, numbers) in constants.iter().enumerate() {
            let name = format!("c{index}");
            graph.message(5, &integers(name.as_bytes(), numbers));
            node.bytes(1, name.as_bytes());
        }
        node.bytes(2, b"y").bytes(4, operator);
        let mut input = Message::default();
        input.bytes(1, b"x").message(2, &sizes(dims));
        graph.message(1, &node).message(11, &input).message(12, Message::default().bytes(1, b"y"));
        let mut model = Message::default();
        model.number(1, 8).message(7, &graph).message(8, Message::default().number(2, 17));
        model.0
    };
    let read = |bytes: Vec<u8>| text(onnx::Import::new().from_bytes(bytes));
    for repeats in [1 << 23, 1 << 25, 1 << 40, i64::MAX] {
        refused(|| read(file(b"Tile", &[1, 4], &[&[1, repeats]])), &["more than"]);
    }
    // A constant without elements, one of whose axes is endless, and a part of that.
    let (mut graph, mut constant, mut slice) = (Message::default(), Message::default(), Message::default());
    constant.bytes(1, b"sizes").bytes(2, b"k").bytes(4, b"ConstantOfShape");
    slice.bytes(1, b"k").bytes(1, b"starts").bytes(1, b"ends").bytes(2, b"y").bytes(4, b"Slice");
    for (name, number) in [("sizes", &[1 << 40, 0][..]), ("starts", &[1]), ("ends", &[i64::MAX])] {
        graph.message(5, &integers(name.as_bytes(), number));
    }
    graph.message(1, &constant).message(1, &slice).message(12, Message::default().bytes(1, b"y"));
    let mut model = Message::default();
    model.number(1, 8).message(7, &graph).message(8, Message::default().number(2, 17));
    refused(|| read(model.0), &["more than"]);
    // Nothing, repeated without end.
    let _ = read(file(b"Tile", &[0, 2], &[&[i64::MAX, 1]]));
    for size in [1 << 26, 1 << 30] {
        let (starts, ends) = (&[size as i64], &[i64::MIN + 1]);
        refused(|| read(file(b"Slice", &[1, size], &[starts, ends, &[1], &[-1]])), &["more than"]);
        // Neighbours need no list.
        read(file(b"Slice", &[1, size], &[&[1], &[i64::MAX], &[1], &[1]])).unwrap();
        assert!(MEMORY.allocated() < 1 << 30, "{} bytes are in use", MEMORY.allocated());
    }
}

/// A message of protocol buffers.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    fn number(&mut self, field: u64, value: u64) -> &mut Self {
        self.varint(field << 3);
        self.varint(value);
        self
    }

    fn bytes(&mut self, field: u64, value: &[u8]) -> &mut Self {
        self.varint(field << 3 | 2);
        self.varint(value.len() as u64);
        self.0.extend(value);
        self
    }

    fn message(&mut self, field: u64, value: &Self) -> &mut Self {
        self.bytes(field, &value.0)
    }
}
