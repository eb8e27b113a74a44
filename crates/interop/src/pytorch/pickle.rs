//! Python's pickles as data: nothing is called, nothing is imported.
//!
//! A pickle is a program for a stack machine, and some of its commands make Python call any function. Here a call of a
//! function that state dicts need (`OrderedDict`, PyTorch's makers of tensors) becomes a [`Value::Call`] that says so;
//! any other is an error that names the function. All values lie in one list and refer to each other by number, so a
//! value that contains itself does no harm, and there are hardly more values than the pickle has bytes.
//!
//! The commands are those of Python's
//! [pickletools](https://github.com/python/cpython/blob/main/Lib/pickletools.py), protocols 0 to 5.

use std::collections::HashMap;

use crate::{InteropError, Result};

pub(super) const FORMAT: &str = "PyTorch file";

/// Functions that may be named: those that make plain containers and tensors, and what training programs keep beside them, which
/// is passed over.
const KNOWN: &[(&str, &str)] = &[
    ("collections", "OrderedDict"),
    ("collections", "defaultdict"),
    ("collections", "Counter"),
    ("collections", "deque"),
    ("builtins", "set"),
    ("__builtin__", "set"),
    ("argparse", "Namespace"),
    ("types", "SimpleNamespace"),
    ("pathlib", "PosixPath"),
    ("pathlib", "PurePosixPath"),
    ("pathlib", "WindowsPath"),
    ("datetime", "datetime"),
    ("datetime", "timedelta"),
    ("_codecs", "encode"),
    ("numpy", "dtype"),
    ("numpy", "ndarray"),
    ("numpy.core.multiarray", "scalar"),
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "scalar"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("torch.torch_version", "TorchVersion"),
    ("torch._utils", "_rebuild_tensor_v2"),
    ("torch._utils", "_rebuild_tensor"),
    ("torch._utils", "_rebuild_parameter"),
    ("torch", "Size"),
    ("torch", "device"),
];

/// The number of a value in a [`Pickle`].
pub(super) type Id = usize;

/// One value.
#[derive(Clone, Debug)]
pub(super) enum Value {
    None,
    Bool,
    Int(i64),
    /// An integer beyond 64 bits, little-endian.
    BigInt(Vec<u8>),
    Float,
    Text(String),
    Bytes,
    Tuple(Vec<Id>),
    List(Vec<Id>),
    /// Keys and values in their order.
    Dict(Vec<(Id, Id)>),
    /// Something with a name in a module: a function or a class. Both are texts.
    Global(Id, Id),
    /// What a function of [`KNOWN`] would make of its arguments.
    Call(Id, Id),
    /// Something outside the pickle: a tensor's numbers.
    Persistent(Id),
}

/// A pickle's values, and which of them it is about.
#[derive(Debug, Default)]
pub(super) struct Pickle {
    values: Vec<Value>,
    pub(super) top: Id,
}

impl Pickle {
    /// Reads one pickle from the start of `bytes`, and tells how long it was.
    ///
    /// # Errors
    /// When it is cut short, not a pickle, or would run code.
    pub(super) fn read(bytes: &[u8]) -> Result<(Self, usize)> {
        let mut machine = Machine {
            bytes,
            at: 0,
            values: Vec::new(),
            stack: Vec::new(),
            marks: Vec::new(),
            memo: HashMap::new(),
            copies: bytes.len(),
        };
        let top = machine.run()?;
        Ok((Self { values: machine.values, top }, machine.at))
    }

    /// All values.
    pub(super) fn ids(&self) -> std::ops::Range<Id> {
        0..self.values.len()
    }

    pub(super) fn get(&self, id: Id) -> &Value {
        &self.values[id]
    }

    pub(super) fn text(&self, id: Id) -> Option<&str> {
        match self.get(id) {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn int(&self, id: Id) -> Option<i64> {
        match *self.get(id) {
            Value::Int(value) => Some(value),
            _ => None,
        }
    }

    pub(super) fn tuple(&self, id: Id) -> Option<&[Id]> {
        match self.get(id) {
            Value::Tuple(items) | Value::List(items) => Some(items),
            _ => None,
        }
    }

    /// The elements of a tuple of numbers, none negative.
    pub(super) fn sizes(&self, id: Id) -> Option<Vec<usize>> {
        let size = |&id: &Id| usize::try_from(self.int(id)?).ok();
        self.tuple(id)?.iter().map(size).collect()
    }

    /// The name of a function or class, without its module.
    pub(super) fn global(&self, id: Id) -> Option<&str> {
        match self.get(id) {
            Value::Global(_, name) => self.text(*name),
            _ => None,
        }
    }
}

struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    values: Vec<Value>,
    stack: Vec<Id>,
    /// Heights of the stack at the marks that are open.
    marks: Vec<usize>,
    memo: HashMap<usize, Id>,
    /// Items of lists that may still be looked at to make dicts of them.
    copies: usize,
}

impl Machine<'_> {
    fn run(&mut self) -> Result<Id> {
        loop {
            let start = self.at;
            let code = self.byte()?;
            if code == b'.' {
                return self.pop();
            }
            self.step(code, start)?;
        }
    }

    fn step(&mut self, code: u8, start: usize) -> Result<()> {
        match code {
            0x80 => drop(self.take(1)?),
            0x95 => drop(self.take(8)?),
            b'(' => self.marks.push(self.stack.len()),
            b'0' => drop(self.pop()?),
            b'1' => drop(self.pop_mark()?),
            b'2' => {
                let top = self.top()?;
                self.stack.push(top);
            }
            b'N' | 0x88 | 0x89 | b'I' | b'L' | b'J' | b'K' | b'M' | 0x8a | 0x8b | b'F' | b'G' => {
                let value = self.number(code)?;
                self.push(value);
            }
            b'T' | b'U' | b'X' | 0x8c | 0x8d | b'B' | b'C' | 0x8e | 0x96 | b'V' | b'S' => {
                let value = self.string(code)?;
                self.push(value);
            }
            b']'
            | b'l'
            | b'a'
            | b'e'
            | b')'
            | b't'
            | 0x85..=0x87
            | b'}'
            | b'd'
            | b's'
            | b'u'
            | 0x8f..=0x91 => {
                self.container(code)?;
            }
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                let first = self.values.len();
                self.values.extend([Value::Text(module), Value::Text(name)]);
                self.push(Value::Global(first, first + 1));
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                match (&self.values[module], &self.values[name]) {
                    (Value::Text(_), Value::Text(_)) => self.push(Value::Global(module, name)),
                    _ => return Err(self.wrong("a name that is not text")),
                }
            }
            b'R' | 0x81 => {
                let (arguments, function) = (self.pop()?, self.pop()?);
                self.call(function, arguments, start)?;
            }
            b'b' => {
                // Attributes of an object: state dicts have `_metadata`, which says nothing about the numbers.
                self.pop()?;
                self.top()?;
            }
            b'Q' => {
                let what = self.pop()?;
                self.push(Value::Persistent(what));
            }
            b'p' | b'q' | b'r' | 0x94 | b'g' | b'h' | b'j' => self.remember(code)?,
            _ => {
                return Err(malformed(start, &format!("the command {code:#04x} is not known here")));
            }
        }
        Ok(())
    }

    fn call(&mut self, function: Id, arguments: Id, start: usize) -> Result<()> {
        let text = |id: Id| match &self.values[id] {
            Value::Text(text) => text.as_str(),
            _ => "",
        };
        let Value::Global(module, name) = self.values[function] else {
            return Err(malformed(start, "something is called that is not a function"));
        };
        let (module, name) = (text(module), text(name));
        if !KNOWN.iter().any(|known| known == &(module, name)) {
            let reason = format!(
                "at byte {start} it would call {}.{}; code in files is never run, only tensors are read (in Python, torch.save(model.state_dict(), …) writes those alone)",
                shown(module),
                shown(name)
            );
            return Err(InteropError::unsupported(FORMAT, reason));
        }
        let value = match name {
            "OrderedDict" => {
                let left = self.copies.checked_sub(self.items_of_call(arguments).len());
                self.copies =
                    left.ok_or_else(|| malformed(start, "its dicts hold more than the file has"))?;
                Value::Dict(self.pairs(arguments))
            }
            "defaultdict" | "Counter" => Value::Dict(Vec::new()),
            "deque" => Value::List(Vec::new()),
            _ => Value::Call(function, arguments),
        };
        self.push(value);
        Ok(())
    }

    fn items(&self, id: Id) -> &[Id] {
        match &self.values[id] {
            Value::Tuple(items) | Value::List(items) => items,
            _ => &[],
        }
    }

    /// The list that is the first argument of a call.
    fn items_of_call(&self, arguments: Id) -> &[Id] {
        self.items(arguments).first().map_or(&[], |&list| self.items(list))
    }

    /// The items of an `OrderedDict` whose arguments are none, or a list of pairs.
    fn pairs(&self, arguments: Id) -> Vec<(Id, Id)> {
        let pair = |&pair: &Id| Some((*self.items(pair).first()?, *self.items(pair).get(1)?));
        self.items_of_call(arguments).iter().filter_map(pair).collect()
    }

    fn number(&mut self, code: u8) -> Result<Value> {
        Ok(match code {
            b'N' => Value::None,
            0x88 | 0x89 => Value::Bool,
            b'J' => Value::Int(i32::from_le_bytes(self.array()?).into()),
            b'K' => Value::Int(self.byte()?.into()),
            b'M' => Value::Int(u16::from_le_bytes(self.array()?).into()),
            0x8a | 0x8b => {
                let length = if code == 0x8a { self.byte()?.into() } else { self.length4()? };
                long(self.take(length)?)
            }
            b'G' => {
                self.take(8)?;
                Value::Float
            }
            b'F' => {
                self.line()?;
                Value::Float
            }
            _ => match self.line()?.trim_end_matches('L') {
                "00" | "01" => Value::Bool,
                digits => Value::Int(digits.parse().map_err(|_| self.wrong("a number that is none"))?),
            },
        })
    }

    fn string(&mut self, code: u8) -> Result<Value> {
        let length = match code {
            b'U' | b'C' | 0x8c => self.byte()?.into(),
            b'T' | b'X' | b'B' => self.length4()?,
            0x8d | 0x8e | 0x96 => usize::try_from(u64::from_le_bytes(self.array()?)).unwrap_or(usize::MAX),
            _ => return Ok(Value::Text(self.line()?.trim_matches(['\'', '"']).to_owned())),
        };
        let bytes = self.take(length)?;
        Ok(match code {
            b'B' | b'C' | 0x8e | 0x96 => Value::Bytes,
            _ => Value::Text(String::from_utf8_lossy(bytes).into_owned()),
        })
    }

    fn container(&mut self, code: u8) -> Result<()> {
        match code {
            b']' | 0x8f => self.push(Value::List(Vec::new())),
            b')' => self.push(Value::Tuple(Vec::new())),
            b'}' => self.push(Value::Dict(Vec::new())),
            b'l' | 0x91 => {
                let items = self.pop_mark()?;
                self.push(Value::List(items));
            }
            b't' => {
                let items = self.pop_mark()?;
                self.push(Value::Tuple(items));
            }
            0x85..=0x87 => {
                let count = usize::from(code - 0x84);
                let mut items = (0..count).map(|_| self.pop()).collect::<Result<Vec<_>>>()?;
                items.reverse();
                self.push(Value::Tuple(items));
            }
            b'd' => {
                let items = self.pop_mark()?;
                self.push(Value::Dict(in_pairs(&items)));
            }
            b'a' | b'e' | 0x90 => {
                let items = if code == b'a' { vec![self.pop()?] } else { self.pop_mark()? };
                let list = self.top()?;
                match &mut self.values[list] {
                    Value::List(list) => list.extend(items),
                    _ => return Err(self.wrong("items are added to what is not a list")),
                }
            }
            _ => {
                let items = if code == b's' {
                    let (value, key) = (self.pop()?, self.pop()?);
                    vec![key, value]
                } else {
                    self.pop_mark()?
                };
                let dict = self.top()?;
                match &mut self.values[dict] {
                    Value::Dict(dict) => dict.extend(in_pairs(&items)),
                    _ => return Err(self.wrong("items are added to what is not a dict")),
                }
            }
        }
        Ok(())
    }

    /// Puts the topmost value into the memo, or one from there onto the stack.
    fn remember(&mut self, code: u8) -> Result<()> {
        let slot = match code {
            b'q' | b'h' => self.byte()?.into(),
            b'r' | b'j' => self.length4()?,
            0x94 => self.memo.len(),
            _ => self.line()?.parse().map_err(|_| self.wrong("a place in the memo that is no number"))?,
        };
        if matches!(code, b'g' | b'h' | b'j') {
            let id = *self.memo.get(&slot).ok_or_else(|| self.wrong("an empty place in the memo"))?;
            self.stack.push(id);
        } else {
            let top = self.top()?;
            self.memo.insert(slot, top);
        }
        Ok(())
    }

    fn push(&mut self, value: Value) {
        self.stack.push(self.values.len());
        self.values.push(value);
    }

    fn top(&self) -> Result<Id> {
        self.stack.last().copied().ok_or_else(|| self.wrong("nothing is on the stack"))
    }

    fn pop(&mut self) -> Result<Id> {
        let top = self.top()?;
        self.stack.pop();
        Ok(top)
    }

    fn pop_mark(&mut self) -> Result<Vec<Id>> {
        let mark = self.marks.pop().filter(|&mark| mark <= self.stack.len());
        let mark = mark.ok_or_else(|| self.wrong("no mark is on the stack"))?;
        Ok(self.stack.split_off(mark))
    }

    fn byte(&mut self) -> Result<u8> {
        Ok(self.take(1)?[0])
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    fn length4(&mut self) -> Result<usize> {
        Ok(u32::from_le_bytes(self.array()?) as usize)
    }

    fn take(&mut self, count: usize) -> Result<&[u8]> {
        let rest = &self.bytes[self.at..];
        if count > rest.len() {
            return Err(self.wrong(&format!("{count} bytes are wanted, {} are left", rest.len())));
        }
        self.at += count;
        Ok(&rest[..count])
    }

    fn line(&mut self) -> Result<String> {
        let rest = &self.bytes[self.at..];
        let end =
            rest.iter().position(|&byte| byte == b'\n').ok_or_else(|| self.wrong("a line without end"))?;
        self.at += end + 1;
        Ok(String::from_utf8_lossy(&rest[..end]).into_owned())
    }

    fn wrong(&self, problem: &str) -> InteropError {
        malformed(self.at, problem)
    }
}

fn malformed(at: usize, problem: &str) -> InteropError {
    InteropError::malformed(FORMAT, format!("at byte {at} of its pickle: {problem}"))
}

/// A name from a file, short enough for a message.
fn shown(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(60).collect()
}

fn in_pairs(items: &[Id]) -> Vec<(Id, Id)> {
    items.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect()
}

/// A two's complement number of any length.
fn long(bytes: &[u8]) -> Value {
    if bytes.len() > 8 {
        return Value::BigInt(bytes.to_vec());
    }
    let negative = bytes.last().is_some_and(|&last| last >= 0x80);
    let mut whole = [if negative { 0xff } else { 0 }; 8];
    whole[..bytes.len()].copy_from_slice(bytes);
    Value::Int(i64::from_le_bytes(whole))
}
