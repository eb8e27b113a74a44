//! Explanations of trained networks and of one of the zoo against TensorFlow's and NumPy's numbers (`golden/keras/make_explained.py`), and what
//! must hold of explanations of any network.

#![allow(clippy::unwrap_used, reason = "a helper that fails is a test that fails")]

use std::path::PathBuf;

use convnet::nn::model::{Question, Reading, Start};
use convnet::prelude::*;
use convnet::vision::explain::{self, Ascent, Class, Dream, Explainer, From, Method, Pixels, Solver, Style};
use convnet::vision::imagenet::Preprocessing;
use convnet::vision::zoo;
use ndarray::{Array3, Array4, ArrayD, Axis, IxDyn};
use serde_json::Value as Json;

fn golden(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../golden/keras/explained").join(name)
}

fn read(name: &str) -> Json {
    serde_json::from_slice(&std::fs::read(golden(name)).unwrap()).unwrap()
}

fn numbers(json: &Json) -> Vec<f32> {
    json.as_array().unwrap().iter().map(|number| number.as_f64().unwrap() as f32).collect()
}

/// Within 1e-4 of the largest expected number.
#[track_caller]
fn close<'a>(values: impl IntoIterator<Item = &'a f32>, expected: &Json, what: &str) {
    let (values, expected): (Vec<f32>, _) = (values.into_iter().copied().collect(), numbers(expected));
    assert_eq!(values.len(), expected.len(), "{what}");
    let most = expected.iter().fold(0.0_f32, |most, value| most.max(value.abs()));
    for (index, (value, expected)) in values.iter().zip(&expected).enumerate() {
        assert!((value - expected).abs() <= 1e-4 * most + 1e-9, "{what}: {value} for {expected} at {index}");
    }
}

#[test]
fn explanations_of_trained_networks_are_tensorflows() {
    let mut maps_that_speak = 0;
    for name in ["plain", "residual", "binary"] {
        let (model, json) =
            (load_model(golden(&format!("{name}.keras"))).unwrap(), read(&format!("{name}.json")));
        assert!(json["accuracy"].as_f64().unwrap() > 0.9, "{name} was trained");
        let sizes: Vec<usize> = numbers(&json["sizes"]).into_iter().map(|size| size as usize).collect();
        let x = ArrayD::from_shape_vec(sizes, numbers(&json["input"])).unwrap();
        let steps = json["steps"].as_u64().unwrap() as usize;
        let methods = [
            Method::Saliency,
            Method::IntegratedGradients { steps, baseline: 0.0 },
            Method::GradCam,
            Method::GradCamPlusPlus,
            Method::ScoreCam { most_maps: None },
            Method::GuidedBackprop,
        ];
        let keys = ["saliency", "integrated", "cam", "cam_plus_plus", "score_cam", "guided"];
        let cases = json["cases"].as_array().unwrap();
        let classes: Vec<Class> =
            cases.iter().map(|case| Class::Number(case["class"].as_u64().unwrap() as usize)).collect();
        // All classes in one run, and the likeliest as found by itself.
        let copies: Vec<_> = classes.iter().map(|_| x.view()).collect();
        let batch = ndarray::concatenate(Axis(0), &copies).unwrap();
        let mut explainer = Explainer::new(&model).at_layer("last").unwrap();
        let found = explainer.explain(batch.view(), &classes, &methods).unwrap();
        for (index, case) in cases.iter().enumerate() {
            for ((key, values), method) in keys.iter().zip(&found.values).zip(&methods) {
                let values = values.index_axis(Axis(0), index);
                close(values.iter(), &case[*key], &format!("{name}, {method:?}, class {index}"));
            }
            maps_that_speak += usize::from(numbers(&case["cam"]).iter().any(|&value| value > 0.0));
        }
        let top = explainer.explain(x.view(), &[Class::Top], &methods[..1]).unwrap();
        assert_eq!(top.classes, [json["top"].as_u64().unwrap() as usize], "{name}");
        let single = explain::saliency(&model, x.view(), top.classes[0]).unwrap();
        assert_eq!(top.values[0], single, "{name}: the likeliest class is the class of its number");
        close(explain::activations(&model, x.view(), &["last"]).unwrap()[0].iter(), &json["maps"], name);
    }
    assert!(maps_that_speak >= 4, "maps that are zero everywhere compare nothing: {maps_that_speak}");
}

/// Cyclic redundancy check, by which the script seeds its numbers.
fn crc32(bytes: &[u8]) -> u32 {
    let round = |crc: u32, byte: &u8| {
        (0..8).fold(
            crc ^ u32::from(*byte),
            |crc, _| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 },
        )
    };
    !bytes.iter().fold(!0, round)
}

/// The script's `uniform`.
fn uniform(name: &str, count: usize) -> impl Iterator<Item = f64> {
    let seed = f64::from(crc32(name.as_bytes()) % 10_007);
    (0..count).map(move |place| {
        2.0 * ((place as f64 * 12.9898 + seed * 78.233).sin() * 43_758.545_3).abs().fract() - 1.0
    })
}

/// The script's weights.
fn set_by_formula(model: &mut Model) {
    let weights: Vec<_> = model.weights().map(|weight| (weight.path.clone(), weight.dims.clone())).collect();
    for (path, dims) in weights {
        let name = path.rsplit('/').next().unwrap();
        let count = dims.iter().product();
        // Depthwise kernels have one channel in and out each, so their products of the first axes are the same but for the channels.
        let is_depthwise = path.contains("depthwise") && dims.len() == 4;
        let fan: usize =
            if is_depthwise { dims[..2].iter().product() } else { dims[..dims.len() - 1].iter().product() };
        let value = |draw: f64| match name {
            _ if name.contains("kernel") => draw * (6.0 / fan as f64).sqrt(),
            "gamma" | "moving_variance" => 1.0 + 0.2 * draw,
            _ => 0.2 * draw,
        };
        let values: Vec<f32> = uniform(&path, count).map(|draw| value(draw) as f32).collect();
        model.set_weight(&path, ArrayD::from_shape_vec(IxDyn(&dims), values).unwrap().view()).unwrap();
    }
}

#[test]
fn explanations_of_mobilenet_are_tensorflows() {
    let json = read("mobilenet_v2.json");
    let network = zoo::mobilenet_v2().alpha(0.35).input_shape([96, 96, 3]).classes(20);
    let mut model = network.classifier_activation(Activation::Softmax).build().unwrap();
    set_by_formula(&mut model);
    let pixels = uniform("input", 96 * 96 * 3).map(|draw| (0.5 + 0.5 * draw) as f32).collect();
    let x = ArrayD::from_shape_vec(IxDyn(&[1, 96, 96, 3]), pixels).unwrap();
    let mut explainer = Explainer::new(&model).at_layer("Conv_1").unwrap();
    let methods = [Method::Saliency, Method::GradCam, Method::GradCamPlusPlus];
    let found = explainer.explain(x.view(), &[Class::Top], &methods).unwrap();
    close(found.scores.iter(), &json["scores"], "scores");
    assert_eq!(found.classes, [json["class"].as_u64().unwrap() as usize]);
    let every = json["every"].as_u64().unwrap() as usize;
    close(found.values[0].iter().step_by(every), &json["saliency"], "saliency");
    let length = found.values[0].iter().map(|&value| f64::from(value).powi(2)).sum::<f64>().sqrt();
    let expected = json["saliency_length"].as_f64().unwrap();
    assert!((length - expected).abs() < 1e-4 * expected, "{length} for {expected}");
    close(found.values[1].iter(), &json["cam"], "Grad-CAM");
    close(found.values[2].iter(), &json["cam_plus_plus"], "Grad-CAM++");
}

/// Numbers of a seed.
fn draw(seed: &mut u64) -> f32 {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*seed >> 40) as f32 / (1_u64 << 24) as f32
}

/// A network of random depth, widths, activations and pools.
fn random_network(seed: u64) -> Model {
    let mut state = seed.wrapping_mul(97).wrapping_add(11);
    let mut pick = |count: usize| ((draw(&mut state) * count as f32) as usize).min(count - 1);
    let activations = [Activation::Relu, Activation::Tanh, Activation::Sigmoid, Activation::Linear];
    let mut row = Sequential::new([10, 10, 1 + 2 * pick(2)]);
    for _ in 0..1 + pick(3) {
        row = row.add(Conv2D::new(2 + pick(5), 3).padding(Padding::Same).activation(activations[pick(4)]));
        if pick(2) == 0 {
            row = row.add(BatchNormalization::new());
        }
    }
    row = if pick(2) == 0 { row.add(MaxPooling2D::new(2)) } else { row.add(AveragePooling2D::new(2)) };
    let outputs = 1 + pick(4);
    let last = if outputs == 1 { Activation::Sigmoid } else { Activation::Softmax };
    row.add(Flatten::new()).add(Dense::new(outputs).activation(last)).build().unwrap()
}

#[test]
fn integrated_gradients_of_any_network_sum_to_the_difference_of_scores() {
    for seed in 0..24 {
        let model = random_network(seed);
        let channels = model.input_shapes()[0].channels();
        let mut state = seed;
        let x = Array4::from_shape_simple_fn((1, 10, 10, channels), || draw(&mut state)).into_dyn();
        let zero = ArrayD::zeros(x.raw_dim());
        let differences =
            explain::scores(&model, x.view()).unwrap() - explain::scores(&model, zero.view()).unwrap();
        let found = Explainer::new(&model)
            .explain(
                x.view(),
                &[Class::Number(0)],
                &[Method::IntegratedGradients { steps: 1024, baseline: 0.0 }],
            )
            .unwrap();
        // A single score speaks against class 0.
        let difference = if differences.len() == 1 { -differences[[0, 0]] } else { differences[[0, 0]] };
        let sum = found.values[0].sum();
        let most = found.values[0].iter().map(|value| value.abs()).sum::<f32>().max(1e-3);
        assert!((sum - difference).abs() < 0.01 * most, "network {seed}: {sum} for {difference}");
    }
}

#[test]
fn classes_and_pictures_in_one_run_are_those_of_single_runs() {
    for seed in 0..8 {
        let model = random_network(seed);
        let (channels, classes) =
            (model.input_shapes()[0].channels(), model.output_shapes()[0].channels().max(2));
        let mut state = seed;
        let x = Array4::from_shape_simple_fn((5, 10, 10, channels), || draw(&mut state)).into_dyn();
        let chosen: Vec<Class> = (0..5)
            .map(|sample| if sample == 4 { Class::Top } else { Class::Number(sample % classes) })
            .collect();
        let methods =
            [Method::GradCam, Method::Saliency, Method::Occlusion { size: 5, stride: 5, cover: 0.0 }];
        let together = Explainer::new(&model).explain(x.view(), &chosen, &methods).unwrap();
        for sample in 0..5 {
            let one = x.slice_axis(Axis(0), (sample..sample + 1).into());
            let single = Explainer::new(&model).explain(one, &chosen[sample..=sample], &methods).unwrap();
            assert_eq!(single.classes[0], together.classes[sample]);
            for (single, together) in single.values.iter().zip(&together.values) {
                let together = together.index_axis(Axis(0), sample);
                let most = together.iter().fold(1e-6_f32, |most, value| most.max(value.abs()));
                let away = single
                    .index_axis(Axis(0), 0)
                    .iter()
                    .zip(together)
                    .map(|(a, b)| (a - b).abs())
                    .fold(0.0, f32::max);
                assert!(away <= 1e-4 * most, "network {seed}, picture {sample}: {away} of {most}");
            }
        }
    }
}

fn plain() -> (Model, Pixels) {
    (load_model(golden("plain.keras")).unwrap(), Pixels::of(Preprocessing::Unit, 1))
}

#[test]
fn pictures_that_are_made_for_a_class_or_a_filter_excite_it() {
    let (model, pixels) = plain();
    let ascent = Ascent { steps: 60, total_variation: 0.1, norm: 0.2, jitter: 1, ..Ascent::default() };
    for class in 0..3 {
        let mut steps = 0;
        let seen = |_: usize, _: Array3<f32>| steps += 1;
        let picture =
            explain::maximise(&model, &[(class, 1.0)], &From::Noise, &pixels, &ascent, seen).unwrap();
        assert_eq!(steps, 60);
        let output = model.predict(picture.view().insert_axis(Axis(0))).unwrap();
        assert!(output[[0, class]] > 0.9, "class {class}: {output}");
    }
    let chosen: Vec<usize> = (0..12).collect();
    let found = explain::filters(&model, "last", &chosen, (16, 16), &pixels, &Ascent::default()).unwrap();
    let noise = explain::filters(
        &model,
        "last",
        &chosen,
        (16, 16),
        &pixels,
        &Ascent { rate: 0.0, ..Ascent::default() },
    )
    .unwrap();
    assert!(noise.iter().all(Option::is_none), "what does not move is told from what does");
    let grey = ArrayD::from_elem(IxDyn(&[1, 16, 16, 1]), 0.5);
    let mean = |x: ndarray::ArrayViewD<'_, f32>, filter: usize| {
        explain::activations(&model, x, &["last"]).unwrap()[0].index_axis(Axis(3), filter).mean().unwrap()
    };
    let raised = found.iter().zip(&chosen).filter(|(picture, filter)| {
        let Some(picture) = picture else { return false };
        mean(picture.view().insert_axis(Axis(0)).into_dyn(), **filter) > mean(grey.view(), **filter)
    });
    let (raised, answering) = (raised.count(), found.iter().flatten().count());
    assert!(
        answering >= 6 && 4 * raised >= 3 * answering,
        "{raised} of {answering} answer more than to grey"
    );
    let larger = explain::filters(&model, "last", &[0], (40, 24), &pixels, &Ascent::default()).unwrap();
    assert_eq!(larger[0].as_ref().unwrap().dim(), (40, 24, 1), "convolutions take any size");
}

#[test]
fn dreams_raise_their_layers_in_any_size() {
    let (model, pixels) = plain();
    let mut state = 5;
    let photo = Array3::from_shape_simple_fn((45, 37, 1), || draw(&mut state));
    let dream = Dream { octaves: 2, ..Dream::of([("first".to_owned(), 1.0), ("last".to_owned(), 0.5)]) };
    let mut seen = 0;
    let dreamt = explain::dream(&model, photo.view(), &pixels, &dream, |_| seen += 1).unwrap();
    assert_eq!((dreamt.dim(), seen), ((45, 37, 1), 40));
    let front = model.up_to(&["first"]).unwrap();
    let activity = |photo: &Array3<f32>| {
        let question =
            Question::new(Start::Layer("first".to_owned()), [Reading::Start]).of_input([45, 37, 1]);
        let mut probe = front.probe(&question).unwrap();
        let maps = probe.run(photo.view().insert_axis(Axis(0)).into_dyn(), &[]).unwrap().remove(0);
        maps.mapv(|value| value * value).mean().unwrap()
    };
    assert!(activity(&dreamt) > 1.2 * activity(&photo));
}

#[test]
fn style_is_found_by_both_solvers() {
    let (model, pixels) = plain();
    let content = Array3::from_shape_fn((32, 24, 1), |(y, x, _)| if y < 16 && x < 12 { 0.8 } else { 0.2 });
    let paint = Array3::from_shape_fn((20, 28, 1), |(_, x, _)| if x % 4 < 2 { 0.9 } else { 0.1 });
    let layers = |name: &str| vec![(name.to_owned(), 1.0)];
    for solver in [Solver::Adam(0.02), Solver::Lbfgs] {
        let style = Style {
            content: layers("last"),
            style: layers("first"),
            total_variation: 0.01,
            solver,
            steps: 30,
        };
        let mut losses = Vec::new();
        let painted = explain::style(&model, content.view(), paint.view(), &pixels, &style, |_, loss| {
            losses.push(loss)
        })
        .unwrap();
        assert_eq!(painted.dim(), content.dim());
        let (first, last) = (losses[0], *losses.last().unwrap());
        assert!(last < 0.7 * first, "{solver:?}: {first} at first, {last} at last");
    }
}

#[test]
fn errors_of_made_pictures_tell_what_is_wrong() {
    let (model, pixels) = plain();
    let says = |problem: convnet::nn::Error, text: &str| {
        assert!(problem.to_string().contains(text), "no {text:?} in: {problem}");
    };
    let ascent = Ascent::default();
    says(
        explain::filters(&model, "lsat", &[0], (8, 8), &pixels, &ascent).unwrap_err(),
        "did you mean `last`?",
    );
    says(explain::filters(&model, "last", &[12], (16, 16), &pixels, &ascent).unwrap_err(), "there is no 12");
    says(
        explain::maximise(&model, &[(3, 1.0)], &From::Grey, &pixels, &ascent, |_, _| ()).unwrap_err(),
        "there is no 3",
    );
    let none = Ascent { steps: 0, ..ascent };
    says(
        explain::maximise(&model, &[(0, 1.0)], &From::Grey, &pixels, &none, |_, _| ()).unwrap_err(),
        "at least 1",
    );
    let photo = From::Photo(Array3::zeros((3, 3, 1)));
    says(
        explain::maximise(&model, &[(0, 1.0)], &photo, &pixels, &ascent, |_, _| ()).unwrap_err(),
        "[3, 3, 1]",
    );
    says(explain::kernels(&model, "pool").unwrap_err(), "no kernels");
    says(
        explain::dream(&model, Array3::zeros((20, 20, 1)).view(), &pixels, &Dream::of([]), |_| ())
            .unwrap_err(),
        "a layer",
    );
    says(
        explain::score_cam(&model, Array4::zeros((1, 16, 16, 1)).view().into_dyn(), 0, None, Some(0))
            .unwrap_err(),
        "at least 1",
    );
}
