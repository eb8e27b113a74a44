//! Keras's older `Tokenizer`, with its word index in a file.

use std::collections::HashMap;
use std::path::Path;

use serde_json::{Map, Value, json};

use crate::{DataError, Result};

/// Characters that [`Tokenizer`] takes for spaces.
const FILTERS: &str = "!\"#$%&()*+,-./:;<=>?@[\\]^_`{|}~\t\n";
/// Bytes of a word index that are read: a million words take some 20 MB.
const MAX_FILE: u64 = 1 << 28;

/// The words of a text: lower case (of any script), and spaces for everything in Keras's default `filters`, which keep the apostrophe.
///
/// ```
/// assert_eq!(convnet_data::text::text_to_word_sequence("It's, well - RED."), ["it's", "well", "red"]);
/// ```
pub fn text_to_word_sequence(text: &str) -> Vec<String> {
    let text = text.to_lowercase();
    let words = text.split(|c: char| c == ' ' || FILTERS.contains(c));
    words.filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

/// Texts to numbers of words as the Keras of older books does: 1 is the commonest word (or the one for unknown words), of words that occur alike the one that was
/// met first; 0 is kept for padding, and unknown words are left out unless they have a word of their own.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tokenizer {
    num_words: Option<usize>,
    oov_token: Option<String>,
    /// Words by number, from 1.
    words: Vec<String>,
    numbers: HashMap<String, u32>,
}

impl Tokenizer {
    /// All words, unknown ones left out.
    pub fn new() -> Self {
        Self::default()
    }

    /// Only numbers below this are given, as in Keras: 10,000 keeps the 9,999 commonest words.
    pub fn num_words(self, num_words: usize) -> Self {
        Self { num_words: Some(num_words), ..self }
    }

    /// A word that stands for unknown ones; it gets number 1.
    pub fn oov_token(self, word: impl Into<String>) -> Self {
        Self { oov_token: Some(word.into()), ..self }
    }

    /// Learns the words of these texts.
    pub fn fit_on_texts<T: AsRef<str>>(self, texts: impl IntoIterator<Item = T>) -> Self {
        let mut places: HashMap<String, usize> = HashMap::new();
        let mut counts: Vec<(String, u64)> = Vec::new();
        for text in texts {
            for word in text_to_word_sequence(text.as_ref()) {
                let place = *places.entry(word.clone()).or_insert_with(|| {
                    counts.push((word, 0));
                    counts.len() - 1
                });
                counts[place].1 += 1;
            }
        }
        // Stable, so that words that occur alike stay in the order in which they were met.
        counts.sort_by_key(|&(_, count)| std::cmp::Reverse(count));
        let words = self.oov_token.iter().cloned().chain(counts.into_iter().map(|(word, _)| word)).collect();
        self.with_words(words)
    }

    fn with_words(self, words: Vec<String>) -> Self {
        // Of a word that is there twice (an unknown word's that occurs in the texts) the later number counts, as in Keras.
        let numbers = words.iter().zip(1..).map(|(word, number)| (word.clone(), number)).collect();
        Self { words, numbers, ..self }
    }

    /// The number of each word, from 1.
    pub fn word_index(&self) -> &HashMap<String, u32> {
        &self.numbers
    }

    /// The numbers of a text's words.
    pub fn text_to_sequence(&self, text: &str) -> Vec<u32> {
        let unknown = self.oov_token.as_ref().and_then(|word| self.numbers.get(word)).copied();
        let below = |number: &u32| self.num_words.is_none_or(|most| (*number as usize) < most);
        let number = |word: &String| self.numbers.get(word).copied().filter(below).or(unknown);
        text_to_word_sequence(text).iter().filter_map(number).collect()
    }

    /// The words of numbers, unknown ones left out.
    pub fn sequence_to_text(&self, numbers: &[u32]) -> String {
        let word = |&number: &u32| self.words.get((number as usize).checked_sub(1)?).map(String::as_str);
        numbers.iter().filter_map(word).collect::<Vec<_>>().join(" ")
    }

    /// Writes the word index as JSON, an object of words and their numbers: what Keras's `imdb.get_word_index()` reads.
    ///
    /// # Errors
    /// [`DataError::Io`] when the file cannot be written.
    pub fn save_word_index(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let index: Map<String, Value> =
            self.words.iter().zip(1..).map(|(word, number)| (word.clone(), json!(number))).collect();
        convnet_interop::atomic::write(path, Value::Object(index).to_string().as_bytes())?;
        Ok(())
    }

    /// Takes the word index in a file that [`save_word_index`](Self::save_word_index) or Keras made.
    ///
    /// # Errors
    /// [`DataError::Missing`] or [`DataError::Io`] when the file cannot be read, [`DataError::Malformed`] when it is no JSON object of words and numbers from 1.
    pub fn load_word_index(self, path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let text = crate::sources::read_text(
            path,
            MAX_FILE,
            "expected a word index, a JSON object of words and numbers",
        )?;
        let wrong = || {
            DataError::malformed(
                path,
                "not a JSON object of words and numbers, each from 1 to the number of words",
            )
        };
        let index: Map<String, Value> = serde_json::from_str(&text).map_err(|_| wrong())?;
        let most = index.values().filter_map(Value::as_u64).max().unwrap_or(0);
        // Keras's own index of IMDB has no gaps; a little room for others, but not for a number that claims gigabytes.
        if most > 2 * index.len() as u64 + 1000 {
            return Err(wrong());
        }
        let mut words = vec![String::new(); most as usize];
        for (word, number) in &index {
            let place = number.as_u64().and_then(|number| number.checked_sub(1)).ok_or_else(wrong)?;
            words[place as usize].clone_from(word);
        }
        Ok(self.with_words(words))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn keras_gives_the_same() {
        // Keras 3.15: t = Tokenizer(num_words=5, oov_token="<?>"); t.fit_on_texts(texts); t.texts_to_sequences(…)
        let texts = ["The cat sat.", "the dog SAT on the cat's mat", "A mat; a cat\tand a dog!"];
        let plain = Tokenizer::new().fit_on_texts(texts);
        assert_eq!(plain.text_to_sequence("the cat and the owl"), [1, 3, 9, 1]);
        assert_eq!(plain.sequence_to_text(&[1, 3, 99, 0]), "the cat");
        let few = Tokenizer::new().num_words(5).oov_token("<?>").fit_on_texts(texts);
        assert_eq!(few.text_to_sequence("The cat and the owl sat on a mat"), [2, 4, 1, 2, 1, 1, 1, 3, 1]);
    }

    #[test]
    fn a_word_index_comes_back() {
        let path = std::env::temp_dir().join(format!("convnet-words-{}.json", std::process::id()));
        let written = Tokenizer::new().fit_on_texts(["b a b ü"]);
        written.save_word_index(&path).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), r#"{"b":1,"a":2,"ü":3}"#);
        assert_eq!(Tokenizer::new().load_word_index(&path).unwrap(), written);
        for bad in ["[1]", r#"{"a": 99999999999}"#, r#"{"a": 0}"#, r#"{"a": "b"}"#, "{"] {
            fs::write(&path, bad).unwrap();
            assert!(Tokenizer::new().load_word_index(&path).is_err(), "{bad}");
        }
        fs::remove_file(path).unwrap();
    }
}
