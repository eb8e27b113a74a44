//! From text to numbers, by Keras's rules: [`TextVectorization`], the older [`Tokenizer`], [`pad_sequences`].
//!
//! ```
//! use convnet_data::text::TextVectorization;
//! let words = TextVectorization::new().max_tokens(5000).output_sequence_length(4);
//! let words = words.adapt(["foo bar", "bar baz", "baz bada boom"]);
//! assert_eq!(words.vocabulary()[..4], ["", "[UNK]", "baz", "bar"]);
//! assert_eq!(words.vectorize("foo qux bar"), [4, 1, 3, 0]);
//! ```

mod pad;
mod samples;
mod tokenizer;
mod vectorization;

pub use pad::{Side, pad_sequences};
pub use samples::TextSamples;
pub use tokenizer::{Tokenizer, text_to_word_sequence};
pub use vectorization::{Split as TextSplit, Standardize, TextVectorization};
