//! The configuration as it is now: as it was loaded, with what the store adds to it: secrets that were kept by command,
//! and what operators changed since. Hosts read it anew whenever
//! the store's revision was raised.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hardpoint_domain::grant::SecretRule;
use hardpoint_domain::origin::Origin;
use hardpoint_store::secrets::{self, PLATFORM};
use hardpoint_store::{Conn, StoreError, revision, settings};

use super::settings::apply;
use super::vault;
use crate::config::{Awaited, Config, ConfiguredSecret, Held, Problem, SecretText, no_secret};

/// The configuration as it is now.
#[derive(Clone, Debug)]
pub struct Effective {
    /// All of it. What `hardpoint.toml` and the environment name wins over secrets of the store.
    pub config: Arc<Config>,
    /// The values of the store's secrets, by name.
    stored: BTreeMap<String, SecretText>,
    /// Keys that operators changed, in the place of what the files say.
    pub changed: BTreeSet<String>,
    /// Secrets of the store that cannot be opened, and why.
    pub unopened: BTreeMap<String, String>,
    /// The store's revision when it was read, or an earlier one.
    pub revision: i64,
}

impl Effective {
    /// Without a store.
    pub fn loaded(config: Arc<Config>) -> Self {
        let (stored, unopened) = (BTreeMap::new(), BTreeMap::new());
        Self { config, stored, changed: BTreeSet::new(), unopened, revision: 0 }
    }

    /// What the store adds to a configuration.
    ///
    /// # Errors
    /// The store's. That a secret cannot be opened is none.
    pub async fn read(conn: &mut Conn, loaded: &Arc<Config>) -> Result<Self, StoreError> {
        // The revision first: what is read after it is at least as new.
        let revision = revision(conn).await?;
        let mut effective = Self { revision, ..Self::loaded(Arc::clone(loaded)) };
        let changed = settings::list(conn).await?;
        if !changed.is_empty() {
            apply(Arc::make_mut(&mut effective.config), &changed);
            effective.changed.extend(changed.into_iter().map(|setting| setting.name));
        }
        for secret in secrets::list(conn, PLATFORM).await? {
            effective.add(secret);
        }
        effective.grant_awaited();
        Ok(effective)
    }

    fn add(&mut self, secret: secrets::Secret) {
        let value = match vault::open(&self.config.keyring, &secret) {
            Ok(value) => value,
            Err(error) => return drop(self.unopened.insert(secret.name, error.to_string())),
        };
        self.stored.insert(secret.name.clone(), value.clone());
        let audience = secret.audience.as_deref().and_then(|audience| Origin::parse(audience).ok());
        if let Some(audience) = audience
            && !self.config.secrets.contains_key(&secret.name)
        {
            let config = Arc::make_mut(&mut self.config);
            config.secrets.insert(secret.name, ConfiguredSecret { value, audience });
        }
    }

    /// Bindings of the configuration that name a secret of the store could not know its audience before.
    fn grant_awaited(&mut self) {
        for Awaited { binding, asked, secret, is_granted, .. } in self.config.awaited.clone() {
            let Some(audience) = self.config.secrets.get(&secret).map(|secret| secret.audience.clone())
            else {
                continue;
            };
            let config = Arc::make_mut(&mut self.config);
            if let Some(grant) = config.bindings.get_mut(&binding).and_then(|binding| binding.grant.as_mut())
                && is_granted
            {
                grant.secrets.push(SecretRule { name: asked, audience, optional: false });
            }
        }
    }

    /// A secret that was kept by command.
    pub fn secret(&self, name: &str) -> Option<&SecretText> {
        self.stored.get(name)
    }

    /// A secret that the host itself needs, and the only origin that it may be sent to, where that is said; none where
    /// it is nowhere.
    pub fn held<'s>(&'s self, held: &'s Held) -> Option<(&'s SecretText, Option<&'s Origin>)> {
        match held {
            Held::Here(value) => Some((value, None)),
            Held::Named(name) => match self.config.secrets.get(name) {
                Some(secret) => Some((&secret.value, Some(&secret.audience))),
                None => self.secret(name).map(|value| (value, None)),
            },
        }
    }

    /// Secrets that the configuration names, for bindings or for the host itself, and that are nowhere.
    pub fn missing(&self) -> Vec<Problem> {
        let config = &self.config;
        let awaited = config.awaited.iter().filter(|awaited| !config.secrets.contains_key(&awaited.secret));
        let awaited = awaited.map(|awaited| awaited.key.clone());
        let own = config.stripe.iter().flat_map(|stripe| stripe.held());
        let own = own.filter(|(_, held)| self.held(held).is_none()).map(|(key, _)| format!("{key}.secret"));
        let problem = |key| config.problem(key, no_secret(config.secrets.keys()));
        awaited.chain(own).map(problem).collect()
    }
}
