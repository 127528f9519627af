//! What is active and does not serve at this host: told when it begins, and when it is over.

use hardpoint_store::plugins::{Plugin, State};
use hardpoint_store::{Lane, StoreError};
use serde_json::json;

use super::Keeper;
use super::decide::Decision;
use crate::service::events::{self, Author};

impl Keeper {
    /// Tells which active versions ceased to serve since it was last told, and which serve again. What cannot be
    /// written down now is told with the next tick.
    pub(super) async fn tell_idle(&mut self, decisions: &[(&Vec<Plugin>, Decision)]) {
        let mut before = std::mem::take(&mut self.idle);
        for (versions, decision) in decisions {
            for row in versions.iter() {
                let was_idle = before.remove(&row.digest);
                let is_idle = decision.idle.as_ref().filter(|(digest, _)| *digest == row.digest);
                let told = match (&was_idle, is_idle) {
                    (None, Some((_, reason))) => self.tell("plugin.suspended", row, Some(reason)).await,
                    (Some(_), None) if row.state == State::Active => {
                        self.tell("plugin.activated", row, None).await
                    }
                    _ => Ok(()),
                };
                let idle = match told {
                    Ok(()) => is_idle.map(|(_, reason)| reason.clone()),
                    Err(error) => {
                        self.store_trouble("telling which plugins do not serve", &error);
                        was_idle
                    }
                };
                self.idle.extend(idle.map(|reason| (row.digest.clone(), reason)));
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
