//! The operator's desk: allow, revoke, remove. Works on the store alone, so that the command line can do
//! it whether or not a server is running; running servers follow the store's revision.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hardpoint_domain::grant::Permissions;
use hardpoint_domain::manifest::Manifest;
use hardpoint_domain::time::{Clock, Rng};
use hardpoint_store::plugins::{self, Plugin, State};
use hardpoint_store::{Lane, Store, StoreError, begin_change, bindings, grants};
use serde_json::json;

use super::REVOKED;
use super::arranged::{Arranged, read_grants};
use super::near::{but, near};
use super::plan::{Planned, Readiness, plan};
use crate::config::{Binding, Config, Written};
use crate::service::events::{self, Author};
use crate::state::App;
use crate::worker::reload::decide::{is_next, meant, word};

/// What the desk needs.
#[derive(Clone)]
pub struct Desk {
    /// Bindings and ceilings.
    pub config: Arc<Config>,
    /// Where the desired set is.
    pub store: Store,
    /// The present.
    pub clock: Arc<dyn Clock>,
    /// For ids of events.
    pub rng: Arc<dyn Rng>,
}

/// Why the desk did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum DeskError {
    /// There is no such plugin.
    #[error("there is no plugin `{id}`{}; `hardpoint plugin list` tells those that there are", but(near))]
    NoPlugin {
        /// What was asked for.
        id: String,
        /// What may have been meant.
        near: Vec<String>,
    },
    /// There is no such version of it.
    #[error(
        "there is no version of `{id}` with the digest {digest}; `hardpoint plugin inspect {id}` tells those that there are"
    )]
    NoVersion {
        /// The plugin.
        id: String,
        /// What was asked for.
        digest: String,
    },
    /// It has no such binding.
    #[error("plugin `{id}` has no binding `{binding}`; it has {known}")]
    NoBinding {
        /// The plugin.
        id: String,
        /// What was asked for.
        binding: String,
        /// What there is.
        known: String,
    },
    /// The configuration decides.
    #[error(
        "what binding `{binding}` may do stands in hardpoint.toml under [{table}.grant]{place}; change it there"
    )]
    Declared {
        /// The binding.
        binding: String,
        /// Where it stands.
        table: String,
        /// The file and line of that, in brackets.
        place: String,
    },
    /// Its settings do not say what it would ask for.
    #[error("binding `{binding}`: {reason}")]
    Unfit {
        /// The binding.
        binding: String,
        /// What is wrong.
        reason: String,
    },
    /// Something that was asked for is not possible.
    #[error("{field}: {reason}")]
    Invalid {
        /// `settings.base_url`, `secrets.api_key`.
        field: String,
        /// What is wrong with it.
        reason: String,
    },
    /// It is not in the state that this asks for.
    #[error("{0}")]
    State(String),
    /// The manifest that was stored cannot be read any more.
    #[error("the stored manifest: {0}")]
    Manifest(String),
    /// The store's own.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What was allowed, or would be.
#[derive(Clone, Debug)]
pub struct Granted {
    /// The version it was looked up in.
    pub version: Plugin,
    /// Binding by binding, with what each asks for.
    pub bindings: Vec<Planned>,
}

/// What was taken back.
#[derive(Clone, Debug, Default)]
pub struct Revoked {
    /// The bindings that lost something.
    pub bindings: Vec<String>,
    /// Whether versions were taken out of service that would serve all the same.
    pub stopped: bool,
    /// The command that brings back the version that served, of those that were stopped.
    pub again: Option<String>,
    /// The bindings that the configuration allows something, and where: that stays.
    pub declared: BTreeMap<String, String>,
}

impl Desk {
    /// The desk of a running server.
    pub fn of(app: &App) -> Self {
        Self {
            config: app.effective().config.clone(),
            store: app.store.clone(),
            clock: app.clock.clone(),
            rng: app.rng.clone(),
        }
    }

    /// What was arranged by command and over the API.
    ///
    /// # Errors
    /// The store's.
    pub async fn arranged(&self) -> Result<Arranged, StoreError> {
        Arranged::read(&mut self.store.read().await?).await
    }

    /// The version that a command about `id` means: the one with this digest, else the one that waits,
    /// else the one that serves, else the newest.
    pub async fn version(&self, id: &str, digest: Option<&str>) -> Result<Plugin, DeskError> {
        let versions = plugins::versions(&mut self.store.read().await?, id).await?;
        // Of a plugin that was never here, no version is missing: it is.
        if let Some(digest) = digest.filter(|_| !versions.is_empty()) {
            let found = versions.into_iter().find(|version| version.digest == digest);
            return found
                .ok_or_else(|| DeskError::NoVersion { id: id.to_owned(), digest: digest.to_owned() });
        }
        match meant(&versions) {
            Some(version) => Ok(version.clone()),
            None => Err(self.no_plugin(id).await),
        }
    }

    /// The versions of a plugin that are kept, also where none of them serves or waits.
    ///
    /// # Errors
    /// The store's.
    pub async fn kept(&self, id: &str) -> Result<Vec<Plugin>, StoreError> {
        let mut versions = plugins::versions(&mut self.store.read().await?, id).await?;
        versions.retain(|version| version.state != State::Removed);
        Ok(versions)
    }

    /// That there is none of this id, with those that may have been meant.
    pub async fn no_plugin(&self, id: &str) -> DeskError {
        let known = async { plugins::list(&mut self.store.read().await?).await };
        match known.await {
            Ok(rows) => {
                let there = rows.iter().filter(|row| row.state != State::Removed && row.id != id);
                let near = near(id, there.map(|row| row.id.as_str()));
                DeskError::NoPlugin { id: id.to_owned(), near }
            }
            Err(error) => error.into(),
        }
    }

    /// What `grant` with the same arguments would allow.
    pub async fn preview(
        &self,
        id: &str,
        digest: Option<&str>,
        binding: Option<&str>,
    ) -> Result<Granted, DeskError> {
        let version = self.version(id, digest).await?;
        self.check_pin(id, &version.digest)?;
        let manifest =
            Manifest::from_toml(&version.manifest).map_err(|error| DeskError::Manifest(error.to_string()))?;
        let mut bindings = plan(&self.config, &self.arranged().await?, &manifest);
        if let Some(binding) = binding {
            let known = bindings.iter().map(|planned| planned.name.clone()).collect::<Vec<_>>().join(", ");
            bindings.retain(|planned| planned.name == binding);
            let planned = bindings.first().ok_or_else(|| DeskError::NoBinding {
                id: id.to_owned(),
                binding: binding.to_owned(),
                known: if known.is_empty() { "none".to_owned() } else { known },
            })?;
            if planned.declared {
                return Err(self.declared(binding, planned.table().unwrap_or_default()));
            }
        }
        if let [Planned { name, readiness: Readiness::Unfit(reason), .. }] = bindings.as_slice() {
            return Err(DeskError::Unfit { binding: name.clone(), reason: reason.clone() });
        }
        Ok(Granted { version, bindings })
    }

    /// Allows a version's bindings (or one of them) what they ask for, and approves the version's bytes.
    pub async fn grant(
        &self,
        author: &Author,
        id: &str,
        digest: Option<&str>,
        binding: Option<&str>,
    ) -> Result<Granted, DeskError> {
        let granted = self.preview(id, digest, binding).await?;
        self.grant_shown(author, id, &granted).await?;
        Ok(granted)
    }

    /// Allows what [`Desk::preview`] showed, if it is still what would be allowed.
    ///
    /// # Errors
    /// If bindings, settings or the version's state have changed since: what is gone by now is not approved.
    pub async fn grant_shown(&self, author: &Author, id: &str, granted: &Granted) -> Result<(), DeskError> {
        let version = granted.version.clone();
        let manifest =
            Manifest::from_toml(&version.manifest).map_err(|error| DeskError::Manifest(error.to_string()))?;
        let config = self.config.clone();
        let now = self.clock.now();
        let asked: Vec<(String, Permissions)> = granted
            .bindings
            .iter()
            .filter(|planned| !planned.declared && !planned.asked.is_empty())
            .map(|planned| (planned.name.clone(), planned.asked.clone()))
            .collect();
        let allowed: Vec<_> = granted
            .bindings
            .iter()
            .map(|planned| json!({ "binding": planned.name, "permissions": planned.asked.describe() }))
            .collect();
        let after = json!({ "version": version.version, "digest": version.digest, "allowed": allowed });
        let event = author.event(now, &*self.rng, "plugin.approved", events::plugin(id), after);
        let by = author.name();
        let write = self.store.write(Lane::Request, move |tx| {
            Box::pin(async move {
                begin_change(tx).await?;
                let there = plan(&config, &Arranged::read(tx).await?, &manifest);
                let still_asks = |(name, asked): &(String, Permissions)| {
                    there.iter().any(|planned| planned.name == *name && planned.asked == *asked)
                };
                if !asked.iter().all(still_asks) {
                    return Ok(false);
                }
                let rows = plugins::versions(tx, &version.id).await?;
                let row = rows.iter().find(|row| row.digest == version.digest);
                let Some(state) = row.map(|row| row.state).filter(|state| *state == version.state) else {
                    return Ok(false);
                };
                let needs_it =
                    |row: &Plugin| matches!(row.state, State::Active | State::Paused) || is_next(row);
                let others_need_it = rows.iter().any(|row| needs_it(row) && row.digest != version.digest);
                for (binding, asked) in asked {
                    let before = grants::get(tx, &binding).await?.and_then(|row| stored(&row, &version.id));
                    // Until this version serves, another one does, or will once it is resumed, and needs what it was
                    // allowed; so does one that is approved to be next. When one of them becomes active, what only
                    // others asked for is taken back.
                    let permissions = match before {
                        Some(before) if others_need_it => union(&before, &asked),
                        _ => asked.clone(),
                    };
                    let row = grants::Grant {
                        binding,
                        plugin_id: version.id.clone(),
                        permissions: as_text(&permissions)?,
                        fingerprint: asked.fingerprint(),
                        granted_by: by.clone(),
                        granted_at: now,
                    };
                    grants::put(tx, &row).await?;
                }
                let since = word(&rows, now);
                plugins::approve(tx, &version.id, &version.digest, &by, since).await?;
                if state == State::PendingApproval {
                    // What it waited for it waits for no more.
                    plugins::set_reason(tx, &version.id, &version.digest, None).await?;
                }
                if !matches!(state, State::Active | State::Paused | State::PendingApproval) {
                    plugins::set_state(tx, &version.id, &version.digest, State::PendingApproval, None, since)
                        .await?;
                    plugins::set_host(tx, &version.id, &version.digest, None).await?;
                }
                tx.append(&event, &[]).await?;
                Ok(true)
            })
        });
        if !write.await? {
            let reason = format!("`{id}` or its bindings changed meanwhile: look at what it asks for again");
            return Err(DeskError::State(reason));
        }
        Ok(())
    }

    /// Takes back what a plugin's bindings (or one of them) were allowed. Without `binding`, what would
    /// serve all the same, because it asks for nothing or the configuration allows it, is taken out of service.
    pub async fn revoke(
        &self,
        author: &Author,
        id: &str,
        binding: Option<&str>,
    ) -> Result<Revoked, DeskError> {
        let version = self.serving(id).await?;
        if let Some(binding) = binding {
            self.check_revocable(id, binding).await?;
        }
        let now = self.clock.now();
        let declared = if binding.is_none() { self.declared_grants(id) } else { BTreeMap::new() };
        let (id, binding) = (id.to_owned(), binding.map(str::to_owned));
        let (author, rng, config) = (author.clone(), self.rng.clone(), self.config.clone());
        let write = self.store.write(Lane::Request, move |tx| {
            Box::pin(async move {
                begin_change(tx).await?;
                let mut revoked = Revoked { declared, ..Revoked::default() };
                for row in grants::list(tx).await? {
                    if row.plugin_id == id && binding.as_ref().is_none_or(|wanted| *wanted == row.binding) {
                        grants::revoke(tx, &row.binding).await?;
                        revoked.bindings.push(row.binding);
                    }
                }
                let ungranted = Arranged::read(tx).await?.without_grants();
                let mut versions = plugins::versions(tx, &id).await?;
                versions.retain(|row| row.state != State::Removed);
                // By this host's configuration, whatever is active.
                let serves_here =
                    |row: &Plugin| row.digest == version.digest && row.state == State::Superseded;
                for row in &versions {
                    let is_meant = binding.is_none()
                        && (matches!(row.state, State::Active | State::Paused | State::PendingApproval)
                            || serves_here(row));
                    if is_meant && may_serve(&config, &ungranted, row) {
                        // It is kept, and others may have come by the time somebody follows it.
                        let again = format!("hardpoint plugin grant {id} --digest {}", row.digest);
                        let reason = format!("{REVOKED} {}; allow it again with `{again}`", author.name());
                        plugins::set_state(tx, &id, &row.digest, State::Rejected, Some(&reason), now).await?;
                        revoked.stopped = true;
                        if row.digest == version.digest {
                            revoked.again = Some(again);
                        }
                    }
                }
                let after = json!({ "version": version.version, "bindings": revoked.bindings });
                let event = author.event(now, &*rng, "plugin.revoked", events::plugin(&id), after);
                tx.append(&event, &[]).await?;
                Ok(revoked)
            })
        });
        Ok(write.await?)
    }

    /// Refuses what the configuration would not let serve anyway.
    pub(super) fn check_pin(&self, id: &str, digest: &str) -> Result<(), DeskError> {
        match self.config.declared.get(id).and_then(|declared| declared.digest.as_ref()) {
            Some(pin) if pin != digest => Err(DeskError::State(format!(
                "hardpoint.toml lets only {pin} serve, under [plugins.{id}]; change it there"
            ))),
            _ => Ok(()),
        }
    }

    /// Refuses a binding that the plugin does not have, or whose permissions the configuration declares. No
    /// version is planned for it: one that waits may not even fit, which must keep nobody from revoking.
    async fn check_revocable(&self, id: &str, binding: &str) -> Result<(), DeskError> {
        let arranged = self.arranged().await?;
        let mut known: BTreeSet<&str> = arranged.bindings_of(&self.config, id).into_keys().collect();
        if known.is_empty() {
            known.insert(id);
        }
        known.extend(arranged.grants.iter().filter(|(_, (of, _))| of == id).map(|(name, _)| name.as_str()));
        if !known.contains(binding) {
            let known = Vec::from_iter(known).join(", ");
            return Err(DeskError::NoBinding { id: id.to_owned(), binding: binding.to_owned(), known });
        }
        if let Some(Binding { grant: Some(_), written: Written::Configuration { table, .. }, .. }) =
            self.config.bindings.get(binding)
        {
            return Err(self.declared(binding, table));
        }
        Ok(())
    }

    fn declared(&self, binding: &str, table: &str) -> DeskError {
        let place = self.config.place(&format!("{table}.grant"));
        DeskError::Declared { binding: binding.to_owned(), table: table.to_owned(), place }
    }

    /// The bindings of a plugin whose permissions stand in the configuration, and where.
    fn declared_grants(&self, id: &str) -> BTreeMap<String, String> {
        let place = |(name, binding): (&String, &Binding)| match &binding.written {
            Written::Configuration { table, .. } if binding.grant.is_some() => {
                let place = self.config.place(&format!("{table}.grant"));
                Some((name.clone(), format!("[{table}.grant]{place}")))
            }
            _ => None,
        };
        let bindings = self.config.bindings.iter();
        bindings.filter(|(_, binding)| binding.plugin.as_str() == id).filter_map(place).collect()
    }

    /// Takes a plugin away, with its bindings, what they were allowed, and the approval of its bytes. A file in
    /// the folder stays, and is taken up again when it changes.
    pub async fn remove(&self, author: &Author, id: &str) -> Result<(), DeskError> {
        let plugin = id.to_owned();
        let now = self.clock.now();
        let reason = format!("removed by {}", author.name());
        let (rng, author) = (self.rng.clone(), author.clone());
        let write = self.store.write(Lane::Request, move |tx| {
            Box::pin(async move {
                begin_change(tx).await?;
                let versions = plugins::versions(tx, &plugin).await?;
                // Those that served once go too: nothing is left that could come again, or holds on to a name.
                let there: Vec<&Plugin> = versions.iter().filter(|row| row.state != State::Removed).collect();
                if there.is_empty() {
                    return Ok(false);
                }
                for row in &there {
                    plugins::set_state(tx, &row.id, &row.digest, State::Removed, Some(&reason), now).await?;
                }
                // Whichever of them comes again waits again.
                for row in &versions {
                    plugins::disapprove(tx, &row.id, &row.digest, now).await?;
                }
                let (mut allowed, mut bound) = (BTreeMap::new(), BTreeSet::new());
                for row in grants::list(tx).await?.into_iter().filter(|row| row.plugin_id == plugin) {
                    let permissions = stored(&row, &plugin).map(|allowed| allowed.describe());
                    grants::revoke(tx, &row.binding).await?;
                    allowed.insert(row.binding, permissions.unwrap_or_default());
                }
                for row in bindings::list(tx).await?.into_iter().filter(|row| row.plugin_id == plugin) {
                    bindings::remove(tx, &row.name).await?;
                    bound.insert(row.name);
                }
                let digests: BTreeSet<&str> = there.iter().map(|row| row.digest.as_str()).collect();
                let gone = json!({ "digests": digests, "bindings": bound, "taken_back": allowed });
                let event = author.event(now, &*rng, "plugin.removed", events::plugin(&plugin), gone);
                tx.append(&event, &[]).await?;
                Ok(true)
            })
        });
        match write.await? {
            true => Ok(()),
            false => Err(self.no_plugin(id).await),
        }
    }
}

/// Whether a version may serve as things are arranged.
pub(crate) fn may_serve(config: &Config, arranged: &Arranged, version: &Plugin) -> bool {
    Manifest::from_toml(&version.manifest)
        .is_ok_and(|manifest| plan(config, arranged, &manifest).iter().any(Planned::is_ready))
}

/// What a row allows the plugin.
pub(super) fn stored(row: &grants::Grant, plugin: &str) -> Option<Permissions> {
    read_grants(vec![row.clone()])
        .remove(&row.binding)
        .filter(|(of, _)| of == plugin)
        .map(|(_, permissions)| permissions)
}

pub(super) fn as_text(permissions: &Permissions) -> Result<String, StoreError> {
    serde_json::to_string(permissions)
        .map_err(|error| StoreError::Unavailable(format!("permissions cannot be written down: {error}")))
}

/// What either allows.
pub(super) fn union(one: &Permissions, other: &Permissions) -> Permissions {
    let mut both = one.clone();
    both.http.extend(other.http.iter().filter(|rule| !one.http.contains(rule)).cloned());
    both.secrets.extend(other.secrets.iter().filter(|rule| !one.secrets.contains(rule)).cloned());
    both.kv |= other.kv;
    both.index |= other.index;
    both.embed |= other.embed;
    both.scratch |= other.scratch;
    both
}
