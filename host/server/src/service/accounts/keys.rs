//! API keys: made, renewed, archived, deleted. A key itself never changes: what it may do is decided when
//! it is made.

use std::time::Duration;

use hardpoint_domain::access::{Powers, Role, is_scope};
use hardpoint_domain::catalogue::Counted;
use hardpoint_domain::event::{Event, Target};
use hardpoint_domain::id;
use hardpoint_domain::key::{KeyText, Mode};
use hardpoint_domain::time::Timestamp;
use hardpoint_store::keys::{self, Key, NewKey};
use hardpoint_store::{Lane, StoreError, Window, call_records, workspaces};
use serde_json::{Value, json};

use super::{Accounts, Happened, Principal, shown, text};
use crate::error::ApiError;

/// Requests a minute of a key that was made without saying how many.
pub const PER_MINUTE: i64 = 60;
/// The same for an hour.
pub const PER_HOUR: i64 = 1_000;
/// The longest that a key may live on after it was renewed.
pub const LONGEST_OVERLAP: Duration = Duration::from_secs(30 * 86_400);

const LONGEST_LABEL: usize = 200;
const MOST_SCOPES: usize = 100;
const HIGHEST_LIMIT: i64 = 1_000_000_000;

/// Seclai's sentence.
const USED: &str = "This API key has call history and cannot be deleted. Archive it instead.";

/// What a new key is to be.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Whose; the caller's own organisation where left out.
    pub organization_id: Option<String>,
    /// The only workspace that it may be used in.
    pub workspace_id: Option<String>,
    /// For people; may be empty.
    pub label: String,
    /// What its holder is to be.
    pub role: Role,
    /// `verb:resource`; none leaves it to the role.
    pub scopes: Vec<String>,
    /// False for a test key.
    pub livemode: bool,
    /// Requests a minute; none leaves it to the plan.
    pub rate_limit_per_minute: Option<i64>,
    /// Requests an hour; none leaves it to the plan.
    pub rate_limit_per_hour: Option<i64>,
    /// From when on it is refused.
    pub expires_at: Option<Timestamp>,
}

/// A key that was just made, and its text, which nobody will see again.
#[derive(Clone, Debug)]
pub struct Made {
    /// The key.
    pub key: Key,
    /// Its text.
    pub text: KeyText,
}

/// A key that took another's place.
#[derive(Clone, Debug)]
pub struct Rotated {
    /// The new one.
    pub made: Made,
    /// The old one, as it is now.
    pub previous: Key,
}

/// What a key allows its holder.
pub fn powers(key: &Key) -> Powers<'_> {
    Powers {
        role: key.role,
        workspaces: &[],
        scopes: &key.scopes,
        workspace_id: key.workspace_id.as_deref(),
        livemode: key.livemode,
    }
}

impl Accounts {
    /// Makes a key that can do no more than who makes it.
    ///
    /// # Errors
    /// 400 and 422 name the field; 402 where the plan has no room for one more; 403 says what the key would have
    /// more; 404 for no such organisation.
    pub async fn create_key(&self, by: &Principal, wanted: Wanted) -> Result<Made, ApiError> {
        let now = self.clock.now();
        check(&wanted, now)?;
        let organization_id = self.existing(by, wanted.organization_id.as_deref()).await?;
        let text = KeyText::generate(if wanted.livemode { Mode::Live } else { Mode::Test }, &*self.rng);
        let key = Key {
            id: id::prefixed("key", now, &*self.rng),
            organization_id,
            workspace_id: wanted.workspace_id,
            label: wanted.label,
            role: wanted.role,
            hint: text.hint(),
            scopes: wanted.scopes,
            livemode: wanted.livemode,
            rate_limit_per_minute: wanted.rate_limit_per_minute,
            rate_limit_per_hour: wanted.rate_limit_per_hour,
            expires_at: wanted.expires_at,
            archived_at: None,
            created_at: now,
            last_used_at: None,
        };
        by.powers().permit_in(key.workspace_id.as_deref(), Role::Admin)?;
        by.powers().cover(&powers(&key))?;
        self.check_workspace(&key).await?;
        let (new, event) = (NewKey { key: key.clone(), hash: text.hash() }, self.created(by, &key, now));
        let allowance = self.allowance(by);
        let write = self.store.write(Lane::Request, move |tx| {
            Box::pin(async move {
                let room = allowance.room(tx, &new.key.organization_id, Counted::ApiKeys, now).await?;
                if room.is_ok() {
                    keys::insert(tx, &new).await?;
                    tx.append(&event, &[]).await?;
                }
                Ok(room)
            })
        });
        match write.await {
            // Its organisation stays, but the workspace may have gone meanwhile.
            Err(StoreError::Dangling) => Err(no_workspace()),
            written => Ok(written?.map(|()| Made { key, text })?),
        }
    }

    /// An organisation's keys that are the caller's to see, newest first, and how many there are in all.
    ///
    /// # Errors
    /// 404 for no such organisation.
    pub async fn keys(
        &self,
        by: &Principal,
        organization_id: Option<&str>,
        window: Window,
    ) -> Result<(Vec<Key>, i64), ApiError> {
        let organization_id = self.existing(by, organization_id).await?;
        let mut conn = self.store.read().await?;
        if let Some(user) = by.only_in_workspaces(Role::Member) {
            let found = keys::list_of_member(&mut conn, &organization_id, user, window).await?;
            return Ok((found, keys::count_of_member(&mut conn, &organization_id, user).await?));
        }
        let workspace = by.powers().workspace_id;
        let found = keys::list(&mut conn, &organization_id, workspace, window).await?;
        Ok((found, keys::count_of(&mut conn, &organization_id, workspace).await?))
    }

    /// A key that is the caller's to see.
    ///
    /// # Errors
    /// 404 where there is none; 403 where the caller's role is too little there.
    pub async fn key(&self, by: &Principal, id: &str) -> Result<Key, ApiError> {
        let found = match id::looks_like("key", id) {
            true => keys::find(&mut self.store.read().await?, id).await?,
            false => None,
        };
        let key = found
            .filter(|key| by.reaches(&key.organization_id) && by.sees(key.workspace_id.as_deref()))
            .ok_or_else(|| no_key(id))?;
        if !by.holds(&key.id) {
            by.powers().permit_in(key.workspace_id.as_deref(), Role::Member)?;
        }
        Ok(key)
    }

    /// A key that the caller may renew or end.
    async fn covered(&self, by: &Principal, id: &str) -> Result<Key, ApiError> {
        let key = self.key(by, id).await?;
        by.powers().permit_in(key.workspace_id.as_deref(), Role::Admin)?;
        by.powers().cover(&powers(&key))?;
        Ok(key)
    }

    /// Archives a key for good. Archiving it again changes nothing.
    ///
    /// # Errors
    /// 404; 403 for a key that may do more than the caller; 409 for one that was never used.
    pub async fn archive_key(&self, by: &Principal, id: &str) -> Result<Key, ApiError> {
        let key = self.covered(by, id).await?;
        if !self.was_used(&key).await? {
            let message = "This API key has no call history and cannot be archived. Delete it instead.";
            return Err(ApiError::conflict(message));
        }
        self.archive(by, key).await
    }

    /// Archives a key whether or not it was ever used.
    ///
    /// # Errors
    /// 404; 403 for a key that may do more than the caller.
    pub async fn revoke_key(&self, by: &Principal, id: &str) -> Result<Key, ApiError> {
        let key = self.covered(by, id).await?;
        self.archive(by, key).await
    }

    async fn archive(&self, by: &Principal, key: Key) -> Result<Key, ApiError> {
        let now = self.clock.now();
        let after = json!({ "archived_at": now.to_rfc3339() });
        let event = self.key_event(by, &key, Happened::new(now, "key.archived", target(&key.id), after));
        let id = key.id.clone();
        let write = self.store.write(Lane::Request, move |tx| {
            Box::pin(async move {
                if keys::archive(tx, &id, now).await? {
                    tx.append(&event, &[]).await?;
                }
                keys::find(tx, &id).await
            })
        });
        write.await?.ok_or_else(|| no_key(&key.id))
    }

    /// Makes a key like another, which lives on for `overlap` and no longer. `expires_at` is the new key's
    /// end; the same as before where left out.
    ///
    /// # Errors
    /// 400 for too long an overlap; 402 where there would be more than one key beyond what the plan includes; 404; 403
    /// for a key that may do more than the caller; 409 for one that has ended already; 422 for an end that is over.
    pub async fn rotate_key(
        &self,
        by: &Principal,
        id: &str,
        overlap: Duration,
        expires_at: Option<Option<Timestamp>>,
    ) -> Result<Rotated, ApiError> {
        if overlap > LONGEST_OVERLAP {
            let message = format!("The 'overlap' field takes at most {} seconds.", LONGEST_OVERLAP.as_secs());
            return Err(ApiError::bad_field("overlap", "range", message));
        }
        let old = self.covered(by, id).await?;
        let now = self.clock.now();
        let expires_at = expires_at.unwrap_or(old.expires_at);
        let ends_at = old.expires_at.map_or(now.plus(overlap), |end| end.min(now.plus(overlap)));
        let mode = if old.livemode { Mode::Live } else { Mode::Test };
        let text = KeyText::generate(mode, &*self.rng);
        let key = Key {
            id: id::prefixed("key", now, &*self.rng),
            hint: text.hint(),
            expires_at,
            created_at: now,
            last_used_at: None,
            ..old.clone()
        };
        if old.archived_at.is_some() || old.expires_at.is_some_and(|end| end <= now) {
            return Err(over());
        }
        check_end(expires_at, now)?;
        let after = json!({ "expires_at": ends_at.to_rfc3339(), "replaced_by": key.id });
        let mut rotated = Happened::new(now, "key.rotated", target(&old.id), after);
        rotated.before = json!({ "expires_at": old.expires_at.map(Timestamp::to_rfc3339) });
        let events = [self.key_event(by, &old, rotated), self.created(by, &key, now)];
        let (new, old_id) = (NewKey { key: key.clone(), hash: text.hash() }, old.id.clone());
        let allowance = (ends_at > now).then(|| self.allowance(by));
        let write = self.store.write(Lane::Request, move |tx| {
            Box::pin(async move {
                if let Some(allowance) = allowance {
                    // One key may be renewed without a gap on a full plan; what lives on of a chain of them counts.
                    let organization = &new.key.organization_id;
                    let room = allowance.room_beside(tx, organization, Counted::ApiKeys, 1, now).await?;
                    if let Err(upgrade) = room {
                        return Ok(Err(ApiError::from(upgrade)));
                    }
                }
                if !keys::end(tx, &old_id, ends_at, now).await? {
                    return Ok(Err(over()));
                }
                keys::insert(tx, &new).await?;
                for event in &events {
                    tx.append(event, &[]).await?;
                }
                Ok(Ok(()))
            })
        });
        write.await??;
        let previous = Key { expires_at: Some(ends_at), ..old };
        Ok(Rotated { made: Made { key, text }, previous })
    }

    /// Removes a key that was never used.
    ///
    /// # Errors
    /// 404; 403 for a key that may do more than the caller; 409 for one that was used.
    pub async fn delete_key(&self, by: &Principal, id: &str) -> Result<(), ApiError> {
        let key = self.covered(by, id).await?;
        if self.was_used(&key).await? {
            return Err(ApiError::conflict(USED));
        }
        let now = self.clock.now();
        let mut deleted = Happened::new(now, "key.deleted", target(&key.id), Value::Null);
        deleted.before = described(&key);
        let event = self.key_event(by, &key, deleted);
        let write = self.store.write(Lane::Request, move |tx| {
            Box::pin(async move {
                let was_there = keys::delete(tx, &key.id).await?;
                if was_there {
                    tx.append(&event, &[]).await?;
                }
                Ok(was_there)
            })
        });
        if write.await? { Ok(()) } else { Err(no_key(id)) }
    }

    /// Whether a key was ever used: its records may be gone by now, but not that it was.
    async fn was_used(&self, key: &Key) -> Result<bool, ApiError> {
        if key.last_used_at.is_some() {
            return Ok(true);
        }
        Ok(call_records::any_of_key(&mut self.store.read().await?, &key.id).await?)
    }

    /// Whether the workspace is there that a key is to be bound to.
    async fn check_workspace(&self, key: &Key) -> Result<(), ApiError> {
        let Some(workspace) = &key.workspace_id else { return Ok(()) };
        let is_there = id::looks_like("ws", workspace)
            && workspaces::get(&mut self.store.read().await?, &key.organization_id, workspace)
                .await?
                .is_some();
        if is_there { Ok(()) } else { Err(no_workspace()) }
    }

    fn created(&self, by: &Principal, key: &Key, now: Timestamp) -> Event {
        self.key_event(by, key, Happened::new(now, "key.created", target(&key.id), described(key)))
    }

    fn key_event(&self, by: &Principal, key: &Key, happened: Happened) -> Event {
        let happened = Happened { workspace_id: key.workspace_id.clone(), ..happened };
        self.event(by, &key.organization_id, happened)
    }
}

/// Checks a key's label, which some call otherwise.
///
/// # Errors
/// 400, naming the field.
pub fn check_label(field: &str, label: &str) -> Result<(), ApiError> {
    text::line(field, label, LONGEST_LABEL)
}

fn check(wanted: &Wanted, now: Timestamp) -> Result<(), ApiError> {
    check_label("label", &wanted.label)?;
    if wanted.scopes.len() > MOST_SCOPES {
        let message = format!("The 'scopes' field takes at most {MOST_SCOPES} scopes.");
        return Err(ApiError::bad_field("scopes", "max_items", message));
    }
    if let Some(at) = wanted.scopes.iter().position(|scope| !is_scope(scope)) {
        let message = format!(
            "The 'scopes[{at}]' field must be `read:` or `write:` and a resource in lower case: `read:models`."
        );
        return Err(ApiError::bad_field(format!("scopes[{at}]"), "scope", message));
    }
    let limits = [
        ("rate_limit_per_minute", wanted.rate_limit_per_minute),
        ("rate_limit_per_hour", wanted.rate_limit_per_hour),
    ];
    for (field, limit) in limits {
        if limit.is_some_and(|limit| !(1..=HIGHEST_LIMIT).contains(&limit)) {
            let message =
                format!("The '{field}' field must be from 1 to {HIGHEST_LIMIT}, or null for the plan's.");
            return Err(ApiError::bad_field(field, "range", message));
        }
    }
    check_end(wanted.expires_at, now)
}

fn check_end(expires_at: Option<Timestamp>, now: Timestamp) -> Result<(), ApiError> {
    if expires_at.is_some_and(|end| end <= now) {
        let message = "The 'expires_at' field must be in the future.";
        return Err(ApiError::impossible("expires_at", "future", message));
    }
    Ok(())
}

fn target(id: &str) -> Target {
    Target::new("key", id)
}

/// What events tell of a key.
fn described(key: &Key) -> Value {
    json!({
        "label": key.label,
        "role": key.role,
        "scopes": key.scopes,
        "livemode": key.livemode,
        "hint": key.hint,
        "workspace_id": key.workspace_id,
        "rate_limit_per_minute": key.rate_limit_per_minute,
        "rate_limit_per_hour": key.rate_limit_per_hour,
        "expires_at": key.expires_at.map(Timestamp::to_rfc3339),
    })
}

fn no_key(id: &str) -> ApiError {
    ApiError::not_found(format_args!("API key `{}`", shown(id)))
}

fn over() -> ApiError {
    ApiError::conflict("This API key has ended already. Create a new one.")
}

fn no_workspace() -> ApiError {
    ApiError::impossible("workspace_id", "unknown", "There is no such workspace in the key's organisation.")
}
