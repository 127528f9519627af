//! `hardpoint plugin pause`, `resume`, `rollback` and `discard`.

use clap::Args;
use hardpoint_store::plugins::{Plugin, Source};
use serde_json::json;

use super::{Failure, present};
use crate::cli::print_json;
use crate::config::Config;
use crate::service::events::Author;
use crate::service::plugins::discard::Discarded;
use crate::service::plugins::narrow::TakenBack;
use crate::service::plugins::switch::RolledBack;

#[derive(Args)]
pub(in crate::cli) struct Arguments {
    /// The plugin's id.
    id: String,
    /// For programs.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(in crate::cli) struct RollbackArguments {
    /// The plugin's id.
    id: String,
    /// Exactly this version; the one that served before where left out.
    #[arg(long, value_name = "SHA256")]
    digest: Option<String>,
    /// For programs.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(in crate::cli) struct DiscardArguments {
    /// The plugin's id.
    id: String,
    /// Exactly this version, where more than one waits; the one that would serve next where left out.
    #[arg(long, value_name = "SHA256")]
    digest: Option<String>,
    /// For programs.
    #[arg(long)]
    json: bool,
}

pub(super) async fn pause(config: Config, arguments: &Arguments) -> Result<(), Failure> {
    let desk = present(config).await?;
    let paused = desk.pause(&Author::cli(), &arguments.id).await?;
    desk.store.close().await;
    tell(&paused, arguments.json, "is paused; what is under way is finished")
}

pub(super) async fn resume(config: Config, arguments: &Arguments) -> Result<(), Failure> {
    let desk = present(config).await?;
    let resumed = desk.resume(&Author::cli(), &arguments.id).await?;
    desk.store.close().await;
    tell(&resumed, arguments.json, "serves again")
}

pub(super) async fn roll_back(config: Config, arguments: &RollbackArguments) -> Result<(), Failure> {
    let desk = present(config).await?;
    let RolledBack { version: next, taken_back } =
        desk.roll_back(&Author::cli(), &arguments.id, arguments.digest.as_deref()).await?;
    desk.store.close().await;
    if arguments.json {
        let Plugin { id, version, digest, .. } = next;
        return print_json(
            &json!({ "id": id, "version": version, "digest": digest, "taken_back": taken_back }),
        );
    }
    tell(&next, false, "serves as soon as it may; see `hardpoint plugin list`")?;
    show_taken_back(&taken_back, "When it serves, what it does not ask for is no longer allowed:");
    Ok(())
}

pub(super) async fn discard(config: Config, arguments: &DiscardArguments) -> Result<(), Failure> {
    let desk = present(config).await?;
    let digest = arguments.digest.as_deref();
    let Discarded { version: gone, taken_back } = desk.discard(&Author::cli(), &arguments.id, digest).await?;
    desk.store.close().await;
    let Plugin { id, version, digest, source, file_name, .. } = gone;
    if arguments.json {
        return print_json(
            &json!({ "id": id, "version": version, "digest": digest, "taken_back": taken_back }),
        );
    }
    println!("{id} {version} ({digest}) is discarded. What serves goes on.");
    show_taken_back(&taken_back, "What was allowed for its sake is taken back:");
    if let (Source::Folder, Some(file)) = (source, file_name) {
        println!("The file {file} stays in the plugins folder, and is taken up again when it changes.");
    }
    Ok(())
}

/// What bindings are no longer allowed.
fn show_taken_back(taken_back: &TakenBack, title: &str) {
    if !taken_back.is_empty() {
        println!("{title}");
    }
    for (binding, allowed) in taken_back {
        for item in allowed {
            println!("  binding {binding}: {item}");
        }
    }
}

fn tell(version: &Plugin, as_json: bool, what: &str) -> Result<(), Failure> {
    let Plugin { id, version, digest, .. } = version;
    if as_json {
        return print_json(&json!({ "id": id, "version": version, "digest": digest }));
    }
    println!("{id} {version} {what}. A running server follows within a second.");
    Ok(())
}
