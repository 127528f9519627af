//! `hardpoint plugin dev`: builds whenever a source is saved, hands the component to a running host, and
//! follows the plugin's log.

mod host;
mod sources;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow};
use bytes::Bytes;
use hardpoint_authoring::Project;
use hardpoint_authoring::toolchain::never_install;
use hardpoint_runtime::inspect;
use serde::Serialize;
use serde_json::{Map, Value};
use tokio::task::spawn_blocking;
use tokio::time::Instant;

pub use host::{Host, Seen};
use sources::Sources;

/// How often a host is asked what became of a component that it compiles.
const ASK: Duration = Duration::from_millis(200);

/// How long until a log that ended is opened again.
const AGAIN: Duration = Duration::from_secs(1);

/// What is told while it goes on.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum News {
    /// Where it runs.
    Host {
        /// The host's address.
        address: String,
        /// Its operator's key, of a host that was started for this.
        #[serde(skip_serializing_if = "Option::is_none")]
        key: Option<String>,
    },
    /// A build begins, for these files.
    Building {
        /// None for the first.
        changed: Vec<PathBuf>,
    },
    /// The component is built.
    Built {
        /// Bytes.
        size: usize,
        /// Wall time, in milliseconds.
        took_ms: u128,
    },
    /// It serves.
    Live {
        /// From its manifest.
        version: String,
        /// Its bytes.
        digest: String,
        /// Counts up with every version that serves.
        generation: u64,
        /// From the save to now, in milliseconds.
        took_ms: u128,
    },
    /// It does not serve until somebody does something.
    Waiting {
        /// Why, and what to do about it.
        reason: String,
    },
    /// It could not be built, or the host refused it. What served before goes on.
    Failed {
        /// Why.
        reason: String,
    },
    /// A line of the plugin's log.
    Log {
        /// As the host shows it.
        #[serde(flatten)]
        line: Value,
    },
}

/// Who is told.
pub type Tell = Arc<dyn Fn(&News) + Send + Sync>;

/// What is worked on, and how.
pub struct Dev {
    /// The project's folder.
    pub folder: PathBuf,
    /// Where it is to run.
    pub host: Host,
    /// Whether it is allowed what it asks for.
    pub allow: bool,
    /// Whether the author's own tests run before each build.
    pub test: bool,
    /// Settings of the binding of its own name.
    pub settings: Option<Map<String, Value>>,
    /// Who is told.
    pub tell: Tell,
}

impl Dev {
    /// Goes on until it is dropped.
    ///
    /// # Errors
    /// If the folder cannot be read any more.
    pub async fn run(self) -> anyhow::Result<()> {
        let mut sources = Sources::of(&self.folder)?;
        let mut changed = Vec::new();
        let mut log = None;
        loop {
            (self.tell)(&News::Building { changed });
            match self.round().await {
                Ok(id) => {
                    log.get_or_insert_with(|| Follower::start(self.host.clone(), id, self.tell.clone()));
                }
                Err(error) => (self.tell)(&News::Failed { reason: format!("{error:#}") }),
            }
            (sources, changed) = sources.changed().await?;
        }
    }

    /// From the sources to a version that serves; gives the plugin's id.
    async fn round(&self) -> anyhow::Result<String> {
        let begun = Instant::now();
        let (folder, test) = (self.folder.clone(), self.test);
        let packed = spawn_blocking(move || build(&folder, test)).await??;
        let component = Bytes::from(std::fs::read(&packed)?);
        (self.tell)(&News::Built { size: component.len(), took_ms: begun.elapsed().as_millis() });
        let inspection = inspect(&component)?;
        let (id, digest) = (inspection.manifest.id, inspection.digest);
        self.host.publish(component).await?;
        if let Some(settings) = &self.settings {
            self.host.bind(&id, settings).await?;
        }
        if self.allow {
            self.host.approve(&id, &digest).await?;
        }
        let news = self.outcome(&id, &digest, begun).await?;
        (self.tell)(&news);
        Ok(id)
    }

    /// What becomes of the version, once it is known.
    async fn outcome(&self, id: &str, digest: &str, begun: Instant) -> anyhow::Result<News> {
        loop {
            let seen = self.host.plugin(id).await?;
            if let Some(news) = verdict(seen, digest, begun)? {
                return Ok(news);
            }
            // It happens in another process: there is nothing to be woken by.
            tokio::time::sleep(ASK).await;
        }
    }
}

fn build(folder: &Path, test: bool) -> anyhow::Result<PathBuf> {
    let project = Project::open(folder)?;
    if test {
        project.test()?;
    }
    let component = project.build(&never_install)?;
    Ok(project.pack(&component, None)?)
}

/// What became of a version; none as long as that is open.
fn verdict(seen: Seen, digest: &str, begun: Instant) -> anyhow::Result<Option<News>> {
    let serves = seen.digest == digest;
    let (state, reason) = match seen.candidate {
        Some(candidate) if candidate.digest == digest => (candidate.state, candidate.reason),
        _ if serves => (seen.state, seen.reason),
        _ => return Err(anyhow!("the host has another version of it by now: {}", seen.digest)),
    };
    let reason = reason.unwrap_or_else(|| format!("its state is {state}"));
    Ok(match (state.as_str(), seen.live) {
        ("active", Some(live)) if serves => Some(News::Live {
            version: seen.version,
            digest: seen.digest,
            generation: live.generation,
            took_ms: begun.elapsed().as_millis(),
        }),
        ("loading" | "active", _) => None,
        ("pending_approval" | "paused", _) => Some(News::Waiting { reason }),
        _ => Some(News::Failed { reason }),
    })
}

/// Follows a plugin's log as long as it lives.
struct Follower(tokio::task::JoinHandle<()>);

impl Follower {
    fn start(host: Host, id: String, tell: Tell) -> Self {
        Self(tokio::spawn(async move {
            let mut last = Value::Null;
            loop {
                // A host that is away for a moment comes back.
                if let Err(error) = follow(&host, &id, &tell, &mut last).await {
                    tracing::debug!(%error, "the log ended");
                }
                tokio::time::sleep(AGAIN).await;
            }
        }))
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Tells each line once: a log that is opened again begins with the last one of before.
async fn follow(host: &Host, id: &str, tell: &Tell, last: &mut Value) -> anyhow::Result<()> {
    let mut body = host.logs(id).await?;
    let mut rest = Vec::new();
    while let Some(piece) = body.chunk().await {
        rest.extend_from_slice(&piece.map_err(|error| anyhow!("{error}"))?);
        while let Some(end) = rest.windows(2).position(|pair| pair == b"\n\n") {
            let event: Vec<u8> = rest.drain(..end + 2).collect();
            if let Some(json) = event.strip_prefix(b"data: ") {
                let line: Value = serde_json::from_slice(json).context("a line of the log is no JSON")?;
                if line != *last {
                    tell(&News::Log { line: line.clone() });
                    *last = line;
                }
            }
        }
    }
    Ok(())
}
