//! The readers of files that others made, each a target of [cargo-fuzz](https://rust-fuzz.github.io/book/cargo-fuzz.html).
//!
//! ```sh
//! cargo install cargo-fuzz
//! fuzz/run 3600 keras
//! ```
//!
//! The script makes the stable compiler accept cargo-fuzz's flags, and begins with whole files. The list of readers, and the whole files to start from, are those of the test that damages files by seeds:
//! `cargo test -p convnet --test hostile`; a description of a model is read by the program only.

#[allow(dead_code, reason = "texts are read here, not files")]
#[path = "../crates/cli/src/description.rs"]
mod description;
#[path = "../crates/convnet/tests/hostile/parsers.rs"]
mod parsers;

use std::path::PathBuf;

pub use libfuzzer_sys;
use parsers::{PARSERS, Parser};

/// What the program reads of its own.
const OF_THE_PROGRAM: &[Parser] = &[Parser {
    name: "description",
    seeds: || vec![DESCRIPTION.to_vec()],
    read: |bytes| {
        let text = std::str::from_utf8(bytes).ok().filter(|text| asks_for_little(text));
        text.is_some_and(|text| description::parse(text, "net.toml").is_ok())
    },
}];

/// Whether no number has more than two digits: a model of the sizes that a description asks for is made, weights and all.
fn asks_for_little(text: &str) -> bool {
    let mut words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.all(|word| word.len() < 3 || !word.starts_with(|c: char| c.is_ascii_digit()))
}

const DESCRIPTION: &[u8] = br#"
name = "small"
input_shape = [8, 8, 1]
[[layers]]
type = "Conv2D"
filters = 4
kernel_size = [3, 3]
padding = "same"
[[layers]]
type = "Flatten"
[[layers]]
type = "Dense"
units = 3
activation = "softmax"
[compile]
optimizer = { name = "adam", learning_rate = 0.5 }
loss = "sparse_categorical_crossentropy"
metrics = ["accuracy", { name = "auc", curve = "PR" }]
"#;

/// All readers.
pub fn all() -> impl Iterator<Item = &'static Parser> {
    PARSERS.iter().chain(OF_THE_PROGRAM)
}

/// The parser of a name.
pub fn named(name: &str) -> &'static Parser {
    all().find(|parser| parser.name == name).expect("a target has a parser's name")
}

/// Writes the whole files that a parser's fuzzing starts from into the folder that `SEEDS` names, if it does.
///
/// # Panics
/// When they cannot be written.
pub fn write_seeds(name: &str) {
    let Some(folder) = std::env::var_os("SEEDS").map(PathBuf::from) else { return };
    std::fs::create_dir_all(&folder).expect("a folder for whole files");
    for (index, seed) in (named(name).seeds)().into_iter().enumerate() {
        std::fs::write(folder.join(index.to_string()), seed).expect("a whole file is written");
    }
}

/// The fuzz target of a parser's name.
#[macro_export]
macro_rules! target {
    ($name:literal) => {
        $crate::libfuzzer_sys::fuzz_target!(init: $crate::write_seeds($name), |bytes: &[u8]| {
            ($crate::named($name).read)(bytes);
        });
    };
}
