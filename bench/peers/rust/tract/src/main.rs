//! tract: `bench-tract resnet50 --mode infer --batch 1 --threads 2 --seconds 3 --model FILE.onnx`. It predicts only.

#[path = "../../measure.rs"]
mod measure;

use measure::{Arguments, Mode};
use tract_linalg::multithread::{Executor, set_default_executor};
use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::anyhow;

fn main() -> TractResult<()> {
    let args = Arguments::parse();
    if args.mode == Mode::Train {
        return Err(anyhow!("tract does not train"));
    }
    if args.threads > 1 {
        set_default_executor(Executor::multithread(args.threads));
    }
    let shape = [args.batch, args.input[2], args.input[0], args.input[1]];
    let model =
        onnx().model_for_path(args.model.as_ref().ok_or_else(|| anyhow!("--model FILE.onnx is missing"))?)?;
    let model = model.with_input_fact(0, f32::fact(shape).into())?.into_optimized()?.into_runnable()?;
    let images: TValue = Tensor::from_shape(&shape, &measure::noise(shape.iter().product()))?.into();
    let mut state = model.spawn()?;
    let seconds = measure::seconds(&args, || state.run(tvec![images.clone()]).map(|_| ()))?;
    measure::report("tract", &args, seconds, None);
    Ok(())
}
