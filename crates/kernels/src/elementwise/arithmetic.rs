//! Sums, products and affine maps.

use super::{Activation, CHUNK, activate_piece_in_place};
use crate::par;
use crate::simd::vectorized;

/// `out = a + b`.
///
/// # Panics
/// If the lengths differ.
pub fn add(a: &[f32], b: &[f32], out: &mut [f32]) {
    assert!(a.len() == out.len() && b.len() == out.len(), "add: lengths differ");
    par::for_each_chunk(out, CHUNK, a.len() as u64 / 3, |start, out| {
        let range = start..start + out.len();
        add_piece(&a[range.clone()], &b[range], out);
    });
}

vectorized! {
    fn add_piece(a: &[f32], b: &[f32], out: &mut [f32]) {
        out.iter_mut().zip(a.iter().zip(b)).for_each(|(out, (a, b))| *out = a + b);
    }
}

/// `out += x`.
///
/// # Panics
/// If the lengths differ.
pub fn add_assign(out: &mut [f32], x: &[f32]) {
    assert_eq!(x.len(), out.len(), "add_assign: lengths differ");
    par::for_each_chunk(out, CHUNK, x.len() as u64 / 4, |start, out| {
        add_assign_piece(out, &x[start..start + out.len()]);
    });
}

vectorized! {
    fn add_assign_piece(out: &mut [f32], x: &[f32]) {
        out.iter_mut().zip(x).for_each(|(out, x)| *out += x);
    }
}

/// `out = inputs[0] + inputs[1] + …`, added from the left; zeros if there are none.
///
/// # Panics
/// If a length differs.
pub fn sum(inputs: &[&[f32]], out: &mut [f32]) {
    assert!(inputs.iter().all(|input| input.len() == out.len()), "sum: lengths differ");
    let cost = (out.len() * inputs.len()) as u64 / 5;
    par::for_each_chunk(out, CHUNK / 2, cost, |start, out| {
        let range = start..start + out.len();
        match inputs {
            [] => out.fill(0.0),
            [first] => out.copy_from_slice(&first[range]),
            [first, second, rest @ ..] => {
                add_piece(&first[range.clone()], &second[range.clone()], out);
                for input in rest {
                    add_assign_piece(out, &input[range.clone()]);
                }
            }
        }
    });
}

/// `out = a · b`, element by element.
///
/// # Panics
/// If the lengths differ.
pub fn multiply(a: &[f32], b: &[f32], out: &mut [f32]) {
    assert!(a.len() == out.len() && b.len() == out.len(), "multiply: lengths differ");
    par::for_each_chunk(out, CHUNK, a.len() as u64 / 3, |start, out| {
        let range = start..start + out.len();
        multiply_piece(&a[range.clone()], &b[range], out);
    });
}

vectorized! {
    fn multiply_piece(a: &[f32], b: &[f32], out: &mut [f32]) {
        out.iter_mut().zip(a.iter().zip(b)).for_each(|(out, (a, b))| *out = a * b);
    }
}

/// `out = x · scale + shift`, both scalars.
///
/// # Panics
/// If the lengths differ.
pub fn scale_shift(x: &[f32], scale: f32, shift: f32, out: &mut [f32]) {
    assert_eq!(x.len(), out.len(), "scale_shift: lengths differ");
    par::for_each_chunk(out, CHUNK, x.len() as u64 / 4, |start, out| {
        scale_shift_piece(&x[start..start + out.len()], scale, shift, out);
    });
}

vectorized! {
    fn scale_shift_piece(x: &[f32], scale: f32, shift: f32, out: &mut [f32]) {
        out.iter_mut().zip(x).for_each(|(out, x)| *out = x * scale + shift);
    }
}

/// `y = y · factor`.
pub fn scale_in_place(y: &mut [f32], factor: f32) {
    par::for_each_chunk(y, CHUNK, y.len() as u64 / 5, |_, y| scale_piece(y, factor));
}

vectorized! {
    fn scale_piece(y: &mut [f32], factor: f32) {
        y.iter_mut().for_each(|y| *y *= factor);
    }
}

/// Rows of a piece of a loop over `(rows, columns)`.
fn rows_per_piece(columns: usize) -> usize {
    (CHUNK / columns.max(1)).max(1)
}

/// `y[r,c] = f(x[r,c] · scale[c] + shift[c])` over rows of `scale.len()` channels.
///
/// # Panics
/// If the lengths do not fit.
pub fn affine_channels(x: &[f32], scale: &[f32], shift: &[f32], activation: Activation, y: &mut [f32]) {
    let channels = scale.len();
    assert!(shift.len() == channels && x.len() == y.len(), "affine_channels: lengths differ");
    assert!(channels > 0 && x.len().is_multiple_of(channels), "affine_channels: no whole number of rows");
    par::for_each_chunk(y, rows_per_piece(channels) * channels, x.len() as u64 / 3, |start, y| {
        affine_piece(&x[start..start + y.len()], scale, shift, y);
        activate_piece_in_place(activation, y);
    });
}

vectorized! {
    fn affine_piece(x: &[f32], scale: &[f32], shift: &[f32], y: &mut [f32]) {
        let channels = scale.len();
        for (y, x) in y.chunks_exact_mut(channels).zip(x.chunks_exact(channels)) {
            for c in 0..channels {
                y[c] = x[c] * scale[c] + shift[c];
            }
        }
    }
}

/// As [`affine_channels`], in place.
///
/// # Panics
/// If the lengths do not fit.
pub fn affine_channels_in_place(y: &mut [f32], scale: &[f32], shift: &[f32], activation: Activation) {
    let channels = scale.len();
    assert_eq!(shift.len(), channels, "affine_channels_in_place: lengths differ");
    assert!(
        channels > 0 && y.len().is_multiple_of(channels),
        "affine_channels_in_place: no whole number of rows"
    );
    par::for_each_chunk(y, rows_per_piece(channels) * channels, y.len() as u64 / 4, |_, y| {
        affine_piece_in_place(y, scale, shift);
        activate_piece_in_place(activation, y);
    });
}

vectorized! {
    fn affine_piece_in_place(y: &mut [f32], scale: &[f32], shift: &[f32]) {
        let channels = scale.len();
        for y in y.chunks_exact_mut(channels) {
            for c in 0..channels {
                y[c] = y[c] * scale[c] + shift[c];
            }
        }
    }
}

/// `y[r,c] += bias[c]` over rows of `bias.len()` channels.
///
/// # Panics
/// If `y` is no whole number of rows.
pub fn add_bias(y: &mut [f32], bias: &[f32]) {
    let channels = bias.len();
    assert!(channels > 0 && y.len().is_multiple_of(channels), "add_bias: no whole number of rows");
    par::for_each_chunk(y, rows_per_piece(channels) * channels, y.len() as u64 / 4, |_, y| {
        add_bias_piece(y, bias);
    });
}

vectorized! {
    fn add_bias_piece(y: &mut [f32], bias: &[f32]) {
        for y in y.chunks_exact_mut(bias.len()) {
            y.iter_mut().zip(bias).for_each(|(y, b)| *y += b);
        }
    }
}
