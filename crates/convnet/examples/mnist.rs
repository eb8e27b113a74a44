//! The whole way: data, model, training, evaluation, prediction, and a file that Keras opens.
//!
//! `cargo run --release -p convnet --example mnist`

use convnet::prelude::*;

/// Layers in a row.
fn sequential() -> convnet::nn::Result<Model> {
    Sequential::new([28, 28, 1])
        .add(Conv2D::new(32, 3).activation(Activation::Relu))
        .add(MaxPooling2D::new(2))
        .add(Conv2D::new(64, 3).activation(Activation::Relu))
        .add(MaxPooling2D::new(2))
        .add(Conv2D::new(64, 3).activation(Activation::Relu))
        .add(Flatten::new())
        .add(Dense::new(64).activation(Activation::Relu))
        .add(Dense::new(10).activation(Activation::Softmax))
        .build()
}

/// Layers called on symbols.
fn functional() -> convnet::nn::Result<Model> {
    let image = Symbol::input([28, 28, 1]);
    let x = image.apply(Conv2D::new(32, 3).activation(Activation::Relu))?;
    let x = x.apply(MaxPooling2D::new(2))?;
    let x = x.apply(Conv2D::new(64, 3).activation(Activation::Relu))?;
    let x = x.apply(MaxPooling2D::new(2))?;
    let x = x.apply(Conv2D::new(128, 3).activation(Activation::Relu))?;
    let classes = x.apply(Flatten::new())?.apply(Dense::new(10).activation(Activation::Softmax))?;
    Model::new(&[image], &[classes])
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mnist = convnet::data::load("mnist")?;
    let test = mnist.test.ok_or("MNIST has test images")?;

    let mut model = functional()?;
    model.compile(RmsProp::default(), SparseCategoricalCrossentropy::default(), [Metric::Accuracy])?;
    println!("{}", model.summary(64)?);
    model.fit(&mnist.train, Fit::new().epochs(5).batch_size(64))?;
    println!("functional: {:?}", model.evaluate(&test)?);

    save_model(&model, "mnist.keras")?;
    let loaded = load_model("mnist.keras")?;
    let digits = test.slice(0..3)?;
    println!("{:.3}\nare {:?}", loaded.predict(digits.to_pixels().view())?, digits.labels());

    // The same for a row of layers, with labels as rows of zeros and a one.
    let mut model = sequential()?;
    model.compile(RmsProp::default(), CategoricalCrossentropy::default(), [Metric::Accuracy])?;
    let (one_hot, one_hot_test) = (OneHot::new(&mnist.train, 10)?, OneHot::new(&test, 10)?);
    let history = model.fit(&one_hot, Fit::new().epochs(5).batch_size(64).validation_split(0.1))?;
    println!("sequential: {:?} after {:?}", model.evaluate(&one_hot_test)?, history.epochs.last());
    Ok(())
}
