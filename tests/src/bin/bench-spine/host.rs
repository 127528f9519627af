//! The host as it is shipped, in a process of its own, with a model whose upstream is the double: once for nothing,
//! once for a price.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use hardpoint_tests::{bootstrap_key, process};
use serde_json::Value;
use tempfile::TempDir;

use crate::target::{FREE, PRICED, Target};

/// Where it keeps what it knows, and how surely.
#[derive(Clone, Debug)]
pub struct Setup {
    /// As in the configuration: `process` or `power`.
    pub durability: &'static str,
    /// Of an empty PostgreSQL database; SQLite in the data folder without one.
    pub database: Option<String>,
}

pub struct BenchHost {
    process: Child,
    address: SocketAddr,
    key: String,
    data: TempDir,
}

impl BenchHost {
    /// Starts it and waits until the model answers.
    pub async fn start(upstream: SocketAddr, setup: &Setup) -> Result<Self> {
        let plugins =
            PathBuf::from(std::env::var_os("HARDPOINT_PLUGINS").context("HARDPOINT_PLUGINS is not set")?);
        let data = TempDir::new()?;
        std::fs::create_dir(data.path().join("plugins"))?;
        std::fs::copy(plugins.join("openai.wasm"), data.path().join("plugins/openai.wasm"))?;
        std::fs::write(data.path().join("hardpoint.toml"), configuration(upstream, setup))?;
        let address = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let key = bootstrap_key();
        let process = command(data.path(), &["serve"])?
            .args(["--listen", &address.to_string()])
            .env("HARDPOINT_BOOTSTRAP_KEY", &key)
            .stdout(Stdio::null())
            .stderr(Stdio::inherit())
            .spawn()?;
        let mut host = Self { process, address, key, data };
        host.wait().await?;
        Ok(host)
    }

    /// The model that costs nothing, for the operator, who has no limits.
    pub fn target(&self) -> Target {
        Target::host(self.address, FREE, self.key.clone())
    }

    /// The model with a price, for a customer's key with limits of its own and of its plan, and credits that last.
    pub fn governed(&self) -> Result<Target> {
        let organization = self.ask(&["org", "create", "Acme", "--plan", "professional"])?;
        let organization = organization["id"].as_str().context("no id")?.to_owned();
        let limits = ["--per-minute", "100000000", "--per-hour", "1000000000"];
        let key = self.ask(&[&["key", "new", "--org", &organization][..], &limits].concat())?;
        self.ask(&["credits", "add", &organization, "100", "--reference", "bench"])?;
        Ok(Target::host(self.address, PRICED, key["key"].as_str().context("no key")?.to_owned()))
    }

    /// What a command of the same binary says.
    fn ask(&self, arguments: &[&str]) -> Result<Value> {
        let output = command(self.data.path(), arguments)?.arg("--json").output()?;
        ensure!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    async fn wait(&mut self) -> Result<()> {
        let probe = self.target().load(false, 1, 1);
        for _ in 0..600 {
            if let Some(status) = self.process.try_wait()? {
                bail!("the host ended with {status}");
            }
            if probe.run().await.is_ok() {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        bail!("the host did not answer within a minute")
    }

    /// CPU time of the process so far, user and system.
    pub fn cpu(&self) -> Duration {
        process::cpu(self.process.id())
    }

    /// Resident memory in MiB.
    pub fn resident_mib(&self) -> f64 {
        process::status_bytes(self.process.id(), "VmRSS") as f64 / f64::from(1 << 20)
    }

    pub fn stop(&mut self) -> Result<()> {
        self.process.kill()?;
        self.process.wait()?;
        Ok(())
    }
}

impl Drop for BenchHost {
    fn drop(&mut self) {
        // Already gone is as good.
        let _ = self.stop();
    }
}

/// A command of the host's binary on this folder.
fn command(folder: &Path, arguments: &[&str]) -> Result<Command> {
    let binary = PathBuf::from(std::env::var_os("HARDPOINT_BIN").context("HARDPOINT_BIN is not set")?);
    let mut command = Command::new(binary);
    command.args(arguments);
    command.arg("--config").arg(folder.join("hardpoint.toml")).arg("--data").arg(folder);
    Ok(command)
}

fn configuration(upstream: SocketAddr, setup: &Setup) -> String {
    let durability = setup.durability;
    let database = setup.database.as_ref().map_or(String::new(), |url| format!("url = \"{url}\""));
    format!(
        r#"
[database]
durability = "{durability}"
{database}

[log]
level = "error"

[secrets.upstream]
value = "sk-bench"
audience = "http://{upstream}"

[egress]
allow_internal = ["{upstream}"]

[bindings.bench]
plugin = "openai"
settings = {{ base_url = "http://{upstream}/v1" }}
secrets = {{ api_key = "upstream" }}
grant = {{ http = ["POST http://{upstream}/v1/"], secrets = ["api_key"] }}

[[models]]
id = "{FREE}"
binding = "bench"

[[models]]
id = "{PRICED}"
binding = "bench"
max_output_tokens = 100
[models.prices]
input = 1_000_000
output = 2_000_000

[plans.professional]
requests_per_minute = 100_000_000
requests_per_hour = 1_000_000_000
requests_per_day = 10_000_000_000
concurrent = 1_000
completions_per_minute = 100_000_000
completions_per_day = 10_000_000_000
concurrent_completions = 1_000
"#
    )
}
