//! Elements picked from places along an axis, and put to such places.

use crate::par;

/// The place that a number names, if it is one of `size`.
fn place(number: f32, size: usize) -> Option<usize> {
    (number > -1.0 && number < size as f32).then_some(number as usize)
}

/// `y[o, p, i] = x[o, places[o, p, i], i]`, of `x (outer, size, inner)` and `places (outer, count, inner)`. Fractions are cut off; where
/// there is no such element, y is not a number.
///
/// # Panics
/// If the lengths do not fit.
pub fn pick_along([outer, size, count, inner]: [usize; 4], x: &[f32], places: &[f32], y: &mut [f32]) {
    assert_eq!(x.len(), outer * size * inner, "pick_along: the input does not have its shape's length");
    assert_eq!(
        places.len(),
        outer * count * inner,
        "pick_along: the places do not have their shape's length"
    );
    assert_eq!(y.len(), places.len(), "pick_along: an element for each place");
    if y.is_empty() {
        return;
    }
    par::for_each_chunk(y, count * inner, places.len() as u64, |start, y| {
        let x = &x[start / count * size..][..size * inner];
        for (index, (y, &number)) in y.iter_mut().zip(&places[start..]).enumerate() {
            *y = place(number, size).map_or(f32::NAN, |place| x[place * inner + index % inner]);
        }
    });
}

/// `y[o, places[o, p, i], i] = x[o, p, i]`, of `x` and `places (outer, count, inner)` and `y (outer, size, inner)`; 0 where nothing is
/// put. What is put to the same place is summed up, or else the last one stays. Numbers that are no places are passed over.
///
/// # Panics
/// If the lengths do not fit.
pub fn place_along(
    sums: bool,
    [outer, size, count, inner]: [usize; 4],
    x: &[f32],
    places: &[f32],
    y: &mut [f32],
) {
    assert_eq!(x.len(), outer * count * inner, "place_along: the input does not have its shape's length");
    assert_eq!(places.len(), x.len(), "place_along: a place for each element");
    assert_eq!(y.len(), outer * size * inner, "place_along: the output does not have its shape's length");
    if y.is_empty() {
        return;
    }
    par::for_each_chunk(y, size * inner, (x.len() + y.len()) as u64, |start, y| {
        y.fill(0.0);
        let range = start / size * count..start / size * count + count * inner;
        for (index, (x, &number)) in x[range.clone()].iter().zip(&places[range]).enumerate() {
            if let Some(place) = place(number, size) {
                let y = &mut y[place * inner + index % inner];
                *y = if sums { *y + x } else { *x };
            }
        }
    });
}
