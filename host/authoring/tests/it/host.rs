use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// The host's binary.
pub(crate) struct Host {
    binary: PathBuf,
    data: tempfile::TempDir,
}

impl Host {
    /// Fails where it is not named: a test that left the host out would say that templates fit it.
    pub(crate) fn named() -> Self {
        let binary = std::env::var_os("HARDPOINT_BIN").map(PathBuf::from);
        let binary = binary.expect("HARDPOINT_BIN must name the host's binary, target/debug/hardpoint");
        assert!(binary.is_file(), "HARDPOINT_BIN names {}, which is no file", binary.display());
        Self { binary, data: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn inspect(&self, plugin: &Path) -> Result<Value, String> {
        self.json(self.command("inspect", plugin).arg("--json"))
    }

    pub(crate) fn describe(&self, plugin: &Path) -> Result<Value, String> {
        self.json(self.command("call", plugin).args(["--describe", "--json"]))
    }

    pub(crate) fn call(&self, plugin: &Path, arguments: &Value, settings: &Value) -> Result<Value, String> {
        let mut command = self.command("call", plugin);
        command.args(["--arguments", &arguments.to_string(), "--settings", &settings.to_string(), "--json"]);
        self.json(&mut command)
    }

    /// Lets a retriever read a file and search there.
    pub(crate) fn read(
        &self,
        plugin: &Path,
        document: &Path,
        query: &str,
        settings: &Value,
    ) -> Result<Value, String> {
        let mut command = self.command("call", plugin);
        command.arg("--document").arg(document).args(["--query", query, "--allow", "--json"]);
        self.json(command.args(["--settings", &settings.to_string()]))
    }

    /// Tests a plugin in the sandbox; gives the line with the counts, or what failed.
    pub(crate) fn test(&self, plugin: &Path, options: &[&str]) -> Result<String, String> {
        let output = self.command("test", plugin).args(options).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() {
            return Ok(text.lines().last().unwrap_or_default().to_owned());
        }
        let failed: Vec<&str> = text.lines().filter(|line| !line.starts_with("ok ")).collect();
        Err(failed.join("\n") + &String::from_utf8_lossy(&output.stderr))
    }

    /// Takes the code that a running host has compiled, so that nothing is compiled twice.
    pub(crate) fn shares_code_of(&self, served: &hardpoint_tests::host::Host) {
        let folder = self.data.path().join("data");
        fs::create_dir_all(&folder).unwrap();
        std::os::unix::fs::symlink(served.folder().join("data/cache"), folder.join("cache")).unwrap();
    }

    /// With data of its own: what is configured or stored on this machine does not matter, and what is compiled
    /// for a test goes when the test does.
    fn command(&self, verb: &str, plugin: &Path) -> Command {
        let mut command = Command::new(&self.binary);
        command.current_dir(self.data.path()).arg("--data").arg(self.data.path().join("data"));
        command.args(["plugin", verb]).arg(plugin);
        command
    }

    /// What it printed, or all that it said where it failed.
    fn json(&self, command: &mut Command) -> Result<Value, String> {
        let output = command.output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() {
            Ok(serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}")))
        } else {
            Err(text + &String::from_utf8_lossy(&output.stderr))
        }
    }
}
