//! Small files, whole as far as they go, that ask for far more memory or time than they may: what is shared in them counts each time.

#![expect(clippy::unwrap_used, reason = "a failed helper is a failed test")]

use std::io::{Cursor, Write};

use convnet_interop::archive::Archive;
use convnet_interop::keras::KerasFile;
use convnet_interop::{checkpoint, npy, pytorch, safetensors};
use convnet_nn::layers::Dense;
use convnet_nn::losses::MeanSquaredError;
use convnet_nn::optimizers::Adam;
use convnet_nn::train::{Arrays, Checkpoint, Often};
use convnet_nn::{Fit, Sequential};
use ndarray::Array2;
use serde_json::json;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// An archive whose sizes are no lies.
fn packed(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
    for (name, content) in members {
        zip.start_file(*name, options).unwrap();
        zip.write_all(content).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn text(text: &str) -> Vec<u8> {
    [b"X", &(text.len() as u32).to_le_bytes()[..], text.as_bytes()].concat()
}

/// The pickle of a tensor whose sizes and strides are those of a pickle each.
fn tensor(storage: &str, count: u8, sizes: &[u8], strides: &[u8]) -> Vec<u8> {
    let storage = [
        b"(",
        &text("storage")[..],
        format!("ctorch\n{storage}\n").as_bytes(),
        &text("0"),
        &text("cpu"),
        &[b'K', count, b't', b'Q'],
    ]
    .concat();
    [b"ctorch._utils\n_rebuild_tensor_v2\n(", &storage[..], b"K\0", sizes, strides, b"\x89}tR"].concat()
}

/// The pickle of a dict of these pickled names and values.
fn dict(items: &[u8]) -> Vec<u8> {
    [b"\x80\x02}(", items, b"u."].concat()
}

#[track_caller]
fn refused<T, E: std::fmt::Display>(result: Result<T, E>, says: &str) {
    let reason = result.err().expect("it was accepted").to_string();
    assert!(reason.contains(says), "{reason}");
}

#[test]
fn archives_that_honestly_unpack_to_a_thousand_times_their_size() {
    let many = vec![b'N'; 30_000_000];
    refused(pytorch::from_bytes(packed(&[("m/data.pkl", &many)])), "claims to unpack");
    let values = [b"[1", &b",1".repeat(10_000_000)[..], b"]"].concat();
    refused(KerasFile::from_bytes(packed(&[("config.json", &values)])), "claims to unpack");
    let zeros = vec![0; 150_000_000];
    let header = "{'descr': '|u1', 'fortran_order': True, 'shape': (150000000,), }\n";
    let array = [b"\x93NUMPY\x01\0", &(header.len() as u16).to_le_bytes()[..], header.as_bytes(), &zeros];
    refused(npy::read_npz(packed(&[("x.npy", &array.concat())])), "claims to unpack");
    // Bytes become numbers of four.
    let one = dict(&[text("w"), tensor("ByteStorage", 1, b"K\x01\x85", b"K\x01\x85")].concat());
    let file = packed(&[("m/data.pkl", &one), ("m/data/0", &zeros[..100_000_000])]);
    refused(pytorch::from_bytes(file), "far more numbers than the file");
    let file = packed(&[("m/data.pkl", &one), ("m/data/0", &zeros[..1000])]);
    assert_eq!(pytorch::from_bytes(file).unwrap()[0].1.shape(), [1]);
}

#[test]
fn members_that_are_the_same_bytes() {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    zip.start_file("a", SimpleFileOptions::default()).unwrap();
    zip.write_all(&[1; 100]).unwrap();
    zip.shallow_copy_file("a", "b").unwrap();
    refused(Archive::open(zip.finish().unwrap().into_inner()), "share bytes");
}

#[test]
fn names_in_pickles_are_not_copied() {
    let name = text(&"x".repeat(500_000));
    let globals = [b"\x80\x02", &name[..], b"q\0", &b"h\0h\0\x93".repeat(100_000), b"."].concat();
    refused(pytorch::from_bytes(globals), "not one of torch.save");
    let pair = b"(K\x01K\x02\x86q\x02";
    let list = [&pair[..], &b"2".repeat(250_000), b"tq\x03\x85q\x01"].concat();
    let copies = [b"\x80\x02ccollections\nOrderedDict\nq\0", &list[..], &b"h\0h\x01R".repeat(100_000), b"."];
    refused(pytorch::from_bytes(copies.concat()), "its dicts hold more than the file has");
    // What is no pair is looked at, too.
    let list = [b"(N", &b"2".repeat(500_000)[..], b"tq\x02\x85q\x01"].concat();
    let looks = [b"\x80\x02ccollections\nOrderedDict\nq\0", &list[..], &b"h\0h\x01R".repeat(100_000), b"."];
    refused(pytorch::from_bytes(looks.concat()), "its dicts hold more than the file has");
}

#[test]
fn tensors_that_many_names_share() {
    let numbers = [0; 4];
    let first = [text(&"x".repeat(500_000)), b"q\0".to_vec(), tensor("FloatStorage", 1, b")", b")")].concat();
    let named = dict(&[&first[..], b"q\x01", &b"h\0h\x01".repeat(100_000)].concat());
    refused(pytorch::from_bytes(packed(&[("m/data.pkl", &named), ("m/data/0", &numbers)])), "far too long");
    let axes = [b"(", &b"K\x01".repeat(64)[..], b"t"].concat();
    let first = [text("x"), b"q\0".to_vec(), tensor("FloatStorage", 1, &axes, &axes)].concat();
    let named = dict(&[&first[..], b"q\x01", &b"h\0h\x01".repeat(250_000)].concat());
    refused(
        pytorch::from_bytes(packed(&[("m/data.pkl", &named), ("m/data/0", &numbers)])),
        "far more numbers than the file",
    );
    let axes = [b"(", &b"K\x01"[..], &b"2".repeat(250_000), b"tq\x02"].concat();
    let wide = dict(&[text("w"), tensor("FloatStorage", 1, &axes, b"h\x02")].concat());
    refused(pytorch::from_bytes(packed(&[("m/data.pkl", &wide), ("m/data/0", &numbers)])), "64 axes");
    // Axes of one element take no time each.
    let axes = [b"(", &b"M\xe8\x03"[..], &b"K\x01".repeat(63), b"t"].concat();
    let long = dict(&[text("w"), tensor("ByteStorage", 1, &axes, &axes)].concat());
    let file = packed(&[("m/data.pkl", &long), ("m/data/0", &[7; 1_000_000])]);
    assert_eq!(pytorch::from_bytes(file).unwrap()[0].1.len(), 1000);
}

#[test]
fn dicts_that_are_in_themselves() {
    let inner = ["state_dict", "model_state_dict", "model", "state_dict_ema", "model_ema", "params"];
    let names: Vec<u8> = inner.iter().flat_map(|name| [text(name), b"h\0".to_vec()].concat()).collect();
    let more = b"K\x01K\x01".repeat(200_000);
    refused(
        pytorch::from_bytes(packed(&[(
            "m/data.pkl",
            &[b"\x80\x02}q\0(", &names[..], &more, b"u."].concat(),
        )])),
        "no tensors by name",
    );
}

#[test]
fn tensors_of_safetensors_that_end_beyond_the_range_of_numbers() {
    let size = (1_u64 << 61) - 1;
    let entry = |k: u64| {
        let [start, end] = [k, k + 1].map(|k| k * size);
        format!("\"t{k}\":{{\"dtype\":\"U8\",\"shape\":[{size}],\"data_offsets\":[{start},{end}]}}")
    };
    let header = format!("{{{}}}", (0..8).map(entry).collect::<Vec<_>>().join(","));
    let file = [&(header.len() as u64).to_le_bytes()[..], header.as_bytes()].concat();
    refused(safetensors::from_bytes(&file), "ends beyond the file");
    refused(checkpoint::from_bytes(&file), "ends beyond the file");
}

#[test]
fn checkpoints_that_ask_for_more_than_they_hold() {
    let mut model = Sequential::new([3]).add(Dense::new(1)).build().unwrap();
    model.compile(Adam::default(), MeanSquaredError, []).unwrap();
    let (x, y) = (Array2::ones((4, 3)), Array2::ones((4, 1)));
    let samples = Arrays::new(x.view(), y.view()).unwrap();
    let kept = std::cell::RefCell::new(None);
    let keep = |checkpoint: &Checkpoint| {
        let arrays = checkpoint.arrays().into_iter().map(|(name, array)| (name, array.clone()));
        *kept.borrow_mut() = Some((checkpoint.to_json(), arrays.collect::<Vec<_>>()));
        Ok(())
    };
    model.fit(&samples, Fit::new().batch_size(2).checkpoints(Often::Steps(1), &keep)).unwrap();
    let (json, arrays) = kept.into_inner().unwrap();
    assert!(Checkpoint::from_parts(&json, arrays.clone()).is_ok());
    for key in ["/steps", "/part/seen", "/place/step"] {
        let mut other = json.clone();
        *other.pointer_mut(key).unwrap() = json!(u64::MAX);
        refused(Checkpoint::from_parts(&other, arrays.clone()), "is missing");
    }
    let mut large = json;
    *large.pointer_mut("/model/config/layers/0/config/batch_shape").unwrap() = json!([null, 65536]);
    *large.pointer_mut("/model/config/layers/1/config/units").unwrap() = json!(65536);
    assert!(Checkpoint::from_parts(&large, arrays).is_err());
}
