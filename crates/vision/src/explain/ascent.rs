//! Pictures that a network asks for: gradient ascent on the pixels.

use convnet_nn::model::Probe;
use convnet_nn::{Error, Result};
use ndarray::{Array3, Array4, ArrayView3, ArrayView4, Axis, Ix4, s};

use super::random::Random;
use crate::imagenet::Preprocessing;

/// How a model's numbers stand for light: what black and white are in each of its channels.
#[derive(Clone, Debug, PartialEq)]
pub struct Pixels {
    low: Vec<f32>,
    high: Vec<f32>,
    /// Whether the last channel is red.
    is_reversed: bool,
}

impl Pixels {
    /// For a model of so many channels whose pixels are scaled in this way.
    pub fn of(preprocessing: Preprocessing, channels: usize) -> Self {
        let ends = |value: f32| {
            let mut pixels = vec![value; channels];
            match preprocessing {
                Preprocessing::Torch | Preprocessing::Caffe if channels != 3 => {
                    Preprocessing::Unit.apply(&mut pixels);
                }
                _ => preprocessing.apply(&mut pixels),
            }
            pixels
        };
        let is_reversed = preprocessing == Preprocessing::Caffe && channels == 3;
        Self { low: ends(0.0), high: ends(255.0), is_reversed }
    }

    /// What the model takes for light of 0 … 1, `(…, channels)` in the model's order of channels.
    fn to_model(&self, light: &Array4<f32>) -> Array4<f32> {
        let mut x = light.clone();
        for (channel, mut values) in x.axis_iter_mut(Axis(3)).enumerate() {
            let (low, range) = (self.low[channel], self.high[channel] - self.low[channel]);
            values.mapv_inplace(|value| low + range * value);
        }
        x
    }

    /// A photo `(height, width, channels)` of 0 … 1, red first, in the model's order of channels, or the other way round.
    fn in_order(&self, photo: ArrayView3<'_, f32>) -> Array3<f32> {
        match self.is_reversed {
            true => photo.slice(s![.., .., ..;-1]).to_owned(),
            false => photo.to_owned(),
        }
    }

    /// Gradients by the model's numbers as those by light.
    fn by_light(&self, gradient: &mut Array4<f32>) {
        for (channel, mut values) in gradient.axis_iter_mut(Axis(3)).enumerate() {
            values *= self.high[channel] - self.low[channel];
        }
    }

    /// Light of one picture as a photo of 0 … 1, red first.
    pub(super) fn photo(&self, light: ArrayView3<'_, f32>) -> Array3<f32> {
        self.in_order(light).mapv_into(|light| light.clamp(0.0, 1.0))
    }

    /// Light of a photo `(height, width, channels)` of 0 … 1, `(1, height, width, channels)`.
    pub(super) fn light(&self, photo: ArrayView3<'_, f32>) -> Array4<f32> {
        self.in_order(photo).insert_axis(Axis(0))
    }

    /// What the model takes for light `(count, height, width, channels)`, and gradients by it as gradients by light.
    pub(super) fn run(
        &self,
        probe: &mut Probe<'_>,
        light: &Array4<f32>,
        given: &[&[f32]],
        seed: &[f32],
    ) -> Result<Vec<ndarray::ArrayD<f32>>> {
        probe.run_given(self.to_model(light).view().into_dyn(), given, seed)
    }

    /// Gradients by the model's numbers, of its input's shape, as those by light.
    pub(super) fn gradient_by_light(&self, gradient: ndarray::ArrayD<f32>) -> Array4<f32> {
        let mut gradient = gradient.into_dimensionality::<Ix4>().expect("of the input's shape");
        self.by_light(&mut gradient);
        gradient
    }
}

/// How pixels climb. All is in light of 0 … 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ascent {
    /// Steps.
    pub steps: usize,
    /// How far a step goes: the root mean square of the change of the pixels by the gradient.
    pub rate: f32,
    /// The picture is moved by up to so many pixels in each step, at random, and back.
    pub jitter: usize,
    /// Standard deviation of a Gaussian blur of every fourth step, in pixels; 0 for none.
    pub blur: f32,
    /// The share of its distance from grey that a pixel loses in each step.
    pub decay: f32,
    /// Weight of the total variation, the sum of the lengths of the gradients in the picture, against the normalised gradient.
    pub total_variation: f32,
    /// Weight of the norm, the sum of |2 light − 1| to the power of `exponent`, divided by that.
    pub norm: f32,
    /// See `norm`.
    pub exponent: f32,
    /// Which random numbers.
    pub seed: u64,
}

impl Default for Ascent {
    /// 40 steps of the normalised gradient, and nothing else.
    fn default() -> Self {
        Self {
            steps: 40,
            rate: 0.02,
            jitter: 0,
            blur: 0.0,
            decay: 0.0,
            total_variation: 0.0,
            norm: 0.0,
            exponent: 6.0,
            seed: 0,
        }
    }
}

impl Ascent {
    /// Refuses what makes no sense.
    pub(super) fn check(&self) -> Result<()> {
        let not_negative = [
            ("rate", self.rate),
            ("blur", self.blur),
            ("decay", self.decay),
            ("total variation", self.total_variation),
            ("norm", self.norm),
        ];
        if let Some((name, value)) =
            not_negative.iter().find(|(_, value)| !(value.is_finite() && *value >= 0.0))
        {
            return Err(Error::argument(*name, format!("must be a number of at least 0, not {value}")));
        }
        if self.steps == 0 {
            return Err(Error::argument("steps", "must be at least 1"));
        }
        if !(self.exponent >= 1.0 && self.exponent.is_finite()) {
            return Err(Error::argument("exponent", "must be at least 1"));
        }
        Ok(())
    }

    /// Pictures `(count, height, width, channels)` around grey, each with noise of its own.
    pub(super) fn noise(&self, sizes: [usize; 4], most: f32) -> Array4<f32> {
        let mut random = Random(self.seed);
        Array4::from_shape_simple_fn(sizes, || 0.5 + most * (2.0 * random.uniform() as f32 - 1.0))
    }

    /// Climbs from light of 0 … 1 `(count, height, width, channels)` by the gradient by the input, which is the probe's first reading. With
    /// `within` pixels stay between black and white. `seen` is shown the number of each step, and what the pictures are then.
    pub(super) fn climb(
        &self,
        probe: &mut Probe<'_>,
        seeds: &[f32],
        pixels: &Pixels,
        mut light: Array4<f32>,
        within: bool,
        mut seen: impl FnMut(usize, &Array4<f32>),
    ) -> Result<Array4<f32>> {
        self.check()?;
        let mut random = Random(self.seed ^ 0x5eed);
        for step in 1..=self.steps {
            let (down, right) = (random.around(self.jitter), random.around(self.jitter));
            let x = pixels.to_model(&rolled(light.view(), down, right));
            let gradient = probe.run(x.view().into_dyn(), seeds)?.remove(0);
            let mut gradient = gradient.into_dimensionality::<Ix4>().expect("of the input's shape");
            pixels.by_light(&mut gradient);
            let mut gradient = rolled(gradient.view(), -down, -right);
            for (mut gradient, light) in gradient.axis_iter_mut(Axis(0)).zip(light.axis_iter(Axis(0))) {
                let square: f64 = gradient.iter().map(|&value| f64::from(value) * f64::from(value)).sum();
                let length = (square / gradient.len().max(1) as f64).sqrt() as f32;
                if length > 0.0 && length.is_finite() {
                    gradient /= length;
                }
                if self.total_variation > 0.0 {
                    gradient.scaled_add(-self.total_variation, &total_variation(light).1);
                }
                if self.norm > 0.0 {
                    let power = |light: f32| {
                        let away = 2.0 * light - 1.0;
                        away.signum() * away.abs().powf(self.exponent - 1.0)
                    };
                    gradient.scaled_add(-self.norm, &light.mapv(power));
                }
            }
            light.scaled_add(self.rate, &gradient);
            if self.decay > 0.0 {
                light.mapv_inplace(|light| 0.5 + (light - 0.5) * (1.0 - self.decay));
            }
            // The last steps sharpen what the blur has left.
            if self.blur > 0.0 && step % 4 == 0 && step + 4 <= self.steps {
                light = blurred(light.view(), self.blur);
            }
            if within {
                light.mapv_inplace(|light| light.clamp(0.0, 1.0));
            }
            seen(step, &light);
        }
        Ok(light)
    }
}

/// Moved down and right, what leaves on one side coming in on the other.
fn rolled(values: ArrayView4<'_, f32>, down: isize, right: isize) -> Array4<f32> {
    if down == 0 && right == 0 {
        return values.to_owned();
    }
    let (_, height, width, _) = values.dim();
    let (down, right) =
        (down.rem_euclid(height as isize) as usize, right.rem_euclid(width as isize) as usize);
    let mut moved = Array4::zeros(values.raw_dim());
    for y in 0..height {
        for x in 0..width {
            let from = values.slice(s![.., y, x, ..]);
            moved.slice_mut(s![.., (y + down) % height, (x + right) % width, ..]).assign(&from);
        }
    }
    moved
}

/// Σ √(Δx² + Δy² + 1e-4) over a picture, the differences being those to the next pixel right and below, and its gradient by each number.
pub(super) fn total_variation(light: ArrayView3<'_, f32>) -> (f64, Array3<f32>) {
    let (height, width, channels) = light.dim();
    let (mut sum, mut gradient) = (0.0, Array3::zeros(light.raw_dim()));
    for y in 0..height {
        for x in 0..width {
            for channel in 0..channels {
                let here = light[[y, x, channel]];
                let right = if x + 1 < width { light[[y, x + 1, channel]] - here } else { 0.0 };
                let below = if y + 1 < height { light[[y + 1, x, channel]] - here } else { 0.0 };
                let length = (right * right + below * below + 1e-4).sqrt();
                sum += f64::from(length);
                gradient[[y, x, channel]] -= (right + below) / length;
                if x + 1 < width {
                    gradient[[y, x + 1, channel]] += right / length;
                }
                if y + 1 < height {
                    gradient[[y + 1, x, channel]] += below / length;
                }
            }
        }
    }
    (sum, gradient)
}

/// Convolved with a Gaussian, the border going on outside.
fn blurred(light: ArrayView4<'_, f32>, deviation: f32) -> Array4<f32> {
    let reach = (3.0 * deviation).ceil() as isize;
    let weights: Vec<f32> =
        (-reach..=reach).map(|at| (-(at * at) as f32 / (2.0 * deviation * deviation)).exp()).collect();
    let total: f32 = weights.iter().sum();
    let along = |values: ArrayView4<'_, f32>, axis: usize| {
        let mut sum = Array4::<f32>::zeros(values.raw_dim());
        let len = values.len_of(Axis(axis)) as isize;
        for (mut row, index) in sum.axis_iter_mut(Axis(axis)).zip(0..) {
            for (at, weight) in (-reach..=reach).zip(&weights) {
                let place = (index + at).clamp(0, len - 1) as usize;
                row.scaled_add(weight / total, &values.index_axis(Axis(axis), place));
            }
        }
        sum
    };
    along(along(light, 1).view(), 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn total_variation_has_its_gradient() {
        let mut random = Random(3);
        let light = Array3::from_shape_simple_fn((4, 5, 2), || random.uniform() as f32);
        let sum = |light: &Array3<f32>| total_variation(light.view()).0;
        let (_, gradient) = total_variation(light.view());
        for (place, &slope) in gradient.indexed_iter() {
            let (mut above, mut below) = (light.clone(), light.clone());
            above[place] += 1e-3;
            below[place] -= 1e-3;
            let measured = (sum(&above) - sum(&below)) / 2e-3;
            assert!((measured - f64::from(slope)).abs() < 2e-2, "{measured} for {slope} at {place:?}");
        }
    }

    #[test]
    fn rolling_back_gives_the_picture_and_blur_keeps_the_mean_of_flat_ones() {
        let light = Ascent::default().noise([2, 5, 4, 3], 0.5);
        let there = rolled(light.view(), 2, -3);
        assert_eq!(there[[1, 2, 1, 0]], light[[1, 0, 0, 0]]);
        assert_eq!(rolled(there.view(), -2, 3), light);
        let flat = Array4::from_elem((1, 6, 5, 1), 0.3);
        assert!(blurred(flat.view(), 1.2).iter().all(|value| (value - 0.3).abs() < 1e-6));
    }

    #[test]
    fn pixels_go_to_the_model_and_back() {
        let photo = Array3::from_shape_fn((2, 2, 3), |(y, x, channel)| (y + 2 * x + channel) as f32 / 8.0);
        let all = [
            Preprocessing::None,
            Preprocessing::Unit,
            Preprocessing::Tf,
            Preprocessing::Torch,
            Preprocessing::Caffe,
        ];
        for preprocessing in all {
            let pixels = Pixels::of(preprocessing, 3);
            let mut wanted: Vec<f32> = photo.iter().map(|value| value * 255.0).collect();
            preprocessing.apply(&mut wanted);
            let light = pixels.light(photo.view());
            for (value, wanted) in pixels.to_model(&light).iter().zip(&wanted) {
                assert!((value - wanted).abs() < 1e-3, "{preprocessing:?}: {value} for {wanted}");
            }
            assert_eq!(pixels.photo(light.index_axis(Axis(0), 0)), photo);
        }
    }
}
