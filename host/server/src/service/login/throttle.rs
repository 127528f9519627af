//! How often PINs are asked for and tried. Counts are in the store, for all hosts and through restarts; that one is
//! full is remembered, so that whoever goes on asking costs no write.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use hardpoint_domain::login::{self, ASKS_OF_ADDRESS, ASKS_OF_NETWORK, Pace, TRIES_OF_NETWORK};
use hardpoint_domain::time::Timestamp;
use hardpoint_store::{StoreError, Tx, logins};

use crate::error::ApiError;

/// Full counts that are remembered; of those before, only the store knows.
const CAPACITY: usize = 50_000;

type Subject = [u8; 32];

/// Counts that are full, and until when.
#[derive(Debug, Default)]
pub struct Throttle(Mutex<HashMap<Subject, Timestamp>>);

/// What one request counts for.
pub(super) struct Counts(Vec<Count>);

struct Count {
    subject: Subject,
    most: i64,
    begin: Timestamp,
    end: Timestamp,
}

/// A count that is full, and until when.
pub(super) struct Full {
    subject: Subject,
    end: Timestamp,
}

impl Counts {
    /// Asking for a PIN.
    pub(super) fn of_asking(email: &str, ip: Option<IpAddr>, now: Timestamp) -> Self {
        let mut counts = Self::of_networks("ask of network", ip, &ASKS_OF_NETWORK, now);
        counts.add("ask of address", email, &ASKS_OF_ADDRESS, 1, now);
        counts
    }

    /// Trying one.
    pub(super) fn of_trying(ip: Option<IpAddr>, now: Timestamp) -> Self {
        Self::of_networks("try of network", ip, &TRIES_OF_NETWORK, now)
    }

    /// Of the networks that somebody comes from; all of whom they are not known count as one.
    fn of_networks(what: &str, ip: Option<IpAddr>, paces: &[Pace], now: Timestamp) -> Self {
        let mut counts = Self(Vec::new());
        let networks = ip.map_or_else(|| vec![("unknown".to_owned(), 1)], login::networks);
        networks.iter().for_each(|(network, times)| counts.add(what, network, paces, *times, now));
        counts
    }

    /// Paces for somebody, or for a crowd that may do so many times as much.
    fn add(&mut self, what: &str, whom: &str, paces: &[Pace], times: i64, now: Timestamp) {
        self.0.extend(paces.iter().map(|pace| Count {
            subject: pace.subject(what, whom),
            most: pace.most * times,
            begin: pace.begin(now),
            end: pace.end(now),
        }));
    }

    /// Counts, as far as the first that is full, and says which. A network that asks too often does not use up an
    /// address's turn.
    pub(super) async fn count(&self, tx: &mut Tx) -> Result<Option<Full>, StoreError> {
        for &Count { subject, most, begin, end } in &self.0 {
            if logins::count(tx, &subject, begin).await? > most {
                return Ok(Some(Full { subject, end }));
            }
        }
        Ok(None)
    }
}

impl Throttle {
    /// Refuses what is known to be too much.
    pub(super) fn check(&self, counts: &Counts, now: Timestamp) -> Result<(), ApiError> {
        let full = self.full();
        let ends = counts.0.iter().filter_map(|count| full.get(&count.subject));
        ends.filter(|end| **end > now).max().map_or(Ok(()), |end| Err(refusal(*end, now)))
    }

    /// Remembers what is full, for the refusal that this gives and for those to come.
    pub(super) fn refuse(&self, Full { subject, end }: Full, now: Timestamp) -> ApiError {
        let mut full = self.full();
        if full.len() >= CAPACITY {
            // Looking for those that are over would be so much work for each that comes; the store knows them all.
            full.clear();
        }
        full.insert(subject, end);
        refusal(end, now)
    }

    fn full(&self) -> MutexGuard<'_, HashMap<Subject, Timestamp>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn refusal(end: Timestamp, now: Timestamp) -> ApiError {
    ApiError::rate_limited(end.since(now).as_micros().div_ceil(1_000_000) as u64)
}
