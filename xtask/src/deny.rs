//! cargo-deny: licences, bans and sources of everything that is built.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::{places, run};

const VERSION: &str = "0.20.2";

/// Checks the host's workspace and the plugins' own.
pub(crate) fn check() -> Result<()> {
    let program = installed()?;
    for manifest in ["Cargo.toml", "plugins/Cargo.toml", "tests/fixtures/Cargo.toml"] {
        let manifest = places::root().join(manifest);
        if !manifest.exists() {
            continue;
        }
        let mut deny = Command::new(&program);
        deny.current_dir(places::root()).arg("--manifest-path").arg(&manifest);
        deny.arg("--config").arg(places::root().join("deny.toml")).arg("check");
        // The plugins need fewer licences than the host; that is no fault of the list.
        deny.args(["--allow", "license-not-encountered", "bans", "licenses", "sources"]);
        run::show_and_run(&mut deny)?;
    }
    Ok(())
}

/// Where cargo-deny of the pinned version is; builds it outside the tree where it is missing. Unoptimised
/// and without what only its advisories need, that takes a minute or two on two cores.
fn installed() -> Result<PathBuf> {
    let folder = places::cache()?.join("tools").join(format!("cargo-deny-{VERSION}"));
    let program = folder.join("bin").join("cargo-deny");
    if !program.exists() {
        eprintln!("cargo-deny {VERSION} is missing: building it into {}", folder.display());
        let mut install = run::cargo(&["install", "cargo-deny", "--version", VERSION, "--locked", "--quiet"]);
        install.args(["--debug", "--no-default-features", "--no-track", "--root"]).arg(&folder);
        // Outside the tree, so that its build takes nothing from ours and leaves nothing there.
        install.current_dir(places::cache()?).env_remove("CARGO_TARGET_DIR");
        run::show_and_run(&mut install)?;
    }
    Ok(program)
}
