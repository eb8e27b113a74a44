//! NumPy arrays of Python lists of whole numbers.
//!
//! A pickle is a program for a stack machine. The commands are those of Python's
//! [pickletools](https://github.com/python/cpython/blob/main/Lib/pickletools.py), protocols 2 to 5. Functions are never called: what one would make is a
//! nothing here, and the lists are found where NumPy puts them, in the state of the array.

use std::collections::HashMap;

type Problem = String;

/// Numbers that are kept one behind the other, and where each list ends.
type Lists = Vec<Vec<u32>>;

/// A value on the stack. Lists are numbers into the machine's own table, because they are filled after they are put there.
#[derive(Clone, Copy, Debug)]
enum Value {
    Int(i64),
    List(usize),
    /// Anything that is neither: texts, functions, tuples, what a function would have made.
    Other,
    Mark,
}

#[derive(Default)]
struct Machine {
    stack: Vec<Value>,
    memo: HashMap<u32, Value>,
    lists: Vec<List>,
}

#[derive(Default)]
struct List {
    numbers: Vec<u32>,
    inner: Vec<usize>,
}

/// Whether a `.npy` file holds Python objects.
pub(super) fn is_object_array(bytes: &[u8]) -> bool {
    header(bytes).is_some_and(|(text, _)| text.contains("'|O'"))
}

fn header(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let rest = bytes.strip_prefix(b"\x93NUMPY")?;
    let (length, rest) = match *rest {
        [1, _, a, b, ref rest @ ..] => (usize::from(u16::from_le_bytes([a, b])), rest),
        [_, _, a, b, c, d, ref rest @ ..] => (u32::from_le_bytes([a, b, c, d]) as usize, rest),
        _ => return None,
    };
    let (text, data) = rest.split_at_checked(length)?;
    Some((std::str::from_utf8(text).ok()?, data))
}

/// The lists in a `.npy` file of an object array.
pub(super) fn read(bytes: &[u8]) -> Result<Lists, Problem> {
    let (text, pickle) = header(bytes).ok_or("not a .npy file")?;
    if !text.contains("'|O'") {
        return Err("an array of numbers where lists of numbers are expected".into());
    }
    let mut machine = Machine::default();
    machine.run(pickle)?;
    // The array's state is a list of all lists; no other list holds lists.
    let outer = machine.lists.iter().position(|list| !list.inner.is_empty()).ok_or("it holds no lists")?;
    let inner = std::mem::take(&mut machine.lists[outer].inner);
    // A list that occurs twice is copied, but no more numbers come out than the file has bytes.
    let mut room = bytes.len();
    let mut lists = Vec::with_capacity(inner.len());
    for place in inner {
        let list = machine
            .lists
            .get(place)
            .filter(|list| list.inner.is_empty())
            .ok_or("lists within lists within lists")?;
        room = room.checked_sub(list.numbers.len()).ok_or("it holds more than its size allows")?;
        lists.push(list.numbers.clone());
    }
    Ok(lists)
}

/// Takes `count` bytes off the front.
fn take<'a>(bytes: &mut &'a [u8], count: usize) -> Result<&'a [u8], Problem> {
    let (front, rest) = bytes.split_at_checked(count).ok_or("the pickle ends too early")?;
    *bytes = rest;
    Ok(front)
}

/// A little-endian number of up to eight bytes.
fn number(bytes: &mut &[u8], count: usize) -> Result<u64, Problem> {
    let mut all = [0; 8];
    all[..count].copy_from_slice(take(bytes, count)?);
    Ok(u64::from_le_bytes(all))
}

fn line(bytes: &mut &[u8]) -> Result<(), Problem> {
    let end = bytes.iter().position(|&byte| byte == b'\n').ok_or("the pickle ends too early")?;
    *bytes = &bytes[end + 1..];
    Ok(())
}

impl Machine {
    fn run(&mut self, mut bytes: &[u8]) -> Result<(), Problem> {
        let bytes = &mut bytes;
        loop {
            let code = take(bytes, 1)?[0];
            match code {
                b'.' => return Ok(()),
                0x80 => drop(take(bytes, 1)?), // PROTO
                0x95 => drop(take(bytes, 8)?), // FRAME
                b'(' => self.stack.push(Value::Mark),
                b'K' => self.int(number(bytes, 1)? as i64), // BININT1
                b'M' => self.int(number(bytes, 2)? as i64), // BININT2
                b'J' => {
                    let value = number(bytes, 4)? as u32;
                    self.int(i64::from(value.cast_signed())); // BININT
                }
                0x8a => self.long(bytes)?, // LONG1
                b']' => {
                    self.lists.push(List::default());
                    self.stack.push(Value::List(self.lists.len() - 1));
                }
                b'a' => {
                    let item = self.pop()?;
                    self.append(&[item])?;
                }
                b'e' => {
                    let items = self.pop_to_mark()?;
                    self.append(&items)?;
                }
                b'q' => self.remember(number(bytes, 1)? as u32)?, // BINPUT
                b'r' => self.remember(number(bytes, 4)? as u32)?, // LONG_BINPUT
                0x94 => self.remember(self.memo.len() as u32)?,   // MEMOIZE
                b'h' => self.recall(number(bytes, 1)? as u32)?,
                b'j' => self.recall(number(bytes, 4)? as u32)?,
                b'c' => {
                    line(bytes)?;
                    line(bytes)?;
                    self.stack.push(Value::Other); // GLOBAL
                }
                _ => self.around(code, bytes)?,
            }
        }
    }

    /// The commands for all that is not lists of numbers.
    fn around(&mut self, code: u8, bytes: &mut &[u8]) -> Result<(), Problem> {
        match code {
            b'N' | 0x88 | 0x89 | b')' => self.stack.push(Value::Other), // NONE, TRUE, FALSE, EMPTY_TUPLE
            b'X' | b'B' | b'T' | b'U' | b'C' | 0x8c => {
                let wide = if matches!(code, b'U' | b'C' | 0x8c) { 1 } else { 4 };
                let length = number(bytes, wide)? as usize;
                take(bytes, length)?;
                self.stack.push(Value::Other); // texts and bytes
            }
            b't' => {
                self.pop_to_mark()?;
                self.stack.push(Value::Other); // TUPLE
            }
            0x85 => self.replace(1)?,                      // TUPLE1
            0x86 | 0x93 | b'R' | 0x81 => self.replace(2)?, // TUPLE2, STACK_GLOBAL, REDUCE, NEWOBJ
            0x87 => self.replace(3)?,                      // TUPLE3
            b'b' => drop(self.pop()?),                     // BUILD
            b'0' => drop(self.pop()?),                     // POP
            _ => {
                return Err(format!(
                    "the pickle has the command 0x{code:02x}, which lists of numbers do not need"
                ));
            }
        }
        Ok(())
    }

    fn int(&mut self, value: i64) {
        self.stack.push(Value::Int(value));
    }

    fn long(&mut self, bytes: &mut &[u8]) -> Result<(), Problem> {
        let length = number(bytes, 1)? as usize;
        if length > 8 {
            return Err("a number of more than 64 bits".into());
        }
        let value = number(bytes, length)?;
        let unused = 64 - 8 * length as u32;
        // The topmost bit is the sign.
        let value = value.checked_shl(unused).unwrap_or(0).cast_signed();
        self.int(value.checked_shr(unused).unwrap_or(0));
        Ok(())
    }

    fn pop(&mut self) -> Result<Value, Problem> {
        self.stack.pop().ok_or_else(|| "the pickle takes from an empty stack".into())
    }

    fn pop_to_mark(&mut self) -> Result<Vec<Value>, Problem> {
        let mark = self.stack.iter().rposition(|value| matches!(value, Value::Mark));
        let mark = mark.ok_or("the pickle has no mark where it needs one")?;
        let items = self.stack.split_off(mark + 1);
        self.stack.pop();
        Ok(items)
    }

    /// Takes so many values and puts one that is no list.
    fn replace(&mut self, count: usize) -> Result<(), Problem> {
        for _ in 0..count {
            self.pop()?;
        }
        self.stack.push(Value::Other);
        Ok(())
    }

    /// Adds to the list on top of the stack.
    fn append(&mut self, items: &[Value]) -> Result<(), Problem> {
        let Some(&Value::List(place)) = self.stack.last() else {
            return Err("the pickle adds to what is no list".into());
        };
        for item in items {
            match *item {
                Value::Int(value) => {
                    let value =
                        u32::try_from(value).map_err(|_| format!("the number {value} is no word's"))?;
                    self.lists[place].numbers.push(value);
                }
                Value::List(inner) => self.lists[place].inner.push(inner),
                Value::Other | Value::Mark => {
                    return Err("a list holds something that is neither a number nor a list".into());
                }
            }
        }
        Ok(())
    }

    fn remember(&mut self, name: u32) -> Result<(), Problem> {
        let value = self.stack.last().copied().ok_or("the pickle remembers nothing")?;
        self.memo.insert(name, value);
        Ok(())
    }

    fn recall(&mut self, name: u32) -> Result<(), Problem> {
        let value = self.memo.get(&name).copied().ok_or("the pickle recalls what it has not remembered")?;
        self.stack.push(value);
        Ok(())
    }
}
