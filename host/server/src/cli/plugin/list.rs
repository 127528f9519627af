//! `hardpoint plugin list`.

use std::collections::BTreeSet;
use std::path::Path;

use clap::Args;
use hardpoint_store::StoreError;

use super::{Failure, count, look, no_store, paused, shown_remedy};
use crate::cli::hints::Hints;
use crate::config::Config;
use crate::loaded::outdated;
use crate::service::plugins::Desk;
use crate::service::plugins::meanwhile::is_here;
use crate::service::plugins::view::{FileView, Overview, PluginView};
use crate::system;
use crate::worker::pauses::{self, Pause};
use crate::worker::reload::folder::{Entry, Folder};
use crate::worker::reload::whereabouts::missing;

#[derive(Args)]
pub(in crate::cli) struct Arguments {
    /// Name every file of the plugins folder, also those whose versions serve, were superseded or removed.
    #[arg(long)]
    all: bool,
    /// Answer in JSON, for programs.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(config: Config, arguments: &Arguments, hints: &Hints) -> Result<(), Failure> {
    let folder = config.plugins_folder();
    let mut overview = if let Some(desk) = look(&config).await? {
        let mut overview = desk.overview(None).await?;
        mark_missing(&desk, &mut overview.plugins).await?;
        desk.store.close().await;
        overview
    } else if folder.is_dir() {
        // Files that wait for the first host to start.
        Overview { plugins: Vec::new(), files: Vec::new() }
    } else {
        return Err(no_store(&config));
    };
    add_unseen_files(&folder, &mut overview);
    mark_paused(&pauses::read(&config.server.data, system::clock().now()), &mut overview);
    if arguments.json {
        return hints.print_json(&overview);
    }
    let Overview { plugins, files } = overview;
    if plugins.is_empty() && files.is_empty() {
        println!("There are no plugins. Copy one to {}.", folder.display());
        return Ok(());
    }
    if !plugins.is_empty() {
        print_plugins(&plugins, hints);
    }
    let mut is_first = plugins.is_empty();
    let (new, bad): (Vec<&FileView>, Vec<&FileView>) =
        files.iter().filter(|file| file.plugin.is_none()).partition(|file| file.state == NEW);
    let are = if bad.len() == 1 { "that is no plugin" } else { "that are no plugin" };
    let known = files.iter().filter(|file| arguments.all && file.plugin.is_some()).collect();
    for (files, which) in [(known, "with a plugin"), (new, "that no host has looked at yet"), (bad, are)] {
        if files.is_empty() {
            continue;
        }
        if !std::mem::take(&mut is_first) {
            println!("");
        }
        print_files(&files, &folder, which);
    }
    if let Some(note) = outdated(&config) {
        println!("\nNote: {note}.");
    }
    Ok(())
}

fn print_files(files: &[&FileView], folder: &Path, which: &str) {
    println!("{} in {} {which}:", count(files.len(), "file"), folder.display());
    for FileView { name, state, reason, .. } in files {
        let reason = reason.as_ref().map(|why| format!(", {why}")).unwrap_or_default();
        println!("  {name}: {state}{reason}");
    }
}

fn print_plugins(plugins: &[PluginView], hints: &Hints) {
    let rows: Vec<[&str; 4]> = plugins
        .iter()
        .map(|plugin| [plugin.id.as_str(), plugin.version.as_str(), kind(plugin), plugin.state.as_str()])
        .collect();
    let header = ["PLUGIN", "VERSION", "KIND", "STATE"];
    let width = |column: usize| rows.iter().chain([&header]).map(|row| row[column].len()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..4).map(width).collect();
    let print = |row: &[&str; 4]| {
        let cells: Vec<String> =
            row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        println!("{}", cells.join("  ").trim_end());
    };
    print(&header);
    for (row, plugin) in rows.iter().zip(plugins) {
        print(row);
        if let Some(reason) = &plugin.reason {
            println!("    {}", hints.text(reason));
        }
        if !plugin.open_to.others || !plugin.open_to.except.is_empty() {
            println!("    open to {}", plugin.open_to);
        }
        for binding in
            plugin.bindings.iter().filter(|binding| plugin.state == "active" && plugin.waits_for(binding))
        {
            let remedy = binding.remedy.as_ref().map(|remedy| format!("; {}", shown_remedy(remedy, hints)));
            let remedy = remedy.unwrap_or_default();
            println!(
                "    binding {}: {}, {}{remedy}",
                binding.name,
                binding.state,
                binding.missing.join("; ")
            );
        }
        for binding in &plugin.bindings {
            if let Some(until) = &binding.paused_until {
                println!("    binding {}: {}", binding.name, paused(&plugin.id, until));
            }
        }
        if let Some(candidate) = &plugin.candidate {
            let reason = candidate.reason.as_ref().map(|why| format!(", {why}")).unwrap_or_default();
            println!("    version {}: {}{}", candidate.version, candidate.state, hints.text(&reason));
        }
    }
}

fn kind(plugin: &PluginView) -> &'static str {
    use hardpoint_domain::manifest::Kind;
    match plugin.kind {
        Kind::Model => "model",
        Kind::Exporter => "exporter",
        Kind::Tool => "tool",
        Kind::Retriever => "retriever",
    }
}

/// Versions that are to serve, and whose bytes the host over this data folder lacks: other hosts may have them.
async fn mark_missing(desk: &Desk, plugins: &mut [PluginView]) -> Result<(), StoreError> {
    // Where no host ever was, none lacks anything.
    if !desk.config.blobs_folder().is_dir() {
        return Ok(());
    }
    for plugin in plugins.iter_mut().filter(|plugin| plugin.state == "active") {
        if !is_here(&desk.store, &plugin.digest).await {
            plugin.state = "failed".to_owned();
            plugin.reason = Some(format!("{}; {}", missing(&desk.config), desk.meanwhile(&plugin.id).await?));
        }
    }
    Ok(())
}

/// Bindings that the host over this data folder pauses at the moment.
fn mark_paused(paused: &[Pause], overview: &mut Overview) {
    for binding in overview.plugins.iter_mut().flat_map(|plugin| &mut plugin.bindings) {
        if let Some(pause) = paused.iter().find(|pause| pause.binding == binding.name) {
            binding.paused = Some(true);
            binding.paused_until = Some(pause.until.to_rfc3339());
        }
    }
}

/// The state of a file that no host has looked at.
const NEW: &str = "new";

/// Files that no server has looked at yet.
fn add_unseen_files(path: &Path, overview: &mut Overview) {
    let entries = path.is_dir().then(|| Folder::at(path).ok()?.entries().ok()).flatten().unwrap_or_default();
    let known: BTreeSet<String> = overview.files.iter().map(|file| file.name.clone()).collect();
    for (name, entry) in entries {
        if known.contains(&name) {
            continue;
        }
        let (size, state, reason) = match entry {
            Entry::File(signature) => (signature.size, NEW, None),
            Entry::Odd(reason) => (0, "rejected", Some(reason)),
        };
        let view = FileView { name, size, state: state.to_owned(), reason, plugin: None, digest: None };
        overview.files.push(view);
    }
    overview.files.sort_by(|one, other| one.name.cmp(&other.name));
}
