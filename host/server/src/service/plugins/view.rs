//! What operators see of plugins: the same over HTTP and on the command line, where a running server adds
//! what only it knows (what is being loaded, what is live, counters).

use std::collections::BTreeMap;
use std::fmt;

use hardpoint_domain::manifest::{Kind, Manifest};
use hardpoint_domain::reach::Reach;
use hardpoint_domain::time::Timestamp;
use hardpoint_runtime::{Catalogue, LastError, Percentiles, Runtime};
use hardpoint_store::plugins::{self, Plugin, State};
use hardpoint_store::{StoreError, plugin_files};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::arranged::Arranged;
use super::plan::{Planned, Readiness, plan};
use super::standing::Standing;
use super::{Desk, is_revoked, is_set_aside, meanwhile};
use crate::config::{Config, Written};
use crate::worker::reload::Status;
use crate::worker::reload::decide::{candidate, named};
use crate::worker::reload::files::FileState;
use crate::worker::reload::host;

/// All plugins and all files.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Overview {
    /// By id.
    pub plugins: Vec<PluginView>,
    /// Files of the plugins folder, by name, the bad ones too.
    pub files: Vec<FileView>,
}

/// A plugin.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct PluginView {
    /// From its manifest.
    pub id: String,
    /// `model`, `exporter`, `tool` or `retriever`.
    #[schema(value_type = String, example = "tool")]
    pub kind: Kind,
    /// The version that serves; where none does, the one that would.
    pub version: String,
    /// What it is.
    pub description: String,
    /// `active`, `loading`, `paused`, `pending_approval`, `rejected` or `failed`.
    pub state: String,
    /// Why it is in that state, and what to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// SHA-256 of the component.
    pub digest: String,
    /// Bytes of the component.
    pub size: u64,
    /// `folder`, `upload` or `shipped`.
    pub source: String,
    /// The file's name in the folder, or as it was uploaded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// JSON Schema of its settings; left out where it takes none.
    #[schema(value_type = Option<Object>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub settings_schema: Option<Value>,
    /// What it asks for with the settings of its bindings, in plain words.
    pub asks: Vec<String>,
    /// The limits in force for each of its calls, by the names of the manifest's `[limits]`.
    pub limits: BTreeMap<&'static str, u64>,
    /// Its bindings.
    pub bindings: Vec<BindingView>,
    /// Whom it is open to.
    pub open_to: ReachView,
    /// A newer version that does not serve (yet).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub candidate: Option<CandidateView>,
    /// Every version that is kept here, the newest first: the one that serves, those that wait, and those that can be
    /// gone back to. Left out where plugins are listed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub versions: Vec<VersionView>,
    /// Who approved exactly these bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approved_by: Option<String>,
    /// When the version was first published.
    pub published_at: String,
    /// What is live; only from a running server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub live: Option<LiveView>,
}

impl PluginView {
    /// Whether something is to be done about a binding. Not where it is the one that a plugin has by itself and
    /// others serve: those were made to be used in its place.
    pub fn waits_for(&self, binding: &BindingView) -> bool {
        let is_ready = |binding: &BindingView| binding.state == "ready";
        !is_ready(binding) && (binding.written_in != "plugin" || !self.bindings.iter().any(is_ready))
    }
}

/// Whom a plugin is open to.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ReachView {
    /// Whether it is open to organisations that are not named.
    pub others: bool,
    /// Those for which the opposite holds.
    pub except: Vec<String>,
}

impl From<Reach> for ReachView {
    fn from(reach: Reach) -> Self {
        Self { others: reach.others, except: reach.except.into_iter().collect() }
    }
}

impl fmt::Display for ReachView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (most, those) = if self.others { ("all organisations", "all but") } else { ("nobody", "only") };
        if self.except.is_empty() {
            f.write_str(most)
        } else {
            write!(f, "{those} {}", self.except.join(", "))
        }
    }
}

/// A binding of a plugin.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct BindingView {
    /// Its name.
    pub name: String,
    /// `ready` (it serves whenever the plugin does), `pending_approval`, `unfit_settings`, or
    /// `missing_secret` where the host does not have one that it names.
    pub state: String,
    /// `plugin` for the one that a plugin has by itself, `hardpoint.toml`, or `store` for one that was made by
    /// command or over the API.
    pub written_in: String,
    /// Its settings, with the schema's defaults; no secret is among them.
    #[schema(value_type = Object)]
    pub settings: Value,
    /// Which configured secret stands for each name of the manifest.
    pub secrets: BTreeMap<String, String>,
    /// What it may do, in plain words.
    pub allowed: Vec<String>,
    /// What it may not do though the plugin asks for it, or what is wrong with its settings.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<String>,
    /// What to do about that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
    /// What keeps it from working fully.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// Whether some organisation's calls are refused after repeated faults; only where a server runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paused: Option<bool>,
    /// Until when they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paused_until: Option<String>,
}

/// A version that waits, or that could not take over.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct CandidateView {
    /// From its manifest.
    pub version: String,
    /// SHA-256 of the component.
    pub digest: String,
    /// `loading`, `paused`, `pending_approval` or `rejected`.
    pub state: String,
    /// Why, and what to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// One version of a plugin.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct VersionView {
    /// From its manifest.
    pub version: String,
    /// SHA-256 of the component.
    pub digest: String,
    /// `active`, `superseded` (it served before), `loading`, `paused`, `pending_approval`, `rejected` or `failed`.
    pub state: String,
    /// Why, and what to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// `folder`, `upload` or `shipped`.
    pub source: String,
    /// The file's name in the folder, or as it was uploaded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Since when it has been as it is.
    pub changed_at: String,
}

impl VersionView {
    fn new(row: &Plugin, standing: Standing) -> Self {
        Self {
            version: row.version.clone(),
            digest: row.digest.clone(),
            state: standing.state,
            reason: standing.reason,
            source: row.source.as_str().to_owned(),
            file: row.file_name.clone(),
            changed_at: row.updated_at.to_rfc3339(),
        }
    }
}

/// What a running server knows of a plugin.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct LiveView {
    /// The version that serves: not the active one where a host does not have that (yet).
    pub version: String,
    /// SHA-256 of its component.
    pub digest: String,
    /// Counts up over all plugins and versions since the server started.
    pub generation: u64,
    /// Sandboxes that exist now.
    pub sandboxes: u32,
    /// Calls since the server started.
    pub calls: u64,
    /// CPU time of its code, in milliseconds.
    pub cpu_ms: f64,
    /// CPU time of a call, in microseconds.
    pub cpu_us: Spread,
    /// Wall time of a call, what it waited for included, in microseconds.
    pub wall_us: Spread,
    /// The most linear memory that one sandbox held, in bytes.
    pub memory_peak: u64,
    /// How often a sandbox was stopped, by cause.
    pub faults: BTreeMap<String, u64>,
    /// How often the plugin said that it failed, by kind.
    pub failures: BTreeMap<String, u64>,
    /// The newest of both, newest first.
    pub errors: Vec<ErrorView>,
    /// What it sent, by origin.
    pub egress: BTreeMap<String, SentView>,
}

/// How a duration is spread; exact to a fifth.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Spread {
    /// The median.
    pub p50: u64,
    /// 95 of a hundred are at most this.
    pub p95: u64,
    /// 99 of a hundred are at most this.
    pub p99: u64,
}

/// Something that went wrong.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ErrorView {
    /// When.
    pub time: String,
    /// In which request.
    pub request_id: String,
    /// A fault's cause, or a failure's kind.
    pub cause: String,
    /// In words.
    pub message: String,
}

/// What was sent to one origin.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SentView {
    /// Requests.
    pub requests: u64,
    /// Of these, those that got no answer: refused, not connected, broken off.
    pub failures: u64,
}

/// A file of the plugins folder.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct FileView {
    /// Its name.
    pub name: String,
    /// In bytes.
    pub size: u64,
    /// `copying`, `rejected`, `superseded`, `failed` where it cannot be published, or the state of the version that
    /// it holds.
    pub state: String,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The plugin that it holds a version of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plugin: Option<String>,
    /// SHA-256 of its bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
}

/// What a running server adds.
pub struct Running<'a> {
    /// What its keeper knew last.
    pub status: &'a Status,
    /// The runtime.
    pub runtime: &'a Runtime,
    /// One snapshot of its catalogue.
    pub catalogue: &'a Catalogue,
}

impl Desk {
    /// Everything there is.
    pub async fn overview(&self, running: Option<&Running<'_>>) -> Result<Overview, StoreError> {
        let arranged = self.arranged().await?;
        let mut conn = self.store.read().await?;
        let rows = plugins::list(&mut conn).await?;
        let mut by_id: BTreeMap<&str, Vec<Plugin>> = BTreeMap::new();
        for row in &rows {
            by_id.entry(&row.id).or_default().push(row.clone());
        }
        let shown =
            by_id.values().filter_map(|versions| self.plugin_view(versions, &arranged, running)).collect();
        let standing = |row: &Plugin| self.standing(row, &by_id[&*row.id], &arranged, running);
        let files = match running {
            Some(running) => running
                .status
                .files
                .iter()
                .map(|(name, file)| file_view(name, file, running.status, &rows, &standing))
                .collect(),
            None => match host::known(&self.config, self.store.engine()).ok().flatten() {
                Some(host) => plugin_files::list(&mut conn, &host)
                    .await?
                    .into_iter()
                    .map(|file| remembered_file(file, &rows, &standing))
                    .collect(),
                None => Vec::new(),
            },
        };
        Ok(Overview { plugins: shown, files })
    }

    /// One plugin.
    pub async fn plugin(
        &self,
        id: &str,
        running: Option<&Running<'_>>,
    ) -> Result<Option<PluginView>, StoreError> {
        let arranged = self.arranged().await?;
        let versions = plugins::versions(&mut self.store.read().await?, id).await?;
        let view = self.plugin_view(&versions, &arranged, running);
        let kept = versions.iter().filter(|version| version.state != State::Removed);
        let kept = kept.map(|row| VersionView::new(row, self.standing(row, &versions, &arranged, running)));
        Ok(view.map(|view| PluginView { versions: kept.collect(), ..view }))
    }

    /// None for a plugin that was removed.
    fn plugin_view(
        &self,
        versions: &[Plugin],
        arranged: &Arranged,
        running: Option<&Running<'_>>,
    ) -> Option<PluginView> {
        let pin = versions.first().and_then(|row| self.pin(&row.id));
        let pinned = versions.iter().find(|row| pin == Some(&row.digest) && row.state != State::Removed);
        let active = || versions.iter().find(|row| matches!(row.state, State::Active | State::Paused));
        let active = pinned.or_else(active);
        let rejected = || {
            // What was refused before the present version came is history.
            let is_news = |row: &&Plugin| match active {
                Some(active) if is_revoked(row) => row.updated_at > active.updated_at,
                Some(_) => !is_set_aside(row),
                None => true,
            };
            let rejected = versions.iter().filter(|row| row.state == State::Rejected);
            rejected.filter(is_news).max_by_key(|row| row.updated_at)
        };
        let waiting = candidate(versions).or_else(rejected);
        let row = active.or(waiting)?;
        let other = waiting.filter(|waiting| waiting.digest != row.digest);
        let manifest = Manifest::from_toml(&row.manifest).ok();
        let planned =
            manifest.as_ref().map(|manifest| plan(&self.config, arranged, manifest)).unwrap_or_default();
        let mut asks: Vec<String> = planned.iter().flat_map(|planned| planned.asked.describe()).collect();
        asks.sort();
        asks.dedup();
        let standing = |row: &Plugin| self.standing(row, versions, arranged, running);
        let Standing { state, mut reason } = standing(row);
        let live = running.and_then(|running| live_view(&row.id, running));
        if let (State::Active, "failed", Some(reason)) = (row.state, state.as_str(), &mut reason) {
            let other = live.as_ref().map(|live| meanwhile::told(&live.version));
            *reason += "; ";
            *reason += other.as_deref().unwrap_or(meanwhile::NOTHING);
        }
        let reach = arranged.reach(&self.config, &row.id);
        Some(PluginView {
            id: row.id.clone(),
            kind: row.kind,
            version: row.version.clone(),
            limits: manifest
                .as_ref()
                .map(|manifest| shown_limits(&self.config, manifest))
                .unwrap_or_default(),
            settings_schema: manifest.as_ref().and_then(|manifest| manifest.settings.clone()),
            description: manifest.map(|manifest| manifest.description).unwrap_or_default(),
            state,
            reason,
            digest: row.digest.clone(),
            size: row.size,
            source: row.source.as_str().to_owned(),
            file: row.file_name.clone(),
            asks,
            bindings: planned.iter().map(|planned| binding_view(row, versions, planned, running)).collect(),
            open_to: reach.into(),
            candidate: other.map(|other| {
                let Standing { state, reason } = standing(other);
                CandidateView { version: other.version.clone(), digest: other.digest.clone(), state, reason }
            }),
            versions: Vec::new(),
            approved_by: row.approved_by.clone(),
            published_at: row.created_at.to_rfc3339(),
            live,
        })
    }
}

/// The limits in force for each call of a plugin.
pub fn shown_limits(config: &Config, manifest: &Manifest) -> BTreeMap<&'static str, u64> {
    config.limits(manifest).shown().into_iter().collect()
}

/// Whether a running server serves exactly this version.
pub(super) fn serves(running: &Running<'_>, row: &Plugin) -> bool {
    running.catalogue.plugin(&row.id).is_some_and(|generation| generation.inspection().digest == row.digest)
}

fn binding_view(
    row: &Plugin,
    versions: &[Plugin],
    planned: &Planned,
    running: Option<&Running<'_>>,
) -> BindingView {
    let (state, missing) = match &planned.readiness {
        Readiness::Ready => ("ready", Vec::new()),
        Readiness::Pending(missing) => ("pending_approval", missing.clone()),
        Readiness::Unfit(reason) => ("unfit_settings", vec![reason.clone()]),
        lacking @ Readiness::Lacking { .. } => ("missing_secret", lacking.fault().into_iter().collect()),
    };
    let written_in = match planned.written.as_ref().map(|binding| &binding.written) {
        None => "plugin",
        Some(Written::Configuration { .. }) => "hardpoint.toml",
        Some(Written::Store) => "store",
    };
    let live = running.and_then(|running| running.catalogue.binding(&planned.name));
    let paused_until = live.map(|binding| binding.paused_until());
    BindingView {
        name: planned.name.clone(),
        state: state.to_owned(),
        written_in: written_in.to_owned(),
        settings: planned.settings.clone(),
        secrets: planned.written.as_ref().map(|binding| binding.secrets.clone()).unwrap_or_default(),
        allowed: planned.permissions.describe(),
        missing,
        remedy: planned.remedy(&row.id, named(versions, row)),
        warnings: planned.warnings.clone(),
        paused: paused_until.map(|until| until.is_some()),
        paused_until: paused_until.flatten().map(Timestamp::to_rfc3339),
    }
}

fn live_view(id: &str, running: &Running<'_>) -> Option<LiveView> {
    let generation = running.catalogue.plugin(id)?;
    let draining = running.runtime.draining();
    let drained: u32 = draining.iter().filter(|old| old.manifest().id == id).map(|old| old.live()).sum();
    let seen = generation.shared().stats.snapshot();
    Some(LiveView {
        version: generation.manifest().version.clone(),
        digest: generation.inspection().digest.clone(),
        generation: generation.number(),
        sandboxes: generation.live() + drained,
        calls: seen.calls,
        cpu_ms: seen.cpu_micros as f64 / 1e3,
        cpu_us: seen.cpu.into(),
        wall_us: seen.wall.into(),
        memory_peak: seen.memory_peak,
        faults: seen.faults,
        failures: seen.failures,
        errors: seen.errors.into_iter().map(ErrorView::from).collect(),
        egress: seen
            .egress
            .into_iter()
            .map(|(origin, sent)| (origin, SentView { requests: sent.requests, failures: sent.failures }))
            .collect(),
    })
}

impl From<Percentiles> for Spread {
    fn from(of: Percentiles) -> Self {
        Self { p50: of.p50, p95: of.p95, p99: of.p99 }
    }
}

impl From<LastError> for ErrorView {
    fn from(error: LastError) -> Self {
        Self {
            time: error.time.to_rfc3339(),
            request_id: error.request_id,
            cause: error.cause,
            message: error.message,
        }
    }
}

/// How a version stands.
type Stands<'a> = &'a dyn Fn(&Plugin) -> Standing;

fn file_view(
    name: &str,
    file: &crate::worker::reload::files::SeenFile,
    status: &Status,
    rows: &[Plugin],
    standing: Stands<'_>,
) -> FileView {
    let mut view = FileView {
        name: name.to_owned(),
        size: file.signature.map_or(0, |signature| signature.size),
        state: "rejected".to_owned(),
        reason: None,
        plugin: None,
        digest: None,
    };
    match &file.state {
        FileState::Copying(reason) => {
            view.state = "copying".to_owned();
            view.reason = Some(format!("changed a moment ago and not complete yet: {reason}"));
        }
        FileState::Rejected(reason) => view.reason = Some(reason.clone()),
        FileState::Version { id, version, digest } => {
            view.plugin = Some(id.clone());
            view.digest = Some(digest.clone());
            if let Some(reason) = status.unpublished.get(name) {
                view.state = "failed".to_owned();
                view.reason = Some(format!("version {version} cannot be published: {reason}"));
                return view;
            }
            let row = rows.iter().find(|row| row.id == *id && row.digest == *digest);
            // The newer one may have been discarded: what serves all the same is not out of the game.
            let counts = row.is_some_and(|row| matches!(row.state, State::Active | State::Paused));
            match status.winners.get(id).filter(|(winner, _)| winner != name && !counts) {
                Some((winner, _)) => {
                    view.state = "superseded".to_owned();
                    view.reason = Some(format!(
                        "version {version}; {winner} holds a newer version of {id}, or a newer file of the same, and \
                         speaks for it as long as it is there"
                    ));
                }
                None => of_version(&mut view, row, standing),
            }
        }
    }
    view
}

fn remembered_file(file: plugin_files::PluginFile, rows: &[Plugin], standing: Stands<'_>) -> FileView {
    let digest = file.digest.filter(|_| file.state != State::Rejected);
    let row = digest.as_ref().and_then(|digest| rows.iter().find(|row| row.digest == *digest));
    let mut view = FileView {
        name: file.name,
        size: file.size,
        state: file.state.as_str().to_owned(),
        reason: file.reason,
        plugin: row.map(|row| row.id.clone()),
        digest,
    };
    of_version(&mut view, row, standing);
    view
}

/// A file is as well off as the version that it holds.
fn of_version(view: &mut FileView, row: Option<&Plugin>, standing: Stands<'_>) {
    if let Some(Standing { state, reason }) = row.map(standing) {
        view.state = state;
        view.reason = reason;
    }
}
