//! The same numbers as in Keras, TensorFlow and NumPy, whose results `golden/make.py` keeps.

#![allow(clippy::unwrap_used, reason = "a helper that fails is a test that fails")]

mod common;

use common::{Folder, floats, golden, near};
use convnet_data::images::{BoxSampling, Fit, Resampling, crop_and_resize};
use convnet_data::text::{Standardize, TextSplit, TextVectorization, Tokenizer};
use convnet_data::{ArraySamples, ImageFolder, SampleSet};
use ndarray::{Array1, Array4};
use serde_json::Value;

fn numbers(value: &Value) -> Vec<u32> {
    value.as_array().unwrap().iter().map(|number| number.as_u64().unwrap() as u32).collect()
}

fn texts(value: &Value) -> Vec<&str> {
    value.as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect()
}

#[test]
fn boxes_are_cut_as_by_tensorflow() {
    let golden = &golden()["boxes"];
    let pixels = common::bytes(0..80).into_iter().map(f32::from).collect();
    let images = Array4::from_shape_vec((2, 4, 5, 2), pixels).unwrap();
    let boxes: Vec<[f32; 4]> =
        golden["boxes"].as_array().unwrap().iter().map(|sides| floats(sides).try_into().unwrap()).collect();
    let of: Vec<usize> = numbers(&golden["of"]).into_iter().map(|image| image as usize).collect();
    for case in golden["cases"].as_array().unwrap() {
        let sampling = if case["method"] == "nearest" { BoxSampling::Nearest } else { BoxSampling::Bilinear };
        let size = numbers(&case["size"]);
        let size = (size[0] as usize, size[1] as usize);
        let cut = crop_and_resize(images.view(), &boxes, &of, size, sampling, -7.0).unwrap();
        near(cut.as_slice().unwrap(), &floats(&case["values"]), 1e-3);
    }
    let cut = |boxes: &[[f32; 4]], of: &[usize], size| {
        crop_and_resize(images.view(), boxes, of, size, BoxSampling::Bilinear, 0.0)
    };
    assert!(cut(&boxes, &[0], (1, 1)).is_err() && cut(&boxes, &[0, 1, 2, 0], (1, 1)).is_err());
    assert!(cut(&boxes, &of, (0, 1)).is_err() && cut(&boxes, &of, (1, 70_000)).is_err());
    assert_eq!(cut(&[[f32::NAN; 4]], &[0], (2, 2)).unwrap().sum(), 0.0);
}

/// The folder that `make.py` reads.
fn classes_of_pictures() -> Folder {
    let folder = Folder::new("keras");
    for (place, name) in ["ant", "Bee", "cow"].into_iter().enumerate() {
        for number in 0..5 {
            let inner = if number == 2 { "more/" } else { "" };
            let png = common::picture(6 + place + number, 9 - number, number);
            folder.write(&format!("{name}/{inner}{number}.png"), png);
        }
    }
    folder
}

#[test]
fn a_folder_is_read_as_by_image_dataset_from_directory() {
    let folder = classes_of_pictures();
    for case in golden()["folder"].as_array().unwrap() {
        let options = &case["options"];
        let mut reader = ImageFolder::new(folder.path()).image_size(5, 4).white(255.0);
        if options["crop_to_aspect_ratio"] == true {
            reader = reader.fit(Fit::Crop);
        }
        if options["pad_to_aspect_ratio"] == true {
            reader = reader.fit(Fit::Pad);
        }
        if options["interpolation"] == "area" {
            reader = reader.interpolation(Resampling::TfArea);
        }
        let Some(seed) = options["seed"].as_u64() else {
            let found = reader.shuffle(false).open().unwrap();
            assert_eq!(found.class_names, texts(&case["class_names"]));
            let (pixels, labels) = common::all(&found.train);
            assert_eq!(labels, floats(&case["labels"]));
            let sums: Vec<f32> = pixels.chunks_exact(60).map(|picture| picture.iter().sum()).collect();
            near(&sums, &floats(&case["sums"]), 0.1);
            near(&pixels[3 * 60..4 * 60], &floats(&case["first"]), 1e-3);
            continue;
        };
        let found = reader.seed(seed as u32).validation_split(0.3).open().unwrap();
        let part = if options["subset"] == "training" { found.train } else { found.validation.unwrap() };
        let files: Vec<String> = (0..part.labels().len())
            .map(|at| part.path(at).strip_prefix(folder.path()).unwrap().to_str().unwrap().replace('\\', "/"))
            .collect();
        assert_eq!(files, texts(&case["files"]));
        let classes =
            files.iter().map(|file| ["Bee", "ant", "cow"].iter().position(|class| file.starts_with(class)));
        assert!(classes.eq(part.labels().iter().map(|&label| Some(label as usize))));
    }
}

#[test]
fn texts_become_numbers_as_by_text_vectorization() {
    let golden = &golden()["vectorization"];
    for case in golden["cases"].as_array().unwrap() {
        let options = &case["options"];
        let mut words = TextVectorization::new();
        if let Some(most) = options["max_tokens"].as_u64() {
            words = words.max_tokens(most as usize);
        }
        if let Some(length) = options["output_sequence_length"].as_u64() {
            words = words.output_sequence_length(length as usize);
        }
        words = match options.get("standardize").map(Value::as_str) {
            None => words,
            Some(None) => words.standardize(Standardize::None),
            Some(Some("lower")) => words.standardize(Standardize::Lower),
            Some(Some(_)) => words.standardize(Standardize::StripPunctuation),
        };
        words = match options.get("split").map(Value::as_str) {
            None => words,
            Some(None) => words.split(TextSplit::None),
            Some(Some(_)) => words.split(TextSplit::Character),
        };
        words = match &options["ngrams"] {
            Value::Number(width) => words.ngrams(width.as_u64().unwrap() as usize),
            Value::Array(_) => words.ngram_widths(&numbers(&options["ngrams"]).map_usize()),
            _ => words,
        };
        let words = words.adapt(texts(&golden["texts"]));
        assert_eq!(words.vocabulary(), texts(&case["vocabulary"]), "{options}");
        for (text, expected) in texts(&golden["asked"]).iter().zip(case["asked"].as_array().unwrap()) {
            assert_eq!(words.vectorize(text), numbers(expected), "{options}: {text}");
        }
        let again = words.clone().set_vocabulary(words.vocabulary().to_vec()).unwrap();
        assert_eq!(again, words);
    }
}

trait MapUsize {
    fn map_usize(self) -> Vec<usize>;
}

impl MapUsize for Vec<u32> {
    fn map_usize(self) -> Vec<usize> {
        self.into_iter().map(|number| number as usize).collect()
    }
}

#[test]
fn texts_become_numbers_as_by_the_old_tokenizer() {
    let golden = golden();
    for case in golden["tokenizer"].as_array().unwrap() {
        let options = &case["options"];
        let mut words = Tokenizer::new();
        if let Some(most) = options["num_words"].as_u64() {
            words = words.num_words(most as usize);
        }
        if let Some(word) = options["oov_token"].as_str() {
            words = words.oov_token(word);
        }
        let words = words.fit_on_texts(texts(&golden["vectorization"]["texts"]));
        for (word, number) in case["index"].as_object().unwrap() {
            assert_eq!(
                words.word_index().get(word).map(|&n| u64::from(n)),
                number.as_u64(),
                "{options}: {word}"
            );
        }
        let asked = texts(&golden["vectorization"]["asked"]);
        for (text, expected) in asked.iter().zip(case["asked"].as_array().unwrap()) {
            assert_eq!(words.text_to_sequence(text), numbers(expected), "{options}: {text}");
        }
    }
}

#[test]
fn orders_are_those_of_numpy() {
    for case in golden()["shuffles"].as_array().unwrap() {
        let (count, seed) = (case["count"].as_u64().unwrap() as usize, case["seed"].as_u64().unwrap() as u32);
        let numbered: Array1<f32> = (0..count).map(|at| at as f32).collect();
        let set = ArraySamples::new(numbered.clone().into_dyn(), numbered.into_dyn()).unwrap();
        let (order, _) = common::all(&SampleSet::new(set).shuffle(seed));
        assert_eq!(order[..20.min(count)], floats(&case["first"]), "{count} with seed {seed}");
    }
}
