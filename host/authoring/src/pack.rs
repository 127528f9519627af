//! Packing: a component and its manifest become one file.

use std::fs;
use std::path::{Path, PathBuf};

use hardpoint_domain::manifest::{self, Manifest};

use crate::error::{Error, at};

/// Puts the manifest into the component, both under the plugin's id: `<into>/<id>.wasm`. Touches nothing that
/// is up to date. A component that was packed before is packed anew.
///
/// # Errors
/// If the manifest is wrong, the component is none, or a file cannot be read or written.
pub fn pack(component: &Path, manifest_file: &Path, into: &Path) -> Result<PathBuf, Error> {
    pack_checked(component, manifest_file, into, |_| Ok(()))
}

/// The same, unless `refuse` has a reason against what was packed: nothing is written then.
///
/// # Errors
/// As for [`pack`], and the reason that `refuse` has.
pub fn pack_checked(
    component: &Path,
    manifest_file: &Path,
    into: &Path,
    refuse: impl Fn(&[u8]) -> Result<(), String>,
) -> Result<PathBuf, Error> {
    let text = fs::read_to_string(manifest_file).map_err(at(manifest_file))?;
    let manifest = Manifest::from_toml(&text)
        .map_err(|source| Error::Manifest { path: manifest_file.to_owned(), source })?;
    let bytes = fs::read(component).map_err(at(component))?;
    check(component, &bytes)?;
    let packed = manifest::embed(&manifest::strip(&bytes), &text);
    refuse(&packed).map_err(|reason| {
        let (component, manifest_file) = (component.display(), manifest_file.display());
        Error::Refused(format!("{component} cannot be packed with {manifest_file}: {reason}"))
    })?;
    fs::create_dir_all(into).map_err(at(into))?;
    let plugin = into.join(format!("{}.wasm", manifest.id));
    if fs::read(&plugin).ok().as_deref() != Some(packed.as_slice()) {
        // A host may be watching this folder: it sees the whole file or none.
        let unfinished = plugin.with_extension("part");
        fs::write(&unfinished, packed).map_err(at(&unfinished))?;
        fs::rename(&unfinished, &plugin).map_err(at(&plugin))?;
    }
    Ok(plugin)
}

/// The first eight bytes tell a component from a module and from everything else.
fn check(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let reason = match bytes {
        [0, b'a', b's', b'm', _, _, 1, 0, ..] => return Ok(()),
        [0, b'a', b's', b'm', 1, 0, 0, 0, ..] => {
            "is a core module, not a component: build it for wasm32-wasip2, or make it one"
        }
        _ => "is no WebAssembly component",
    };
    Err(Error::Refused(format!("{} {reason}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";
    const MANIFEST: &str = "id = \"one\"\nversion = \"0.1.0\"\nkind = \"tool\"\ndescription = \"A tool.\"\n";

    #[test]
    fn packs_once_and_again() {
        let place = tempfile::tempdir().unwrap();
        let (component, manifest) = (place.path().join("in.wasm"), place.path().join("plugin.toml"));
        fs::write(&component, COMPONENT).unwrap();
        fs::write(&manifest, MANIFEST).unwrap();
        let packed = pack(&component, &manifest, &place.path().join("out")).unwrap();
        assert_eq!(packed, place.path().join("out/one.wasm"));
        let bytes = fs::read(&packed).unwrap();
        assert_eq!(bytes, manifest::embed(COMPONENT, MANIFEST));
        assert_eq!(pack(&packed, &manifest, &place.path().join("out")).unwrap(), packed);
        assert_eq!(fs::read(&packed).unwrap(), bytes, "packed twice is packed once");
    }

    #[test]
    fn says_what_is_no_component_or_manifest() {
        let place = tempfile::tempdir().unwrap();
        let (component, manifest) = (place.path().join("in.wasm"), place.path().join("plugin.toml"));
        fs::write(&manifest, MANIFEST).unwrap();
        let reason = |bytes: &[u8]| {
            fs::write(&component, bytes).unwrap();
            pack(&component, &manifest, place.path()).unwrap_err().to_string()
        };
        assert!(reason(b"\0asm\x01\0\0\0").contains("core module"));
        assert!(reason(b"#!/bin/sh").ends_with("is no WebAssembly component"));
        fs::write(&component, COMPONENT).unwrap();
        fs::write(&manifest, MANIFEST.replace("kind", "sort")).unwrap();
        let error = pack(&component, &manifest, place.path()).unwrap_err().to_string();
        assert!(error.contains("plugin.toml is wrong: line 3"), "{error}");
    }
}
