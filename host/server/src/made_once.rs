//! A file of the data folder that is made once and then stays: of two that make one at the same time the first one's
//! holds, and nobody reads one that is not whole.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Makes the file with this text where there is none, and gives what it then holds. `part` is in the name of the
/// unfinished file, so no two may have the same.
///
/// # Errors
/// If it cannot be made or read.
pub fn make(file: &Path, text: &str, part: &str) -> io::Result<String> {
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)?;
    }
    let unfinished = file.with_extension(format!("{part}.part"));
    let mut options = OpenOptions::new();
    let mut written = options.write(true).create_new(true).mode(0o600).open(&unfinished)?;
    writeln!(written, "{text}")?;
    written.sync_all()?;
    let linked = fs::hard_link(&unfinished, file);
    fs::remove_file(&unfinished)?;
    match linked {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        _ => fs::read_to_string(file),
    }
}
