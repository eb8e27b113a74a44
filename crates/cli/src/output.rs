//! Standard output: text for people, or one JSON object a line for programs.

use std::fmt::Display;
use std::io::{self, Write};

use anyhow::{Context, Result};
use serde::Serialize;

/// Where a command's results go.
///
/// Writing never fails at once: neither a reader that went away (`convnet … | head`) nor a full disk under a log may cost the
/// model that is being trained. [`Output::finish`] tells of the latter when all is done.
#[derive(Debug)]
pub struct Output {
    json: bool,
    silent: bool,
    failed: Option<io::Error>,
}

impl Output {
    /// For programs if `json`, else for people.
    pub fn new(json: bool) -> Self {
        Self { json, silent: false, failed: None }
    }

    /// For nobody.
    pub fn silent() -> Self {
        Self { json: false, silent: true, failed: None }
    }

    /// Whether nobody is told anything.
    pub fn is_silent(&self) -> bool {
        self.silent
    }

    /// Whether this is for programs.
    pub fn is_json(&self) -> bool {
        self.json
    }

    /// A result: an object for programs, what it displays for people.
    pub fn result(&mut self, value: &(impl Serialize + Display)) {
        if self.json { self.object(value) } else { self.line(value) }
    }

    /// A line for people; programs do not see it.
    pub fn line(&mut self, text: impl Display) {
        if !self.json {
            self.write(format!("{text}\n"));
        }
    }

    /// An object for programs; people do not see it.
    pub fn object(&mut self, value: &impl Serialize) {
        if self.json {
            match serde_json::to_string(value) {
                Ok(text) => self.write(text + "\n"),
                Err(problem) => self.failed = Some(problem.into()),
            }
        }
    }

    /// Says whether all could be written.
    ///
    /// # Errors
    /// The first failure, unless it was that nobody reads any more.
    pub fn finish(self) -> Result<()> {
        match self.failed {
            Some(problem) if problem.kind() != io::ErrorKind::BrokenPipe => {
                Err(problem).context("cannot write to standard output")
            }
            _ => Ok(()),
        }
    }

    fn write(&mut self, text: String) {
        if self.failed.is_none() && !self.silent {
            let mut stdout = io::stdout().lock();
            self.failed = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).err();
        }
    }
}

/// A line on standard error, for what is not a result. That nobody reads it is no error.
pub fn note(text: impl Display) {
    let _ = writeln!(io::stderr(), "{text}");
}
