//! What is installed from Debian's packages when it is missing.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use anyhow::{Context, Result, bail, ensure};

use crate::{places, run};

/// Installs packages. Says in the error how a person would do it.
pub(crate) fn install(packages: &[&str], what_for: &str) -> Result<()> {
    let by_hand = format!("apt-get install -y --no-install-recommends {}", packages.join(" "));
    if !run::on_path("apt-get") {
        bail!(
            "{what_for} needs the packages {}; without apt-get they have to be installed by hand",
            packages.join(", ")
        );
    }
    eprintln!("{what_for} needs {}: installing", packages.join(", "));
    static LISTS: OnceLock<()> = OnceLock::new();
    if LISTS.set(()).is_ok() {
        // A failure shows in the installation that follows, if it matters.
        let _ = run::quietly(&mut apt_get(&["update", "-qq"]));
    }
    let mut words = vec!["install", "-y", "-qq", "--no-install-recommends"];
    words.extend(packages);
    run::show_and_run(&mut apt_get(&words))
        .with_context(|| format!("{what_for} needs `{by_hand}` to succeed, as root"))
}

/// [`install`], as the toolchains for plugins ask for it.
pub(crate) fn install_for(packages: &[&str], what_for: &str) -> Result<(), String> {
    install(packages, what_for).map_err(|error| format!("{error:#}"))
}

/// A file of a package that need not be installed: systems leave documents out. Kept in the cache.
pub(crate) fn file_of(package: &str, path: &str) -> Result<PathBuf> {
    let folder = places::cache()?.join("debian").join(package);
    let file = folder.join(path);
    if file.exists() {
        return Ok(file);
    }
    let fetched = folder.join("fetched");
    fs::create_dir_all(&fetched)?;
    let what_for = format!("a test needs {path} of Debian's package {package}");
    ensure!(run::on_path("apt-get"), "{what_for}, and there is no apt-get here");
    let mut download = Command::new("apt-get");
    download.args(["download", "-qq", package]).current_dir(&fetched).stdin(Stdio::null());
    if run::quietly(&mut download).is_err() {
        let _ = run::quietly(&mut apt_get(&["update", "-qq"]));
        run::show_and_run(&mut download).context(what_for.clone())?;
    }
    for entry in fs::read_dir(&fetched)? {
        run::quietly(Command::new("dpkg-deb").arg("-x").arg(entry?.path()).arg(&folder))?;
    }
    fs::remove_dir_all(&fetched)?;
    ensure!(file.exists(), "{what_for}, and it is not there");
    Ok(file)
}

fn apt_get(words: &[&str]) -> Command {
    let mut command = if am_root() {
        Command::new("apt-get")
    } else {
        let mut sudo = Command::new("sudo");
        sudo.args(["-n", "env", "DEBIAN_FRONTEND=noninteractive", "apt-get"]);
        sudo
    };
    // The packages' own chatter is of no use to the reader; errors go to standard error.
    command.args(words).env("DEBIAN_FRONTEND", "noninteractive").stdin(Stdio::null()).stdout(Stdio::null());
    command
}

/// Whether we may do anything.
pub(crate) fn am_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}
