//! `hardpoint plugin inspect`.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context;
use bytes::Bytes;
use clap::Args;
use hardpoint_domain::manifest::Manifest;
use hardpoint_runtime::{Inspection, inspect};
use hardpoint_store::plugins::{Plugin, State};
use serde::Serialize;
use serde_json::Value;

use super::{Failure, component, is_file, look, no_store, paused, shown_remedy, whole};
use crate::cli::hints::Hints;
use crate::config::Config;
use crate::loaded::outdated;
use crate::service::plugins::Desk;
use crate::service::plugins::arranged::Arranged;
use crate::service::plugins::plan::{Planned, Readiness, plan};
use crate::service::plugins::settings;
use crate::service::plugins::view::{PluginView, ReachView, VersionView, shown_limits};
use crate::worker::pauses;
use crate::worker::reload::decide::named;
use crate::worker::reload::whereabouts::Whereabouts;

#[derive(Args)]
pub(in crate::cli) struct Arguments {
    /// A component's file, or the id of a published plugin: of its versions the one that waits, else the one that
    /// serves.
    pub(super) target: String,
    /// The version whose digest begins so.
    #[arg(long, value_name = "SHA256")]
    digest: Option<String>,
    /// Answer in JSON, for programs.
    #[arg(long)]
    json: bool,
}

/// Everything that can be said of a component.
#[derive(Serialize)]
struct Report {
    id: String,
    version: String,
    kind: hardpoint_domain::manifest::Kind,
    description: String,
    digest: String,
    size: u64,
    exports: Vec<String>,
    imports: Vec<Import>,
    /// What the manifest asks for, in plain words, whatever the settings.
    asks: Vec<String>,
    /// The limits in force for each of its calls.
    limits: BTreeMap<&'static str, u64>,
    /// JSON Schema of its settings.
    #[serde(skip_serializing_if = "Option::is_none")]
    settings_schema: Option<Value>,
    /// The same, for people.
    #[serde(skip)]
    settings: Vec<String>,
    /// Whom it is open to.
    open_to: ReachView,
    /// `unpublished`, or the state in the store.
    state: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// Why its bytes could not be looked at; then what they import and export is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    lack: Option<String>,
    bindings: Vec<Binding>,
    /// Every version of it that is kept here, the newest first.
    versions: Vec<VersionView>,
}

#[derive(Serialize)]
struct Import {
    name: String,
    /// Whether the host answers it with a stub that refuses.
    stubbed: bool,
}

#[derive(Serialize)]
struct Binding {
    name: String,
    /// Whether nothing of its own keeps it from serving: it serves when the plugin does.
    ready: bool,
    /// Whether it is the one that the plugin has by itself, and waits while others that somebody made are ready.
    unused: bool,
    asks: Vec<String>,
    missing: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<String>,
    warnings: Vec<String>,
    /// Until when the host over this data folder refuses some organisation's calls, after repeated faults.
    #[serde(skip_serializing_if = "Option::is_none")]
    paused_until: Option<String>,
}

pub(super) async fn run(config: Config, arguments: &Arguments, hints: &Hints) -> Result<(), Failure> {
    let target = &arguments.target;
    let report = if is_file(target) {
        if arguments.digest.is_some() {
            let what = format!("--digest is for the id of a published plugin, and `{target}` is a file");
            return Err(Failure::Misuse(what));
        }
        let bytes = component::read(Path::new(target))?;
        let inspection = inspect(&bytes).with_context(|| format!("{target} is no plugin"))?;
        match look(&config).await? {
            Some(desk) => published_report(&desk, inspection).await?,
            None => report(&config, inspection, &Arranged::default(), None),
        }
    } else {
        let desk = look(&config).await?.ok_or_else(|| match Path::new(target) {
            path if path.is_dir() => component::folder(path),
            _ => no_store(&config),
        })?;
        desk.version(target, None).await.map_err(|error| component::missing(target, error))?;
        let digest = whole(&desk, target, arguments.digest.as_ref()).await?;
        let version = desk.version(target, digest.as_deref()).await?;
        let (inspection, lack) = match blob(&desk, &version).await {
            Ok(bytes) => (inspect(&bytes).context("the stored component cannot be read")?, None),
            Err(lack) => (as_published(&version)?, Some(lack)),
        };
        let lack = match lack {
            // Of another version, its bytes alone are missing.
            Some(lack) if version.state == State::Active => {
                Some(format!("{lack}; {}", desk.meanwhile(target).await?))
            }
            lack => lack,
        };
        Report { lack, ..published_report(&desk, inspection).await? }
    };
    if arguments.json {
        hints.print_json(&report)
    } else {
        print(&report, hints);
        if let Some(note) = outdated(&config).filter(|_| report.state != UNPUBLISHED) {
            println!("Note     {note}");
        }
        Ok(())
    }
}

/// The bytes of a published version; or why they are not here.
pub(super) async fn blob(desk: &Desk, version: &Plugin) -> Result<Bytes, String> {
    let whereabouts = Whereabouts::of(&desk.config, desk.store.blobs(), version);
    whereabouts.bytes(&version.digest).await.map_err(|lack| lack.reason)
}

/// What the store alone can say of a version: not what its bytes import and export.
fn as_published(version: &Plugin) -> Result<Inspection, Failure> {
    Ok(Inspection {
        digest: version.digest.clone(),
        size: version.size,
        manifest: Manifest::from_toml(&version.manifest).context("its manifest cannot be read")?,
        manifest_text: version.manifest.clone(),
        imports: Vec::new(),
        exports: Vec::new(),
    })
}

async fn published_report(desk: &Desk, inspection: Inspection) -> Result<Report, Failure> {
    let (id, digest) = (inspection.manifest.id.clone(), inspection.digest.clone());
    let arranged = desk.arranged().await?;
    let versions = desk.kept(&id).await?;
    let row = versions.iter().find(|row| row.digest == digest);
    let mut report = report(&desk.config, inspection, &arranged, row.and_then(|row| named(&versions, row)));
    report.versions =
        desk.plugin(&id, None).await?.map(|PluginView { versions, .. }| versions).unwrap_or_default();
    if let Some(here) = report.versions.iter().find(|version| version.digest == digest) {
        (report.state, report.reason) = (here.state.clone(), here.reason.clone());
    } else if let Ok(removed) = desk.version(&id, Some(&digest)).await {
        (report.state, report.reason) = (removed.state.as_str().to_owned(), removed.reason);
    }
    let paused = pauses::read(&desk.config.server.data, desk.clock.now());
    for binding in &mut report.bindings {
        let pause = paused.iter().find(|pause| pause.binding == binding.name);
        binding.paused_until = pause.map(|pause| pause.until.to_rfc3339());
    }
    desk.store.close().await;
    Ok(report)
}

fn report(config: &Config, inspection: Inspection, arranged: &Arranged, named: Option<&str>) -> Report {
    let manifest = &inspection.manifest;
    let stubbed: Vec<&str> = inspection.stubbed().collect();
    let imports = inspection
        .imports
        .iter()
        .map(|name| Import { name: name.clone(), stubbed: stubbed.contains(&name.as_str()) })
        .collect();
    let planned = plan(config, arranged, manifest);
    let others = planned.iter().any(Planned::is_ready);
    let bindings = planned.iter().map(|planned| binding(&manifest.id, named, planned, others)).collect();
    Report {
        id: manifest.id.clone(),
        version: manifest.version.clone(),
        kind: manifest.kind,
        description: manifest.description.clone(),
        digest: inspection.digest.clone(),
        size: inspection.size,
        exports: inspection.exports.clone(),
        imports,
        asks: manifest.wishes(),
        limits: shown_limits(config, manifest),
        settings: settings::described(manifest),
        settings_schema: manifest.settings.clone(),
        open_to: arranged.reach(config, &manifest.id).into(),
        state: UNPUBLISHED.to_owned(),
        reason: None,
        lack: None,
        bindings,
        versions: Vec::new(),
    }
}

fn binding(plugin: &str, named: Option<&str>, planned: &Planned, others: bool) -> Binding {
    let missing = match &planned.readiness {
        Readiness::Ready => Vec::new(),
        Readiness::Pending(missing) => missing.clone(),
        faulty => faulty.fault().into_iter().collect(),
    };
    Binding {
        name: planned.name.clone(),
        ready: planned.is_ready(),
        unused: others && !planned.is_ready() && planned.written.is_none(),
        asks: planned.asked.describe(),
        missing,
        remedy: planned.remedy(plugin, named),
        warnings: planned.warnings.clone(),
        paused_until: None,
    }
}

fn print(report: &Report, hints: &Hints) {
    println!("{} {} ({:?})", report.id, report.version, report.kind);
    println!("  {}", report.description);
    println!("Digest   {}", report.digest);
    println!("Size     {} bytes", report.size);
    let reason = report.reason.as_ref().map(|why| format!(": {}", hints.text(why))).unwrap_or_default();
    println!("State    {}{reason}", report.state);
    print_interface(report);
    print_list("Asks to", &report.asks, "nothing");
    print_list("Settings", &report.settings, "none");
    let limits: Vec<String> = report.limits.iter().map(|(name, most)| format!("{name} {most}")).collect();
    println!("Limits   {}", limits.join(", "));
    println!("Open to  {}", report.open_to);
    for binding in &report.bindings {
        print_binding(report, binding, hints);
    }
    print_versions(report);
}

fn print_interface(report: &Report) {
    if let Some(lack) = &report.lack {
        println!("Bytes    {lack}");
        return;
    }
    println!("Exports  {}", report.exports.join(", "));
    println!("Imports");
    for import in &report.imports {
        let stub = if import.stubbed { "  (a stub that refuses every call)" } else { "" };
        println!("  {}{stub}", import.name);
    }
}

fn print_binding(report: &Report, binding: &Binding, hints: &Hints) {
    let state = match (binding.ready, report.state.as_str()) {
        (true, "active") => "ready",
        (true, _) => "allowed all that it asks for; it serves when the plugin does",
        (false, _) if binding.unused => "not used: it waits, and others serve",
        (false, _) => "waits",
    };
    println!("Binding  {}: {state}", binding.name);
    if let Some(until) = &binding.paused_until {
        println!("  {}", paused(&report.id, until));
    }
    for missing in &binding.missing {
        println!("  not allowed: {missing}");
    }
    for warning in &binding.warnings {
        println!("  note: {warning}");
    }
    if let Some(remedy) = &binding.remedy {
        // No command knows what it asks for before it is here.
        let when = if report.state == UNPUBLISHED { ", once it is published" } else { "" };
        println!("  to allow it{when}: {}", shown_remedy(remedy, hints));
    }
}

/// The one that is shown is marked.
fn print_versions(report: &Report) {
    if report.versions.is_empty() {
        return;
    }
    println!("Versions");
    let width = report.versions.iter().map(|version| version.version.len()).max().unwrap_or(0);
    for VersionView { version, digest, state, source, changed_at, .. } in &report.versions {
        let mark = if *digest == report.digest { '*' } else { ' ' };
        let digest = digest.get(..SHORT_DIGEST).unwrap_or(digest);
        let since = changed_at.get(..TO_THE_MINUTE).unwrap_or(changed_at).replace('T', " ");
        println!("{mark} {version:<width$}  {digest}  {state:<16}  {source:<6}  since {since} UTC");
    }
}

/// The state of what is no version of the store.
const UNPUBLISHED: &str = "unpublished";

/// `2026-01-31T12:34`.
const TO_THE_MINUTE: usize = 16;

/// `sha256:` and twelve digits: more than anybody needs to tell versions apart.
const SHORT_DIGEST: usize = 19;

fn print_list(title: &str, items: &[String], none: &str) {
    if items.is_empty() {
        println!("{title}  {none}");
        return;
    }
    println!("{title}");
    for item in items {
        println!("  - {item}");
    }
}
