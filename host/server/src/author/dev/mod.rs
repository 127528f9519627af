//! `hardpoint plugin dev`: builds whenever a source is saved, hands the component to a running host, and
//! follows the plugin's log.

mod example;
mod host;
mod sources;

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow};
use bytes::Bytes;
use hardpoint_authoring::Project;
use hardpoint_authoring::toolchain::never_install;
use hardpoint_domain::manifest::Kind;
use hardpoint_runtime::inspect;
use serde::Serialize;
use serde_json::{Map, Value};
use tokio::task::spawn_blocking;
use tokio::time::Instant;

pub use example::Example;
pub use host::{Host, Seen, is_exposed};
use sources::Sources;

/// How often a host is asked what became of a component that it compiles.
const ASK: Duration = Duration::from_millis(200);

/// How often a host is asked whether what waits for somebody serves by now.
const LOOK: Duration = Duration::from_secs(1);

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
        /// A request that calls it, where its kind is called.
        #[serde(skip_serializing_if = "Option::is_none")]
        example: Option<Example>,
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
            let built = self.round().await;
            match &built {
                Ok(Built { id, .. }) => {
                    let follow = || Follower::start(self.host.clone(), id.clone(), self.tell.clone());
                    log.get_or_insert_with(follow);
                }
                Err(error) => (self.tell)(&News::Failed { reason: format!("{error:#}") }),
            }
            (sources, changed) = tokio::select! {
                found = sources.changed() => found?,
                never = self.wait(built.ok()) => match never {},
            };
        }
    }

    /// From the sources to a version of which it is known what became of it.
    async fn round(&self) -> anyhow::Result<Built> {
        let begun = Instant::now();
        let (folder, test) = (self.folder.clone(), self.test);
        let packed = spawn_blocking(move || build(&folder, test)).await??;
        let component = Bytes::from(std::fs::read(&packed)?);
        (self.tell)(&News::Built { size: component.len(), took_ms: begun.elapsed().as_millis() });
        let inspection = inspect(&component)?;
        let mut built = Built {
            id: inspection.manifest.id,
            kind: inspection.manifest.kind,
            digest: inspection.digest,
            begun,
            waits: false,
        };
        self.host.publish(component).await?;
        if let Some(settings) = &self.settings {
            self.host.bind(&built.id, settings).await?;
        }
        if self.allow {
            self.host.approve(&built.id, &built.digest).await?;
        }
        loop {
            if let Some(news) = self.outcome(&built).await? {
                built.waits = matches!(news, News::Waiting { .. });
                (self.tell)(&news);
                return Ok(built);
            }
            // It happens in another process: there is nothing to be woken by.
            tokio::time::sleep(ASK).await;
        }
    }

    /// What became of a version; none as long as that is open.
    async fn outcome(&self, built: &Built) -> anyhow::Result<Option<News>> {
        let mut news = verdict(self.host.plugin(&built.id).await?, &built.digest, built.begun)?;
        if let Some(News::Live { example, .. }) = &mut news {
            // It serves, whether or not it can say how it is called.
            *example = Example::of(&self.host, built.kind, &built.id).await.unwrap_or_default();
        }
        Ok(news)
    }

    /// Tells when a version that waits for somebody serves, or never will. Goes on until it is dropped.
    async fn wait(&self, built: Option<Built>) -> Infallible {
        let waiting = built.filter(|built| built.waits);
        while let Some(built) = &waiting {
            tokio::time::sleep(LOOK).await;
            match self.outcome(built).await {
                Ok(Some(news @ (News::Live { .. } | News::Failed { .. }))) => {
                    (self.tell)(&news);
                    break;
                }
                Ok(_) => {}
                // A host that is away for a moment comes back.
                Err(error) => tracing::debug!(%error, "the host does not answer"),
            }
        }
        std::future::pending().await
    }
}

/// A version that the host has.
struct Built {
    id: String,
    kind: Kind,
    digest: String,
    /// When it was begun to be built.
    begun: Instant,
    /// Whether it waits for somebody.
    waits: bool,
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
            example: None,
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
