//! `hardpoint config`.

use std::collections::BTreeMap;
use std::sync::Arc;

use clap::{Args, Subcommand};
use hardpoint_store::StoreError;
use serde_json::{Value, json};

use super::plugin::count;
use super::{Common, Failure, block_on, folder, print_json};
use crate::config::{self, Config, ConfigError, Draft, Problem, Sources};
use crate::service::effective::Effective;
use crate::service::plugins::review::{Known, Review};
use crate::start::open_store_to_read;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Check the configuration, and report everything that is wrong with it at once.
    ///
    /// A problem keeps the host from doing what is written; a warning is about what may come later. Ends with 2
    /// where there is a problem.
    #[command(after_help = "Examples:
  hardpoint config check --config hardpoint.toml
  hardpoint config check --json | jq -r '.problems[] | \"\\(.line): \\(.message)\"'
  HARDPOINT__SERVER__LISTEN=0.0.0.0:80 hardpoint config check")]
    Check(CheckArguments),
    /// Show the configuration as it is now, secrets masked, and where each value comes from.
    #[command(after_help = "Examples:
  hardpoint config show
  hardpoint config show --json | jq -r '.origins[\"server.listen\"]'")]
    Show(CheckArguments),
    /// Print a configuration with a comment for every key.
    #[command(after_help = "Example:
  hardpoint config example > hardpoint.toml")]
    Example,
}

#[derive(Args)]
pub(super) struct CheckArguments {
    /// Answer in JSON, for programs.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(common: &Common, command: &Command) -> Result<(), Failure> {
    match command {
        Command::Example => {
            print!("{}", config::EXAMPLE);
            Ok(())
        }
        Command::Show(arguments) => show(common.load()?, arguments.json),
        Command::Check(arguments) => check(&common.sources(), arguments.json),
    }
}

fn check(sources: &Sources, as_json: bool) -> Result<(), Failure> {
    let (config, review) = match Draft::read(sources) {
        Ok(draft) => {
            let review = review(&draft)?;
            (Some(draft.config), review)
        }
        Err(ConfigError(problems)) => (None, Review { problems, ..Review::default() }),
    };
    let Review { problems, warnings } = review;
    if as_json {
        print_json(&json!({ "file": sources.path(), "problems": problems, "warnings": warnings }))?;
    } else {
        for warning in &warnings {
            println!("Warning: {warning}");
        }
    }
    match config {
        Some(config) if problems.is_empty() => {
            if !as_json {
                tell(sources, &config);
            }
            Ok(())
        }
        _ if as_json => Err(Failure::Told(Box::new(ConfigError(problems).into()))),
        _ => Err(ConfigError(problems).into()),
    }
}

fn show(config: Config, as_json: bool) -> Result<(), Failure> {
    let (_, effective) = block_on(in_store(&config))??;
    let masked = effective.config.masked();
    let mut values = BTreeMap::new();
    flatten("", &masked, &mut values);
    let origins: BTreeMap<&String, String> =
        values.keys().map(|key| (key, origin(&effective, key))).collect();
    if as_json {
        return print_json(&json!({ "config": masked, "origins": origins }));
    }
    for (key, value) in &values {
        println!("{key} = {value}  # {}", origins[key]);
    }
    Ok(())
}

/// Every key that is no table, with its value.
fn flatten(key: &str, value: &Value, values: &mut BTreeMap<String, Value>) {
    match value {
        Value::Object(members) => members.iter().for_each(|(name, member)| {
            let below = if key.is_empty() { name.clone() } else { format!("{key}.{name}") };
            flatten(&below, member, values);
        }),
        Value::Null => {}
        value => drop(values.insert(key.to_owned(), value.clone())),
    }
}

/// Where a value comes from.
fn origin(effective: &Effective, key: &str) -> String {
    let is_changed = |name: &String| key == name || key.starts_with(&format!("{name}."));
    if effective.changed.iter().any(is_changed) {
        return "changed over /configs".to_owned();
    }
    effective.config.places.origin(key).unwrap_or_else(|| "default".to_owned())
}

fn tell(sources: &Sources, config: &Config) {
    match sources.path() {
        Some(path) => {
            println!("{} is fine. A host reads it when it starts: restart one that runs.", path.display())
        }
        None => println!("There is no {}; the defaults and the environment are fine.", config::DEFAULT_FILE),
    }
    println!(
        "listen {}, data in {}, {}, {}.",
        config.server.listen,
        config.server.data.display(),
        count(config.models.len(), "model"),
        count(config.bindings.len(), "binding")
    );
}

/// Everything that is wrong with a draft, by itself and with the plugins that are there.
fn review(draft: &Draft) -> Result<Review, Failure> {
    let Draft { config, problems } = draft;
    let mut problems = problems.clone();
    // Where it is not known which store is meant, another one would be looked at.
    let names_store = |key: &str| key.starts_with("database") || matches!(key, "server" | "server.data");
    let is_known = !problems.iter().any(|problem| names_store(&problem.key));
    let found = if is_known { block_on(in_store(config))? } else { Ok(nothing(config)) };
    let (mut known, effective) = match found {
        Ok(found) => found,
        // Without what the store holds, what stands there would be missed here. An older one is no fault of the
        // configuration: who checks before a roll-out has not rolled out yet.
        Err(error) => {
            let problem = Problem::new("database", format!("no plugin was looked at: {error}"));
            let mut warnings = Vec::new();
            match error {
                StoreError::Older { .. } => warnings.push(problem),
                _ => problems.push(problem),
            }
            return Ok(Review { problems, warnings });
        }
    };
    folder::components(config).for_each(|found| known.add(found.inspection));
    let found = known.review(&effective.config);
    problems.extend(effective.missing());
    problems.extend(found.problems);
    Ok(Review { problems, ..found })
}

/// What the store holds and adds to the configuration, which is nothing where there is none.
async fn in_store(config: &Config) -> Result<(Known, Effective), StoreError> {
    let Some(store) = open_store_to_read(config).await? else { return Ok(nothing(config)) };
    let known = Known::read(&store, config).await?;
    let effective = Effective::read(&mut store.read().await?, &Arc::new(config.clone())).await?;
    store.close().await;
    Ok((known, effective))
}

fn nothing(config: &Config) -> (Known, Effective) {
    (Known::default(), Effective::loaded(Arc::new(config.clone())))
}
