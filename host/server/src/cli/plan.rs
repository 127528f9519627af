//! `hardpoint plan`: the plans that there are, as configured and as changed while hosts run.

use std::sync::Arc;

use clap::Subcommand;
use hardpoint_domain::plan;

use super::{Common, Failure, block_on, print_json};
use crate::api::tiers::Tier;
use crate::config::Config;
use crate::service::effective::Effective;
use crate::start::open_store_to_read;

#[derive(Subcommand)]
pub(super) enum Command {
    /// List the plans, from least to most.
    #[command(after_help = "Example:
  hardpoint plan list

[plans.NAME] in hardpoint.toml says what a plan includes; `hardpoint org plan` puts an organisation on one.")]
    List {
        /// For programs.
        #[arg(long)]
        json: bool,
    },
    /// Show all that a plan includes.
    #[command(after_help = "Example:
  hardpoint plan show standard --json")]
    Show {
        /// free, standard (starter), professional or enterprise.
        name: String,
        /// For programs.
        #[arg(long)]
        json: bool,
    },
}

pub(super) fn run(common: &Common, command: &Command) -> Result<(), Failure> {
    let config = Arc::new(common.load()?);
    let plans = block_on(effective(&config))??.config.plans.clone();
    let tier = |id| Tier::new(id, plans.plan(id));
    match command {
        Command::List { json: true } => print_json(&plan::IDS.map(tier)),
        Command::List { json: false } => {
            plan::IDS.map(tier).iter().for_each(|tier| println!("{}", line(tier)));
            Ok(())
        }
        Command::Show { name, json } => {
            let known = || format!("there is no plan {name:?}; there are {}", plan::IDS.join(", "));
            let tier = tier(plan::named(name).ok_or_else(|| Failure::Misuse(known()))?);
            if *json { print_json(&tier) } else { tell(&tier) }
        }
    }
}

/// With what operators changed over the API, where there is a store.
async fn effective(config: &Arc<Config>) -> Result<Effective, Failure> {
    let Some(store) = open_store_to_read(config).await? else { return Ok(Effective::loaded(config.clone())) };
    let effective = Effective::read(&mut store.read().await?, config).await?;
    store.close().await;
    Ok(effective)
}

/// What most want to know, in a line.
fn line(tier: &Tier) -> String {
    let most = |limit: Option<u64>| limit.map_or("-".to_owned(), |limit| limit.to_string());
    format!(
        "{:<13} {:>8} a minute  {:>8} a day  {:>6} seats  {:>6} keys  {:>6} credits a month",
        tier.id,
        most(tier.requests_per_minute),
        most(tier.requests_per_day),
        most(tier.seats),
        most(tier.api_keys),
        most(tier.credits),
    )
}

/// Every member; what is not limited says so.
fn tell(tier: &Tier) -> Result<(), Failure> {
    let members = serde_json::to_value(tier)?;
    for (name, value) in members.as_object().into_iter().flatten() {
        let text = match value {
            serde_json::Value::Null if name == "credits" => "none by themselves".to_owned(),
            serde_json::Value::Null => "no limit".to_owned(),
            serde_json::Value::Array(items) => {
                let words: Vec<_> = items.iter().filter_map(serde_json::Value::as_str).collect();
                if words.is_empty() { "none".to_owned() } else { words.join(", ") }
            }
            serde_json::Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        println!("{:<24} {text}", name.replace('_', " "));
    }
    Ok(())
}
