//! A line of figures an epoch, for spreadsheets.

use std::fmt;
use std::fs::OpenOptions;
use std::io::Write;
use std::ops::ControlFlow;
use std::path::Path;

use super::{Callback, Planned};
use crate::error::{Error, Result};
use crate::model::Model;
use crate::train::EpochLog;

/// Writes the figures of each epoch as a line, with a line of names at first: the form of [`History::to_csv`](crate::History::to_csv).
/// As Keras's [CSVLogger](https://keras.io/api/callbacks/csv_logger/), but epochs are counted from 1.
pub struct CsvLogger<'w> {
    to: Box<dyn Write + 'w>,
    separator: char,
    /// Whether the names have been written.
    has_head: bool,
}

impl<'w> CsvLogger<'w> {
    /// Writes to anything.
    pub fn new(to: impl Write + 'w) -> Self {
        Self { to: Box::new(to), separator: ',', has_head: false }
    }

    /// Writes to a file; one that is there is overwritten, or goes on if `append`.
    ///
    /// # Errors
    /// If it cannot be opened.
    pub fn file(path: impl AsRef<Path>, append: bool) -> Result<Self> {
        let path = path.as_ref();
        let file = OpenOptions::new().create(true).write(true).append(append).truncate(!append).open(path);
        let file =
            file.map_err(|problem| Error::argument(path.display().to_string(), problem.to_string()))?;
        let has_head = append && file.metadata().is_ok_and(|metadata| metadata.len() > 0);
        Ok(Self { has_head, ..Self::new(file) })
    }

    /// What stands between the figures. Default a comma.
    pub fn separator(self, separator: char) -> Self {
        Self { separator, ..self }
    }
}

impl Callback for CsvLogger<'_> {
    fn train_begin(&mut self, _model: &mut Model, planned: &Planned) -> Result<()> {
        self.has_head |= planned.first_epoch > 1;
        Ok(())
    }

    fn epoch_end(&mut self, _model: &mut Model, log: &mut EpochLog) -> Result<ControlFlow<()>> {
        let mut text = String::new();
        if !self.has_head {
            text += &log.csv_head(self.separator);
        }
        text += &log.csv_line(self.separator);
        self.has_head = true;
        // A line is written at once, so that who follows the file sees whole lines.
        let written = self.to.write_all(text.as_bytes()).and_then(|()| self.to.flush());
        written.map_err(|problem| Error::argument("CsvLogger", problem.to_string()))?;
        Ok(ControlFlow::Continue(()))
    }
}

impl fmt::Debug for CsvLogger<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CsvLogger").field("separator", &self.separator).finish_non_exhaustive()
    }
}
