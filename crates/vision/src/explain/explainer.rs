//! Several methods, pictures and classes in one run.

use convnet_nn::model::{Probe, Question, Reading, Start};
use convnet_nn::{Error, Model, Result};
use ndarray::{ArrayD, ArrayViewD, Axis};

use super::{grad_cam, integrated_gradients, occlusion, score_cam, smoothgrad};

/// Which class the score is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// The one of the highest score. A single score speaks for the second of two classes.
    Top,
    /// The one of this number.
    Number(usize),
}

/// A way to explain the score of a class.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Method {
    /// [`saliency`](super::saliency).
    Saliency,
    /// [`smoothgrad`](super::smoothgrad).
    Smoothgrad {
        /// Noisy copies.
        copies: usize,
        /// Standard deviation of the noise, as a share of the input's range.
        noise: f32,
        /// Which noise.
        seed: u64,
    },
    /// [`integrated_gradients`](super::integrated_gradients) from a baseline of one number.
    IntegratedGradients {
        /// Steps on the way.
        steps: usize,
        /// What all numbers of the baseline are.
        baseline: f32,
    },
    /// [`guided_backprop`](super::guided_backprop).
    GuidedBackprop,
    /// [`occlusion`](super::occlusion).
    Occlusion {
        /// Side of the square that covers.
        size: usize,
        /// How far it moves.
        stride: usize,
        /// What it covers with.
        cover: f32,
    },
    /// [`grad_cam`](super::grad_cam).
    GradCam,
    /// [`grad_cam_plus_plus`](super::grad_cam_plus_plus).
    GradCamPlusPlus,
    /// [`score_cam`](super::score_cam).
    ScoreCam {
        /// Only so many maps, those that vary most; all if `None`.
        most_maps: Option<usize>,
    },
}

impl Method {
    fn is_map_of_layer(self) -> bool {
        matches!(self, Self::GradCam | Self::GradCamPlusPlus | Self::ScoreCam { .. })
    }
}

/// What [`Explainer::explain`] finds.
#[derive(Clone, Debug)]
pub struct Explained {
    /// The class of each sample.
    pub classes: Vec<usize>,
    /// Scores before softmax or sigmoid, `(count, classes)`, or `(count, 1)` for two classes.
    pub scores: ArrayD<f32>,
    /// What the model gives, of the same shape.
    pub outputs: ArrayD<f32>,
    /// For each method its numbers, those of the samples one after another: `(count, height, width, channels)` by pixels, `(count, rows,
    /// columns)` of class activation maps and occlusion.
    pub values: Vec<ArrayD<f32>>,
}

/// A model whose predictions are being explained: plans and packed weights are kept from call to call.
///
/// ```
/// use convnet_nn::layers::{Conv2D, Dense, GlobalAveragePooling2D};
/// use convnet_nn::Sequential;
/// use convnet_vision::explain::{Class, Explainer, Method};
/// use ndarray::Array4;
///
/// let model = Sequential::new([8, 8, 3])
///     .add(Conv2D::new(4, 3))
///     .add(GlobalAveragePooling2D::new())
///     .add(Dense::new(2))
///     .build()?;
/// let photos = Array4::from_elem((3, 8, 8, 3), 0.5);
/// let mut explainer = Explainer::new(&model);
/// let methods = [Method::GradCam, Method::Saliency];
/// let found = explainer.explain(photos.view().into_dyn(), &[Class::Top], &methods)?;
/// assert_eq!(found.values[0].shape(), [3, 6, 6]);
/// assert_eq!(found.values[1].shape(), [3, 8, 8, 3]);
/// # Ok::<(), convnet_nn::Error>(())
/// ```
#[derive(Debug)]
pub struct Explainer<'m> {
    model: &'m Model,
    layer: Option<String>,
    kept: Vec<Kept<'m>>,
}

#[derive(Debug)]
struct Kept<'m> {
    readings: Vec<Reading>,
    guided: bool,
    probe: Probe<'m>,
}

impl<'m> Explainer<'m> {
    /// Looks at the last convolution where a method needs a layer.
    pub fn new(model: &'m Model) -> Self {
        Self { model, layer: None, kept: Vec::new() }
    }

    /// Looks at the layer of this name; `base/conv2d` is one of a model in a layer's place.
    ///
    /// # Errors
    /// If there is none; the error has the nearest name.
    pub fn at_layer(mut self, layer: &str) -> Result<Self> {
        self.model.get_layer(layer)?;
        self.layer = Some(layer.to_owned());
        Ok(self)
    }

    /// The layer whose maps are looked at.
    ///
    /// # Errors
    /// If none was named and the model has no convolution.
    pub fn layer(&mut self) -> Result<String> {
        if self.layer.is_none() {
            self.layer = self.model.last_convolution();
        }
        self.layer.clone().ok_or_else(|| {
            let problem = "it has no convolution whose maps could be shown; name a layer of maps, or take a method that needs none, such as saliency";
            Error::argument(format!("model `{}`", self.model.name()), problem)
        })
    }

    /// Explains pictures `(count, height, width, channels)`, as the model takes them, by some methods: `classes` has one for each or one for
    /// all. What needs one sweep is found in one, for all methods and samples.
    ///
    /// # Errors
    /// If sizes are not those of the model's input, the model does not give one row of scores, there is no such class, the layer
    /// gives no maps, or a method's numbers are impossible.
    pub fn explain(
        &mut self,
        x: ArrayViewD<'_, f32>,
        classes: &[Class],
        methods: &[Method],
    ) -> Result<Explained> {
        let count = x.shape().first().copied().unwrap_or(0);
        let chosen = self.choices(classes, count)?;
        let mut readings = vec![Reading::Scores, Reading::Output];
        if methods.iter().any(|method| method.is_map_of_layer()) {
            let layer = self.layer()?;
            readings.push(Reading::Layer(layer.clone()));
            if methods.iter().any(|method| matches!(method, Method::GradCam | Method::GradCamPlusPlus)) {
                readings.push(Reading::GradientByLayer(layer));
            }
        }
        let by_pixel = |method: &Method| {
            matches!(
                method,
                Method::Saliency | Method::Smoothgrad { .. } | Method::IntegratedGradients { .. }
            )
        };
        if methods.iter().any(by_pixel) {
            readings.push(Reading::GradientByInput);
        }
        let read = self.read(x.view(), &chosen, &readings, false)?;
        check_maps(&readings, &read)?;
        let place = |wanted: fn(&Reading) -> bool| readings.iter().position(wanted).map(|place| &read[place]);
        let (scores, outputs) = (read[0].clone(), read[1].clone());
        let classes = resolved(&scores, &chosen);
        let numbers: Vec<f32> = classes.iter().map(|&class| class as f32).collect();
        let maps = place(|reading| matches!(reading, Reading::Layer(_)));
        let by_maps = place(|reading| matches!(reading, Reading::GradientByLayer(_)));
        let by_input = place(|reading| *reading == Reading::GradientByInput);
        let mut values = Vec::new();
        for &method in methods {
            values.push(match (method, maps, by_maps, by_input) {
                (Method::GradCam, Some(maps), Some(gradient), _) => grad_cam::of_gradient(maps, gradient),
                (Method::GradCamPlusPlus, Some(maps), Some(gradient), _) => {
                    grad_cam::plus_plus_of_gradient(maps, gradient)
                }
                (Method::ScoreCam { most_maps }, Some(maps), ..) => {
                    score_cam::of_maps(self, x.view(), &classes, maps, most_maps)?
                }
                (Method::Saliency, .., Some(gradient)) => gradient.clone(),
                (Method::Smoothgrad { copies, noise, seed }, ..) => {
                    smoothgrad::of(self, x.view(), &numbers, copies, noise, seed)?
                }
                (Method::IntegratedGradients { steps, baseline }, ..) => {
                    let baseline = ArrayD::from_elem(x.raw_dim(), baseline);
                    integrated_gradients::of(self, x.view(), baseline.view(), &numbers, steps)?
                }
                (Method::GuidedBackprop, ..) => {
                    self.read(x.view(), &numbers, &[Reading::GradientByInput], true)?.remove(0)
                }
                (Method::Occlusion { size, stride, cover }, ..) => {
                    occlusion::of(self, x.view(), &classes, size, stride, cover)?
                }
                (
                    Method::GradCam | Method::GradCamPlusPlus | Method::ScoreCam { .. } | Method::Saliency,
                    ..,
                ) => {
                    unreachable!("what they need was read")
                }
            });
        }
        Ok(Explained { classes, scores, outputs, values })
    }

    /// As [`Explainer::explain`] by one method of class activation maps, for several layers: what it finds for each, from one run.
    ///
    /// # Errors
    /// As [`Explainer::explain`]; if there is no such layer, or the method is another.
    pub fn explain_layers(
        &mut self,
        x: ArrayViewD<'_, f32>,
        classes: &[Class],
        layers: &[&str],
        method: Method,
    ) -> Result<Explained> {
        let chosen = self.choices(classes, x.shape().first().copied().unwrap_or(0))?;
        let needs_gradient = matches!(method, Method::GradCam | Method::GradCamPlusPlus);
        let mut readings = vec![Reading::Scores, Reading::Output];
        for &layer in layers {
            readings.push(Reading::Layer(layer.to_owned()));
            if needs_gradient {
                readings.push(Reading::GradientByLayer(layer.to_owned()));
            }
        }
        let mut read = self.read(x.view(), &chosen, &readings, false)?;
        check_maps(&readings, &read)?;
        let found = read.split_off(2);
        let classes = resolved(&read[0], &chosen);
        let values = found.chunks(if needs_gradient { 2 } else { 1 }).map(|found| match (method, found) {
            (Method::GradCam, [maps, gradient]) => Ok(grad_cam::of_gradient(maps, gradient)),
            (Method::GradCamPlusPlus, [maps, gradient]) => {
                Ok(grad_cam::plus_plus_of_gradient(maps, gradient))
            }
            (Method::ScoreCam { most_maps }, [maps]) => {
                score_cam::of_maps(self, x.view(), &classes, maps, most_maps)
            }
            _ => Err(Error::argument("method", "it does not look at a layer")),
        });
        let values = values.collect::<Result<_>>()?;
        let outputs = read.pop().expect("two were read");
        Ok(Explained { classes, scores: read.remove(0), outputs, values })
    }

    /// Scores before softmax or sigmoid, `(count, classes)`.
    pub(super) fn scores(&mut self, x: ArrayViewD<'_, f32>) -> Result<ArrayD<f32>> {
        Ok(self.read(x, &[-1.0], &[Reading::Scores], false)?.remove(0))
    }

    /// Readings where the gradients are of the score of a class: a number for each sample or one for all, below 0 for the likeliest.
    pub(super) fn read(
        &mut self,
        x: ArrayViewD<'_, f32>,
        classes: &[f32],
        readings: &[Reading],
        guided: bool,
    ) -> Result<Vec<ArrayD<f32>>> {
        let is_gradient =
            |reading: &Reading| matches!(reading, Reading::GradientByInput | Reading::GradientByLayer(_));
        let fits = |kept: &Kept<'_>| {
            kept.guided == guided
                && readings.iter().all(|reading| kept.readings.contains(reading))
                && kept.readings.iter().any(is_gradient) == readings.iter().any(is_gradient)
        };
        let place = match self.kept.iter().position(fits) {
            Some(place) => place,
            None => {
                let question = Question::new(Start::Class, readings).guided(guided);
                let probe = self.model.probe(&question)?;
                self.kept.push(Kept { readings: readings.to_vec(), guided, probe });
                self.kept.len() - 1
            }
        };
        let Kept { readings: known, probe, .. } = &mut self.kept[place];
        let found = probe.run(x, classes)?;
        let of = |reading: &Reading| {
            let place = known.iter().position(|known| known == reading).expect("the probe fits");
            found[place].clone()
        };
        Ok(readings.iter().map(of).collect())
    }

    /// The classes as numbers, −1 for the likeliest, one for each sample.
    pub(super) fn choices(&self, classes: &[Class], count: usize) -> Result<Vec<f32>> {
        let outputs = match &self.model.output_shapes()[..] {
            [shape] if shape.dims.len() == 1 => shape.dims[0],
            shapes => {
                let shapes: Vec<String> = shapes.iter().map(ToString::to_string).collect();
                let problem = format!("the model gives {}, not one row of classes", shapes.join(" and "));
                return Err(Error::argument("explain", problem));
            }
        };
        if classes.len() != 1 && classes.len() != count {
            let problem = format!("{} classes for {count} pictures", classes.len());
            return Err(Error::argument("classes", problem));
        }
        let known = outputs.max(2);
        let number = |class: &Class| match *class {
            Class::Top => Ok(-1.0),
            Class::Number(class) if class < known => Ok(class as f32),
            Class::Number(class) => {
                let last = known - 1;
                let problem =
                    format!("the model tells {known} classes apart, 0 to {last}; there is no {class}");
                Err(Error::argument("class", problem))
            }
        };
        let chosen = classes.iter().map(number).collect::<Result<Vec<f32>>>()?;
        Ok(if chosen.len() == count { chosen } else { vec![chosen[0]; count] })
    }
}

/// The score of a class among those of a sample.
pub(super) fn score_of(scores: &[f32], class: usize) -> f32 {
    match scores {
        &[score] => {
            if class == 1 {
                score
            } else {
                -score
            }
        }
        scores => scores[class],
    }
}

/// Refuses readings of a layer that are not maps.
fn check_maps(readings: &[Reading], read: &[ArrayD<f32>]) -> Result<()> {
    readings.iter().zip(read).try_for_each(|(reading, values)| match reading {
        Reading::Layer(layer) => grad_cam::check_maps(layer, values),
        _ => Ok(()),
    })
}

/// The chosen class of each sample, or the likeliest.
fn resolved(scores: &ArrayD<f32>, chosen: &[f32]) -> Vec<usize> {
    let rows = scores.axis_iter(Axis(0)).zip(chosen);
    rows.map(|(row, &class)| {
        if class >= 0.0 {
            return class as usize;
        }
        if row.len() == 1 {
            return usize::from(row.iter().any(|&score| score > 0.0));
        }
        let mut best = (0, f32::NEG_INFINITY);
        for (index, &score) in row.iter().enumerate() {
            if score > best.1 {
                best = (index, score);
            }
        }
        best.0
    })
    .collect()
}
