//! Affine warps, each pixel by itself from the image continued without end.

use convnet_kernels::resize::Interpolation;
use convnet_kernels::warp::{Outside, Warp};

/// The pixel of an axis of `len` that stands at a whole place, or `None` for the number outside.
fn continued(outside: Outside, at: i64, len: i64) -> Option<i64> {
    match outside {
        Outside::Blend(_) => (0..len).contains(&at).then_some(at),
        Outside::Reflect => {
            // One step back at a time from the border that is passed.
            let mut at = at;
            while !(0..len).contains(&at) {
                at = if at < 0 { -1 - at } else { 2 * len - 1 - at };
            }
            Some(at)
        }
        Outside::Nearest => Some(at.clamp(0, len - 1)),
        _ => unreachable!("these are held to SciPy's and TensorFlow's numbers"),
    }
}

/// An image `(height, width, channels)`, warped to another size. Whole places of [`Outside::Constant`], `Wrap` and `Repeat` are not known here.
pub fn warp(warp: &Warp, x: &[f64], [height, width, channels]: [usize; 3], to: [usize; 2]) -> Vec<f64> {
    let number = if let Outside::Blend(number) = warp.outside { f64::from(number) } else { 0.0 };
    let pixel = |row: i64, column: i64, c: usize| {
        let row = continued(warp.outside, row, height as i64);
        match row.zip(continued(warp.outside, column, width as i64)) {
            Some((row, column)) => x[(row as usize * width + column as usize) * channels + c],
            None => number,
        }
    };
    let mut y = Vec::new();
    for row in 0..to[0] {
        for column in 0..to[1] {
            let place = warp.matrix.map(|m| m[0] * row as f64 + m[1] * column as f64 + m[2]);
            for c in 0..channels {
                let near = |at: f64| [at.floor() as i64, at.floor() as i64 + 1];
                y.push(match warp.interpolation {
                    Interpolation::Nearest => pixel(place[0].round() as i64, place[1].round() as i64, c),
                    Interpolation::Bilinear => {
                        let mut sum = 0.0;
                        for row in near(place[0]) {
                            for column in near(place[1]) {
                                let weight = (1.0 - (place[0] - row as f64).abs())
                                    * (1.0 - (place[1] - column as f64).abs());
                                sum += weight * pixel(row, column, c);
                            }
                        }
                        sum
                    }
                });
            }
        }
    }
    y
}
