//! Tensors of a file: initial values, constants, and what is computed while a file is read.

use convnet_nn::engine::kernels::elementwise::{self, AxisOrder};

use super::FORMAT;
use super::external::Beside;
use super::proto::{TensorProto, tensor_proto::DataType};
use crate::npy::Number;
use crate::numbers::{Encoding, Kind};
use crate::{InteropError, Result};

/// Numbers of one kind.
#[derive(Clone, Debug, PartialEq)]
pub enum Data {
    /// Floating point of any width.
    Floats(Vec<f32>),
    /// Integers of any width.
    Integers(Vec<i64>),
    /// Truth values.
    Booleans(Vec<bool>),
}

/// What the elements of a value are; all are computed with as 32-bit floating point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Element {
    /// Floating point.
    Float,
    /// Integers.
    Integer,
    /// Truth values, as 0 and 1.
    Boolean,
}

impl Element {
    /// Bytes of a number in memory.
    pub(super) fn width(self) -> usize {
        match self {
            Self::Float => size_of::<f32>(),
            Self::Integer => size_of::<i64>(),
            Self::Boolean => size_of::<bool>(),
        }
    }

    /// The kind of a type's number in a file; `None` for text, complex numbers and packed bits.
    pub(super) fn of(data_type: i32) -> Option<Self> {
        Some(match DataType::try_from(data_type).ok()? {
            DataType::Float | DataType::Double | DataType::Float16 | DataType::Bfloat16 => Self::Float,
            DataType::Bool => Self::Boolean,
            DataType::Int8
            | DataType::Int16
            | DataType::Int32
            | DataType::Int64
            | DataType::Uint8
            | DataType::Uint16
            | DataType::Uint32
            | DataType::Uint64 => Self::Integer,
            _ => return None,
        })
    }
}

/// What NumPy calls numbers of a type of a file. Those of 16 and fewer bits of floating point are computed with as 32-bit ones.
pub(super) fn number(data_type: i32) -> Number {
    match DataType::try_from(data_type) {
        Ok(DataType::Bool) => Number::Bool,
        Ok(DataType::Int8) => Number::I8,
        Ok(DataType::Int16) => Number::I16,
        Ok(DataType::Int32) => Number::I32,
        Ok(DataType::Int64) => Number::I64,
        Ok(DataType::Uint8) => Number::U8,
        Ok(DataType::Uint16) => Number::U16,
        Ok(DataType::Uint32) => Number::U32,
        Ok(DataType::Uint64) => Number::U64,
        Ok(DataType::Double) => Number::F64,
        _ => Number::F32,
    }
}

/// A tensor whose numbers are known.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// Sizes, outermost axis first.
    pub dims: Vec<usize>,
    /// The numbers, the last axis fastest.
    pub data: Data,
}

impl Tensor {
    /// Floating point numbers.
    pub fn floats(dims: impl Into<Vec<usize>>, values: Vec<f32>) -> Self {
        Self { dims: dims.into(), data: Data::Floats(values) }
    }

    /// Integers.
    pub fn integers(dims: impl Into<Vec<usize>>, values: Vec<i64>) -> Self {
        Self { dims: dims.into(), data: Data::Integers(values) }
    }

    /// One number everywhere.
    pub(super) fn filled(dims: Vec<usize>, element: Element, value: f32) -> Self {
        let len = dims.iter().product();
        let data = match element {
            Element::Float => Data::Floats(vec![value; len]),
            Element::Integer => Data::Integers(vec![value as i64; len]),
            Element::Boolean => Data::Booleans(vec![value != 0.0; len]),
        };
        Self { dims, data }
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        match &self.data {
            Data::Floats(values) => values.len(),
            Data::Integers(values) => values.len(),
            Data::Booleans(values) => values.len(),
        }
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether all elements are zeros.
    pub(super) fn is_zero(&self) -> bool {
        match &self.data {
            Data::Floats(values) => values.iter().all(|&value| value == 0.0),
            Data::Integers(values) => values.iter().all(|&value| value == 0),
            Data::Booleans(values) => !values.contains(&true),
        }
    }

    /// What the elements are.
    pub fn element(&self) -> Element {
        match self.data {
            Data::Floats(_) => Element::Float,
            Data::Integers(_) => Element::Integer,
            Data::Booleans(_) => Element::Boolean,
        }
    }

    /// The numbers as floating point.
    pub fn to_floats(&self) -> Vec<f32> {
        match &self.data {
            Data::Floats(values) => values.clone(),
            Data::Integers(values) => values.iter().map(|&value| value as f32).collect(),
            Data::Booleans(values) => values.iter().map(|&value| f32::from(u8::from(value))).collect(),
        }
    }

    /// The numbers as floating point, without a copy if they are.
    pub fn into_floats(self) -> Vec<f32> {
        match self.data {
            Data::Floats(values) => values,
            _ => self.to_floats(),
        }
    }

    /// The numbers as integers, floating point ones without what follows the point.
    pub fn to_integers(&self) -> Vec<i64> {
        match &self.data {
            Data::Floats(values) => values.iter().map(|&value| value as i64).collect(),
            Data::Integers(values) => values.clone(),
            Data::Booleans(values) => values.iter().map(|&value| i64::from(value)).collect(),
        }
    }

    /// The numbers as another kind.
    pub fn cast(&self, element: Element) -> Self {
        let data = match element {
            Element::Float => Data::Floats(self.to_floats()),
            Element::Integer => Data::Integers(self.to_integers()),
            Element::Boolean => Data::Booleans(match &self.data {
                Data::Floats(values) => values.iter().map(|&value| value != 0.0).collect(),
                Data::Integers(values) => values.iter().map(|&value| value != 0).collect(),
                Data::Booleans(values) => values.clone(),
            }),
        };
        Self { dims: self.dims.clone(), data }
    }

    /// A single number.
    pub fn scalar(&self) -> Option<f32> {
        (self.len() == 1).then(|| self.to_floats()[0])
    }

    /// The elements at these places, under other sizes.
    pub fn gather(&self, dims: Vec<usize>, places: impl Iterator<Item = usize>) -> Self {
        let data = match &self.data {
            Data::Floats(values) => Data::Floats(places.map(|place| values[place]).collect()),
            Data::Integers(values) => Data::Integers(places.map(|place| values[place]).collect()),
            Data::Booleans(values) => Data::Booleans(places.map(|place| values[place]).collect()),
        };
        Self { dims, data }
    }

    /// The same elements under other sizes, of which there must be as many.
    pub fn reshaped(self, dims: Vec<usize>) -> Self {
        debug_assert_eq!(dims.iter().product::<usize>(), self.len());
        Self { dims, ..self }
    }

    /// Axes in another order.
    pub fn transposed(&self, order: &[usize]) -> Self {
        let strides = strides(&self.dims);
        let dims: Vec<usize> = order.iter().map(|&axis| self.dims[axis]).collect();
        if self.is_empty() {
            return self.clone().reshaped(dims);
        }
        if let Data::Floats(values) = &self.data
            && order.len() > 1
        {
            let mut moved = vec![0.0; values.len()];
            elementwise::permute(&AxisOrder::new(&self.dims, order), values, &mut moved);
            return Self::floats(dims, moved);
        }
        let steps: Vec<usize> = order.iter().map(|&axis| strides[axis]).collect();
        let places = Places::new(&dims, &steps);
        self.gather(dims.clone(), places)
    }

    /// The numbers of a message, which may lie in a file beside the model's.
    pub(super) fn of_proto(proto: &TensorProto, beside: &mut Beside<'_>) -> Result<Self> {
        let name = &proto.name;
        let refuse = |reason: String| InteropError::malformed(FORMAT, format!("tensor `{name}`: {reason}"));
        let dims: Option<Vec<usize>> = proto.dims.iter().map(|&size| usize::try_from(size).ok()).collect();
        let dims = dims.ok_or_else(|| refuse(format!("sizes {:?} are negative", proto.dims)))?;
        let len = len(&dims).ok_or_else(|| refuse(format!("sizes {dims:?} are too large")))?;
        let Some(element) = Element::of(proto.data_type) else {
            let data_type = DataType::try_from(proto.data_type)
                .map_or("of an unknown number", |data_type| data_type.as_str_name());
            let reason = format!("tensor `{name}` has elements of type {data_type}");
            return Err(InteropError::unsupported(FORMAT, reason));
        };
        let external;
        let raw = if proto.data_location == 1 {
            let expected = encoding(proto.data_type).and_then(|encoding| len.checked_mul(encoding.size));
            external = beside.read(proto, expected.unwrap_or(usize::MAX))?;
            Some(&external[..])
        } else {
            (!proto.raw_data.is_empty()).then_some(&proto.raw_data[..])
        };
        let data = match raw {
            Some(raw) => of_raw(proto.data_type, element, raw, len),
            None => of_fields(proto, element, len),
        };
        let data =
            data.ok_or_else(|| refuse(format!("it does not hold the {len} numbers of sizes {dims:?}")))?;
        Ok(Self { dims, data })
    }
}

/// How a type's numbers lie in a file.
fn encoding(data_type: i32) -> Option<Encoding> {
    let (kind, size) = match DataType::try_from(data_type).ok()? {
        DataType::Float => (Kind::Float, 4),
        DataType::Double => (Kind::Float, 8),
        DataType::Float16 => (Kind::Float, 2),
        DataType::Bfloat16 => (Kind::Bfloat, 2),
        DataType::Int8 => (Kind::Signed, 1),
        DataType::Int16 => (Kind::Signed, 2),
        DataType::Int32 => (Kind::Signed, 4),
        DataType::Int64 => (Kind::Signed, 8),
        DataType::Uint8 | DataType::Bool => (Kind::Unsigned, 1),
        DataType::Uint16 => (Kind::Unsigned, 2),
        DataType::Uint32 => (Kind::Unsigned, 4),
        DataType::Uint64 => (Kind::Unsigned, 8),
        _ => return None,
    };
    Some(Encoding { kind, size, big_endian: false })
}

fn of_raw(data_type: i32, element: Element, raw: &[u8], len: usize) -> Option<Data> {
    let encoding = encoding(data_type)?;
    if len.checked_mul(encoding.size) != Some(raw.len()) {
        return None;
    }
    Some(match element {
        Element::Float => Data::Floats(encoding.to_f32(raw)?),
        Element::Integer => Data::Integers(encoding.to_i64(raw)?),
        Element::Boolean => Data::Booleans(raw.iter().map(|&byte| byte != 0).collect()),
    })
}

fn of_fields(proto: &TensorProto, element: Element, len: usize) -> Option<Data> {
    let data = match DataType::try_from(proto.data_type).ok()? {
        DataType::Float => Data::Floats(proto.float_data.clone()),
        DataType::Double => Data::Floats(proto.double_data.iter().map(|&value| value as f32).collect()),
        DataType::Int64 => Data::Integers(proto.int64_data.clone()),
        DataType::Uint32 | DataType::Uint64 => {
            Data::Integers(proto.uint64_data.iter().map(|&value| value as i64).collect())
        }
        // Half floats lie bit for bit in integers.
        _ if element == Element::Float => {
            let bytes: Vec<u8> =
                proto.int32_data.iter().flat_map(|&bits| (bits as u16).to_le_bytes()).collect();
            Data::Floats(encoding(proto.data_type)?.to_f32(&bytes)?)
        }
        _ if element == Element::Boolean => {
            Data::Booleans(proto.int32_data.iter().map(|&value| value != 0).collect())
        }
        _ => Data::Integers(proto.int32_data.iter().map(|&value| i64::from(value)).collect()),
    };
    let found = match &data {
        Data::Floats(values) => values.len(),
        Data::Integers(values) => values.len(),
        Data::Booleans(values) => values.len(),
    };
    (found == len).then_some(data)
}

/// A value may not have more axes than this.
pub(super) const MAX_RANK: usize = 64;

/// The number of elements; `None` if there are too many axes, or it is no number of the machine with a sign, nor would be if axes
/// without elements were not there.
pub(super) fn len(dims: &[usize]) -> Option<usize> {
    if dims.len() > MAX_RANK {
        return None;
    }
    let some = dims.iter().try_fold(1_usize, |len, &size| len.checked_mul(size.max(1)))?;
    (some <= isize::MAX as usize).then_some(if dims.contains(&0) { 0 } else { some })
}

/// For each axis the distance of neighbours.
pub(super) fn strides(dims: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; dims.len()];
    for axis in (1..dims.len()).rev() {
        strides[axis - 1] = strides[axis] * dims[axis];
    }
    strides
}

/// The places of all elements of a walk with given steps, the last axis fastest.
#[derive(Debug)]
pub(super) struct Places {
    axes: Vec<(usize, usize)>,
    index: Vec<usize>,
    place: usize,
    left: usize,
}

impl Places {
    /// A walk over sizes, with a step for each axis (0 repeats it).
    pub fn new(dims: &[usize], steps: &[usize]) -> Self {
        Self {
            axes: dims.iter().copied().zip(steps.iter().copied()).collect(),
            index: vec![0; dims.len()],
            place: 0,
            left: dims.iter().product(),
        }
    }

    /// A walk over `dims` through a value of sizes `from`, repeated as in NumPy.
    pub fn repeated(dims: &[usize], from: &[usize]) -> Self {
        let mut steps = vec![0; dims.len()];
        let missing = dims.len() - from.len();
        for (axis, stride) in strides(from).into_iter().enumerate() {
            if from[axis] != 1 {
                steps[missing + axis] = stride;
            }
        }
        Self::new(dims, &steps)
    }
}

impl Iterator for Places {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        if self.left == 0 {
            return None;
        }
        self.left -= 1;
        let place = self.place;
        for (index, &(size, step)) in self.index.iter_mut().zip(&self.axes).rev() {
            *index += 1;
            self.place += step;
            if *index < size {
                break;
            }
            self.place -= size * step;
            *index = 0;
        }
        Some(place)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}
