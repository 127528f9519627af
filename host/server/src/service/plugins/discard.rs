//! A version that waits beside the one that serves, and is not wanted: it alone goes, or goes back to where it was.

use hardpoint_store::plugins::{self, Plugin, State};
use hardpoint_store::{Lane, begin_change};
use serde_json::json;

use super::narrow::{TakenBack, narrow};
use super::{Desk, DeskError};
use crate::service::events::{self, Author};
use crate::worker::reload::decide::{candidate, is_next};

/// A version that was discarded.
#[derive(Clone, Debug)]
pub struct Discarded {
    /// Which.
    pub version: Plugin,
    /// What bindings were allowed for its sake.
    pub taken_back: TakenBack,
}

/// Why nothing was discarded.
enum Refused {
    NothingWaits,
    NothingServes,
    Pinned,
}

impl Desk {
    /// Discards the version that waits, or the one of those that wait with this digest: its bytes' approval is
    /// forgotten, and what bindings were allowed for its sake alone is taken back. One that served before, and
    /// waits because somebody went back to it, can be gone back to again, and keeps its approval. A file of it in
    /// the folder stays, and is taken up again when it changes.
    ///
    /// # Errors
    /// There is no such plugin or version; none waits; no other serves, so that nothing would be left; or it is the
    /// one that the configuration names.
    pub async fn discard(
        &self,
        author: &Author,
        id: &str,
        digest: Option<&str>,
    ) -> Result<Discarded, DeskError> {
        self.version(id, digest).await?;
        let now = self.clock.now();
        let (author, rng, config) = (author.clone(), self.rng.clone(), self.config.clone());
        let (plugin, wanted) = (id.to_owned(), digest.map(str::to_owned));
        let write = self.store.write(Lane::Request, move |tx| {
            Box::pin(async move {
                begin_change(tx).await?;
                let versions = plugins::versions(tx, &plugin).await?;
                let waits = |row: &&Plugin| row.state == State::PendingApproval;
                let found = match &wanted {
                    Some(wanted) => versions.iter().filter(waits).find(|row| row.digest == *wanted),
                    None => candidate(&versions),
                };
                let Some(row) = found else { return Ok(Err(Refused::NothingWaits)) };
                let declared = config.declared.get(&plugin).and_then(|declared| declared.digest.as_ref());
                if declared == Some(&row.digest) {
                    return Ok(Err(Refused::Pinned));
                }
                let serves = |row: &&Plugin| matches!(row.state, State::Active | State::Paused);
                let Some(serving) = versions.iter().find(serves) else {
                    return Ok(Err(Refused::NothingServes));
                };
                if row.served_at.is_some() {
                    plugins::set_state(tx, &plugin, &row.digest, State::Superseded, None, now).await?;
                } else {
                    let reason = format!("discarded by {}", author.name());
                    plugins::set_state(tx, &plugin, &row.digest, State::Removed, Some(&reason), now).await?;
                    plugins::disapprove(tx, &plugin, &row.digest, now).await?;
                }
                let goes_on = |other: &&Plugin| is_next(other) && other.digest != row.digest;
                let next: Vec<&Plugin> = versions.iter().filter(goes_on).collect();
                let taken_back = narrow(tx, &config, serving, &next).await?;
                let gone = json!({ "version": row.version, "digest": row.digest, "taken_back": taken_back });
                let event = author.event(now, &*rng, "plugin.discarded", events::plugin(&plugin), gone);
                tx.append(&event, &[]).await?;
                Ok(Ok(Discarded { version: row.clone(), taken_back }))
            })
        });
        write.await?.map_err(|refused| {
            DeskError::State(match refused {
                Refused::NothingWaits => format!("no version of `{id}` waits, so there is nothing to discard"),
                Refused::Pinned => {
                    format!("hardpoint.toml lets only this version serve, under [plugins.{id}]; change it there")
                }
                Refused::NothingServes => format!(
                    "no other version of `{id}` serves: take the plugin away with `hardpoint plugin remove {id}`"
                ),
            })
        })
    }
}
