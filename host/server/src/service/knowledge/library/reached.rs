//! The file that says up to which change the search data on this disk goes.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use hardpoint_domain::time::Timestamp;

/// How far search data goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reached {
    /// The last change that is in it.
    pub(super) seq: i64,
    /// When that was made, by which the store is known again; none where it was forgotten there.
    pub(super) time: Option<Timestamp>,
}

/// None where there is no such file, or it cannot be understood: then everything is made anew.
pub(super) fn read(folder: &Path) -> Option<Reached> {
    parse(&fs::read_to_string(file(folder)).ok()?)
}

/// Puts the file in the place of the one before.
pub(super) fn write(folder: &Path, reached: Reached) -> io::Result<()> {
    let new = folder.join("reached.new");
    fs::write(&new, show(reached))?;
    fs::rename(new, file(folder))
}

fn file(folder: &Path) -> PathBuf {
    folder.join("reached")
}

fn show(reached: Reached) -> String {
    let time = reached.time.map_or_else(|| "-".to_owned(), |time| time.micros().to_string());
    format!("{} {time}\n", reached.seq)
}

fn parse(text: &str) -> Option<Reached> {
    let (seq, time) = text.strip_suffix('\n')?.split_once(' ')?;
    let time = if time == "-" { None } else { Some(Timestamp::from_micros(time.parse().ok()?)) };
    Some(Reached { seq: seq.parse().ok().filter(|seq| *seq >= 0)?, time })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read() {
        for time in [None, Some(Timestamp::from_micros(1_234_567))] {
            let reached = Reached { seq: 17, time };
            assert_eq!(parse(&show(reached)), Some(reached));
        }
        for other in ["", "17", "17 -", "17 x\n", "-1 -\n", "x -\n", "17  5\n"] {
            assert_eq!(parse(other), None, "{other:?}");
        }
    }
}
