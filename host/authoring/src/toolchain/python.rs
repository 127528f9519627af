//! componentize-py in a virtual environment of its own.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::Install;
use super::cache::{made_once, toolchains};
use crate::error::Error;
use crate::process::{on_path, show_and_run, succeeds, tell};

/// The version that templates are tested with.
const VERSION: &str = "0.25.1";

/// Reads files, and prints where the first of them is no Python.
const READ: &str = "import sys
for name in sys.argv[1:]:
    try:
        compile(open(name, 'rb').read(), name, 'exec')
    except SyntaxError as error:
        sys.exit(f'{error.filename}, line {error.lineno}: {error.msg}')
";

/// Debian's names for what is needed.
const PACKAGES: [&str; 2] = ["python3", "python3-venv"];

/// A Python toolchain that is set up.
#[derive(Clone, Debug)]
pub struct Python {
    environment: PathBuf,
}

impl Python {
    /// Sets the toolchain up where it is not, which fetches some 40 MB.
    ///
    /// # Errors
    /// If there is no Python with `venv`, or nothing can be fetched.
    pub fn prepare(install: Install<'_>) -> Result<Self, Error> {
        let environment = toolchains()?.join(format!("python-{VERSION}"));
        let requirement = format!("componentize-py=={VERSION}");
        made_once(&environment, &requirement, |folder| {
            if !has_venv() {
                install(&PACKAGES, "building Python plugins").map_err(|why| {
                    let names = PACKAGES.join(" ");
                    Error::Missing(format!(
                        "building Python plugins takes Python 3.10 or later with `venv`, and {why}; on \
                         Debian: `apt-get install {names}`"
                    ))
                })?;
            }
            tell(&format!("setting up {requirement}, once"));
            show_and_run(Command::new("python3").args(["-m", "venv"]).arg(folder))?;
            let mut pip = Command::new(folder.join("bin/python"));
            pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]);
            show_and_run(pip.arg(&requirement))
        })?;
        Ok(Self { environment })
    }

    /// A command that makes `output` of the module `app`, found in one of `paths`.
    pub fn componentize(
        &self,
        wit: &Path,
        world: &str,
        app: &str,
        paths: &[&Path],
        output: &Path,
    ) -> Command {
        let mut command = Command::new(self.environment.join("bin/componentize-py"));
        command.arg("--wit-path").arg(wit).args(["--world", world, "--quiet", "componentize", app]);
        for path in paths {
            command.arg("--python-path").arg(path);
        }
        command.arg("--output").arg(output);
        command
    }

    /// Where the first of these files in `folder` is no Python, and why; none where all are, or nobody can tell. For what
    /// componentize-py refused: it shows where it stood itself.
    pub fn syntax_error(folder: &Path, files: &[String]) -> Option<String> {
        let read =
            Command::new("python3").args(["-c", READ]).args(files).current_dir(folder).output().ok()?;
        let said = String::from_utf8_lossy(&read.stderr).trim().to_owned();
        (read.status.code() == Some(1) && said.lines().count() == 1).then_some(said)
    }

    /// A command that writes the interfaces as Python modules into `folder`.
    pub fn bindings(&self, wit: &Path, world: &str, folder: &Path) -> Command {
        let mut command = Command::new(self.environment.join("bin/componentize-py"));
        command.arg("--wit-path").arg(wit).args(["--world", world, "--quiet", "bindings"]).arg(folder);
        command
    }
}

fn has_venv() -> bool {
    // `venv` is there without `ensurepip` on a Debian that lacks python3-venv, and then fails half-way.
    on_path("python3") && succeeds(Command::new("python3").args(["-c", "import venv, ensurepip"]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_python_is_told_by_file_line_and_reason() {
        let folder = tempfile::tempdir().unwrap();
        let told = |files: &[(&str, &str)]| {
            let names: Vec<String> = files.iter().map(|(name, _)| (*name).to_owned()).collect();
            for (name, text) in files {
                std::fs::write(folder.path().join(name), text).unwrap();
            }
            Python::syntax_error(folder.path(), &names)
        };
        assert_eq!(told(&[("fine.py", "import nowhere\n")]), None);
        let wrong = told(&[("fine.py", "x = 1\n"), ("plugin.py", "x = 1\nreturn = 2\n")]);
        assert_eq!(wrong.as_deref(), Some("plugin.py, line 2: invalid syntax"));
        assert_eq!(told(&[("gone.py", "")]), None);
        assert_eq!(Python::syntax_error(folder.path(), &["missing.py".to_owned()]), None);
    }
}
