//! Transfer learning on photos, a folder a class: an Xception base, frozen first and then trained on, as A. Géron, Hands-On Machine Learning,
//! chapter 14, does it on flowers. A tenth of the photos is for tests, 15 % for validation.
//!
//! `cargo run --release -p convnet --example flowers -- PHOTOS [xception_weights_tf_dim_ordering_tf_kernels_notop.h5 [SIDE]]`

use std::path::Path;

use convnet::data::{ImageFolder, SampleSet, Shares};
use convnet::interop::keras;
use convnet::nn::schedules::InverseTimeDecay;
use convnet::nn::train::Scores;
use convnet::prelude::*;
use convnet::vision::zoo;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// How it is trained.
#[derive(Clone, Debug)]
pub struct Recipe<'r> {
    /// Weights of the base, without top, as Keras publishes them; random ones if there are none.
    pub weights: Option<&'r Path>,
    /// Height and width of the photos.
    pub side: usize,
    /// Photos in a step.
    pub batch: usize,
    /// Epochs with a frozen base, and with all of it.
    pub epochs: [usize; 2],
}

/// What came of it.
#[derive(Debug)]
pub struct Trained {
    /// The model.
    pub model: Model,
    /// Of the frozen base, and of all of it.
    pub histories: [History; 2],
    /// On the photos for tests.
    pub test: Scores,
}

/// Trains on a folder.
pub fn train(folder: &Path, recipe: &Recipe<'_>) -> Outcome<Trained> {
    let photos = ImageFolder::new(folder).image_size(recipe.side, recipe.side).open()?;
    let shares = Shares::new(&[0.1, 0.15, 0.75])?.seed(42).stratified();
    let parts = SampleSet::new(photos.train).split(shares)?;
    // Shuffling, batches and decoding ahead are `fit`'s. What is left of the pipeline is what a photo becomes: −1 … 1, as Xception wants it.
    let scaled = |part: &SampleSet| {
        part.map(|_visit, _number, sample| {
            sample.inputs[0].iter_mut().for_each(|pixel| *pixel = 2.0 * *pixel - 1.0)
        })
    };
    let [test, validation, train] = [scaled(&parts[0]), scaled(&parts[1]), scaled(&parts[2])];

    let mut base = zoo::xception().input_shape([recipe.side, recipe.side, 3]).include_top(false).build()?;
    if let Some(weights) = recipe.weights {
        keras::load_weights(&mut base, weights)?;
    }
    let symbols = base.symbols();
    let pooled = symbols.outputs()[0].apply(GlobalAveragePooling2D::new())?;
    let classes = Dense::new(photos.class_names.len()).activation(Activation::Softmax);
    let mut model = Model::new(symbols.inputs(), &[pooled.apply(classes)?])?;
    model.set_class_names(photos.class_names);

    for layer in base.layers() {
        model.set_trainable(layer.name(), false)?;
    }
    let options = Fit::new().batch_size(recipe.batch).validation_data(&validation).seed(42);
    // Keras 2's `decay`: the step size is divided by 1 + decay · steps.
    let falling = |rate: f32, decay: f64| {
        Sgd::new(rate).momentum(0.9).schedule(InverseTimeDecay::new(f64::from(rate), 1.0, decay))
    };
    model.compile(falling(0.2, 0.01), SparseCategoricalCrossentropy::default(), [Metric::Accuracy])?;
    let frozen = model.fit(&train, options.epochs(recipe.epochs[0]))?;

    model.set_all_trainable(true);
    model.compile(falling(0.01, 0.001), SparseCategoricalCrossentropy::default(), [Metric::Accuracy])?;
    let whole = model.fit(&train, options.epochs(recipe.epochs[1]))?;
    let test = model.evaluate(&test)?;
    Ok(Trained { model, histories: [frozen, whole], test })
}

#[allow(dead_code, reason = "the test uses the function above only")]
fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let folder = arguments.first().ok_or("name a folder of photos")?;
    let weights = arguments.get(1).map(Path::new);
    let side = arguments.get(2).map_or(Ok(224), |text| text.parse())?;
    let trained = train(Path::new(folder), &Recipe { weights, side, batch: 32, epochs: [5, 15] })?;
    for history in &trained.histories {
        println!("{}", history.to_csv());
    }
    println!("{:?}", trained.test);
    save_model(&trained.model, "flowers.keras")?;
    Ok(())
}
