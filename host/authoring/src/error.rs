//! Why something could not be done.

use std::io;
use std::path::{Path, PathBuf};

use hardpoint_domain::manifest::ManifestError;

/// Why something could not be done, for the author at the terminal.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or folder that cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A manifest that is none.
    #[error("{} is wrong: {source}", path.display())]
    Manifest {
        /// Which.
        path: PathBuf,
        /// The line and the reason.
        source: ManifestError,
    },
    /// A program that was started and did not do its work. What it had to say is on standard error.
    #[error("`{command}` {outcome}")]
    Failed {
        /// As a person would type it.
        command: String,
        /// How it ended.
        outcome: String,
    },
    /// Something that must be installed first; the text says what and how.
    #[error("{0}")]
    Missing(String),
    /// What was asked for makes no sense; the text says why.
    #[error("{0}")]
    Refused(String),
}

/// Turns an I/O error into one that names its file: `.map_err(at(path))`.
pub(crate) fn at(path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::File { path, source }
}
