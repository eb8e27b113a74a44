//! Occlusion: how much the score falls when a part of the picture is covered.

use convnet_nn::{Error, Model, Result};
use ndarray::{Array2, Array4, ArrayD, ArrayViewD, Axis, Ix2, Ix4, s};

use super::explainer::score_of;
use super::{Class, Explainer, Method};

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
    let method = Method::Occlusion { size, stride, cover };
    let found = Explainer::new(model).explain(x, &[Class::Number(class)], &[method])?;
    let first = super::first_of(super::only(found.values))?;
    Ok(first.into_dimensionality::<Ix2>().expect("rows and columns"))
}

pub(super) fn of(
    explainer: &mut Explainer<'_>,
    x: ArrayViewD<'_, f32>,
    classes: &[usize],
    size: usize,
    stride: usize,
    cover: f32,
) -> Result<ArrayD<f32>> {
    let sizes = format!("{:?}", x.shape());
    let x = x.into_dimensionality::<Ix4>().map_err(|_| {
        Error::argument("explain", format!("{sizes} is not a picture (1, height, width, channels)"))
    })?;
    let (count, height, width, channels) = x.dim();
    if stride == 0 || size == 0 || size > height.min(width) {
        let problem = format!("a square of {size} moved by {stride} does not fit {height} × {width}");
        return Err(Error::argument("occlusion", problem));
    }
    let whole = explainer.scores(x.into_dyn())?;
    let (rows, columns) = ((height - size) / stride + 1, (width - size) / stride + 1);
    let mut falls = ndarray::Array3::zeros((count, rows, columns));
    for (sample, &class) in classes.iter().enumerate() {
        let places: Vec<(usize, usize)> =
            (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column))).collect();
        let score =
            |scores: ArrayViewD<'_, f32>| score_of(&scores.iter().copied().collect::<Vec<f32>>(), class);
        let full = score(whole.index_axis(Axis(0), sample));
        for part in places.chunks(16) {
            let mut covered = Array4::zeros((part.len(), height, width, channels));
            for (mut picture, &(row, column)) in covered.axis_iter_mut(Axis(0)).zip(part) {
                let (top, left) = (row * stride, column * stride);
                picture.assign(&x.index_axis(Axis(0), sample));
                picture.slice_mut(s![top..top + size, left..left + size, ..]).fill(cover);
            }
            let scores = explainer.scores(covered.view().into_dyn())?;
            for (scores, &(row, column)) in scores.axis_iter(Axis(0)).zip(part) {
                falls[[sample, row, column]] = full - score(scores);
            }
        }
    }
    Ok(falls.into_dyn())
}
