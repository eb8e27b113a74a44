//! Filters made by hand: what a convolution makes of a picture with kernels that nobody trained.

use std::str::FromStr;

use convnet_nn::layers::{Conv2D, Padding};
use convnet_nn::{Error, Result, Sequential};
use ndarray::{Array4, ArrayD, ArrayView3, ArrayView4, Axis, Ix2, Ix3, Ix4};

/// Kernels with a name, 7 × 7 with a line of ones through the middle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Named {
    /// A vertical line.
    Vertical,
    /// A horizontal line.
    Horizontal,
}

impl FromStr for Named {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        match name {
            "vertical" => Ok(Self::Vertical),
            "horizontal" => Ok(Self::Horizontal),
            _ => Err(Error::unknown("kernel", name, ["vertical", "horizontal"])),
        }
    }
}

impl Named {
    /// The kernel, (7, 7, `channels`, 1), the same for each channel.
    pub fn kernel(self, channels: usize) -> Array4<f32> {
        Array4::from_shape_fn((7, 7, channels, 1), |(row, column, _, _)| {
            let on_line = if self == Self::Vertical { column == 3 } else { row == 3 };
            f32::from(u8::from(on_line))
        })
    }
}

/// A kernel (height, width, channels, maps) of an array that may lack the last axes: (height, width, channels) makes one map, (height,
/// width) is taken for each of the `channels`.
///
/// # Errors
/// If it has other axes, none at all, or other channels.
pub fn kernel_of(array: ArrayD<f32>, channels: usize) -> Result<Array4<f32>> {
    let shape = array.shape().to_vec();
    let wrong = |problem: String| Error::argument("kernel", problem);
    let mismatch = |_| wrong(format!("it has sizes {shape:?}"));
    let kernel = match shape.len() {
        2 => {
            let flat = array.into_dimensionality::<Ix2>().map_err(mismatch)?;
            Array4::from_shape_fn((shape[0], shape[1], channels, 1), |(row, column, _, _)| {
                flat[[row, column]]
            })
        }
        3 => array.into_dimensionality::<Ix3>().map_err(mismatch)?.insert_axis(Axis(3)),
        4 => array.into_dimensionality::<Ix4>().map_err(mismatch)?,
        axes => {
            return Err(wrong(format!(
                "it has {axes} axes; (height, width) or (height, width, channels, maps) is wanted"
            )));
        }
    };
    match kernel.dim() {
        (height, width, found, maps) if found == channels && height * width * maps > 0 => Ok(kernel),
        (_, _, found, _) if found != channels => {
            Err(wrong(format!("it is for {found} channels, the picture has {channels}")))
        }
        _ => Err(wrong(format!("it is empty: {shape:?}"))),
    }
}

/// Convolves a picture (height, width, channels) with a kernel (height, width, channels, maps); gives (height, width, maps). As
/// `tf.nn.conv2d` on one picture.
///
/// # Errors
/// If the kernel is for other channels, or with [`Padding::Valid`] larger than the picture.
pub fn filter(
    picture: ArrayView3<'_, f32>,
    kernel: ArrayView4<'_, f32>,
    strides: usize,
    padding: Padding,
) -> Result<ArrayD<f32>> {
    let (height, width, _, maps) = kernel.dim();
    let layer = Conv2D::new(maps, [height, width]).strides(strides).padding(padding).use_bias(false);
    let mut model = Sequential::new(picture.shape()).add(layer).build()?;
    let path = model.weights().map(|weight| weight.path.clone()).next().unwrap_or_default();
    model.set_weight(&path, kernel.into_dyn())?;
    let output = model.predict(picture.insert_axis(Axis(0)))?;
    Ok(output.index_axis_move(Axis(0), 0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array3;

    #[test]
    fn lines_answer_to_lines() {
        // A vertical line in a picture of nothing.
        let picture = Array3::from_shape_fn((9, 9, 3), |(_, column, _)| f32::from(u8::from(column == 4)));
        let answer =
            |named: Named, padding| filter(picture.view(), named.kernel(3).view(), 1, padding).unwrap();
        let same = answer(Named::Vertical, Padding::Same);
        assert_eq!(same.shape(), [9, 9, 1]);
        // In the middle all seven rows of all three channels meet the line; at the top only four do.
        assert_eq!((same[[4, 4, 0]], same[[0, 4, 0]], same[[4, 3, 0]]), (21.0, 12.0, 0.0));
        let valid = answer(Named::Horizontal, Padding::Valid);
        assert_eq!(valid.shape(), [3, 3, 1]);
        assert!(valid.iter().all(|&value| value == 3.0));
    }

    #[test]
    fn kernels_of_fewer_axes_are_completed() {
        let flat = ArrayD::from_elem(vec![3, 3], 2.0);
        assert_eq!(kernel_of(flat, 3).unwrap().dim(), (3, 3, 3, 1));
        assert!(kernel_of(ArrayD::zeros(vec![3, 3, 2]), 3).unwrap_err().to_string().contains("2 channels"));
        assert!(
            kernel_of(ArrayD::zeros(vec![3]), 3).is_err() && kernel_of(ArrayD::zeros(vec![0, 3]), 3).is_err()
        );
    }
}
