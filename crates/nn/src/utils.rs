//! Small helpers with Keras's names.

use ndarray::Array2;

use crate::error::{Error, Result};

/// One-hot rows of class numbers: `(count, num_classes)` with a 1 in the column of each label.
///
/// # Errors
/// If a label is not below `num_classes`.
///
/// ```
/// let rows = convnet_nn::utils::to_categorical(&[0, 2], 3)?;
/// assert_eq!(rows, ndarray::array![[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]);
/// # Ok::<(), convnet_nn::Error>(())
/// ```
pub fn to_categorical(labels: &[usize], num_classes: usize) -> Result<Array2<f32>> {
    let mut rows = Array2::zeros((labels.len(), num_classes));
    for (row, &label) in labels.iter().enumerate() {
        let cell = rows.get_mut((row, label)).ok_or_else(|| {
            let problem = format!("label {label} at place {row} is not below num_classes = {num_classes}");
            Error::argument("to_categorical", problem)
        })?;
        *cell = 1.0;
    }
    Ok(rows)
}
