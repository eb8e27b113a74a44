//! Style transfer in one prediction: a network is trained to paint photos as one picture is (Johnson, Alahi, Fei-Fei, 2016,
//! <https://arxiv.org/abs/1603.08155>). What counts as content and style are the outputs of layers of a trained classifier, which stays as it is.
//!
//! `cargo run --release -p convnet --example fast_style -- CLASSIFIER.keras PAINT.png PHOTO.png...`
//!
//! writes `painted-PHOTO.png` for each photo, of the classifier's size.

use std::path::Path;

use convnet::data::images;
use convnet::engine::ops::{MatMul, Permute, Reshape, ScaleShift};
use convnet::engine::{EngineError, Graph, Value};
use convnet::nn::layers::{Lambda, UpSampling2D};
use convnet::prelude::*;
use convnet::vision::{draw, explain};
use ndarray::{Array3, Array4, ArrayD, ArrayView3, Axis, concatenate};

type Problem = Box<dyn std::error::Error>;

/// Which layers of the classifier say what a photo shows, and which how it is painted.
pub struct Looks<'m> {
    /// The classifier.
    pub classifier: &'m Model,
    /// The layer that says what is shown.
    pub content: String,
    /// The layers that say how it is painted.
    pub styles: Vec<String>,
}

impl Looks<'_> {
    /// The part of the classifier that makes a layer, its numbers scaled as `scale` says and laid in a row; of styles their Gram matrices.
    fn row_of(&self, x: &Symbol, layer: &str, scale: f32) -> convnet::nn::Result<Symbol> {
        let front = self.classifier.up_to(&[layer])?.named(format!("up_to_{layer}"));
        let maps = x.apply(LayerRef::from(&front).trainable(false))?;
        let is_content = layer == self.content;
        let row = Lambda::new(move |graph, x| {
            let value = if is_content { x[0] } else { gram(graph, x[0])? };
            let dims = vec![graph.shape(value).len()];
            let row = graph.apply(Reshape { dims }, &[value])?;
            graph.apply(ScaleShift { scale, shift: 0.0 }, &[row])
        });
        maps.apply(row)
    }

    /// A model from a picture to all that is compared, the content first.
    fn compared(&self, x: &Symbol, scales: &[f32]) -> convnet::nn::Result<Symbol> {
        let layers = [&self.content].into_iter().chain(&self.styles);
        let rows = layers
            .zip(scales)
            .map(|(layer, &scale)| self.row_of(x, layer, scale))
            .collect::<Result<Vec<_>, _>>()?;
        let rows: Vec<&Symbol> = rows.iter().collect();
        Symbol::merge(Concatenate::new(), &rows)
    }
}

/// The mean over all positions of the products of each two channels.
fn gram(graph: &mut Graph, maps: Value) -> Result<Value, EngineError> {
    let (len, channels) = (graph.shape(maps).len(), graph.shape(maps).channels());
    let flat = graph.apply(Reshape { dims: vec![len / channels, channels] }, &[maps])?;
    let turned = graph.apply(Permute { axes: vec![1, 0] }, &[flat])?;
    let products = graph.apply(MatMul, &[turned, flat])?;
    graph.apply(ScaleShift { scale: channels as f32 / len as f32, shift: 0.0 }, &[products])
}

/// The network that paints: two convolutions that make the picture smaller, a residual unit, and the way back.
fn painter(x: &Symbol, channels: usize) -> convnet::nn::Result<Symbol> {
    let conv = |filters, strides| {
        Conv2D::new(filters, 3).strides(strides).padding(Padding::Same).activation(Activation::Relu)
    };
    let small = x.apply(conv(16, 1))?.apply(conv(32, 2))?;
    let inner = small.apply(conv(32, 1))?.apply(Conv2D::new(32, 3).padding(Padding::Same))?;
    let sum = Symbol::merge(Add::new(), &[&small, &inner])?;
    let large = sum.apply(UpSampling2D::new(2))?.apply(conv(16, 1))?;
    large.apply(Conv2D::new(channels, 3).padding(Padding::Same).activation(Activation::Sigmoid))
}

/// A model that paints photos `(count, height, width, channels)` of 0 … 1 as `paint`, and the losses of the epochs.
///
/// # Errors
/// If there are no such layers, or photos have other sizes than the classifier's pictures, which must be even.
pub fn trained(
    looks: &Looks<'_>,
    paint: ArrayView3<'_, f32>,
    photos: &Array4<f32>,
    epochs: usize,
) -> Result<(Model, Vec<f64>), Problem> {
    let (_, height, width, channels) = photos.dim();
    let image = Symbol::input([height, width, channels]);
    let ones = vec![1.0; 1 + looks.styles.len()];
    let look = Model::new(std::slice::from_ref(&image), &[looks.compared(&image, &ones)?])?;
    let (shown, painted) = (look.predict(photos.view())?, look.predict(paint.insert_axis(Axis(0)))?);
    // Each part counts by its own size, the styles all together as much as the content.
    let mut widths = Vec::new();
    for layer in [&looks.content].into_iter().chain(&looks.styles) {
        let shape = explain::layer_shape(looks.classifier, layer)?;
        let last = shape.last().copied().unwrap_or(1);
        widths.push(if *layer == looks.content { shape.iter().product() } else { last * last });
    }
    let (mut start, mut scales, mut targets) = (0, Vec::new(), Vec::<ArrayD<f32>>::new());
    for (index, &width) in widths.iter().enumerate() {
        let of = |rows: &ArrayD<f32>| rows.slice_axis(Axis(1), (start..start + width).into()).to_owned();
        let wanted = if index == 0 {
            of(&shown)
        } else {
            of(&painted).broadcast(vec![photos.dim().0, width]).ok_or("one row")?.to_owned()
        };
        let square = wanted.mapv(|value| value * value).mean().unwrap_or(1.0).max(1e-12);
        let weight = if index == 0 { 1.0 } else { 2.0 / looks.styles.len() as f32 };
        let total: usize = widths.iter().sum();
        scales.push((weight * total as f32 / (width as f32 * square)).sqrt());
        targets.push(wanted * scales[index]);
        start += width;
    }
    let views: Vec<_> = targets.iter().map(|target| target.view()).collect();
    let targets = concatenate(Axis(1), &views)?;
    let canvas = painter(&image, channels)?;
    let mut model = Model::new(std::slice::from_ref(&image), &[looks.compared(&canvas, &scales)?])?;
    model.compile(Adam::new(0.003), MeanSquaredError, [])?;
    let history =
        model.fit(&Arrays::new(photos.view(), targets.view())?, Fit::new().epochs(epochs).batch_size(4))?;
    let losses = history.epochs.iter().map(|epoch| epoch.loss).collect();
    // The painter alone: the last layer of it before the classifier's.
    let last = model
        .layers()
        .iter()
        .rfind(|layer| layer.class_name() == "Conv2D")
        .map(|layer| layer.name().to_owned());
    Ok((model.up_to(&[&last.ok_or("the painter ends with a convolution")?])?, losses))
}

#[allow(dead_code, reason = "the test that includes this file has its own")]
fn main() -> Result<(), Problem> {
    let files: Vec<String> = std::env::args().skip(1).collect();
    let [classifier, paint, photos @ ..] = &files[..] else {
        return Err("usage: fast_style CLASSIFIER.keras PAINT.png PHOTO.png...".into());
    };
    let classifier = load_model(classifier)?;
    let convolutions: Vec<String> = explain::map_layers(&classifier)?
        .into_iter()
        .filter(|name| classifier.get_layer(name).is_ok_and(|layer| layer.class_name() == "Conv2D"))
        .collect();
    let at = |share: f32| convolutions[(share * (convolutions.len() - 1) as f32).round() as usize].clone();
    let looks = Looks { classifier: &classifier, content: at(0.5), styles: vec![at(0.0), at(0.25)] };
    let shape = &classifier.input_shapes()[0].dims;
    let open = |path: &String| -> Result<Array3<f32>, Problem> {
        Ok(draw::resized(images::read(Path::new(path))?.view(), shape[0], shape[1]))
    };
    let pictures = photos.iter().map(open).collect::<Result<Vec<_>, _>>()?;
    let views: Vec<_> = pictures.iter().map(|picture| picture.view()).collect();
    let (painter, losses) = trained(&looks, open(paint)?.view(), &ndarray::stack(Axis(0), &views)?, 40)?;
    println!("losses {losses:.4?}");
    for (photo, picture) in
        photos.iter().zip(painter.predict(ndarray::stack(Axis(0), &views)?.view())?.outer_iter())
    {
        let picture = draw::picture(picture.into_dimensionality()?);
        let bytes: Vec<u8> = picture.iter().copied().collect();
        let name = Path::new(photo).file_stem().ok_or("a file")?.to_string_lossy().into_owned();
        std::fs::write(format!("painted-{name}.png"), images::encode_png(&bytes, shape[1], shape[0], 3)?)?;
    }
    Ok(())
}
