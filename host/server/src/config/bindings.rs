//! `[bindings.NAME]`: a plugin with settings, secrets and what it may do. `[plugins.ID]` may hold the same for
//! the binding of the plugin's own name.

use std::collections::{BTreeMap, BTreeSet};

use hardpoint_domain::grant::{HttpRule, Permissions, SecretRule};
use hardpoint_domain::id::{BindingName, PluginId};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::lines::Lines;
use super::read::Problem;
use super::secrets::ConfiguredSecret;

/// `[bindings.NAME]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BindingConfig {
    /// The plugin's id.
    pub plugin: String,
    /// Its settings, by the plugin's own schema.
    #[serde(default)]
    pub settings: Map<String, Value>,
    /// Which secret stands behind a name that the plugin's manifest asks for: manifest name = secret name.
    #[serde(default)]
    pub secrets: BTreeMap<String, String>,
    /// What it may do. Left out, it may do what was granted by command or API; written, exactly this.
    #[serde(default)]
    pub grant: Option<GrantConfig>,
}

/// A binding, wherever it was written, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Binding {
    /// The plugin.
    pub plugin: PluginId,
    /// Its settings: a JSON object.
    pub settings: Map<String, Value>,
    /// Manifest name = name of a configured secret that exists.
    pub secrets: BTreeMap<String, String>,
    /// What the configuration allows; none where it leaves that to command and API.
    pub grant: Option<Permissions>,
    /// Where it was written.
    pub written: Written,
}

/// Where a binding was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Written {
    /// In the configuration.
    Configuration {
        /// `bindings.NAME` or `plugins.ID`.
        table: String,
        /// Of its settings.
        lines: Lines,
    },
    /// In the store, by command or over the API.
    Store,
}

/// `[bindings.NAME.grant]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GrantConfig {
    /// Requests that it may make: `"POST https://api.example.com/v1"`, several methods with commas.
    pub http: Vec<HttpRule>,
    /// Secrets that it may refer to, by the names in its manifest.
    pub secrets: Vec<String>,
    /// The key-value store.
    pub kv: bool,
    /// The host's index.
    pub index: bool,
    /// The host's embedder.
    pub embed: bool,
    /// An empty folder for the time of a call.
    pub scratch: bool,
}

/// What is said of a name that no secret has. The name is left out: whoever mistakes the place writes the secret
/// itself there.
pub fn no_secret<'a>(known: impl IntoIterator<Item = &'a String>) -> String {
    let known: Vec<&str> = known.into_iter().map(String::as_str).collect();
    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    format!(
        "is not the name of a secret (there are {known}): add [secrets.NAME] with a value and an audience, and \
         write NAME here"
    )
}

/// A secret that a binding of the configuration names and the configuration does not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Awaited {
    /// The binding.
    pub binding: String,
    /// Where it names it: `bindings.NAME.secrets.ASKED`.
    pub key: String,
    /// The manifest's name for it.
    pub asked: String,
    /// The secret's own name.
    pub secret: String,
    /// Whether the binding's grant allows it.
    pub is_granted: bool,
}

/// Where a binding stands in the configuration.
pub(super) struct Place<'a> {
    /// `bindings.NAME` or `plugins.ID`.
    pub(super) table: &'a str,
    /// Of its settings.
    pub(super) lines: Lines,
}

/// The secrets that bindings may name.
pub(super) struct Nameable<'a> {
    /// The names of all secrets in the configuration; what is wrong with those that are not in `secrets` was said
    /// already.
    pub(super) written: &'a BTreeSet<String>,
    /// Those of them that are good.
    pub(super) secrets: &'a BTreeMap<String, ConfiguredSecret>,
    /// Those that only the store may have, as they are found; none where it can have no secret.
    pub(super) awaited: Option<&'a mut Vec<Awaited>>,
}

impl BindingConfig {
    /// Checks names, and that every secret exists; none where it says of no plugin.
    pub(super) fn resolve(
        self,
        name: &str,
        place: Place<'_>,
        nameable: &mut Nameable<'_>,
        problems: &mut Vec<Problem>,
    ) -> Option<Binding> {
        let Place { table, lines } = place;
        let Nameable { written, secrets, awaited } = nameable;
        let key = |member: &str| format!("{table}.{member}");
        if let Err(error) = BindingName::parse(name) {
            problems.push(Problem::new(table, error.to_string()));
        }
        let plugin = PluginId::parse(&self.plugin);
        if let Err(error) = &plugin {
            problems.push(Problem::new(key("plugin"), error.to_string()));
        }
        for (asked, secret) in &self.secrets {
            if written.contains(secret) {
                continue;
            }
            let key = key(&format!("secrets.{asked}"));
            // Whoever mistakes the place writes the secret itself there: only what may be a name is looked for.
            match awaited.as_mut().filter(|_| BindingName::parse(secret).is_ok()) {
                Some(awaited) => {
                    let is_granted = self.grant.as_ref().is_some_and(|grant| grant.secrets.contains(asked));
                    let (binding, asked, secret) = (name.to_owned(), asked.clone(), secret.clone());
                    awaited.push(Awaited { binding, key, asked, secret, is_granted });
                }
                None => problems.push(Problem::new(key, no_secret(*written))),
            }
        }
        let mut grant = None;
        if let Some(written) = self.grant {
            let mut rules = Vec::new();
            for (at, asked) in written.secrets.iter().enumerate() {
                match self.secrets.get(asked).map(|secret| secrets.get(secret)) {
                    Some(Some(secret)) => {
                        rules.push(SecretRule {
                            name: asked.clone(),
                            audience: secret.audience.clone(),
                            optional: false,
                        });
                    }
                    // Reported where it was written, or above.
                    Some(None) => {}
                    None => problems.push(Problem::new(
                        key(&format!("grant.secrets.{at}")),
                        format!("stands for no secret: write a name that has one under [{table}.secrets]"),
                    )),
                }
            }
            let GrantConfig { http, kv, index, embed, scratch, .. } = written;
            grant = Some(Permissions { http, secrets: rules, kv, index, embed, scratch });
        }
        Some(Binding {
            plugin: plugin.ok()?,
            settings: self.settings,
            secrets: self.secrets,
            grant,
            written: Written::Configuration { table: table.to_owned(), lines },
        })
    }
}
