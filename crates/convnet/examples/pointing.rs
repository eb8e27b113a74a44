//! The pointing game (Zhang and others, 2016, <https://arxiv.org/abs/1608.00507>): a network learns digits on cluttered pictures, and the largest number of
//! each Grad-CAM map should lie inside of the digit.
//!
//! `cargo run --release -p convnet --example pointing`

use convnet::prelude::*;
use convnet::vision::draw;
use convnet::vision::explain::{Class, Explainer, Method};
use ndarray::{ArrayView2, Axis, Ix2};

mod clutter;
use clutter::{DIGIT, SIDE, Scenes, scenes};

const KINDS: [u32; 4] = [0, 1, 4, 7];

/// Convolutions, the mean of whose maps tells four digits apart.
pub fn network() -> convnet::nn::Result<Model> {
    let maps = |filters| Conv2D::new(filters, 3).padding(Padding::Same).activation(Activation::Relu);
    let mut model = Sequential::new([SIDE, SIDE, 1])
        .add(maps(8))
        .add(MaxPooling2D::new(2))
        .add(maps(16))
        .add(MaxPooling2D::new(2))
        .add(maps(32))
        .add(maps(32))
        .add(GlobalAveragePooling2D::new())
        .add(Dense::new(KINDS.len()).activation(Activation::Softmax))
        .build()?;
    model.compile(Adam::new(0.003), SparseCategoricalCrossentropy::default(), [Metric::Accuracy])?;
    Ok(model)
}

/// What the game gives.
#[derive(Debug)]
pub struct Outcome {
    /// Share of the pictures whose digit is told right.
    pub accuracy: f64,
    /// Share of the maps whose largest number lies inside of the digit.
    pub inside: f64,
    /// What that would be for places at random.
    pub chance: f64,
}

/// Trains on so many pictures and plays with others.
///
/// # Errors
/// If MNIST cannot be opened.
pub fn play(train: usize, test: usize, epochs: usize) -> Result<Outcome, Box<dyn std::error::Error>> {
    let mnist = convnet::data::load("mnist")?;
    let seen = scenes(&mnist.train, 0..mnist.train.len(), &KINDS, train, 10, 1);
    let mut model = network()?;
    let arrays = Arrays::new(seen.pictures.view(), seen.classes.view())?;
    model.fit(&arrays, Fit::new().epochs(epochs).batch_size(32))?;
    let split = mnist.test.ok_or("MNIST has test images")?;
    let Scenes { pictures, classes, places } = scenes(&split, 0..split.len(), &KINDS, test, 10, 2);
    let chosen: Vec<Class> = classes.iter().map(|&class| Class::Number(class as usize)).collect();
    let found = Explainer::new(&model).explain(pictures.view().into_dyn(), &chosen, &[Method::GradCam])?;
    let (mut right, mut inside) = (0, 0);
    for (index, &(top, left)) in places.iter().enumerate() {
        let scores = found.scores.index_axis(Axis(0), index);
        let class = classes[index] as usize;
        right += usize::from(scores.iter().all(|&score| score <= scores[class]));
        let map = found.values[0].index_axis(Axis(0), index).into_dimensionality::<Ix2>()?;
        let (y, x) = highest(map);
        inside += usize::from((top..top + DIGIT).contains(&y) && (left..left + DIGIT).contains(&x));
    }
    let share = |count: usize| count as f64 / test as f64;
    Ok(Outcome {
        accuracy: share(right),
        inside: share(inside),
        chance: (DIGIT * DIGIT) as f64 / (SIDE * SIDE) as f64,
    })
}

/// Where a map, brought to the picture's size, has its largest number.
fn highest(map: ArrayView2<'_, f32>) -> (usize, usize) {
    let grown = draw::resized(map.insert_axis(Axis(2)), SIDE, SIDE);
    let mut best = ((0, 0), f32::NEG_INFINITY);
    for ((y, x, _), &value) in grown.indexed_iter() {
        if value > best.1 {
            best = ((y, x), value);
        }
    }
    best.0
}

#[allow(dead_code, reason = "the test that includes this file has its own")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let Outcome { accuracy, inside, chance } = play(6000, 1000, 8)?;
    println!("{:.1} % of the digits are told right", 100.0 * accuracy);
    println!(
        "{:.1} % of the maps point inside of the digit; {:.1} % would by chance",
        100.0 * inside,
        100.0 * chance
    );
    Ok(())
}
