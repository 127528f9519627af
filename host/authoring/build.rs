//! Lists the files that the crate carries: the templates, the interfaces, and the SDKs that projects vendor.

use std::env;
use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// The name of each list and the folder that it is made from, seen from this crate.
const LISTS: [(&str, &str); 6] = [
    ("TEMPLATES", "templates"),
    ("WIT", "../../wit"),
    ("SDK_RUST", "../../sdk/rust/src"),
    ("SDK_RECORDING", "../../sdk/recording/src"),
    ("SDK_PYTHON", "../../sdk/python"),
    ("SDK_JS", "../../sdk/js"),
];

fn main() -> Result<(), Box<dyn Error>> {
    let crate_folder = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let mut out = String::new();
    for (name, folder) in LISTS {
        let root = crate_folder.join(folder).canonicalize().map_err(|error| format!("{folder}: {error}"))?;
        let mut files = Vec::new();
        collect(&root, &mut files)?;
        files.sort();
        writeln!(out, "pub(crate) static {name}: &[(&str, &str)] = &[")?;
        for file in &files {
            let inside =
                file.strip_prefix(&root)?.to_str().ok_or("a name that is not UTF-8")?.replace('\\', "/");
            writeln!(out, "    ({inside:?}, include_str!({file:?})),")?;
        }
        writeln!(out, "];")?;
    }
    fs::write(Path::new(&env::var("OUT_DIR")?).join("carried.rs"), out)?;
    Ok(())
}

/// Every file below `folder` that is source: nothing that a test run left behind.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed={}", folder.display());
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with('.') || ["__pycache__", "node_modules"].contains(&name.as_ref()) {
            continue;
        }
        if path.is_dir() {
            collect(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}
