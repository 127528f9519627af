//! A Rust toolchain that builds components: wasm32-wasip2 by the first way that works.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use super::Install;
use crate::error::Error;
use crate::process::{bounded, on_path, output, tell};

/// What components are built for.
const TARGET: &str = "wasm32-wasip2";

/// How long a download by rustup may take.
const RUSTUP_LIMIT: Duration = Duration::from_secs(120);

/// Debian's compiler, the library sources of its version, and the C library to link with.
const PACKAGES: [&str; 3] = ["rustc-web", "rust-web-src", "wasi-libc"];
const DEBIANS_RUSTC: &str = "/usr/bin/rustc";
const DEBIANS_LIBC: &str = "/usr/lib/wasm32-wasi";

/// The ways to a toolchain for wasm32-wasip2, in the order in which they are tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// The target is installed already.
    Installed,
    /// `rustup target add`.
    Rustup,
    /// Debian's own compiler, with the standard library built from source.
    Debian,
}

/// A toolchain that was found.
#[derive(Clone, Debug)]
pub struct Rust {
    way: Way,
    /// Where it was looked for: rustup chooses by folder.
    folder: PathBuf,
}

impl Rust {
    /// The first way that works for crates in `folder`, or only the forced one. Told on standard error.
    ///
    /// # Errors
    /// If none works: why each did not, and what to install.
    pub fn find(folder: &Path, forced: Option<Way>, install: Install<'_>) -> Result<Self, Error> {
        let mut reasons = Vec::new();
        for way in [Way::Installed, Way::Rustup, Way::Debian] {
            if forced.is_some_and(|only| only != way) {
                continue;
            }
            let found = Self { way, folder: folder.to_owned() };
            match found.prepare(install) {
                Ok(how) => {
                    tell(&format!("components: {how}"));
                    return Ok(found);
                }
                Err(why) => reasons.push(format!("- {why}")),
            }
        }
        Err(Error::Missing(format!(
            "no way to build components for {TARGET}:\n{}\nEither run `rustup target add {TARGET}`, \
             or on Debian `apt-get install -y --no-install-recommends {}`, then try again.",
            reasons.join("\n"),
            PACKAGES.join(" ")
        )))
    }

    /// Which way it was found.
    pub fn way(&self) -> Way {
        self.way
    }

    /// Builds what is in its folder, with more arguments of `cargo build`: the folders of the packages and the
    /// components that cargo made of them.
    ///
    /// # Errors
    /// If it does not build.
    pub fn build(&self, more: &[&OsStr]) -> Result<Vec<(PathBuf, PathBuf)>, Error> {
        let mut command = self.command()?;
        command.args(more).arg("--message-format=json-render-diagnostics");
        let messages = output(&mut command)?;
        let mut found = Vec::new();
        for message in messages.lines() {
            // What is no JSON comes from a build script that prints where it should not.
            let Ok(message) = serde_json::from_str::<Value>(message) else { continue };
            let manifest =
                message["manifest_path"].as_str().filter(|_| message["reason"] == "compiler-artifact");
            let Some(package) = manifest.and_then(|manifest| Path::new(manifest).parent()) else { continue };
            let files = message["filenames"].as_array().into_iter().flatten().filter_map(Value::as_str);
            let components = files.filter(|file| file.ends_with(".wasm"));
            found.extend(components.map(|file| (package.to_owned(), PathBuf::from(file))));
        }
        Ok(found)
    }

    /// `cargo build` for components.
    fn command(&self) -> Result<Command, Error> {
        let mut command = cargo();
        command.args(["build", "--release", "--target", TARGET]).current_dir(&self.folder);
        if self.way == Way::Debian {
            command.arg("-Zbuild-std=std,panic_abort");
            command.env("RUSTC", DEBIANS_RUSTC).env("RUSTC_BOOTSTRAP", "1");
            command.env("RUSTFLAGS", format!("-L native={DEBIANS_LIBC} -C link-self-contained=no"));
            // Debian's compiler brings no linker for components; ours does.
            let mut path = vec![self.linkers()?];
            path.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
            let path = std::env::join_paths(path).map_err(|error| Error::Missing(error.to_string()))?;
            command.env("PATH", path);
        }
        Ok(command)
    }

    fn prepare(&self, install: Install<'_>) -> Result<String, Error> {
        match self.way {
            Way::Installed => {
                ensure(self.has_target(), || format!("the target {TARGET} is not installed"))?;
                Ok(format!("the installed target {TARGET}"))
            }
            Way::Rustup => {
                ensure(on_path("rustup"), || "there is no rustup".to_owned())?;
                let mut add = Command::new("rustup");
                add.args(["target", "add", TARGET]).current_dir(&self.folder);
                bounded(&mut add, RUSTUP_LIMIT)?;
                ensure(self.has_target(), || {
                    format!("rustup added {TARGET}, but not to the toolchain in use")
                })?;
                Ok(format!("the target {TARGET}, added by rustup"))
            }
            Way::Debian => {
                if !debian_is_complete() {
                    install(&PACKAGES, "building components").map_err(|why| {
                        Error::Missing(format!(
                            "Debian's {} are not all there, and {why}",
                            PACKAGES.join(", ")
                        ))
                    })?;
                    ensure(debian_is_complete(), || {
                        "Debian's packages do not bring what they should".to_owned()
                    })?;
                }
                self.linkers()?;
                let version = output(Command::new(DEBIANS_RUSTC).arg("--version"))?;
                Ok(format!("Debian's {version}, with its standard library from source"))
            }
        }
    }

    fn has_target(&self) -> bool {
        let libraries = output(self.rustc().args(["--print", "target-libdir", "--target", TARGET]));
        libraries.is_ok_and(|folder| Path::new(&folder).is_dir())
    }

    /// The folder of `rust-lld` and `wasm-component-ld` in our toolchain.
    fn linkers(&self) -> Result<PathBuf, Error> {
        let sysroot = output(self.rustc().args(["--print", "sysroot"]))?;
        let version = output(self.rustc().arg("-vV"))?;
        let host = version
            .lines()
            .find_map(|line| line.strip_prefix("host: "))
            .ok_or_else(|| Error::Missing("rustc names no host".to_owned()))?;
        let folder = Path::new(&sysroot).join("lib/rustlib").join(host).join("bin");
        ensure(folder.join("wasm-component-ld").is_file(), || {
            "this Rust toolchain brings no wasm-component-ld".to_owned()
        })?;
        Ok(folder)
    }

    fn rustc(&self) -> Command {
        let mut command = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
        command.current_dir(&self.folder);
        command
    }
}

/// The cargo that runs us, or the one on the PATH.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // Cargo sets these for us where we are its child; for its own children they would be wrong.
    for name in ["CARGO_MANIFEST_DIR", "CARGO_MANIFEST_PATH", "CARGO_PKG_NAME", "CARGO_PKG_VERSION"] {
        command.env_remove(name);
    }
    command
}

fn ensure(is_so: bool, otherwise: impl FnOnce() -> String) -> Result<(), Error> {
    if is_so { Ok(()) } else { Err(Error::Missing(otherwise())) }
}

fn debian_is_complete() -> bool {
    Path::new(DEBIANS_RUSTC).is_file()
        && Path::new(DEBIANS_LIBC).is_dir()
        && debians_library().is_some_and(|library| library.is_dir())
}

/// The library sources of Debian's compiler, where cargo will look for them.
fn debians_library() -> Option<PathBuf> {
    let sysroot = output(Command::new(DEBIANS_RUSTC).args(["--print", "sysroot"])).ok()?;
    Some(Path::new(&sysroot).join("lib/rustlib/src/rust/library"))
}
