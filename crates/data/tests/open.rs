//! Whatever a path holds is recognised, and when it holds nothing, what was looked for is said.

#![allow(clippy::unwrap_used, reason = "a helper that fails is a test that fails")]

mod common;

use common::{Folder, all, even, filled};
use convnet_data::sources::{Columns, ImdbRules, Keys, read_arrays, read_imdb};
use convnet_data::{Collection, DataError, Labelled, OnBroken, Opening, open, open_with};
use convnet_interop::h5::GroupWriter;
use convnet_interop::{archive, npy};
use convnet_nn::Samples;
use convnet_nn::train::Visit;
use ndarray::{Array, Array1, ArrayD, IxDyn};

fn opened(path: &std::path::Path, how: Opening) -> Collection {
    open_with(path.to_str().unwrap(), &how, &mut |_| {}).unwrap()
}

fn small() -> Opening {
    Opening { sequence_length: 6, max_tokens: 50, ..Opening::default() }
}

/// Pictures whose every byte is their number, and labels.
fn pictures(count: usize) -> (ArrayD<f32>, ArrayD<f32>) {
    let x = Array::from_shape_fn(IxDyn(&[count, 4, 4, 3]), |place| (place[0] * 2) as f32);
    let y: Array1<f32> = (0..count).map(|number| (number % 2) as f32).collect();
    (x, y.into_dyn())
}

#[test]
fn classes_have_the_names_that_an_hdf5_file_gives_them() {
    let files = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/files");
    for name in ["classes_fixed.h5", "classes_free.h5"] {
        let found = opened(&files.join(name), Opening::default());
        assert_eq!(found.class_names, ["neutral", "smile", "größer"], "{name}");
        assert_eq!(found.train.labels().unwrap(), [0, 1, 2, 1], "{name}");
    }
}

#[test]
fn hdf5_and_archives_of_arrays_are_found_by_their_names() {
    let folder = Folder::new("arrays");
    let ((x, y), (test_x, test_y)) = (pictures(6), pictures(2));
    let mut root = GroupWriter::default();
    root.floats("train_set_x", x.view()).floats("train_set_y", y.view());
    root.floats("test_set_x", test_x.view()).floats("test_set_y", test_y.view());
    root.floats("list_classes", Array1::from_vec(vec![0.0, 1.0]).into_dyn().view());
    let h5 = folder.write("smiles.h5", root.to_file().unwrap());
    let bytes = [
        npy::to_bytes(x.view()),
        npy::to_bytes(y.view()),
        npy::to_bytes(test_x.view()),
        npy::to_bytes(test_y.view()),
    ];
    let members = ["x_train.npy", "y_train.npy", "x_test.npy", "y_test.npy"];
    let npz = archive::to_bytes(members.into_iter().zip(bytes.iter().map(Vec::as_slice))).unwrap();
    let npz = folder.write("smiles.npz", npz);
    members
        .iter()
        .zip(&bytes)
        .for_each(|(name, bytes)| drop(folder.write(&format!("separate/{name}"), bytes)));
    for (path, kind) in
        [(h5.clone(), "arrays"), (npz, "arrays"), (folder.path().join("separate"), "npy folder")]
    {
        let found = opened(&path, Opening::default());
        assert_eq!((found.kind, found.train.len(), found.class_names.len()), (kind, 6, 2));
        assert_eq!(found.image_shape().unwrap().to_string(), "(4, 4, 3)");
        let (pixels, labels) = all(&found.train);
        assert_eq!((pixels[48], &labels[..]), (2.0 / 255.0, &[0.0, 1.0, 0.0, 1.0, 0.0, 1.0][..]));
        assert_eq!(found.test.unwrap().labels().unwrap(), [0, 1]);
    }
    let mut other = GroupWriter::default();
    other.floats("a/rows", x.view()).floats("a/what", y.view().to_shape(IxDyn(&[1, 6])).unwrap().view());
    let other = folder.write("other.hdf5", other.to_file().unwrap());
    let error = open(other.to_str().unwrap()).unwrap_err().to_string();
    assert!(error.contains("it holds a/rows, a/what. Give their keys"), "{error}");
    let keys = Keys { train: ("a/rows".into(), "a/what".into()), validation: None, test: None };
    let found =
        opened(&other, Opening { keys: Some(keys.clone()), validation_split: 0.5, ..Opening::default() });
    assert_eq!((found.train.len(), found.validation.unwrap().len()), (3, 3));
    let missing = Keys { train: ("a/rows".into(), "b".into()), ..keys };
    assert!(read_arrays(&other, Some(&missing)).is_err());
    let uneven = Keys { train: ("train_set_x".into(), "test_set_y".into()), validation: None, test: None };
    let error = read_arrays(&h5, Some(&uneven)).unwrap_err().to_string();
    assert!(
        error.contains("one first size, the number of samples, received [6, 4, 4, 3] and [2]"),
        "{error}"
    );
    folder.write("torn.h5", &std::fs::read(&h5).unwrap()[..200]);
    assert!(open(folder.path().join("torn.h5").to_str().unwrap()).is_err());
}

#[test]
fn imdb_is_read_without_running_its_pickles() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/files/imdb.npz");
    let found = opened(&path, Opening { max_tokens: 5000, sequence_length: 4, ..Opening::default() });
    assert_eq!((found.kind, found.train.len(), &found.class_names[1][..]), ("IMDB", 5, "positive"));
    let (words, labels) = all(&found.train);
    assert_eq!(labels, [1.0, 0.0, 1.0, 0.0, 1.0]);
    assert_eq!(words[..12], [1.0, 4.0, 17.0, 25.0, 0.0, 0.0, 0.0, 1.0, 303.0, 2.0, 258.0, 259.0]);
    assert_eq!(words[16..], words[..4], "the list that occurs twice");
    let (train, test) =
        read_imdb(&path, ImdbRules { skip_top: 10, maxlen: 9, ..ImdbRules::default() }).unwrap();
    assert_eq!(
        (train.sequence(0), train.sequence(2)),
        (&[2, 2, 17, 25][..], &[2, 303, 70_003, 258, 259][..])
    );
    assert_eq!((train.sequence(3).len(), test.sequence(1)), (1101, &[2, 2, 10][..]));
    let whole = std::fs::read(&path).unwrap();
    let folder = Folder::new("imdb");
    let mut state = 5_u32;
    for case in 0..300 {
        let mut bytes = whole.clone();
        for _ in 0..3 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let at = state as usize % bytes.len();
            bytes[at] = (state >> 13) as u8;
        }
        bytes.truncate(if case % 4 == 0 { state as usize % bytes.len() } else { bytes.len() });
        let _ = read_imdb(&folder.write("imdb.npz", bytes), ImdbRules::default());
    }
}

#[test]
fn tables_of_pictures_and_texts_are_told_apart() {
    let folder = Folder::new("tables");
    for number in 0..4 {
        folder.write(&format!("img/{number} x.png"), even(5, 10 * number as u8));
    }
    let table = "\u{feff}label;image;split\r\nrose;\"img/0 x.png\";train\r\ntulip;img/1 x.png;train\r\nrose;img/2 x.png;test\r\nrose;img/3 x.png;val\r\n";
    let found = opened(&folder.write("flowers.csv", table), Opening::default());
    assert_eq!((found.kind, &found.class_names[..]), ("table", &["rose".to_owned(), "tulip".into()][..]));
    assert_eq!(
        (found.train.labels().unwrap(), found.test.unwrap().len(), found.validation.unwrap().len()),
        (vec![0, 1], 1, 1)
    );
    assert_eq!(all(&found.train).0[75], 10.0 / 255.0);
    assert!(found.train.origin(1).unwrap().ends_with("1 x.png"));

    let plain = folder.write("plain.csv", "img/0 x.png,3\nimg/9 x.png,1\n");
    let found =
        opened(&plain, Opening { image_size: Some((3, 3)), on_broken: OnBroken::Fail, ..Opening::default() });
    assert_eq!(found.class_names.len(), 4, "numbers stand for themselves");
    let mut batch = convnet_nn::train::Batch::new(&found.train, 1);
    let error = found.train.fill(Visit::default(), &[1], &mut batch).unwrap_err().to_string();
    assert!(error.contains("9 x.png: not found"), "{error}");

    let reviews = "id\ttext\tsentiment\n1\tA good, good film\t2.5\n2\t\"Bad\" \"film\tit\tis\n3\tbad\t-3\n";
    let path = folder.write("reviews.tsv", reviews);
    let how = Opening { columns: Columns { threshold: Some(0.0), ..Columns::default() }, ..small() };
    let error = open_with(path.to_str().unwrap(), &how, &mut |_| {}).unwrap_err().to_string();
    assert!(error.contains("`it` in line 3 is not a number"), "{error}");
    folder.write("reviews.tsv", reviews.replace("\tit\tis", "\t-1"));
    let found = opened(&path, how);
    assert_eq!(
        (found.train.labels().unwrap(), found.class_names),
        (vec![1, 0, 0], vec!["0".to_owned(), "1".into()])
    );
    let words = found.words.unwrap();
    assert_eq!(words.vocabulary(), ["", "[UNK]", "good", "film", "bad", "a"]);
    let (numbers, _) = all(&found.train);
    assert_eq!(numbers[..6], [5.0, 2.0, 2.0, 3.0, 0.0, 0.0]);
    assert_eq!(words.vectorize("A BAD book"), [5, 4, 1, 0, 0, 0]);

    // As the film reviews of vaderSentiment come: number, sentiment, text, no header.
    let snippets = folder.write("snippets.txt", "1\t-2.5\tbad film\n2\t2.1\t\"good\"\n");
    let columns = Columns {
        input: Some("2".into()),
        label: Some("1".into()),
        threshold: Some(0.0),
        ..Columns::default()
    };
    let found = opened(&snippets, Opening { columns, ..small() });
    assert_eq!(found.train.labels().unwrap(), [0, 1]);

    let error = open(folder.write("other.csv", "image,colour\na.png,red\n").to_str().unwrap())
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("no column is called label, class, ") && error.contains("the table has image, colour"),
        "{error}"
    );
}

#[test]
fn folders_of_texts_are_read_and_what_nobody_judged_is_left() {
    let folder = Folder::new("texts");
    for (name, text) in [
        ("train/pos/0_9.txt", "great great film"),
        ("train/neg/0_1.txt", "awful film"),
        ("train/unsup/0_0.txt", "film of nobody"),
        ("test/pos/0_8.txt", "great unheard of"),
        ("test/neg/0_2.txt", "awful"),
    ] {
        folder.write(&format!("aclImdb/{name}"), text);
    }
    folder.write("aclImdb/README", "about");
    // The archive unpacks to one folder.
    let found = opened(folder.path(), small());
    assert_eq!((found.kind, &found.class_names[..]), ("text folder", &["neg".to_owned(), "pos".into()][..]));
    assert_eq!(found.words.as_ref().unwrap().vocabulary(), ["", "[UNK]", "great", "film", "awful"]);
    let batch = filled(&found.test.unwrap(), Visit::default(), &[1]);
    assert_eq!(
        (&batch.inputs[0][..], &batch.targets[0][..]),
        (&[2.0, 1.0, 1.0, 0.0, 0.0, 0.0][..], &[1.0][..])
    );
}

#[test]
fn folders_of_pictures_keep_back_a_share() {
    let folder = Folder::new("share");
    for number in 0..20 {
        folder.write(&format!("{}/{number}.png", if number < 15 { "many" } else { "few" }), even(4, number));
    }
    folder.write("many/notes.md", "");
    let how = Opening { validation_split: 0.2, ..Opening::default() };
    let found = opened(folder.path(), how.clone());
    assert_eq!((found.kind, found.train.len(), found.validation.unwrap().len()), ("picture folder", 16, 4));
    assert!(found.notes.iter().any(|note| note.contains("1 of another kind")), "{:?}", found.notes);
    assert!(found.notes.iter().any(|note| note.contains("(4, 4, 3)")), "{:?}", found.notes);
    let found = opened(folder.path(), Opening { stratified: true, ..how.clone() });
    assert_eq!(found.validation.unwrap().class_counts().unwrap(), [1, 3]);
    let digits = open_with("mnist", &how, &mut |_| {}).unwrap();
    assert_eq!(
        (digits.train.len(), digits.validation.unwrap().len(), digits.test.unwrap().len()),
        (48_000, 12_000, 10_000)
    );
    let bad = open_with(folder.text(), &Opening { validation_split: 0.01, ..how.clone() }, &mut |_| {});
    assert!(bad.unwrap_err().to_string().contains("leaves samples on both sides of 20"));
    assert!(open_with("mnist", &Opening { validation_split: 1.5, ..how }, &mut |_| {}).is_err());
}

#[test]
fn what_was_looked_for_is_said() {
    let folder = Folder::new("empty");
    folder.write("readme.md", "");
    let error = open(folder.text()).unwrap_err().to_string();
    for part in [
        "holds no data set",
        "train-images-idx3-ubyte",
        "data_batch_1.bin",
        ".txt files",
        "x_train.npy",
        "pictures for each class",
    ] {
        assert!(error.contains(part), "{part}: {error}");
    }
    folder.write("data_batch_1", "");
    folder.write("batches.meta", "");
    assert!(open(folder.text()).unwrap_err().to_string().contains("fetch the binary version"));
    assert!(matches!(open("mnits").unwrap_err(), DataError::UnknownDataset { .. }));
    assert!(matches!(open("./photos").unwrap_err(), DataError::Missing { .. }));
    assert!(matches!(open("photos.csv").unwrap_err(), DataError::Missing { .. }));
}
