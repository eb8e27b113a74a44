//! A smile detector from an HDF5 file with the arrays `train_set_x` (count, 64, 64, 3) of bytes, `train_set_y` (count) and the same for tests, which
//! `bench/faces.py` makes of drawn faces.
//!
//! `cargo run --release -p convnet --example smiles -- faces.h5`

use std::path::Path;

use convnet::data::Shares;
use convnet::nn::metrics::{ClassReport, ConfusionMatrix};
use convnet::nn::train::EarlyStopping;
use convnet::prelude::*;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// Two blocks of convolution, batch norm, pooling and dropout, and two dense layers: 1,063,073 parameters.
pub fn detector() -> convnet::nn::Result<Model> {
    let conv = |filters| Conv2D::new(filters, 5).padding(Padding::Same).activation(Activation::Relu);
    Sequential::new([64, 64, 3])
        .add(conv(16))
        .add(BatchNormalization::new())
        .add(MaxPooling2D::new(2))
        .add(Dropout::new(0.1))
        .add(conv(32))
        .add(BatchNormalization::new())
        .add(MaxPooling2D::new(2))
        .add(Dropout::new(0.1))
        .add(Flatten::new())
        .add(Dense::new(128).activation(Activation::Relu))
        .add(Dense::new(1).activation(Activation::Sigmoid))
        .build()
}

/// What came of a training.
#[derive(Debug)]
pub struct Trained {
    /// With the weights of its best epoch.
    pub model: Model,
    /// Epoch by epoch.
    pub history: History,
    /// On the faces for tests: true classes in rows, predicted ones in columns.
    pub confusion: ConfusionMatrix,
    /// Precision, recall and F1 on them.
    pub report: ClassReport,
}

/// Trains until the loss on a fifth that is kept back has not fallen for `patience` epochs.
pub fn train(file: &Path, epochs: usize, patience: usize) -> Outcome<Trained> {
    let faces = convnet::data::open(&file.display().to_string())?;
    let test = faces.test.ok_or("the file has no arrays for tests")?.binary()?;
    let parts = faces.train.split(Shares::new(&[0.8, 0.2])?.seed(1).stratified())?;
    let (train, validation) = (parts[0].binary()?, parts[1].binary()?);
    let mut model = detector()?;
    model.initialize(0);
    model.compile(Adam::default(), BinaryCrossentropy::default(), [Metric::Accuracy])?;
    let mut stop = EarlyStopping::new("val_loss").patience(patience).restore_best_weights(true);
    let options = Fit::new().epochs(epochs).batch_size(32).validation_data(&validation);
    let history = model.fit_with(&train, options, &mut [&mut stop])?;
    let confusion = model.confusion_matrix(&test)?;
    let report = confusion.report().named(faces.class_names);
    Ok(Trained { model, history, confusion, report })
}

#[allow(dead_code, reason = "the test uses the functions above only")]
fn main() -> Outcome<()> {
    let file = std::env::args().nth(1).ok_or("name an HDF5 file")?;
    let trained = train(Path::new(&file), 40, 5)?;
    println!("{}", trained.history.to_csv());
    println!("{}\n\n{:?}", trained.report, trained.confusion.counts());
    save_model(&trained.model, "smiles.keras")?;
    Ok(())
}
