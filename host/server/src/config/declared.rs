//! `[plugins.ID]`: everything about one plugin, for those who declare it in files.

use std::collections::BTreeMap;

use hardpoint_domain::id::PluginId;
use hardpoint_domain::limits::LimitWishes;
use hardpoint_domain::reach::Reach;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::bindings::{BindingConfig, GrantConfig};
use super::read::Problem;

/// `[plugins.ID]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PluginConfig {
    /// Whether it serves at all.
    #[serde(default = "yes")]
    enabled: bool,
    /// SHA-256 of the only component that serves as this plugin; it needs no other approval.
    #[serde(default)]
    digest: Option<String>,
    /// The only organisations that may use it; left out, what was said by command or API.
    #[serde(default)]
    organizations: Option<Vec<String>>,
    /// The most that it may ask for in its manifest.
    #[serde(default)]
    limits: LimitWishes,
    /// Settings of the binding of its own name.
    #[serde(default)]
    settings: Option<Map<String, Value>>,
    /// Secrets of the binding of its own name.
    #[serde(default)]
    secrets: Option<BTreeMap<String, String>>,
    /// What the binding of its own name may do.
    #[serde(default)]
    grant: Option<GrantConfig>,
}

/// What the configuration says of one plugin, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct DeclaredPlugin {
    /// Whether it serves at all.
    pub enabled: bool,
    /// The only bytes that serve.
    pub digest: Option<String>,
    /// Whom it is open to; none where that is left to command and API.
    pub reach: Option<Reach>,
    /// The most that it may ask for.
    pub limits: LimitWishes,
}

fn yes() -> bool {
    true
}

impl PluginConfig {
    /// Splits what is said of the plugin from the binding of its own name, where there is one.
    pub(super) fn split(
        self,
        id: &str,
        problems: &mut Vec<Problem>,
    ) -> (DeclaredPlugin, Option<BindingConfig>) {
        let digest = self.digest.filter(|digest| {
            let is_digest = digest.strip_prefix("sha256:").is_some_and(|hex| {
                hex.len() == 64
                    && hex.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
            });
            if !is_digest {
                let message = format!(
                    "`{digest}` is no `sha256:…` with 64 small hexadecimal digits, as `hardpoint plugin inspect {id}` shows it"
                );
                problems.push(Problem::new(format!("plugins.{id}.digest"), message));
            }
            is_digest
        });
        let declared = DeclaredPlugin {
            enabled: self.enabled,
            digest,
            reach: self.organizations.map(Reach::only),
            limits: self.limits,
        };
        let is_bound = self.settings.is_some() || self.secrets.is_some() || self.grant.is_some();
        let binding = is_bound.then(|| BindingConfig {
            plugin: id.to_owned(),
            settings: self.settings.unwrap_or_default(),
            secrets: self.secrets.unwrap_or_default(),
            grant: self.grant,
        });
        (declared, binding)
    }
}

/// A binding and where it stands.
pub(super) struct Stated {
    /// `bindings` or `plugins`.
    pub(super) section: &'static str,
    /// The binding's name.
    pub(super) name: String,
    /// As written.
    pub(super) binding: BindingConfig,
}

/// What is said of plugins, and every binding with the section that it stands in.
pub(super) fn merge(
    declared: Vec<(String, PluginConfig)>,
    bound: Vec<(String, BindingConfig)>,
    problems: &mut Vec<Problem>,
) -> (BTreeMap<String, DeclaredPlugin>, Vec<Stated>) {
    let stated = |(name, binding)| Stated { section: "bindings", name, binding };
    let mut bindings: Vec<Stated> = bound.into_iter().map(stated).collect();
    let mut plugins = BTreeMap::new();
    for (id, plugin) in declared {
        if let Err(error) = PluginId::parse(&id) {
            problems.push(Problem::new(format!("plugins.{id}"), error.to_string()));
            continue;
        }
        let (said, binding) = plugin.split(&id, problems);
        if let Some(binding) = binding {
            if bindings.iter().any(|stated| stated.name == id) {
                let message = format!("there is a [bindings.{id}] as well: write its settings in one place");
                problems.push(Problem::new(format!("plugins.{id}"), message));
            } else {
                bindings.push(Stated { section: "plugins", name: id.clone(), binding });
            }
        }
        plugins.insert(id, said);
    }
    (plugins, bindings)
}
