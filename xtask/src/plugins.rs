//! `cargo xtask plugins`: builds components and packs each with its manifest into one file.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use clap::Args;
use hardpoint_domain::manifest::{self, Manifest};
use serde_json::Value;

use crate::guests::{Guests, Way};
use crate::{places, run};

#[derive(Args)]
pub(crate) struct Arguments {
    /// Build the hostile guests of the tests too, into target/fixtures.
    #[arg(long)]
    fixtures: bool,
    /// Take only this way to a toolchain: 1 the installed target, 2 rustup, 3 Debian's compiler.
    #[arg(long)]
    way: Option<Way>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    build(arguments.fixtures, arguments.way)
}

/// Builds the plugins, and the fixtures where asked.
pub(crate) fn build(fixtures: bool, way: Option<Way>) -> Result<()> {
    let guests = Guests::find(way)?;
    workspace(&guests, "plugins", "plugins")?;
    if fixtures {
        workspace(&guests, "tests/fixtures", "fixtures")?;
    }
    Ok(())
}

/// Builds the workspace in `folder` and packs each member that has a `plugin.toml` to `target/<into>/<id>.wasm`.
fn workspace(guests: &Guests, folder: &str, into: &str) -> Result<()> {
    let folder = places::root().join(folder);
    let into = places::target().join(into);
    fs::create_dir_all(&into)?;
    let mut packed = Vec::new();
    for (member, component) in components(guests, &folder)? {
        let manifest = member.join("plugin.toml");
        if manifest.exists() {
            packed.push(pack(&manifest, &component, &into)?);
        }
    }
    ensure!(!packed.is_empty(), "no member of {} has a plugin.toml", folder.display());
    remove_others(&into, &packed)?;
    eprintln!("{} plugins in {}", packed.len(), into.display());
    Ok(())
}

/// The members' folders and the components that cargo made of them.
fn components(guests: &Guests, folder: &Path) -> Result<Vec<(PathBuf, PathBuf)>> {
    let mut build = guests.build(folder)?;
    build.arg("--message-format=json-render-diagnostics").stdout(Stdio::piped());
    let messages = run::output(&mut build)?;
    let mut found = Vec::new();
    for message in messages.lines() {
        let message: Value = serde_json::from_str(message).context("cargo printed what is no JSON")?;
        let Some(manifest) =
            message["manifest_path"].as_str().filter(|_| message["reason"] == "compiler-artifact")
        else {
            continue;
        };
        let member = Path::new(manifest).parent().context("a manifest in no folder")?;
        let files = message["filenames"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let components = files.filter(|file| file.ends_with(".wasm"));
        found.extend(components.map(|file| (member.to_owned(), PathBuf::from(file))));
    }
    Ok(found)
}

/// Puts the manifest into the component, and both under the plugin's id. Touches nothing that is up to date.
fn pack(manifest_file: &Path, component: &Path, into: &Path) -> Result<PathBuf> {
    let text = fs::read_to_string(manifest_file)?;
    let manifest =
        Manifest::from_toml(&text).with_context(|| format!("{} is wrong", manifest_file.display()))?;
    let plugin = into.join(format!("{}.wasm", manifest.id));
    let packed = manifest::embed(&fs::read(component)?, &text);
    if fs::read(&plugin).ok().as_deref() != Some(packed.as_slice()) {
        // A host may be watching this folder: it sees the whole file or none.
        let unfinished = plugin.with_extension("part");
        fs::write(&unfinished, packed)?;
        fs::rename(&unfinished, &plugin)?;
    }
    Ok(plugin)
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
