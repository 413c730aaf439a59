//! Alerts as JSON, one a line.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use super::Output;
use crate::engine::Told;
use crate::error::{self, Error, Result};

/// JSON lines to standard output or a file.
#[derive(Debug)]
pub struct Lines {
    to: To,
}

#[derive(Debug)]
enum To {
    Stdout,
    File(File, String),
}

impl Lines {
    /// To standard output.
    pub fn stdout() -> Self {
        Self { to: To::Stdout }
    }

    /// Appended to a file, which only its owner can read: command lines may hold secrets.
    pub fn file(path: &Path) -> Result<Self> {
        use std::os::unix::fs::OpenOptionsExt;
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(path)
            .map_err(Error::io("open alerts.file", path))?;
        Ok(Self { to: To::File(file, path.display().to_string()) })
    }
}

impl Lines {
    /// The file, to be forced to the disk by others; standard output has none.
    pub fn handle(&self) -> Result<Option<File>> {
        match &self.to {
            To::Stdout => Ok(None),
            To::File(file, name) => file
                .try_clone()
                .map(Some)
                .map_err(|source| Error::Io { what: format!("cannot use {name} twice"), source }),
        }
    }
}

impl Output for Lines {
    fn alert(&mut self, told: &Told) -> Result<()> {
        let mut line = told.alert.with_id();
        line.push('\n');
        match &mut self.to {
            To::Stdout => {
                let mut out = io::stdout().lock();
                out.write_all(line.as_bytes()).and_then(|()| out.flush()).map_err(error::stdout)
            }
            To::File(file, name) => file
                .write_all(line.as_bytes())
                .map_err(|source| Error::Io { what: format!("cannot write {name}"), source }),
        }
    }

    fn flush(&mut self) -> Result<()> {
        match &mut self.to {
            To::Stdout => Ok(()),
            To::File(file, name) => {
                file.sync_data().map_err(|source| Error::Io { what: format!("cannot write {name}"), source })
            }
        }
    }

    fn name(&self) -> &'static str {
        match self.to {
            To::Stdout => "stdout",
            To::File(..) => "file",
        }
    }
}
