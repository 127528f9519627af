//! `hardpoint plugin remove`.

use clap::Args;
use serde_json::json;

use super::{Failure, confirm, present_for};
use crate::cli::hints::Hints;
use crate::config::Config;
use crate::service::events::Author;

#[derive(Args)]
pub(in crate::cli) struct Arguments {
    /// The plugin's id.
    id: String,
    /// Do not ask.
    #[arg(long, short)]
    yes: bool,
    /// Answer in JSON, for programs; implies --yes.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(config: Config, arguments: &Arguments, hints: &Hints) -> Result<(), Failure> {
    let id = &arguments.id;
    let desk = present_for(config, id).await?;
    let Some(there) = desk.plugin(id, None).await? else {
        return Err(desk.no_plugin(id).await.into());
    };
    if !(arguments.yes || arguments.json) {
        let names: Vec<&str> = there.bindings.iter().map(|binding| binding.name.as_str()).collect();
        println!(
            "{id} {} goes, with its bindings ({}) and what they were allowed.",
            there.version,
            names.join(", ")
        );
        confirm("Remove it?")?;
    }
    desk.remove(&Author::cli(), id).await?;
    desk.store.close().await;
    let left = there.file.filter(|_| there.source == "folder");
    let is_declared = desk.config.declared.contains_key(id);
    if arguments.json {
        return hints.print_json(&json!({
            "id": id,
            "version": there.version,
            "digest": there.digest,
            "file_left": left,
            "declared": is_declared,
        }));
    }
    println!("Removed. A running server follows within a second; what is under way is finished.");
    if is_declared {
        println!("What hardpoint.toml says under [plugins.{id}] stays, and holds for one that comes again.");
    }
    if let Some(file) = left {
        println!(
            "The file {file} stays in the plugins folder, and is taken up again when it changes{}: delete it too.",
            if there.asks.is_empty() { ", without asking anybody" } else { "" }
        );
    }
    Ok(())
}
