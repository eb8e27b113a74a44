//! Colours of numbers from 0 to 1.

use std::str::FromStr;

use convnet_nn::{Error, Result};
use ndarray::{Array3, ArrayView2};

/// Which colour stands for a number from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColourMap {
    /// Matplotlib's `viridis`, dark blue to yellow, evenly brighter.
    Viridis,
    /// Matplotlib's `jet`: dark blue, cyan, yellow, dark red.
    Jet,
    /// Black to white.
    Grey,
    /// Blue (0) over white (½) to red (1): for numbers with a sign.
    Diverging,
}

/// Names of [`ColourMap`], as they are parsed.
const NAMES: [(&str, ColourMap); 4] = [
    ("viridis", ColourMap::Viridis),
    ("jet", ColourMap::Jet),
    ("grey", ColourMap::Grey),
    ("diverging", ColourMap::Diverging),
];

/// Colours at equal distances, with straight lines between.
const VIRIDIS: [[u8; 3]; 9] = [
    [68, 1, 84],
    [72, 40, 120],
    [62, 74, 137],
    [49, 104, 142],
    [38, 130, 142],
    [31, 158, 137],
    [53, 183, 121],
    [110, 206, 88],
    [253, 231, 37],
];

const DIVERGING: [[u8; 3]; 7] = [
    [33, 60, 142],
    [67, 130, 196],
    [166, 205, 228],
    [255, 255, 255],
    [246, 183, 148],
    [214, 88, 73],
    [140, 14, 37],
];

impl FromStr for ColourMap {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let found = NAMES.iter().find(|known| known.0 == name);
        found
            .map(|known| known.1)
            .ok_or_else(|| Error::unknown("colour map", name, NAMES.map(|known| known.0)))
    }
}

impl ColourMap {
    /// The colour of a number; below 0 that of 0, above 1 that of 1.
    pub fn colour(self, value: f32) -> [u8; 3] {
        let value = if value.is_nan() { 0.0 } else { value.clamp(0.0, 1.0) };
        match self {
            Self::Viridis => between(&VIRIDIS, value),
            Self::Jet => {
                let slope = |from: f32| (1.5 - (4.0 * value - from).abs()).clamp(0.0, 1.0);
                [3.0, 2.0, 1.0].map(|centre| (255.0 * slope(centre)).round() as u8)
            }
            Self::Grey => [(255.0 * value).round() as u8; 3],
            Self::Diverging => between(&DIVERGING, value),
        }
    }

    /// The picture `(height, width, 3)` of numbers `(height, width)`.
    pub fn picture(self, values: ArrayView2<'_, f32>) -> Array3<u8> {
        let (height, width) = values.dim();
        let mut picture = Array3::zeros((height, width, 3));
        for (mut pixel, &value) in picture.rows_mut().into_iter().zip(values.iter()) {
            pixel.assign(&ndarray::aview1(&self.colour(value)));
        }
        picture
    }
}

fn between(colours: &[[u8; 3]], value: f32) -> [u8; 3] {
    let place = value * (colours.len() - 1) as f32;
    let below = (place as usize).min(colours.len() - 2);
    let share = place - below as f32;
    std::array::from_fn(|channel| {
        let (low, high) = (f32::from(colours[below][channel]), f32::from(colours[below + 1][channel]));
        (low + share * (high - low)).round() as u8
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_have_matplotlibs_ends_and_middles() {
        assert_eq!(ColourMap::Viridis.colour(0.0), [68, 1, 84]);
        assert_eq!(ColourMap::Viridis.colour(2.0), [253, 231, 37]);
        assert_eq!(ColourMap::Jet.colour(0.0), [0, 0, 128]);
        assert_eq!(ColourMap::Jet.colour(0.5), [128, 255, 128]);
        assert_eq!(ColourMap::Jet.colour(1.0), [128, 0, 0]);
        assert_eq!(ColourMap::Diverging.colour(0.5), [255; 3]);
        assert_eq!(ColourMap::Grey.colour(f32::NAN), [0; 3]);
        assert!("rainbow".parse::<ColourMap>().is_err_and(|problem| problem.to_string().contains("viridis")));
    }

    #[test]
    fn viridis_and_grey_become_brighter() {
        let brightness =
            |[r, g, b]: [u8; 3]| 0.2126 * f32::from(r) + 0.7152 * f32::from(g) + 0.0722 * f32::from(b);
        for map in [ColourMap::Viridis, ColourMap::Grey] {
            for step in 0..64 {
                let (low, high) = (map.colour(step as f32 / 64.0), map.colour((step + 1) as f32 / 64.0));
                assert!(brightness(high) > brightness(low), "{map:?} at {step}");
            }
        }
    }
}
