//! burn on its CPU backend: `bench-burn resnet18 --mode train --batch 16 --input 112x112x3 --threads 2 --seconds 3`.

#[path = "../../measure.rs"]
mod measure;
mod network;

use std::convert::Infallible;

use burn::nn::loss::CrossEntropyLossConfig;
use burn::optim::momentum::MomentumConfig;
use burn::optim::{GradientsParams, RmsPropConfig, SgdConfig};
use burn::prelude::*;
use burn::tensor::activation::softmax;
use measure::{Arguments, Mode};
use network::Network;

fn main() {
    let args = Arguments::parse();
    let device = match args.mode {
        Mode::Train => Device::flex().autodiff(),
        Mode::Infer => Device::flex(),
    };
    let Some(model) = Network::named(&args.network, &device) else {
        eprintln!("{} is not written for burn", args.network);
        std::process::exit(2)
    };
    let parameters = model.num_params(); // the moving statistics of batch norms too
    let [height, width, channels] = args.input;
    let images = measure::noise(args.batch * channels * height * width);
    let images =
        Tensor::<4>::from_data(TensorData::new(images, [args.batch, channels, height, width]), &device);
    let Ok(seconds) = match args.mode {
        Mode::Train => train(&args, model, images, &device),
        Mode::Infer => measure::seconds(&args, || -> Result<(), Infallible> {
            softmax(model.forward(images.clone()), 1).into_data();
            Ok(())
        }),
    };
    measure::report("burn", &args, seconds, Some(parameters));
}

fn train(args: &Arguments, model: Network, images: Tensor<4>, device: &Device) -> Result<f64, Infallible> {
    let labels: Vec<i32> = (0..args.batch as i32).map(|i| i % 10).collect();
    let labels = Tensor::<1, Int>::from_ints(labels.as_slice(), device);
    let loss = CrossEntropyLossConfig::new().init(device);
    let mut optimizer = match args.network.as_str() {
        "mnist-functional" => {
            RmsPropConfig::new().with_alpha(0.9).with_momentum(0.0).with_epsilon(1e-7).init()
        }
        _ => SgdConfig::new().with_momentum(Some(MomentumConfig::new().with_dampening(0.0))).init(),
    };
    let mut model = Some(model);
    measure::seconds(args, || {
        if let Some(trained) = model.take() {
            let loss = loss.forward(trained.forward(images.clone()), labels.clone());
            let gradients = GradientsParams::from_grads(loss.backward(), &trained);
            model = Some(optimizer.step(1e-7, trained, gradients));
            loss.into_data();
        }
        Ok(())
    })
}
