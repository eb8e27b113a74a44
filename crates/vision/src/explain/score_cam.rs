//! Score-CAM: maps weighed by what the model says of the picture seen through them.

use convnet_nn::{Error, Model, Result};
use ndarray::{Array2, Array4, ArrayD, ArrayView2, ArrayView4, ArrayViewD, Axis, Ix4};

use super::explainer::score_of;
use super::{Explainer, Method, grad_cam};
use crate::draw::resized_map;

/// The maps of a layer `(height, width)`, summed with a weight each, after ReLU, not normalised; of the first sample. The weights are the
/// softmax over the maps of the class's scores for the picture times each map, which is brought to the picture's size and to 0 … 1 before
/// (Wang and others, 2020, <https://arxiv.org/abs/1910.01279>). That is a prediction a map; with `most_maps` only those that vary most are
/// taken.
///
/// # Errors
/// As [`grad_cam`](super::grad_cam()).
pub fn score_cam(
    model: &Model,
    x: ArrayViewD<'_, f32>,
    class: usize,
    layer: Option<&str>,
    most_maps: Option<usize>,
) -> Result<Array2<f32>> {
    grad_cam::first(model, x, class, layer, Method::ScoreCam { most_maps })
}

pub(super) fn of_maps(
    explainer: &mut Explainer<'_>,
    x: ArrayViewD<'_, f32>,
    classes: &[usize],
    layer: &ArrayD<f32>,
    most_maps: Option<usize>,
) -> Result<ArrayD<f32>> {
    let layer = grad_cam::maps(layer);
    if most_maps == Some(0) {
        return Err(Error::argument("most_maps", "must be at least 1"));
    }
    let sizes = format!("{:?}", x.shape());
    let x: ArrayView4<'_, f32> = x.into_dimensionality::<Ix4>().map_err(|_| {
        Error::argument("explain", format!("{sizes} is not a picture (1, height, width, channels)"))
    })?;
    let (_, height, width, channels) = x.dim();
    let mut weights = Array2::<f32>::zeros((layer.dim().0, layer.dim().3));
    for (sample, &class) in classes.iter().enumerate() {
        let (picture, maps) = (x.index_axis(Axis(0), sample), layer.index_axis(Axis(0), sample));
        let mut order: Vec<usize> = (0..maps.dim().2).collect();
        if let Some(most) = most_maps {
            let spread = |map: usize| f64::from(variance(maps.index_axis(Axis(2), map)));
            order.sort_by(|&a, &b| spread(b).total_cmp(&spread(a)));
            order.truncate(most);
        }
        let mut scores = Vec::with_capacity(order.len());
        for part in order.chunks(16) {
            let mut seen = Array4::zeros((part.len(), height, width, channels));
            for (mut seen, &map) in seen.axis_iter_mut(Axis(0)).zip(part) {
                let mask = resized_map(maps.index_axis(Axis(2), map), height, width);
                let mask = super::pictures::normalised(mask.view()).insert_axis(Axis(2));
                seen.assign(&(&picture * &mask));
            }
            for row in explainer.scores(seen.view().into_dyn())?.axis_iter(Axis(0)) {
                scores.push(score_of(&row.iter().copied().collect::<Vec<f32>>(), class));
            }
        }
        let most = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let total: f32 = scores.iter().map(|score| (score - most).exp()).sum();
        for (&map, score) in order.iter().zip(&scores) {
            weights[[sample, map]] = (score - most).exp() / total;
        }
    }
    Ok(grad_cam::weighed(layer, |sample, map| weights[[sample, map]]).into_dyn())
}

fn variance(map: ArrayView2<'_, f32>) -> f32 {
    let mean = map.mean().unwrap_or(0.0);
    map.fold(0.0, |sum, value| sum + (value - mean) * (value - mean))
}
