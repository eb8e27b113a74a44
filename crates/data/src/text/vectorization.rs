//! Keras's `TextVectorization`.

use std::collections::HashMap;

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
