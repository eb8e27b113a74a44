//! Keras's `TextVectorization`.

use std::collections::HashMap;

use serde_json::{Map, Value as Json, json};

use crate::{DataError, Result};

/// What is done to a text before it is split.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Standardize {
    /// Nothing.
    None,
    /// A … Z to a … z; other letters stay, as they do in TensorFlow.
    Lower,
    /// The 32 marks of ASCII are taken out.
    StripPunctuation,
    /// Both.
    #[default]
    LowerAndStripPunctuation,
}

/// What a text is split into.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Split {
    /// Nothing: the text is one token.
    None,
    /// Words between white space.
    #[default]
    Whitespace,
    /// Characters.
    Character,
}

/// Words that a text may be filled up to; a file that asks for more is not believed.
const MAX_LENGTH: usize = 1 << 24;

const PADDING: &str = "";
const UNKNOWN: &str = "[UNK]";

/// Texts to numbers of words: Keras's [TextVectorization](https://keras.io/api/layers/preprocessing_layers/text/text_vectorization/) with
/// `output_mode="int"`, to the letter.
///
/// Number 0 is padding, 1 any word that is not in the vocabulary, then words by how often they occur in the texts to [`adapt`](Self::adapt) to; of
/// words that occur alike, the one that sorts later comes first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TextVectorization {
    max_tokens: Option<usize>,
    standardize: Standardize,
    split: Split,
    /// Widths of word groups; empty for single words.
    ngrams: Vec<usize>,
    length: Option<usize>,
    /// Words by number, padding and unknown included.
    vocabulary: Vec<String>,
    numbers: HashMap<String, u32>,
}

impl TextVectorization {
    /// Keras's defaults: all words, lower case, no punctuation, split at white space, no padding.
    pub fn new() -> Self {
        Self::default().with_words(Vec::new())
    }

    /// The most words of the vocabulary, padding and unknown words counted.
    pub fn max_tokens(self, max_tokens: usize) -> Self {
        Self { max_tokens: Some(max_tokens), ..self }
    }

    /// What is done to a text before it is split.
    pub fn standardize(self, standardize: Standardize) -> Self {
        Self { standardize, ..self }
    }

    /// What a text is split into.
    pub fn split(self, split: Split) -> Self {
        Self { split, ..self }
    }

    /// Groups of 1 to `width` tokens in a row, joined by spaces, instead of single tokens.
    pub fn ngrams(self, width: usize) -> Self {
        Self { ngrams: (1..=width).collect(), ..self }
    }

    /// Groups of exactly these widths.
    pub fn ngram_widths(self, widths: &[usize]) -> Self {
        Self { ngrams: widths.to_vec(), ..self }
    }

    /// The length that [`vectorize`](Self::vectorize) cuts to, and fills up to with 0, both at the end.
    pub fn output_sequence_length(self, length: usize) -> Self {
        Self { length: Some(length), ..self }
    }

    /// The length that was set.
    pub fn sequence_length(&self) -> Option<usize> {
        self.length
    }

    /// Learns the vocabulary from these texts.
    pub fn adapt<T: AsRef<str>>(self, texts: impl IntoIterator<Item = T>) -> Self {
        let mut counts: HashMap<String, u64> = HashMap::new();
        for text in texts {
            for token in self.tokens(text.as_ref()) {
                *counts.entry(token).or_default() += 1;
            }
        }
        counts.remove(PADDING);
        counts.remove(UNKNOWN);
        let mut words: Vec<(String, u64)> = counts.into_iter().collect();
        words.sort_unstable_by(|a, b| b.1.cmp(&a.1).then_with(|| b.0.cmp(&a.0)));
        let most = self.max_tokens.map_or(usize::MAX, |most| most.saturating_sub(2));
        let words = words.into_iter().take(most).map(|(word, _)| word).collect();
        self.with_words(words)
    }

    /// Takes these words as its vocabulary, from number 2 on; an empty one and `[UNK]` in front are left out, so that
    /// [`vocabulary`](Self::vocabulary) can be given back.
    ///
    /// # Errors
    /// [`DataError::Shape`] when a word occurs twice, or there are more than [`max_tokens`](Self::max_tokens).
    pub fn set_vocabulary(self, words: Vec<String>) -> Result<Self> {
        let special = [PADDING, UNKNOWN];
        let known = words.iter().zip(special).take_while(|(word, special)| word == special).count();
        let words: Vec<String> = words.into_iter().skip(if known == 2 { 2 } else { 0 }).collect();
        let wrong =
            |expected: String, received: String| DataError::Shape { what: "vocabulary", expected, received };
        if let Some(most) = self.max_tokens.filter(|&most| words.len() + 2 > most) {
            return Err(wrong(
                format!("{most} words, padding and {UNKNOWN} counted"),
                (words.len() + 2).to_string(),
            ));
        }
        let count = words.len() + 2;
        let set = self.with_words(words);
        if set.numbers.len() == count {
            return Ok(set);
        }
        let mut seen = std::collections::HashSet::new();
        let twice = set.vocabulary.iter().find(|word| !seen.insert(word.as_str()));
        Err(wrong("words that differ".into(), format!("`{}` twice", twice.map_or("", String::as_str))))
    }

    /// All that it is, as Keras's layer writes it down: `keras.layers.TextVectorization.from_config` makes the layer that gives the same numbers.
    pub fn config(&self) -> Map<String, Json> {
        let standardize = match self.standardize {
            Standardize::None => Json::Null,
            Standardize::Lower => "lower".into(),
            Standardize::StripPunctuation => "strip_punctuation".into(),
            Standardize::LowerAndStripPunctuation => "lower_and_strip_punctuation".into(),
        };
        let split = match self.split {
            Split::None => Json::Null,
            Split::Whitespace => "whitespace".into(),
            Split::Character => "character".into(),
        };
        let ngrams = if self.ngrams.is_empty() { Json::Null } else { json!(self.ngrams) };
        let config = json!({
            "max_tokens": self.max_tokens,
            "standardize": standardize,
            "split": split,
            "ngrams": ngrams,
            "output_mode": "int",
            "output_sequence_length": self.length,
            "vocabulary": &self.vocabulary[2..],
        });
        match config {
            Json::Object(config) => config,
            _ => unreachable!("it is an object"),
        }
    }

    /// From what [`config`](Self::config) or Keras's layer wrote down.
    ///
    /// # Errors
    /// [`DataError::Shape`] when it is no such configuration, or of a layer that gives other things than numbers of words.
    pub fn from_config(config: &Json) -> Result<Self> {
        let wrong = |key: &str, value: &Json| DataError::Shape {
            what: "configuration of a TextVectorization",
            expected: format!("`{key}` as Keras's layer writes it, with output_mode \"int\""),
            received: value.to_string().chars().take(60).collect(),
        };
        let size = |key: &str| match config.get(key).unwrap_or(&Json::Null) {
            Json::Null => Ok(None),
            value => match value.as_u64().and_then(|size| usize::try_from(size).ok()) {
                Some(size) if size <= MAX_LENGTH => Ok(Some(size)),
                _ => Err(wrong(key, value)),
            },
        };
        let text = |key: &str, default: &'static str| match config.get(key) {
            None => Ok(default.to_owned()),
            Some(Json::Null) => Ok("none".to_owned()),
            Some(value) => value.as_str().map(str::to_owned).ok_or_else(|| wrong(key, value)),
        };
        let standardize = match &*text("standardize", "lower_and_strip_punctuation")? {
            "none" => Standardize::None,
            "lower" => Standardize::Lower,
            "strip_punctuation" => Standardize::StripPunctuation,
            "lower_and_strip_punctuation" => Standardize::LowerAndStripPunctuation,
            other => return Err(wrong("standardize", &other.into())),
        };
        let split = match &*text("split", "whitespace")? {
            "none" => Split::None,
            "whitespace" => Split::Whitespace,
            "character" => Split::Character,
            other => return Err(wrong("split", &other.into())),
        };
        let mode = text("output_mode", "int")?;
        if mode != "int" {
            return Err(wrong("output_mode", &mode.into()));
        }
        let ngrams = match config.get("ngrams").unwrap_or(&Json::Null) {
            Json::Null => Vec::new(),
            Json::Array(widths) => {
                let width = |width: &Json| width.as_u64().map(|width| width as usize);
                widths
                    .iter()
                    .map(width)
                    .collect::<Option<_>>()
                    .ok_or_else(|| wrong("ngrams", &json!(widths)))?
            }
            other => return Err(wrong("ngrams", other)),
        };
        let list = config.get("vocabulary").unwrap_or(&Json::Null);
        let word = |word: &Json| word.as_str().map(str::to_owned);
        let words: Option<Vec<String>> = list.as_array().and_then(|words| words.iter().map(word).collect());
        let made = Self {
            max_tokens: size("max_tokens")?,
            standardize,
            split,
            ngrams,
            length: size("output_sequence_length")?,
            ..Self::new()
        };
        made.set_vocabulary(words.ok_or_else(|| wrong("vocabulary", list))?)
    }

    fn with_words(self, words: Vec<String>) -> Self {
        let special = [PADDING, UNKNOWN].map(str::to_owned);
        let vocabulary: Vec<String> = special.into_iter().chain(words).collect();
        let numbers =
            vocabulary.iter().enumerate().map(|(number, word)| (word.clone(), number as u32)).collect();
        Self { vocabulary, numbers, ..self }
    }

    /// The words by number, from padding (an empty word) and `[UNK]` on.
    pub fn vocabulary(&self) -> &[String] {
        &self.vocabulary
    }

    /// Whether a token has a number of its own.
    pub fn knows(&self, token: &str) -> bool {
        self.numbers.get(token).is_some_and(|number| *number > 1)
    }

    /// The tokens of a text: standardised, split and grouped.
    pub fn tokens(&self, text: &str) -> Vec<String> {
        use Standardize::{Lower, LowerAndStripPunctuation, StripPunctuation};
        let mut text = text.to_owned();
        if matches!(self.standardize, Lower | LowerAndStripPunctuation) {
            text.make_ascii_lowercase();
        }
        if matches!(self.standardize, StripPunctuation | LowerAndStripPunctuation) {
            text.retain(|character| !character.is_ascii_punctuation());
        }
        let tokens: Vec<String> = match self.split {
            Split::None => vec![text],
            // TensorFlow's white space is that of C.
            Split::Whitespace => {
                let words = text.split(|c: char| c.is_ascii_whitespace() || c == '\x0b');
                words.filter(|word| !word.is_empty()).map(str::to_owned).collect()
            }
            Split::Character => text.chars().map(String::from).collect(),
        };
        if self.ngrams.is_empty() {
            return tokens;
        }
        let groups = |&width: &usize| tokens.windows(width.max(1)).map(|words| words.join(" "));
        self.ngrams.iter().flat_map(groups).collect()
    }

    /// The numbers of a text's tokens, of [`output_sequence_length`](Self::output_sequence_length) if that is set.
    pub fn vectorize(&self, text: &str) -> Vec<u32> {
        let number = |token: &String| self.numbers.get(token).copied().unwrap_or(1);
        let mut numbers: Vec<u32> = self.tokens(text).iter().map(number).collect();
        if let Some(length) = self.length {
            numbers.resize(length, 0);
        }
        numbers
    }

    /// The words of numbers, padding left out.
    pub fn decode(&self, numbers: &[u32]) -> String {
        let words = numbers.iter().filter(|&&number| number != 0);
        let word = |&number: &u32| self.vocabulary.get(number as usize).map_or(UNKNOWN, String::as_str);
        words.map(word).collect::<Vec<_>>().join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_comes_back_from_its_configuration() {
        let texts = ["A fine, fine film!", "a dull film"];
        let words = TextVectorization::new().max_tokens(5).output_sequence_length(4).adapt(texts);
        let again = TextVectorization::from_config(&Json::Object(words.config())).unwrap();
        assert_eq!(again, words);
        let other =
            TextVectorization::new().standardize(Standardize::Lower).split(Split::Character).ngrams(2);
        let other = other.adapt(texts);
        assert_eq!(TextVectorization::from_config(&Json::Object(other.config())).unwrap(), other);
    }

    #[test]
    fn what_is_no_configuration_is_refused() {
        for wrong in [
            json!({}),
            json!({ "vocabulary": [1] }),
            json!({ "vocabulary": ["a", "a"] }),
            json!({ "vocabulary": ["a"], "output_mode": "tf_idf" }),
            json!({ "vocabulary": ["a"], "output_sequence_length": 1_u64 << 60 }),
            json!({ "vocabulary": ["a"], "split": "syllable" }),
        ] {
            assert!(TextVectorization::from_config(&wrong).is_err(), "{wrong}");
        }
    }
}
