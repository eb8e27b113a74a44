//! Occlusion: how much the score falls when a part of the picture is covered.

use convnet_nn::model::{Reading, Start};
use convnet_nn::{Error, Model, Result};
use ndarray::{Array2, ArrayViewD, Axis, Ix4, s};

/// The fall of the score of a class when a square of `size` pixels, moved by `stride`, is covered with `cover`:
/// `(rows, columns)` of places, of the first sample (Zeiler, Fergus, 2014, <https://arxiv.org/abs/1311.2901>).
///
/// # Errors
/// If the sizes are not those of the model's input, there is no such class, or the square does not fit.
pub fn occlusion(
    model: &Model,
    x: ArrayViewD<'_, f32>,
    class: usize,
    size: usize,
    stride: usize,
    cover: f32,
) -> Result<Array2<f32>> {
    let sizes = format!("{:?}", x.shape());
    let x = x.into_dimensionality::<Ix4>().map_err(|_| {
        Error::argument("explain", format!("{sizes} is not a picture (1, height, width, channels)"))
    })?;
    let (height, width) = (x.len_of(Axis(1)), x.len_of(Axis(2)));
    if stride == 0 || size == 0 || size > height.min(width) || x.is_empty() {
        let problem = format!("a square of {size} moved by {stride} does not fit {height} × {width}");
        return Err(Error::argument("occlusion", problem));
    }
    let mut probe = model.probe(&Start::Scores, &[Reading::Scores], false)?;
    let seed = super::seed_of_class(probe.start_shape(), class)?;
    let picture = x.slice(s![0..1, .., .., ..]).to_owned();
    let mut score = |picture: &ndarray::Array4<f32>| -> Result<f32> {
        let scores = probe.run(picture.view().into_dyn(), &seed)?.remove(0);
        Ok(scores.iter().zip(&seed).map(|(score, seed)| score * seed).sum())
    };
    let whole = score(&picture)?;
    let mut falls = Array2::zeros(((height - size) / stride + 1, (width - size) / stride + 1));
    for ((row, column), fall) in falls.indexed_iter_mut() {
        let mut covered = picture.clone();
        let (top, left) = (row * stride, column * stride);
        covered.slice_mut(s![.., top..top + size, left..left + size, ..]).fill(cover);
        *fall = whole - score(&covered)?;
    }
    Ok(falls)
}
