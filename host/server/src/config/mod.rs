//! The configuration: built-in defaults, then `hardpoint.toml`, then `HARDPOINT__SECTION__KEY`.
//!
//! One file per section. Unknown keys are refused, and all problems are reported at once, each with its
//! key and where it was written.

mod billing;
mod bindings;
mod check;
mod completions;
mod database;
mod declared;
mod draft;
mod egress;
mod environment;
mod file;
mod knowledge;
mod lines;
mod log;
mod mail;
mod places;
mod plans;
mod plugins;
mod read;
mod sealing;
mod secrets;
mod server;
mod show;
mod siem;
mod storage;
mod units;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hardpoint_domain::catalogue::Catalogue;
use hardpoint_domain::limits::Limits;
use hardpoint_domain::manifest::{Kind, Manifest};
use hardpoint_domain::model::{Capability, Model, Prices};
use hardpoint_domain::seal::Keyring;

pub use billing::{Held, Price, Stripe, page};
pub use bindings::{Awaited, Binding, BindingConfig, GrantConfig, Written, no_secret};
pub use check::no_binding;
pub use completions::CompletionsConfig;
pub use database::{DatabaseConfig, DurabilityConfig, MOST_TOLERATED, MigrateConfig};
pub use declared::{DeclaredPlugin, PluginConfig};
pub use draft::Draft;
pub use egress::EgressConfig;
pub use knowledge::KnowledgeConfig;
pub use lines::Lines;
pub use log::{LogConfig, LogFormat};
pub use mail::{MailConfig, MailTls};
pub use places::Places;
pub use plugins::{Ceilings, PluginsConfig};
pub use read::{Problem, without_users};
pub use sealing::VARIABLE as MASTER_KEY_VARIABLE;
pub use secrets::{ConfiguredSecret, SecretConfig, SecretText};
pub use server::{MetricsAccess, ServerConfig};
pub use show::MASK;
pub use siem::SiemConfig;
pub use storage::StorageConfig;
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
    /// `[storage]`.
    pub storage: StorageConfig,
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
    /// `[mail]`.
    pub mail: MailConfig,
    /// `[siem]`.
    pub siem: SiemConfig,
    /// `[knowledge]`.
    pub knowledge: KnowledgeConfig,
    /// `[billing.stripe]`; none where nothing is sold.
    pub stripe: Option<Arc<Stripe>>,
    /// The plans: `[plans.NAME]`, and what is built in.
    pub plans: Arc<Catalogue>,
    /// `[secrets.NAME]`.
    pub secrets: BTreeMap<String, ConfiguredSecret>,
    /// The master keys: `secrets.master_key_file`, and the environment.
    pub keyring: Keyring,
    /// Secrets that bindings name and that the configuration does not have: the store may.
    pub awaited: Vec<Awaited>,
    /// `[bindings.NAME]`, and what `[plugins.ID]` holds of the kind. A plugin without one here has one of
    /// its own id by itself, beside those of the store.
    pub bindings: BTreeMap<String, Binding>,
    /// `[[models]]`, or the built-in one.
    pub models: Vec<Model>,
    /// Where all of it was written.
    pub places: Places,
    /// SHA-256 of the file it was read from; of nothing where there was none.
    pub file_digest: String,
}

/// Where a configuration comes from.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The file; [`DEFAULT_FILE`] where left out, if it is there.
    pub file: Option<PathBuf>,
    /// Variables of the environment.
    pub env: Vec<(String, String)>,
    /// Names of those that are no UTF-8, as far as they can be read.
    pub garbled: Vec<String>,
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
        let mut sources = Self { file, ..Self::default() };
        for (name, text) in std::env::vars_os() {
            match (name.into_string(), text.into_string()) {
                (Ok(name), Ok(text)) => sources.env.push((name, text)),
                (Ok(name), Err(_)) => sources.garbled.push(name),
                (Err(name), _) => sources.garbled.push(name.to_string_lossy().into_owned()),
            }
        }
        sources
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
        let Draft { config, problems } = Draft::read(sources)?;
        if problems.is_empty() { Ok(config) } else { Err(ConfigError(problems)) }
    }

    /// The same for who only looks at a file: secrets whose values are not here may stay away.
    ///
    /// # Errors
    /// If anything else is wrong.
    pub fn load_without_secrets(sources: &Sources) -> Result<Self, ConfigError> {
        let Draft { mut config, mut problems } = Draft::read(sources)?;
        problems
            .retain(|problem| !(problem.key.starts_with("secrets.") || problem.key.starts_with("billing.")));
        config.secrets.retain(|_, secret| !secret.value.reveal().is_empty());
        if problems.is_empty() { Ok(config) } else { Err(ConfigError(problems)) }
    }

    /// A problem with a key, and where that was written.
    pub fn problem(&self, key: impl Into<String>, message: impl Into<String>) -> Problem {
        self.places.locate(Problem::new(key, message))
    }

    /// Where a key was written, as it follows what is said of it: ` (hardpoint.toml, line 3)`.
    pub fn place(&self, key: &str) -> String {
        self.places.place(key).map(|place| format!(" ({place})")).unwrap_or_default()
    }

    /// That the configuration says that a plugin does not serve, and where, if it does.
    pub fn declared_off(&self, plugin: &str) -> Option<String> {
        let is_off = self.declared.get(plugin).is_some_and(|declared| !declared.enabled);
        let place = || self.place(&format!("plugins.{plugin}.enabled"));
        is_off.then(|| format!("switched off by `enabled = false` under [plugins.{plugin}]{}", place()))
    }

    /// The most that a plugin may ask for.
    pub fn ceiling(&self, kind: Kind, plugin: &str) -> Limits {
        let ceiling = self.plugins.ceilings.of(kind);
        self.declared
            .get(plugin)
            .map_or_else(|| ceiling.clone(), |declared| ceiling.lowered(&declared.limits))
    }

    /// The limits in force for each call of a plugin.
    pub fn limits(&self, manifest: &Manifest) -> Limits {
        let ceiling = self.ceiling(manifest.kind, &manifest.id);
        Limits::resolve(manifest.kind, &manifest.limits, &ceiling)
    }

    /// The folder that plugins are published through.
    pub fn plugins_folder(&self) -> PathBuf {
        self.plugins.folder.clone().unwrap_or_else(|| self.server.data.join("plugins"))
    }

    /// The folder that plugins' bytes are kept in.
    pub fn blobs_folder(&self) -> PathBuf {
        self.storage.blobs.clone().unwrap_or_else(|| self.server.data.join("blobs"))
    }

    /// Models whose binding is neither configured nor among `others`: plugins, which have one of their name,
    /// and bindings in the store; each with the key that names it. The model that is there without configuration
    /// needs its plugin to answer, not to be configured.
    pub fn unbound(&self, others: &BTreeSet<String>) -> Vec<(String, &Model)> {
        let is_built_in = matches!(self.models.as_slice(), [only] if *only == built_in_model());
        if is_built_in { Vec::new() } else { check::unbound(self, others) }
    }

    /// The model with this id.
    pub fn model(&self, id: &str) -> Option<&Model> {
        self.models.iter().find(|model| model.id == id)
    }
}

/// What answers on a fresh machine.
pub(crate) fn built_in_model() -> Model {
    Model {
        id: BUILT_IN_MODEL.to_owned(),
        description: "Quotes the sentences of the context and the messages that bear on the question. No language model."
            .to_owned(),
        binding: BUILT_IN_MODEL.to_owned(),
        upstream: None,
        context_length: None,
        max_output_tokens: None,
        dimensions: None,
        relevant_cosine: None,
        capabilities: vec![Capability::Chat, Capability::Streaming],
        prices: Prices::default(),
        fallbacks: Vec::new(),
        tools: Vec::new(),
    }
}
