//! What is told at the terminal, or to the program behind a pipe.

use std::fmt::Arguments;
use std::io::{ErrorKind, Write};

/// What a shell says of a program that SIGPIPE ended.
const BROKEN_PIPE: i32 = 128 + 13;

/// Writes; where nobody reads on, the program is over, as it is for one that SIGPIPE ends. (Rust's programs
/// ignore that signal, and a server has to.) Nothing helps against any other failure to write.
pub(super) fn print(to: &mut impl Write, words: Arguments<'_>) {
    if let Err(error) = to.write_fmt(words)
        && error.kind() == ErrorKind::BrokenPipe
    {
        std::process::exit(BROKEN_PIPE);
    }
}

/// Writes a line to standard output for a program that goes on whether or not anybody reads it.
pub(super) fn mention(words: Arguments<'_>) {
    drop(writeln!(std::io::stdout(), "{words}"));
}
