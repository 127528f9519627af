//! Bindings that operators make by command or over the API. Like the rest of the desk this works on the store
//! alone; running servers follow.

use std::collections::BTreeMap;

use hardpoint_domain::id::{BindingName, PluginId};
use hardpoint_domain::manifest::Manifest;
use hardpoint_store::plugins::{self, Plugin, State};
use hardpoint_store::{Lane, StoreError, Tx, begin_change, bindings, grants};
use serde_json::{Map, Value, json};

use super::plan::{Planned, one, unfit};
use super::{Desk, DeskError};
use crate::config::{Binding, Written, no_secret};
use crate::service::events::{self, Author};
use crate::worker::reload::decide::named;

/// What a binding is to be.
#[derive(Clone, Debug, Default)]
pub struct NewBinding {
    /// Its settings, by the manifest's schema.
    pub settings: Map<String, Value>,
    /// The manifest's name for a secret, and the name of the configured one that stands for it.
    pub secrets: BTreeMap<String, String>,
}

/// What became of it.
#[derive(Clone, Debug)]
pub struct Bound {
    /// Whether there was none of this name.
    pub created: bool,
    /// What it may do, and what it waits for.
    pub planned: Planned,
    /// The digest of the version that serves, where a command without it would mean another one.
    pub named: Option<String>,
}

impl Desk {
    /// Binds a plugin under a name, in place of the plugin's binding that had it.
    ///
    /// # Errors
    /// There is no such plugin or secret; the name is taken by another plugin or written in the configuration;
    /// the settings do not fit.
    pub async fn bind(
        &self,
        author: &Author,
        id: &str,
        name: &str,
        new: NewBinding,
    ) -> Result<Bound, DeskError> {
        let version = self.serving(id).await?;
        let manifest =
            Manifest::from_toml(&version.manifest).map_err(|error| DeskError::Manifest(error.to_string()))?;
        BindingName::parse(name)
            .map_err(|error| DeskError::Invalid { field: "name".to_owned(), reason: error.to_string() })?;
        let binding = Binding {
            plugin: PluginId::parse(id).map_err(|error| DeskError::Manifest(error.to_string()))?,
            settings: new.settings,
            secrets: new.secrets,
            grant: None,
            written: Written::Store,
        };
        let arranged = self.arranged().await?;
        if let Some(Binding { written: Written::Configuration { table, .. }, .. }) =
            arranged.binding(&self.config, name)
        {
            return Err(in_configuration(name, table));
        }
        self.check_binding(&manifest, &binding)?;

        let row = bindings::Binding {
            name: name.to_owned(),
            plugin_id: id.to_owned(),
            settings: Value::Object(binding.settings.clone()).to_string(),
            secrets: json!(binding.secrets).to_string(),
            updated_by: author.name(),
            updated_at: self.clock.now(),
        };
        let after = shown(&binding);
        let (author, rng) = (author.clone(), self.rng.clone());
        let write = self.store.write(Lane::Request, move |tx| {
            Box::pin(async move {
                begin_change(tx).await?;
                let before = bindings::get(tx, &row.name).await?;
                if let Some(owner) = owner(tx, &row.name, before.as_ref()).await?
                    && owner != row.plugin_id
                {
                    return Ok(Err(owner));
                }
                bindings::put(tx, &row).await?;
                let kind = if before.is_some() { "binding.changed" } else { "binding.created" };
                let mut event = author.event(
                    row.updated_at,
                    &*rng,
                    kind,
                    events::binding(&row.plugin_id, &row.name),
                    after,
                );
                event.before = before.as_ref().map(stored);
                tx.append(&event, &[]).await?;
                Ok(Ok(before.is_none()))
            })
        });
        let created = write.await?.map_err(|owner| {
            DeskError::State(format!("`{name}` is the name of a binding of plugin `{owner}`; choose another"))
        })?;
        let planned = one(&self.config, &self.arranged().await?, &manifest, name, Some(&binding));
        let versions = plugins::versions(&mut self.store.read().await?, id).await?;
        let named = named(&versions, &version).map(str::to_owned);
        Ok(Bound { created, planned, named })
    }

    /// The version that serves, else the one that would.
    pub async fn serving(&self, id: &str) -> Result<Plugin, DeskError> {
        let versions = plugins::versions(&mut self.store.read().await?, id).await?;
        let pin = self.config.declared.get(id).and_then(|declared| declared.digest.as_ref());
        let pinned = versions.iter().find(|row| Some(&row.digest) == pin);
        let active = || versions.iter().find(|row| matches!(row.state, State::Active | State::Paused));
        match pinned.or_else(active) {
            Some(serving) => Ok(serving.clone()),
            None => self.version(id, None).await,
        }
    }

    /// Removes a binding that was made by command or over the API, with what it was allowed.
    ///
    /// # Errors
    /// There is none of this name, or it stands in the configuration.
    pub async fn unbind(&self, author: &Author, id: &str, name: &str) -> Result<(), DeskError> {
        self.version(id, None).await?;
        if let Some(Binding { written: Written::Configuration { table, .. }, .. }) =
            self.config.bindings.get(name)
        {
            return Err(in_configuration(name, table));
        }
        let (now, rng, author) = (self.clock.now(), self.rng.clone(), author.clone());
        let (plugin, bound) = (id.to_owned(), name.to_owned());
        let write = self.store.write(Lane::Request, move |tx| {
            Box::pin(async move {
                begin_change(tx).await?;
                let before = bindings::get(tx, &bound).await?.filter(|before| before.plugin_id == plugin);
                let Some(before) = before else { return Ok(false) };
                bindings::remove(tx, &bound).await?;
                grants::revoke(tx, &bound).await?;
                let target = events::binding(&plugin, &bound);
                let mut event = author.event(now, &*rng, "binding.removed", target, Value::Null);
                event.before = Some(stored(&before));
                tx.append(&event, &[]).await?;
                Ok(true)
            })
        });
        if write.await? {
            return Ok(());
        }
        let arranged = self.arranged().await?;
        let known: Vec<&str> = arranged.bindings_of(&self.config, id).into_keys().collect();
        Err(DeskError::NoBinding {
            id: id.to_owned(),
            binding: name.to_owned(),
            known: if known.is_empty() { "none but its own".to_owned() } else { known.join(", ") },
        })
    }

    fn check_binding(&self, manifest: &Manifest, binding: &Binding) -> Result<(), DeskError> {
        let invalid = |field: String, reason: String| Err(DeskError::Invalid { field, reason });
        let settings = manifest.with_defaults(&Value::Object(binding.settings.clone()));
        let misfits = unfit(manifest, &settings).map_err(DeskError::Manifest)?;
        if let Some((path, reason)) = misfits.into_iter().next() {
            let field = if path.is_empty() { "settings".to_owned() } else { format!("settings.{path}") };
            return invalid(field, reason);
        }
        if let Err(error) = manifest.permissions(&settings) {
            return invalid("settings".to_owned(), error.reason);
        }
        for (asked, secret) in &binding.secrets {
            let field = format!("secrets.{asked}");
            if !manifest.secret.iter().any(|wish| wish.name == *asked) {
                let known: Vec<&str> = manifest.secret.iter().map(|wish| wish.name.as_str()).collect();
                let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                return invalid(field, format!("the plugin asks for no secret `{asked}`, but for {known}"));
            }
            if !self.config.secrets.contains_key(secret) {
                return invalid(field, no_secret(self.config.secrets.keys()));
            }
        }
        Ok(())
    }
}

/// Whose binding has this name: that of the store, or the one that a plugin of this name has by itself.
async fn owner(
    tx: &mut Tx,
    name: &str,
    stored: Option<&bindings::Binding>,
) -> Result<Option<String>, StoreError> {
    if let Some(stored) = stored {
        return Ok(Some(stored.plugin_id.clone()));
    }
    let versions = plugins::versions(tx, name).await?;
    let is_there = versions.iter().any(|row| row.state != State::Removed);
    Ok(is_there.then(|| name.to_owned()))
}

fn in_configuration(name: &str, table: &str) -> DeskError {
    DeskError::State(format!("binding `{name}` stands in hardpoint.toml under [{table}]; change it there"))
}

/// For an event: names of secrets are none.
fn shown(binding: &Binding) -> Value {
    json!({ "settings": binding.settings, "secrets": binding.secrets })
}

fn stored(row: &bindings::Binding) -> Value {
    let read = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_default();
    json!({ "settings": read(&row.settings), "secrets": read(&row.secrets) })
}
