//! A network that takes a shortcut, and how averaged heat maps show it: pictures of threes have a bright sky, pictures of fives a dark one. The
//! network tells them apart by the sky, as one that was to find tanks once did by the weather.
//!
//! `cargo run --release -p convnet --example shortcut`
//!
//! writes pictures and the model, for `convnet explain shortcut.keras --dataset shortcut --method grad-cam --out averages.png`.

use std::fs;

use convnet::prelude::*;
use convnet::vision::explain::{Average, Class, Explainer, Method};
use ndarray::{Axis, Ix2, s};

mod clutter;
use clutter::{Clutter, Random, Scenes};

const KINDS: [u32; 2] = [3, 5];
const NAMES: [&str; 2] = ["three", "five"];

/// Side of a picture, and how many rows of it are sky.
const SIDE: usize = 48;
const SKY: usize = 10;

/// What the sky tells of the class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sky {
    /// Bright means three.
    Tells,
    /// Bright means five.
    Lies,
    /// Nothing.
    Random,
}

/// Digits under a sky.
///
/// # Errors
/// If MNIST cannot be opened.
pub fn pictures(test: bool, count: usize, sky: Sky) -> Result<Scenes, Box<dyn std::error::Error>> {
    let mnist = convnet::data::load("mnist")?;
    let split = if test { mnist.test.ok_or("MNIST has test images")? } else { mnist.train };
    let seed = 1 + u64::from(test);
    let mut scenes = Clutter { side: SIDE, fragments: 4, piece: 7 }.scenes(&split, &KINDS, count, seed);
    let mut random = Random(seed + 10);
    for (mut picture, &class) in scenes.pictures.outer_iter_mut().zip(&scenes.classes) {
        let is_bright = match sky {
            Sky::Tells => class == 0.0,
            Sky::Lies => class == 1.0,
            Sky::Random => random.below(2) == 0,
        };
        let light = if is_bright { 0.75 } else { 0.05 };
        let noise = |random: &mut Random| light + 0.2 * random.below(1000) as f32 / 1000.0;
        picture.slice_mut(s![..SKY, .., ..]).mapv_inplace(|_| noise(&mut random));
    }
    Ok(scenes)
}

/// A network trained on pictures whose sky means this.
///
/// # Errors
/// If MNIST cannot be opened.
pub fn trained(count: usize, epochs: usize, sky: Sky) -> Result<Model, Box<dyn std::error::Error>> {
    let maps = |filters| Conv2D::new(filters, 3).padding(Padding::Same).activation(Activation::Relu);
    let mut model = Sequential::new([SIDE, SIDE, 1])
        .add(maps(8))
        .add(MaxPooling2D::new(2))
        .add(maps(16))
        .add(MaxPooling2D::new(2))
        .add(maps(24))
        .add(GlobalAveragePooling2D::new())
        .add(Dense::new(2).activation(Activation::Softmax))
        .build()?;
    model.compile(Adam::new(0.003), SparseCategoricalCrossentropy::default(), [Metric::Accuracy])?;
    let scenes = pictures(false, count, sky)?;
    let arrays = Arrays::new(scenes.pictures.view(), scenes.classes.view())?;
    model.fit(&arrays, Fit::new().epochs(epochs).batch_size(32))?;
    model.set_class_names(NAMES.map(str::to_owned).to_vec());
    Ok(model)
}

/// The share of pictures told right.
///
/// # Errors
/// If they do not fit the model.
pub fn accuracy(model: &Model, scenes: &Scenes) -> convnet::nn::Result<f64> {
    let outputs = model.predict(scenes.pictures.view())?;
    let rows = outputs.axis_iter(Axis(0)).zip(&scenes.classes);
    let right = rows.filter(|(row, class)| (row[1] > row[0]) == (**class == 1.0)).count();
    Ok(right as f64 / scenes.classes.len() as f64)
}

/// For each class the share of the mean Grad-CAM map that lies in the sky.
///
/// # Errors
/// If the pictures do not fit the model.
pub fn share_of_sky(model: &Model, scenes: &Scenes) -> convnet::nn::Result<[f32; 2]> {
    let mut explainer = Explainer::new(model);
    let mut shares = [0.0; 2];
    for (class, share) in shares.iter_mut().enumerate() {
        let of_class: Vec<usize> =
            (0..scenes.classes.len()).filter(|&at| scenes.classes[at] == class as f32).collect();
        let x = scenes.pictures.select(Axis(0), &of_class);
        let found = explainer.explain(x.view().into_dyn(), &[Class::Number(class)], &[Method::GradCam])?;
        let mut average = Average::new(SIDE, SIDE, 1)?;
        for (picture, map) in x.outer_iter().zip(found.values[0].axis_iter(Axis(0))) {
            average.add(picture, map.into_dimensionality::<Ix2>().expect("rows and columns"))?;
        }
        let map = average.map();
        *share = map.slice(s![..SKY, ..]).sum() / map.sum().max(f32::MIN_POSITIVE);
    }
    Ok(shares)
}

#[allow(dead_code, reason = "the test that includes this file has its own")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    for sky in [Sky::Tells, Sky::Random] {
        let model = trained(3000, 4, sky)?;
        println!("trained where the sky is {sky:?}:");
        for test in [Sky::Tells, Sky::Lies] {
            let scenes = pictures(true, 400, test)?;
            println!("  {:.1} % right where the sky {test:?}", 100.0 * accuracy(&model, &scenes)?);
        }
        let [three, five] = share_of_sky(&model, &pictures(true, 400, sky)?)?;
        println!(
            "  the sky has {:.0} % of the mean map of threes, {:.0} % of fives",
            100.0 * three,
            100.0 * five
        );
        if sky == Sky::Tells {
            save_model(&model, "shortcut.keras")?;
        }
    }
    let scenes = pictures(true, 200, Sky::Tells)?;
    for (index, (picture, &class)) in scenes.pictures.outer_iter().zip(&scenes.classes).enumerate() {
        let folder = format!("shortcut/{}", NAMES[class as usize]);
        fs::create_dir_all(&folder)?;
        let bytes: Vec<u8> =
            picture.iter().map(|light| (light.clamp(0.0, 1.0) * 255.0).round() as u8).collect();
        fs::write(
            format!("{folder}/{index:03}.png"),
            convnet::data::images::encode_png(&bytes, SIDE, SIDE, 1)?,
        )?;
    }
    println!("now: convnet explain shortcut.keras --dataset shortcut --method grad-cam --out averages.png");
    Ok(())
}
