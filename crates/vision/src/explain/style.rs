//! Style transfer: what one photo shows, painted as another is.

use convnet_nn::engine::ops::{
    Binary, BinaryFunction, MatMul, Multiply, Permute, Reduce, ReduceFunction, Reshape, ScaleShift, Sum,
};
use convnet_nn::engine::{Graph, Value};
use convnet_nn::model::{Goal, Question, Reading, Start};
use convnet_nn::{Error, Model, Result};
use ndarray::{Array2, Array3, Array4, ArrayD, ArrayView3, ArrayViewD, Axis};

use super::minimise::{adam, lbfgs};
use super::{Pixels, ascent::total_variation};

/// How the picture is looked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Solver {
    /// Adam at this rate, pixels being 0 … 1.
    Adam(f32),
    /// L-BFGS.
    Lbfgs,
}

/// What is kept of which photo, and how.
#[derive(Clone, Debug, PartialEq)]
pub struct Style {
    /// Layers whose outputs shall be those of the content's photo, with weights.
    pub content: Vec<(String, f32)>,
    /// Layers whose channels shall go together as in the style's photo, with weights.
    pub style: Vec<(String, f32)>,
    /// Weight of the total variation, as a mean over the pixels.
    pub total_variation: f32,
    /// How.
    pub solver: Solver,
    /// Steps.
    pub steps: usize,
}

/// A picture of the size of `content`, `(height, width, channels)` of light of 0 … 1 as both photos: it begins as the content, and
/// comes to have its outputs in some layers, and in others the Gram matrices (products of each two channels, as means over the positions) of
/// `paint` (Gatys, Ecker, Bethge, 2015, <https://arxiv.org/abs/1508.06576>). Differences are mean squares as shares of the mean square of what they shall
/// be, so that weights mean the same in all layers. `seen` is shown the picture after each step, and the loss.
///
/// # Errors
/// If there is no such layer, the layers do not take the photos' sizes, or numbers are impossible.
pub fn style(
    model: &Model,
    content: ArrayView3<'_, f32>,
    paint: ArrayView3<'_, f32>,
    pixels: &Pixels,
    style: &Style,
    mut seen: impl FnMut(Array3<f32>, f64),
) -> Result<Array3<f32>> {
    if style.style.is_empty() || style.steps == 0 {
        return Err(Error::argument("style", "it needs a layer for the style and a step at least"));
    }
    let (contents, styles) = (super::names(&style.content), super::names(&style.style));
    let names = [&contents[..], &styles[..]].concat();
    let front = super::front(model, &names)?;
    let look = |photo: ArrayView3<'_, f32>, layers: &[&str]| -> Result<Vec<ArrayD<f32>>> {
        let readings: Vec<Reading> = layers.iter().map(|&layer| Reading::Layer(layer.to_owned())).collect();
        let Some(&first) = layers.first() else { return Ok(Vec::new()) };
        let question = Question::new(Start::Layer(first.to_owned()), readings);
        let sizes = [photo.dim().0, photo.dim().1, photo.dim().2];
        let mut probe = front.as_ref().unwrap_or(model).probe(&question.of_input(sizes))?;
        pixels.run(&mut probe, &pixels.light(photo), &[], &[])
    };
    let mut wanted: Vec<ArrayD<f32>> = look(content, &contents)?;
    wanted.extend(look(paint, &styles)?.iter().map(gram).collect::<Result<Vec<_>>>()?);
    let weights: Vec<f32> = style.content.iter().chain(&style.style).map(|(_, weight)| *weight).collect();
    let scales: Vec<f32> =
        wanted.iter().zip(&weights).map(|(wanted, weight)| weight / mean_square(wanted)).collect();
    let given: Vec<Vec<usize>> = wanted
        .iter()
        .enumerate()
        .map(|(index, wanted)| wanted.shape()[usize::from(index < contents.len())..].to_vec())
        .collect();
    let many = contents.len();
    let goal = Goal::new(names, move |graph, layers, given| {
        let mut parts = Vec::new();
        for (index, (&layer, &wanted)) in layers.iter().zip(given).enumerate() {
            let value = if index < many { layer } else { gram_node(graph, layer)? };
            let axes: Vec<usize> = (0..graph.shape(value).dims.len()).collect();
            let away = graph.apply(Binary(BinaryFunction::Subtract), &[value, wanted])?;
            let squares = graph.apply(Multiply, &[away, away])?;
            let mean = graph.apply(Reduce::new(ReduceFunction::Mean, axes), &[squares])?;
            parts.push(graph.apply(ScaleShift { scale: scales[index], shift: 0.0 }, &[mean])?);
        }
        Ok(if parts.len() == 1 { parts[0] } else { graph.apply(Sum, &parts)? })
    });
    let sizes = [content.dim().0, content.dim().1, content.dim().2];
    let question = Question::new(Start::Goal(goal.given(given)), [Reading::Start, Reading::GradientByInput]);
    let mut probe = front.as_ref().unwrap_or(model).probe(&question.of_input(sizes))?;
    let wanted: Vec<Vec<f32>> = wanted.iter().map(|wanted| wanted.iter().copied().collect()).collect();
    let wanted: Vec<&[f32]> = wanted.iter().map(Vec::as_slice).collect();
    let picture = |x: &[f32]| {
        Array4::from_shape_vec([1, sizes[0], sizes[1], sizes[2]], x.to_vec()).expect("as many as it had")
    };
    let slope = |x: &[f32]| {
        let light = picture(x);
        let mut read = pixels.run(&mut probe, &light, &wanted, &[1.0])?;
        let mut gradient = pixels.gradient_by_light(read.remove(1));
        let mut loss = f64::from(read[0].sum());
        if style.total_variation > 0.0 {
            let (sum, by_pixel) = total_variation(light.index_axis(Axis(0), 0));
            let weight = style.total_variation / x.len() as f32;
            loss += f64::from(weight) * sum;
            gradient.index_axis_mut(Axis(0), 0).scaled_add(weight, &by_pixel);
        }
        Ok((loss, gradient.iter().copied().collect()))
    };
    let shown = |x: &[f32]| pixels.photo(picture(x).index_axis(Axis(0), 0));
    let start: Vec<f32> = pixels.light(content).iter().copied().collect();
    let report = |x: &[f32], loss: f64| seen(shown(x), loss);
    let found = match style.solver {
        Solver::Adam(rate) => adam(start, rate, style.steps, slope, report)?,
        Solver::Lbfgs => lbfgs(start, style.steps, slope, report)?,
    };
    Ok(shown(&found))
}

/// The mean over all positions of the product of each two channels of `(1, …, channels)`: `(channels, channels)`.
fn gram(maps: &ArrayD<f32>) -> Result<ArrayD<f32>> {
    let channels = maps.shape().last().copied().unwrap_or(1);
    let rows = maps.len() / channels.max(1);
    let flat: Vec<f32> = maps.iter().copied().collect();
    let flat = Array2::from_shape_vec((rows, channels), flat)
        .map_err(|_| Error::argument("style", "a layer gives no maps"))?;
    Ok((flat.t().dot(&flat) / rows.max(1) as f32).into_dyn())
}

/// The same in a graph, `(batch, channels, channels)`.
fn gram_node(graph: &mut Graph, maps: Value) -> Result<Value> {
    let (len, channels) = (graph.shape(maps).len(), graph.shape(maps).channels());
    let rows = len / channels.max(1);
    let flat = graph.apply(Reshape { dims: vec![rows, channels] }, &[maps])?;
    let turned = graph.apply(Permute { axes: vec![1, 0] }, &[flat])?;
    let products = graph.apply(MatMul, &[turned, flat])?;
    Ok(graph.apply(ScaleShift { scale: (rows.max(1) as f32).recip(), shift: 0.0 }, &[products])?)
}

fn mean_square(values: &ArrayD<f32>) -> f32 {
    let view: ArrayViewD<'_, f32> = values.view();
    let sum: f64 = view.iter().map(|&value| f64::from(value) * f64::from(value)).sum();
    ((sum / view.len().max(1) as f64) as f32).max(1e-12)
}
