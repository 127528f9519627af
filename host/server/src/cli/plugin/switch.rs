//! `hardpoint plugin pause`, `resume` and `rollback`.

use clap::Args;
use hardpoint_store::plugins::Plugin;
use serde_json::json;

use super::{Failure, present};
use crate::cli::print_json;
use crate::config::Config;
use crate::service::events::Author;

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
    let next = desk.roll_back(&Author::cli(), &arguments.id, arguments.digest.as_deref()).await?;
    desk.store.close().await;
    tell(&next, arguments.json, "serves as soon as it may; see `hardpoint plugin list`")
}

fn tell(version: &Plugin, as_json: bool, what: &str) -> Result<(), Failure> {
    let Plugin { id, version, digest, .. } = version;
    if as_json {
        return print_json(&json!({ "id": id, "version": version, "digest": digest }));
    }
    println!("{id} {version} {what}. A running server follows within a second.");
    Ok(())
}
