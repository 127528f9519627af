//! Why a document cannot be read.

use thiserror::Error;

/// The source or the receiver of a reading failed, and knows why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopped;

/// What ended a reading.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Error {
    /// The document's own fault.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// The source's or the receiver's.
    #[error("the document could not be read to its end")]
    Stopped,
}

impl From<Stopped> for Error {
    fn from(_: Stopped) -> Self {
        Self::Stopped
    }
}

/// Why a document cannot be read, in words for whoever uploaded it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Unreadable {
    /// No bytes at all.
    #[error("the file is empty")]
    Empty,
    /// Read to its end, and nothing was found.
    #[error("there is no text in it{0}")]
    NoText(&'static str),
    /// Needs a password, or is kept from being read otherwise.
    #[error("it is encrypted: save it without a password")]
    Encrypted,
    /// What such a file ends with is not there.
    #[error("it is cut off: {0}")]
    Truncated(&'static str),
    /// It breaks the rules of its format.
    #[error("it is damaged: {0}")]
    Damaged(String),
    /// The content is of another kind than the name says.
    #[error("it is no {expected}, though its name says so")]
    NotItsName {
        /// The kind that the name says.
        expected: &'static str,
    },
    /// A kind of file that is not read.
    #[error("it is {0}, which cannot be read")]
    Unsupported(&'static str),
    /// Of what is counted there is more than is read.
    #[error("it has more than {most} {what}")]
    TooMany {
        /// What is counted.
        what: &'static str,
        /// How many are read.
        most: u64,
    },
    /// The file, or a part of it that must be held as a whole.
    #[error("it is larger than {0} MiB, more than is read of such files")]
    TooLarge(u64),
    /// An archive that is far larger than it looks.
    #[error("it is too large when unpacked: more than {0} MiB")]
    TooLargeUnpacked(u64),
    /// Parts within parts.
    #[error("it is nested too deeply: more than {0} levels")]
    TooDeep(usize),
    /// Reading it takes more work than any honest file of its size.
    #[error("it takes too much work to read: {0}")]
    TooMuchWork(&'static str),
}
