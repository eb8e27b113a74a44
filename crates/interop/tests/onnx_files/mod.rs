//! Writes small ONNX files, message by message, as no exporter would.

use convnet_interop::Result;
use convnet_interop::onnx::Import;

/// A message of protocol buffers.
#[derive(Clone, Default)]
pub struct Message(pub Vec<u8>);

impl Message {
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    pub fn number(mut self, field: u64, value: i64) -> Self {
        self.varint(field << 3);
        self.varint(value as u64);
        self
    }

    pub fn bytes(mut self, field: u64, value: &[u8]) -> Self {
        self.varint(field << 3 | 2);
        self.varint(value.len() as u64);
        self.0.extend(value);
        self
    }

    pub fn text(self, field: u64, value: &str) -> Self {
        self.bytes(field, value.as_bytes())
    }

    pub fn message(self, field: u64, value: &Self) -> Self {
        self.bytes(field, &value.0)
    }
}

pub const FLOAT: i64 = 1;
pub const INT64: i64 = 7;
pub const BOOL: i64 = 9;

/// A graph that grows node by node.
pub struct Graph {
    pub graph: Message,
    pub opset: i64,
}

impl Graph {
    pub fn new() -> Self {
        Self { graph: Message::default(), opset: 17 }
    }

    /// A graph with a floating point input `x`; sizes of −1 are open.
    pub fn with_input(dims: &[i64]) -> Self {
        Self::new().input("x", FLOAT, dims)
    }

    pub fn input(mut self, name: &str, kind: i64, dims: &[i64]) -> Self {
        self.graph = self.graph.message(11, &info(name, kind, dims));
        self
    }

    /// An initial value of integers.
    pub fn integers(self, name: &str, dims: &[i64], values: &[i64]) -> Self {
        self.initial(
            name,
            INT64,
            dims,
            &values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>(),
        )
    }

    /// An initial list of integers.
    pub fn list(self, name: &str, values: &[i64]) -> Self {
        self.integers(name, &[values.len() as i64], values)
    }

    pub fn floats(self, name: &str, dims: &[i64], values: &[f32]) -> Self {
        self.initial(
            name,
            FLOAT,
            dims,
            &values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>(),
        )
    }

    pub fn initial(mut self, name: &str, kind: i64, dims: &[i64], raw: &[u8]) -> Self {
        self.graph = self.graph.message(5, &tensor(kind, dims, raw).text(8, name));
        self
    }

    pub fn node(self, operator: &str, inputs: &[&str], outputs: &[&str]) -> Self {
        self.with(operator, inputs, outputs, &[])
    }

    pub fn with(mut self, operator: &str, inputs: &[&str], outputs: &[&str], attributes: &[Message]) -> Self {
        let node = inputs.iter().fold(Message::default(), |node, input| node.text(1, input));
        let node = outputs.iter().fold(node, |node, output| node.text(2, output)).text(4, operator);
        let node = attributes.iter().fold(node, |node, attribute| node.message(5, attribute));
        self.graph = self.graph.message(1, &node);
        self
    }

    /// A known value of these sizes: ones.
    pub fn filled(self, name: &str, dims: &[i64], element: i64) -> Self {
        let sizes = format!("{name}_sizes");
        let value = match element {
            INT64 => 1_i64.to_le_bytes().to_vec(),
            BOOL => vec![1],
            _ => 1_f32.to_le_bytes().to_vec(),
        };
        let value =
            Message::default().text(1, "value").message(5, &tensor(element, &[1], &value)).number(20, 4);
        self.list(&sizes, dims).with("ConstantOfShape", &[&sizes], &[name], &[value])
    }

    pub fn output(mut self, name: &str) -> Self {
        self.graph = self.graph.message(12, &Message::default().text(1, name));
        self
    }

    pub fn end(self) -> Vec<u8> {
        let opset = Message::default().number(2, self.opset);
        Message::default().number(1, 8).message(7, &self.graph).message(8, &opset).0
    }
}

pub fn info(name: &str, kind: i64, dims: &[i64]) -> Message {
    let size = |size: i64| if size < 0 { Message::default() } else { Message::default().number(1, size) };
    let shape = dims.iter().fold(Message::default(), |shape, &dim| shape.message(1, &size(dim)));
    let tensor = Message::default().number(1, kind).message(2, &shape);
    Message::default().text(1, name).message(2, &Message::default().message(1, &tensor))
}

pub fn tensor(kind: i64, dims: &[i64], raw: &[u8]) -> Message {
    dims.iter().fold(Message::default(), |tensor, &size| tensor.number(1, size)).number(2, kind).bytes(9, raw)
}

pub fn int(name: &str, value: i64) -> Message {
    Message::default().text(1, name).number(3, value).number(20, 2)
}

pub fn ints(name: &str, values: &[i64]) -> Message {
    values.iter().fold(Message::default().text(1, name), |all, &value| all.number(8, value)).number(20, 7)
}

pub fn read(graph: Graph) -> Result<()> {
    let bytes = graph.end();
    assert!(bytes.len() < 1 << 20, "{} bytes", bytes.len());
    Import::new().from_bytes(bytes).map(|_| ())
}

#[track_caller]
pub fn refused(graph: Graph) {
    assert!(read(graph).is_err(), "it was accepted");
}
