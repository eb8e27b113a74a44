//! A picture that can be drawn on.

use ndarray::{Array3, ArrayView2, ArrayView3, Axis, s};

/// Bytes `(height, width, 3)`: red, green, blue. What lies outside of them is not drawn; places may be negative.
///
/// ```
/// use convnet_vision::draw::Canvas;
///
/// let mut canvas = Canvas::new(120, 24, [255; 3]);
/// canvas.text(4, 4, "cat 0.93", 14.0, [0; 3]);
/// canvas.frame(0, 0, 120, 24, 2, [255, 0, 0]);
/// assert_eq!(canvas.pixels().dim(), (24, 120, 3));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Canvas {
    pixels: Array3<u8>,
}

impl Canvas {
    /// Of one colour.
    pub fn new(width: usize, height: usize, colour: [u8; 3]) -> Self {
        Self { pixels: Array3::from_shape_fn((height, width, 3), |(_, _, channel)| colour[channel]) }
    }

    /// Of a photo `(height, width, channels)` of 0 … 1; a single channel is grey, of more than three the first three are shown.
    pub fn of_photo(photo: ArrayView3<'_, f32>) -> Self {
        Self { pixels: picture(photo) }
    }

    /// Pixels in a row.
    pub fn width(&self) -> usize {
        self.pixels.dim().1
    }

    /// Rows of pixels.
    pub fn height(&self) -> usize {
        self.pixels.dim().0
    }

    /// The picture `(height, width, 3)`.
    pub fn pixels(&self) -> ArrayView3<'_, u8> {
        self.pixels.view()
    }

    /// The picture `(height, width, 3)`.
    pub fn into_pixels(self) -> Array3<u8> {
        self.pixels
    }

    /// Lays the share `cover`, from 0 to 1, of a colour over a pixel.
    pub fn blend(&mut self, x: isize, y: isize, colour: [u8; 3], cover: f32) {
        let (Ok(x), Ok(y)) = (usize::try_from(x), usize::try_from(y)) else { return };
        if x < self.width() && y < self.height() {
            let cover = cover.clamp(0.0, 1.0);
            for channel in 0..3 {
                let pixel = &mut self.pixels[[y, x, channel]];
                *pixel =
                    (f32::from(*pixel) * (1.0 - cover) + f32::from(colour[channel]) * cover).round() as u8;
            }
        }
    }

    /// Fills a rectangle.
    pub fn fill(&mut self, x: isize, y: isize, width: usize, height: usize, colour: [u8; 3]) {
        let range = |start: isize, len: usize, end: usize| {
            let to = start.saturating_add_unsigned(len).clamp(0, end as isize) as usize;
            (start.clamp(0, end as isize) as usize).min(to)..to
        };
        let (rows, columns) = (range(y, height, self.height()), range(x, width, self.width()));
        for mut pixel in self.pixels.slice_mut(s![rows, columns, ..]).rows_mut() {
            pixel.assign(&ndarray::aview1(&colour));
        }
    }

    /// Draws the border of a rectangle, so thick, inside of it.
    pub fn frame(
        &mut self,
        x: isize,
        y: isize,
        width: usize,
        height: usize,
        thickness: usize,
        colour: [u8; 3],
    ) {
        let (across, down) = (thickness.min(width), thickness.min(height));
        self.fill(x, y, width, down, colour);
        self.fill(x, y.saturating_add_unsigned(height - down), width, down, colour);
        self.fill(x, y, across, height, colour);
        self.fill(x.saturating_add_unsigned(width - across), y, across, height, colour);
    }

    /// Puts a picture `(height, width, 3)` with its upper left corner at a place.
    pub fn paste(&mut self, x: usize, y: usize, picture: ArrayView3<'_, u8>) {
        let (x, y) = (x.min(self.width()), y.min(self.height()));
        let (height, width) = (picture.dim().0.min(self.height() - y), picture.dim().1.min(self.width() - x));
        let part = picture.slice_move(s![..height, ..width, ..]);
        self.pixels.slice_mut(s![y..y + height, x..x + width, ..]).assign(&part);
    }
}

/// Bytes `(height, width, 3)` of a photo `(height, width, channels)` of 0 … 1; a single channel is grey, of more than three the first three
/// are shown.
pub fn picture(photo: ArrayView3<'_, f32>) -> Array3<u8> {
    let (height, width, channels) = photo.dim();
    Array3::from_shape_fn((height, width, 3), |(y, x, channel)| {
        let value = if channels > 2 { photo[[y, x, channel]] } else { photo[[y, x, 0]] };
        (value.clamp(0.0, 1.0) * 255.0).round() as u8
    })
}

/// Each pixel as a square of `times` × `times`.
pub fn enlarged(picture: ArrayView3<'_, u8>, times: usize) -> Array3<u8> {
    let times = times.max(1);
    let (height, width, channels) = picture.dim();
    Array3::from_shape_fn((height * times, width * times, channels), |(y, x, channel)| {
        picture[[y / times, x / times, channel]]
    })
}

/// Numbers `(rows, columns, channels)` resized bilinearly, pixel centres aligned; when shrinking, each new one is the mean over the width of
/// the filter.
pub fn resized(values: ArrayView3<'_, f32>, height: usize, width: usize) -> Array3<f32> {
    let along = |values: ArrayView3<'_, f32>, axis: usize, to: usize| {
        let from = values.len_of(Axis(axis));
        let mut sizes = [values.dim().0, values.dim().1, values.dim().2];
        sizes[axis] = to;
        let mut result = Array3::zeros(sizes);
        let scale = from as f32 / to as f32;
        let reach = scale.max(1.0);
        for (index, mut row) in result.axis_iter_mut(Axis(axis)).enumerate() {
            let centre = (index as f32 + 0.5) * scale - 0.5;
            let (first, last) = ((centre - reach).ceil() as isize, (centre + reach).floor() as isize);
            let weight = |place: isize| (1.0 - (place as f32 - centre).abs() / reach).max(0.0);
            let total: f32 = (first..=last).map(weight).sum();
            for place in first..=last {
                let share = weight(place) / total;
                row.scaled_add(
                    share,
                    &values.index_axis(Axis(axis), place.clamp(0, from as isize - 1) as usize),
                );
            }
        }
        result
    };
    let tall = along(values, 0, height);
    along(tall.view(), 1, width)
}

/// As [`resized`], for one map `(rows, columns)`.
pub(crate) fn resized_map(map: ArrayView2<'_, f32>, height: usize, width: usize) -> ndarray::Array2<f32> {
    resized(map.insert_axis(Axis(2)), height, width).index_axis_move(Axis(2), 0)
}

#[cfg(test)]
mod tests {
    use ndarray::{Array3, array};

    use super::*;

    #[test]
    fn what_lies_outside_is_not_drawn() {
        let mut canvas = Canvas::new(4, 3, [9; 3]);
        canvas.fill(-2, -2, 3, 3, [1, 2, 3]);
        canvas.fill(9, 9, 5, 5, [0; 3]);
        canvas.paste(3, 2, Array3::from_elem((5, 5, 3), 7).view());
        canvas.blend(-1, 100, [0; 3], 1.0);
        let red = canvas.pixels().index_axis(Axis(2), 0).to_owned();
        assert_eq!(red, array![[1, 9, 9, 9], [9, 9, 9, 9], [9, 9, 9, 7]]);
    }

    #[test]
    fn frames_leave_the_inside() {
        let mut canvas = Canvas::new(4, 4, [0; 3]);
        canvas.frame(0, 0, 4, 4, 1, [5; 3]);
        let red = canvas.pixels().index_axis(Axis(2), 0).to_owned();
        assert_eq!(red, array![[5, 5, 5, 5], [5, 0, 0, 5], [5, 0, 0, 5], [5, 5, 5, 5]]);
    }

    #[test]
    fn resizing_keeps_centres_and_means() {
        let map = array![[0.0, 1.0]];
        assert_eq!(resized_map(map.view(), 1, 4), array![[0.0, 0.25, 0.75, 1.0]]);
        let same = resized_map(array![[1.0, 5.0], [2.0, 3.0]].view(), 2, 2);
        assert_eq!(same, array![[1.0, 5.0], [2.0, 3.0]]);
        let flat = resized_map(Array3::<f32>::from_elem((9, 7, 1), 2.0).index_axis(Axis(2), 0), 3, 3);
        assert!(flat.iter().all(|value| (value - 2.0).abs() < 1e-6));
    }
}
