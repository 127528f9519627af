//! Secrets that were kept by command: sealed in the store under a master key that only the hosts have.

use std::sync::Arc;

use hardpoint_domain::event::Target;
use hardpoint_domain::id::BindingName;
use hardpoint_domain::origin::Origin;
use hardpoint_domain::seal::{Keyring, SealError, Sealed};
use hardpoint_domain::time::{Clock, Rng, Timestamp};
use hardpoint_store::secrets::{self, PLATFORM, Secret};
use hardpoint_store::{Lane, Store, StoreError, mails};
use serde::Serialize;
use serde_json::{Value, json};

use crate::config::{Config, MASTER_KEY_VARIABLE, SecretText};
use crate::error::ApiError;
use crate::service::events::Author;

/// The longest value, in bytes. It is looked for in everything that plugins get to read.
const LONGEST: usize = 64 << 10;

/// Secrets that are read at once when all of them are sealed anew.
const BATCH: i64 = 100;

/// What this needs.
#[derive(Clone)]
pub struct Vault {
    /// Where sealed secrets are.
    pub store: Store,
    /// The master keys, and the secrets that are named elsewhere.
    pub config: Arc<Config>,
    /// The present.
    pub clock: Arc<dyn Clock>,
    /// For nonces and ids of events.
    pub rng: Arc<dyn Rng>,
}

/// What became of sealing everything anew.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Rotated {
    /// The newest master key.
    pub key_id: String,
    /// Secrets that were sealed anew.
    pub resealed: u64,
    /// Secrets that were under the newest key before.
    pub unchanged: u64,
    /// Secrets that cannot be opened, and why.
    pub unopened: Vec<String>,
    /// Mails on their way that an older key is still needed for; they are gone within three days.
    pub mails_under_older_keys: i64,
}

/// The value of a secret.
///
/// # Errors
/// If its master key is not here, or it is not what was sealed under this name and for this audience.
pub fn open(keyring: &Keyring, secret: &Secret) -> Result<SecretText, SealError> {
    let sealed = Sealed { key_id: secret.key_id.clone(), bytes: secret.sealed.clone() };
    let place = place(&secret.owner, &secret.name, secret.audience.as_deref());
    let value = String::from_utf8(keyring.open(&place, &sealed)?).map_err(|_| SealError::Broken)?;
    Ok(SecretText::new(value))
}

/// A secret, sealed for its owner, its name and the only origin that it may be sent to; without one, for the host alone.
///
/// # Errors
/// 409 where there is no key to seal with.
pub fn seal(
    keyring: &Keyring,
    rng: &dyn Rng,
    (owner, name, audience): (&str, &str, Option<String>),
    value: &str,
    (updated_by, now): (String, Timestamp),
) -> Result<Secret, ApiError> {
    let master = keyring.newest().ok_or_else(no_master_key)?;
    let place = place(owner, name, audience.as_deref());
    let Sealed { key_id, bytes } = master.seal(&place, value.as_bytes(), rng).map_err(ApiError::internal)?;
    let (owner, name) = (owner.to_owned(), name.to_owned());
    Ok(Secret { owner, name, audience, key_id, sealed: bytes, updated_by, created_at: now, updated_at: now })
}

fn check_value(value: &str) -> Result<(), ApiError> {
    if value.is_empty() || value.len() > LONGEST || value.contains('\0') {
        let rule = format!("The value must have 1 to {LONGEST} bytes, and no NUL.");
        return Err(ApiError::bad_field("value", "length", rule));
    }
    Ok(())
}

/// Who can write to the database can neither rename a secret nor send it elsewhere.
fn place<'a>(owner: &'a str, name: &'a str, audience: Option<&'a str>) -> [&'a str; 4] {
    ["secret", owner, name, audience.unwrap_or_default()]
}

impl Vault {
    /// Keeps a secret of the platform, in place of the one that has its name. Says whether there was one.
    ///
    /// # Errors
    /// 400 names what does not fit; 409 where there is no master key, or the configuration has a secret of this
    /// name.
    pub async fn set(
        &self,
        by: &Author,
        name: &str,
        audience: Option<&str>,
        value: &str,
    ) -> Result<bool, ApiError> {
        self.check_name(name)?;
        let audience = audience.map(Origin::parse).transpose().map_err(|error| {
            let reason = format!("The audience is no origin: {}.", error.reason());
            ApiError::bad_field("audience", "origin", reason)
        })?;
        let (audience, now) = (audience.map(|audience| audience.to_string()), self.clock.now());
        let place = (PLATFORM, name, audience);
        // Without a master key nobody asks for the value, so that is said first.
        let secret = seal(&self.config.keyring, &*self.rng, place, value, (by.name(), now))?;
        check_value(value)?;
        let (by, rng) = (by.clone(), self.rng.clone());
        let write = self.store.write(Lane::Request, move |tx| {
            Box::pin(async move {
                let before = secrets::get(tx, PLATFORM, &secret.name).await?;
                let kind = if before.is_some() { "secret.changed" } else { "secret.created" };
                let mut event = by.event(now, &*rng, kind, target(&secret.name), described(&secret));
                event.before = before.as_ref().map(described);
                secrets::put(tx, &secret).await?;
                tx.append(&event, &[]).await?;
                Ok(before.is_some())
            })
        });
        Ok(write.await?)
    }

    fn check_name(&self, name: &str) -> Result<(), ApiError> {
        if BindingName::parse(name).is_err() {
            let rule = "The name must have 1 to 63 lower-case letters, digits, hyphens or underscores, a letter first.";
            return Err(ApiError::bad_field("name", "name", rule));
        }
        if self.config.secrets.contains_key(name) {
            let message = format!(
                "The secret `{name}` stands in the configuration, under [secrets.{name}]; change it there."
            );
            return Err(ApiError::conflict(message));
        }
        Ok(())
    }

    /// The platform's secrets by name; none of their values.
    ///
    /// # Errors
    /// The store's.
    pub async fn list(&self) -> Result<Vec<Secret>, StoreError> {
        secrets::list(&mut self.store.read().await?, PLATFORM).await
    }

    /// Forgets a secret of the platform.
    ///
    /// # Errors
    /// 404 where there is none.
    pub async fn delete(&self, by: &Author, name: &str) -> Result<(), ApiError> {
        let (by, rng, now, wanted) = (by.clone(), self.rng.clone(), self.clock.now(), name.to_owned());
        let write = self.store.write(Lane::Request, move |tx| {
            Box::pin(async move {
                let Some(before) = secrets::get(tx, PLATFORM, &wanted).await? else { return Ok(false) };
                let mut event = by.event(now, &*rng, "secret.deleted", target(&wanted), Value::Null);
                event.before = Some(described(&before));
                secrets::delete(tx, PLATFORM, &wanted).await?;
                tx.append(&event, &[]).await?;
                Ok(true)
            })
        });
        if write.await? {
            return Ok(());
        }
        let name: String = name.chars().take(80).collect();
        Err(ApiError::not_found(format_args!("secret `{name}` that was kept by command")))
    }

    /// Seals everything anew that is not under the newest master key. `progress` gets how many were looked at so
    /// far. Interrupted, it can simply be run again.
    ///
    /// # Errors
    /// 409 where there is no master key.
    pub async fn rotate(&self, by: &Author, progress: &mut dyn FnMut(u64)) -> Result<Rotated, ApiError> {
        let newest = self.config.keyring.newest().ok_or_else(no_master_key)?;
        let mut rotated = Rotated { key_id: newest.id().to_owned(), ..Rotated::default() };
        let (mut owner, mut name) = (String::new(), String::new());
        loop {
            let batch = secrets::after(&mut self.store.read().await?, &owner, &name, BATCH).await?;
            let Some(last) = batch.last() else { break };
            (owner, name) = (last.owner.clone(), last.name.clone());
            for secret in batch {
                self.reseal(secret, &mut rotated).await?;
                progress(rotated.resealed + rotated.unchanged + rotated.unopened.len() as u64);
            }
        }
        for id in self.config.keyring.ids().filter(|id| *id != newest.id()) {
            rotated.mails_under_older_keys += mails::count_under(&mut self.store.read().await?, id).await?;
        }
        self.note_rotation(by, &rotated).await?;
        Ok(rotated)
    }

    async fn reseal(&self, secret: Secret, rotated: &mut Rotated) -> Result<(), ApiError> {
        let newest = self.config.keyring.newest().ok_or_else(no_master_key)?;
        if secret.key_id == newest.id() {
            rotated.unchanged += 1;
            return Ok(());
        }
        let value = match open(&self.config.keyring, &secret) {
            Ok(value) => value,
            Err(error) => {
                rotated.unopened.push(format!("{}/{}: {error}", secret.owner, secret.name));
                return Ok(());
            }
        };
        let place = place(&secret.owner, &secret.name, secret.audience.as_deref());
        let sealed =
            newest.seal(&place, value.reveal().as_bytes(), &*self.rng).map_err(ApiError::internal)?;
        let write = self.store.write(Lane::Request, move |tx| {
            Box::pin(async move { secrets::reseal(tx, &secret, &sealed.key_id, &sealed.bytes).await })
        });
        // Who changed it meanwhile sealed it themselves.
        match write.await? {
            true => rotated.resealed += 1,
            false => rotated.unchanged += 1,
        }
        Ok(())
    }

    async fn note_rotation(&self, by: &Author, rotated: &Rotated) -> Result<(), StoreError> {
        let target = Target::new("master_key", &rotated.key_id);
        let event = by.event(self.clock.now(), &*self.rng, "secrets.rotated", target, json!(rotated));
        self.store.write(Lane::Request, move |tx| Box::pin(async move { tx.append(&event, &[]).await })).await
    }
}

fn no_master_key() -> ApiError {
    ApiError::conflict(format!(
        "There is no master key to seal secrets with. Make one with `hardpoint secrets new-key FILE`, and name \
         FILE as `master_key_file` under [secrets], or put the key into {MASTER_KEY_VARIABLE}; hosts and commands \
         need the same one."
    ))
}

fn target(name: &str) -> Target {
    Target::new("secret", name)
}

/// For an event: never the value.
fn described(secret: &Secret) -> Value {
    json!({ "audience": secret.audience, "key_id": secret.key_id })
}
