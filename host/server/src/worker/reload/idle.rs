//! What is active and does not serve at this host: told when it begins, and when it is over.

use hardpoint_store::plugins::{Plugin, State};
use hardpoint_store::{Lane, StoreError};
use serde_json::json;

use super::Keeper;
use super::decide::Decision;
use crate::service::events::{self, Author};

/// What became of a version at this host.
pub(super) enum Turned {
    /// It ceased to serve, for this reason.
    Idle(String),
    /// It serves again.
    Serves,
    /// It is not the one that is to serve any more.
    Gone,
}

impl Keeper {
    /// What ceased to serve here since it was last told, and what serves again or is not the active one any more.
    pub(super) fn turned(&self, decisions: &[(&Vec<Plugin>, Decision)]) -> Vec<(Plugin, Turned)> {
        let mut turned = Vec::new();
        for (versions, decision) in decisions {
            for row in versions.iter() {
                let is_told = self.idle.contains(&row.digest);
                turned.extend(self.turn(row, decision, is_told).map(|turn| (row.clone(), turn)));
            }
        }
        turned
    }

    fn turn(&self, row: &Plugin, decision: &Decision, is_told: bool) -> Option<Turned> {
        let idle = decision.idle.as_ref().filter(|(digest, _)| *digest == row.digest);
        let serves = decision.serve.as_ref().map(|(generation, _)| &generation.inspection().digest);
        let pin = self.app.config.declared.get(&row.id).and_then(|declared| declared.digest.as_ref());
        let is_to_serve = pin.map_or(row.state == State::Active, |pin| *pin == row.digest);
        match (is_told, idle) {
            (false, Some((_, reason))) => Some(Turned::Idle(reason.clone())),
            (true, None) if serves == Some(&row.digest) => Some(Turned::Serves),
            (true, None) if !is_to_serve => Some(Turned::Gone),
            _ => None,
        }
    }

    /// Tells it. What cannot be written down now is told with the next tick.
    pub(super) async fn tell_idle(&mut self, turned: Vec<(Plugin, Turned)>) {
        for (row, turn) in turned {
            let told = match &turn {
                Turned::Idle(reason) => self.tell("plugin.suspended", &row, Some(reason)).await,
                Turned::Serves => self.tell("plugin.activated", &row, None).await,
                Turned::Gone => Ok(()),
            };
            match (told, turn) {
                (Ok(()), Turned::Idle(_)) => drop(self.idle.insert(row.digest)),
                (Ok(()), Turned::Serves | Turned::Gone) => drop(self.idle.remove(&row.digest)),
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
