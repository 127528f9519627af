//! A configuration as far as it can be read: whoever reports what is wrong with it reports everything.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use figment::Figment;
use figment::value::{Dict, Value};
use hardpoint_domain::catalogue::Catalogue;
use hardpoint_domain::model::Model;
use hardpoint_runtime::digest;

use super::billing::BillingConfig;
use super::bindings::{BindingConfig, Nameable, Place};
use super::declared::{self, PluginConfig, Stated};
use super::environment::{Variable, garbled};
use super::file::File;
use super::lines::{self, Lines};
use super::places::Places;
use super::read::{Problem, Reader};
use super::secrets::SecretConfig;
use super::{Config, ConfigError, Sources, built_in_model, check, plans, sealing};

/// What can be configured, as far as it can be read.
#[derive(Clone, Debug)]
pub struct Draft {
    /// What could not be read is left out of it, or is its default. A secret whose value is missing has none.
    pub config: Config,
    /// Everything that is wrong with it by itself.
    pub problems: Vec<Problem>,
}

impl Draft {
    /// Reads, merges and checks.
    ///
    /// # Errors
    /// If there is nothing to be read: the file is not there, or is no TOML.
    pub fn read(sources: &Sources) -> Result<Self, ConfigError> {
        let file = sources.path().map(File::read).transpose()?;
        let path = sources.path().map(|path| path.display().to_string());
        let name = sources.path().map(|path| path.file_name().unwrap_or(path.as_os_str()).to_string_lossy());
        let source =
            name.as_deref().zip(file.as_ref()).map(|(name, file)| lines::Source::new(name, &file.text));
        let mut figment = Figment::new();
        if let Some(file) = &file {
            figment = figment.merge(file);
        }
        let mut env = sources.env.clone();
        env.sort();
        let mut unread: Vec<Problem> = sources.garbled.iter().filter_map(|name| garbled(name)).collect();
        for (name, text) in &env {
            match Variable::new(name, text) {
                Ok(Some(variable)) => figment = figment.merge(variable),
                Ok(None) => {}
                Err(problem) => unread.push(problem),
            }
        }
        let merged =
            figment.find_value("").map_err(|error| ConfigError(vec![Problem::new("", error.to_string())]))?;
        let places = Places::new(&figment, &merged, path.as_deref().zip(source.as_ref()));
        let mut draft = Self::of_merged(merged, places, sources, source.as_ref());
        draft.config.file_digest = digest(file.as_ref().map_or("", |file| &file.text).as_bytes());
        let places = &draft.config.places;
        let located = draft.problems.into_iter().map(|problem| places.locate(problem));
        draft.problems = unread.into_iter().chain(located).collect();
        Ok(draft)
    }

    fn of_merged(
        merged: Value,
        mut places: Places,
        sources: &Sources,
        source: Option<&lines::Source<'_>>,
    ) -> Self {
        let mut reader = Reader::default();
        let mut sections = merged.into_dict().unwrap_or_default();
        let declared = split_off_plugins(&mut sections);
        let master_key_file = split_off_master_key(&mut sections);
        let mut section = |name: &str| sections.remove(name);
        macro_rules! read_section {
            ($name:literal) => {
                section($name).and_then(|value| reader.read($name, value)).unwrap_or_default()
            };
        }
        let mut server: super::ServerConfig = read_section!("server");
        let database = read_section!("database");
        let storage = read_section!("storage");
        let plugins = read_section!("plugins");
        let egress = read_section!("egress");
        let completions = read_section!("completions");
        let log = read_section!("log");
        let mail: super::MailConfig = read_section!("mail");
        let siem: super::SiemConfig = read_section!("siem");
        let knowledge: super::KnowledgeConfig = read_section!("knowledge");
        let billing: BillingConfig = read_section!("billing");
        let written: Vec<(String, SecretConfig)> =
            section("secrets").map(|value| reader.read_each("secrets", value)).unwrap_or_default();
        let bound: Vec<(String, BindingConfig)> =
            section("bindings").map(|value| reader.read_each("bindings", value)).unwrap_or_default();
        let declared: Vec<(String, PluginConfig)> = reader.read_each("plugins", declared);
        let plans = section("plans").map(|value| reader.read_each("plans", value)).unwrap_or_default();
        let models: Vec<(usize, Model)> =
            section("models").map(|value| reader.read_list("models", value)).unwrap_or_default();
        reader.refuse_rest(sections, &SECTIONS);
        let key = format!("secrets.{}", sealing::KEY);
        let master_key_file: Option<PathBuf> = master_key_file.and_then(|value| reader.read(&key, value));

        let mut problems = reader.problems;
        let master_keys = sources.variable(sealing::VARIABLE);
        let keyring = sealing::read(master_key_file.as_deref(), master_keys.as_deref(), &mut problems);
        mail.check(&mut problems);
        siem.check(&mut problems);
        knowledge.check(&mut problems);
        let stripe = billing.resolve(&|variable| sources.variable(variable), &mut problems).map(Arc::new);
        for problem in problems.iter_mut().filter(|problem| lines::parent(&problem.key) == "plugins.ceilings")
        {
            problem.message += CEILINGS;
        }
        if let Some(listen) = &sources.listen {
            server.listen.clone_from(listen);
            places.say("server.listen", "--listen");
        }
        if let Some(data) = &sources.data {
            server.data.clone_from(data);
            places.say("server.data", "--data");
        }
        let plans = Catalogue::new(plans::by_id(plans, &mut problems), server.upgrade_url.clone());
        let written_secrets: BTreeSet<String> = written.iter().map(|(name, _)| name.clone()).collect();
        let (declared, bound) = declared::merge(declared, bound, &mut problems);
        let written_bindings: BTreeSet<String> = bound.iter().map(|stated| stated.name.clone()).collect();
        let mut secrets = BTreeMap::new();
        for (name, secret) in written {
            let (secret, found) = secret.resolve(&name, &|variable| sources.variable(variable));
            problems.extend(found.into_iter().map(|(member, message)| {
                let dot = if member.is_empty() { "" } else { "." };
                Problem::new(format!("secrets.{name}{dot}{member}"), message)
            }));
            secrets.extend(secret.map(|secret| (name, secret)));
        }
        let (mut bindings, mut awaited) = (BTreeMap::new(), Vec::new());
        let mut nameable = Nameable {
            written: &written_secrets,
            secrets: &secrets,
            // Without a master key the store keeps no secret.
            awaited: (!keyring.is_empty()).then_some(&mut awaited),
        };
        for Stated { section, name, binding } in bound {
            let lines = source.map(|source| Lines::of(source, &[section, &name, "settings"]));
            let place = Place { table: &format!("{section}.{name}"), lines: lines.unwrap_or_default() };
            if let Some(binding) = binding.resolve(&name, place, &mut nameable, &mut problems) {
                bindings.insert(name, binding);
            }
        }
        let (at, mut models): (_, Vec<Model>) = models.into_iter().unzip();
        places.models = at;
        if models.is_empty() {
            models.push(built_in_model());
        }
        let config = Config {
            server,
            database,
            storage,
            plugins,
            declared,
            egress,
            completions,
            log,
            mail,
            siem,
            knowledge,
            stripe,
            plans: plans.into(),
            secrets,
            keyring,
            awaited,
            bindings,
            models,
            places,
            file_digest: String::new(),
        };
        problems.extend(check::check(&config, &written_bindings));
        Self { config, problems }
    }
}

/// Takes the tables `[plugins.ID]` out of `[plugins]`. A plugin may be called like a key of `[plugins]`, which is
/// no table; but for `ceilings`, which is.
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

/// Takes what says where the master keys are out of `[secrets]`.
fn split_off_master_key(sections: &mut Dict) -> Option<Value> {
    match sections.get_mut("secrets") {
        Some(Value::Dict(_, members)) => members.remove(sealing::KEY),
        _ => None,
    }
}

/// What is said to those who may have meant a plugin.
const CEILINGS: &str = " (a plugin called `ceilings` cannot be declared here: bind it under [bindings.ceilings], and say the rest by command)";

const SECTIONS: [&str; 16] = [
    "server",
    "database",
    "storage",
    "plugins",
    "plugins.ID",
    "egress",
    "completions",
    "log",
    "mail",
    "siem",
    "knowledge",
    "billing.stripe",
    "plans.NAME",
    "secrets.NAME",
    "bindings.NAME",
    "models",
];
