//! Kernels of a short-time Fourier transform.

use std::f64::consts::{PI, TAU};

use serde_json::{Value as Json, json};

use crate::error::{Error, Result};

/// Which part of the complex kernel a weight holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Cosines.
    Real,
    /// Sines.
    Imaginary,
}

/// What a frame is multiplied by, by SciPy's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Window {
    /// Ones.
    Boxcar,
    /// A raised cosine that ends at 0.
    Hann,
    /// A raised cosine that ends at 0.08.
    Hamming,
    /// Three terms of cosines.
    Blackman,
    /// Four terms of cosines, by Harris.
    BlackmanHarris,
    /// Four terms of cosines, by Nuttall.
    Nuttall,
    /// Five terms of cosines.
    FlatTop,
    /// A triangle that ends at 0.
    Bartlett,
    /// A triangle that ends beside the frame.
    Triangle,
    /// Half a period of a sine.
    Cosine,
}

/// By what a window is divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scaling {
    /// The root of its sum of squares.
    Density,
    /// Its sum.
    Spectrum,
}

impl Window {
    const NAMES: [(Self, &str); 10] = [
        (Self::Boxcar, "boxcar"),
        (Self::Hann, "hann"),
        (Self::Hamming, "hamming"),
        (Self::Blackman, "blackman"),
        (Self::BlackmanHarris, "blackmanharris"),
        (Self::Nuttall, "nuttall"),
        (Self::FlatTop, "flattop"),
        (Self::Bartlett, "bartlett"),
        (Self::Triangle, "triang"),
        (Self::Cosine, "cosine"),
    ];

    /// The window over `len` moments; a periodic one is the start of one that is one longer.
    fn values(self, len: usize, periodic: bool) -> Vec<f64> {
        if len <= 1 {
            return vec![1.0; len];
        }
        let whole = len + usize::from(periodic);
        (0..len).map(|moment| self.at(moment as f64, whole as f64)).collect()
    }

    fn at(self, moment: f64, len: f64) -> f64 {
        let last = len - 1.0;
        let cosines = |terms: &[f64]| -> f64 {
            let angle = TAU * moment / last;
            let signs = [1.0, -1.0].into_iter().cycle();
            (terms.iter().zip(signs).enumerate())
                .map(|(k, (term, sign))| sign * term * (k as f64 * angle).cos())
                .sum()
        };
        match self {
            Self::Boxcar => 1.0,
            Self::Hann => cosines(&[0.5, 0.5]),
            Self::Hamming => cosines(&[0.54, 0.46]),
            Self::Blackman => cosines(&[0.42, 0.5, 0.08]),
            Self::BlackmanHarris => cosines(&[0.358_75, 0.488_29, 0.141_28, 0.011_68]),
            Self::Nuttall => cosines(&[0.363_581_9, 0.489_177_5, 0.136_599_5, 0.010_641_1]),
            Self::FlatTop => {
                cosines(&[0.215_578_95, 0.416_631_58, 0.277_263_158, 0.083_578_947, 0.006_947_368])
            }
            Self::Bartlett => 1.0 - (2.0 * moment / last - 1.0).abs(),
            Self::Triangle => {
                let base = if len % 2.0 == 0.0 { len } else { len + 1.0 };
                1.0 - ((2.0 * moment - last) / base).abs()
            }
            Self::Cosine => (PI / len * (moment + 0.5)).sin(),
        }
    }
}

/// Fills a kernel `(moments, 1, bands)`, of the lower half of the frequencies.
pub(super) fn fill(
    part: Part,
    window: Option<Window>,
    scaling: Option<Scaling>,
    periodic: bool,
    dims: &[usize],
    weight: &mut [f32],
) {
    let (Some(&moments), Some(&bands)) = (dims.first(), dims.last()) else { return };
    if weight.is_empty() {
        return;
    }
    let mut factors = match window {
        Some(window) => window.values(moments, periodic),
        None => vec![1.0; moments],
    };
    // As in Keras, what is not multiplied by a window is not scaled.
    let divisor = match scaling.filter(|_| window.is_some()) {
        Some(Scaling::Density) => factors.iter().map(|x| x * x).sum::<f64>().sqrt(),
        Some(Scaling::Spectrum) => factors.iter().map(|x| x.abs()).sum(),
        None => 1.0,
    };
    factors.iter_mut().for_each(|x| *x /= divisor);
    let period = 2 * (bands - 1);
    let per_moment = weight.len() / moments;
    for (index, x) in weight.iter_mut().enumerate() {
        let (moment, band) = (index / per_moment, index % bands);
        // Whole turns are taken out before they cost accuracy.
        let turns = match period {
            0 => 0.0,
            _ => (moment * band % period) as f64 / period as f64,
        };
        let wave = match part {
            Part::Real => (TAU * turns).cos(),
            Part::Imaginary => -(TAU * turns).sin(),
        };
        *x = (wave * factors[moment]) as f32;
    }
}

/// The arguments as Keras writes them.
pub(super) fn config(part: Part, window: Option<Window>, scaling: Option<Scaling>, periodic: bool) -> Json {
    let name = |window| Window::NAMES.iter().find(|(known, _)| *known == window).map(|(_, name)| *name);
    json!({
        "side": match part {
            Part::Real => "real",
            Part::Imaginary => "imag",
        },
        "window": window.and_then(name),
        "scaling": scaling.map(|scaling| match scaling {
            Scaling::Density => "density",
            Scaling::Spectrum => "spectrum",
        }),
        "periodic": periodic,
    })
}

/// Reads what [`config`] writes; what is missing has Keras's defaults.
pub(super) fn arguments(config: &Json) -> Result<super::Initializer> {
    let word = |key: &str, default: &'static str| match config.get(key) {
        None => Ok(Some(default.to_owned())),
        Some(Json::Null) => Ok(None),
        Some(Json::String(word)) => Ok(Some(word.clone())),
        Some(other) => Err(Error::argument("STFT", format!("{key} must be a word or null, got {other}"))),
    };
    let part = match word("side", "real")?.as_deref() {
        Some("real") => Part::Real,
        Some("imag") => Part::Imaginary,
        other => return Err(Error::unknown("side", other.unwrap_or("null"), ["real", "imag"])),
    };
    let window = match word("window", "hann")? {
        None => None,
        Some(name) => match Window::NAMES.iter().find(|(_, known)| *known == name) {
            Some((window, _)) => Some(*window),
            None => return Err(Error::unknown("window", &name, Window::NAMES.map(|(_, name)| name))),
        },
    };
    let scaling = match word("scaling", "density")?.as_deref() {
        None => None,
        Some("density") => Some(Scaling::Density),
        Some("spectrum") => Some(Scaling::Spectrum),
        Some(other) => return Err(Error::unknown("scaling", other, ["density", "spectrum"])),
    };
    let periodic = match config.get("periodic") {
        None => false,
        Some(Json::Bool(periodic)) => *periodic,
        Some(other) => {
            return Err(Error::argument("STFT", format!("periodic must be true or false, got {other}")));
        }
    };
    Ok(super::Initializer::Stft { part, window, scaling, periodic })
}
