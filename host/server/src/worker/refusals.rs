//! Refused requests (401, 402, 403, 429), failed logins, and what plugins may not send, written down by source and
//! minute. One event each would let strangers fill the disk.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hardpoint_domain::event::{Actor, Event, Outcome, Target};
use hardpoint_domain::id;
use hardpoint_domain::time::{Clock, Rng, Timestamp};
use hardpoint_runtime::egress::{Refused, Watch};
use hardpoint_store::retention::{LOGIN_FAILED, REQUEST_REFUSED};
use hardpoint_store::users::User;
use hardpoint_store::{Lane, StoreError};
use serde_json::json;

use super::Rounds;
use crate::caller::Caller;
use crate::service::events::Author;
use crate::state::App;

/// How often they are written down.
const PERIOD: Duration = Duration::from_secs(60);

/// Sources that are told apart within one period, while the rest is counted together: of all, …
const SOURCES: usize = 1_000;
/// … of one organisation, …
const OF_ORGANIZATION: usize = 100;
/// … and of all who are nobody's, of whom there may be any number.
const OF_STRANGERS: usize = 25;

/// Events of one transaction, whose time is bounded.
const CHUNK: usize = 50;

/// Requests of one key that leave call records within one period although they were turned away at the door. The rest is
/// in the events alone: such requests count against no limit, so that there may be any number of them.
const RECORDED: u32 = 10;

/// What is told apart.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Source {
    what: What,
    /// Of whom it is known.
    organization: Option<String>,
    network: Option<IpAddr>,
    actor: Option<Actor>,
}

/// Sources that are counted together once they are too many: those of an organisation, apart from those that others made
/// in its name; those of strangers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Crowd {
    organization: Option<String>,
    is_outside: bool,
}

/// What was refused.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum What {
    /// A request, with this status and error.
    Request(u16, String),
    /// A PIN, and whose it was not.
    Login(Option<String>),
    /// A plugin's request, of this binding, to this origin.
    Egress { binding: String, origin: String },
}

impl Source {
    fn crowd(&self) -> Crowd {
        let is_outside = self.actor.is_none() && !matches!(self.what, What::Egress { .. });
        Crowd { organization: self.organization.clone(), is_outside }
    }

    /// The same with nothing that anybody could choose, but for whose it is.
    fn in_crowd(self) -> Self {
        let what = match self.what {
            What::Login(_) => What::Login(None),
            What::Egress { .. } => What::Egress { binding: String::new(), origin: String::new() },
            request @ What::Request(..) => request,
        };
        Self { what, organization: self.organization, network: None, actor: None }
    }
}

/// What one sender is known by: whoever has an address of IPv6 has the 2⁶⁴ that begin with the same half.
fn network(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.into(),
        IpAddr::V6(ip) => {
            let [a, b, c, d, ..] = ip.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
    }
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
    /// How many of them are of one crowd.
    crowds: HashMap<Crowd, usize>,
    /// How many requests were turned away, by key.
    turned_away: HashMap<String, u32>,
}

impl Refusals {
    /// Counts one.
    pub fn note(&self, status: u16, kind: &str, ip: Option<IpAddr>, caller: Option<&Caller>, now: Timestamp) {
        let what = What::Request(status, kind.to_owned());
        let (actor, organization) =
            caller.map(|caller| (Author::from(caller).actor(), caller.organization_id.clone())).unzip();
        self.count(Source { what, organization, network: ip.map(network), actor }, now);
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
        let (user, organization) = user.map(|user| (user.id.clone(), user.organization_id.clone())).unzip();
        self.count(
            Source { what: What::Login(user), organization, network: ip.map(network), actor: None },
            now,
        );
    }

    /// Counts a request that a plugin may not send.
    fn note_egress(&self, refused: &Refused<'_>, now: Timestamp) {
        let what =
            What::Egress { binding: refused.holder.binding.to_owned(), origin: refused.origin.to_owned() };
        let organization = refused.organization.map(str::to_owned);
        self.count(Source { what, organization, network: None, actor: None }, now);
    }

    fn count(&self, source: Source, now: Timestamp) {
        self.counted().add(source, Tally { count: 1, first: now, last: now });
    }

    /// All that were counted; the count begins anew.
    fn take(&self) -> Vec<(Source, Tally)> {
        std::mem::take(&mut *self.counted()).tallies.into_iter().collect()
    }

    /// Counts again what could not be written down.
    fn put_back(&self, tallies: &[(Source, Tally)]) {
        let mut counted = self.counted();
        tallies.iter().for_each(|(source, tally)| counted.add(source.clone(), *tally));
    }

    fn counted(&self) -> MutexGuard<'_, Counted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counted {
    fn add(&mut self, source: Source, tally: Tally) {
        let source = if self.is_full_for(&source) { source.in_crowd() } else { source };
        let entry = self.tallies.entry(source);
        if let Entry::Vacant(new) = &entry {
            *self.crowds.entry(new.key().crowd()).or_default() += 1;
        }
        let known = entry.or_insert(Tally { count: 0, ..tally });
        known.count += tally.count;
        known.first = known.first.min(tally.first);
        known.last = known.last.max(tally.last);
    }

    fn is_full_for(&self, source: &Source) -> bool {
        let crowd = source.crowd();
        let most = if crowd.organization.is_some() { OF_ORGANIZATION } else { OF_STRANGERS };
        let of_crowd = self.crowds.get(&crowd).copied().unwrap_or_default();
        (of_crowd >= most || self.tallies.len() >= SOURCES) && !self.tallies.contains_key(source)
    }
}

fn event((source, tally): &(Source, Tally), rng: &dyn Rng) -> Event {
    let Source { what, organization, network, actor } = source.clone();
    let mut after = json!({ "count": tally.count, "since": tally.first.to_rfc3339() });
    if let Some(IpAddr::V6(network)) = network {
        after["network"] = format!("{network}/64").into();
    }
    let (kind, target) = match what {
        What::Request(status, error) => {
            (after["status"], after["error"]) = (status.into(), error.into());
            (REQUEST_REFUSED, Target::new("api", "api"))
        }
        What::Login(user) => (LOGIN_FAILED, Target::new("user", user.unwrap_or_default())),
        What::Egress { binding, origin } => {
            after["origin"] = origin.into();
            ("egress.refused", Target::new("binding", binding))
        }
    };
    Event {
        organization_id: organization,
        outcome: Outcome::Refused,
        source_ip: network.map(|ip| ip.to_string()),
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
            tracing::warn!(%error, "refusals were not written down; it is tried again");
        }
    }
}

/// Once. What could not be written down is counted on.
///
/// # Errors
/// The store's.
pub async fn write(app: &App) -> Result<(), StoreError> {
    let counted = app.refusals.take();
    for (at, chunk) in counted.chunks(CHUNK).enumerate() {
        let events: Vec<Event> = chunk.iter().map(|one| event(one, &*app.rng)).collect();
        let write = app.store.write(Lane::Bulk, move |tx| {
            Box::pin(async move {
                for event in &events {
                    tx.append(event, &[]).await?;
                }
                Ok(())
            })
        });
        if let Err(error) = write.await {
            app.refusals.put_back(&counted[at * CHUNK..]);
            return Err(error);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::SystemRng;

    fn at(micros: i64) -> Timestamp {
        Timestamp::from_micros(micros)
    }

    fn events(refusals: &Refusals) -> Vec<Event> {
        refusals.take().iter().map(|one| event(one, &SystemRng)).collect()
    }

    fn count(event: &Event) -> u64 {
        event.after.as_ref().unwrap()["count"].as_u64().unwrap()
    }

    fn source(organization: Option<&str>, number: u32) -> Source {
        Source {
            what: What::Request(403, "permission_denied".to_owned()),
            organization: organization.map(str::to_owned),
            network: Some(IpAddr::from(number.to_be_bytes())),
            actor: organization.map(|_| Actor::system()),
        }
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
        let mut events = events(&refusals);
        events.sort_by_key(|event| event.time);
        let told: Vec<_> =
            events.iter().map(|event| event.after.as_ref().unwrap()["count"].clone()).collect();
        assert_eq!(told, [10, 1, 1]);
        assert_eq!(events[0].source_ip.as_deref(), Some("192.0.2.1"));
        assert!(refusals.take().is_empty());
    }

    #[test]
    fn the_first_of_a_key_leave_records() {
        let refusals = Refusals::default();
        let recorded = |key| (0..RECORDED * 3).filter(|_| refusals.leaves_record(key)).count();
        assert_eq!((recorded("key_1"), recorded("key_1"), recorded("key_2")), (10, 0, 10));
        // Also where nothing else was counted.
        assert!(refusals.take().is_empty());
        assert_eq!(recorded("key_1"), 10);
    }

    /// Whoever has one address of IPv6 has so many that each would be a source.
    #[test]
    fn addresses_of_one_network_are_one_source() {
        let refusals = Refusals::default();
        for address in ["2001:db8:1:2::1", "2001:db8:1:2:ffff::9", "2001:db8:1:3::1", "::ffff:192.0.2.1"] {
            refusals.note(401, "authentication_error", Some(address.parse().unwrap()), None, at(0));
        }
        let mut told: Vec<_> = events(&refusals)
            .iter()
            .map(|event| {
                let network = event.after.as_ref().unwrap()["network"].as_str().map(str::to_owned);
                (event.source_ip.clone().unwrap(), network, count(event))
            })
            .collect();
        told.sort();
        let shown =
            |ip: &str, network: Option<&str>, count| (ip.to_owned(), network.map(str::to_owned), count);
        assert_eq!(
            told,
            [
                shown("192.0.2.1", None, 1),
                shown("2001:db8:1:2::", Some("2001:db8:1:2::/64"), 2),
                shown("2001:db8:1:3::", Some("2001:db8:1:3::/64"), 1),
            ]
        );
    }

    #[test]
    fn strangers_share_few_events_and_take_none_from_organizations() {
        let refusals = Refusals::default();
        for number in 0..5_000_u32 {
            refusals.note(401, "authentication_error", Some(IpAddr::from(number.to_be_bytes())), None, at(0));
        }
        for number in 0..30 {
            refusals.count(source(Some("org_1"), number), at(0));
        }
        let events = events(&refusals);
        let (mine, strangers): (Vec<_>, Vec<_>) =
            events.iter().partition(|event| event.organization_id.is_some());
        assert_eq!((mine.len(), strangers.len()), (30, OF_STRANGERS + 1));
        assert!(mine.iter().all(|event| event.source_ip.is_some() && count(event) == 1));
        let rest = strangers.iter().find(|event| event.source_ip.is_none()).unwrap();
        assert_eq!(count(rest), 5_000 - OF_STRANGERS as u64);
    }

    #[test]
    fn what_is_too_much_is_still_told_of_its_organization() {
        let refusals = Refusals::default();
        for organization in 0..20 {
            for number in 0..150 {
                refusals.count(source(Some(&format!("org_{organization}")), number), at(0));
            }
        }
        let events = events(&refusals);
        assert!(events.len() <= SOURCES + 20, "{}", events.len());
        for organization in 0..20 {
            let id = format!("org_{organization}");
            let mine = events.iter().filter(|event| event.organization_id.as_deref() == Some(&id));
            let told = mine.map(count).collect::<Vec<_>>();
            assert!(told.len() <= OF_ORGANIZATION + 1, "{id}: {}", told.len());
            assert_eq!(told.iter().sum::<u64>(), 150, "{id}");
        }
    }

    /// With what was counted meanwhile, and from the first to the last.
    #[test]
    fn what_is_put_back_is_counted_once() {
        let refusals = Refusals::default();
        refusals.count(source(Some("org_1"), 1), at(3));
        let taken = refusals.take();
        refusals.count(source(Some("org_1"), 1), at(9));
        refusals.put_back(&taken);
        let [(_, Tally { count, first, last })] = refusals.take()[..] else { panic!("one source") };
        assert_eq!((count, first, last), (2, at(3), at(9)));
    }
}
