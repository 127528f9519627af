//! What is active and does not serve at this host: told when it begins, and when it is over.

use hardpoint_store::plugins::{Plugin, State};
use hardpoint_store::{Lane, StoreError};
use serde_json::json;

use super::Keeper;
use super::decide::Decision;
use crate::service::events::{self, Author};

/// A version that ceased to serve, for this reason; or that does not wait for anything any more.
pub(super) type Turned = (Plugin, Option<String>);

impl Keeper {
    /// What ceased to serve here since it was last told, and what serves again or is not the active one any more.
    pub(super) fn turned(&self, decisions: &[(&Vec<Plugin>, Decision)]) -> Vec<Turned> {
        let mut turned = Vec::new();
        for (versions, decision) in decisions {
            let serves = decision.serve.as_ref().map(|(generation, _)| &generation.inspection().digest);
            for row in versions.iter() {
                let idle = decision.idle.as_ref().filter(|(digest, _)| *digest == row.digest);
                match (self.idle.contains(&row.digest), idle) {
                    (false, Some((_, reason))) => turned.push((row.clone(), Some(reason.clone()))),
                    (true, None) if serves == Some(&row.digest) || row.state != State::Active => {
                        turned.push((row.clone(), None));
                    }
                    _ => {}
                }
            }
        }
        turned
    }

    /// Tells it. What cannot be written down now is told with the next tick.
    pub(super) async fn tell_idle(&mut self, turned: Vec<Turned>) {
        for (row, reason) in turned {
            let told = match &reason {
                Some(reason) => self.tell("plugin.suspended", &row, Some(reason)).await,
                None if row.state == State::Active => self.tell("plugin.activated", &row, None).await,
                None => Ok(()),
            };
            match (told, reason) {
                (Ok(()), Some(_)) => drop(self.idle.insert(row.digest)),
                (Ok(()), None) => drop(self.idle.remove(&row.digest)),
                (Err(error), _) => return self.store_trouble("telling which plugins do not serve", &error),
            }
        }
    }

    async fn tell(&self, kind: &str, row: &Plugin, reason: Option<&String>) -> Result<(), StoreError> {
        match reason {
            Some(reason) => tracing::warn!(
                plugin = row.id,
                version = row.version,
                reason,
                "it is active and does not serve"
            ),
            None => tracing::info!(plugin = row.id, version = row.version, "it serves again"),
        }
        let after = json!({
            "version": row.version, "digest": row.digest, "reason": reason, "host": self.host,
        });
        let (now, rng) = (self.app.clock.now(), &*self.app.rng);
        let event = Author::system().event(now, rng, kind, events::plugin(&row.id), after);
        let write = self
            .app
            .store
            .write(Lane::Request, move |tx| Box::pin(async move { tx.append(&event, &[]).await }));
        write.await
    }
}
