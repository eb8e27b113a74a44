//! A picture with what is marked on it.

use ndarray::{Array2, Array3};

/// A rectangle in pixels: x to the right, y down, edges of pixels at whole numbers, so that the whole picture is 0, 0, width, height.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct BoxF {
    /// Left edge.
    pub x0: f32,
    /// Upper edge.
    pub y0: f32,
    /// Right edge.
    pub x1: f32,
    /// Lower edge.
    pub y1: f32,
}

impl BoxF {
    /// From left, upper, right and lower edge.
    pub const fn new(x0: f32, y0: f32, x1: f32, y1: f32) -> Self {
        Self { x0, y0, x1, y1 }
    }

    /// Whether nothing of it is left, as of one that was moved out of the picture.
    pub fn is_empty(&self) -> bool {
        !(self.x1 > self.x0 && self.y1 > self.y0)
    }

    /// The part within a picture.
    pub fn clipped(self, height: usize, width: usize) -> Self {
        let (right, bottom) = (width as f32, height as f32);
        let (x, y) = (|x: f32| x.clamp(0.0, right), |y: f32| y.clamp(0.0, bottom));
        Self::new(x(self.x0), y(self.y0), x(self.x1), y(self.y1))
    }

    /// The smallest upright rectangle around its four corners once they are moved.
    pub fn moved(self, to: impl Fn([f32; 2]) -> [f32; 2]) -> Self {
        let corners =
            [[self.x0, self.y0], [self.x1, self.y0], [self.x0, self.y1], [self.x1, self.y1]].map(to);
        let least = |axis: usize| corners.iter().map(|corner| corner[axis]).fold(f32::INFINITY, f32::min);
        let most = |axis: usize| corners.iter().map(|corner| corner[axis]).fold(f32::NEG_INFINITY, f32::max);
        Self::new(least(0), least(1), most(0), most(1))
    }
}

/// A picture and the marks on it, which move with its pixels.
///
/// Marks keep their places in their lists, so that labels elsewhere still fit: a box that leaves the picture becomes empty
/// ([`BoxF::is_empty`]), a point may come to lie outside.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Annotated {
    /// `(height, width, channels)`, values 0 … 255. The first three of three or more channels are red, green and blue.
    pub image: Array3<f32>,
    /// Rectangles, cut at the picture's border when they move.
    pub boxes: Vec<BoxF>,
    /// Numbers of objects or classes for each pixel, each mask `(height, width)`.
    pub masks: Vec<Array2<u8>>,
    /// Points x, y in the coordinates of [`BoxF`]: the middle of the first pixel is 0.5, 0.5.
    pub points: Vec<[f32; 2]>,
}

impl Annotated {
    /// A picture without marks.
    pub fn new(image: Array3<f32>) -> Self {
        Self { image, ..Self::default() }
    }

    /// Height and width.
    pub fn size(&self) -> [usize; 2] {
        let (height, width, _) = self.image.dim();
        [height, width]
    }

    /// The pixels, one row after another.
    pub fn pixels(&mut self) -> &mut [f32] {
        if !self.image.is_standard_layout() {
            self.image = self.image.as_standard_layout().into_owned();
        }
        self.image.as_slice_mut().expect("the layout is the standard one")
    }

    /// Moves boxes and points; boxes are cut to the picture as it is then.
    pub fn move_marks(&mut self, to: impl Fn([f32; 2]) -> [f32; 2]) {
        let [height, width] = self.size();
        for mark in &mut self.boxes {
            *mark = if mark.is_empty() { BoxF::default() } else { mark.moved(&to).clipped(height, width) };
        }
        for point in &mut self.points {
            *point = to(*point);
        }
    }
}
