//! `hardpoint plugin enable` and `disable`.

use clap::Args;
use serde_json::json;

use super::{Failure, present_for};
use crate::cli::print_json;
use crate::config::Config;
use crate::service::events::Author;
use crate::service::plugins::DeskError;
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
    /// Answer in JSON, for programs.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(config: Config, arguments: &Arguments, enabled: bool) -> Result<(), Failure> {
    let whom = arguments.organization.clone().map_or(For::Others, For::Organization);
    let enabled = (!arguments.clear).then_some(enabled);
    let desk = present_for(config, &arguments.id).await?;
    let openness = desk.enable(&Author::cli(), &arguments.id, whom, enabled).await.map_err(with_ids)?;
    desk.store.close().await;
    if arguments.json {
        let Openness { others, organizations, declared } = &openness;
        return print_json(&json!({
            "id": arguments.id,
            "others": others,
            "organizations": organizations,
            "declared": declared,
        }));
    }
    tell(&arguments.id, &openness)
}

/// Whoever names an organisation by its name learns where its id stands.
fn with_ids(error: DeskError) -> DeskError {
    match error {
        DeskError::Invalid { field, reason } if field == "organization_id" => {
            let reason = format!("{reason}: name it by its id, which `hardpoint org list` tells");
            DeskError::Invalid { field: "--organization".to_owned(), reason }
        }
        error => error,
    }
}

fn tell(id: &str, openness: &Openness) -> Result<(), Failure> {
    let word = |is_open: bool| if is_open { "open" } else { "closed" };
    println!("{id} is {} to all organisations", word(openness.others));
    for switch in openness.organizations.iter().filter(|switch| switch.enabled != openness.others) {
        println!("  but {} to {}", word(switch.enabled), switch.organization_id);
    }
    println!("A running server follows within a second.");
    Ok(())
}
