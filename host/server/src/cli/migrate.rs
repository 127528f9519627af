//! `hardpoint migrate`: the database's version, apart from starting a host.

use clap::Args;
use serde_json::json;

use super::{Common, Failure, block_on, print_json};
use crate::config::Config;
use crate::start::{migrate_store, pending_migrations};
use crate::system;

#[derive(Args)]
#[command(after_help = "Examples:
  hardpoint migrate                    before new hosts are started, where database.migrate is \"command\"
  hardpoint migrate --check            fails where there is something to apply

All that is missing is applied in one transaction, or nothing is. No migration leads back: a database that a newer
program made is refused. Keep a copy of it before, if you may have to return to the older one.")]
pub(super) struct Arguments {
    /// Only say what would be applied; fail if there is anything.
    #[arg(long)]
    check: bool,
    /// Answer in JSON, for programs.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(common: &Common, arguments: &Arguments) -> Result<(), Failure> {
    let config = common.load()?;
    block_on(migrate(&config, arguments))?
}

async fn migrate(config: &Config, arguments: &Arguments) -> Result<(), Failure> {
    let pending = pending_migrations(config).await?;
    if !arguments.check {
        migrate_store(config, &system::clock()).await?.close().await;
    }
    let names: Vec<_> =
        pending.iter().map(|step| json!({"version": step.version, "name": step.name})).collect();
    if arguments.json {
        print_json(&json!({ "applied": !arguments.check, "migrations": names }))?;
    } else if pending.is_empty() {
        println!("The database is at the version of this program.");
    } else {
        println!("{}", if arguments.check { "To be applied:" } else { "Applied:" });
        pending.iter().for_each(|step| println!("  {:>4}  {}", step.version, step.name));
    }
    if !arguments.check || pending.is_empty() {
        return Ok(());
    }
    let lacks = anyhow::anyhow!("the database lacks migrations: `hardpoint migrate` applies them");
    Err(if arguments.json { Failure::Told(Box::new(lacks.into())) } else { lacks.into() })
}
