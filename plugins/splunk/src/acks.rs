//! Which events wait for which acknowledgement
//! ("About HTTP Event Collector Indexer Acknowledgment").

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use hardpoint_sdk::exporter::Event;
use serde::{Deserialize, Serialize};

use crate::state::{Open, State};

/// The question: `{"acks":[1,3,4]}`.
#[derive(Serialize)]
struct Question {
    acks: Vec<u64>,
}

/// The answer: `{"acks":{"1":true,"3":false}}`. What is not acknowledged and what is not known are both false.
#[derive(Default, Deserialize)]
struct Statuses {
    acks: BTreeMap<String, bool>,
}

/// Events of this batch that were sent and have no verdict yet.
#[derive(Debug, Default)]
pub(crate) struct Acks {
    /// Positions in the batch, by acknowledgement.
    awaiting: BTreeMap<u64, Vec<u32>>,
}

/// What is known of a batch before anything is sent.
pub(crate) struct Known {
    pub(crate) acks: Acks,
    pub(crate) acknowledged: Vec<u32>,
    pub(crate) unsent: Vec<u32>,
}

/// What an answer about acknowledgements changed.
#[derive(Default)]
pub(crate) struct Told {
    pub(crate) acknowledged: Vec<u32>,
    /// To be sent again: the time in which they should have been acknowledged is over.
    pub(crate) expired: Vec<u32>,
}

impl Acks {
    /// Matches a batch with what is open. Forgets what has nothing to do with it and is too old to matter.
    pub(crate) fn of(events: &[Event], state: &mut State, now: u64, timeout: u64) -> Known {
        let mut places: BTreeMap<&str, Vec<u32>> = BTreeMap::new();
        for (index, event) in (0..).zip(events) {
            places.entry(&event.id).or_default().push(index);
        }
        let mut known = Known { acks: Self::default(), acknowledged: Vec::new(), unsent: Vec::new() };
        state.open.retain_mut(|open| {
            let found: Vec<u32> =
                open.events.iter().filter_map(|id| places.remove(id.as_str())).flatten().collect();
            let is_fresh = now.saturating_sub(open.at) <= timeout;
            match open.ack {
                _ if found.is_empty() => is_fresh,
                Some(ack) => {
                    known.acks.awaiting.insert(ack, found);
                    true
                }
                None => {
                    open.events.retain(|id| !found.iter().any(|index| is_at(events, *index, id)));
                    known.acknowledged.extend(found);
                    !open.events.is_empty() && is_fresh
                }
            }
        });
        known.unsent = places.into_values().flatten().collect();
        known.unsent.sort_unstable();
        known
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.awaiting.is_empty()
    }

    /// Notes that these events were accepted with this acknowledgement to come. Gives those that waited for the
    /// same one: a Splunk that was started anew counts from 0 again, and will never tell of them.
    pub(crate) fn sent(
        &mut self,
        ack: u64,
        positions: Vec<u32>,
        events: &[Event],
        state: &mut State,
        at: u64,
    ) -> Vec<u32> {
        let id = |index: &u32| events.get(*index as usize).map(|event| event.id.clone());
        state.open.retain(|open| open.ack != Some(ack));
        state.open.push(Open { ack: Some(ack), at, events: positions.iter().filter_map(id).collect() });
        self.awaiting.insert(ack, positions).unwrap_or_default()
    }

    /// The body of a request for what is awaited.
    pub(crate) fn question(&self) -> Vec<u8> {
        let question = Question { acks: self.awaiting.keys().copied().collect() };
        serde_json::to_vec(&question).unwrap_or_default()
    }

    /// Takes an answer in. One that cannot be read tells nothing.
    pub(crate) fn take(
        &mut self,
        body: &str,
        events: &[Event],
        state: &mut State,
        now: u64,
        timeout: u64,
    ) -> Told {
        let statuses: Statuses = serde_json::from_str(body).unwrap_or_default();
        let mut told = Told::default();
        self.awaiting.retain(|ack, positions| {
            if statuses.acks.get(&ack.to_string()) == Some(&true) {
                acknowledge(*ack, positions, events, state);
                told.acknowledged.append(positions);
                return false;
            }
            let is_late = |open: &&Open| open.ack == Some(*ack) && now.saturating_sub(open.at) > timeout;
            if state.open.iter().any(|open| is_late(&open)) {
                state.open.retain(|open| open.ack != Some(*ack));
                told.expired.append(positions);
                return false;
            }
            true
        });
        told.expired.sort_unstable();
        told
    }

    /// Gives up waiting, and gives what was waited for.
    pub(crate) fn end(&mut self) -> Vec<u32> {
        core::mem::take(&mut self.awaiting).into_values().flatten().collect()
    }
}

/// Remembers of an acknowledged request the events that are not in this batch.
fn acknowledge(ack: u64, positions: &[u32], events: &[Event], state: &mut State) {
    for open in state.open.iter_mut().filter(|open| open.ack == Some(ack)) {
        open.ack = None;
        open.events.retain(|id| !positions.iter().any(|index| is_at(events, *index, id)));
    }
    state.open.retain(|open| !open.events.is_empty());
}

fn is_at(events: &[Event], index: u32, id: &str) -> bool {
    events.get(index as usize).is_some_and(|event| event.id == id)
}
