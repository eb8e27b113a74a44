//! Pictures that excite classes.

use convnet_nn::model::{Question, Reading, Start};
use convnet_nn::{Error, Model, Result};
use ndarray::{Array3, Array4, Axis};

use super::{Ascent, Pixels};

/// What the ascent begins with.
#[derive(Clone, Debug, PartialEq)]
pub enum From {
    /// Noise around grey.
    Noise,
    /// Grey.
    Grey,
    /// A photo `(height, width, channels)` of 0 … 1, of the sizes that the model takes.
    Photo(Array3<f32>),
}

/// A picture `(height, width, channels)` of light of 0 … 1 for which Σ weight · score is high, over classes with weights: the scores are
/// those before softmax or sigmoid (Simonyan, Vedaldi, Zisserman, 2014, <https://arxiv.org/abs/1312.6034>). `seen` is shown the number of each step
/// and the picture after it.
///
/// # Errors
/// If there is no such class, the photo has other sizes than the model's input, or numbers are impossible.
pub fn maximise(
    model: &Model,
    classes: &[(usize, f32)],
    from: &From,
    pixels: &Pixels,
    ascent: &Ascent,
    mut seen: impl FnMut(usize, Array3<f32>),
) -> Result<Array3<f32>> {
    let mut probe = model.probe(&Question::new(Start::Scores, [Reading::GradientByInput]))?;
    let (input, scores) = (probe.input_shape().clone(), probe.seed_shape().clone());
    let (&[height, width, channels], &[outputs]) = (&input.dims[..], &scores.dims[..]) else {
        let problem = format!("it takes {input} and gives {scores}, not a picture and one row of classes");
        return Err(Error::argument(format!("model `{}`", model.name()), problem));
    };
    let known = outputs.max(2);
    let mut seed = vec![0.0; outputs];
    for &(class, weight) in classes {
        if class >= known {
            let problem =
                format!("the model tells {known} classes apart, 0 to {}; there is no {class}", known - 1);
            return Err(Error::argument("class", problem));
        }
        // A single score speaks for class 1 and against class 0.
        let sign = if outputs == 1 && class == 0 { -1.0 } else { 1.0 };
        seed[class.min(outputs - 1)] += sign * weight;
    }
    let sizes = [1, height, width, channels];
    let start = match from {
        From::Noise => ascent.noise(sizes, 0.1),
        From::Grey => Array4::from_elem(sizes, 0.5),
        From::Photo(photo) if photo.shape() == &sizes[1..] => pixels.light(photo.view()),
        From::Photo(photo) => {
            let received = format!("{:?}", photo.shape());
            return Err(Error::Data { what: "photo", expected: input.to_string(), received });
        }
    };
    let shown = |light: &Array4<f32>| pixels.photo(light.index_axis(Axis(0), 0));
    let light =
        ascent.climb(&mut probe, &seed, pixels, start, true, |step, light| seen(step, shown(light)))?;
    Ok(shown(&light))
}
