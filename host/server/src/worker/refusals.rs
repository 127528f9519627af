//! Refused requests (401, 403, 429), written down by source and minute. One event each would let
//! strangers fill the disk.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hardpoint_domain::event::{Actor, Event, Outcome, Target};
use hardpoint_domain::id;
use hardpoint_domain::time::{Rng, Timestamp};
use hardpoint_store::{Lane, StoreError};
use serde_json::json;

use super::Rounds;
use crate::caller::Caller;
use crate::state::App;

/// How often they are written down.
const PERIOD: Duration = Duration::from_secs(60);

/// Sources that are told apart within one period; the rest is counted together.
const SOURCES: usize = 1_000;

/// What is told apart.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Source {
    status: u16,
    kind: String,
    ip: Option<IpAddr>,
    /// The key and its organisation.
    key: Option<(String, String)>,
}

#[derive(Clone, Copy, Debug)]
struct Tally {
    count: u64,
    first: Timestamp,
    last: Timestamp,
}

/// Refusals that are not written down yet.
#[derive(Debug, Default)]
pub struct Refusals(Mutex<HashMap<Source, Tally>>);

impl Refusals {
    /// Counts one.
    pub fn note(&self, status: u16, kind: &str, ip: Option<IpAddr>, caller: Option<&Caller>, now: Timestamp) {
        let key = caller.map(|caller| (caller.key_id.clone(), caller.organization_id.clone()));
        let mut source = Source { status, kind: kind.to_owned(), ip, key };
        let mut tallies = self.tallies();
        if tallies.len() >= SOURCES && !tallies.contains_key(&source) {
            source = Source { ip: None, key: None, ..source };
        }
        let tally = tallies.entry(source).or_insert(Tally { count: 0, first: now, last: now });
        tally.count += 1;
        tally.last = now;
    }

    /// All that were counted, as events; the count begins anew.
    fn take(&self, rng: &dyn Rng) -> Vec<Event> {
        std::mem::take(&mut *self.tallies())
            .into_iter()
            .map(|(source, tally)| event(source, tally, rng))
            .collect()
    }

    fn tallies(&self) -> MutexGuard<'_, HashMap<Source, Tally>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn event(source: Source, tally: Tally, rng: &dyn Rng) -> Event {
    let (key_id, organization_id) = source.key.unzip();
    let kind = if key_id.is_some() { "key" } else { "anonymous" };
    Event {
        id: id::prefixed("evt", tally.last, rng),
        time: tally.last,
        organization_id,
        workspace_id: None,
        kind: "request.refused".to_owned(),
        actor: Actor { kind: kind.to_owned(), id: key_id, name: None },
        target: Target { kind: "api".to_owned(), id: "api".to_owned() },
        outcome: Outcome::Refused,
        request_id: None,
        source_ip: source.ip.map(|ip| ip.to_string()),
        before: None,
        after: Some(json!({
            "status": source.status,
            "error": source.kind,
            "count": tally.count,
            "since": tally.first.to_rfc3339(),
        })),
    }
}

/// Writes refusals down every minute, and once more at the end.
pub async fn run(app: Arc<App>) {
    let mut rounds = Rounds::every(PERIOD, &app);
    while rounds.next().await {
        if let Err(error) = write(&app).await {
            tracing::warn!(%error, "refusals were not written down");
        }
    }
}

async fn write(app: &App) -> Result<(), StoreError> {
    let events = app.refusals.take(&*app.rng);
    if events.is_empty() {
        return Ok(());
    }
    let write = app.store.write(Lane::Bulk, move |tx| {
        Box::pin(async move {
            for event in &events {
                tx.append(event, &[]).await?;
            }
            Ok(())
        })
    });
    write.await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::SystemRng;

    fn at(micros: i64) -> Timestamp {
        Timestamp::from_micros(micros)
    }

    #[test]
    fn one_event_a_source() {
        let refusals = Refusals::default();
        let (one, other) = (Some(IpAddr::from([192, 0, 2, 1])), Some(IpAddr::from([192, 0, 2, 2])));
        for micros in 0..10 {
            refusals.note(401, "authentication_error", one, None, at(micros));
        }
        refusals.note(401, "authentication_error", other, None, at(11));
        refusals.note(403, "permission_denied", one, None, at(12));
        let mut events = refusals.take(&SystemRng);
        events.sort_by_key(|event| event.time);
        let told: Vec<_> =
            events.iter().map(|event| event.after.as_ref().unwrap()["count"].clone()).collect();
        assert_eq!(told, [10, 1, 1]);
        assert_eq!(events[0].source_ip.as_deref(), Some("192.0.2.1"));
        assert!(refusals.take(&SystemRng).is_empty());
    }

    #[test]
    fn many_sources_share_one_event() {
        let refusals = Refusals::default();
        for number in 0..5_000_u32 {
            refusals.note(401, "authentication_error", Some(IpAddr::from(number.to_be_bytes())), None, at(0));
        }
        let events = refusals.take(&SystemRng);
        assert_eq!(events.len(), SOURCES + 1);
        let rest = events.iter().find(|event| event.source_ip.is_none()).unwrap();
        assert_eq!(rest.after.as_ref().unwrap()["count"], 4_000);
    }
}
