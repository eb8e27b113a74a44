//! Pictures of numbers: bytes `(height, width, 3)`.

use convnet_nn::{Error, Result};
use ndarray::{Array2, Array3, ArrayView2, ArrayView3, ArrayViewD, Axis, Ix3};

use crate::draw::{Cell, ColourMap, Sheet, enlarged, picture, resized, resized_map};

/// Maps in a row of a sheet.
const COLUMNS: usize = 16;

/// A tile of a sheet is at least so many pixels high, if that takes whole multiples, and at most so many.
const TILE: std::ops::RangeInclusive<usize> = 36..=112;

/// How a photo shines through a heat map: so much is the heat map's.
pub const OVERLAY: f32 = 0.4;

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

/// A map in viridis, from its least to its largest number, but for the hundredth part of the pixels that have the largest, which would
/// leave the others in the dark.
pub fn heat(map: ArrayView2<'_, f32>) -> Array3<u8> {
    let mut sorted: Vec<f32> = map.iter().copied().filter(|value| value.is_finite()).collect();
    sorted.sort_by(f32::total_cmp);
    let bright = sorted.get(sorted.len() * 99 / 100).copied().unwrap_or(0.0);
    let limit = if sorted.first().is_some_and(|&least| bright > least) { bright } else { f32::INFINITY };
    ColourMap::Viridis.picture(normalised(map.mapv(|value| value.min(limit)).view()).view())
}

/// A map `(rows, columns)` as shares of its largest number, what is below 0 being 0.
fn shares(map: ArrayView2<'_, f32>) -> Array2<f32> {
    let most = map.iter().copied().fold(0.0, f32::max);
    let scale = if most > 0.0 && most.is_finite() { most.recip() } else { 0.0 };
    map.mapv(|value| (value * scale).max(0.0))
}

/// A map `(rows, columns)`, divided by its largest number and resized bilinearly, in jet.
pub fn heat_map(map: ArrayView2<'_, f32>, height: usize, width: usize) -> Array3<u8> {
    ColourMap::Jet.picture(resized_map(shares(map).view(), height, width).view())
}

/// [`heat_map`] over a photo `(height, width, channels)` of 0 … 1, of which the share `1 − alpha` stays.
pub fn overlay(photo: ArrayView3<'_, f32>, map: ArrayView2<'_, f32>, alpha: f32) -> Array3<u8> {
    let (height, width, _) = photo.dim();
    let (heat, mut result) = (heat_map(map, height, width), picture(photo));
    result.zip_mut_with(&heat, |pixel, &heat| {
        *pixel = (alpha * f32::from(heat) + (1.0 - alpha) * f32::from(*pixel)).round() as u8;
    });
    result
}

/// What a layer makes of one picture, in viridis under a title with its name, shape, and share of dead maps (those that are the
/// same everywhere, units that are 0): maps `(height, width, channels)`, 16 in a row, each from its least to its largest number; units
/// `(units)`, 16 squares in a row, all from the least to the largest.
///
/// # Errors
/// If it is neither.
pub fn layer(name: &str, output: ArrayViewD<'_, f32>) -> Result<Array3<u8>> {
    let sizes: Vec<String> = output.shape().iter().map(usize::to_string).collect();
    let (tiles, dead, what) = match output.ndim() {
        3 => {
            let maps = output.into_dimensionality::<Ix3>().expect("three axes");
            let maps: Vec<ArrayView2<'_, f32>> = maps.axis_iter(Axis(2)).collect();
            let is_dead = |map: &&ArrayView2<'_, f32>| map.iter().all(|value| Some(value) == map.first());
            let tile = |map: &ArrayView2<'_, f32>| tile(normalised(*map).view());
            (maps.iter().map(tile).collect::<Vec<_>>(), maps.iter().filter(is_dead).count(), "maps")
        }
        1 => {
            let units: Vec<f32> = output.iter().copied().collect();
            let row = ArrayView2::from_shape((1, units.len()), &units).expect("a row");
            let tile = |&value: &f32| tile(Array2::from_elem((1, 1), value).view());
            let dead = units.iter().filter(|&&value| value == 0.0).count();
            (normalised(row).iter().map(tile).collect(), dead, "units")
        }
        _ => {
            let problem = format!("it gives ({}), neither maps nor a row of numbers", sizes.join(", "));
            return Err(Error::argument(format!("layer `{name}`"), problem));
        }
    };
    let share = 100.0 * dead as f64 / tiles.len().max(1) as f64;
    let title =
        format!("{name} ({}): {dead} of {} {what} dead ({share:.1} %)", sizes.join(", "), tiles.len());
    Ok(Sheet::new(COLUMNS).gap(2).title(title).cells(tiles.into_iter().map(Cell::picture)).picture())
}

/// Numbers of 0 … 1 as a tile of a sensible size.
fn tile(map: ArrayView2<'_, f32>) -> Array3<u8> {
    let (height, width) = map.dim();
    let longer = height.max(width).max(1);
    if longer > *TILE.end() {
        let side = |size: usize| (size * TILE.end() / longer).max(1);
        return ColourMap::Viridis.picture(resized_map(map, side(height), side(width)).view());
    }
    enlarged(ColourMap::Viridis.picture(map).view(), TILE.start().div_ceil(longer))
}

/// A sheet of 8 pictures a row, each brought to 64 × 64 pixels.
pub fn tiles(title: &str, pictures: impl IntoIterator<Item = Array3<f32>>) -> Array3<u8> {
    const SIDE: usize = 64;
    let tile = |values: Array3<f32>| {
        let (height, width, _) = values.dim();
        if height.max(width) * 2 <= SIDE {
            return Cell::picture(enlarged(picture(values.view()).view(), SIDE / height.max(width)));
        }
        Cell::picture(picture(resized(values.view(), SIDE, SIDE).view()))
    };
    Sheet::new(8).gap(5).title(title).cells(pictures.into_iter().map(tile)).picture()
}

#[cfg(test)]
mod tests {
    use ndarray::{Array3, array};

    use super::*;

    #[test]
    fn overlays_are_jet_over_the_photo() {
        let photo = Array3::from_elem((4, 6, 1), 1.0);
        let drawn = overlay(photo.view(), array![[0.0, 3.0]].view(), OVERLAY);
        assert_eq!(drawn.dim(), (4, 6, 3));
        // Jet's ends are (0, 0, 128) and (128, 0, 0).
        assert_eq!(drawn.slice(ndarray::s![0, 0, ..]).to_vec(), [153, 153, 204]);
        assert_eq!(drawn.slice(ndarray::s![3, 5, ..]).to_vec(), [204, 153, 153]);
        let nothing = overlay(photo.view(), array![[-1.0, 0.0]].view(), OVERLAY);
        assert_eq!(nothing.slice(ndarray::s![0, 5, ..]).to_vec(), [153, 153, 204]);
    }

    #[test]
    fn sheets_hold_all_maps_sixteen_a_row() {
        let maps =
            Array3::from_shape_fn((5, 5, 40), |(y, x, map)| if map < 4 { 0.0 } else { (y * x) as f32 });
        let sheet = layer("conv", maps.view().into_dyn()).unwrap();
        let tile = 5 * 36_usize.div_ceil(5);
        assert_eq!(sheet.dim().1, 16 * tile + 15 * 2 + 16);
        assert!(sheet.dim().0 > 3 * tile + 2 * 2 + 16, "three rows and a title");
        let units = array![0.0_f32, 1.0, 2.0].into_dyn();
        assert!(layer("dense", units.view()).is_ok());
        let problem = layer("odd", maps.view().insert_axis(Axis(0)).into_dyn()).unwrap_err();
        assert!(problem.to_string().contains("neither maps"), "{problem}");
    }
}
