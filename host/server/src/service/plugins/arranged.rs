//! What operators arranged for plugins: bindings, grants, and whom they are open to. Part of it stands in the
//! configuration and part in the store; where both speak, the configuration wins.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use hardpoint_domain::grant::Permissions;
use hardpoint_domain::id::PluginId;
use hardpoint_domain::reach::Reach;
use hardpoint_runtime::Opening;
use hardpoint_store::enablement::{self, Enablement};
use hardpoint_store::{Conn, StoreError, bindings, grants};

use super::enable::{Openness, OrganizationSwitch};
use crate::config::{Binding, Config, Written};

/// What operators allowed by command or API: permissions by binding, with the plugin they were allowed to.
pub type Grants = BTreeMap<String, (String, Permissions)>;

/// What was arranged by command and over the API.
#[derive(Clone, Debug, Default)]
pub struct Arranged {
    /// What bindings may do.
    pub grants: Grants,
    bindings: BTreeMap<String, Binding>,
    /// By plugin: what holds for organisations that are not named, and for those that are.
    openness: HashMap<String, bool>,
    switches: HashMap<String, Vec<OrganizationSwitch>>,
}

impl Arranged {
    /// What the store holds.
    ///
    /// # Errors
    /// The store's.
    pub async fn read(conn: &mut Conn) -> Result<Self, StoreError> {
        let mut switches: HashMap<String, Vec<OrganizationSwitch>> = HashMap::new();
        for Enablement { organization_id, plugin_id, enabled } in enablement::list(conn).await? {
            switches.entry(plugin_id).or_default().push(OrganizationSwitch { organization_id, enabled });
        }
        let openness = enablement::openness(conn).await?;
        Ok(Self {
            grants: read_grants(grants::list(conn).await?),
            bindings: bindings::list(conn).await?.into_iter().filter_map(read_binding).collect(),
            openness: openness.into_iter().map(|said| (said.plugin_id, said.enabled)).collect(),
            switches,
        })
    }

    /// The same with nothing granted.
    pub fn without_grants(&self) -> Self {
        Self { grants: Grants::new(), ..self.clone() }
    }

    /// Names of the bindings in the store.
    pub fn names(&self) -> impl Iterator<Item = String> {
        self.bindings.keys().cloned()
    }

    /// The binding of this name, wherever it was written.
    pub fn binding<'a>(&'a self, config: &'a Config, name: &str) -> Option<&'a Binding> {
        config.bindings.get(name).or_else(|| self.bindings.get(name))
    }

    /// The bindings of a plugin that somebody wrote, by name. One of the store gives way to one of the
    /// configuration that has its name.
    pub fn bindings_of<'a>(&'a self, config: &'a Config, plugin: &str) -> BTreeMap<&'a str, &'a Binding> {
        let all = self.bindings.iter().filter(|(name, _)| !config.bindings.contains_key(*name));
        all.chain(&config.bindings)
            .filter(|(_, binding)| binding.plugin.as_str() == plugin)
            .map(|(name, binding)| (name.as_str(), binding))
            .collect()
    }

    /// All bindings of a plugin by name: one of its own id that nobody wrote, unless the configuration binds the
    /// plugin or the name is taken; and those that somebody wrote.
    pub fn names_of<'a>(
        &'a self,
        config: &'a Config,
        plugin: &'a str,
    ) -> Vec<(&'a str, Option<&'a Binding>)> {
        let written = self.bindings_of(config, plugin);
        let is_configured = |binding: &&Binding| matches!(binding.written, Written::Configuration { .. });
        let has_own = !written.values().any(is_configured) && self.binding(config, plugin).is_none();
        let own = has_own.then_some((plugin, None));
        own.into_iter().chain(written.into_iter().map(|(name, binding)| (name, Some(binding)))).collect()
    }

    /// Whom plugins are open to of which that was said, whether or not they are there.
    pub fn openings(&self, config: &Config) -> Vec<Opening> {
        let declared = config.declared.iter().filter(|(_, declared)| declared.reach.is_some());
        let said = self.openness.keys().chain(self.switches.keys()).chain(declared.map(|(id, _)| id));
        let plugins: BTreeSet<&String> = said.collect();
        plugins.into_iter().map(|plugin| self.opening(config, plugin)).collect()
    }

    /// Whom a plugin is open to, by all the names that lead to it.
    fn opening(&self, config: &Config, plugin: &str) -> Opening {
        let names = self.names_of(config, plugin).into_iter().map(|(name, _)| name.to_owned());
        Opening { plugin: plugin.to_owned(), reach: self.reach(config, plugin), bindings: names.collect() }
    }

    /// Whom a plugin is open to.
    pub fn reach(&self, config: &Config, plugin: &str) -> Reach {
        let Openness { others, organizations, .. } = self.openness(config, plugin);
        Reach::of(others, organizations.into_iter().map(|switch| (switch.organization_id, switch.enabled)))
    }

    /// What was said of whom a plugin is open to.
    pub fn openness(&self, config: &Config, plugin: &str) -> Openness {
        let declared = config.declared.get(plugin).and_then(|declared| declared.reach.as_ref());
        if let Some(Reach { others, except }) = declared {
            let named = except.iter().map(|organization| OrganizationSwitch {
                organization_id: organization.clone(),
                enabled: !others,
            });
            return Openness { others: *others, organizations: named.collect(), declared: true };
        }
        Openness {
            others: self.openness.get(plugin).copied().unwrap_or(true),
            organizations: self.switches.get(plugin).cloned().unwrap_or_default(),
            declared: false,
        }
    }
}

/// A binding as its row holds it; one that cannot be read is not there.
fn read_binding(row: bindings::Binding) -> Option<(String, Binding)> {
    let read = || -> Result<Binding, String> {
        Ok(Binding {
            plugin: PluginId::parse(&row.plugin_id).map_err(|error| error.to_string())?,
            settings: serde_json::from_str(&row.settings).map_err(|error| error.to_string())?,
            secrets: serde_json::from_str(&row.secrets).map_err(|error| error.to_string())?,
            grant: None,
            written: Written::Store,
        })
    };
    match read() {
        Ok(binding) => Some((row.name, binding)),
        Err(error) => {
            tracing::error!(%error, binding = row.name, "a stored binding cannot be read");
            None
        }
    }
}

/// Grants as rows hold them; one that cannot be read allows nothing.
pub fn read_grants(rows: Vec<grants::Grant>) -> Grants {
    rows.into_iter()
        .filter_map(|row| {
            let permissions = serde_json::from_str::<Permissions>(&row.permissions)
                .inspect_err(
                    |error| tracing::error!(%error, binding = row.binding, "a stored grant cannot be read"),
                )
                .ok()?;
            Some((row.binding, (row.plugin_id, permissions)))
        })
        .collect()
}
