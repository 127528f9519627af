//! Refused requests (401, 402, 403, 429), failed logins, and what plugins may not send, written down by source and
//! minute. One event each would let strangers fill the disk.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hardpoint_domain::event::{Actor, Event, Outcome, Target};
use hardpoint_domain::id;
use hardpoint_domain::time::{Clock, Rng, Timestamp};
use hardpoint_runtime::egress::{Refused, Watch};
use hardpoint_store::users::User;
use hardpoint_store::{Lane, StoreError};
use serde_json::json;

use super::Rounds;
use crate::caller::Caller;
use crate::service::events::Author;
use crate::state::App;

/// How often they are written down.
const PERIOD: Duration = Duration::from_secs(60);

/// Sources that are told apart within one period; the rest is counted together.
const SOURCES: usize = 1_000;

/// Requests of one key that leave call records within one period although they were turned away at the door. The rest is
/// in the events alone: such requests count against no limit, so that there may be any number of them.
const RECORDED: u32 = 10;

/// What is told apart.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Source {
    what: What,
    ip: Option<IpAddr>,
    /// Who called, and their organisation.
    caller: Option<(Actor, String)>,
}

/// What was refused.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum What {
    /// A request, with this status and error.
    Request(u16, String),
    /// A PIN, and whose it was not, with their organisation.
    Login(Option<(String, String)>),
    /// A plugin's request, of this binding, to this origin, for an organisation.
    Egress { binding: String, origin: String, organization: Option<String> },
}

#[derive(Clone, Copy, Debug)]
struct Tally {
    count: u64,
    first: Timestamp,
    last: Timestamp,
}

/// Refusals that are not written down yet.
#[derive(Debug, Default)]
pub struct Refusals(Mutex<Counted>);

/// What was counted since the last time.
#[derive(Debug, Default)]
struct Counted {
    tallies: HashMap<Source, Tally>,
    /// How many requests were turned away, by key.
    turned_away: HashMap<String, u32>,
}

impl Refusals {
    /// Counts one.
    pub fn note(&self, status: u16, kind: &str, ip: Option<IpAddr>, caller: Option<&Caller>, now: Timestamp) {
        let caller = caller.map(|caller| (Author::from(caller).actor(), caller.organization_id.clone()));
        self.count(Source { what: What::Request(status, kind.to_owned()), ip, caller }, now);
    }

    /// Counts a request of a key that was turned away at the door, and says whether it leaves a call record.
    pub fn leaves_record(&self, key_id: &str) -> bool {
        let mut counted = self.counted();
        let count = counted.turned_away.entry(key_id.to_owned()).or_default();
        *count = count.saturating_add(1);
        *count <= RECORDED
    }

    /// Counts a PIN that was not the one.
    pub fn note_failed_login(&self, user: Option<&User>, ip: Option<IpAddr>, now: Timestamp) {
        let whose = user.map(|user| (user.id.clone(), user.organization_id.clone()));
        self.count(Source { what: What::Login(whose), ip, caller: None }, now);
    }

    /// Counts a request that a plugin may not send.
    fn note_egress(&self, refused: &Refused<'_>, now: Timestamp) {
        let what = What::Egress {
            binding: refused.holder.binding.to_owned(),
            origin: refused.origin.to_owned(),
            organization: refused.organization.map(str::to_owned),
        };
        self.count(Source { what, ip: None, caller: None }, now);
    }

    fn count(&self, mut source: Source, now: Timestamp) {
        let mut counted = self.counted();
        let tallies = &mut counted.tallies;
        if tallies.len() >= SOURCES && !tallies.contains_key(&source) {
            let what = match source.what {
                What::Login(_) => What::Login(None),
                What::Egress { .. } => {
                    What::Egress { binding: String::new(), origin: String::new(), organization: None }
                }
                request => request,
            };
            source = Source { what, ip: None, caller: None };
        }
        let tally = tallies.entry(source).or_insert(Tally { count: 0, first: now, last: now });
        tally.count += 1;
        tally.last = now;
    }

    /// All that were counted, as events; the count begins anew.
    fn take(&self, rng: &dyn Rng) -> Vec<Event> {
        let Counted { tallies, .. } = std::mem::take(&mut *self.counted());
        tallies.into_iter().map(|(source, tally)| event(source, tally, rng)).collect()
    }

    fn counted(&self) -> MutexGuard<'_, Counted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn event(Source { what, ip, caller }: Source, tally: Tally, rng: &dyn Rng) -> Event {
    let (actor, organization_id) = caller.unzip();
    let mut after = json!({ "count": tally.count, "since": tally.first.to_rfc3339() });
    let (kind, target, organization_id) = match what {
        What::Request(status, error) => {
            (after["status"], after["error"]) = (status.into(), error.into());
            ("request.refused", Target::new("api", "api"), organization_id)
        }
        What::Login(whose) => {
            let (user, organization) = whose.unzip();
            ("login.failed", Target::new("user", user.unwrap_or_default()), organization)
        }
        What::Egress { binding, origin, organization } => {
            after["origin"] = origin.into();
            ("egress.refused", Target::new("binding", binding), organization)
        }
    };
    Event {
        organization_id,
        outcome: Outcome::Refused,
        source_ip: ip.map(|ip| ip.to_string()),
        after: Some(after),
        ..Event::new(
            id::prefixed("evt", tally.last, rng),
            tally.last,
            kind,
            actor.unwrap_or_else(Actor::anonymous),
            target,
        )
    }
}

/// Counts what the way out refuses.
pub struct EgressRefusals {
    /// Where they are counted.
    pub refusals: Arc<Refusals>,
    /// The present.
    pub clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for EgressRefusals {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("EgressRefusals")
    }
}

impl Watch for EgressRefusals {
    fn refused(&self, refused: &Refused<'_>) {
        self.refusals.note_egress(refused, self.clock.now());
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
    fn the_first_of_a_key_leave_records() {
        let refusals = Refusals::default();
        let recorded = |key| (0..RECORDED * 3).filter(|_| refusals.leaves_record(key)).count();
        assert_eq!((recorded("key_1"), recorded("key_1"), recorded("key_2")), (10, 0, 10));
        // Also where nothing else was counted.
        assert!(refusals.take(&SystemRng).is_empty());
        assert_eq!(recorded("key_1"), 10);
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
