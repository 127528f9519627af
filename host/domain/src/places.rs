//! How many requests may be under way at once.
//!
//! A host that is alone counts them. One that shares its store with others holds places, which it leased beforehand:
//! a sixteenth of all at a time. What it did not need for a while goes back, and where hosts hold more than half of
//! all places together, what it does not need goes back at once, but for one such block. So no more requests are under
//! way than there are places, what one host keeps for itself keeps nobody else out for long, and not every request
//! asks the store.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::quota::Meter;
use crate::time::Timestamp;

/// How long it is believed that all places are taken: as long as a client that is refused is told to wait.
const BELIEVED: Duration = Duration::from_secs(1);

/// At most so many of a sort at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AtOnce {
    /// Of what sort.
    pub meter: Meter,
    /// How many.
    pub most: u32,
}

impl AtOnce {
    /// How many a host leases at once; one at a time of limits that are that small.
    pub const fn lease(self) -> u32 {
        1 + spare(self.most)
    }
}

/// How many places of such a limit a host keeps that it does not need, where they are scarce.
const fn spare(most: u32) -> u32 {
    (most / 16).saturating_sub(1)
}

/// A wish to hold more places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Want {
    /// Of which limit.
    pub at_once: AtOnce,
    /// What the host knows to hold: no more of it is its own from here on.
    pub held: u32,
    /// How many beside, at most.
    pub more: u32,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// Of which limit.
    pub at_once: AtOnce,
    /// What the host holds now.
    pub held: u32,
    /// What all hosts hold together.
    pub all: u32,
}

/// Whether a request may come in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// It may, and has its places.
    Taken,
    /// These have to be leased first. Nothing is taken.
    Lease(Vec<Want>),
    /// It may not, and has taken nothing: all places of this limit are taken.
    Full(AtOnce),
}

/// The places of one organisation on one host.
#[derive(Debug, Default)]
pub struct Places {
    /// Whether no other host has any.
    is_alone: bool,
    sorts: BTreeMap<Meter, Sort>,
}

#[derive(Debug, Default)]
struct Sort {
    used: u32,
    /// The most that were used since the last look.
    peak: u32,
    held: u32,
    /// What the store has this host hold, at most.
    noted: u32,
    /// The limit that they were leased under.
    under: u32,
    /// Whether what is not needed goes back at once.
    is_tight: bool,
    /// When there were none left, and under which limit.
    full: Option<(Timestamp, u32)>,
}

impl Places {
    /// Of a host that shares its store with others, or is alone.
    pub fn new(is_alone: bool) -> Self {
        Self { is_alone, sorts: BTreeMap::new() }
    }

    /// A place of each sort, or none at all.
    pub fn take(&mut self, limits: &[AtOnce], now: Timestamp) -> Entry {
        let mut wants = Vec::new();
        for at_once in limits {
            let is_alone = self.is_alone;
            let sort = self.sorts.entry(at_once.meter).or_default();
            sort.heed(at_once.most);
            if sort.used >= at_once.most {
                return Entry::Full(*at_once);
            }
            if is_alone || sort.used < sort.held {
                continue;
            }
            if sort.is_full(at_once.most, now) {
                return Entry::Full(*at_once);
            }
            let more = sort.used - sort.held + at_once.lease();
            wants.push(Want { at_once: *at_once, held: sort.held, more });
        }
        if !wants.is_empty() {
            return Entry::Lease(wants);
        }
        for at_once in limits {
            let sort = self.sorts.entry(at_once.meter).or_default();
            sort.used += 1;
            sort.peak = sort.peak.max(sort.used);
        }
        Entry::Taken
    }

    /// Gives the places of a request back to this host. True where the store is to have some of them at once.
    pub fn release(&mut self, meters: impl Iterator<Item = Meter>) -> bool {
        let mut is_due = false;
        for meter in meters {
            if let Some(sort) = self.sorts.get_mut(&meter) {
                sort.used = sort.used.saturating_sub(1);
                is_due |= sort.is_tight && sort.used + spare(sort.under) < sort.held;
            }
        }
        is_due
    }

    /// Takes what was leased.
    pub fn receive(&mut self, lease: Held) {
        let sort = self.sorts.entry(lease.at_once.meter).or_default();
        (sort.held, sort.noted, sort.under) = (lease.held, lease.held, lease.at_once.most);
        sort.is_tight = u64::from(lease.all) * 2 > u64::from(lease.at_once.most);
        sort.full = None;
    }

    /// Remembers for a second that there were none left of what was wanted.
    pub fn note_full(&mut self, wants: &[Want], now: Timestamp) {
        for Want { at_once, .. } in wants {
            let sort = self.sorts.entry(at_once.meter).or_default();
            sort.full = (sort.held <= sort.used).then_some((now, at_once.most));
        }
    }

    /// Remembers that nobody knows what became of a lease: the store may have this host hold more than it knows.
    pub fn note_unknown(&mut self, wants: &[Want]) {
        for Want { at_once, .. } in wants {
            self.sorts.entry(at_once.meter).or_default().noted = u32::MAX;
        }
    }

    /// Gives up what is not needed, for the store to note how much is kept. At the end of a `round`, that is what was
    /// not needed since the last one; in between, only what goes back at once.
    pub fn surplus(&mut self, is_round: bool) -> Vec<(Meter, u32)> {
        let mut kept = Vec::new();
        for (meter, sort) in self.sorts.iter_mut().filter(|(_, sort)| is_round || sort.is_tight) {
            let most = if sort.is_tight { sort.used + spare(sort.under) } else { u32::MAX };
            let needed = if is_round { sort.peak.max(sort.used) } else { u32::MAX };
            sort.held = sort.held.min(needed).min(most);
            if sort.held < sort.noted {
                kept.push((*meter, sort.held));
            }
            if is_round {
                sort.peak = sort.used;
            }
        }
        kept
    }

    /// Remembers what the store has noted.
    pub fn note_kept(&mut self, meter: Meter, kept: u32) {
        if let Some(sort) = self.sorts.get_mut(&meter) {
            sort.noted = kept;
        }
    }

    /// Forgets all places that were leased: the store gave them to others. What is under way needs new ones before
    /// anything else comes in.
    pub fn lose(&mut self) {
        for sort in self.sorts.values_mut() {
            *sort = Sort { used: sort.used, peak: sort.used, ..Sort::default() };
        }
    }

    /// Whether nothing is under way and nothing held.
    pub fn is_idle(&self) -> bool {
        self.sorts.values().all(|sort| sort.used == 0 && sort.noted == 0)
    }
}

impl Sort {
    /// What was leased under a higher limit gives no more: hosts together would exceed the lower one with it.
    fn heed(&mut self, most: u32) {
        if most < self.under {
            self.held = self.held.min(self.used);
            self.under = most;
        }
    }

    /// There may be more under a limit that was raised since.
    fn is_full(&self, most: u32, now: Timestamp) -> bool {
        self.full.is_some_and(|(at, under)| most <= under && (at..at.plus(BELIEVED)).contains(&now))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    const fn requests(most: u32) -> [AtOnce; 1] {
        [AtOnce { meter: Meter::Requests, most }]
    }

    /// What hosts share: how many places each holds.
    #[derive(Default)]
    struct Shared(BTreeMap<(Meter, usize), u32>);

    impl Shared {
        fn lease(&mut self, host: usize, want: Want) -> Held {
            let Want { at_once, held, more } = want;
            let own = self.0.entry((at_once.meter, host)).or_default();
            *own = held.min(*own);
            let own = *own;
            let all: u32 =
                self.0.iter().filter(|((meter, _), _)| *meter == at_once.meter).map(|(_, held)| held).sum();
            let grant = more.min(at_once.most.saturating_sub(all));
            self.0.insert((at_once.meter, host), own + grant);
            Held { at_once, held: own + grant, all: all + grant }
        }

        fn keep(&mut self, host: usize, places: &mut Places, is_round: bool) {
            for (meter, kept) in places.surplus(is_round) {
                self.0.insert((meter, host), kept);
                places.note_kept(meter, kept);
            }
        }
    }

    /// A request, as a host treats it.
    fn comes_in(
        places: &mut Places,
        shared: &mut Shared,
        host: usize,
        limits: &[AtOnce],
        now: Timestamp,
    ) -> bool {
        let entry = places.take(limits, now);
        let Entry::Lease(wants) = entry else { return entry == Entry::Taken };
        wants.iter().for_each(|want| places.receive(shared.lease(host, *want)));
        places.note_full(&wants, now);
        places.take(limits, now) == Entry::Taken
    }

    #[test]
    fn a_host_that_is_alone_counts() {
        let mut places = Places::new(true);
        let limits =
            [AtOnce { meter: Meter::Requests, most: 2 }, AtOnce { meter: Meter::Completions, most: 1 }];
        assert_eq!(places.take(&limits, at(0)), Entry::Taken);
        assert_eq!(places.take(&limits, at(0)), Entry::Full(limits[1]));
        assert_eq!(places.take(&limits[..1], at(0)), Entry::Taken);
        assert_eq!(places.take(&limits[..1], at(0)), Entry::Full(limits[0]));
        assert!(!places.release([Meter::Requests, Meter::Completions].into_iter()));
        assert_eq!(places.take(&limits, at(0)), Entry::Taken);
        assert!(places.surplus(true).is_empty());
    }

    #[test]
    fn small_limits_are_leased_one_by_one() {
        assert_eq!(
            [1, 2, 25, 31, 32, 100, 4_000].map(|most| requests(most)[0].lease()),
            [1, 1, 1, 1, 2, 6, 250]
        );
    }

    #[test]
    fn a_place_that_is_scarce_goes_back_at_once_and_another_when_it_was_not_needed_for_a_round() {
        let (mut shared, mut one, mut other) = (Shared::default(), Places::new(false), Places::new(false));
        let limits = requests(1);
        assert!(comes_in(&mut one, &mut shared, 0, &limits, at(0)));
        assert!(!comes_in(&mut other, &mut shared, 1, &limits, at(0)));
        assert!(one.release([Meter::Requests].into_iter()));
        shared.keep(0, &mut one, false);
        // It is believed for a second that there is none.
        assert!(!comes_in(&mut other, &mut shared, 1, &limits, at(0)));
        assert!(comes_in(&mut other, &mut shared, 1, &limits, at(1)));

        let limits = requests(100);
        let mut places = Places::new(false);
        assert!(comes_in(&mut places, &mut shared, 2, &limits, at(0)));
        assert!(!places.release([Meter::Requests].into_iter()));
        assert!(places.surplus(false).is_empty());
        assert_eq!(places.surplus(true), [(Meter::Requests, 1)]);
        assert_eq!(places.surplus(true), [(Meter::Requests, 0)]);
        places.note_kept(Meter::Requests, 0);
        assert!(places.is_idle());
    }

    #[test]
    fn of_many_places_a_block_stays_also_where_they_are_scarce() {
        let (mut shared, mut places, limits) = (Shared::default(), Places::new(false), requests(160));
        assert!((0..100).all(|_| comes_in(&mut places, &mut shared, 0, &limits, at(0))));
        let due: Vec<bool> = (0..20).map(|_| places.release([Meter::Requests].into_iter())).collect();
        assert_eq!(due.iter().position(|is_due| *is_due), Some(9));
        assert_eq!(places.surplus(false), [(Meter::Requests, 80 + 9)]);
        assert!(comes_in(&mut places, &mut shared, 0, &limits, at(0)));
    }

    #[test]
    fn who_lost_its_places_needs_them_for_what_is_under_way_first() {
        let (mut shared, mut silent, mut other) = (Shared::default(), Places::new(false), Places::new(false));
        let limits = requests(3);
        for _ in 0..2 {
            assert!(comes_in(&mut silent, &mut shared, 0, &limits, at(0)));
        }
        shared.0.clear();
        assert!(comes_in(&mut other, &mut shared, 1, &limits, at(40)));
        silent.lose();
        // Two are under way here and one elsewhere.
        assert!(!comes_in(&mut silent, &mut shared, 0, &limits, at(41)));
        assert!(!comes_in(&mut other, &mut shared, 1, &limits, at(41)));
        assert!(silent.release([Meter::Requests].into_iter()));
        assert!(comes_in(&mut silent, &mut shared, 0, &limits, at(41)));
    }

    #[test]
    fn limits_that_change_hold_at_once() {
        let (mut shared, mut one, mut other) = (Shared::default(), Places::new(false), Places::new(false));
        for _ in 0..3 {
            assert!(comes_in(&mut one, &mut shared, 0, &requests(64), at(0)));
        }
        assert!(comes_in(&mut other, &mut shared, 1, &requests(64), at(0)));
        // Four are under way, and the hosts hold four more.
        assert!(!comes_in(&mut other, &mut shared, 1, &requests(4), at(0)));
        assert!(comes_in(&mut other, &mut shared, 1, &requests(6), at(0)));
        assert!(!comes_in(&mut one, &mut shared, 0, &requests(4), at(0)));
    }

    proptest! {
        /// Whatever hosts do at once, no more requests are under way than there are places; and when all have given
        /// back what they do not need, one host may have all of them.
        #[test]
        fn hosts_together_never_exceed_a_limit(
            most in 1_u32..80,
            steps in prop::collection::vec((0_usize..3, 0_u8..6, 0_i64..2), 1..400),
        ) {
            let limits = [AtOnce { meter: Meter::Requests, most }, AtOnce { meter: Meter::Completions, most: most.div_ceil(2) }];
            let mut shared = Shared::default();
            let mut hosts = [(); 3].map(|()| Places::new(false));
            let (mut open, mut now) = (Vec::<(usize, usize)>::new(), 0);
            for (host, what, seconds) in steps {
                now += seconds;
                match what {
                    0..=2 => {
                        let sorts = 1 + usize::from(what == 0);
                        if comes_in(&mut hosts[host], &mut shared, host, &limits[..sorts], at(now)) {
                            open.push((host, sorts));
                        }
                    }
                    3 if !open.is_empty() => {
                        let (host, sorts) = open.swap_remove(now as usize % open.len());
                        if hosts[host].release(limits[..sorts].iter().map(|limit| limit.meter)) {
                            shared.keep(host, &mut hosts[host], false);
                        }
                    }
                    _ => shared.keep(host, &mut hosts[host], true),
                }
                let completions = open.iter().filter(|(_, sorts)| *sorts == 2).count();
                prop_assert!(open.len() <= most as usize && completions <= most.div_ceil(2) as usize);
            }
            for (host, sorts) in open.drain(..) {
                hosts[host].release(limits[..sorts].iter().map(|limit| limit.meter));
            }
            for _ in 0..2 {
                hosts.iter_mut().enumerate().for_each(|(host, places)| shared.keep(host, places, true));
            }
            prop_assert!(hosts.iter().all(Places::is_idle));
            let later = at(now + 1);
            let admitted = (0..most + 1).filter(|_| comes_in(&mut hosts[0], &mut shared, 0, &limits[..1], later));
            prop_assert_eq!(admitted.count(), most as usize);
        }
    }
}
