//! The components that the host is fed with: those we ship, the hostile ones, and variants of either.

use std::env;
use std::fs;
use std::path::PathBuf;

use hardpoint_domain::manifest;

/// What stands in the code and the manifest of the versioned fixture in the place of its version. A version
/// of the same length takes its place, so that no offset moves.
const PLACEHOLDER: &str = "0.0.0-placeholder-placeholder";

/// A plugin that we ship.
pub fn shipped(id: &str) -> Vec<u8> {
    built("HARDPOINT_PLUGINS", "plugins", id)
}

/// The files of all plugins that we ship.
pub fn all_shipped() -> Vec<PathBuf> {
    let folder = folder("HARDPOINT_PLUGINS", "plugins");
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "wasm"));
    files.sort();
    assert!(!files.is_empty(), "there are no plugins in {}", folder.display());
    files
}

/// A hostile or probing guest of `tests/fixtures`.
pub fn fixture(id: &str) -> Vec<u8> {
    built("HARDPOINT_FIXTURES", "fixtures", id)
}

/// The folder of built components that the variable names, or the one beside the test binary's.
pub(crate) fn folder(variable: &str, name: &str) -> PathBuf {
    env::var_os(variable).map_or_else(|| target().join(name), PathBuf::from)
}

/// Cargo's target folder: the test binary is in `target/<profile>/deps`.
pub(crate) fn target() -> PathBuf {
    let own = env::current_exe().expect("the test binary has a path");
    own.ancestors().nth(3).expect("it is in target/<profile>/deps").to_owned()
}

fn built(variable: &str, name: &str, id: &str) -> Vec<u8> {
    let file = folder(variable, name).join(format!("{id}.wasm"));
    fs::read(&file).unwrap_or_else(|error| {
        panic!("{}: {error}; `cargo xtask plugins --fixtures` builds it", file.display())
    })
}

/// The versioned fixture as version `0.NUMBER.0-…`: another digest, another version in code and manifest,
/// nothing compiled.
pub fn versioned(number: u32) -> (String, Vec<u8>) {
    let version = padded(number);
    let bytes = replace(&fixture("versioned"), PLACEHOLDER.as_bytes(), version.as_bytes());
    (version, bytes)
}

/// A version as long as the placeholder.
fn padded(number: u32) -> String {
    let start = format!("0.{number}.0-");
    let filling = PLACEHOLDER.len() - start.len();
    start + &"v".repeat(filling)
}

/// Every occurrence replaced by one of the same length.
pub fn replace(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    assert_eq!(from.len(), to.len(), "what is replaced keeps its length");
    let mut replaced = bytes.to_vec();
    let mut at = 0;
    let mut found = false;
    while let Some(next) = replaced[at..].windows(from.len()).position(|window| window == from) {
        replaced[at + next..at + next + from.len()].copy_from_slice(to);
        at += next + from.len();
        found = true;
    }
    assert!(found, "{} does not occur", String::from_utf8_lossy(from));
    replaced
}

/// A component with another manifest.
pub fn with_manifest(component: &[u8], toml: &str) -> Vec<u8> {
    manifest::embed(&manifest::strip(component), toml)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_as_long_as_the_placeholder() {
        for number in [0, 7, 499, 123_456] {
            assert_eq!(padded(number).len(), PLACEHOLDER.len());
        }
    }
}
