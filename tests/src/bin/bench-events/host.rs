//! The host as it is shipped, in a process of its own, on either database, with an exporter that sends to the sink.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use hardpoint_tests::client::Client;
use hardpoint_tests::{bootstrap_key, database, process};
use serde_json::Value;
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use crate::options::Options;
use crate::sink::{HOOK, INTAKE};

const ASK: Duration = Duration::from_millis(20);
/// How long it may take to be ready, with a plugin to compile on a busy machine; and to do anything else.
const PATIENCE: Duration = Duration::from_secs(300);

/// A data folder with its database; hosts come and go on it.
pub struct Place {
    folder: TempDir,
    key: String,
    durability: String,
    /// Of PostgreSQL; SQLite in the data folder without one.
    url: Option<String>,
}

impl Place {
    /// An empty one, for a host whose exporter sends to this address.
    pub fn new(options: &Options, database: &str, sink: SocketAddr) -> Result<Self> {
        let plugins =
            PathBuf::from(std::env::var_os("HARDPOINT_PLUGINS").context("HARDPOINT_PLUGINS is not set")?);
        let folder = TempDir::with_prefix("hardpoint-bench-")?;
        std::fs::create_dir_all(folder.path().join("data/plugins"))?;
        let exporter = folder.path().join("data/plugins/http-json.wasm");
        std::fs::copy(plugins.join("http-json.wasm"), exporter)?;
        let url = match database {
            "postgresql" => Some(database::new(&format!("events{}", nth()))?),
            _ => None,
        };
        let place = Self { folder, key: bootstrap_key(), durability: options.durability.clone(), url };
        std::fs::write(place.folder.path().join("hardpoint.toml"), place.configuration(sink))?;
        Ok(place)
    }

    fn configuration(&self, sink: SocketAddr) -> String {
        let durability = &self.durability;
        let url = self.url.as_ref().map_or(String::new(), |url| format!("url = \"{url}\""));
        format!(
            r#"
[database]
durability = "{durability}"
{url}

[log]
level = "error"

[egress]
allow_internal = ["{sink}"]
allow_internal_webhooks = ["{sink}"]

[bindings.siem]
plugin = "http-json"
settings = {{ url = "http://{sink}{INTAKE}", auth = "none" }}
grant = {{ http = ["PATCH,POST,PUT http://{sink}{INTAKE}"] }}
"#
        )
    }

    /// Starts a host and waits until it is ready.
    pub async fn start(&self) -> Result<BenchHost> {
        let address = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let child = Command::new(beside("hardpoint")?)
            .current_dir(self.folder.path())
            .args(["serve", "--config", "hardpoint.toml", "--data", "data"])
            .args(["--listen", &address.to_string()])
            .env("HARDPOINT_BOOTSTRAP_KEY", &self.key)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::inherit())
            .spawn()?;
        let client = Client::new(&format!("http://{address}"), Some(&self.key));
        let mut host =
            BenchHost { child, address, key: self.key.clone(), client, organization: String::new() };
        host.ready().await?;
        host.organization = text(&host.client.get("/api/v1/org").await.expect(200), "id")?;
        Ok(host)
    }

    /// What `bench-append` tells of events that it appends to this place, while no host is there.
    pub fn append(&self, arguments: &[&str]) -> Result<Value> {
        let mut append = Command::new(beside("bench-append")?);
        append.arg("--data").arg(self.folder.path().join("data"));
        append.args(["--durability", &self.durability]).args(arguments);
        if let Some(url) = &self.url {
            append.args(["--url", url]);
        }
        let output = append.stderr(Stdio::inherit()).output()?;
        ensure!(output.status.success(), "bench-append: {}", output.status);
        Ok(serde_json::from_slice(&output.stdout)?)
    }
}

/// So that no two databases have one name.
fn nth() -> u32 {
    static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
}

/// A program that was built with the host, in the same folder.
fn beside(program: &str) -> Result<PathBuf> {
    let host = PathBuf::from(std::env::var_os("HARDPOINT_BIN").context("HARDPOINT_BIN is not set")?);
    let folder = host.parent().unwrap_or(Path::new(".")).canonicalize()?;
    Ok(folder.join(program))
}

/// A member that is text.
pub fn text(object: &Value, name: &str) -> Result<String> {
    Ok(object[name].as_str().with_context(|| format!("no {name} in {object}"))?.to_owned())
}

/// A running host.
pub struct BenchHost {
    child: Child,
    pub address: SocketAddr,
    pub key: String,
    pub client: Client,
    /// The operator's.
    pub organization: String,
}

impl BenchHost {
    async fn ready(&mut self) -> Result<()> {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait()? {
                bail!("the host ended with {status}");
            }
            // It listens before anything else, but not before it was started.
            let listens = tokio::net::TcpStream::connect(self.address).await.is_ok();
            if listens && self.client.get("/readyz").await.status == 200 {
                return Ok(());
            }
            ensure!(began.elapsed() < PATIENCE, "not ready within {} s", PATIENCE.as_secs());
            sleep(ASK).await;
        }
    }

    /// Has changes of workspaces told to a webhook endpoint and to a standing destination, both of the sink.
    pub async fn tell(&self, sink: SocketAddr) -> Result<()> {
        let events = serde_json::json!(["workspace.updated"]);
        let endpoint = serde_json::json!({ "url": format!("http://{sink}{HOOK}"), "events": events });
        self.client.post("/api/v1/webhook_endpoints", &endpoint).await.expect(201);
        let destination = serde_json::json!({ "name": "sink", "exporter": "siem", "events": events });
        let began = Instant::now();
        // The exporter is there once it is compiled.
        while self.client.post("/api/v1/siem/destinations", &destination).await.status != 201 {
            ensure!(began.elapsed() < PATIENCE, "no exporter");
            sleep(ASK).await;
        }
        Ok(())
    }

    /// Makes workspaces; their paths.
    pub async fn workspaces(&self, count: usize) -> Result<Vec<String>> {
        let all = format!("/api/v1/orgs/{}/workspaces", self.organization);
        let mut paths = Vec::with_capacity(count);
        for number in 0..count {
            let workspace = serde_json::json!({ "name": format!("Workspace {number}") });
            let made = self.client.post(&all, &workspace).await.expect(201);
            paths.push(format!("{all}/{}", text(&made, "id")?));
        }
        Ok(paths)
    }

    /// CPU time of the process so far, user and system.
    pub fn cpu(&self) -> Duration {
        process::cpu(self.child.id())
    }

    /// Resident memory in bytes.
    pub fn resident(&self) -> u64 {
        process::status_bytes(self.child.id(), "VmRSS")
    }

    /// Stops it in peace.
    pub async fn stop(mut self) -> Result<()> {
        process::signal(self.child.id(), "TERM");
        let began = Instant::now();
        while self.child.try_wait()?.is_none() {
            ensure!(began.elapsed() < PATIENCE, "it does not stop");
            sleep(ASK).await;
        }
        Ok(())
    }
}

impl Drop for BenchHost {
    fn drop(&mut self) {
        // Already gone is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
