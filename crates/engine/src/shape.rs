//! Shapes: sizes that are known when the graph is built, but for the batch.

use std::fmt;

use crate::error::Mismatch;

/// Sizes of a value. A *batched* value has the batch, unknown until a plan is made, as its first axis.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Shape {
    /// Whether the first axis is the batch (not counted in `dims`).
    pub batched: bool,
    /// Sizes of the other axes, outermost first; channels are last.
    pub dims: Vec<usize>,
}

impl Shape {
    /// One element for each member of the batch has sizes `dims`.
    pub fn batched(dims: impl Into<Vec<usize>>) -> Self {
        Self { batched: true, dims: dims.into() }
    }

    /// A value that does not depend on the batch size: weights, scalars.
    pub fn fixed(dims: impl Into<Vec<usize>>) -> Self {
        Self { batched: false, dims: dims.into() }
    }

    /// No value of a graph has more elements, or elements for each member of the batch: products of a few sizes stay far from overflow.
    pub const MAX_LEN: usize = 1 << 36;

    /// No value of a graph has more axes.
    pub const MAX_AXES: usize = 64;

    /// Elements, or elements for each member of the batch; `usize::MAX` where they are more.
    pub fn len(&self) -> usize {
        self.dims.iter().fold(1, |len: usize, &size| len.saturating_mul(size))
    }

    /// Whether it has no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Refuses what has too many axes, or too many elements. Axes of none count as 1, lest they hide how long the others are.
    ///
    /// # Errors
    /// If no graph can have such a value.
    pub fn check(&self) -> Result<(), Mismatch> {
        let axes = self.dims.len();
        if axes > Self::MAX_AXES {
            return Err(Mismatch::new(format!("a value of at most {} axes", Self::MAX_AXES), axes));
        }
        let len = self.dims.iter().try_fold(1_usize, |len, &size| len.checked_mul(size.max(1)));
        match len {
            Some(0..=Self::MAX_LEN) => Ok(()),
            _ => Err(Mismatch::new(format!("a value of at most {} numbers a sample", Self::MAX_LEN), self)),
        }
    }

    /// Size of the last axis; 1 for a scalar.
    pub fn channels(&self) -> usize {
        self.dims.last().copied().unwrap_or(1)
    }

    /// All sizes once the batch is known.
    pub fn bind(&self, batch: usize) -> Bound {
        let dims = self.batched.then_some(batch).into_iter().chain(self.dims.iter().copied()).collect();
        Bound { dims, batched: self.batched }
    }
}

impl fmt::Display for Shape {
    /// As Keras prints it: `(None, 28, 28, 1)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let batch = self.batched.then(|| "None".to_owned());
        let sizes: Vec<String> = batch.into_iter().chain(self.dims.iter().map(usize::to_string)).collect();
        match sizes.as_slice() {
            [only] => write!(f, "({only},)"),
            _ => write!(f, "({})", sizes.join(", ")),
        }
    }
}

/// What the elements of a value are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Element {
    /// 32-bit floating point.
    F32,
    /// The upper 16 bits of a 32-bit floating point number.
    Bf16,
    /// Bytes, such as the place of a maximum in its window.
    U8,
}

/// Shape and element of a value.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TensorType {
    /// Sizes.
    pub shape: Shape,
    /// Element type.
    pub element: Element,
}

impl TensorType {
    /// A 32-bit floating point value.
    pub fn f32(shape: Shape) -> Self {
        Self { shape, element: Element::F32 }
    }
}

impl From<Shape> for TensorType {
    fn from(shape: Shape) -> Self {
        Self::f32(shape)
    }
}

/// A shape whose batch is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bound {
    /// All sizes, the batch first if there is one.
    pub dims: Vec<usize>,
    /// Whether the first size is the batch.
    pub batched: bool,
}

impl Bound {
    /// Elements.
    pub fn len(&self) -> usize {
        self.dims.iter().product()
    }

    /// Whether it has no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The batch size; 1 where there is none.
    pub fn batch(&self) -> usize {
        if self.batched { self.dims[0] } else { 1 }
    }

    /// Sizes without the batch.
    pub fn inner(&self) -> &[usize] {
        &self.dims[usize::from(self.batched)..]
    }

    /// Size of the last axis; 1 for a scalar.
    pub fn channels(&self) -> usize {
        self.inner().last().copied().unwrap_or(1)
    }

    /// Elements divided by the channels.
    pub fn rows(&self) -> usize {
        self.len() / self.channels().max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_print_as_in_keras() {
        assert_eq!(Shape::batched([28, 28, 1]).to_string(), "(None, 28, 28, 1)");
        assert_eq!(Shape::fixed([10]).to_string(), "(10,)");
        assert_eq!(Shape::batched([]).to_string(), "(None,)");
    }
}
