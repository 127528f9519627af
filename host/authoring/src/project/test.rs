//! The author's own tests, natively: without WebAssembly and without a host.

use std::process::Command;

use super::{Language, Project};
use crate::error::Error;
use crate::process::{on_path, show_and_run};
use crate::toolchain::cargo;

impl Project {
    /// Runs the author's own tests by the language's own means: `cargo test`, `python3 -m unittest`,
    /// `npm test`. What they print goes to standard error.
    ///
    /// # Errors
    /// If a test fails, or the language's own tools are not there.
    pub fn test(&self) -> Result<(), Error> {
        let mut command = match self.language {
            Language::Rust => {
                let mut command = cargo();
                command.arg("test");
                command
            }
            Language::Python => {
                let mut command = interpreter("python3", "Python 3.10 or later")?;
                command.args(["-m", "unittest"]);
                command
            }
            Language::JavaScript => {
                let mut command = interpreter("npm", "Node.js 20.6 or later with npm")?;
                command.args(["test", "--silent"]);
                command
            }
        };
        show_and_run(command.current_dir(&self.folder))
    }
}

fn interpreter(program: &str, what: &str) -> Result<Command, Error> {
    if on_path(program) {
        Ok(Command::new(program))
    } else {
        Err(Error::Missing(format!("testing this plugin takes {what}, and there is no `{program}`")))
    }
}
