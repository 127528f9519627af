//! `hardpoint plugin`: works on the store and the plugins folder, whether or not a server is running.

mod bind;
mod call;
mod component;
mod dev;
mod enable;
mod grant;
mod inspect;
mod list;
mod outlook;
mod project;
mod publish;
mod record;
mod remove;
mod shelf;
mod switch;
mod test;

use std::io::{BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use clap::Subcommand;
use tempfile::TempDir;

use super::hints::Hints;
use super::{Common, Failure, block_on};
use crate::config::{Config, Sources};
use crate::service::effective::Effective;
use crate::service::plugins::Desk;
use crate::start::{open_store, open_store_to_read};
use crate::system;

/// What somebody who sees all commands for the first time needs to choose one.
pub(super) const GROUPS: &str = "Writing one:      new, dev, build, pack, test, record, call
Looking:          list, inspect, publish --dry-run
Letting it serve: publish, or copy the file to the plugins folder; then grant what it asks for
Settings:         bind and unbind. A binding is a plugin with settings, secrets and what it is allowed, under a
                  name; each plugin has one of its own id by itself
Versions:         rollback to the one before, discard the one that waits
Stopping it:      pause takes nothing away, disable closes it to organisations, revoke takes back what it was
                  allowed, remove takes all of it away";

#[derive(Subcommand)]
pub(super) enum Command {
    /// Begin a plugin: a project that builds, tests and packs as it stands.
    #[command(after_help = "Examples:
  hardpoint plugin new tool word-count
  hardpoint plugin new exporter my-siem --lang python")]
    New(project::NewArguments),
    /// Build a project and pack it into one file.
    #[command(after_help = "Examples:
  hardpoint plugin build my-siem --test
  hardpoint plugin build . --into ../data/plugins")]
    Build(project::BuildArguments),
    /// Build a project whenever it is saved, run it in a host, and show its log.
    #[command(after_help = "Examples:
  hardpoint plugin dev my-siem
  HARDPOINT_API_KEY=hp_… hardpoint plugin dev my-siem --server http://127.0.0.1:8080 --allow

Without --server it starts a host of its own, on a free port, with its data in the project's folder build/dev.
There the plugin is allowed whatever it asks for. That host reads no hardpoint.toml but one named by --config.")]
    Dev(dev::Arguments),
    /// Put a manifest into a component.
    #[command(after_help = "Examples:
  hardpoint plugin pack target/wasm32-wasip2/release/my_siem.wasm
  hardpoint plugin pack my-siem.component.wasm --manifest my-siem.toml --into data/plugins")]
    Pack(project::PackArguments),
    /// List plugins with what they wait for, and the files of the plugins folder that are none.
    #[command(after_help = "Examples:
  hardpoint plugin list
  hardpoint plugin list --all        every file of the plugins folder too
  hardpoint plugin list --json | jq '.plugins[] | select(.state != \"active\")'")]
    List(list::Arguments),
    /// Show what a plugin is, what it asks for, what would allow it, and which versions of it there are.
    #[command(after_help = "Examples:
  hardpoint plugin inspect ./my-exporter.wasm
  hardpoint plugin inspect my-exporter --json
  hardpoint plugin inspect my-exporter --digest 4f2a81c0")]
    Inspect(inspect::Arguments),
    /// Allow a plugin's bindings what they ask for, which is shown first.
    #[command(after_help = "Examples:
  hardpoint plugin grant my-exporter
  hardpoint plugin grant openai --binding openai-eu --yes")]
    Grant(grant::GrantArguments),
    /// Take back what a plugin was allowed: it stops serving.
    #[command(after_help = "Examples:
  hardpoint plugin revoke my-exporter
  hardpoint plugin revoke openai --binding openai-eu --yes")]
    Revoke(grant::RevokeArguments),
    /// Bind a plugin to settings and secrets under a name.
    #[command(after_help = "Examples:
  hardpoint plugin bind openai openai-eu --settings '{\"base_url\": \"https://eu.example.com/v1\"}' --secret api_key=openai-eu
  hardpoint plugin bind datadog --settings @datadog.json")]
    Bind(bind::Arguments),
    /// Remove a binding that was made by `bind` or over the API.
    #[command(after_help = "Example:
  hardpoint plugin unbind openai openai-eu")]
    Unbind(bind::UnbindArguments),
    /// Open a plugin to an organisation, or to all that have no switch of their own.
    #[command(after_help = "Examples:
  hardpoint plugin enable calculator
  hardpoint plugin enable calculator --organization org_0192…
  hardpoint plugin enable calculator --organization org_0192… --clear")]
    Enable(enable::Arguments),
    /// Close a plugin to an organisation, or to all that have no switch of their own.
    #[command(after_help = "Examples:
  hardpoint plugin disable calculator
  hardpoint plugin disable calculator --organization org_0192…")]
    Disable(enable::Arguments),
    /// Publish a component: the host keeps it, and serves it once it is granted.
    #[command(after_help = "Examples:
  hardpoint plugin publish my-exporter.wasm --dry-run
  hardpoint plugin publish my-exporter.wasm && hardpoint plugin grant my-exporter")]
    Publish(publish::Arguments),
    /// Take a plugin out of service without taking anything from it.
    #[command(after_help = "Example:
  hardpoint plugin pause my-exporter        what is under way is finished; `resume` undoes it")]
    Pause(switch::Arguments),
    /// Let a paused plugin serve again.
    #[command(after_help = "Example:
  hardpoint plugin resume my-exporter")]
    Resume(switch::Arguments),
    /// Go back to the version that served before.
    #[command(after_help = "Examples:
  hardpoint plugin rollback my-exporter
  hardpoint plugin rollback openai --digest 4f2a81c0        `hardpoint plugin inspect openai` tells digests")]
    Rollback(switch::RollbackArguments),
    /// Discard the version that waits, and leave the one that serves as it is.
    #[command(after_help = "Examples:
  hardpoint plugin discard my-exporter
  hardpoint plugin discard openai --digest 4f2a81c0")]
    Discard(switch::DiscardArguments),
    /// Take a plugin away, with its bindings and what they were allowed.
    #[command(after_help = "Examples:
  hardpoint plugin remove my-exporter
  hardpoint plugin remove my-exporter --yes && rm data/plugins/my-exporter.wasm")]
    Remove(remove::Arguments),
    /// Call a tool once, or let a retriever read a file, in a sandbox with all limits on.
    #[command(after_help = "Examples:
  hardpoint plugin call calculator --arguments '{\"expression\": \"1 + 1\"}'
  hardpoint plugin call ./my-tool.wasm --describe --settings '{\"units\": \"metric\"}'
  hardpoint plugin call ./my-retriever.wasm --allow --document report.pdf --query 'What did it cost?'")]
    Call(call::Arguments),
    /// Replay recorded exchanges in the real sandbox, and try what every plugin must bear.
    #[command(after_help = "Examples:
  hardpoint plugin test my-model.wasm --recordings tests/recordings
  hardpoint plugin test my-exporter.wasm --conformance --verbose")]
    Test(test::Arguments),
    /// Make a recording of a live exchange, its secrets replaced.
    #[command(after_help = "Example:
  hardpoint plugin record openai.wasm question.json --secret api_key=OPENAI_API_KEY --out recordings/plain.json")]
    Record(record::Arguments),
}

pub(super) fn run(common: &Common, command: Command) -> Result<(), Failure> {
    let data = common.data.as_deref();
    // These know nothing of a host.
    match &command {
        Command::New(arguments) => return project::new(arguments),
        Command::Build(arguments) => return project::build(arguments),
        Command::Pack(arguments) => return project::pack(arguments),
        Command::Test(arguments) => return block_on(test::run(data, arguments))?,
        // Its host clears its folder, so that must be one of its own.
        Command::Dev(_) if common.data.is_some() => {
            let what = "plugin dev keeps its data in the project's folder build/dev: leave --data out";
            return Err(Failure::Misuse(what.to_owned()));
        }
        _ => {}
    }
    let config = match &command {
        // What somebody is just writing gets no secrets but those that are named for it.
        Command::Dev(_) => Config::load(&Sources { only_named: true, ..common.sources() })?,
        Command::Inspect(inspect::Arguments { target, .. })
        | Command::Call(call::Arguments { target, .. })
            if is_file(target) =>
        {
            Config::load_without_secrets(&common.sources())?
        }
        Command::Record(_) => Config::load_without_secrets(&common.sources())?,
        _ => common.load()?,
    };
    let hints = &Hints::of(common);
    block_on(async move {
        match command {
            Command::New(_) | Command::Build(_) | Command::Pack(_) | Command::Test(_) => Ok(()),
            Command::Dev(arguments) => dev::run(config, arguments).await,
            Command::List(arguments) => list::run(config, &arguments, hints).await,
            Command::Inspect(arguments) => inspect::run(config, &arguments, hints).await,
            Command::Grant(arguments) => grant::grant(config, &arguments, hints).await,
            Command::Revoke(arguments) => grant::revoke(config, &arguments, hints).await,
            Command::Bind(arguments) => bind::bind(config, &arguments, hints).await,
            Command::Unbind(arguments) => bind::unbind(config, &arguments).await,
            Command::Enable(arguments) => enable::run(config, &arguments, true).await,
            Command::Disable(arguments) => enable::run(config, &arguments, false).await,
            Command::Remove(arguments) => remove::run(config, &arguments, hints).await,
            Command::Publish(arguments) => Box::pin(publish::run(config, &arguments, hints)).await,
            Command::Pause(arguments) => switch::pause(config, &arguments, hints).await,
            Command::Resume(arguments) => switch::resume(config, &arguments, hints).await,
            Command::Discard(arguments) => switch::discard(config, &arguments, hints).await,
            Command::Rollback(arguments) => switch::roll_back(config, &arguments, hints).await,
            Command::Call(arguments) => Box::pin(call::run(config, data, &arguments)).await,
            Command::Record(arguments) => record::run(config, data, &arguments).await,
        }
    })?
}

/// The operator's desk over the configured store, which is made where there is none.
async fn desk(config: Config) -> Result<Desk, Failure> {
    let (clock, rng) = (system::clock(), system::rng());
    let store = open_store(&config, &clock).await?;
    let config = Effective::read(&mut store.read().await?, &Arc::new(config)).await?.config;
    Ok(Desk { config, store, clock, rng })
}

/// The operator's desk for who only looks: makes and changes nothing. None where there is no store.
async fn look(config: &Config) -> Result<Option<Desk>, Failure> {
    let Some(store) = open_store_to_read(config).await.context("the store cannot be opened")? else {
        return Ok(None);
    };
    let config = Effective::read(&mut store.read().await?, &Arc::new(config.clone())).await?.config;
    Ok(Some(Desk { config, store, clock: system::clock(), rng: system::rng() }))
}

/// A desk where there is no store, over one that goes with the folder: trying something out leaves nothing behind
/// but what was compiled, which stays in `home`.
async fn passing(mut config: Config, home: PathBuf) -> Result<(Desk, TempDir), Failure> {
    let folder = tempfile::tempdir()?;
    config.server.data = folder.path().to_owned();
    config.database.url = None;
    config.storage.blobs = None;
    let mut desk = desk(config).await?;
    Arc::make_mut(&mut desk.config).server.data = home;
    Ok((desk, folder))
}

/// The operator's desk for what is done to a plugin that is there.
async fn present_for(config: Config, id: &str) -> Result<Desk, Failure> {
    component::check_id(id)?;
    let desk = present(config).await?;
    desk.version(id, None).await.map_err(|error| component::missing(id, error))?;
    Ok(desk)
}

/// The whole of a digest that somebody began to write.
async fn whole(desk: &Desk, id: &str, digest: Option<&String>) -> Result<Option<String>, Failure> {
    match digest {
        Some(written) => Ok(Some(desk.digest(id, written).await?)),
        None => Ok(None),
    }
}

/// The operator's desk for what changes a store that is there already.
async fn present(config: Config) -> Result<Desk, Failure> {
    if has_store(&config) { desk(config).await } else { Err(no_store(&config)) }
}

pub(super) fn no_store(config: &Config) -> Failure {
    let data = config.server.data.display();
    let what = if config.database.url.is_some() {
        "no host has kept anything in the database".to_owned()
    } else if config.server.data.is_dir() {
        format!("no host has kept anything in the folder `{data}`")
    } else {
        format!("there is no data folder `{data}` here")
    };
    Failure::Misuse(format!("{what}: run this where the host was started, or name its folder with --data"))
}

/// Whether a target is meant as a file: it is there, or looks like a path.
fn is_file(target: &str) -> bool {
    component::is_path(target) || Path::new(target).is_file()
}

/// Whether there is a store already; looking at a file should not make one.
fn has_store(config: &Config) -> bool {
    config.database.url.is_some() || config.server.data.join("hardpoint.db").exists()
}

/// Asks on the terminal.
fn confirm(question: &str) -> anyhow::Result<()> {
    if !std::io::stdin().is_terminal() {
        bail!("nobody is there to confirm it: add --yes");
    }
    print!("{question} [y/N] ");
    std::io::stdout().flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer).context("no answer")?;
    if matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes") {
        Ok(())
    } else {
        bail!("nothing was changed")
    }
}

/// Where what is tried out leaves its compiled code: the folder that the command line names, or one in the
/// author's cache, of which only what is newest is kept.
fn workbench(data: Option<&Path>) -> anyhow::Result<PathBuf> {
    if let Some(data) = data {
        return Ok(data.to_owned());
    }
    let home = cache_home()?;
    // What cannot be tidied up is no reason not to try a plugin.
    if let Err(error) = shelf::keep_newest(&home.join("cache/compiled"), MOST_KEPT) {
        tracing::debug!(%error, "old code stays in the cache");
    }
    Ok(home)
}

fn cache_home() -> anyhow::Result<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let home = set("XDG_CACHE_HOME").or_else(|| Some(set("HOME")?.join(".cache")));
    let home = home.context("neither XDG_CACHE_HOME nor HOME is set: name a folder with --data")?;
    Ok(home.join("hardpoint").join("call"))
}

/// Components whose code is kept; one in Python takes 50 MB.
const MOST_KEPT: usize = 32;

/// A remedy is a command, or says what to change in a file.
fn shown_remedy(remedy: &str, hints: &Hints) -> String {
    if remedy.starts_with("hardpoint ") { format!("`{}`", hints.command(remedy)) } else { hints.text(remedy) }
}

/// What is said of a binding that the host pauses.
fn paused(plugin: &str, until: &str) -> String {
    format!(
        "paused until {until} for an organisation whose calls failed several times in a row; the `errors` of \
         GET /api/v1/plugins/{plugin} say why"
    )
}

/// `1 plugin`, `2 plugins`.
pub(super) fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}
