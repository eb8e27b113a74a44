//! candle: `bench-candle resnet18 --mode train --batch 16 --input 112x112x3 --threads 2 --seconds 3`.

#[path = "../../measure.rs"]
mod measure;
mod network;

use candle_core::{DType, Device, ModuleT, Result, Tensor, Var};
use candle_nn::{VarBuilder, VarMap, loss, ops};
use measure::{Arguments, Mode};
use network::Network;

const LEARNING_RATE: f64 = 1e-7;

fn main() -> Result<()> {
    let args = Arguments::parse();
    let [height, width, channels] = args.input;
    let images = measure::noise(args.batch * channels * height * width);
    let images = Tensor::from_vec(images, (args.batch, channels, height, width), &Device::Cpu)?;
    let variables = VarMap::new();
    let mut model =
        Network::named(&args.network, VarBuilder::from_varmap(&variables, DType::F32, &Device::Cpu))?;
    let trained: Vec<Var> = match variables.data().lock() {
        Ok(named) => {
            named.iter().filter(|(name, _)| !name.contains("running_")).map(|(_, var)| var.clone()).collect()
        }
        Err(_) => candle_core::bail!("the variables are locked"),
    };
    let parameters = trained.iter().map(|var| var.elem_count()).sum();
    let seconds = match args.mode {
        Mode::Train => train(&args, &model, trained, &images)?,
        Mode::Infer => {
            model.fold()?;
            measure::seconds(&args, || {
                ops::softmax(&model.forward_t(&images, false)?, 1)?.to_vec2::<f32>().map(|_| ())
            })?
        }
    };
    measure::report("candle", &args, seconds, Some(parameters));
    Ok(())
}

fn train(args: &Arguments, model: &Network, trained: Vec<Var>, images: &Tensor) -> Result<f64> {
    let labels = Tensor::from_vec(
        (0..args.batch as u32).map(|i| i % 10).collect::<Vec<_>>(),
        args.batch,
        &Device::Cpu,
    )?;
    let mut states = trained.iter().map(|var| var.zeros_like()).collect::<Result<Vec<_>>>()?;
    let step_of = match args.network.as_str() {
        "mnist-functional" => rmsprop,
        _ => momentum,
    };
    measure::seconds(args, || {
        let loss = loss::cross_entropy(&model.forward_t(images, true)?, &labels)?;
        let gradients = loss.backward()?;
        for (var, state) in trained.iter().zip(&mut states) {
            if let Some(gradient) = gradients.get(var) {
                var.set(
                    &(var.as_detached_tensor() - (step_of(state, &gradient.detach())? * LEARNING_RATE)?)?,
                )?;
            }
        }
        loss.to_scalar::<f32>().map(|_| ())
    })
}

// candle brings neither optimizer. Each changes its state and gives the step to take.

fn rmsprop(squares: &mut Tensor, gradient: &Tensor) -> Result<Tensor> {
    *squares = ((&*squares * 0.9)? + (gradient.sqr()? * 0.1)?)?;
    gradient / (squares.sqrt()? + 1e-7)?
}

fn momentum(velocity: &mut Tensor, gradient: &Tensor) -> Result<Tensor> {
    *velocity = ((&*velocity * 0.9)? + gradient)?;
    Ok(velocity.clone())
}
