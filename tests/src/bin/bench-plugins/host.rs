//! The host as it is shipped, in a process of its own, started and stopped again on one data folder.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use hardpoint_tests::client::Client;
use hardpoint_tests::{bootstrap_key, process};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

/// How often the host is asked whether something is so. What is asked costs it a fiftieth of that.
const ASK: Duration = Duration::from_millis(5);
/// How long it may take to be ready, with a dozen large plugins to compile on a busy machine.
const PATIENCE: Duration = Duration::from_secs(1_200);

/// A data folder with its configuration; hosts come and go on it.
pub struct Place {
    folder: TempDir,
    key: String,
}

impl Place {
    /// An empty one. `durability` as in the configuration.
    pub fn new(durability: &str) -> Result<Self> {
        let folder = TempDir::with_prefix("hardpoint-bench-")?;
        std::fs::create_dir_all(folder.path().join("data/plugins"))?;
        let config = format!("[database]\ndurability = \"{durability}\"\n\n[log]\nlevel = \"error\"\n");
        std::fs::write(folder.path().join("hardpoint.toml"), config)?;
        Ok(Self { folder, key: bootstrap_key() })
    }

    /// Drops a plugin into the folder, whole.
    pub fn drop_plugin(&self, id: &str, bytes: &[u8]) -> Result<()> {
        let plugins = self.folder.path().join("data/plugins");
        std::fs::write(plugins.join(format!(".{id}.part")), bytes)?;
        Ok(std::fs::rename(plugins.join(format!(".{id}.part")), plugins.join(format!("{id}.wasm")))?)
    }

    /// Takes a plugin's file away.
    pub fn remove_plugin(&self, id: &str) -> Result<()> {
        Ok(std::fs::remove_file(self.folder.path().join(format!("data/plugins/{id}.wasm")))?)
    }

    /// The host's cache of compiled code.
    pub fn compiled(&self) -> PathBuf {
        self.folder.path().join("data/cache/compiled")
    }

    /// Starts a host and returns at once; it is not ready yet.
    pub fn launch(&self) -> Result<BenchHost> {
        let binary = PathBuf::from(std::env::var_os("HARDPOINT_BIN").context("HARDPOINT_BIN is not set")?);
        let address = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let began = Instant::now();
        let child = Command::new(binary)
            .current_dir(self.folder.path())
            .args(["serve", "--config", "hardpoint.toml", "--data", "data"])
            .args(["--listen", &address.to_string()])
            .env("HARDPOINT_BOOTSTRAP_KEY", &self.key)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::inherit())
            .spawn()?;
        let client = Client::new(&format!("http://{address}"), Some(&self.key));
        Ok(BenchHost { child, address, key: self.key.clone(), client, began })
    }

    /// Starts a host and waits until it is ready.
    pub async fn start(&self) -> Result<BenchHost> {
        let mut host = self.launch()?;
        host.ready(PATIENCE, |_| {}).await?;
        Ok(host)
    }
}

/// How many of a host's plugins have been compiled, by the files in its cache.
pub fn compiled(cache: &Path) -> usize {
    let code = |entry: &std::io::Result<std::fs::DirEntry>| {
        entry.as_ref().is_ok_and(|entry| entry.path().extension().is_some_and(|end| end == "cwasm"))
    };
    std::fs::read_dir(cache).map_or(0, |entries| entries.filter(code).count())
}

/// A running host.
pub struct BenchHost {
    child: Child,
    pub address: SocketAddr,
    pub key: String,
    pub client: Client,
    began: Instant,
}

impl BenchHost {
    /// Waits until `/readyz` says so; gives the time since the process was started.
    pub async fn ready(
        &mut self,
        patience: Duration,
        mut progress: impl FnMut(Duration),
    ) -> Result<Duration> {
        loop {
            if let Some(status) = self.child.try_wait()? {
                bail!("the host ended with {status}");
            }
            // It listens before anything else, but not before it was started.
            let listens = tokio::net::TcpStream::connect(self.address).await.is_ok();
            if listens && self.client.get("/readyz").await.status == 200 {
                return Ok(self.began.elapsed());
            }
            ensure!(self.began.elapsed() < patience, "not ready within {} s", patience.as_secs());
            progress(self.began.elapsed());
            sleep(ASK).await;
        }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// CPU time of the process so far, user and system.
    pub fn cpu(&self) -> Duration {
        process::cpu(self.pid())
    }

    /// CPU time of its children that have ended: the compiler.
    pub fn children_cpu(&self) -> Duration {
        process::children_cpu(self.pid())
    }

    /// Stops it in peace.
    pub async fn stop(mut self) -> Result<()> {
        process::signal(self.pid(), "TERM");
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
