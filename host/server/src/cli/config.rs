//! `hardpoint config`.

use std::collections::BTreeSet;

use clap::Subcommand;
use hardpoint_runtime::inspect;

use super::{Common, Failure};
use crate::config::{self, Config, ConfigError};
use crate::telemetry;
use crate::worker::reload::folder::{Content, Entry, Folder};

#[derive(Subcommand)]
pub(super) enum Command {
    /// Check the configuration, and report everything that is wrong with it at once.
    #[command(after_help = "Examples:
  hardpoint config check --config hardpoint.toml
  HARDPOINT__SERVER__LISTEN=0.0.0.0:80 hardpoint config check")]
    Check,
    /// Print a configuration with a comment for every key.
    Example,
}

pub(super) fn run(common: &Common, command: &Command) -> Result<(), Failure> {
    match command {
        Command::Example => {
            print!("{}", config::EXAMPLE);
            Ok(())
        }
        Command::Check => {
            let sources = common.sources();
            let config = Config::load(&sources)?;
            telemetry::filter(&config.log.level)?;
            let unbound = config.unbound(&published(&config));
            if !unbound.is_empty() {
                return Err(ConfigError(unbound).into());
            }
            match sources.path() {
                Some(path) => println!("{} is fine.", path.display()),
                None => println!(
                    "There is no {}; the defaults and the environment are fine.",
                    config::DEFAULT_FILE
                ),
            }
            let (bindings, models) = (config.bindings.len(), config.models.len());
            println!(
                "listen {}, data in {}, {models} models, {bindings} bindings.",
                config.server.listen,
                config.server.data.display()
            );
            Ok(())
        }
    }
}

/// Ids of the plugins in the folder.
fn published(config: &Config) -> BTreeSet<String> {
    let path = config.plugins_folder();
    if !path.is_dir() {
        return BTreeSet::new();
    }
    let Ok(folder) = Folder::at(&path) else { return BTreeSet::new() };
    let entries = folder.entries().unwrap_or_default();
    let limit = config.plugins.max_component_bytes.0;
    let files = entries.into_iter().filter_map(|(name, entry)| match entry {
        Entry::File(signature) if signature.size <= limit => Some((name, signature)),
        _ => None,
    });
    files
        .filter_map(|(name, signature)| match folder.read(&name, signature) {
            Content::Whole(bytes) => Some(inspect(&bytes).ok()?.manifest.id),
            _ => None,
        })
        .collect()
}
