//! Whose document is next.
//!
//! Organisations take turns: next is who has the fewest jobs under way, of those who had their last turn longest ago.
//! A job that is one of many slices of work gives its place up after each, and goes to the end of its organisation's
//! queue. And of the places of one host neither large documents nor one organisation ever hold the last, where there
//! are several: so what is small is never behind what takes long.

use crate::time::Timestamp;

/// Documents of more bytes than this are large.
pub const LARGE: u64 = 4 * 1024 * 1024;

/// Whether a document of so many bytes may take long.
pub const fn is_large(bytes: u64) -> bool {
    bytes > LARGE
}

/// A job that waits, and is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Whose it is.
    pub organization_id: String,
    /// When the organisation had its last turn; the beginning of time where it had none.
    pub last_turn: Timestamp,
    /// How many of the organisation's jobs are under way, on all hosts.
    pub under_way: u32,
    /// Since when the job is due; the end of its queue for one that has just had a turn.
    pub due_at: Timestamp,
    /// Whether its document is large.
    pub is_large: bool,
}

/// A job that a host has under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnderWay {
    /// Whose it is.
    pub organization_id: String,
    /// Whether its document is large.
    pub is_large: bool,
}

/// The places of one host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Desk {
    /// How many jobs it has under way at most.
    pub places: usize,
    /// Those that it has.
    pub under_way: Vec<UnderWay>,
}

impl Desk {
    /// With nothing under way.
    pub fn new(places: usize) -> Self {
        Self { places, under_way: Vec::new() }
    }

    /// Whether this host may take up a job of this organisation, of a large document or a small one.
    pub fn admits(&self, organization_id: &str, is_large: bool) -> bool {
        let one_less = self.places.saturating_sub(1).max(1);
        let count = |fits: &dyn Fn(&UnderWay) -> bool| self.under_way.iter().filter(|job| fits(job)).count();
        let of_it = count(&|job| job.organization_id == organization_id);
        let large = count(&|job| job.is_large);
        self.under_way.len() < self.places && of_it < one_less && (!is_large || large < one_less)
    }
}

/// The jobs that this host may take up, by their positions, the one whose turn it is first.
pub fn in_turn(waiting: &[Waiting], desk: &Desk) -> Vec<usize> {
    let admitted = |at: &usize| desk.admits(&waiting[*at].organization_id, waiting[*at].is_large);
    let mut admitted: Vec<usize> = (0..waiting.len()).filter(admitted).collect();
    admitted.sort_by_key(|at| {
        let job = &waiting[*at];
        // The organisation's name, so that jobs of two that are otherwise equal do not mix.
        (job.under_way, job.last_turn, &job.organization_id, job.due_at)
    });
    admitted
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    fn waiting(organization: &str, last_turn: i64, under_way: u32, due: i64) -> Waiting {
        Waiting {
            organization_id: organization.to_owned(),
            last_turn: at(last_turn),
            under_way,
            due_at: at(due),
            is_large: false,
        }
    }

    fn under_way(organization: &str, is_large: bool) -> UnderWay {
        UnderWay { organization_id: organization.to_owned(), is_large }
    }

    #[test]
    fn whose_turn_it_is() {
        let jobs = [
            waiting("often", 9, 0, 0),
            waiting("long ago", 3, 0, 8),
            waiting("long ago", 3, 0, 7),
            waiting("busy", 1, 2, 0),
            waiting("never", 0, 0, 9),
        ];
        assert_eq!(in_turn(&jobs, &Desk::new(8)), [4, 2, 1, 0, 3]);
        assert_eq!(in_turn(&[], &Desk::new(8)), [0; 0]);
    }

    #[test]
    fn the_last_place_is_nobodys_for_long() {
        let desk =
            |places, jobs: &[&UnderWay]| Desk { places, under_way: jobs.iter().copied().cloned().collect() };
        let (a, b, large) = (under_way("a", false), under_way("b", false), under_way("c", true));
        // (places, under way, may take up: a small one of `a`, a large one of `a`, a small one of `d`)
        for (desk, expected) in [
            (desk(0, &[]), [false, false, false]),
            (desk(1, &[]), [true, true, true]),
            (desk(1, &[&b]), [false, false, false]),
            (desk(2, &[&a]), [false, false, true]),
            (desk(2, &[&large]), [true, false, true]),
            (desk(3, &[&a, &a]), [false, false, true]),
            (desk(3, &[&a, &large]), [true, true, true]),
            (desk(3, &[&a, &b, &a]), [false, false, false]),
        ] {
            let asked = [desk.admits("a", false), desk.admits("a", true), desk.admits("d", false)];
            assert_eq!(asked, expected, "{desk:?}");
        }
    }

    /// Organisations with so many slices of work each, of which one host with so many places does one a second each;
    /// answers who had each turn.
    fn run(work: &[(String, u32, bool)], places: usize) -> Vec<String> {
        let mut left: Vec<u32> = work.iter().map(|(_, slices, _)| *slices).collect();
        let mut last_turn: BTreeMap<&str, i64> = BTreeMap::new();
        let (mut turns, mut now) = (Vec::new(), 0);
        while left.iter().any(|left| *left > 0) {
            let mut desk = Desk::new(places);
            let mut taken = vec![false; work.len()];
            loop {
                now += 1;
                let open: Vec<usize> = (0..work.len()).filter(|at| left[*at] > 0 && !taken[*at]).collect();
                let job = |at: &usize| {
                    let (organization, _, is_large) = &work[*at];
                    let count =
                        desk.under_way.iter().filter(|job| job.organization_id == *organization).count();
                    let last = last_turn.get(organization.as_str()).copied().unwrap_or(0);
                    Waiting { is_large: *is_large, ..waiting(organization, last, count as u32, *at as i64) }
                };
                let jobs: Vec<Waiting> = open.iter().map(job).collect();
                let Some(next) = in_turn(&jobs, &desk).first().map(|first| open[*first]) else { break };
                let (organization, _, is_large) = &work[next];
                desk.under_way.push(under_way(organization, *is_large));
                last_turn.insert(organization, now);
                taken[next] = true;
                left[next] -= 1;
                turns.push(organization.clone());
            }
        }
        turns
    }

    #[test]
    fn one_huge_document_holds_nobody_up() {
        let mut work = vec![("huge".to_owned(), 1_000, true)];
        work.extend((0..5).map(|number| (format!("small {number}"), 1, false)));
        for places in 1..4 {
            let turns = run(&work, places);
            assert_eq!(turns.len(), 1_005);
            let last_small = turns.iter().rposition(|who| who.starts_with("small")).unwrap();
            assert!(last_small < 6, "with {places} places the last small one was the {last_small}th");
        }
    }

    proptest! {
        #[test]
        fn nobody_gets_ahead_of_who_waits(work in proptest::collection::vec((0..6_u8, 1..20_u32, any::<bool>()), 1..30), places in 1..5_usize) {
            let work: Vec<_> = work.into_iter().map(|(who, slices, large)| (format!("org {who}"), slices, large)).collect();
            let mut left: BTreeMap<&str, u32> = BTreeMap::new();
            for (who, slices, _) in &work {
                *left.entry(who).or_default() += slices;
            }
            let all: u32 = left.values().sum();
            let turns = run(&work, places);
            prop_assert_eq!(turns.len() as u32, all, "everything is done once");
            // With one place there are turns in the plain sense: between two of the same, everybody who waits has one.
            if places == 1 {
                let mut since: BTreeMap<&str, BTreeMap<&str, u32>> = BTreeMap::new();
                for who in &turns {
                    let who = who.as_str();
                    if let Some(others) = since.insert(who, BTreeMap::new()) {
                        for (other, slices) in &left {
                            prop_assert!(*other == who || *slices == 0 || others.contains_key(other), "{who} came before {other}");
                        }
                    }
                    for (other, seen) in &mut since {
                        if *other != who {
                            *seen.entry(who).or_default() += 1;
                        }
                    }
                    *left.get_mut(who).unwrap() -= 1;
                }
            }
        }
    }
}
