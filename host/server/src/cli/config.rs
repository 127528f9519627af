//! `hardpoint config`.

use clap::Subcommand;
use hardpoint_domain::manifest::Manifest;
use hardpoint_runtime::inspect;
use hardpoint_store::plugins;

use super::plugin::{desk, has_store};
use super::{Common, Failure, block_on};
use crate::config::{self, Config, ConfigError, Problem};
use crate::service::plugins::arranged::Arranged;
use crate::service::plugins::plan::{Planned, Readiness, plan};
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
            let Known { manifests, arranged } = known(&config)?;
            let names = manifests.iter().map(|manifest| manifest.id.clone());
            let mut problems = config.unbound(&names.chain(arranged.names()).collect());
            problems.extend(manifests.iter().flat_map(|manifest| unfit(&config, &arranged, manifest)));
            if !problems.is_empty() {
                return Err(ConfigError(problems).into());
            }
            for id in config.declared.keys().filter(|id| manifests.iter().all(|manifest| manifest.id != **id))
            {
                println!("Note: [plugins.{id}] is about a plugin that is not here yet.");
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

/// Plugins and bindings that are there already.
struct Known {
    manifests: Vec<Manifest>,
    arranged: Arranged,
}

/// What the plugins folder and the store hold; looking makes neither.
fn known(config: &Config) -> Result<Known, Failure> {
    let mut known = Known { manifests: in_folder(config), arranged: Arranged::default() };
    if has_store(config) {
        let (rows, arranged) = block_on(async {
            let desk = desk(config.clone()).await?;
            let rows = plugins::desired(&mut desk.store.read().await?).await?;
            let arranged = desk.arranged().await?;
            desk.store.close().await;
            Ok::<_, Failure>((rows, arranged))
        })??;
        known.arranged = arranged;
        known.manifests.extend(rows.iter().filter_map(|row| Manifest::from_toml(&row.manifest).ok()));
    }
    known.manifests.sort_by(|one, other| one.id.cmp(&other.id));
    known.manifests.dedup();
    Ok(known)
}

/// What is wrong with the settings of a plugin's bindings that stand in the configuration.
fn unfit(config: &Config, arranged: &Arranged, manifest: &Manifest) -> Vec<Problem> {
    let problem = |planned: Planned| match (planned.table(), &planned.readiness) {
        (Some(table), Readiness::Unfit(reason)) => {
            let version = format!("{} {}", manifest.id, manifest.version);
            Some(Problem::new(format!("{table}.settings"), format!("for plugin {version}, {reason}")))
        }
        _ => None,
    };
    plan(config, arranged, manifest).into_iter().filter_map(problem).collect()
}

/// Manifests of the plugins in the folder.
fn in_folder(config: &Config) -> Vec<Manifest> {
    let path = config.plugins_folder();
    if !path.is_dir() {
        return Vec::new();
    }
    let Ok(folder) = Folder::at(&path) else { return Vec::new() };
    let entries = folder.entries().unwrap_or_default();
    let limit = config.plugins.max_component_bytes.0;
    let files = entries.into_iter().filter_map(|(name, entry)| match entry {
        Entry::File(signature) if signature.size <= limit => Some((name, signature)),
        _ => None,
    });
    files
        .filter_map(|(name, signature)| match folder.read(&name, signature) {
            Content::Whole(bytes) => Some(inspect(&bytes).ok()?.manifest),
            _ => None,
        })
        .collect()
}
