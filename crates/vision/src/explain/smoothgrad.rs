//! SmoothGrad: saliency, averaged over noisy copies.

use convnet_nn::model::{Reading, Start};
use convnet_nn::{Error, Model, Result};
use ndarray::{ArrayD, ArrayViewD, Axis};

/// The mean of [`saliency`](super::saliency) over `copies` of the input with Gaussian noise, whose standard deviation is the
/// share `noise` of the input's range (Smilkov and others, 2017, <https://arxiv.org/abs/1706.03825>).
///
/// # Errors
/// If the sizes are not those of the model's input, there is no such class, or no copy.
pub fn smoothgrad(
    model: &Model,
    x: ArrayViewD<'_, f32>,
    class: usize,
    copies: usize,
    noise: f32,
    seed: u64,
) -> Result<ArrayD<f32>> {
    if copies == 0 {
        return Err(Error::argument("copies", "must be at least 1"));
    }
    let mut probe = model.probe(&Start::Scores, &[Reading::GradientByInput], false)?;
    let class = super::seed_of_class(probe.start_shape(), class)?;
    let (low, high) = x
        .iter()
        .fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), &value| (low.min(value), high.max(value)));
    let deviation = noise * (high - low);
    let mut state = seed;
    let mut sum = ArrayD::<f32>::zeros(x.raw_dim());
    for _ in 0..copies {
        let noisy = x.mapv(|value| value + deviation * normal(&mut state));
        sum += &probe.run(noisy.view(), &class)?.remove(0);
    }
    debug_assert!(sum.len_of(Axis(0)) == x.len_of(Axis(0)));
    Ok(sum / copies as f32)
}

/// A number from the normal distribution, by Box and Muller.
fn normal(state: &mut u64) -> f32 {
    let mut uniform = || {
        // SplitMix64.
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((bits ^ (bits >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    };
    let (a, b) = (1.0 - uniform(), uniform());
    ((-2.0 * a.ln()).sqrt() * (std::f64::consts::TAU * b).cos()) as f32
}
