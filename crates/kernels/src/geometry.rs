//! Window arithmetic: padding, stride, dilation and output sizes of convolutions and pools.
//!
//! This is the one home of it, for every crate above. A window slides over up to three spatial axes (depth,
//! height, width); images use the last two, sequences the last one, and the unused leading axes are
//! [`Axis::UNIT`], so that one loop nest serves one, two and three dimensions.

/// How the border of an axis is treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Padding {
    /// No padding: out = floor((in − extent) / stride) + 1.
    Valid,
    /// Zeros so that out = ceil(in / stride); an odd pixel of padding goes to the end (bottom, right).
    Same,
    /// So many zeros before and after.
    Explicit {
        /// Zeros before the first element.
        before: usize,
        /// Zeros after the last element.
        after: usize,
    },
}

/// A window along one spatial axis. Plain data; see [`Axis::new`] for the checked way to make one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Axis {
    /// Elements of the input along this axis.
    pub input: usize,
    /// Taps of the kernel.
    pub kernel: usize,
    /// Distance between neighbouring windows.
    pub stride: usize,
    /// Distance between neighbouring taps.
    pub dilation: usize,
    /// Zeros before the first element.
    pub pad_before: usize,
    /// Zeros after the last element.
    pub pad_after: usize,
}

/// Why a window does not fit its input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WindowError {
    /// Kernel, stride or dilation is zero, or the input is empty.
    Zero(&'static str),
    /// The kernel's extent is larger than the padded input.
    TooLarge {
        /// `dilation · (kernel − 1) + 1`.
        extent: usize,
        /// Input size with padding.
        padded_input: usize,
    },
    /// A transposed window adds as many elements as its stride, or more: they would be outputs of further windows.
    OutputPadding {
        /// Elements to add at the end.
        output_padding: usize,
        /// Distance between neighbouring windows.
        stride: usize,
    },
    /// The paddings take away all that a transposed window gives.
    Empty,
    /// A size is so large that the arithmetic would overflow.
    Overflow,
}

impl std::fmt::Display for WindowError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Zero(what) => write!(f, "{what} must be at least 1"),
            Self::TooLarge { extent, padded_input } => {
                write!(f, "the window covers {extent} elements but the input has only {padded_input}")
            }
            Self::OutputPadding { output_padding, stride } => {
                write!(f, "the output padding {output_padding} must be less than the stride {stride}")
            }
            Self::Empty => write!(f, "the padding leaves nothing of the output"),
            Self::Overflow => write!(f, "the sizes are too large"),
        }
    }
}

impl std::error::Error for WindowError {}

impl Axis {
    /// The axis of an operation that has none there: one element, one tap.
    pub const UNIT: Self = Self { input: 1, kernel: 1, stride: 1, dilation: 1, pad_before: 0, pad_after: 0 };

    /// A window of `kernel` taps over `input` elements, its padding worked out.
    ///
    /// # Errors
    /// If a size is zero, or no window fits into the padded input.
    pub fn new(
        input: usize,
        kernel: usize,
        stride: usize,
        dilation: usize,
        padding: Padding,
    ) -> Result<Self, WindowError> {
        check_sizes(input, kernel, stride, dilation)?;
        let extent = dilation * (kernel - 1) + 1;
        let (pad_before, pad_after) = match padding {
            Padding::Valid => (0, 0),
            Padding::Same => {
                let needed = ((input.div_ceil(stride) - 1) * stride + extent).saturating_sub(input);
                (needed / 2, needed - needed / 2)
            }
            Padding::Explicit { before, after } => (before, after),
        };
        if pad_before > MAX_SIZE || pad_after > MAX_SIZE {
            return Err(WindowError::Overflow);
        }
        let padded_input = input + pad_before + pad_after;
        if extent > padded_input {
            return Err(WindowError::TooLarge { extent, padded_input });
        }
        Ok(Self { input, kernel, stride, dilation, pad_before, pad_after })
    }

    /// The window of a transposed convolution that spreads `input` elements, with the sizes that Keras gives: the window
    /// of the convolution whose data gradient it is. So `input` of the result is the size of the transposed convolution's
    /// output, and its [`Axis::output`] is this function's `input`.
    ///
    /// | padding | output padding `None` | output padding `p` (less than the stride) |
    /// |---|---|---|
    /// | valid | (in − 1) · stride + max(extent, stride) | (in − 1) · stride + extent + p |
    /// | same | in · stride | (in − 1) · stride + extent mod 2 + p |
    /// | explicit | (in − 1) · stride + extent − before − after | the same + p |
    ///
    /// Of what same padding cuts off, the odd element is cut off at the end.
    ///
    /// # Errors
    /// If a size is zero, the output padding is not less than the stride, or nothing is left of the output.
    pub fn transposed(
        input: usize,
        kernel: usize,
        stride: usize,
        dilation: usize,
        padding: Padding,
        output_padding: Option<usize>,
    ) -> Result<Self, WindowError> {
        check_sizes(input, kernel, stride, dilation)?;
        if let Some(output_padding) = output_padding.filter(|&added| added >= stride) {
            return Err(WindowError::OutputPadding { output_padding, stride });
        }
        let extent = dilation * (kernel - 1) + 1;
        let steps = (input - 1) * stride;
        let (output, pad_before, pad_after) = match padding {
            Padding::Valid => {
                (steps + extent + output_padding.unwrap_or_else(|| stride.saturating_sub(extent)), 0, 0)
            }
            Padding::Same => {
                let output = steps + output_padding.map_or(stride, |added| extent % 2 + added);
                let cut = (steps + extent).saturating_sub(output);
                (output, cut / 2, cut - cut / 2)
            }
            Padding::Explicit { before, after } => {
                if before > MAX_SIZE || after > MAX_SIZE {
                    return Err(WindowError::Overflow);
                }
                let spread = steps + extent + output_padding.unwrap_or(0);
                (spread.saturating_sub(before + after), before, after)
            }
        };
        match output {
            0 => Err(WindowError::Empty),
            1..=MAX_SIZE => Ok(Self { input: output, kernel, stride, dilation, pad_before, pad_after }),
            _ => Err(WindowError::Overflow),
        }
    }

    /// Elements that the whole window spans: `dilation · (kernel − 1) + 1`.
    pub const fn extent(&self) -> usize {
        self.dilation * (self.kernel - 1) + 1
    }

    /// Input size with its padding.
    pub const fn padded_input(&self) -> usize {
        self.input + self.pad_before + self.pad_after
    }

    /// Number of windows: `floor((padded input − extent) / stride) + 1`.
    pub const fn output(&self) -> usize {
        (self.padded_input() - self.extent()) / self.stride + 1
    }

    /// The input element under tap `tap` of window `output`, or `None` if it lies in the padding.
    #[inline]
    pub const fn source(&self, output: usize, tap: usize) -> Option<usize> {
        let padded = output * self.stride + tap * self.dilation;
        if padded < self.pad_before || padded - self.pad_before >= self.input {
            None
        } else {
            Some(padded - self.pad_before)
        }
    }

    /// The windows `start..end` for which tap `tap` reads a real input element, not padding.
    pub const fn outputs_inside(&self, tap: usize) -> (usize, usize) {
        let shift = tap * self.dilation;
        let start =
            if shift >= self.pad_before { 0 } else { (self.pad_before - shift).div_ceil(self.stride) };
        let limit = self.input + self.pad_before;
        let end = if shift >= limit { 0 } else { (limit - shift).div_ceil(self.stride) };
        let outputs = self.output();
        let end = if end < outputs { end } else { outputs };
        if start < end { (start, end) } else { (0, 0) }
    }

    /// Whether any zeros are added.
    pub const fn is_padded(&self) -> bool {
        self.pad_before + self.pad_after > 0
    }
}

/// No axis may be longer than this: keeps products of two sizes within `usize` everywhere.
const MAX_SIZE: usize = 1 << 30;

/// Refuses sizes that are zero or too large for the arithmetic.
fn check_sizes(input: usize, kernel: usize, stride: usize, dilation: usize) -> Result<(), WindowError> {
    for (size, what) in
        [(input, "input size"), (kernel, "kernel size"), (stride, "stride"), (dilation, "dilation")]
    {
        if size == 0 {
            return Err(WindowError::Zero(what));
        }
        if size > MAX_SIZE {
            return Err(WindowError::Overflow);
        }
    }
    Ok(())
}

/// A window over depth, height and width.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Window {
    /// Depth, height, width; unused leading axes are [`Axis::UNIT`].
    pub axes: [Axis; 3],
}

impl Window {
    /// The window of a dense layer: a single tap on a single element.
    pub const UNIT: Self = Self { axes: [Axis::UNIT; 3] };

    /// A window over height and width.
    pub const fn image(height: Axis, width: Axis) -> Self {
        Self { axes: [Axis::UNIT, height, width] }
    }

    /// Input sizes: depth, height, width.
    pub fn input(&self) -> [usize; 3] {
        self.axes.map(|axis| axis.input)
    }

    /// Output sizes: depth, height, width.
    pub fn output(&self) -> [usize; 3] {
        self.axes.map(|axis| axis.output())
    }

    /// Kernel sizes: depth, height, width.
    pub fn kernel(&self) -> [usize; 3] {
        self.axes.map(|axis| axis.kernel)
    }

    /// Input positions of one image.
    pub fn input_positions(&self) -> usize {
        self.input().iter().product()
    }

    /// Output positions of one image.
    pub fn output_positions(&self) -> usize {
        self.output().iter().product()
    }

    /// Number of taps.
    pub fn taps(&self) -> usize {
        self.kernel().iter().product()
    }
}

/// A convolution: input `(batch, depth, height, width, in_channels)`, weights
/// `(kernel depth, kernel height, kernel width, in_channels / groups, out_channels)`, output
/// `(batch, out depth, out height, out width, out_channels)`, all row-major.
///
/// Of several groups, each of `out_channels / groups` neighbouring output channels reads its own `in_channels / groups`
/// neighbouring input channels only. As many groups as input channels are a depthwise convolution; weights
/// `(kernel…, channels, multiplier)`, as Keras has them, are in memory those of the groups, `(kernel…, 1, channels · multiplier)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConvGeometry {
    /// Images in the batch.
    pub batch: usize,
    /// Channels of the input.
    pub in_channels: usize,
    /// Channels of the output: the number of filters.
    pub out_channels: usize,
    /// Parts that the channels of input and output are divided in; both are multiples of it.
    pub groups: usize,
    /// The sliding window.
    pub window: Window,
}

impl ConvGeometry {
    /// A matrix product `(rows, inner) · (inner, columns)`, which is a convolution of single pixels.
    pub const fn matrix(rows: usize, inner: usize, columns: usize) -> Self {
        Self { batch: rows, in_channels: inner, out_channels: columns, groups: 1, window: Window::UNIT }
    }

    /// Elements of the input.
    pub fn input_len(&self) -> usize {
        self.batch * self.window.input_positions() * self.in_channels
    }

    /// Channels of the input that an output channel reads.
    pub const fn group_in_channels(&self) -> usize {
        self.in_channels / self.groups
    }

    /// Channels of the output that an input channel reaches.
    pub const fn group_out_channels(&self) -> usize {
        self.out_channels / self.groups
    }

    /// Elements of the weights.
    pub fn weights_len(&self) -> usize {
        self.window.taps() * self.group_in_channels() * self.out_channels
    }

    /// Elements of the output.
    pub fn output_len(&self) -> usize {
        self.batch * self.window.output_positions() * self.out_channels
    }

    /// Multiply-adds of one pass: output positions × taps × channels in of a group × channels out.
    pub fn multiply_adds(&self) -> u64 {
        self.batch as u64 * self.window.output_positions() as u64 * self.weights_len() as u64
    }
}

/// A pool: input `(batch, depth, height, width, channels)`, output with the same channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PoolGeometry {
    /// Images in the batch.
    pub batch: usize,
    /// Channels, kept.
    pub channels: usize,
    /// The sliding window.
    pub window: Window,
}

impl PoolGeometry {
    /// Elements of the input.
    pub fn input_len(&self) -> usize {
        self.batch * self.window.input_positions() * self.channels
    }

    /// Elements of the output.
    pub fn output_len(&self) -> usize {
        self.batch * self.window.output_positions() * self.channels
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_padding_puts_the_odd_pixel_at_the_end() {
        let axis = Axis::new(13, 6, 5, 1, Padding::Same).unwrap();
        assert_eq!((axis.output(), axis.pad_before, axis.pad_after), (3, 1, 2));
        assert_eq!(Axis::new(13, 6, 5, 1, Padding::Valid).unwrap().output(), 2);
    }

    #[test]
    fn same_padding_never_pads_when_the_stride_skips_elements() {
        let axis = Axis::new(8, 1, 3, 1, Padding::Same).unwrap();
        assert_eq!((axis.output(), axis.pad_before, axis.pad_after), (3, 0, 0));
    }

    #[test]
    fn outputs_inside_agrees_with_source() {
        for input in 1..8 {
            for kernel in 1..5 {
                for stride in 1..4 {
                    for dilation in 1..3 {
                        for padding in
                            [Padding::Valid, Padding::Same, Padding::Explicit { before: 2, after: 3 }]
                        {
                            let Ok(axis) = Axis::new(input, kernel, stride, dilation, padding) else {
                                continue;
                            };
                            for tap in 0..kernel {
                                let (start, end) = axis.outputs_inside(tap);
                                for output in 0..axis.output() {
                                    let inside = (start..end).contains(&output);
                                    assert_eq!(
                                        inside,
                                        axis.source(output, tap).is_some(),
                                        "{axis:?} {output} {tap}"
                                    );
                                }
                            }
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn transposed_windows_have_the_sizes_that_keras_gives() {
        use Padding::{Explicit, Same, Valid};
        let axis = |input, kernel, stride, padding, added| {
            let axis = Axis::transposed(input, kernel, stride, 1, padding, added).unwrap();
            assert_eq!(axis.output(), input, "{axis:?}");
            (axis.input, axis.pad_before, axis.pad_after)
        };
        assert_eq!(axis(3, 3, 2, Valid, None), (7, 0, 0));
        assert_eq!(axis(3, 2, 3, Valid, None), (9, 0, 0));
        assert_eq!(axis(3, 2, 3, Valid, Some(1)), (9, 0, 0));
        assert_eq!(axis(3, 3, 2, Same, None), (6, 0, 1));
        assert_eq!(axis(3, 5, 3, Same, Some(2)), (9, 1, 1));
        assert_eq!(axis(3, 2, 1, Same, Some(0)), (2, 1, 1));
        assert_eq!(axis(3, 2, 3, Same, None), (9, 0, 0));
        assert_eq!(axis(3, 3, 2, Explicit { before: 1, after: 1 }, Some(1)), (6, 1, 1));
    }

    #[test]
    fn bad_transposed_windows_are_refused() {
        let axis = |input, kernel, stride, padding, added| {
            Axis::transposed(input, kernel, stride, 1, padding, added).unwrap_err()
        };
        let added = WindowError::OutputPadding { output_padding: 2, stride: 2 };
        assert_eq!(axis(3, 3, 2, Padding::Valid, Some(2)), added);
        assert_eq!(axis(1, 2, 2, Padding::Same, Some(0)), WindowError::Empty);
        assert_eq!(axis(1, 2, 1, Padding::Explicit { before: 3, after: 0 }, None), WindowError::Empty);
        assert_eq!(axis(0, 2, 1, Padding::Valid, None), WindowError::Zero("input size"));
        assert_eq!(axis(1 << 30, 2, 1 << 20, Padding::Valid, None), WindowError::Overflow);
    }

    #[test]
    fn bad_windows_are_refused() {
        assert_eq!(Axis::new(5, 3, 0, 1, Padding::Valid), Err(WindowError::Zero("stride")));
        assert_eq!(
            Axis::new(2, 3, 1, 1, Padding::Valid),
            Err(WindowError::TooLarge { extent: 3, padded_input: 2 })
        );
        assert_eq!(Axis::new(usize::MAX, 3, 1, 1, Padding::Same), Err(WindowError::Overflow));
    }
}
