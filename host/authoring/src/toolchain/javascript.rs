//! componentize-js in an npm folder of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::Install;
use super::cache::{made_once, toolchains};
use crate::error::{Error, at};
use crate::process::{on_path, show_and_run, tell};

/// What is pinned, to the last dependency.
const PACKAGE: &str = include_str!("javascript/package.json");
const LOCK: &str = include_str!("javascript/package-lock.json");

/// Called by node, beside `node_modules`.
const SCRIPT: &str = include_str!("javascript/componentize.mjs");

/// The version that `PACKAGE` pins.
const VERSION: &str = "0.23.0";

/// A JavaScript toolchain that is set up.
#[derive(Clone, Debug)]
pub struct JavaScript {
    folder: PathBuf,
}

impl JavaScript {
    /// Sets the toolchain up where it is not, which fetches some 60 MB.
    ///
    /// # Errors
    /// If there are no node and npm, or nothing can be fetched.
    pub fn prepare(install: Install<'_>) -> Result<Self, Error> {
        let folder = toolchains()?.join(format!("javascript-{VERSION}"));
        made_once(&folder, &[PACKAGE, LOCK, SCRIPT].concat(), |folder| {
            if !on_path("node") || !on_path("npm") {
                install(&["nodejs", "npm"], "building JavaScript plugins").map_err(|why| {
                    Error::Missing(format!(
                        "building JavaScript plugins takes Node.js 20.6 or later with npm, and {why}; on \
                         Debian: `apt-get install nodejs npm`"
                    ))
                })?;
            }
            tell(&format!("setting up componentize-js {VERSION}, once"));
            fs::create_dir_all(folder).map_err(at(folder))?;
            for (name, text) in
                [("package.json", PACKAGE), ("package-lock.json", LOCK), ("componentize.mjs", SCRIPT)]
            {
                let file = folder.join(name);
                fs::write(&file, text).map_err(at(&file))?;
            }
            let mut npm = Command::new("npm");
            npm.args(["ci", "--no-audit", "--no-fund", "--loglevel=error"]);
            show_and_run(npm.current_dir(folder))
        })?;
        Ok(Self { folder })
    }

    /// A command that makes `output` of the module `source`. Every path must be absolute, and the modules that
    /// `source` imports below the folder that the command runs in.
    pub fn componentize(&self, source: &Path, wit: &Path, world: &str, output: &Path) -> Command {
        let mut command = Command::new("node");
        command.arg(self.folder.join("componentize.mjs")).arg(source).arg(wit).arg(world).arg(output);
        command
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_in_the_folders_name_is_the_pinned_one() {
        let package: serde_json::Value = serde_json::from_str(PACKAGE).unwrap();
        assert_eq!(package["dependencies"]["@bytecodealliance/componentize-js"], VERSION);
        assert!(
            !LOCK.contains("\"resolved\""),
            "the lock file names no registry, so that a mirror serves too"
        );
    }
}
