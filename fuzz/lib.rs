//! The readers of files that others made, each a target of [cargo-fuzz](https://rust-fuzz.github.io/book/cargo-fuzz.html).
//!
//! ```sh
//! cargo install cargo-fuzz
//! fuzz/run 3600 keras
//! ```
//!
//! The script makes the stable compiler accept cargo-fuzz's flags, and begins with whole files. The list of readers, and the whole files to start from, are those of the test that damages files by seeds:
//! `cargo test -p convnet --test hostile`.

#[path = "../crates/convnet/tests/hostile/parsers.rs"]
pub mod parsers;

pub use libfuzzer_sys;

/// The fuzz target of a parser's name.
#[macro_export]
macro_rules! target {
    ($name:literal) => {
        $crate::libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
            ($crate::parsers::named($name).read)(bytes);
        });
    };
}
