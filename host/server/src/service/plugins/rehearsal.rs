//! What publishing a component would change, without publishing it.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use hardpoint_domain::manifest::{Kind, Manifest};
use hardpoint_runtime::{CallContext, Runtime, ToolDescription};
use hardpoint_store::plugins::{self, Plugin, State};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::plan::{Planned, Readiness, plan};
use super::upload::{UploadError, next};
use super::{Desk, DeskError};
use crate::config::Config;
use crate::worker::reload::decide::other_bytes;
use crate::worker::reload::whereabouts::Whereabouts;

/// What publishing a component would change.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Rehearsal {
    /// From its manifest.
    pub id: String,
    /// From its manifest.
    pub version: String,
    /// SHA-256 of the component.
    pub digest: String,
    /// `model`, `exporter`, `tool` or `retriever`.
    #[schema(value_type = String, example = "tool")]
    pub kind: Kind,
    /// The version that serves now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replaces: Option<String>,
    /// Whether exactly these bytes are what serves, or is paused: publishing them changes nothing.
    pub unchanged: bool,
    /// How exactly these bytes stand now, where they are here already: `active`, `pending_approval` and so on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// What would become of it: that it may serve at once, or what it would wait for.
    pub would: String,
    /// Binding by binding.
    pub bindings: Vec<BindingChange>,
    /// Limits that change.
    pub limits: Vec<Change>,
    /// What a tool says of itself and its arguments, where that changes.
    pub tool: Vec<Change>,
    /// Models that are served by its bindings, or fall back to one that is.
    pub models: Vec<String>,
    /// Export destinations that are served by its bindings.
    pub exporters: Vec<String>,
}

/// A binding before and after.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct BindingChange {
    /// Its name.
    pub name: String,
    /// What the new version asks for and the present one does not, in plain words.
    pub asks_more: Vec<String>,
    /// What the present version asks for and the new one does not.
    pub asks_less: Vec<String>,
    /// What is not allowed yet, or what is wrong with its settings.
    pub missing: Vec<String>,
}

/// One thing before and after.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Change {
    /// What.
    pub name: String,
    /// Before; left out where there was nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// After.
    pub to: String,
}

/// Why there is nothing to tell.
#[derive(Debug, thiserror::Error)]
pub enum RehearsalError {
    /// The bytes could not be kept.
    #[error(transparent)]
    Upload(#[from] UploadError),
    /// The desk's own.
    #[error(transparent)]
    Desk(#[from] DeskError),
}

impl Desk {
    /// What publishing these bytes would change. They are compiled and tried out, and not kept.
    ///
    /// # Errors
    /// They are no plugin, or one that would be refused.
    pub async fn rehearse(&self, runtime: &Runtime, bytes: Bytes) -> Result<Rehearsal, RehearsalError> {
        let generation = runtime.load(bytes).await.map_err(UploadError::Load)?;
        let (manifest, digest) = (generation.manifest().clone(), generation.inspection().digest.clone());
        let versions = self.versions(&manifest.id).await?;
        let present = versions.iter().find(|row| matches!(row.state, State::Active | State::Paused));
        let before = present.and_then(|row| Manifest::from_toml(&row.manifest).ok());
        let arranged = self.arranged().await.map_err(DeskError::from)?;
        let planned = plan(&self.config, &arranged, &manifest);
        let planned_before =
            before.as_ref().map(|before| plan(&self.config, &arranged, before)).unwrap_or_default();
        let names: BTreeSet<&str> = planned.iter().map(|planned| planned.name.as_str()).collect();
        let tool = match (manifest.kind, planned.first()) {
            (Kind::Tool, Some(first)) => {
                let after = describe(runtime, Arc::clone(&generation), first, self).await;
                let then = self.describe_present(runtime, present, planned_before.first()).await;
                tool_changes(then.as_ref(), after.as_ref())
            }
            _ => Vec::new(),
        };
        let is_there = present.filter(|row| row.digest == digest);
        let here = versions.iter().find(|row| row.digest == digest && row.state != State::Removed);
        let is_known = versions.iter().any(|row| row.digest == digest && row.approved_by.is_some());
        let changed = other_bytes(&versions, &manifest.version, &digest);
        Ok(Rehearsal {
            unchanged: is_there.is_some(),
            state: here.map(|row| self.standing(row, &versions, &arranged, None).state),
            would: match (is_there.map(|row| row.state), self.config.declared_off(&manifest.id)) {
                (_, Some(off)) => format!("serve nobody: {off}"),
                (Some(State::Paused), None) => "change nothing: these bytes are here, and paused".to_owned(),
                (Some(_), None) => "change nothing: these bytes serve already".to_owned(),
                (None, None) if self.pin(&manifest.id).is_some_and(|pin| *pin != digest) => {
                    "serve nobody: hardpoint.toml names other bytes under `digest`".to_owned()
                }
                (None, None) if here.is_some_and(is_set_aside) => here.map(set_aside).unwrap_or_default(),
                (None, None) => {
                    let would = verdict(&manifest, &planned, &planned_before, is_known, changed);
                    let is_paused = present.is_some_and(|row| row.state == State::Paused);
                    would + &if is_paused { not_before_resumed(&manifest.id) } else { String::new() }
                }
            },
            replaces: present.map(|row| row.version.clone()),
            bindings: planned.iter().map(|after| binding_change(after, &planned_before)).collect(),
            limits: limit_changes(&self.config, before.as_ref(), &manifest),
            tool,
            models: self.models_on(&names),
            exporters: match manifest.kind {
                Kind::Exporter => names.iter().map(|name| (*name).to_owned()).collect(),
                _ => Vec::new(),
            },
            kind: manifest.kind,
            version: manifest.version,
            id: manifest.id,
            digest,
        })
    }

    async fn versions(&self, id: &str) -> Result<Vec<Plugin>, DeskError> {
        Ok(plugins::versions(&mut self.store.read().await?, id).await?)
    }

    /// What the version that serves says of itself; none where there is none, or it cannot be asked.
    async fn describe_present(
        &self,
        runtime: &Runtime,
        present: Option<&Plugin>,
        planned: Option<&Planned>,
    ) -> Option<ToolDescription> {
        let present = present?;
        let whereabouts = Whereabouts::of(&self.config, self.store.blobs(), present);
        let bytes = whereabouts.bytes(&present.digest).await.ok()?;
        let generation = runtime.load(bytes).await.ok()?;
        describe(runtime, generation, planned?, self).await
    }

    /// Models on these bindings, and those that fall back to them.
    fn models_on(&self, bindings: &BTreeSet<&str>) -> Vec<String> {
        let models = &self.config.models;
        let on: BTreeSet<&str> = models
            .iter()
            .filter(|model| bindings.contains(model.binding.as_str()))
            .map(|model| model.id.as_str())
            .collect();
        let touched = models.iter().filter(|model| {
            on.contains(model.id.as_str()) || model.fallbacks.iter().any(|other| on.contains(other.as_str()))
        });
        touched.map(|model| model.id.clone()).collect()
    }
}

async fn describe(
    runtime: &Runtime,
    generation: Arc<hardpoint_runtime::Generation>,
    planned: &Planned,
    desk: &Desk,
) -> Option<ToolDescription> {
    let spec = planned.spec(&desk.config, generation.manifest());
    let binding = runtime.bind_aside(generation, spec)?;
    let context = CallContext { request_id: "rehearsal".to_owned(), organization: "rehearsal".to_owned() };
    binding.describe_tool(context).await.ok()
}

/// What would become of it, as the reload would decide.
fn verdict(
    manifest: &Manifest,
    planned: &[Planned],
    before: &[Planned],
    is_known: bool,
    changed: Option<&Plugin>,
) -> String {
    let lost = planned.iter().filter(|planned| planned.loses(before));
    let obstacle = |planned: &Planned| planned.obstacle_once_published(&manifest.id);
    let mut obstacles: Vec<String> = lost.filter_map(obstacle).collect();
    if obstacles.is_empty() && !planned.iter().any(Planned::is_ready) {
        obstacles = planned.iter().filter_map(obstacle).collect();
    }
    if !obstacles.is_empty() {
        return format!("wait: {}", obstacles.join("; "));
    }
    if let Some(known) = changed {
        return format!("wait for the approval of its bytes: version {} was {}", known.version, known.digest);
    }
    if is_known {
        return "serve at once".to_owned();
    }
    "wait for the approval of its bytes, published by command or API; from the plugins folder it would serve at once"
        .to_owned()
}

/// Whether bytes are here and nothing comes of bringing them again.
fn is_set_aside(row: &Plugin) -> bool {
    matches!(row.state, State::Superseded | State::Rejected)
}

fn set_aside(row: &Plugin) -> String {
    let why = row.reason.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
    let state = row.state.as_str();
    let next = next(row).map(|command| format!("; let them serve with `{command}`")).unwrap_or_default();
    format!("change nothing: these bytes are here already, and {state}{why}{next}")
}

fn not_before_resumed(id: &str) -> String {
    format!("; the plugin is paused, so nothing of it serves before `hardpoint plugin resume {id}`")
}

fn binding_change(after: &Planned, before: &[Planned]) -> BindingChange {
    let then = before.iter().find(|planned| planned.name == after.name);
    let (then, now) = (then.map(|planned| planned.asked.clone()).unwrap_or_default(), &after.asked);
    // What does not fit was not asked what it asks for.
    let is_known = !matches!(after.readiness, Readiness::Unfit(_));
    BindingChange {
        name: after.name.clone(),
        asks_more: now.beyond(&then),
        asks_less: if is_known { then.beyond(now) } else { Vec::new() },
        missing: match &after.readiness {
            Readiness::Ready => Vec::new(),
            Readiness::Pending(missing) => missing.clone(),
            faulty => faulty.fault().into_iter().collect(),
        },
    }
}

/// Limits as they would be in force, under what the operator allows at most.
fn limit_changes(config: &Config, before: Option<&Manifest>, after: &Manifest) -> Vec<Change> {
    let then = before.map(|before| config.limits(before).shown());
    let then = |name: &str| then.as_ref()?.iter().find(|(known, _)| *known == name).map(|(_, most)| most);
    let change = |(name, to): (&str, u64)| Change {
        name: name.to_owned(),
        from: then(name).map(u64::to_string),
        to: to.to_string(),
    };
    let shown = config.limits(after).shown();
    shown
        .into_iter()
        .map(change)
        .filter(|change| before.is_some() && change.from.as_ref() != Some(&change.to))
        .collect()
}

fn tool_changes(before: Option<&ToolDescription>, after: Option<&ToolDescription>) -> Vec<Change> {
    let Some(after) = after else { return Vec::new() };
    let text = |schema: &Value| serde_json::to_string(schema).unwrap_or_default();
    let pairs = [
        ("description", before.map(|before| before.description.clone()), after.description.clone()),
        ("parameters", before.map(|before| text(&before.parameters)), text(&after.parameters)),
    ];
    pairs
        .into_iter()
        .filter(|(_, from, to)| from.as_ref() != Some(to))
        .map(|(name, from, to)| Change { name: name.to_owned(), from, to })
        .collect()
}
