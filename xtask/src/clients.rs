//! The real clients that the tests drive: a Python virtual environment and an npm folder, outside the tree.
//! What they hold is pinned in tests/clients; both are made anew when the pins change.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::{debian, places, run};

/// Where the clients are.
pub(crate) struct Clients {
    /// The virtual environment's interpreter.
    pub(crate) python: PathBuf,
    /// The folder with `node_modules`.
    pub(crate) javascript: PathBuf,
    /// The program that makes requests from the API's description.
    pub(crate) schemathesis: PathBuf,
}

pub(crate) fn run() -> Result<()> {
    let clients = prepare()?;
    for (name, path) in [
        ("python", &clients.python),
        ("javascript", &clients.javascript),
        ("schemathesis", &clients.schemathesis),
    ] {
        println!("{name}: {}", path.display());
    }
    Ok(())
}

/// Makes what is missing or out of date.
pub(crate) fn prepare() -> Result<Clients> {
    let pins = places::root().join("tests/clients");
    let cache = places::cache()?.join("clients");
    let (python, schemathesis) = (cache.join("python"), cache.join("schemathesis"));
    // Apart: neither decides what the other is made of.
    up_to_date(&python, &[pins.join("python/requirements.txt")], from_pypi)?;
    up_to_date(&schemathesis, &[pins.join("schemathesis/requirements.txt")], from_pypi)?;
    let javascript = cache.join("javascript");
    let pinned = [pins.join("javascript/package.json"), pins.join("javascript/package-lock.json")];
    up_to_date(&javascript, &pinned, |folder, pins| {
        if !run::on_path("node") || !run::on_path("npm") {
            debian::install(&["nodejs", "npm"], "testing with JavaScript clients")?;
        }
        fs::create_dir_all(folder)?;
        for pin in pins {
            fs::copy(pin, folder.join(pin.file_name().context("a pin without a name")?))?;
        }
        run::show_and_run(
            Command::new("npm").args(["ci", "--no-audit", "--no-fund", "--silent"]).current_dir(folder),
        )
    })?;
    let (python, schemathesis) = (python.join("bin/python"), schemathesis.join("bin/schemathesis"));
    Ok(Clients { python, javascript, schemathesis })
}

/// A virtual environment with what the first of the pins names.
fn from_pypi(folder: &Path, pins: &[PathBuf]) -> Result<()> {
    environment(folder, "testing with Python clients")?;
    let mut pip = Command::new(folder.join("bin/pip"));
    pip.args(["install", "--quiet", "--disable-pip-version-check", "--no-deps", "--requirement"])
        .arg(&pins[0]);
    run::show_and_run(&mut pip)
}

/// Makes a virtual environment. Its interpreter.
pub(crate) fn environment(folder: &Path, what_for: &str) -> Result<PathBuf> {
    if !run::on_path("python3") || !has_venv() {
        debian::install(&["python3", "python3-venv"], what_for)?;
    }
    run::show_and_run(Command::new("python3").args(["-m", "venv"]).arg(folder))?;
    Ok(folder.join("bin/python"))
}

fn has_venv() -> bool {
    // `venv` is there without `ensurepip` on a Debian that lacks python3-venv, and then fails half-way.
    Command::new("python3")
        .args(["-c", "import venv, ensurepip"])
        .status()
        .is_ok_and(|status| status.success())
}

/// Makes `folder` by `make` unless it was made from just these pins. What is half made is made again.
fn up_to_date(
    folder: &Path,
    pins: &[PathBuf],
    make: impl FnOnce(&Path, &[PathBuf]) -> Result<()>,
) -> Result<()> {
    let mut wanted = String::new();
    for pin in pins {
        wanted += &fs::read_to_string(pin).with_context(|| format!("cannot read {}", pin.display()))?;
    }
    let stamp = folder.join("made-from");
    if fs::read_to_string(&stamp).is_ok_and(|made_from| made_from == wanted) {
        return Ok(());
    }
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    make(folder, pins)?;
    ensure!(folder.is_dir(), "{} was not made", folder.display());
    Ok(fs::write(stamp, wanted)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_once_and_again_when_a_pin_changes() -> Result<()> {
        let place = tempfile::tempdir()?;
        let (folder, pin) = (place.path().join("made"), place.path().join("pin"));
        let mut times = 0;
        for text in ["one", "one", "two"] {
            fs::write(&pin, text)?;
            up_to_date(&folder, std::slice::from_ref(&pin), |folder, _| {
                times += 1;
                Ok(fs::create_dir(folder)?)
            })?;
        }
        assert_eq!(times, 2);
        Ok(())
    }

    #[test]
    fn half_made_is_made_again() -> Result<()> {
        let place = tempfile::tempdir()?;
        let (folder, pin) = (place.path().join("made"), place.path().join("pin"));
        fs::write(&pin, "one")?;
        let failing = up_to_date(&folder, std::slice::from_ref(&pin), |folder, _| {
            fs::create_dir(folder)?;
            anyhow::bail!("no network")
        });
        assert!(failing.is_err());
        up_to_date(&folder, std::slice::from_ref(&pin), |folder, _| Ok(fs::create_dir(folder)?))
    }
}
