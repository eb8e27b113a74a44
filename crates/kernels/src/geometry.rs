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
/// `(kernel depth, kernel height, kernel width, in_channels, out_channels)`, output
/// `(batch, out depth, out height, out width, out_channels)`, all row-major.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConvGeometry {
    /// Images in the batch.
    pub batch: usize,
    /// Channels of the input.
    pub in_channels: usize,
    /// Channels of the output: the number of filters.
    pub out_channels: usize,
    /// The sliding window.
    pub window: Window,
}

impl ConvGeometry {
    /// A matrix product `(rows, inner) · (inner, columns)`, which is a convolution of single pixels.
    pub const fn matrix(rows: usize, inner: usize, columns: usize) -> Self {
        Self { batch: rows, in_channels: inner, out_channels: columns, window: Window::UNIT }
    }

    /// Elements of the input.
    pub fn input_len(&self) -> usize {
        self.batch * self.window.input_positions() * self.in_channels
    }

    /// Elements of the weights.
    pub fn weights_len(&self) -> usize {
        self.window.taps() * self.in_channels * self.out_channels
    }

    /// Elements of the output.
    pub fn output_len(&self) -> usize {
        self.batch * self.window.output_positions() * self.out_channels
    }

    /// Multiply-adds of one pass: output positions × taps × channels in × channels out.
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
    fn bad_windows_are_refused() {
        assert_eq!(Axis::new(5, 3, 0, 1, Padding::Valid), Err(WindowError::Zero("stride")));
        assert_eq!(
            Axis::new(2, 3, 1, 1, Padding::Valid),
            Err(WindowError::TooLarge { extent: 3, padded_input: 2 })
        );
        assert_eq!(Axis::new(usize::MAX, 3, 1, 1, Padding::Same), Err(WindowError::Overflow));
    }
}
