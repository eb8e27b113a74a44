//! Ctrl-C, and the signal that asks a program to end: the first one asks training to stop after the step it is at, the second one
//! ends the program at once.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::output::note;

/// The exit code of a training that was asked to stop: what shells give a program that SIGINT ended.
pub const EXIT_CODE: u8 = 130;

static REQUESTED: AtomicBool = AtomicBool::new(false);

/// A training was asked to stop, did so, and said how to go on. No failure to be told, but an exit code of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interrupted;

impl std::fmt::Display for Interrupted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("training was interrupted")
    }
}

impl std::error::Error for Interrupted {}

/// Listens from now on; gives the flag that tells whether training was asked to stop. Where the system does not let it, Ctrl-C ends the program
/// as it did before.
pub fn listen() -> &'static AtomicBool {
    let _refused = ctrlc::set_handler(|| {
        if REQUESTED.swap(true, Ordering::SeqCst) {
            std::process::exit(i32::from(EXIT_CODE));
        }
        note("\nstopping after this step; again ends at once");
    });
    &REQUESTED
}
