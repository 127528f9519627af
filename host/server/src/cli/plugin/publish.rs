//! `hardpoint plugin publish`.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use bytes::Bytes;
use clap::Args;
use hardpoint_runtime::HostServices;
use hardpoint_store::plugins::{Source, State};
use serde_json::json;

use super::outlook::Outlook;
use super::{Failure, component, desk, look, passing, workbench};
use crate::cli::hints::Hints;
use crate::cli::serve::compiler;
use crate::config::Config;
use crate::service::events::Author;
use crate::service::kv::StoredKv;
use crate::service::plugins::inspect_upload;
use crate::service::plugins::rehearsal::{Change, Rehearsal};
use crate::service::plugins::upload::next;
use crate::start::open_runtime;
use crate::worker::reload::decide::has_served;

#[derive(Args)]
pub(in crate::cli) struct Arguments {
    /// The packed component.
    file: PathBuf,
    /// Keep nothing, and only tell what publishing it would change.
    #[arg(long)]
    dry_run: bool,
    /// Answer in JSON, for programs.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(config: Config, arguments: &Arguments, hints: &Hints) -> Result<(), Failure> {
    let file = arguments.file.display();
    let bytes = component::read(&arguments.file)?;
    // No store is made, nor brought to another version, for what is no plugin.
    let inspected = inspect_upload(&config, bytes.clone()).await;
    inspected.with_context(|| format!("{file} cannot be published"))?;
    if arguments.dry_run {
        let rehearsal = rehearse(config, bytes).await?;
        return if arguments.json { hints.print_json(&rehearsal) } else { show(&rehearsal, hints) };
    }
    let desk = desk(config).await?;
    let name = arguments.file.file_name().map(|name| name.to_string_lossy().into_owned());
    let kept = desk.upload(&Author::cli(), bytes, Source::Upload, name).await.map_err(anyhow::Error::from)?;
    let outlook = Outlook::find(&desk, &kept.id).await?;
    desk.store.close().await;
    let (id, version, digest) = (&kept.id, &kept.version, &kept.digest);
    let (state, next) = (kept.state.as_str(), next(&kept));
    if arguments.json {
        let serving = outlook.as_ref().and_then(Outlook::serving).map(|serving| &serving.digest);
        return hints.print_json(&json!({
            "id": id, "version": version, "digest": digest, "state": state, "next": next, "serving": serving,
        }));
    }
    let why = kept.reason.as_ref().filter(|_| kept.state == State::Rejected);
    let why = why.map(|why| format!(": {}", hints.text(why))).unwrap_or_default();
    println!("{id} {version} is kept ({state}{why}).");
    let what = match kept.state {
        State::Paused => "Let it serve again: ",
        _ if has_served(&kept) => "Go back to it: ",
        _ => "See what it asks for and allow it: ",
    };
    match next {
        Some(command) => println!("{what}{}", hints.command(&command)),
        None => match desk.config.declared_off(id) {
            Some(off) => println!("These bytes are here already, and serve nobody: {off}."),
            None => println!("These bytes serve already."),
        },
    }
    if let Some(meanwhile) = outlook.and_then(|outlook| outlook.meanwhile(digest)) {
        println!("{meanwhile}");
    }
    Ok(())
}

/// Keeps nothing but what was compiled: beside what the host compiles, if that is here.
async fn rehearse(config: Config, bytes: Bytes) -> Result<Rehearsal, Failure> {
    let (mut desk, _passing) = match look(&config).await? {
        Some(desk) => (desk, None),
        None => passing(config, workbench(None)?).await.map(|(desk, folder)| (desk, Some(folder)))?,
    };
    if !desk.config.server.data.is_dir() {
        Arc::make_mut(&mut desk.config).server.data = workbench(None)?;
    }
    let services = HostServices {
        clock: desk.clock.clone(),
        rng: desk.rng.clone(),
        kv: Arc::new(StoredKv(desk.store.clone())),
    };
    let runtime = open_runtime(&desk.config, compiler()?, services)?;
    let rehearsal = desk.rehearse(&runtime, bytes).await.map_err(anyhow::Error::from)?;
    desk.store.close().await;
    Ok(rehearsal)
}

fn show(rehearsal: &Rehearsal, hints: &Hints) -> Result<(), Failure> {
    let Rehearsal { id, version, digest, .. } = rehearsal;
    match &rehearsal.replaces {
        Some(_) if rehearsal.unchanged => println!("{id} {version} ({digest})"),
        Some(old) => println!("{id} {version} in the place of {old} ({digest})"),
        None => match &rehearsal.state {
            Some(state) => println!("{id} {version}, which is here already: {state} ({digest})"),
            None => println!("{id} {version}, which is not here yet ({digest})"),
        },
    }
    println!("It would {}.", hints.text(&rehearsal.would));
    for binding in &rehearsal.bindings {
        let changes = [
            ("asks for more", &binding.asks_more),
            ("asks no longer", &binding.asks_less),
            ("not allowed", &binding.missing),
        ];
        if changes.iter().all(|(_, lines)| lines.is_empty()) {
            println!("Binding {}: nothing changes in what it asks for and may do", binding.name);
            continue;
        }
        println!("Binding {}", binding.name);
        for (what, lines) in changes {
            for line in lines {
                println!("  {what}: {line}");
            }
        }
    }
    changes("Limits", &rehearsal.limits);
    changes("The tool", &rehearsal.tool);
    if !rehearsal.models.is_empty() {
        println!("Models on it: {}", rehearsal.models.join(", "));
    }
    if !rehearsal.exporters.is_empty() {
        println!("Exporters on it: {}", rehearsal.exporters.join(", "));
    }
    Ok(())
}

fn changes(title: &str, changes: &[Change]) {
    if changes.is_empty() {
        return;
    }
    println!("{title}");
    for Change { name, from, to } in changes {
        match from {
            Some(from) => println!("  {name}: {from} -> {to}"),
            None => println!("  {name}: {to}"),
        }
    }
}
