//! The operator's switches: pause, resume, go back to the version before. Like the rest of the desk they work
//! on the store alone; running servers follow.

use hardpoint_domain::time::Timestamp;
use hardpoint_store::plugins::{self, Plugin, State};
use hardpoint_store::{Lane, StoreError, Tx, begin_change};
use serde_json::json;

use super::narrow::{TakenBack, would_narrow};
use super::{Desk, DeskError, has_failed, set_aside};
use crate::service::events::{self, Author};
use crate::worker::reload::decide::{has_served, meant, versions_before, word};

/// A version that was gone back to.
#[derive(Clone, Debug)]
pub struct RolledBack {
    /// The next to serve.
    pub version: Plugin,
    /// What its bindings were allowed for a later version: it is taken back when this one becomes active.
    pub taken_back: TakenBack,
}

impl Desk {
    /// Takes a plugin out of service without taking anything from it. What is under way is finished.
    ///
    /// # Errors
    /// There is no such plugin, or it does not serve.
    pub async fn pause(&self, author: &Author, id: &str) -> Result<Plugin, DeskError> {
        let reason = format!("paused by {}; let it go on with `hardpoint plugin resume {id}`", author.name());
        self.turn(author, id, State::Active, State::Paused, Some(reason), "plugin.paused").await
    }

    /// Lets a paused plugin serve again.
    ///
    /// # Errors
    /// There is no such plugin, or it is not paused.
    pub async fn resume(&self, author: &Author, id: &str) -> Result<Plugin, DeskError> {
        self.turn(author, id, State::Paused, State::Active, None, "plugin.resumed").await
    }

    /// Refuses what the configuration keeps from serving.
    pub(super) fn check_on(&self, id: &str) -> Result<(), DeskError> {
        match self.config.declared_off(id) {
            Some(reason) => Err(DeskError::State(format!("{reason}; change it there"))),
            None => Ok(()),
        }
    }

    async fn turn(
        &self,
        author: &Author,
        id: &str,
        from: State,
        to: State,
        reason: Option<String>,
        kind: &'static str,
    ) -> Result<Plugin, DeskError> {
        self.version(id, None).await?;
        self.check_on(id)?;
        let now = self.clock.now();
        let (author, rng, plugin) = (author.clone(), self.rng.clone(), id.to_owned());
        let write = self.store.write(Lane::Request, move |tx| {
            Box::pin(async move {
                begin_change(tx).await?;
                let versions = plugins::versions(tx, &plugin).await?;
                let since = word(&versions, now);
                let Some(row) = versions.into_iter().find(|row| row.state == from) else { return Ok(None) };
                plugins::set_state(tx, &plugin, &row.digest, to, reason.as_deref(), since).await?;
                let after = json!({ "version": row.version, "digest": row.digest });
                tx.append(&author.event(now, &*rng, kind, events::plugin(&plugin), after), &[]).await?;
                Ok(Some(row))
            })
        });
        write.await?.ok_or_else(|| {
            DeskError::State(format!("plugin `{id}` is not {}, so there is nothing to do", from.as_str()))
        })
    }

    /// Makes the version that served before the present one, or the one with this digest, the next to serve.
    /// It needs what it asks for to be allowed, like any version; the present one serves until then.
    ///
    /// # Errors
    /// There is no such plugin, or no such version to go back to, or the configuration lets only another one serve.
    pub async fn roll_back(
        &self,
        author: &Author,
        id: &str,
        digest: Option<&str>,
    ) -> Result<RolledBack, DeskError> {
        let named = self.version(id, digest).await?;
        match digest {
            Some(digest) => {
                self.check_pin(id, digest)?;
                check_served(&named)?;
            }
            None => {
                let versions = self.kept(id).await?;
                versions_before(&versions).first().map_or(Ok(()), |row| self.check_pin(id, &row.digest))?;
            }
        }
        let now = self.clock.now();
        let (author, rng, config) = (author.clone(), self.rng.clone(), self.config.clone());
        let (plugin, wanted) = (id.to_owned(), digest.map(str::to_owned));
        let write = self.store.write(Lane::Request, move |tx| {
            Box::pin(async move {
                begin_change(tx).await?;
                let versions = plugins::versions(tx, &plugin).await?;
                let serves = |row: &&Plugin| matches!(row.state, State::Active | State::Paused);
                let present = versions.iter().find(serves).or_else(|| meant(&versions));
                let Some(present) = present.cloned() else { return Ok(None) };
                let found = match &wanted {
                    Some(wanted) => versions.iter().find(|row| row.digest == *wanted && has_served(row)),
                    None => versions_before(&versions).first().copied(),
                };
                let Some(row) = found.cloned() else { return Ok(None) };
                let since = word(&versions, now);
                plugins::set_state(tx, &plugin, &row.digest, State::PendingApproval, None, since).await?;
                // It is here by an operator's word, whatever becomes of files.
                plugins::set_host(tx, &plugin, &row.digest, None).await?;
                let overtaken = overtake(tx, &versions, &row, &author.name(), since).await?;
                // Other bytes may have come under the same version since: these are the ones that are meant.
                plugins::approve(tx, &plugin, &row.digest, &author.name(), since).await?;
                let taken_back = would_narrow(tx, &config, &row).await?;
                let mut after = json!({
                    "from": { "version": present.version, "digest": present.digest },
                    "to": { "version": row.version, "digest": row.digest },
                });
                if !overtaken.is_empty() {
                    after["set_aside"] = json!(overtaken);
                }
                let event = author.event(now, &*rng, "plugin.rolled_back", events::plugin(&plugin), after);
                tx.append(&event, &[]).await?;
                Ok(Some(RolledBack { version: row, taken_back }))
            })
        });
        write.await?.ok_or_else(|| match digest {
            Some(digest) => DeskError::NoVersion { id: id.to_owned(), digest: digest.to_owned() },
            None => DeskError::State(format!("plugin `{id}` has no version that served before")),
        })
    }
}

/// Whatever waits beside the version that was gone back to waits no more, and what could not be loaded is not tried
/// again: either would take its place without anybody's word. What an operator revoked stays revoked. Gives their
/// digests, for the event.
async fn overtake(
    tx: &mut Tx,
    versions: &[Plugin],
    back: &Plugin,
    by: &str,
    now: Timestamp,
) -> Result<Vec<String>, StoreError> {
    let mut overtaken = Vec::new();
    let reason = format!("{by} went back to version {}", back.version);
    for other in versions.iter().filter(|row| row.digest != back.digest) {
        if other.state == State::PendingApproval {
            let reason = format!("{reason} while it waited");
            plugins::set_state(tx, &other.id, &other.digest, State::Superseded, Some(&reason), now).await?;
        } else if has_failed(other) {
            set_aside(tx, other, &reason).await?;
        } else {
            continue;
        }
        overtaken.push(other.digest.clone());
    }
    Ok(overtaken)
}

/// Refuses to go back to what is not behind.
fn check_served(version: &Plugin) -> Result<(), DeskError> {
    if has_served(version) {
        return Ok(());
    }
    let Plugin { id, version, state, served_at, .. } = version;
    let (state, never) = (state.as_str(), if served_at.is_none() { ", and never served" } else { "" });
    Err(DeskError::State(format!(
        "version {version} of `{id}` is {state}{never}: only one that served before is gone back to"
    )))
}
