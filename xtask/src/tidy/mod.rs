//! Our own checks: the invariants that neither Cargo nor clippy can hold.

use std::fs;
use std::process::Command;

use anyhow::{Result, bail, ensure};

use crate::{places, run};

mod rules;

/// A file of the repository: its path from the root, and its text.
struct Source {
    path: String,
    text: String,
}

impl Source {
    fn has_extension(&self, extensions: &[&str]) -> bool {
        self.path.rsplit_once('.').is_some_and(|(_, extension)| extensions.contains(&extension))
    }

    fn is_under(&self, folders: &[&str]) -> bool {
        folders.iter().any(|folder| self.path.starts_with(folder))
    }

    /// The lines, numbered from 1.
    fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(before, line)| (before + 1, line))
    }
}

/// Checks every file that is, or is about to be, in the repository.
pub(crate) fn check() -> Result<()> {
    let sources = sources()?;
    ensure!(sources.iter().any(|source| source.path == "Cargo.toml"), "these are not the repository's files");
    let faults = faults(&sources);
    for fault in &faults {
        eprintln!("{fault}");
    }
    if !faults.is_empty() {
        bail!("{} faults", faults.len());
    }
    eprintln!("{} files are tidy", sources.len());
    Ok(())
}

fn faults(sources: &[Source]) -> Vec<String> {
    let mut faults = Vec::new();
    for rule in rules::OF_A_FILE {
        for source in sources {
            rule(source, &mut faults);
        }
    }
    rules::migrations_are_twins(sources, &mut faults);
    faults
}

/// Text files that git knows or would add.
fn sources() -> Result<Vec<Source>> {
    let mut list = Command::new("git");
    list.current_dir(places::root()).args(["ls-files", "--cached", "--others", "--exclude-standard", "-z"]);
    let list = run::output(&mut list)?;
    let paths = list.split('\0').filter(|path| !path.is_empty());
    let mut sources = Vec::new();
    for path in paths {
        // A file may be deleted and not yet committed so; what is no UTF-8 is no text of ours.
        if let Ok(text) = fs::read_to_string(places::root().join(path)) {
            sources.push(Source { path: path.to_owned(), text });
        }
    }
    Ok(sources)
}
