//! The host as it is shipped, in a process of its own, with one model whose upstream is the double.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use hardpoint_tests::{bootstrap_key, process};
use tempfile::TempDir;

use crate::target::Target;

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
