//! From tensors to the zip archives that `torch.load(…, weights_only=True)` opens: the numbers as they are, and a pickle of
//! an `OrderedDict` that says of each tensor which numbers, in which sizes.

use ndarray::ArrayD;

use super::pickle::FORMAT;
use crate::{InteropError, Result, archive};

/// What PyTorch calls the version of archives since 1.6.
const VERSION: &[u8] = b"3\n";

/// Tensors as a file's bytes; the same tensors give the same bytes.
///
/// # Errors
/// When two tensors have one name.
pub fn to_bytes(tensors: &[(String, ArrayD<f32>)]) -> Result<Vec<u8>> {
    let mut names: Vec<&str> = tensors.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    if let Some(twice) = names.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(InteropError::malformed(FORMAT, format!("two tensors are named {}", twice[0])));
    }
    let pickle = pickle(tensors);
    let numbers: Vec<(String, Vec<u8>)> = (tensors.iter().enumerate())
        .map(|(key, (_, values))| {
            let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
            (format!("archive/data/{key}"), bytes)
        })
        .collect();
    let first = [("archive/data.pkl", &pickle[..]), ("archive/byteorder", b"little")];
    let numbers = numbers.iter().map(|(name, bytes)| (name.as_str(), &bytes[..]));
    archive::to_bytes(first.into_iter().chain(numbers).chain([("archive/version", VERSION)]))
}

/// The pickle, of protocol 2.
fn pickle(tensors: &[(String, ArrayD<f32>)]) -> Vec<u8> {
    let mut to = Pickler(b"\x80\x02".to_vec());
    to.ordered_dict();
    to.mark();
    for (key, (name, values)) in tensors.iter().enumerate() {
        to.text(name);
        to.global("torch._utils", "_rebuild_tensor_v2");
        to.mark();
        to.mark();
        to.text("storage");
        to.global("torch", "FloatStorage");
        to.text(&key.to_string());
        to.text("cpu");
        to.integer(values.len());
        to.tuple();
        to.0.push(b'Q'); // the numbers of this name
        to.integer(0); // from the first
        let dims = values.shape();
        to.integers(dims.iter().copied());
        to.integers((1..=dims.len()).map(|axis| dims[axis..].iter().product()));
        to.0.push(0x89); // needs no gradient
        to.ordered_dict(); // no hooks
        to.tuple();
        to.0.push(b'R');
    }
    to.0.extend(b"u.");
    to.0
}

/// Operations of [pickle](https://docs.python.org/3/library/pickletools.html) one after another.
struct Pickler(Vec<u8>);

impl Pickler {
    fn mark(&mut self) {
        self.0.push(b'(');
    }

    /// Of all since the last mark.
    fn tuple(&mut self) {
        self.0.push(b't');
    }

    fn global(&mut self, module: &str, name: &str) {
        self.0.extend(format!("c{module}\n{name}\n").into_bytes());
    }

    fn ordered_dict(&mut self) {
        self.global("collections", "OrderedDict");
        self.0.extend(b")R");
    }

    fn text(&mut self, text: &str) {
        self.0.push(b'X');
        self.0.extend((text.len() as u32).to_le_bytes()); // names of layers are short
        self.0.extend(text.as_bytes());
    }

    fn integer(&mut self, value: usize) {
        match i32::try_from(value) {
            Ok(value) => {
                self.0.push(b'J');
                self.0.extend(value.to_le_bytes());
            }
            Err(_) => {
                self.0.extend([0x8a, 9]); // a long of nine bytes, the last of which keeps it positive
                self.0.extend((value as u64).to_le_bytes());
                self.0.push(0);
            }
        }
    }

    fn integers(&mut self, values: impl Iterator<Item = usize>) {
        self.mark();
        values.for_each(|value| self.integer(value));
        self.tuple();
    }
}
