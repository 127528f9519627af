//! `cargo xtask plugins`: builds components and packs each with its manifest into one file.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use clap::Args;
use hardpoint_authoring::toolchain::{Rust, Way};

use crate::{debian, places};

#[derive(Args)]
pub(crate) struct Arguments {
    /// Build the hostile guests of the tests too, into target/fixtures.
    #[arg(long)]
    fixtures: bool,
    /// Take only this way to a toolchain: 1 the installed target, 2 rustup, 3 Debian's compiler.
    #[arg(long, value_parser = way)]
    way: Option<Way>,
}

fn way(text: &str) -> Result<Way, String> {
    match text {
        "1" => Ok(Way::Installed),
        "2" => Ok(Way::Rustup),
        "3" => Ok(Way::Debian),
        _ => Err("1, 2 or 3".to_owned()),
    }
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    build(arguments.fixtures, arguments.way)
}

/// Builds the plugins, and the fixtures where asked.
pub(crate) fn build(fixtures: bool, way: Option<Way>) -> Result<()> {
    workspace("plugins", "plugins", &[&WITHOUT_STD, &WITH_STD], way)?;
    if fixtures {
        workspace("tests/fixtures", "fixtures", &[&["--workspace"]], way)?;
    }
    Ok(())
}

/// Plugins with `std` are built apart: cargo turns a feature on for all that it builds at once, and what they turn on
/// in a crate that others share would bring `std` into those.
const WITHOUT_STD: [&str; 7] =
    ["--workspace", "--exclude", "hybrid", "--exclude", "qdrant", "--exclude", "reading"];
const WITH_STD: [&str; 4] = ["--package", "hybrid", "--package", "qdrant"];

/// Builds the workspace in `folder`, as many times as it takes, and packs each member that has a `plugin.toml` to
/// `target/<into>/<id>.wasm`.
fn workspace(folder: &str, into: &str, builds: &[&[&str]], way: Option<Way>) -> Result<()> {
    let folder = places::root().join(folder);
    let into = places::target().join(into);
    let rust = Rust::find(&folder, way, &debian::install_for)?;
    let mut packed = Vec::new();
    let target = target_folder(&rust);
    for members in builds {
        let members = members.iter().map(OsStr::new);
        let arguments: Vec<&OsStr> =
            members.chain([OsStr::new("--target-dir"), target.as_os_str()]).collect();
        for (member, component) in rust.build(&arguments)? {
            let manifest = member.join("plugin.toml");
            if manifest.exists() {
                packed.push(hardpoint_authoring::pack(&component, &manifest, &into)?);
            }
        }
    }
    ensure!(!packed.is_empty(), "no member of {} has a plugin.toml", folder.display());
    remove_others(&into, &packed)?;
    eprintln!("{} plugins in {}", packed.len(), into.display());
    Ok(())
}

/// One folder for plugins and fixtures, so that what they share is built once; one for each compiler.
fn target_folder(rust: &Rust) -> PathBuf {
    places::target().join(if rust.way() == Way::Debian { "guests-debian" } else { "guests" })
}

/// What an earlier build left of plugins that are no more.
fn remove_others(folder: &Path, keep: &[PathBuf]) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "wasm") && !keep.contains(&path) {
            fs::remove_file(&path)?;
        }
    }
    Ok(())
}
