//! Pictures of numbers: bytes `(height, width, 3)`.

use ndarray::{Array2, Array3, ArrayView2, ArrayView3, Axis, s};

use super::colour;

/// Maps in a row of a sheet.
const COLUMNS: usize = 16;

/// The maps `(height, width, channels)` of a layer, 16 in a row with a black line between, each in viridis from its least to its largest
/// number. A map whose numbers are all the same is dark.
pub fn maps(maps: ArrayView3<'_, f32>) -> Array3<u8> {
    let (height, width, count) = maps.dim();
    let (rows, columns) = (count.div_ceil(COLUMNS).max(1), count.clamp(1, COLUMNS));
    let mut sheet = Array3::zeros((rows * (height + 1) - 1, columns * (width + 1) - 1, 3));
    for (index, map) in maps.axis_iter(Axis(2)).enumerate() {
        let (top, left) = (index / COLUMNS * (height + 1), index % COLUMNS * (width + 1));
        let map = normalised(map);
        for ((y, x), &value) in map.indexed_iter() {
            let [r, g, b] = colour::viridis(value);
            sheet.slice_mut(s![top + y, left + x, ..]).assign(&ndarray::arr1(&[r, g, b]));
        }
    }
    sheet
}

/// Numbers brought to 0 … 1; all 0 if they are the same.
pub fn normalised(map: ArrayView2<'_, f32>) -> Array2<f32> {
    let low = map.iter().copied().fold(f32::INFINITY, f32::min);
    let high = map.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let range = high - low;
    map.mapv(|value| if range > 0.0 && range.is_finite() { (value - low) / range } else { 0.0 })
}

/// The largest magnitude over the channels of `(height, width, channels)`.
pub fn strongest(values: ArrayView3<'_, f32>) -> Array2<f32> {
    values.map_axis(Axis(2), |pixel| pixel.iter().fold(0.0_f32, |most, value| most.max(value.abs())))
}

/// A map resized bilinearly, pixel centres aligned.
pub fn resized(map: ArrayView2<'_, f32>, height: usize, width: usize) -> Array2<f32> {
    let (rows, columns) = map.dim();
    let place = |index: usize, from: usize, to: usize| {
        let at = ((index as f32 + 0.5) * from as f32 / to as f32 - 0.5).clamp(0.0, (from - 1) as f32);
        (at as usize, (at as usize + 1).min(from - 1), at.fract())
    };
    Array2::from_shape_fn((height, width), |(y, x)| {
        let ((top, bottom, down), (left, right, along)) = (place(y, rows, height), place(x, columns, width));
        let between = |row: usize| map[[row, left]] * (1.0 - along) + map[[row, right]] * along;
        between(top) * (1.0 - down) + between(bottom) * down
    })
}

/// A map in viridis, from its least to its largest number.
pub fn heat(map: ArrayView2<'_, f32>) -> Array3<u8> {
    let map = normalised(map);
    Array3::from_shape_fn((map.dim().0, map.dim().1, 3), |(y, x, channel)| {
        colour::viridis(map[[y, x]])[channel]
    })
}

/// A map `(rows, columns)`, divided by its largest number and resized, in jet over a photo `(height, width, 1 or 3)` of 0 … 1, of
/// which the share `1 − alpha` stays.
pub fn overlay(photo: ArrayView3<'_, f32>, map: ArrayView2<'_, f32>, alpha: f32) -> Array3<u8> {
    let (height, width, channels) = photo.dim();
    let most = map.iter().copied().fold(0.0, f32::max);
    let scale = if most > 0.0 { most.recip() } else { 0.0 };
    let heat = resized(map, height, width);
    Array3::from_shape_fn((height, width, 3), |(y, x, channel)| {
        let colour = f32::from(colour::jet(heat[[y, x]] * scale)[channel]);
        let pixel = photo[[y, x, channel.min(channels - 1)]].clamp(0.0, 1.0) * 255.0;
        (alpha * colour + (1.0 - alpha) * pixel).round() as u8
    })
}
