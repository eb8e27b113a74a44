//! Folders of pictures: what is found, what is passed over, what happens to broken files, and that threads make no difference.

mod common;

use std::sync::{Arc, Mutex};

use common::{Folder, all, even, filled};
use convnet_data::images::Resampling;
use convnet_data::{ColorMode, DataError, ImageFolder, OnBroken, SampleSet};
use convnet_nn::Samples;
use convnet_nn::train::{Batch, Visit};

/// Two classes of four pictures each, grey values 10 · number + class.
fn folder(name: &str) -> Folder {
    let folder = Folder::new(name);
    for (class, name) in ["cat", "dog"].into_iter().enumerate() {
        for number in 0..4 {
            folder.write(&format!("{name}/{number}.png"), even(6, (10 * number + class) as u8));
        }
    }
    folder
}

fn values(samples: &dyn Samples) -> Vec<u8> {
    let (pixels, _) = all(samples);
    let each: usize = samples.input_dims()[0].iter().product();
    pixels.chunks(each).map(|picture| (picture[0] * 255.0).round() as u8).collect()
}

#[test]
fn hidden_and_other_files_are_passed_over_with_a_count() {
    let folder = folder("passed");
    folder.write("cat/.0.png", "");
    folder.write(".thumbnails/0.png", "");
    folder.write("cat/notes.txt", "");
    folder.write("dog/THUMBS.DB", "");
    folder.write("readme.md", "");
    folder.write("dog/UPPER.PNG", even(6, 99));
    let found = ImageFolder::new(folder.path()).shuffle(false).open().unwrap();
    assert_eq!(
        (&found.class_names[..], found.train.labels()),
        (&["cat".to_owned(), "dog".into()][..], &[0, 0, 0, 0, 1, 1, 1, 1, 1][..])
    );
    let passed = found.passed_over;
    assert_eq!((passed.hidden, passed.other, passed.misplaced, passed.total()), (2, 2, 1, 5));
    assert_eq!(found.train.shape().to_string(), "(6, 6, 3)", "all have one small size");
    assert_eq!(values(&found.train), [0, 10, 20, 30, 1, 11, 21, 31, 99]);
    let grey = ImageFolder::new(folder.path())
        .color_mode(ColorMode::Grayscale)
        .image_size(3, 2)
        .shuffle(false)
        .open()
        .unwrap();
    assert_eq!(grey.train.input_dims(), [[3, 2, 1]]);
    let dogs = ImageFolder::new(folder.path())
        .class_names(vec!["dog".into(), "cat".into()])
        .shuffle(false)
        .open()
        .unwrap();
    assert_eq!(values(&dogs.train)[..2], [1, 11]);
    let error =
        ImageFolder::new(folder.path()).class_names(vec!["cow".into()]).open().unwrap_err().to_string();
    assert!(error.contains("no sub-folder for the class `cow`, only cat, dog"), "{error}");
}

#[test]
fn splits_in_folders_are_recognised() {
    let folder = Folder::new("splits");
    for name in ["train/a/0", "train/b/0", "train/b/1", "Val/b/0", "test/a/0", "test/b/0"] {
        folder.write(&format!("{name}.png"), even(5, name.len() as u8));
    }
    let found = ImageFolder::new(folder.path()).validation_split(0.5).open().unwrap();
    assert_eq!((found.train.labels().len(), found.test.unwrap().labels().len()), (3, 2));
    assert_eq!(found.validation.unwrap().labels(), [1], "its own validation pictures go before a share");
    folder.write("test/c/0.png", even(5, 1));
    let error = ImageFolder::new(folder.path()).open().unwrap_err().to_string();
    assert!(error.contains("class `c` is not among those to train on: a, b"), "{error}");
    // With any other folder beside them these are classes.
    folder.write("tram/0.png", even(5, 1));
    assert_eq!(ImageFolder::new(folder.path()).open().unwrap().class_names, ["Val", "test", "train", "tram"]);
}

#[test]
fn nothing_to_read_is_said() {
    let folder = Folder::new("nothing");
    let open =
        |split: f64| ImageFolder::new(folder.path()).validation_split(split).open().unwrap_err().to_string();
    assert!(open(0.0).contains("no pictures (bmp, gif, jpeg, jpg, png, webp) were found"), "{}", open(0.0));
    assert!(open(1.0).contains("at least 0 and below 1"));
    let missing = ImageFolder::new("no/such").open().unwrap_err();
    assert!(matches!(missing, DataError::Missing { .. }), "{missing}");
    folder.write("a/0.png", even(4, 0));
    let huge = ImageFolder::new(folder.path()).image_size(100_000, 3).open().unwrap_err();
    assert!(matches!(huge, DataError::Shape { .. }), "{huge}");
}

#[test]
fn broken_files_are_named_or_skipped_once() {
    let folder = folder("broken");
    folder.write("cat/1.png", "no picture");
    folder.write("dog/3.png", &even(6, 5)[..40]);
    let reader = ImageFolder::new(folder.path()).image_size(6, 6).shuffle(false);
    let strict = reader.open().unwrap().train;
    let mut batch = Batch::new(&strict, 8);
    let error = strict.fill(Visit::default(), &[7, 0, 1, 2, 3, 4, 5, 6], &mut batch).unwrap_err().to_string();
    assert!(error.contains("3.png: damaged PNG"), "the first in the batch's order: {error}");

    let heard = Arc::new(Mutex::new(Vec::new()));
    let listener = heard.clone();
    let report = Arc::new(move |error: &DataError| listener.lock().unwrap().push(error.to_string()));
    let mut lenient = reader.on_broken(OnBroken::Skip).report(report).open().unwrap().train;
    for _ in 0..2 {
        // 20 stands in for cat/1; dog/3 is the last, so the search goes on at the class's start.
        assert_eq!(values(&lenient), [0, 20, 20, 30, 1, 11, 21, 1]);
    }
    let mut heard = heard.lock().unwrap().clone();
    heard.sort();
    assert_eq!(heard.len(), 2, "{heard:?}");
    assert!(heard[0].contains("1.png: not PNG") && heard[1].contains("3.png: damaged"), "{heard:?}");
    let named: Vec<String> =
        lenient.broken().iter().map(|(path, _)| path.file_name().unwrap().to_string_lossy().into()).collect();
    assert_eq!(named, ["1.png", "3.png"]);
    assert_eq!(lenient.drop_broken(), 2);
    assert_eq!(values(&lenient), [0, 20, 30, 1, 11, 21]);

    for number in [0, 2, 3] {
        folder.write(&format!("cat/{number}.png"), "");
    }
    let none = ImageFolder::new(folder.path())
        .image_size(6, 6)
        .shuffle(false)
        .on_broken(OnBroken::Skip)
        .open()
        .unwrap()
        .train;
    let error = none.fill(Visit::default(), &[0], &mut Batch::new(&none, 1)).unwrap_err().to_string();
    assert!(error.contains("every other file of its class"), "{error}");
}

#[test]
fn any_number_of_threads_gives_the_same() {
    let folder = Folder::new("threads");
    for number in 0..60 {
        let png = common::picture(20 + number % 7, 30 - number % 11, number);
        folder.write(&format!("{}/{number}.png", ["x", "y", "z"][number % 3]), png);
    }
    folder.write("x/3.png", "broken");
    let open = || {
        let reader = ImageFolder::new(folder.path()).image_size(17, 13).interpolation(Resampling::Lanczos);
        SampleSet::new(reader.on_broken(OnBroken::Skip).seed(5).open().unwrap().train)
    };
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let set = open().cache();
        pool.install(|| {
            let batches = [[0, 7, 59, 8], [59, 1, 2, 3]].map(|indices| {
                let batch = filled(&set, Visit { seed: 1, epoch: 1, training: true }, &indices);
                (batch.inputs[0].to_vec(), batch.targets[0].to_vec())
            });
            (batches, all(&set))
        })
    };
    assert_eq!(on(1), on(4));
}

#[cfg(unix)]
#[test]
fn links_and_odd_names_are_read() {
    use std::os::unix::ffi::OsStrExt;
    let folder = folder("links");
    std::os::unix::fs::symlink(folder.path().join("dog"), folder.path().join("hound")).unwrap();
    std::os::unix::fs::symlink(folder.path().join("dog/2.png"), folder.path().join("cat/linked.png"))
        .unwrap();
    std::os::unix::fs::symlink(folder.path(), folder.path().join("cat/circle")).unwrap();
    let odd = std::ffi::OsStr::from_bytes(b"caf\xe9.png");
    std::fs::copy(folder.path().join("cat/0.png"), folder.path().join("cat").join(odd)).unwrap();
    let found = ImageFolder::new(folder.path()).shuffle(false).open().unwrap();
    assert_eq!(found.class_names, ["cat", "dog", "hound"]);
    assert_eq!(values(&found.train), [0, 10, 20, 30, 0, 21, 1, 11, 21, 31, 1, 11, 21, 31]);
}
