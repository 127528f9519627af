//! `hardpoint plugin enable` and `disable`.

use clap::Args;

use super::{Failure, present};
use crate::cli::print_json;
use crate::config::Config;
use crate::service::events::Author;
use crate::service::plugins::enable::{For, Openness};

#[derive(Args)]
pub(in crate::cli) struct Arguments {
    /// The plugin's id.
    id: String,
    /// Only for this organisation, by its id; for all that have no switch of their own where left out.
    #[arg(long, value_name = "ORG")]
    organization: Option<String>,
    /// Take the organisation's own switch away: what holds for the others holds for it.
    #[arg(long, requires = "organization")]
    clear: bool,
    /// For programs.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(config: Config, arguments: &Arguments, enabled: bool) -> Result<(), Failure> {
    let whom = arguments.organization.clone().map_or(For::Others, For::Organization);
    let enabled = (!arguments.clear).then_some(enabled);
    let desk = present(config).await?;
    let openness = desk.enable(&Author::cli(), &arguments.id, whom, enabled).await?;
    desk.store.close().await;
    if arguments.json { print_json(&openness) } else { tell(&arguments.id, &openness) }
}

fn tell(id: &str, openness: &Openness) -> Result<(), Failure> {
    println!("{id} is {} for all organisations", if openness.others { "on" } else { "off" });
    for switch in openness.organizations.iter().filter(|switch| switch.enabled != openness.others) {
        println!("  but {} for {}", if switch.enabled { "on" } else { "off" }, switch.organization_id);
    }
    println!("A running server follows within a second.");
    Ok(())
}
