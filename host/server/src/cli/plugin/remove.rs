//! `hardpoint plugin remove`.

use clap::Args;
use hardpoint_store::plugins::Plugin;
use serde_json::json;

use super::{Failure, confirm, present_for};
use crate::cli::folder;
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
    let versions = desk.kept(id).await?;
    if !(arguments.yes || arguments.json) {
        let named: Vec<&str> = versions.iter().map(|version| version.version.as_str()).collect();
        println!("{id} goes ({}), with its bindings and what they were allowed.", named.join(", "));
        confirm("Remove it?")?;
    }
    desk.remove(&Author::cli(), id).await?;
    desk.store.close().await;
    // Any of them would come again, also one that another had taken the place of.
    let left = folder::files_of(&desk.config, id);
    let is_declared = desk.config.declared.contains_key(id);
    if arguments.json {
        let version = |of: &Plugin| json!({ "version": of.version, "digest": of.digest });
        return hints.print_json(&json!({
            "id": id,
            "versions": versions.iter().map(version).collect::<Vec<_>>(),
            "files_left": left,
            "declared": is_declared,
        }));
    }
    println!("Removed. A running server follows within a second; what is under way is finished.");
    if is_declared {
        println!("What hardpoint.toml says under [plugins.{id}] stays, and holds for one that comes again.");
    }
    for file in &left {
        println!(
            "The file {file} stays in the plugins folder: delete it too, or the plugin may come again with it."
        );
    }
    Ok(())
}
