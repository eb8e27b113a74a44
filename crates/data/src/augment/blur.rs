//! Blur.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::annotated::Annotated;
use super::{Augment, Draw, to_map, within};

/// Blurs by a Gaussian window of deviation 0.1 … `sigma` pixels. As torchvision's `gaussian_blur`, the window reaching three deviations to each side.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Blur {
    /// Largest standard deviation in pixels, 0.1 to 100.
    pub sigma: f32,
}

impl Default for Blur {
    fn default() -> Self {
        Self { sigma: 2.0 }
    }
}

/// Blurs by a Gaussian window that reaches `radius` pixels to each side. Beyond the border the picture is mirrored at its outermost pixels.
pub fn gaussian_blur(sample: &mut Annotated, sigma: f32, radius: usize) {
    let [height, width] = sample.size();
    let channels = sample.image.dim().2;
    let window: Vec<f32> =
        (0..=2 * radius).map(|at| (-0.5 * ((at as f32 - radius as f32) / sigma).powi(2)).exp()).collect();
    let sum: f32 = window.iter().sum();
    let window: Vec<f32> = window.iter().map(|weight| weight / sum).collect();
    let pixels = sample.pixels();
    let stride = width * channels;
    let mut between = vec![0.0; pixels.len()];
    for (row, out) in between.chunks_exact_mut(stride.max(1)).enumerate() {
        for (tap, weight) in window.iter().enumerate() {
            let from = mirrored(row as isize + tap as isize - radius as isize, height);
            out.iter_mut().zip(&pixels[from * stride..][..stride]).for_each(|(out, x)| *out += weight * x);
        }
    }
    pixels.fill(0.0);
    let rows = pixels.chunks_exact_mut(stride.max(1)).zip(between.chunks_exact(stride.max(1)));
    for (out, source) in rows {
        for (tap, weight) in window.iter().enumerate() {
            let offset = tap as isize - radius as isize;
            // Where the window lies within the row it is one long addition.
            let first = (-offset).clamp(0, width as isize) as usize;
            let last = (width as isize - offset.max(0)).clamp(first as isize, width as isize) as usize;
            for column in (0..first).chain(last..width) {
                let from = mirrored(column as isize + offset, width) * channels;
                let target = &mut out[column * channels..][..channels];
                target.iter_mut().zip(&source[from..][..channels]).for_each(|(out, x)| *out += weight * x);
            }
            if first < last {
                let from = (first as isize + offset) as usize * channels;
                let target = &mut out[first * channels..last * channels];
                target.iter_mut().zip(&source[from..]).for_each(|(out, x)| *out += weight * x);
            }
        }
    }
}

/// The pixel at a place that may be outside: … c b | a b c …
fn mirrored(at: isize, len: usize) -> usize {
    let period = (2 * len as isize - 2).max(1);
    let within = at.rem_euclid(period);
    (if within < len as isize { within } else { period - within }) as usize
}

impl Augment for Blur {
    fn name(&self) -> &'static str {
        "blur"
    }

    fn config(&self) -> Map<String, Json> {
        to_map(self)
    }

    fn check(&self) -> Result<(), String> {
        within("sigma", self.sigma, 0.1, 100.0)
    }

    fn apply(&self, random: &mut Draw, sample: &mut Annotated) {
        let sigma = random.between(0.1, self.sigma.max(0.1));
        gaussian_blur(sample, sigma, ((3.0 * sigma).ceil() as usize).max(1));
    }
}
