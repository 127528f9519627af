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

    /// With data of its own: what is configured or stored on this machine does not matter.
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
