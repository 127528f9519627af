//! The configuration: built-in defaults, then `hardpoint.toml`, then `HARDPOINT__SECTION__KEY`.
//!
//! One file per section. Unknown keys are refused, and all problems are reported at once, each with its
//! key and where it was written.

mod bindings;
mod check;
mod completions;
mod database;
mod declared;
mod egress;
mod environment;
mod lines;
mod log;
mod plugins;
mod read;
mod secrets;
mod server;
mod units;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

use figment::Figment;
use figment::providers::{Format, Toml};
use figment::value::{Dict, Value};
use hardpoint_domain::limits::Limits;
use hardpoint_domain::manifest::Kind;
use hardpoint_domain::model::{Capability, Model, Prices};

use bindings::Place;
pub use bindings::{Binding, BindingConfig, GrantConfig, Written};
pub use completions::CompletionsConfig;
pub use database::{DatabaseConfig, DurabilityConfig};
use declared::Stated;
pub use declared::{DeclaredPlugin, PluginConfig};
pub use egress::EgressConfig;
pub use lines::Lines;
pub use log::{LogConfig, LogFormat};
pub use plugins::{Ceilings, PluginsConfig};
pub use read::Problem;
pub use secrets::{ConfiguredSecret, SecretConfig, SecretText};
pub use server::{MetricsAccess, ServerConfig};
pub use units::{Size, Span};

/// What is read where no file is named.
pub const DEFAULT_FILE: &str = "hardpoint.toml";

/// A full example with a comment for every key; every value in it is the default, or commented out.
pub const EXAMPLE: &str = include_str!("example.toml");

/// The adapter that answers where nothing is configured; it needs no network and no grant.
pub const BUILT_IN_MODEL: &str = "extractive";

/// Everything that can be configured, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// `[server]`.
    pub server: ServerConfig,
    /// `[database]`.
    pub database: DatabaseConfig,
    /// `[plugins]`.
    pub plugins: PluginsConfig,
    /// `[plugins.ID]`, but for the binding that it may hold.
    pub declared: BTreeMap<String, DeclaredPlugin>,
    /// `[egress]`.
    pub egress: EgressConfig,
    /// `[completions]`.
    pub completions: CompletionsConfig,
    /// `[log]`.
    pub log: LogConfig,
    /// `[secrets.NAME]`.
    pub secrets: BTreeMap<String, ConfiguredSecret>,
    /// `[bindings.NAME]`, and what `[plugins.ID]` holds of the kind. A plugin without one here has one of
    /// its own id by itself, beside those of the store.
    pub bindings: BTreeMap<String, Binding>,
    /// `[[models]]`, or the built-in one.
    pub models: Vec<Model>,
}

/// Where a configuration comes from.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The file; [`DEFAULT_FILE`] where left out, if it is there.
    pub file: Option<PathBuf>,
    /// Variables of the environment.
    pub env: Vec<(String, String)>,
    /// `--listen`.
    pub listen: Option<String>,
    /// `--data`.
    pub data: Option<PathBuf>,
    /// Not to read [`DEFAULT_FILE`], even where it is there.
    pub only_named: bool,
}

/// Everything that is wrong with a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError(
    /// At least one.
    pub Vec<Problem>,
);

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.0.len();
        write!(f, "the configuration has {count} problem{}:", if count == 1 { "" } else { "s" })?;
        self.0.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}

impl std::error::Error for ConfigError {}

impl Sources {
    /// The process's environment, and a file if one is named.
    pub fn of_process(file: Option<PathBuf>) -> Self {
        let env = std::env::vars_os()
            .filter_map(|(name, text)| Some((name.into_string().ok()?, text.into_string().ok()?)));
        Self { file, env: env.collect(), ..Self::default() }
    }

    fn variable(&self, name: &str) -> Option<String> {
        self.env.iter().find(|(found, _)| found == name).map(|(_, text)| text.clone())
    }

    /// The file that is read: the one named, or the default one where it is there.
    pub fn path(&self) -> Option<&Path> {
        let usual = || Some(Path::new(DEFAULT_FILE)).filter(|path| !self.only_named && path.exists());
        self.file.as_deref().or_else(usual)
    }
}

impl Config {
    /// Reads, merges and checks.
    ///
    /// # Errors
    /// If anything is wrong: with everything that is.
    pub fn load(sources: &Sources) -> Result<Self, ConfigError> {
        let mut figment = Figment::new();
        let mut file = None;
        if let Some(path) = sources.path() {
            let text = std::fs::read_to_string(path).map_err(|error| {
                ConfigError(vec![Problem::new("", format!("{} cannot be read: {error}", path.display()))])
            })?;
            // The parser's own text quotes the line, which may hold a secret: say where it is instead.
            if let Err(error) = text.parse::<toml::Table>() {
                let before = &text[..error.span().map_or(0, |span| span.start.min(text.len()))];
                let line = before.matches('\n').count() + 1;
                let column = before.chars().rev().take_while(|&c| c != '\n').count() + 1;
                let place = format!("{}, line {line}, column {column}", path.display());
                return Err(ConfigError(vec![Problem::new("", format!("{place}: {}", error.message()))]));
            }
            figment = figment.merge(Toml::file_exact(path));
            let name = path.file_name().unwrap_or(path.as_os_str());
            file = Some((name.to_string_lossy().into_owned(), text));
        }
        let mut env = sources.env.clone();
        env.sort();
        for (name, text) in &env {
            if let Some(variable) = environment::Variable::new(name, text) {
                figment = figment.merge(variable);
            }
        }
        let mut config = Self::read(&figment, sources, file.as_ref())?;
        if let Some(listen) = &sources.listen {
            config.server.listen = listen.clone();
        }
        if let Some(data) = &sources.data {
            config.server.data = data.clone();
        }
        let bindings = config.bindings.keys().cloned().collect();
        let problems = check::check(&config, &bindings);
        if problems.is_empty() { Ok(config) } else { Err(ConfigError(problems)) }
    }

    /// `file` is the name and text of the file.
    fn read(
        figment: &Figment,
        sources: &Sources,
        file: Option<&(String, String)>,
    ) -> Result<Self, ConfigError> {
        let mut reader = read::Reader::new(figment);
        let mut sections = match figment.find_value("") {
            Ok(Value::Dict(_, sections)) => sections,
            Ok(_) => Default::default(),
            Err(error) => return Err(ConfigError(vec![Problem::new("", error.to_string())])),
        };
        let declared = split_off_plugins(&mut sections);
        let mut section = |name: &str| sections.remove(name);
        macro_rules! read_section {
            ($name:literal) => {
                section($name).and_then(|value| reader.read($name, value)).unwrap_or_default()
            };
        }
        let server = read_section!("server");
        let database = read_section!("database");
        let plugins = read_section!("plugins");
        let egress = read_section!("egress");
        let completions = read_section!("completions");
        let log = read_section!("log");
        let written: Vec<(String, SecretConfig)> =
            section("secrets").map(|value| reader.read_each("secrets", value)).unwrap_or_default();
        let bound: Vec<(String, BindingConfig)> =
            section("bindings").map(|value| reader.read_each("bindings", value)).unwrap_or_default();
        let declared: Vec<(String, PluginConfig)> = reader.read_each("plugins", declared);
        let mut models: Vec<Model> =
            section("models").map(|value| reader.read_list("models", value)).unwrap_or_default();
        reader.refuse_rest(sections, &SECTIONS);

        let mut problems = reader.problems;
        let written_secrets: BTreeSet<String> = written.iter().map(|(name, _)| name.clone()).collect();
        let (declared, bound) = declared::merge(declared, bound, &mut problems);
        let written_bindings: BTreeSet<String> = bound.iter().map(|stated| stated.name.clone()).collect();
        let mut secrets = BTreeMap::new();
        for (name, secret) in written {
            match secret.resolve(&name, &|variable| sources.variable(variable)) {
                Ok(secret) => drop(secrets.insert(name, secret)),
                Err(found) => problems.extend(found.into_iter().map(|(member, message)| {
                    let key = if member.is_empty() {
                        format!("secrets.{name}")
                    } else {
                        format!("secrets.{name}.{member}")
                    };
                    Problem::new(key, message)
                })),
            }
        }
        let mut bindings = BTreeMap::new();
        let source = file.map(|(file, text)| lines::Source::new(file, text));
        for Stated { section, name, binding } in bound {
            let lines = source.as_ref().map(|source| Lines::of(source, &[section, &name, "settings"]));
            let place = Place { table: &format!("{section}.{name}"), lines: lines.unwrap_or_default() };
            if let Some(binding) = binding.resolve(&name, place, &written_secrets, &secrets, &mut problems) {
                bindings.insert(name, binding);
            }
        }
        if models.is_empty() {
            models.push(built_in_model());
        }
        let config =
            Self { server, database, plugins, declared, egress, completions, log, secrets, bindings, models };
        if problems.is_empty() {
            return Ok(config);
        }
        // What could be read is checked as well, so that one run shows everything.
        problems.extend(check::check(&config, &written_bindings));
        Err(ConfigError(problems))
    }

    /// The most that a plugin may ask for.
    pub fn ceiling(&self, kind: Kind, plugin: &str) -> Limits {
        let ceiling = self.plugins.ceilings.of(kind);
        self.declared
            .get(plugin)
            .map_or_else(|| ceiling.clone(), |declared| ceiling.lowered(&declared.limits))
    }

    /// The folder that plugins are published through.
    pub fn plugins_folder(&self) -> PathBuf {
        self.plugins.folder.clone().unwrap_or_else(|| self.server.data.join("plugins"))
    }

    /// Models whose binding is neither configured nor among `others`: plugins, which have one of their name,
    /// and bindings in the store. The model that is there without configuration needs its plugin to answer,
    /// not to be configured.
    pub fn unbound(&self, others: &BTreeSet<String>) -> Vec<Problem> {
        let problems = check::unbound(self, others);
        let is_built_in = matches!(self.models.as_slice(), [only] if *only == built_in_model());
        if is_built_in { Vec::new() } else { problems }
    }

    /// The model with this id.
    pub fn model(&self, id: &str) -> Option<&Model> {
        self.models.iter().find(|model| model.id == id)
    }
}

/// Takes the tables `[plugins.ID]` out of `[plugins]`.
fn split_off_plugins(sections: &mut Dict) -> Value {
    let mut tables = Dict::new();
    if let Some(Value::Dict(_, members)) = sections.get_mut("plugins") {
        let is_plugin =
            |(name, value): &(&String, &Value)| *name != "ceilings" && matches!(value, Value::Dict(..));
        let names: Vec<String> = members.iter().filter(is_plugin).map(|(name, _)| name.clone()).collect();
        tables.extend(names.into_iter().filter_map(|name| members.remove_entry(&name)));
    }
    tables.into()
}

const SECTIONS: [&str; 10] = [
    "server",
    "database",
    "plugins",
    "plugins.ID",
    "egress",
    "completions",
    "log",
    "secrets.NAME",
    "bindings.NAME",
    "models",
];

/// What answers on a fresh machine.
fn built_in_model() -> Model {
    Model {
        id: BUILT_IN_MODEL.to_owned(),
        description: "Quotes the sentences of the context and the messages that bear on the question. No language model."
            .to_owned(),
        binding: BUILT_IN_MODEL.to_owned(),
        upstream: None,
        context_length: None,
        capabilities: vec![Capability::Chat, Capability::Streaming],
        prices: Prices::default(),
        fallbacks: Vec::new(),
        tools: Vec::new(),
    }
}
