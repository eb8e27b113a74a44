//! Orthogonal matrices by Gram and Schmidt's process, twice over for the rounding.

use convnet_engine::kernels::random::Philox;

/// Fills a weight, taken for a matrix of `∏ all but the last` rows and `last` columns, with vectors of length `gain` at right angles: its rows or its columns,
/// whichever are fewer.
pub(super) fn fill(random: &Philox, dims: &[usize], gain: f32, weight: &mut [f32]) {
    let columns = dims.last().copied().unwrap_or(1).max(1);
    let rows = weight.len() / columns;
    let (count, length) = (rows.min(columns), rows.max(columns));
    let mut vectors: Vec<Vec<f64>> = Vec::with_capacity(count);
    for index in 0..count {
        let start = index * length;
        let mut vector: Vec<f64> =
            (start..start + length).map(|place| f64::from(random.normal(place as u64))).collect();
        for _ in 0..2 {
            for other in &vectors {
                let along = dot(&vector, other);
                vector.iter_mut().zip(other).for_each(|(x, other)| *x -= along * other);
            }
        }
        let norm = dot(&vector, &vector).sqrt();
        vector.iter_mut().for_each(|x| *x /= norm);
        vectors.push(vector);
    }
    for (index, vector) in vectors.iter().enumerate() {
        for (place, x) in vector.iter().enumerate() {
            let (row, column) = if rows < columns { (index, place) } else { (place, index) };
            weight[row * columns + column] = gain * *x as f32;
        }
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}
