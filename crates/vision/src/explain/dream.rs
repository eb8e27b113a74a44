//! DeepDream: a photo in which a network sees more of what it sees.

use convnet_nn::engine::ops::{Multiply, Reduce, ReduceFunction, ScaleShift, Sum};
use convnet_nn::model::{Goal, Question, Reading, Start};
use convnet_nn::{Error, Model, Result};
use ndarray::{Array3, ArrayView3, Axis};

use super::{Ascent, Pixels};
use crate::draw::resized;

/// How a dream goes.
#[derive(Clone, Debug, PartialEq)]
pub struct Dream {
    /// Layers whose activity is raised, with weights: the mean of the squares of their outputs counts.
    pub layers: Vec<(String, f32)>,
    /// Sizes in which the photo is dreamt of, from the smallest on.
    pub octaves: usize,
    /// Each is so many times as large as the one before.
    pub scale: f32,
    /// The ascent in each size.
    pub ascent: Ascent,
}

impl Dream {
    /// Of these layers, as in Keras's example: three sizes, 1.4 times as large each, 20 steps.
    pub fn of(layers: impl Into<Vec<(String, f32)>>) -> Self {
        let ascent = Ascent { steps: 20, rate: 0.01, jitter: 8, ..Ascent::default() };
        Self { layers: layers.into(), octaves: 3, scale: 1.4, ascent }
    }
}

/// A photo `(height, width, channels)` of light of 0 … 1, changed so that layers answer more: gradient ascent on the photo made small, then
/// in larger sizes, the details that were lost by making it small being added again each time
/// (Mordvintsev, Olah, Tyka, 2015, <https://keras.io/examples/generative/deep_dream/>). Of the photo's size if the layers up to there take it, else of the
/// model's; then there is one octave only. `seen` is shown the picture after each step, in the size that it has then.
///
/// # Errors
/// If there is no such layer, or numbers are impossible.
pub fn dream(
    model: &Model,
    photo: ArrayView3<'_, f32>,
    pixels: &Pixels,
    dream: &Dream,
    mut seen: impl FnMut(Array3<f32>),
) -> Result<Array3<f32>> {
    if dream.layers.is_empty() || dream.octaves == 0 || !(dream.scale > 1.0 && dream.scale.is_finite()) {
        let problem = "it needs a layer, an octave, and a scale above 1 at least";
        return Err(Error::argument("dream", problem));
    }
    let names = super::names(&dream.layers);
    let weights: Vec<f32> = dream.layers.iter().map(|(_, weight)| *weight).collect();
    let goal = Goal::new(names.clone(), move |graph, layers, _| {
        let mut parts = Vec::new();
        for (&layer, &weight) in layers.iter().zip(&weights) {
            let axes: Vec<usize> = (0..graph.shape(layer).dims.len()).collect();
            let squares = graph.apply(Multiply, &[layer, layer])?;
            let mean = graph.apply(Reduce::new(ReduceFunction::Mean, axes), &[squares])?;
            parts.push(graph.apply(ScaleShift { scale: weight, shift: 0.0 }, &[mean])?);
        }
        Ok(if parts.len() == 1 { parts[0] } else { graph.apply(Sum, &parts)? })
    });
    let question = Question::new(Start::Goal(goal), [Reading::GradientByInput]);
    let front = super::front(model, &names)?;
    let (height, width, channels) = photo.dim();
    let takes = |sizes: [usize; 3]| {
        front.as_ref().is_some_and(|front| front.probe(&question.clone().of_input(sizes)).is_ok())
    };
    let free = takes([height, width, channels]);
    let mut sizes = vec![(height, width)];
    if free {
        for octave in 1..dream.octaves {
            let smaller = |size: usize| (size as f32 / dream.scale.powi(octave as i32)).round() as usize;
            let (height, width) = (smaller(height), smaller(width));
            if height.min(width) < 16 || !takes([height, width, channels]) {
                break;
            }
            sizes.insert(0, (height, width));
        }
    } else {
        let own = &model.input_shapes()[0].dims;
        sizes = vec![(own[0], *own.get(1).unwrap_or(&1))];
    }
    let mut light = resized(photo, sizes[0].0, sizes[0].1);
    let mut shrunk = light.clone();
    for (octave, &(height, width)) in sizes.iter().enumerate() {
        let whole = resized(photo, height, width);
        if octave > 0 {
            let lost = &whole - &resized(shrunk.view(), height, width);
            light = resized(light.view(), height, width) + lost;
        }
        let mut probe = match front.as_ref().filter(|_| free) {
            Some(front) => front.probe(&question.clone().of_input([height, width, channels]))?,
            None => model.probe(&question)?,
        };
        let start = pixels.light(light.view());
        let shown = |light: &ndarray::Array4<f32>| pixels.photo(light.index_axis(Axis(0), 0));
        let ascent = Ascent { seed: dream.ascent.seed.wrapping_add(octave as u64), ..dream.ascent };
        let climbed = ascent.climb(&mut probe, &[1.0], pixels, start, true, |_, light| seen(shown(light)))?;
        (light, shrunk) = (shown(&climbed), whole);
    }
    Ok(light)
}
