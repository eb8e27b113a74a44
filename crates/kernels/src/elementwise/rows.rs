//! Rows of a table by their numbers, and sums into such rows: what an embedding is.

use crate::par;

/// The row that an index names, if it is the number of one.
fn row(index: f32, rows: usize) -> Option<usize> {
    (index > -1.0 && index < rows as f32).then_some(index as usize)
}

/// `out` row i is the row `indices[i]` of a table of rows of `width`. Fractions are cut off; an index that is no row's gives
/// numbers that are not numbers, so that it is noticed.
///
/// # Panics
/// If `width` is 0, or `out` does not have a row for each index.
pub fn gather_rows(indices: &[f32], table: &[f32], width: usize, out: &mut [f32]) {
    assert_eq!(out.len(), indices.len() * width, "gather_rows: a row for each index");
    let rows = table.len() / width;
    let rows_per_piece = (super::CHUNK / width).max(1);
    let cost = out.len() as u64 / 4 + indices.len() as u64;
    par::for_each_chunk(out, rows_per_piece * width, cost, |start, out| {
        for (out, &index) in out.chunks_exact_mut(width).zip(&indices[start / width..]) {
            match row(index, rows) {
                Some(row) => out.copy_from_slice(&table[row * width..(row + 1) * width]),
                None => out.fill(f32::NAN),
            }
        }
    });
}

/// Row r of `table` is the sum of the rows i of `x` with `indices[i] = r`; 0 if there are none. Indices that are no row's are passed over.
///
/// # Panics
/// If `width` is 0, or `x` does not have a row for each index.
pub fn scatter_rows(indices: &[f32], x: &[f32], width: usize, table: &mut [f32]) {
    assert_eq!(x.len(), indices.len() * width, "scatter_rows: a row for each index");
    table.fill(0.0);
    let rows = table.len() / width;
    // One after another, so that each sum has a fixed order.
    for (x, &index) in x.chunks_exact(width).zip(indices) {
        if let Some(row) = row(index, rows) {
            table[row * width..(row + 1) * width].iter_mut().zip(x).for_each(|(sum, x)| *sum += x);
        }
    }
}
