//! Small HDF5 files made to take all time, memory or stack: each is refused.

#![expect(clippy::unwrap_used, reason = "a failed helper is a failed test")]

use std::io::{Cursor, Write};

use convnet_interop::archive;
use convnet_interop::h5::{GroupWriter, H5File, Text};
use convnet_interop::keras::KerasFile;
use hdf5_pure::{AttrValue, FileBuilder, MaxExtent};
use ndarray::{ArrayD, IxDyn};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

const UNDEFINED: u64 = u64::MAX;
/// Where the root's header stands, behind the superblock.
const ROOT: u64 = 96;

/// Little-endian numbers, one after the other.
macro_rules! bytes {
    ($($value:expr),* $(,)?) => {{
        let mut bytes: Vec<u8> = Vec::new();
        $(bytes.extend_from_slice(&$value.to_le_bytes());)*
        bytes
    }};
}

/// A message of an object's header.
fn message(kind: u16, body: &[u8]) -> Vec<u8> {
    [&bytes![kind, body.len() as u16, 0u32], body].concat()
}

/// A file whose root has these messages, and what stands behind them. Both may hold addresses: what is behind begins at
/// `ROOT + 16 + messages.len()`.
fn file(messages: &[u8], behind: &[u8]) -> Vec<u8> {
    let length = ROOT + 16 + (messages.len() + behind.len()) as u64;
    [
        b"\x89HDF\r\n\x1a\n\0\0\0\0\0\x08\x08\0".to_vec(),
        bytes![4u16, 16u16, 0u32, 0u64, UNDEFINED, length, UNDEFINED],
        bytes![0u64, ROOT, 0u32, 0u32, 0u64, 0u64],
        bytes![1u8, 0u8, 1u16, 1u32, messages.len() as u32, 0u32],
        messages.to_vec(),
        behind.to_vec(),
    ]
    .concat()
}

fn refusal<T>(result: convnet_interop::Result<T>) -> String {
    result.map(drop).unwrap_err().to_string()
}

/// Bob Jenkins's lookup3, which HDF5 checks its newer structures with.
fn checksum(bytes: &[u8]) -> u32 {
    let mut s = [0xdead_beef_u32.wrapping_add(bytes.len() as u32); 3];
    let mut chunks = bytes.chunks(12).peekable();
    while let Some(chunk) = chunks.next() {
        let mut padded = [0; 12];
        padded[..chunk.len()].copy_from_slice(chunk);
        for (s, word) in s.iter_mut().zip(padded.as_chunks::<4>().0) {
            *s = s.wrapping_add(u32::from_le_bytes(*word));
        }
        let [a, b, c] = &mut s;
        if chunks.peek().is_some() {
            for turn in [4, 6, 8, 16, 19, 4] {
                *a = a.wrapping_sub(*c) ^ c.rotate_left(turn);
                *c = c.wrapping_add(*b);
                (*a, *b, *c) = (*b, *c, *a);
            }
        } else {
            for turn in [14, 11, 25, 16, 4, 14, 24] {
                *c = (*c ^ *b).wrapping_sub(b.rotate_left(turn));
                (*a, *b, *c) = (*b, *c, *a);
            }
            // Seven turns of three.
            (*a, *b, *c) = (*c, *a, *b);
        }
    }
    s[2]
}

fn with_checksum(bytes: Vec<u8>) -> Vec<u8> {
    let sum = checksum(&bytes);
    [bytes, bytes![sum]].concat()
}

#[test]
fn the_checksum_is_that_of_the_library() {
    let mut builder = FileBuilder::new();
    builder.create_dataset("x").with_f32_data(&[1.0]).with_shape(&[1]);
    let whole = builder.finish().unwrap();
    // The superblock of version 2 or 3: 44 bytes, then its checksum.
    assert!(whole[8] >= 2);
    assert_eq!(checksum(&whole[..44]).to_le_bytes(), whole[44..48]);
}

#[test]
fn header_blocks_that_continue_twice_in_the_next() {
    let continued = |address: u64| message(0x10, &bytes![address, 48u64]);
    let start = ROOT + 16 + 24;
    let blocks = (1..=30).flat_map(|i| continued(start + i * 48).repeat(2));
    let blocks: Vec<u8> = blocks.chain(message(0x12, &[0; 40])).collect();
    let file = H5File::open(file(&continued(start), &blocks)).unwrap();
    assert!(refusal(file.root().groups()).contains("again and again"));
    assert!(refusal(file.root().text("x")).contains("again and again"));
    assert!(refusal(file.root().floats("x")).contains("again and again"));
}

/// A group of the old kind, whose tree begins behind its names.
fn old_group(names: &[u8], tree: &[u8]) -> Vec<u8> {
    let heap = ROOT + 16 + 24;
    let segment = heap + 32;
    let root = message(0x11, &bytes![segment + names.len() as u64, heap]);
    let heap = [b"HEAP\0\0\0\0".to_vec(), bytes![names.len() as u64, UNDEFINED, segment]].concat();
    file(&root, &[&heap, names, tree].concat())
}

fn tree_node(level: u8, children: &[u64]) -> Vec<u8> {
    let head = [b"TREE\0".to_vec(), bytes![level, children.len() as u16, UNDEFINED, UNDEFINED, 0u64]];
    [head.concat(), children.iter().flat_map(|&child| bytes![child, 0u64]).collect()].concat()
}

#[test]
fn trees_of_a_group_that_join_again() {
    let start = ROOT + 16 + 24 + 32 + 8;
    let node = tree_node(1, &[0, 0]).len() as u64;
    let nodes = (1..60).flat_map(|i| tree_node(1, &[start + i * node; 2]));
    let tree: Vec<u8> = nodes.chain(tree_node(0, &[])).collect();
    let file = H5File::open(old_group(&[0; 8], &tree)).unwrap();
    assert!(refusal(file.root().groups()).contains("again and again"));
    assert!(refusal(file.root().group("x")).contains("again and again"));
}

#[test]
fn a_long_name_that_all_entries_of_a_group_share() {
    let names = [vec![b'x'; 400_007], vec![0]].concat();
    let start = ROOT + 16 + 24 + 32 + names.len() as u64;
    let node = tree_node(0, &[0]).len() as u64;
    let entries = 12_000;
    let snod = [
        b"SNOD\x01\0".to_vec(),
        bytes![entries as u16],
        bytes![0u64, ROOT, 0u32, 0u32, 0u64, 0u64].repeat(entries),
    ];
    let tree = [tree_node(0, &[start + node]), snod.concat()].concat();
    let file = H5File::open(old_group(&names, &tree)).unwrap();
    assert!(refusal(file.root().groups()).contains("longer than 1024"));
}

/// What HDF5 writes for a layer takes three thousand bytes. Each layer is looked up among all.
#[test]
fn a_thousand_groups_in_one_of_the_old_kind_are_no_attack() {
    let count = 1000;
    let names: Vec<String> = (0..count).map(|i| format!("batch_normalization_{i:05}")).collect();
    let segment = format!("{}\0", names.join("\0"));
    let width = names[0].len() as u64 + 1;
    let start = ROOT + 16 + 24 + 32 + segment.len() as u64;
    let node = tree_node(0, &vec![0; count / 8]).len() as u64;
    let nodes: Vec<u64> = (0..count as u64 / 8).map(|i| start + node + i * (8 + 8 * 40)).collect();
    let entry = |i: u64| bytes![i * width, ROOT, 0u32, 0u32, 0u64, 0u64];
    let snod =
        |i: u64| [b"SNOD\x01\0\x08\0".to_vec(), (0..8).flat_map(|j| entry(i * 8 + j)).collect()].concat();
    let tree = [tree_node(0, &nodes), (0..count as u64 / 8).flat_map(snod).collect(), vec![0; 3000 * count]];
    let file = H5File::open(old_group(segment.as_bytes(), &tree.concat())).unwrap();
    for name in names {
        assert!(file.root().group(&name).unwrap().unwrap().group("other").unwrap().is_none());
    }
}

#[test]
fn a_tree_that_is_its_own_child() {
    let heap_at = ROOT + 16 + 26;
    let heap = with_checksum(
        [
            b"FRHP\0".to_vec(),
            bytes![7u16, 0u16, 0u8, 4096u32],
            bytes![0u64].repeat(12),
            bytes![4u16, 512u64, 4096u64, 32u16, 1u16, UNDEFINED, 0u16],
        ]
        .concat(),
    );
    let header_at = heap_at + heap.len() as u64;
    let header = |depth: u16, node_at: u64| {
        let head = [b"BTHD\0\x05".to_vec(), bytes![4096u32, 11u16, depth, 100u8, 40u8, node_at, 1u16, 1u64]];
        with_checksum(head.concat())
    };
    let node_at = header_at + header(0, 0).len() as u64;
    // In deep trees a count of a record takes two bytes, and that of all below eight.
    let child = bytes![node_at, 1u16, 0u64];
    let node = [b"BTIN\0\x05".to_vec(), vec![0; 11], child.repeat(2), vec![0; 4096]].concat();
    let link_info = message(2, &[vec![0, 0], bytes![heap_at, header_at]].concat());
    for depth in [u16::MAX, 9] {
        let behind = [heap.clone(), header(depth, node_at), node.clone()].concat();
        let file = H5File::open(file(&link_info, &behind)).unwrap();
        assert!(refusal(file.root().groups()).contains("no size that programs write"));
    }
}

/// An attribute of version 1, called `a`, with a type and a value of `count` elements.
fn attribute(datatype: &[u8], count: u64, value: &[u8]) -> Vec<u8> {
    let dataspace = bytes![1u8, 1u8, 0u16, 0u32, count];
    let head = bytes![1u16, 2u16, datatype.len() as u16, dataspace.len() as u16, u64::from(b'a')];
    message(12, &[&head, datatype, &dataspace, value].concat())
}

#[test]
fn types_in_types() {
    let int = [vec![0x10, 0, 0, 0], bytes![1u32, 0u16, 8u16]].concat();
    let list = [vec![0x19, 0, 0, 0], bytes![16u32]].concat();
    let array = [vec![0x3a, 0, 0, 0], bytes![1u32], vec![0]].concat();
    // Of two members: a number, and the next.
    let record =
        [vec![0x36, 2, 0, 0], bytes![1u32], b"a\0\0".to_vec(), int.clone(), b"b\0\0".to_vec()].concat();
    let old_record = [vec![0x16, 1, 0, 0], bytes![1u32], b"a\0\0\0\0\0\0\0".to_vec(), vec![0; 32]].concat();
    let enumeration = [vec![0x38, 0, 0, 0], bytes![1u32]].concat();
    for outer in [list, array, record, old_record, enumeration] {
        let nested = |count: usize| {
            let datatype = [outer.repeat(count), int.clone()].concat();
            let padding = datatype.len().next_multiple_of(8) - datatype.len();
            [datatype, vec![0; padding]].concat()
        };
        let deep = nested(60_000 / outer.len());
        let behind = vec![0; 1 << 10];
        for messages in [attribute(&deep, 1, &[0; 16]), message(3, &deep)] {
            let file = H5File::open(file(&messages, &behind)).unwrap();
            assert!(refusal(file.root().text("a")).contains("nested too deep"));
        }
        let shallow = H5File::open(file(&attribute(&nested(20), 1, &[0; 16]), &behind)).unwrap();
        assert_eq!(shallow.root().text("a").unwrap(), None);
    }
}

#[test]
fn thousands_of_texts_that_are_one_long_text() {
    let count = 4000;
    let text = 900_000u32;
    let datatype = [vec![0x19, 1, 0, 0], bytes![16u32], vec![0x13, 0, 0, 0], bytes![1u32]].concat();
    let of = |heap: u64| attribute(&datatype, count, &bytes![text, heap, 1u32].repeat(count as usize));
    let root = of(ROOT + 16 + of(0).len() as u64);
    let heap = [b"GCOL\x01\0\0\0".to_vec(), bytes![u64::from(text) + 32, 1u16, 1u16, 0u32, u64::from(text)]]
        .concat();
    let file = H5File::open(file(&root, &[heap, vec![b'x'; text as usize]].concat())).unwrap();
    assert!(refusal(file.root().texts("a")).contains("attributes"));
    assert!(refusal(file.root().text("a")).contains("attributes"));
}

/// Texts of any length, as a type.
fn texts() -> Vec<u8> {
    [vec![0x19, 1, 0, 0], bytes![16u32], vec![0x13, 0, 0, 0], bytes![1u32]].concat()
}

/// A collection of empty texts with these numbers.
fn collection(indices: &[u16]) -> Vec<u8> {
    let objects = indices.iter().flat_map(|&index| bytes![index, 1u16, 0u32, 0u64]);
    let head = [b"GCOL\x01\0\0\0".to_vec(), bytes![16 + 16 * indices.len() as u64]].concat();
    head.into_iter().chain(objects).collect()
}

#[test]
fn texts_that_are_looked_up_among_thousands() {
    let (attributes, count) = (7, 4000);
    let read = |indices: &[u16], wanted: u32| {
        let of = |heap: u64| {
            let text = |index: u32| bytes![0u32, heap, index];
            let list = [text(2), text(wanted).repeat(count - 1)].concat();
            attribute(&texts(), count as u64, &list).repeat(attributes)
        };
        let root = of(ROOT + 16 + of(0).len() as u64);
        let mut bytes = file(&root, &collection(indices));
        bytes[ROOT as usize + 2] = attributes as u8; // the messages of the root
        H5File::open(bytes).unwrap().root().texts("a")
    };
    let rising: Vec<u16> = (1..34_000).collect();
    assert_eq!(read(&rising, 33_999).unwrap().len(), count);
    let falling: Vec<u16> = rising.iter().rev().copied().collect();
    for indices in [[vec![2; 34_000], vec![1]].concat(), falling] {
        assert!(refusal(read(&indices, 1)).contains("not numbered in their order"));
    }
}

/// A header of an object, as it stands alone.
fn object(messages: &[Vec<u8>]) -> Vec<u8> {
    let body = messages.concat();
    [bytes![1u8, 0u8, messages.len() as u16, 1u32, body.len() as u32, 0u32], body].concat()
}

/// A file whose root holds the object `x`, which is made of where it begins.
fn with_object(make: impl Fn(u64) -> Vec<u8>) -> Vec<u8> {
    let names = b"\0\0\0\0\0\0\0\0x\0\0\0\0\0\0\0";
    let start = ROOT + 16 + 24 + 32 + names.len() as u64;
    let node = tree_node(0, &[0]).len() as u64;
    let leaf =
        |start: u64| [b"SNOD\x01\0\x01\0".to_vec(), bytes![8u64, start, 0u32, 0u32, 0u64, 0u64]].concat();
    let end = start + node + leaf(0).len() as u64;
    old_group(names, &[tree_node(0, &[start + node]), leaf(end), make(end)].concat())
}

#[test]
fn texts_that_are_each_in_a_collection_of_their_own() {
    let read = |count: u64| {
        let header = |start: u64| {
            let layout = [vec![3, 1], bytes![start, 16 * count, 0u32, 0u16]].concat();
            let shape = bytes![1u8, 1u8, 0u16, 0u32, count];
            object(&[message(1, &shape), message(3, &texts()), message(8, &layout)])
        };
        let bytes = with_object(|start| {
            let references = start + header(0).len() as u64;
            let heaps = references + 16 * count;
            let texts = (0..count).flat_map(|i| bytes![0u32, heaps + 32 * i, 1u32]).collect();
            [header(references), texts, collection(&[1]).repeat(count as usize)].concat()
        });
        H5File::open(bytes).unwrap().root().strings("x")
    };
    assert_eq!(read(2000).unwrap().len(), 2000);
    assert!(refusal(read(30_000)).contains("too many places"));
}

/// Numbers of one byte, as a type.
fn small() -> Vec<u8> {
    [vec![0x10, 0, 0, 0], bytes![1u32, 0u16, 8u16]].concat()
}

/// The message of a shape.
fn shape(sizes: &[u64]) -> Vec<u8> {
    let lengths = sizes.iter().flat_map(|size| bytes![*size]).collect();
    message(1, &[vec![1, sizes.len() as u8, 0, 0, 0, 0, 0, 0], lengths].concat())
}

/// A file of an array of bytes in one chunk, these bytes having gone through these filters, but for those in the mask.
fn one_chunk(sizes: &[u64], chunk: &[u32], filters: &[u16], mask: u32, content: &[u8]) -> Vec<u8> {
    let header = |tree: u64| {
        let chunk: Vec<u8> = chunk.iter().flat_map(|size| bytes![*size]).collect();
        let layout = [vec![3, 2, sizes.len() as u8 + 1], bytes![tree], chunk, bytes![1u32, 0u8]].concat();
        let each = filters.iter().flat_map(|&id| bytes![id, 0u16, 1u16, 0u16]);
        let pipeline = [vec![1, filters.len() as u8, 0, 0, 0, 0, 0, 0], each.collect()].concat();
        object(&[shape(sizes), message(3, &small()), message(8, &layout), message(11, &pipeline)])
    };
    with_object(|start| {
        let tree = start + header(0).len() as u64;
        let node = |chunk: u64| {
            let head = [b"TREE\x01\0".to_vec(), bytes![1u16, UNDEFINED, UNDEFINED]].concat();
            let places = vec![0; 8 * (sizes.len() + 1)];
            [head, bytes![content.len() as u32, mask], places.clone(), bytes![chunk, 0u64], places].concat()
        };
        [header(tree), node(tree + node(0).len() as u64), content.to_vec()].concat()
    })
}

const DEFLATE: u16 = 1;
const SHUFFLE: u16 = 2;
const CHECKSUM: u16 = 3;
const SCALE: u16 = 6;
const LZF: u16 = 32_000;

#[test]
fn filters_without_end() {
    let read = |filters: &[u16]| {
        let bytes = one_chunk(&[64], &[64], filters, !1, &[7; 64]);
        H5File::open(bytes).unwrap().root().floats("x")
    };
    assert_eq!(read(&[SHUFFLE]).unwrap()[[63]], 7.0);
    assert_eq!(read(&[SHUFFLE, SCALE, DEFLATE, CHECKSUM]).unwrap()[[63]], 7.0);
    for filters in [&[SHUFFLE; 255][..], &[LZF, LZF, DEFLATE], &[SHUFFLE, SCALE, LZF, DEFLATE, CHECKSUM]] {
        assert!(refusal(read(filters)).contains("different ones"));
    }
}

/// So many zeros and one, packed: each three bytes repeat the last 264 times.
fn zeros(times: usize) -> Vec<u8> {
    [vec![0, 0], [0xe0, 255, 0].repeat(times)].concat()
}

#[test]
fn chunks_of_no_size() {
    let read = |chunk: &[u32], filter| {
        let bytes = one_chunk(&[1], chunk, &[filter], 0, &zeros(1 << 18));
        refusal(H5File::open(bytes).unwrap().root().floats("x"))
    };
    for filter in [DEFLATE, LZF, SCALE] {
        assert!(read(&[0], filter).contains("chunks of no size"));
    }
}

#[test]
fn a_chunk_of_millions_of_rows() {
    let read = |axes: usize, times: usize| {
        let mut chunk = vec![1; axes];
        chunk[axes - 2] = 1 + 264 * times as u32;
        let bytes = one_chunk(&vec![1; axes], &chunk, &[LZF], 0, &zeros(times));
        H5File::open(bytes).unwrap().root().floats("x")
    };
    assert_eq!(read(2, 100).unwrap().len(), 1);
    for (axes, times) in [(2, 800_000), (32, 64_000)] {
        let refused = refusal(read(axes, times));
        assert!(refused.contains("can hold"), "{refused}");
    }
}

/// A file of an array of bytes in chunks of one, whose places are counted rather than written, behind so many bytes of it.
fn counted_chunks(sizes: &[u64], spare: usize) -> Vec<u8> {
    let layout = |start: u64| {
        let head = vec![4, 2, 0, sizes.len() as u8 + 1, 1];
        message(8, &[head, vec![1; sizes.len() + 1], bytes![2u8, start]].concat())
    };
    let header = |start: u64| object(&[shape(sizes), message(3, &small()), layout(start)]);
    with_object(|start| [header(start + header(0).len() as u64), vec![7; spare]].concat())
}

#[test]
fn chunks_that_are_only_counted() {
    let read = |sizes: &[u64], spare| H5File::open(counted_chunks(sizes, spare)).unwrap().root().floats("x");
    assert_eq!(read(&[3, 2, 1], 6).unwrap()[[2, 1, 0]], 7.0);
    let axes = |axes: usize| [vec![2; 20], vec![1; axes - 20]].concat();
    assert!(refusal(read(&axes(220), 1 << 20)).contains("220 axes"));
    for sizes in [axes(32), vec![1 << 20]] {
        let refused = refusal(read(&sizes, 1 << 20));
        assert!(refused.contains("can hold"), "{refused}");
    }
}

/// A file of an array `x` in one piece that is nowhere, which reads as zeros.
fn nowhere(datatype: &[u8], count: u64) -> Vec<u8> {
    let layout = message(8, &[vec![3, 1], bytes![UNDEFINED, 0u64, 0u32, 0u16]].concat());
    with_object(|_| object(&[shape(&[count]), message(3, datatype), layout.clone()]))
}

#[test]
fn an_enumeration_that_is_larger_than_its_numbers() {
    let read = |size: u32| {
        let datatype = [vec![0x38, 0, 0, 0], bytes![size], small()].concat();
        H5File::open(nowhere(&datatype, 300)).unwrap().root().floats("x")
    };
    assert_eq!(read(1).unwrap().len(), 300);
    for size in [2, u32::MAX] {
        assert!(refusal(read(size)).contains("no plain numbers"));
    }
}

/// References to empty texts, each in a collection before that of the last.
fn falling(count: u64) -> Vec<u8> {
    (0..count).rev().flat_map(|i| bytes![0u32, 8 + 8 * i, 1u32]).collect()
}

#[test]
fn an_array_of_texts_in_falling_places() {
    let count = 1u64 << 17;
    let header = |start: u64| {
        let layout = message(8, &[vec![3, 1], bytes![start, 16 * count, 0u32, 0u16]].concat());
        object(&[shape(&[count]), message(3, &texts()), layout])
    };
    let bytes = with_object(|start| [header(start + header(0).len() as u64), falling(count)].concat());
    let file = H5File::open(bytes).unwrap();
    for _ in 0..10 {
        assert!(refusal(file.root().strings("x")).contains("too many texts"));
    }
}

#[test]
fn an_attribute_of_texts_in_falling_places() {
    let count = 100_000;
    let mut builder = FileBuilder::new();
    builder.set_attr("texts", AttrValue::VarLenAsciiStringArray(vec!["a".into(); count]));
    let mut bytes = builder.finish().unwrap();
    // The first of them: its length and, behind where it is, its number.
    let is_first = |at: &[u8]| at[..4] == [1, 0, 0, 0] && at[12..20] == [1, 0, 0, 0, 1, 0, 0, 0];
    let at = bytes.windows(20).position(is_first).unwrap();
    let falling = falling(count as u64);
    bytes[at..at + falling.len()].copy_from_slice(&falling);
    let file = H5File::open(bytes).unwrap();
    for name in ["texts", "others"] {
        assert!(refusal(file.root().texts(name)).contains("too many texts"));
    }
}

#[test]
fn attributes_of_texts_of_one_letter() {
    let letters = |attributes: u16, count: u64| {
        let text = [vec![0x13, 0, 0, 0], bytes![1u32]].concat();
        let mut bytes =
            file(&attribute(&text, count, &vec![b'x'; count as usize]).repeat(attributes.into()), &[]);
        bytes[ROOT as usize + 2..][..2].copy_from_slice(&attributes.to_le_bytes());
        H5File::open(bytes).unwrap()
    };
    assert_eq!(letters(16, 4000).root().texts("a").unwrap().len(), 4000);
    let file = letters(70, 64_000);
    for _ in 0..160 {
        assert!(refusal(file.root().texts("b")).contains("too many texts"));
    }
    // Groups and arrays are found without them.
    assert!(letters(16, 4000).root().group("a").unwrap().is_none());
}

/// Many blocks of a header that are one, in a file which is zeros but for them.
#[test]
fn a_packed_file_is_measured_by_its_archive() {
    let blocks = 900;
    let start = ROOT + 16 + blocks * 24;
    let length = 8 * 65_535u64;
    let continued = message(0x10, &bytes![start, length]).repeat(blocks as usize);
    let mut weights = file(&continued, &bytes![0x12u64].repeat(65_535));
    weights[ROOT as usize + 2..][..2].copy_from_slice(&(blocks as u16).to_le_bytes());
    weights.resize(64 << 20, 0);
    let end = weights.len() as u64;
    weights[40..48].copy_from_slice(&end.to_le_bytes());
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
    for (name, content) in [("config.json", ONE_LAYER.as_bytes()), ("model.weights.h5", &weights)] {
        zip.start_file(name, options).unwrap();
        zip.write_all(content).unwrap();
    }
    let archive = zip.finish().unwrap().into_inner();
    assert!(archive.len() < 1 << 20);
    assert!(refusal(KerasFile::from_bytes(archive)).contains("again and again"));
}

/// A legacy file of a model and how it was compiled.
fn legacy(config: &str, training: &str) -> GroupWriter {
    let mut root = GroupWriter::default();
    root.attribute("model_config", Text::Ascii(config.into()));
    root.attribute("training_config", Text::Ascii(training.into()));
    root.group("model_weights").attribute("layer_names", Text::AsciiList(Vec::new()));
    root
}

const ONE_LAYER: &str = r#"{"class_name": "Sequential", "config": {"layers": [{"class_name": "Dense", "config": {"name": "d"}}]}}"#;

#[test]
fn names_repeated_in_two_lists() {
    let mut root = GroupWriter::default();
    root.attribute("model_config", Text::Ascii(ONE_LAYER.into()));
    let weights = root.group("model_weights");
    weights.attribute("layer_names", Text::AsciiList(vec!["d".into(); 4000]));
    weights.group("d").attribute("weight_names", Text::AsciiList(vec!["w".into(); 4000]));
    weights.group("d").floats("w", ArrayD::zeros(IxDyn(&[0])).view());
    let bytes = root.to_file().unwrap();
    assert!(bytes.len() < 1 << 20);
    refusal(KerasFile::from_bytes(bytes));
}

#[test]
fn an_empty_array_opened_without_end() {
    let mut root = GroupWriter::default();
    root.floats("w", ArrayD::zeros(IxDyn(&[0])).view());
    let file = H5File::open(root.to_file().unwrap()).unwrap();
    let opened = (0..1 << 20).take_while(|_| file.root().floats("w").is_ok()).count();
    assert!((1000..100_000).contains(&opened), "{opened}");
}

#[test]
fn bytes_that_become_four_times_as_many_in_memory() {
    let count = 96 << 20;
    let mut builder = FileBuilder::new();
    let array = builder.create_dataset("x");
    array.with_u8_data(&vec![7; count]).with_shape(&[count as u64]).with_chunks(&[8 << 20]).with_deflate(6);
    let bytes = builder.finish().unwrap();
    assert!(bytes.len() < 1 << 20);
    assert!(refusal(H5File::open(bytes).unwrap().root().floats("x")).contains("can hold"));
}

#[test]
fn an_honest_packed_array_is_read() {
    let mut builder = FileBuilder::new();
    let array = builder.create_dataset("x");
    array.with_u8_data(&[7; 1 << 20]).with_shape(&[1 << 20]).with_chunks(&[1 << 20]).with_deflate(6);
    let whole = builder.finish().unwrap();
    let file = H5File::open(whole).unwrap();
    assert_eq!(file.root().floats("x").unwrap()[[77]], 7.0);
}

/// Two bytes in the header of a growing array's index say how many blocks it has.
#[test]
fn an_index_of_endless_blocks() {
    let mut builder = FileBuilder::new();
    let array = builder.create_dataset("x");
    array
        .with_f32_data(&[1.0; 64])
        .with_shape(&[64])
        .with_chunks(&[4])
        .with_maxshape(&[MaxExtent::Unlimited]);
    let mut bytes = builder.finish().unwrap();
    let sound = H5File::open(bytes.clone()).unwrap();
    assert_eq!(sound.root().floats("x").unwrap().len(), 64);
    let at = bytes.windows(4).position(|window| window == b"EAHD").unwrap();
    (bytes[at + 7], bytes[at + 10]) = (255, 255);
    let sum = checksum(&bytes[at..at + 68]);
    bytes[at + 68..at + 72].copy_from_slice(&sum.to_le_bytes());
    let refused = refusal(H5File::open(bytes).unwrap().root().floats("x"));
    assert!(refused.contains("no size that programs write"), "{refused}");
}

#[test]
fn a_long_name_around_many_layers() {
    let layers = r#"{"class_name":"A","config":{"name":"x"}}"#;
    let layers: Vec<String> = (0..20_000).map(|i| layers.replace("\"x\"", &format!("\"{i}\""))).collect();
    let inner = format!(
        r#"{{"class_name": "Functional", "config": {{"name": "{}", "layers": [{}]}}}}"#,
        "x".repeat(300_000),
        layers.join(",")
    );
    let config = format!(r#"{{"class_name": "Functional", "config": {{"layers": [{inner}]}}}}"#);
    let weights = GroupWriter::default().to_file().unwrap();
    let members = [("config.json", config.as_bytes()), ("model.weights.h5", &weights)];
    assert!(refusal(KerasFile::from_bytes(archive::to_bytes(members).unwrap())).contains("too long"));
    let legacy = legacy(&config, "{}").to_file().unwrap();
    assert!(refusal(KerasFile::from_bytes(legacy)).contains("too long"));
}

/// Thousands of models in a model, each with a layer of the same name, and thousands of weights that may be any's.
#[test]
fn many_layers_of_one_name() {
    let model = |i| {
        format!(
            r#"{{"class_name": "Functional", "config": {{"name": "m{i}", "layers":
                [{{"class_name": "Dense", "config": {{"name": "x"}}}}]}}}}"#
        )
    };
    let models: Vec<String> = (0..6000).map(model).collect();
    let outer = format!(
        r#"{{"class_name": "Functional", "config": {{"name": "d", "layers": [{}]}}}}"#,
        models.join(",")
    );
    let config = format!(r#"{{"class_name": "Functional", "config": {{"layers": [{outer}]}}}}"#);
    let mut root = GroupWriter::default();
    root.attribute("model_config", Text::Ascii(config));
    let weights = root.group("model_weights");
    weights.attribute("layer_names", Text::AsciiList(vec!["d".into()]));
    let path = "m7/x/kernel".to_owned();
    weights.group("d").attribute("weight_names", Text::AsciiList(vec![path.clone(); 6000]));
    weights.group("d").floats(&path, ArrayD::zeros(IxDyn(&[0])).view());
    assert!(refusal(KerasFile::from_bytes(root.to_file().unwrap())).contains("of one name"));
}

#[test]
fn an_optimizer_that_is_only_a_name() {
    for optimizer in [r#""adam""#, "7", "[]", "null"] {
        let root = legacy(ONE_LAYER, &format!(r#"{{"optimizer_config": {optimizer}}}"#));
        let read = KerasFile::from_bytes(root.to_file().unwrap()).unwrap();
        assert!(read.compile_config.is_some());
    }
}
