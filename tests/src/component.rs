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

/// The versioned fixture as version `0.NUMBER.0`: another digest, another version in code and manifest,
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
    manifest::embed(&without_manifest(component), toml)
}

/// The component as it was before its manifest was appended: the manifest is the last section.
pub fn without_manifest(component: &[u8]) -> Vec<u8> {
    let name = manifest::SECTION.as_bytes();
    let at = component.windows(name.len()).rposition(|window| window == name).expect("a manifest");
    // Before the name: its length (one byte), the section's length (LEB128), and 0 for a custom section.
    let mut start = at - 1;
    loop {
        start -= 1;
        if component[start] == 0 && leads_to_end(component, start) {
            return component[..start].to_vec();
        }
    }
}

/// Whether a section that begins here ends where the component does.
fn leads_to_end(component: &[u8], start: usize) -> bool {
    let (mut length, mut shift, mut at) = (0_usize, 0, start + 1);
    while let Some(byte) = component.get(at).filter(|_| shift < 35) {
        length |= usize::from(byte & 0x7f) << shift;
        (shift, at) = (shift + 7, at + 1);
        if byte & 0x80 == 0 {
            return at + length == component.len();
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_is_taken_out_as_it_was_put_in() {
        let component = b"\0asm\x0d\0\x01\0 whatever";
        for toml in ["a = 1", &"b = 2\n".repeat(1_000)] {
            let whole = manifest::embed(component, toml);
            assert_eq!(without_manifest(&whole), component);
            assert_eq!(with_manifest(&whole, "c = 3"), manifest::embed(component, "c = 3"));
        }
    }

    #[test]
    fn versions_are_as_long_as_the_placeholder() {
        for number in [0, 7, 499, 123_456] {
            assert_eq!(padded(number).len(), PLACEHOLDER.len());
        }
    }
}
