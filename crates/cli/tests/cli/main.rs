//! The command as its users run it: the built program, in a folder of its own for each test.

#![expect(clippy::unwrap_used, reason = "a failed helper is a failed test")]

mod augment;
mod exchange;
mod explain;
mod failures;
mod pictures;
mod results;
mod runs;
mod support;
mod texts;
mod training;
