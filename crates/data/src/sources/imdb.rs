//! IMDB as Keras has it: `imdb.npz`, 50,000 film reviews as lists of word numbers.
//!
//! Its arrays hold Python lists, which NumPy writes as a pickle. That is read as data here: a machine that knows lists, whole numbers, and the few
//! commands around them that NumPy writes, and runs nothing.

use std::path::Path;

use convnet_interop::archive::Archive;
use convnet_interop::npy;

use crate::images::read_limited;
use crate::text::TextSamples;
use crate::{DataError, Result};

mod lists;

const MAX_FILE: u64 = 1 << 30;

/// What becomes of word numbers: the arguments of Keras's
/// [imdb.load_data](https://keras.io/api/datasets/imdb/#load_data-function), with its defaults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImdbRules {
    /// Only words of numbers below this, the others become `oov_char`; all if not given.
    pub num_words: Option<u32>,
    /// So many of the commonest words become `oov_char`.
    pub skip_top: u32,
    /// What stands before each review.
    pub start_char: u32,
    /// What stands for words that are left out.
    pub oov_char: u32,
    /// Words are counted from here.
    pub index_from: u32,
    /// The length that reviews are brought to, filled up and cut at the front as `pad_sequences` does.
    pub maxlen: usize,
}

impl Default for ImdbRules {
    fn default() -> Self {
        Self { num_words: None, skip_top: 0, start_char: 1, oov_char: 2, index_from: 3, maxlen: 500 }
    }
}

impl ImdbRules {
    fn apply(&self, review: &[u32]) -> Vec<u32> {
        let all = [self.start_char]
            .into_iter()
            .chain(review.iter().map(|word| word.saturating_add(self.index_from)));
        let kept = |word: u32| word >= self.skip_top && self.num_words.is_none_or(|most| word < most);
        all.map(|word| if kept(word) { word } else { self.oov_char }).collect()
    }
}

/// Whether an archive is one like IMDB's: lists under `x_train`.
pub(super) fn recognises(path: &Path) -> bool {
    let Ok(bytes) = read_limited(path, MAX_FILE, "") else { return false };
    let Ok(mut archive) = Archive::open(bytes) else { return false };
    matches!(archive.read_values("x_train.npy"), Ok(Some(bytes)) if lists::is_object_array(&bytes))
}

/// Reads `imdb.npz`: reviews to train on and to test with, classes 0 (negative) and 1.
///
/// # Errors
/// [`DataError::Malformed`] when an array is missing or is not what it should be; what reading the file gives.
pub fn read_imdb(path: &Path, rules: ImdbRules) -> Result<(TextSamples, TextSamples)> {
    let mut archive = Archive::open(read_limited(path, MAX_FILE, "expected imdb.npz")?)?;
    let mut member = |name: &str| {
        let member = archive.read_values(&format!("{name}.npy"))?;
        member.ok_or_else(|| DataError::malformed(path, format!("it holds no array `{name}`")))
    };
    let mut split = |x: &str, y: &str| {
        let wrong = |name: &str, reason: String| DataError::malformed(path, format!("{name}: {reason}"));
        let reviews = lists::read(&member(x)?).map_err(|reason| wrong(x, reason))?;
        let labels = npy::read(&member(y)?).map_err(|error| wrong(y, error.to_string()))?;
        let labels = labels.iter().map(|&label| label as u32).collect();
        TextSamples::new(reviews.iter().map(|review| rules.apply(review)), labels, 2, rules.maxlen)
            .map_err(|error| wrong(x, error.to_string()))
    };
    Ok((split("x_train", "y_train")?, split("x_test", "y_test")?))
}
