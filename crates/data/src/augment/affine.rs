//! Affine warps: the matrix, and pictures, masks, boxes and points that it moves.

use convnet_nn::engine::kernels::warp::{self, Sizes};
use ndarray::{Array2, Array3};

use super::annotated::Annotated;
use super::fill::{Fill, Interpolation};

/// Where the pixels of a warped picture come from: `[row, column]` of the original is `m · [row, column, 1]` of the warped one, counted from the
/// middle of the first pixel, as in SciPy's `affine_transform`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Matrix(pub [[f64; 3]; 2]);

impl Matrix {
    /// Leaves everything where it is.
    pub const IDENTITY: Self = Self([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]);

    /// Turns the picture about its first pixel, anticlockwise for positive angles. Keras's `theta`.
    pub fn rotation(degrees: f64) -> Self {
        let (sine, cosine) = degrees.to_radians().sin_cos();
        Self([[cosine, sine, 0.0], [-sine, cosine, 0.0]])
    }

    /// Moves the picture up by `rows` and left by `columns` pixels. Keras's `ty` and `tx`, in this order.
    pub fn shift(rows: f64, columns: f64) -> Self {
        Self([[1.0, 0.0, rows], [0.0, 1.0, columns]])
    }

    /// Slants columns by an angle; rows become higher by its cosine, as of Keras's `shear`.
    pub fn shear(degrees: f64) -> Self {
        let (sine, cosine) = degrees.to_radians().sin_cos();
        Self([[cosine, 0.0, 0.0], [-sine, 1.0, 0.0]])
    }

    /// Makes things smaller by these factors. Keras's `zy` and `zx`, in this order.
    pub fn zoom(rows: f64, columns: f64) -> Self {
        Self([[rows, 0.0, 0.0], [0.0, columns, 0.0]])
    }

    /// The matrix product: what a picture becomes that is warped by `self` and then by `next`.
    pub fn then(self, next: Self) -> Self {
        let (a, b) = (self.0, next.0);
        let entry = |row: usize, column: usize| {
            let moved = if column == 2 { a[row][2] } else { 0.0 };
            a[row][0] * b[0][column] + a[row][1] * b[1][column] + moved
        };
        Self([0, 1].map(|row| [entry(row, 0), entry(row, 1), entry(row, 2)]))
    }

    /// The same about the middle of a picture, which stays where it is unless the matrix shifts it.
    ///
    /// Keras swaps height and width here, so that it turns pictures that are not square about another point.
    pub fn about_middle(self, [height, width]: [usize; 2]) -> Self {
        let (row, column) = (height as f64 / 2.0 - 0.5, width as f64 / 2.0 - 0.5);
        Self::shift(row, column).then(self).then(Self::shift(-row, -column))
    }

    /// The way back, if there is one.
    pub fn inverse(self) -> Option<Self> {
        let [[a, b, e], [c, d, f]] = self.0;
        let determinant = a * d - b * c;
        if !(determinant.abs() > 1e-12 && determinant.is_finite()) {
            return None;
        }
        let [a, b, c, d] = [d, -b, -c, a].map(|entry| entry / determinant);
        Some(Self([[a, b, -(a * e + b * f)], [c, d, -(c * e + d * f)]]))
    }

    /// Where a row and a column come from.
    pub fn apply(&self, [row, column]: [f64; 2]) -> [f64; 2] {
        self.0.map(|m| (m[2] + m[0] * row) + m[1] * column)
    }
}

/// A matrix and how a picture is warped by it. The size stays.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Warp {
    /// Where pixels come from.
    pub matrix: Matrix,
    /// What is shown where there are none.
    pub fill: Fill,
    /// The value of [`Fill::Constant`].
    pub value: f32,
    /// How values between pixels are found. Masks always take the nearest.
    pub interpolation: Interpolation,
}

impl Warp {
    /// Warps the picture and moves its marks. Masks have 0 where the picture has a constant.
    pub fn apply(&self, sample: &mut Annotated) {
        if self.matrix == Matrix::IDENTITY {
            return;
        }
        sample.image = self.image(&sample.image);
        for mask in &mut sample.masks {
            *mask = self.mask(mask);
        }
        // A picture that is drawn out without end has no marks left.
        let forth = self.matrix.inverse().unwrap_or(Matrix([[0.0, 0.0, f64::from(f32::MIN)]; 2]));
        sample.move_marks(|[x, y]| {
            let [row, column] = forth.apply([f64::from(y) - 0.5, f64::from(x) - 0.5]);
            [column as f32 + 0.5, row as f32 + 0.5]
        });
    }

    /// Warps a picture `(height, width, channels)`.
    pub fn image(&self, image: &Array3<f32>) -> Array3<f32> {
        let mut out = Array3::zeros(image.raw_dim());
        let (height, width, channels) = image.dim();
        let source = image.as_standard_layout();
        if let (Some(source), Some(out)) = (source.as_slice(), out.as_slice_mut()) {
            self.kernel().forward(source, out, Sizes::same([height, width], channels));
        }
        out
    }

    /// Warps a mask `(height, width)`.
    pub fn mask(&self, mask: &Array2<u8>) -> Array2<u8> {
        let mut out = Array2::zeros(mask.raw_dim());
        let (height, width) = mask.dim();
        let source = mask.as_standard_layout();
        if let (Some(source), Some(out)) = (source.as_slice(), out.as_slice_mut()) {
            self.kernel().nearest(source, out, Sizes::same([height, width], 1), 0);
        }
        out
    }

    fn kernel(&self) -> warp::Warp {
        warp::Warp {
            matrix: self.matrix.0,
            outside: self.fill.outside(self.value),
            interpolation: self.interpolation.kernel(),
        }
    }
}
