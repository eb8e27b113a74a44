//! Packing of matrices into panels: `(panel, row, column of the panel)`, the last panel filled up with zeros.

use crate::elementwise::to_bf16;
use crate::par;
use crate::simd::{transpose_4x4, vectorized};

/// Elements of a matrix of `rows × columns` packed in panels of `width` columns.
pub(crate) fn packed_len(rows: usize, columns: usize, width: usize) -> usize {
    rows * columns.next_multiple_of(width)
}

/// Packs `matrix (rows, columns)`: `packed[panel, row, i] = matrix[row, panel·width + i]`.
pub(crate) fn pack(matrix: &[f32], columns: usize, width: usize, packed: &mut [f32]) {
    let rows = matrix.len() / columns;
    par::for_each_chunk(packed, rows * width, packed.len() as u64 / 4, |at, panel| {
        pack_panel(matrix, columns, width, at / rows, panel);
    });
}

/// Packs the panel that starts at column `start`, on the calling thread.
pub(crate) fn pack_panel(matrix: &[f32], columns: usize, width: usize, start: usize, panel: &mut [f32]) {
    /// Rows of a fixed width are copied by vector moves instead of a call for each.
    fn whole<const WIDTH: usize>(matrix: &[f32], columns: usize, start: usize, panel: &mut [f32]) {
        for (target, row) in panel.as_chunks_mut::<WIDTH>().0.iter_mut().zip(matrix.chunks_exact(columns)) {
            target.copy_from_slice(&row[start..start + WIDTH]);
        }
    }
    let wanted = width.min(columns - start);
    match (width, wanted == width) {
        (8, true) => whole::<8>(matrix, columns, start, panel),
        (16, true) => whole::<16>(matrix, columns, start, panel),
        (32, true) => whole::<32>(matrix, columns, start, panel),
        _ => {
            for (target, row) in panel.chunks_exact_mut(width).zip(matrix.chunks_exact(columns)) {
                target[..wanted].copy_from_slice(&row[start..start + wanted]);
                target[wanted..].fill(0.0);
            }
        }
    }
}

/// Packs `matrix (rows, columns)` as one of pairs, half as high: `packed[panel, k, i]` has `matrix[2k, panel·width + i]` in its lower
/// 16 bits and the row after that in its upper ones. `rows` is even.
pub(crate) fn pack_pairs(matrix: &[f32], columns: usize, width: usize, packed: &mut [f32]) {
    let pairs = matrix.len() / columns / 2;
    par::for_each_chunk(packed, pairs * width, matrix.len() as u64 / 4, |at, panel| {
        let start = at / pairs;
        let wanted = width.min(columns - start);
        for (target, rows) in panel.chunks_exact_mut(width).zip(matrix.chunks_exact(2 * columns)) {
            let (even, odd) = rows.split_at(columns);
            pair(&even[start..start + wanted], &odd[start..start + wanted], &mut target[..wanted]);
            target[wanted..].fill(0.0);
        }
    });
}

vectorized! {
    fn pair(even: &[f32], odd: &[f32], target: &mut [f32]) {
        for ((target, &even), &odd) in target.iter_mut().zip(even).zip(odd) {
            *target = f32::from_bits(u32::from(to_bf16(odd)) << 16 | u32::from(to_bf16(even)));
        }
    }
}

/// Packs the transposes of `taps` matrices `(rows, columns)` one after the other, as one matrix with `taps · columns`
/// rows: `packed[panel, tap·columns + k, i] = matrices[tap, panel·width + i, k]`. `width` is a multiple of 4.
pub(crate) fn pack_transposed(
    matrices: &[f32],
    taps: usize,
    rows: usize,
    columns: usize,
    width: usize,
    packed: &mut [f32],
) {
    let panels = rows.div_ceil(width);
    let size = columns * width;
    par::for_each_chunk(
        &mut packed[..panels * taps * size],
        size,
        matrices.len() as u64 / 2,
        |start, target| {
            let (panel, tap) = (start / size / taps, start / size % taps);
            let first = panel * width;
            let wanted = width.min(rows - first);
            let matrix = &matrices[(tap * rows + first) * columns..][..wanted * columns];
            if wanted < width {
                target.fill(0.0);
            }
            let blocks = wanted / 4;
            for block in 0..blocks {
                let (row, at) = (4 * block * columns, 4 * block);
                let whole = columns / 4 * 4;
                for k in (0..whole).step_by(4) {
                    transpose_4x4(&matrix[row + k..], columns, &mut target[k * width + at..], width);
                }
                transpose_rest(&matrix[row..row + 4 * columns], columns, whole, &mut target[at..], width);
            }
            transpose_rest(&matrix[4 * blocks * columns..], columns, 0, &mut target[4 * blocks..], width);
        },
    );
}

/// Transposes the columns of `matrix` from `first` on, one by one.
fn transpose_rest(matrix: &[f32], columns: usize, first: usize, target: &mut [f32], width: usize) {
    for (i, row) in matrix.chunks_exact(columns).enumerate() {
        for k in first..columns {
            target[k * width + i] = row[k];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transposed_panels_hold_each_element_once() {
        for (taps, rows, columns, width) in [(1, 1, 1, 8), (2, 9, 5, 8), (3, 37, 19, 16), (1, 64, 10, 32)] {
            let matrices: Vec<f32> = (0..taps * rows * columns).map(|i| i as f32 + 1.0).collect();
            let mut packed = vec![f32::NAN; packed_len(taps * columns, rows, width)];
            pack_transposed(&matrices, taps, rows, columns, width, &mut packed);
            for (index, &value) in packed.iter().enumerate() {
                let (panel, k, i) =
                    (index / width / columns / taps, index / width % (columns * taps), index % width);
                let (tap, k, row) = (k / columns, k % columns, panel * width + i);
                let expected = if row < rows { matrices[(tap * rows + row) * columns + k] } else { 0.0 };
                assert_eq!(value, expected, "{taps} {rows} {columns} {width} {index}");
            }
        }
    }
}
