//! Attributes of nodes.

use crate::onnx::proto::{AttributeProto, attribute_proto::AttributeType};

/// An attribute with its name.
pub(in crate::onnx) struct Attribute(AttributeProto);

impl Attribute {
    fn named(name: &str, kind: AttributeType) -> AttributeProto {
        AttributeProto { name: name.to_owned(), r#type: kind as i32, ..AttributeProto::default() }
    }

    /// A whole number.
    pub fn int(name: &str, i: i64) -> Self {
        Self(AttributeProto { i, ..Self::named(name, AttributeType::Int) })
    }

    /// A number.
    pub fn float(name: &str, f: f32) -> Self {
        Self(AttributeProto { f, ..Self::named(name, AttributeType::Float) })
    }

    /// Whole numbers.
    pub fn ints(name: &str, ints: impl IntoIterator<Item = i64>) -> Self {
        Self(AttributeProto { ints: ints.into_iter().collect(), ..Self::named(name, AttributeType::Ints) })
    }

    /// Sizes.
    pub fn sizes(name: &str, sizes: &[usize]) -> Self {
        Self::ints(name, sizes.iter().map(|&size| size as i64))
    }

    /// Text.
    pub fn text(name: &str, text: &str) -> Self {
        Self(AttributeProto { s: text.as_bytes().to_vec(), ..Self::named(name, AttributeType::String) })
    }

    pub(super) fn into_proto(self) -> AttributeProto {
        self.0
    }
}
