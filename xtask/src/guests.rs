//! A Rust toolchain that builds components: wasm32-wasip2 by the first way that works.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use clap::ValueEnum;

use crate::{debian, places, run};

/// What components are built for.
const TARGET: &str = "wasm32-wasip2";

/// How long a download by rustup may take.
const RUSTUP_LIMIT: Duration = Duration::from_secs(120);

/// Debian's compiler, the library sources of its version, and the C library to link with.
const PACKAGES: [&str; 3] = ["rustc-web", "rust-web-src", "wasi-libc"];
const DEBIANS_RUSTC: &str = "/usr/bin/rustc";

/// The ways to a toolchain for wasm32-wasip2, in the order in which they are tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Way {
    /// The target is installed already.
    #[value(name = "1")]
    Installed,
    /// `rustup target add`.
    #[value(name = "2")]
    Rustup,
    /// Debian's own compiler, with the standard library built from source.
    #[value(name = "3")]
    Debian,
}

/// A toolchain that was found.
pub(crate) struct Guests {
    way: Way,
}

impl Guests {
    /// The first way that works, or only the forced one.
    pub(crate) fn find(forced: Option<Way>) -> Result<Self> {
        let mut reasons = Vec::new();
        for way in [Way::Installed, Way::Rustup, Way::Debian] {
            if forced.is_some_and(|only| only != way) {
                continue;
            }
            match try_way(way) {
                Ok(how) => {
                    eprintln!("components: {how}");
                    return Ok(Self { way });
                }
                Err(why) => reasons.push(format!("- {why:#}")),
            }
        }
        bail!(
            "no way to build components for {TARGET}:\n{}\nEither run `rustup target add {TARGET}`, \
             or on Debian `apt-get install -y --no-install-recommends {}`, then try again.",
            reasons.join("\n"),
            PACKAGES.join(" ")
        )
    }

    /// A `cargo build` of the workspace in `folder`, for components.
    pub(crate) fn build(&self, folder: &Path) -> Result<Command> {
        let mut command = run::cargo(&["build", "--workspace", "--release", "--target", TARGET]);
        command.arg("--manifest-path").arg(folder.join("Cargo.toml"));
        command.arg("--target-dir").arg(self.target_folder());
        if self.way == Way::Debian {
            command.arg("-Zbuild-std=std,panic_abort");
            command.env("RUSTC", DEBIANS_RUSTC).env("RUSTC_BOOTSTRAP", "1");
            command.env("RUSTFLAGS", "-L native=/usr/lib/wasm32-wasi -C link-self-contained=no");
            // Debian's compiler brings no linker for components; ours does.
            let mut path = vec![linkers()?];
            path.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
            command.env("PATH", std::env::join_paths(path)?);
        }
        Ok(command)
    }

    /// One folder for plugins and fixtures, so that what they share is built once; one for each compiler.
    fn target_folder(&self) -> PathBuf {
        places::target().join(if self.way == Way::Debian { "guests-debian" } else { "guests" })
    }
}

fn try_way(way: Way) -> Result<String> {
    match way {
        Way::Installed => {
            ensure!(has_target()?, "the target {TARGET} is not installed");
            Ok(format!("the installed target {TARGET}"))
        }
        Way::Rustup => {
            ensure!(run::on_path("rustup"), "there is no rustup");
            let mut add = Command::new("rustup");
            add.args(["target", "add", TARGET]);
            run::bounded(&mut add, RUSTUP_LIMIT)?;
            ensure!(has_target()?, "rustup added {TARGET}, but not to the toolchain in use");
            Ok(format!("the target {TARGET}, added by rustup"))
        }
        Way::Debian => {
            if !debian_is_complete() {
                debian::install(&PACKAGES, "building components")?;
                ensure!(debian_is_complete(), "Debian's packages do not bring what they should");
            }
            linkers()?;
            let version = run::output(Command::new(DEBIANS_RUSTC).arg("--version"))?;
            Ok(format!("Debian's {version}, with its standard library from source"))
        }
    }
}

fn debian_is_complete() -> bool {
    Path::new("/usr/lib/wasm32-wasi").is_dir() && debians_library().is_some_and(|library| library.is_dir())
}

/// The library sources of Debian's compiler, where cargo will look for them.
fn debians_library() -> Option<PathBuf> {
    let sysroot = run::output(Command::new(DEBIANS_RUSTC).args(["--print", "sysroot"])).ok()?;
    Some(Path::new(&sysroot).join("lib/rustlib/src/rust/library"))
}

fn has_target() -> Result<bool> {
    let libraries = run::output(rustc().args(["--print", "target-libdir", "--target", TARGET]));
    Ok(libraries.is_ok_and(|folder| Path::new(&folder).is_dir()))
}

/// The folder of `rust-lld` and `wasm-component-ld` in our toolchain.
fn linkers() -> Result<PathBuf> {
    let sysroot = run::output(rustc().args(["--print", "sysroot"]))?;
    let version = run::output(rustc().arg("-vV"))?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).context("rustc names no host")?;
    let folder = Path::new(&sysroot).join("lib/rustlib").join(host).join("bin");
    ensure!(folder.join("wasm-component-ld").is_file(), "this Rust toolchain brings no wasm-component-ld");
    Ok(folder)
}

fn rustc() -> Command {
    let mut command = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    command.current_dir(places::root());
    command
}
