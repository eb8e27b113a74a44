//! ResNet-34 from residual units, trained on nothing: what the parts of an architecture look like in code.
//!
//! `cargo run --release -p convnet --example resnet34`

use convnet::prelude::*;
use convnet::vision::blocks::ResidualUnit;

/// He, Zhang, Ren, Sun, 2015, for 10 classes.
pub fn resnet34() -> convnet::nn::Result<Model> {
    let image = Symbol::input([224, 224, 3]);
    let first = Conv2D::new(64, 7).strides(2).padding(Padding::Same).use_bias(false);
    let x = image.apply(first)?.apply(BatchNormalization::new())?;
    let x = x.apply(convnet::nn::layers::Activation::new(Activation::Relu))?;
    let mut x = x.apply(MaxPooling2D::new(3).strides(2).padding(Padding::Same))?;
    let mut before = 64;
    for filters in [&[64; 3][..], &[128; 4], &[256; 6], &[512; 3]].concat() {
        let strides = if filters == before { 1 } else { 2 };
        x = ResidualUnit::new(filters).strides(strides).call(&x)?;
        before = filters;
    }
    let x = x.apply(GlobalAveragePooling2D::new())?;
    let classes = x.apply(Dense::new(10).activation(Activation::Softmax))?;
    Model::new(&[image], &[classes])
}

#[allow(dead_code, reason = "the test uses the function above only")]
fn main() -> convnet::nn::Result<()> {
    println!("{}", resnet34()?.summary(32)?);
    Ok(())
}
