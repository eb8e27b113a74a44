//! The pointing game (Zhang and others, 2016, <https://arxiv.org/abs/1608.00507>): a network learns digits that were pasted at any place of cluttered
//! pictures. The Grad-CAM map of the true class, resized to the picture, should have its largest number inside of the digit.
//!
//! `cargo run --release -p convnet --example pointing [-- NETWORK.keras]`
//!
//! plays with a network, or trains one in a minute and writes it as `pointing.keras`. It writes some of the pictures, for `convnet explain
//! pointing.keras pointing/*.png --method grad-cam --layer activation_5 --out pointing.png`.

use std::fs;
use std::ops::ControlFlow;

use convnet::data::SampleSet;
use convnet::data::images::encode_png;
use convnet::nn::layers;
use convnet::nn::train::{EpochLog, On};
use convnet::prelude::*;
use convnet::vision::draw;
use convnet::vision::explain::{Class, Explainer, Method};
use ndarray::{ArrayView2, ArrayView3, ArrayViewD, ArrayViewMut3, Axis, Ix2};

mod clutter;
use clutter::{Clutter, DIGIT, Frame, Place, Random, Scenes};

const SIDE: usize = 56;
const CLUTTER: Clutter = Clutter { side: SIDE, fragments: 16, piece: 8 };
const KINDS: [u32; 10] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];

/// The layer whose maps are looked at: what the last convolution gives once batch norm and rectifier are through with it.
pub const MAPS: &str = "activation_5";

/// Three pairs of convolutions, 56, 28 and 14 pixels wide; the means of the last maps tell the digits apart.
pub fn network() -> convnet::nn::Result<Model> {
    let mut model = Sequential::new([SIDE, SIDE, 1]);
    for (stage, maps) in [8, 16, 32].into_iter().enumerate() {
        if stage > 0 {
            model = model.add(MaxPooling2D::new(2));
        }
        for _ in 0..2 {
            model = model
                .add(Conv2D::new(maps, 3).padding(Padding::Same).use_bias(false))
                .add(BatchNormalization::new().momentum(0.9))
                .add(layers::Activation::new(Activation::Relu));
        }
    }
    let scores = Dense::new(KINDS.len()).activation(Activation::Softmax);
    model.add(GlobalAveragePooling2D::new()).add(scores).build()
}

/// A network that has seen so many digits so often, each time at another place among other fragments.
///
/// # Errors
/// If MNIST cannot be opened.
pub fn trained(digits: usize, epochs: usize) -> Result<Model, Box<dyn std::error::Error>> {
    let split = convnet::data::load("mnist")?.train.slice(0..digits)?;
    let set = SampleSet::from(split.clone());
    let scenes = set.map_into(vec![vec![SIDE, SIDE, 1]], vec![vec![]], move |visit, index, old, new| {
        let digit = ArrayView3::from_shape((DIGIT, DIGIT, 1), old.inputs[0]).expect("MNIST's size");
        let scene = ArrayViewMut3::from_shape((SIDE, SIDE, 1), &mut *new.inputs[0]);
        let mut scene = scene.expect("the size that was asked for");
        scene.fill(0.0);
        let drawn = convnet::data::pipeline::random(visit, index);
        let mut random = Random(u64::from(drawn.word(0)) << 32 | u64::from(drawn.word(1)));
        CLUTTER.lay(digit, &split, &mut random, scene);
        new.targets[0].copy_from_slice(old.targets[0]);
    });
    let mut model = network()?;
    let mut tell = On::new().epoch_end(|_, log: &mut EpochLog| {
        let accuracy = log.metric("accuracy").unwrap_or(0.0);
        println!("epoch {}: loss {:.3}, accuracy {accuracy:.3}, {:.0} s", log.epoch, log.loss, log.seconds);
        Ok(ControlFlow::Continue(()))
    });
    model.compile(Adam::new(0.003), SparseCategoricalCrossentropy::default(), [Metric::Accuracy])?;
    model.fit_with(&scenes, Fit::new().epochs(epochs).batch_size(64), &mut [&mut tell])?;
    // The optimizer's memory stays behind: it is twice as large as the network.
    let last = model.output_names()[0].to_owned();
    Ok(model.up_to(&[&last])?)
}

/// What the game gives, as shares of the pictures.
#[derive(Debug)]
pub struct Outcome {
    /// Those whose digit is told right.
    pub accuracy: f64,
    /// Maps whose largest number lies inside of the smallest rectangle that holds the digit's ink.
    pub in_ink: f64,
    /// The same among the pictures that are told right.
    pub in_ink_if_right: f64,
    /// Maps whose largest number lies inside of the 28 × 28 pixels that were pasted.
    pub in_square: f64,
    /// Maps that are zero everywhere, which point nowhere.
    pub silent: f64,
    /// What `in_ink` would be for places at random.
    pub chance: f64,
}

/// The game with the first test digits, by the maps of their true classes.
pub struct Game {
    /// The pictures.
    pub scenes: Scenes,
    /// The place of the largest number of each map that has one, in pixels of the picture: (row, column).
    pub points: Vec<Option<(usize, usize)>>,
    /// Whether the digit is told right.
    pub is_right: Vec<bool>,
}

impl Game {
    /// # Errors
    /// If MNIST cannot be opened, or the model has other sizes.
    pub fn play(model: &Model, count: usize) -> Result<Self, Box<dyn std::error::Error>> {
        let split = convnet::data::load("mnist")?.test.ok_or("MNIST has test images")?;
        let scenes = CLUTTER.scenes(&split, &KINDS, count, 2);
        let classes: Vec<Class> = scenes.classes.iter().map(|&class| Class::Number(class as usize)).collect();
        let mut explainer = Explainer::new(model).at_layer(MAPS)?;
        let mut found = explainer.explain(scenes.pictures.view().into_dyn(), &classes, &[Method::GradCam])?;
        let maps = found.values.remove(0);
        let point = |map: ArrayViewD<'_, f32>| Ok(highest(map.into_dimensionality::<Ix2>()?));
        let points = maps.axis_iter(Axis(0)).map(point).collect::<Result<_, ndarray::ShapeError>>()?;
        let rows = found.scores.axis_iter(Axis(0)).zip(&scenes.classes);
        let is_highest = |(scores, &class): (ArrayViewD<'_, f32>, &f32)| {
            scores.iter().all(|&score| score <= scores[class as usize])
        };
        let is_right = rows.map(is_highest).collect();
        Ok(Self { scenes, points, is_right })
    }

    /// How often the maps point where they should.
    pub fn outcome(&self) -> Outcome {
        let count = self.points.len() as f64;
        let share = |is_counted: &dyn Fn(usize) -> bool| {
            (0..self.points.len()).filter(|&index| is_counted(index)).count() as f64 / count
        };
        let is_in_ink = |index: usize| self.is_in(index, |place| place.ink);
        let accuracy = share(&|index| self.is_right[index]);
        let area: usize = self.scenes.places.iter().map(|place| place.ink.area()).sum();
        Outcome {
            accuracy,
            in_ink: share(&is_in_ink),
            in_ink_if_right: share(&|index| self.is_right[index] && is_in_ink(index)) / accuracy,
            in_square: share(&|index| self.is_in(index, |place| place.square)),
            silent: share(&|index| self.points[index].is_none()),
            chance: area as f64 / (SIDE * SIDE) as f64 / count,
        }
    }

    fn is_in(&self, index: usize, frame: impl Fn(&Place) -> Frame) -> bool {
        self.points[index].is_some_and(|point| frame(&self.scenes.places[index]).holds(point))
    }
}

/// Where a map, brought to the picture's size, has its largest number, unless it is zero everywhere.
fn highest(map: ArrayView2<'_, f32>) -> Option<(usize, usize)> {
    let grown = draw::resized(map.insert_axis(Axis(2)), SIDE, SIDE);
    let mut best = (None, 0.0);
    for ((y, x, _), &value) in grown.indexed_iter() {
        if value > best.1 {
            best = (Some((y, x)), value);
        }
    }
    best.0
}

#[allow(dead_code, reason = "the test that includes this file has its own")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let model = match std::env::args().nth(1) {
        Some(file) => load_model(file)?,
        None => {
            let model = trained(20_000, 2)?;
            save_model(&model, "pointing.keras")?;
            model
        }
    };
    let game = Game::play(&model, 1000)?;
    let Outcome { accuracy, in_ink, in_ink_if_right, in_square, silent, chance } = game.outcome();
    let percent = |share: f64| format!("{:.1} %", 100.0 * share);
    println!("{} of the digits are told right", percent(accuracy));
    println!(
        "{} of the maps point inside of the digit's ink; {} would by chance",
        percent(in_ink),
        percent(chance)
    );
    println!("{} of those whose digit is told right do", percent(in_ink_if_right));
    println!("{} point inside of the square that was pasted", percent(in_square));
    println!("{} are zero everywhere", percent(silent));
    fs::create_dir_all("pointing")?;
    for (index, (picture, class)) in
        game.scenes.pictures.outer_iter().zip(&game.scenes.classes).take(6).enumerate()
    {
        let bytes: Vec<u8> = draw::picture(picture).iter().copied().collect();
        fs::write(format!("pointing/{index}-is-{class}.png"), encode_png(&bytes, SIDE, SIDE, 3)?)?;
    }
    println!(
        "now: convnet explain pointing.keras pointing/*.png --method grad-cam --layer {MAPS} --out pointing.png"
    );
    Ok(())
}
