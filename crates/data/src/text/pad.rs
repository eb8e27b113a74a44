//! Sequences of one length.

use ndarray::Array2;

/// At which end sequences are filled up or cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// At the beginning. Keras's default for both.
    Pre,
    /// At the end.
    Post,
}

/// Brings sequences to one length, `(count, maxlen)`: shorter ones filled with `value` at the side `padding`, longer ones cut at the side
/// `truncating`. Without `maxlen`, as long as the longest. Keras's [pad_sequences](https://keras.io/api/data_loading/timeseries/#pad_sequences-function).
///
/// ```
/// use convnet_data::text::{Side, pad_sequences};
/// let rows = pad_sequences(&[vec![1], vec![2, 3], vec![4, 5, 6]], Some(2), Side::Pre, Side::Pre, 0.0);
/// assert_eq!(rows, ndarray::array![[0.0, 1.0], [2.0, 3.0], [5.0, 6.0]]);
/// ```
pub fn pad_sequences<S: AsRef<[u32]>>(
    sequences: &[S],
    maxlen: Option<usize>,
    padding: Side,
    truncating: Side,
    value: f32,
) -> Array2<f32> {
    let longest = || sequences.iter().map(|sequence| sequence.as_ref().len()).max().unwrap_or(0);
    let length = maxlen.unwrap_or_else(longest);
    let mut rows = Array2::from_elem((sequences.len(), length), value);
    for (sequence, mut row) in sequences.iter().zip(rows.rows_mut()) {
        let row = row.as_slice_mut().expect("the array was made row by row");
        pad_into(sequence.as_ref(), row, padding, truncating);
    }
    rows
}

/// Writes a sequence into a row that holds the padding already.
pub(super) fn pad_into(sequence: &[u32], row: &mut [f32], padding: Side, truncating: Side) {
    let kept = sequence.len().min(row.len());
    let from = match truncating {
        Side::Pre => &sequence[sequence.len() - kept..],
        Side::Post => &sequence[..kept],
    };
    let to = match padding {
        Side::Pre => row.len() - kept,
        Side::Post => 0,
    };
    row[to..to + kept].iter_mut().zip(from).for_each(|(place, &word)| *place = word as f32);
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn keras_gives_the_same() {
        // Keras 3.15: keras.utils.pad_sequences([[1], [2, 3], [4, 5, 6], []], …)
        let sequences = [vec![1], vec![2, 3], vec![4, 5, 6], vec![]];
        let pad = |maxlen, padding, truncating, value| {
            pad_sequences(&sequences, maxlen, padding, truncating, value)
        };
        assert_eq!(
            pad(None, Side::Pre, Side::Pre, 0.0),
            array![[0., 0., 1.], [0., 2., 3.], [4., 5., 6.], [0., 0., 0.]]
        );
        assert_eq!(
            pad(Some(2), Side::Post, Side::Post, -1.0),
            array![[1., -1.], [2., 3.], [4., 5.], [-1., -1.]]
        );
        assert_eq!(
            pad(Some(4), Side::Post, Side::Pre, 9.0),
            array![[1., 9., 9., 9.], [2., 3., 9., 9.], [4., 5., 6., 9.], [9., 9., 9., 9.]]
        );
        assert_eq!(pad(Some(0), Side::Pre, Side::Pre, 0.0).dim(), (4, 0));
    }
}
