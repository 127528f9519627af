//! The openai packages of PyPI and npm, as their users use them.

use std::path::PathBuf;
use std::process::{Command, Output};

/// Which package.
#[derive(Clone, Copy)]
pub(crate) enum Package {
    Python,
    JavaScript,
}

/// Runs the package's script against a base URL, on another thread than the doubles' and the test's.
pub(crate) async fn run(package: Package, url: &str, key: &str, tests: &[&str]) -> String {
    let mut command = command(package);
    command.args(tests).env("HARDPOINT_URL", url).env("HARDPOINT_KEY", key);
    let output =
        tokio::task::spawn_blocking(move || command.output()).await.expect("no panic").expect("it runs");
    let said = said(&output);
    assert!(output.status.success(), "{said}");
    let closing = said.lines().rev().find(|line| line.contains(" passed, ")).expect("a closing line");
    // On a line of its own in the runner's output, where a person sees how much was tested.
    eprintln!("\n{closing}");
    closing.to_owned()
}

fn command(package: Package) -> Command {
    let scripts = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("clients");
    let made = |variable: &str, place: &str| match std::env::var_os(variable) {
        Some(path) => PathBuf::from(path),
        None => cache().join("clients").join(place),
    };
    let (program, script) = match package {
        Package::Python => (made("HARDPOINT_PYTHON", "python/bin/python"), "python/openai_client.py"),
        Package::JavaScript => ("node".into(), "javascript/openai_client.mjs"),
    };
    let modules = made("HARDPOINT_JAVASCRIPT", "javascript");
    assert!(modules.join("node_modules").is_dir(), "no clients: `cargo xtask clients` makes them");
    let mut command = Command::new(program);
    command.arg(scripts.join(script)).env("HARDPOINT_JAVASCRIPT", modules);
    // A proxy of the machine must not stand between a client and the loopback address.
    command.env("NO_PROXY", "127.0.0.1").env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

/// Where `cargo xtask clients` keeps them.
fn cache() -> PathBuf {
    let caches = std::env::var_os("XDG_CACHE_HOME").filter(|value| !value.is_empty()).map(PathBuf::from);
    let home = || PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cache");
    caches.unwrap_or_else(home).join("hardpoint")
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
