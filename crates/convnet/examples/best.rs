//! As good as one network gets on MNIST in minutes, or on Fashion-MNIST in an hour: batch norm, augmentation, one cycle of the step size.
//!
//! `cargo run --release -p convnet --example best -- mnist|fashion-mnist [EPOCHS] [WIDTH]`

use std::ops::ControlFlow;

use convnet::data::Split;
use convnet::data::augment::{Augmented, Pipeline};
use convnet::nn::layers::{self, Conv2D};
use convnet::nn::optimizers::WithSettings;
use convnet::nn::schedules::OneCycle;
use convnet::nn::train::{EpochLog, On};
use convnet::prelude::*;
use ndarray::{Array4, s};

const BATCH: usize = 100;

/// Three pairs of convolutions, 28, 14 and 7 pixels wide, twice as many maps each time; `deep` puts two more around which there is a
/// shortcut after the second and the third.
fn network(width: usize, deep: bool) -> convnet::nn::Result<Model> {
    let image = Symbol::input([28, 28, 1]);
    let mut x = image.clone();
    for (stage, maps) in [width, 2 * width, 4 * width].into_iter().enumerate() {
        if stage > 0 {
            x = x.apply(MaxPooling2D::new(2))?;
        }
        x = convolve(&convolve(&x, maps)?, maps)?;
        if deep && stage > 0 {
            let inner = convolve(&convolve(&x, maps)?, maps)?;
            x = Symbol::merge(Add::new(), &[&x, &inner])?;
        }
    }
    let x = x.apply(GlobalAveragePooling2D::new())?.apply(Dropout::new(0.3))?;
    let classes = x.apply(Dense::new(10).activation(Activation::Softmax))?;
    Model::new(&[image], &[classes])
}

/// A convolution of 3 × 3, batch norm and a rectifier.
fn convolve(x: &Symbol, maps: usize) -> convnet::nn::Result<Symbol> {
    x.apply(Conv2D::new(maps, 3).padding(Padding::Same).use_bias(false))?
        .apply(BatchNormalization::new().momentum(0.9))?
        .apply(layers::Activation::new(Activation::Relu))
}

/// The share of right answers when the scores of a picture and of its mirror image are added.
fn accuracy_with_mirrors(model: &Model, test: &Split) -> Result<f64, Box<dyn std::error::Error>> {
    let all: Vec<usize> = (0..test.len()).collect();
    let (mut pixels, mut labels) = (vec![0.0; test.len() * 28 * 28], vec![0.0; test.len()]);
    test.batch(&all, &mut pixels, &mut labels)?;
    let pictures = Array4::from_shape_vec((test.len(), 28, 28, 1), pixels)?;
    let scores = model.predict(pictures.view())? + model.predict(pictures.slice(s![.., .., ..;-1, ..]))?;
    let right = (scores.outer_iter().zip(&labels))
        .filter(|(scores, label)| {
            let best = (0..10).max_by(|&a, &b| scores[a].total_cmp(&scores[b]));
            best == Some(**label as usize)
        })
        .count();
    Ok(right as f64 / test.len() as f64)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let name = arguments.first().map_or("mnist", String::as_str);
    let epochs: usize = arguments.get(1).map_or(Ok(12), |text| text.parse())?;
    let width: usize = arguments.get(2).map_or(Ok(32), |text| text.parse())?;
    // Digits have no mirror image, clothes have; clothes are not turned, but parts of them may be hidden.
    let clothes = name != "mnist";
    let changes = match clothes {
        false => "rotate=10,shift=0.08,shear=8,zoom=0.1",
        true => "flip,shift=0.08,zoom=0.08,erase:p=0.5",
    };
    let data = convnet::data::load(name)?;
    let test = data.test.ok_or("the data set has no test images")?;
    let augmented = Augmented::new(&data.train, changes.parse::<Pipeline>()?)?;
    let train = OneHot::new(&augmented, 10)?;
    let mut model = network(width, clothes)?;
    model.initialize(0);
    let steps = epochs * data.train.len().div_ceil(BATCH);
    let decayed = match clothes {
        false => Adam::default().with_weight_decay(0.002),
        true => Adam::default().with_weight_decay(0.05).exclude_from_weight_decay(["gamma", "beta", "bias"]),
    };
    let optimizer = decayed.schedule(OneCycle::new(0.01, steps as u64));
    let loss = CategoricalCrossentropy { label_smoothing: 0.1, ..Default::default() };
    model.compile(optimizer, loss, [Metric::Accuracy])?;
    let mut tell = On::new().epoch_end(|_, log: &mut EpochLog| {
        let (accuracy, seconds) = (log.val_metrics.first().map_or(0.0, |(_, value)| *value), log.seconds);
        println!("epoch {}: loss {:.4}, test accuracy {accuracy:.4}, {seconds:.0} s", log.epoch, log.loss);
        Ok(ControlFlow::Continue(()))
    });
    let test_hot = OneHot::new(&test, 10)?;
    model.fit_with(
        &train,
        Fit::new().epochs(epochs).batch_size(BATCH).validation_data(&test_hot),
        &mut [&mut tell],
    )?;
    println!("{:?}", model.evaluate(&test_hot)?);
    if clothes {
        println!("with mirror images: test accuracy {:.4}", accuracy_with_mirrors(&model, &test)?);
    }
    save_model(&model, format!("{name}-best.keras"))?;
    Ok(())
}
