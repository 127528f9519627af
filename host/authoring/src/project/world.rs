//! The world that a component in Python or JavaScript is made for. What those languages link is the world's
//! imports, used or not, and the host refuses a component that imports what its manifest does not ask for.
//! So the world is the kind's own, with the imports that the manifest asks for.

use std::fs;
use std::path::{Path, PathBuf};

use hardpoint_domain::manifest::{Kind, Manifest};

use crate::error::{Error, at};

/// The world's name.
pub(super) const WORLD: &str = "this-plugin";

/// Writes the interfaces of `wit` and the world into `into`.
pub(super) fn write(manifest: &Manifest, wit: &Path, into: &Path) -> Result<PathBuf, Error> {
    let folder = into.join("wit");
    fs::create_dir_all(&folder).map_err(at(&folder))?;
    for entry in fs::read_dir(wit).map_err(at(wit))? {
        let file = entry.map_err(at(wit))?.path();
        if let Some(name) = file.file_name().filter(|_| file.extension().is_some_and(|end| end == "wit")) {
            fs::copy(&file, folder.join(name)).map_err(at(&file))?;
        }
    }
    let file = folder.join(format!("{WORLD}.wit"));
    fs::write(&file, text(manifest)).map_err(at(&file))?;
    Ok(folder)
}

fn text(manifest: &Manifest) -> String {
    let http = ("http", !manifest.http.is_empty());
    let (imports, export) = match manifest.kind {
        Kind::Model => (vec![], "model-adapter"),
        Kind::Exporter => (vec![], "exporter"),
        Kind::Tool => (vec![http, ("kv", manifest.kv)], "tool"),
        Kind::Retriever => (
            vec![http, ("documents", true), ("index", manifest.index), ("embed", manifest.embed)],
            "retriever",
        ),
    };
    let asked = imports.into_iter().filter_map(|(name, is_asked)| is_asked.then_some(name));
    let lines: String =
        std::iter::once("log").chain(asked).map(|name| format!("  import {name};\n")).collect();
    format!("world {WORLD} {{\n{lines}  export {export};\n}}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_world_imports_what_is_asked_for() {
        let manifest = |rest: &str| {
            let text = format!("id = \"a\"\nversion = \"0.1.0\"\ndescription = \"A.\"\n{rest}");
            Manifest::from_toml(&text).unwrap()
        };
        let bare = manifest("kind = \"tool\"");
        assert_eq!(text(&bare), "world this-plugin {\n  import log;\n  export tool;\n}\n");
        let both = manifest("kind = \"tool\"\nkv = true\n[[http]]\nhost = \"example.com\"");
        assert_eq!(
            text(&both),
            "world this-plugin {\n  import log;\n  import http;\n  import kv;\n  export tool;\n}\n"
        );
        let machine = manifest("kind = \"exporter\"\n[[http]]\nhost = \"example.com\"");
        assert_eq!(text(&machine), "world this-plugin {\n  import log;\n  export exporter;\n}\n");
    }
}
