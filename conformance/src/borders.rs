//! Borders of arrays with four axes.

/// Calls `f(padded place, inner place)` for all places of the padded array, outside of which there is no inner place.
fn for_each_place(inner: [usize; 4], border: [(usize, usize); 4], mut f: impl FnMut(usize, Option<usize>)) {
    let padded: Vec<usize> = inner.iter().zip(border).map(|(size, (a, b))| size + a + b).collect();
    for place in 0..padded.iter().product() {
        let (mut rest, mut stride, mut source) = (place, 1, Some(0));
        for axis in (0..4).rev() {
            let index = rest % padded[axis];
            rest /= padded[axis];
            let inside = index >= border[axis].0 && index < border[axis].0 + inner[axis];
            source = source.filter(|_| inside).map(|source| source + (index - border[axis].0) * stride);
            stride *= inner[axis];
        }
        f(place, source);
    }
}

/// x with `value` around it.
pub fn pad(x: &[f64], inner: [usize; 4], border: [(usize, usize); 4], value: f64) -> Vec<f64> {
    let mut y = Vec::new();
    for_each_place(inner, border, |_, source| y.push(source.map_or(value, |source| x[source])));
    y
}

/// x, whose sizes are `padded`, without its border.
pub fn crop(x: &[f64], padded: [usize; 4], border: [(usize, usize); 4]) -> Vec<f64> {
    let mut inner = padded;
    inner.iter_mut().zip(border).for_each(|(size, (before, after))| *size -= before + after);
    let mut y = vec![0.0; inner.iter().product()];
    for_each_place(inner, border, |place, source| {
        if let Some(source) = source {
            y[source] = x[place];
        }
    });
    y
}
