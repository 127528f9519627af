//! The command line.

/// In the place of the standard ones, which panic where nobody reads on.
macro_rules! print {
    ($($words:tt)*) => { $crate::cli::terminal::print(&mut ::std::io::stdout(), format_args!($($words)*)) };
}
macro_rules! println {
    ($($words:tt)*) => { print!("{}\n", format_args!($($words)*)) };
}
macro_rules! eprintln {
    ($($words:tt)*) => {
        $crate::cli::terminal::print(&mut ::std::io::stderr(), format_args!("{}\n", format_args!($($words)*)))
    };
}

mod audit;
mod compile;
mod config;
mod credits;
mod folder;
mod hints;
mod key;
mod migrate;
mod org;
mod org_limits;
mod plan;
mod plugin;
mod secrets;
mod serve;
mod siem;
mod terminal;
mod user;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use clap::{Args, CommandFactory, Parser, Subcommand};
use hardpoint_domain::catalogue::Catalogue;
use hardpoint_store::{Store, StoreError};
use serde_json::{Value, json};

use self::hints::Hints;
use crate::config::{Config, ConfigError, Sources};
use crate::service::accounts::Accounts;
use crate::service::effective::Effective;
use crate::service::mail::Post;
use crate::start::{open_store, open_store_to_read};
use crate::{openapi, system};

/// A command that did not do what was asked.
const FAILED: u8 = 1;
/// A command that could not begin: wrong arguments, wrong configuration. clap says 2 as well.
const MISUSED: u8 = 2;

/// A host for AI APIs whose tools, exporters and model adapters are sandboxed plugins.
#[derive(Parser)]
#[command(
    name = "hardpoint",
    version,
    about = "A host for AI APIs whose tools, exporters and model adapters are sandboxed plugins",
    max_term_width = 110,
    after_help = "Examples:
  hardpoint serve                                    start on 127.0.0.1:8080 with everything in ./data
  hardpoint config example > hardpoint.toml          a configuration to begin with
  cp my-exporter.wasm data/plugins/                  publish a plugin
  hardpoint plugin list                              what became of it
  hardpoint plugin grant my-exporter                 allow what it asks for"
)]
struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

/// What every command takes.
#[derive(Args, Clone, Debug)]
struct Common {
    /// The configuration; hardpoint.toml in the working directory where left out, if it is there.
    #[arg(long, global = true, value_name = "FILE", help_heading = "Where it works")]
    config: Option<PathBuf>,
    /// The folder for everything the host keeps on this machine; `server.data` of the configuration where left out,
    /// which is ./data unless it says otherwise.
    #[arg(long, global = true, value_name = "DIR", help_heading = "Where it works")]
    data: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Command {
    /// Start the server.
    Serve(serve::Arguments),
    /// Check a configuration, or print an example of one.
    #[command(subcommand)]
    Config(config::Command),
    /// Print the OpenAPI document of what is served.
    #[command(after_help = "Example:
  hardpoint openapi > openapi.json")]
    Openapi,
    /// Look at plugins, allow what they ask for, try them out.
    #[command(subcommand, after_help = plugin::GROUPS)]
    Plugin(plugin::Command),
    /// Make organisations, and put them on plans.
    #[command(subcommand)]
    Org(org::Command),
    /// Look at the plans that organisations may be on.
    #[command(subcommand)]
    Plan(plan::Command),
    /// Look at organisations' credits, add some, set budgets.
    #[command(subcommand)]
    Credits(credits::Command),
    /// Make API keys, renew them, take them away.
    #[command(subcommand)]
    Key(key::Command),
    /// Invite people, say what they are, let them in or not.
    #[command(subcommand)]
    User(user::Command),
    /// Check that the audit log is what it was, and sign what it is.
    #[command(subcommand)]
    Audit(audit::Command),
    /// Keep secrets, sealed, for plugins and the host.
    #[command(subcommand)]
    Secrets(secrets::Command),
    /// Look at standing destinations of the audit log, pause and resume them, deliver again.
    #[command(subcommand)]
    Siem(siem::Command),
    /// Bring the database to the version of this program.
    Migrate(migrate::Arguments),
    /// Compile a component from standard input; the host starts this itself.
    #[command(hide = true)]
    CompileComponent(compile::Arguments),
}

/// Why a command ended badly.
enum Failure {
    /// The configuration: reported as it is.
    Config(ConfigError),
    /// Wrong arguments that clap could not know of.
    Misuse(String),
    /// Everything else.
    Other(anyhow::Error),
    /// One that stands in the JSON that was printed already.
    Told(Box<Failure>),
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::Config(error)
    }
}

impl<E: Into<anyhow::Error>> From<E> for Failure
where
    E: NotConfig,
{
    fn from(error: E) -> Self {
        Self::Other(error.into())
    }
}

/// Every error but the configuration's.
trait NotConfig {}
impl NotConfig for anyhow::Error {}
impl NotConfig for std::io::Error {}
impl NotConfig for serde_json::Error {}
impl NotConfig for hardpoint_store::StoreError {}
impl NotConfig for crate::service::plugins::DeskError {}
impl NotConfig for crate::error::ApiError {}

/// What `main` does.
pub fn main() -> ExitCode {
    let words = understood(std::env::args_os().collect());
    let as_json = words.iter().any(|word| word == "--json");
    let cli = match Cli::try_parse_from(words) {
        Ok(cli) => cli,
        Err(error) => {
            if as_json && error.use_stderr() {
                let text = error.to_string();
                println!("{}", json!({ "error": "misuse", "message": sentence(&text) }));
            }
            error.exit()
        }
    };
    let hints = Hints::of(&cli.common);
    let done = match cli.command {
        Command::CompileComponent(arguments) => return compile::run(&arguments),
        Command::Serve(arguments) => serve::run(&cli.common, &arguments),
        Command::Config(command) => config::run(&cli.common, &command),
        Command::Openapi => {
            println!("{}", openapi::json());
            Ok(())
        }
        Command::Plugin(command) => plugin::run(&cli.common, command),
        Command::Org(command) => org::run(&cli.common, command),
        Command::Plan(command) => plan::run(&cli.common, &command),
        Command::Credits(command) => credits::run(&cli.common, command),
        Command::Key(command) => key::run(&cli.common, command),
        Command::User(command) => user::run(&cli.common, command),
        Command::Audit(command) => audit::run(&cli.common, command),
        Command::Secrets(command) => secrets::run(&cli.common, command),
        Command::Siem(command) => siem::run(&cli.common, command),
        Command::Migrate(arguments) => migrate::run(&cli.common, &arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(&hints, as_json),
    }
}

/// What clap says is wrong, on one line, without how the command is used.
fn sentence(text: &str) -> String {
    let said = text.split("\n\n").next().unwrap_or_default();
    let words: Vec<&str> = said.split_whitespace().collect();
    words.join(" ").trim_start_matches("error: ").to_owned()
}

impl Failure {
    /// Tells people, and the program that asked for JSON, what went wrong; gives how the command ends.
    fn report(&self, hints: &Hints, as_json: bool) -> ExitCode {
        let text = hints.text(&self.text());
        if as_json && !matches!(self, Self::Told(_)) {
            // On one line: commands that go on print such lines.
            println!("{}", self.to_json(&text));
        }
        eprintln!("hardpoint: {text}");
        ExitCode::from(self.code())
    }

    fn text(&self) -> String {
        match self {
            Self::Config(error) => error.to_string(),
            Self::Misuse(text) => text.clone(),
            Self::Other(error) => format!("{error:#}"),
            Self::Told(failure) => failure.text(),
        }
    }

    fn to_json(&self, text: &str) -> Value {
        match self {
            Self::Config(error) => json!({ "error": "configuration", "message": text, "problems": error.0 }),
            Self::Misuse(_) => json!({ "error": "misuse", "message": text }),
            Self::Other(_) | Self::Told(_) => json!({ "error": "failed", "message": text }),
        }
    }

    fn code(&self) -> u8 {
        match self {
            Self::Config(_) | Self::Misuse(_) => MISUSED,
            Self::Other(_) => FAILED,
            Self::Told(failure) => failure.code(),
        }
    }
}

/// What somebody wrote, without the flag of `help --help`: clap takes it for the name of a command there.
fn understood(mut words: Vec<OsString>) -> Vec<OsString> {
    let is_flag = |word: &OsString| word == "--help" || word == "-h";
    let mut command = Cli::command();
    for at in 1..words.len() {
        if words[at] == "help" && command.has_subcommands() {
            words.truncate(words.iter().rposition(|word| !is_flag(word)).map_or(at, |last| last + 1));
            break;
        }
        let Some(next) = command.find_subcommand(&words[at]) else { break };
        command = next.clone();
    }
    words
}

impl Common {
    fn sources(&self) -> Sources {
        Sources { data: self.data.clone(), ..Sources::of_process(self.config.clone()) }
    }

    fn load(&self) -> Result<Config, ConfigError> {
        Config::load(&self.sources())
    }
}

/// Organisations and keys in the configured store.
async fn accounts(config: &Config) -> anyhow::Result<Accounts> {
    let (clock, rng) = (system::clock(), system::rng());
    let store = open_store(config, &clock).await?;
    let plans = plans(&store, config).await?;
    Ok(Accounts { store, post: Post::open(config, rng.clone())?, clock, rng, plans })
}

/// The same for who only looks: makes and changes nothing.
async fn accounts_to_read(config: &Config) -> Result<Accounts, Failure> {
    let (clock, rng) = (system::clock(), system::rng());
    let found = open_store_to_read(config).await.context("the store cannot be opened")?;
    let store = found.ok_or_else(|| plugin::no_store(config))?;
    let plans = plans(&store, config).await?;
    Ok(Accounts { store, post: Post::closed(rng.clone()), clock, rng, plans })
}

/// What the plans are, with what operators changed over the API.
async fn plans(store: &Store, config: &Config) -> Result<Arc<Catalogue>, StoreError> {
    let config = Arc::new(config.clone());
    Ok(Effective::read(&mut store.read().await?, &config).await?.config.plans.clone())
}

/// Does something to organisations and keys, or only looks at them, and closes their store behind it.
fn with_accounts(
    common: &Common,
    looks: bool,
    act: impl AsyncFnOnce(&Accounts) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let config = common.load()?;
    block_on(async {
        let accounts = match looks {
            true => accounts_to_read(&config).await?,
            false => accounts(&config).await?,
        };
        let done = act(&accounts).await;
        accounts.store.close().await;
        done
    })?
}

/// Runs a command that waits for things, on as many threads as it needs: one.
fn block_on<T>(task: impl Future<Output = T>) -> anyhow::Result<T> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(task))
}

/// Prints JSON for programs.
fn print_json(value: &impl serde::Serialize) -> Result<(), Failure> {
    println!("{}", serde_json::to_string_pretty(value)?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_has_an_example() {
        fn without(command: &clap::Command) -> Vec<String> {
            if command.is_hide_set() {
                return Vec::new();
            }
            let below: Vec<String> = command.get_subcommands().flat_map(without).collect();
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let lacks = !command.has_subcommands() && !help.contains("Example");
            below.into_iter().chain(lacks.then(|| command.get_name().to_owned())).collect()
        }
        assert_eq!(without(&Cli::command()), Vec::<String>::new());
    }

    #[test]
    fn help_of_help_is_help() {
        let shown = |words: &str| {
            let words = understood(words.split(' ').map(OsString::from).collect());
            Cli::try_parse_from(words).err().map(|error| (error.kind(), error.to_string()))
        };
        for of in ["hardpoint", "hardpoint plugin", "hardpoint config"] {
            let help = shown(&format!("{of} help"));
            assert_eq!(help.as_ref().map(|(kind, _)| *kind), Some(clap::error::ErrorKind::DisplayHelp));
            assert_eq!(shown(&format!("{of} help --help")), help, "{of}");
            assert_eq!(shown(&format!("{of} help -h")), help, "{of}");
        }
        assert_eq!(shown("hardpoint plugin help pack --help"), shown("hardpoint plugin help pack"));
        // A plugin may be called so.
        assert!(shown("hardpoint plugin pause help").is_none());
        assert_eq!(shown("hardpoint plugin pause help --help"), shown("hardpoint plugin pause --help"));
    }

    #[test]
    fn a_mistake_is_told_whole_and_on_one_line() {
        let error = |words: &[&str]| sentence(&Cli::try_parse_from(words).err().unwrap().to_string());
        assert_eq!(
            error(&["hardpoint", "plugin", "grant"]),
            "the following required arguments were not provided: <ID>"
        );
        assert_eq!(error(&["hardpoint", "no"]), "unrecognized subcommand 'no'");
    }

    #[test]
    fn common_arguments_may_come_last() {
        let words = ["hardpoint", "plugin", "list", "--config", "a.toml", "--data", "d"];
        let cli = Cli::try_parse_from(words).unwrap();
        assert_eq!(cli.common.config, Some("a.toml".into()));
        assert_eq!(cli.common.data, Some("d".into()));
    }
}
