//! The host as it is shipped, in a process of its own, with one model whose upstream is the double.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use hardpoint_tests::bootstrap_key;
use tempfile::TempDir;

use crate::load::Target;

/// Ticks of `/proc/PID/stat` in a second: the kernel shows user space 100 on every architecture.
const TICKS: u64 = 100;

pub struct BenchHost {
    process: Child,
    address: SocketAddr,
    key: String,
    _data: TempDir,
}

impl BenchHost {
    /// Starts it and waits until the model answers.
    pub async fn start(upstream: SocketAddr) -> Result<Self> {
        let binary = PathBuf::from(std::env::var_os("HARDPOINT_BIN").context("HARDPOINT_BIN is not set")?);
        let plugins =
            PathBuf::from(std::env::var_os("HARDPOINT_PLUGINS").context("HARDPOINT_PLUGINS is not set")?);
        let data = TempDir::new()?;
        std::fs::create_dir(data.path().join("plugins"))?;
        std::fs::copy(plugins.join("openai.wasm"), data.path().join("plugins/openai.wasm"))?;
        let config = data.path().join("hardpoint.toml");
        std::fs::write(&config, configuration(upstream))?;
        let address = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let key = bootstrap_key();
        let process = Command::new(binary)
            .arg("serve")
            .args(["--config".as_ref(), config.as_os_str()])
            .args(["--data".as_ref(), data.path().as_os_str()])
            .args(["--listen", &address.to_string()])
            .env("HARDPOINT_BOOTSTRAP_KEY", &key)
            .stdout(Stdio::null())
            .stderr(Stdio::inherit())
            .spawn()?;
        let mut host = Self { process, address, key, _data: data };
        host.wait().await?;
        Ok(host)
    }

    pub fn target(&self) -> Target {
        Target::host(self.address, self.key.clone())
    }

    async fn wait(&mut self) -> Result<()> {
        let probe = crate::load::Load { streamed: false, connections: 1, requests: 1, target: self.target() };
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
    pub fn cpu(&self) -> Result<Duration> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.process.id()))?;
        // The second field is the name in parentheses, which may hold spaces; count from its end.
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks = |place: usize| fields.get(place).and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
        Ok(Duration::from_millis((ticks(11) + ticks(12)) * 1_000 / TICKS))
    }

    /// Resident memory in MiB.
    pub fn resident_mib(&self) -> Result<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id()))?;
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).context("no VmRSS")?;
        let kib: f64 = line.split_whitespace().nth(1).context("no figure")?.parse()?;
        Ok(kib / 1_024.0)
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

fn configuration(upstream: SocketAddr) -> String {
    format!(
        r#"
[database]
durability = "process"

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
id = "bench"
binding = "bench"
"#
    )
}
