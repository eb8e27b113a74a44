//! What the kinds that change colours have in common: values 0 … 255, brightness as the eye has it, mixtures.

use ndarray::Array3;

use super::annotated::Annotated;

/// White.
pub(super) const WHITE: f32 = 255.0;

/// Brightness of red, green and blue (ITU-R 601), as torchvision rounds the weights.
pub(super) fn luma(pixel: &[f32]) -> f32 {
    0.2989 * pixel[0] + 0.587 * pixel[1] + 0.114 * pixel[2]
}

/// Whether the first three channels are red, green and blue.
pub(super) fn is_colour(image: &Array3<f32>) -> bool {
    image.dim().2 >= 3
}

/// `factor` of the one and 1 − `factor` of the other, kept within 0 … 255. A factor over 1 leads away from the other.
pub(super) fn blend(value: f32, other: f32, factor: f32) -> f32 {
    (factor * value + (1.0 - factor) * other).clamp(0.0, WHITE)
}

/// Changes each pixel of a picture in colour; pictures in grey stay.
pub(super) fn each_colour(sample: &mut Annotated, change: impl Fn(&mut [f32])) {
    if is_colour(&sample.image) {
        let channels = sample.image.dim().2;
        sample.pixels().chunks_exact_mut(channels).for_each(|pixel| change(&mut pixel[..3]));
    }
}

/// The byte that a value becomes in a file.
pub(super) fn byte(value: f32) -> u8 {
    value.round_ties_even() as u8
}
