//! What was shown.

use std::fmt;

use serde::Serialize;

/// All of it.
#[derive(Default, Serialize)]
pub struct Report {
    /// What was explained, by photos and methods.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub explained: Vec<Explanation>,
    /// What was made or shown without a class.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub made: Option<Made>,
    /// Averages by class.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub averages: Vec<ClassAverage>,
    pub written: Vec<String>,
}

/// One photo by one method.
#[derive(Serialize)]
pub struct Explanation {
    pub image: String,
    pub method: String,
    pub class: usize,
    pub label: String,
    /// Before softmax or sigmoid.
    pub score: f32,
    pub probability: f32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layer: Option<String>,
    /// Sizes of the numbers.
    pub shape: Vec<usize>,
    /// The likeliest classes.
    pub predictions: Vec<Prediction>,
}

#[derive(Clone, Serialize)]
pub struct Prediction {
    pub label: String,
    pub probability: f32,
}

/// A picture that was made, or sheets of layers.
#[derive(Default, Serialize)]
pub struct Made {
    pub method: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Layers that were looked at.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub layers: Vec<String>,
    /// Sizes of the numbers, if they are those of one layer or picture.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub shape: Vec<usize>,
    /// Classes and what the model now gives them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub predictions: Vec<Prediction>,
    /// The loss at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loss: Option<f64>,
}

/// The heat maps of a class's photos.
#[derive(Serialize)]
pub struct ClassAverage {
    pub class: String,
    pub method: String,
    pub images: usize,
    /// Photos whose map was zero everywhere.
    pub silent: usize,
    /// Photos of which the model says this class.
    pub right: usize,
    /// The share of the mean map in the upper, lower, left and right third and in the middle ninth of the picture.
    pub shares: Shares,
}

#[derive(Serialize)]
pub struct Shares {
    pub top: f32,
    pub bottom: f32,
    pub left: f32,
    pub right: f32,
    pub middle: f32,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines = Vec::new();
        for found in &self.explained {
            let layer = found.layer.as_ref().map_or_else(String::new, |layer| format!(", layer {layer}"));
            lines.push(format!(
                "{}: {} for {} (score {:.4}, {:.2} %){layer}",
                found.image,
                found.method,
                found.label,
                found.score,
                100.0 * found.probability
            ));
        }
        if let Some(made) = &self.made {
            let image = made.image.as_ref().map_or_else(String::new, |image| format!("{image}: "));
            let layers = match &made.layers[..] {
                [] => String::new(),
                [layer] => format!(" of {layer}"),
                layers => format!(" of {} layers", layers.len()),
            };
            let loss = made.loss.map_or_else(String::new, |loss| format!(", loss {loss:.5}"));
            lines.push(format!("{image}{}{layers}{loss}", made.method));
            for prediction in &made.predictions {
                lines.push(format!("  {} {:.2} %", prediction.label, 100.0 * prediction.probability));
            }
        }
        for average in &self.averages {
            let Shares { top, bottom, left, right, middle } = average.shares;
            lines.push(format!(
                "{}: mean of {} {} maps, {} right, {} silent; upper third {:.0} %, lower {:.0} %, left {:.0} %, right {:.0} %, middle ninth {:.0} %",
                average.class, average.images, average.method, average.right, average.silent,
                100.0 * top, 100.0 * bottom, 100.0 * left, 100.0 * right, 100.0 * middle
            ));
        }
        lines.extend(self.written.iter().map(|path| format!("  {path}")));
        f.write_str(&lines.join("\n"))
    }
}
