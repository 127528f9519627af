//! Which of the destinations that are due a host delivers to next.
//!
//! It has places for those that are well and others for those that are slow or in trouble, so that however many of these
//! there are, none that is well waits for them. And an organisation gets a part of them only, so that however many
//! destinations it has, none of another's waits for them.

use std::time::Duration;

/// An attempt that takes longer is slow.
pub const SOON: Duration = Duration::from_secs(2);

/// Destinations of one sort that a host delivers to at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Places {
    /// In all.
    all: usize,
    /// Of these, of one organisation.
    of_owner: usize,
    /// Of these, by one exporter: less than it may run at once, so that there is room for those who wait for an export.
    of_exporter: usize,
}

const WELL: Places = Places { all: 16, of_owner: 8, of_exporter: 2 };
const SLOW: Places = Places { all: 8, of_owner: 4, of_exporter: 1 };

/// A destination that is delivered to, or waits for a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Party {
    /// The organisation on whose behalf its exporter runs.
    pub owner: String,
    /// The binding of its exporter.
    pub exporter: String,
    /// Whether it is slow or in trouble.
    pub is_slow: bool,
}

/// Whether anybody could get a place.
pub fn any_free(running: &[Party]) -> bool {
    let taken = Taken::by(running);
    taken.free(true) > 0 || taken.free(false) > 0
}

/// Who of those that wait gets a place: where they stand in `waiting`, which is in the order in which they came. Who has
/// fewest goes first, then who waits longest.
pub fn chosen(running: &[Party], waiting: &[Party]) -> Vec<usize> {
    let mut taken = Taken::by(running);
    let mut chosen = Vec::new();
    loop {
        let next = (waiting.iter().enumerate())
            .filter(|(at, party)| !chosen.contains(at) && taken.has_room_for(party))
            .min_by_key(|(at, party)| (taken.of_owner(party), *at));
        let Some((at, party)) = next else { return chosen };
        taken.parties.push(party);
        chosen.push(at);
    }
}

/// Who has a place.
struct Taken<'a> {
    parties: Vec<&'a Party>,
}

impl<'a> Taken<'a> {
    fn by(running: &'a [Party]) -> Self {
        Self { parties: running.iter().collect() }
    }

    fn count(&self, is_one: impl Fn(&Party) -> bool) -> usize {
        self.parties.iter().filter(|party| is_one(party)).count()
    }

    /// Places of a sort that are free. Those that turned out to be slow in a place of the others leave it as soon as
    /// there is one for them.
    fn free(&self, is_slow: bool) -> usize {
        let slow = self.count(|party| party.is_slow);
        match is_slow {
            true => SLOW.all.saturating_sub(slow),
            false => {
                let without = slow.saturating_sub(SLOW.all);
                WELL.all.saturating_sub(self.parties.len() - slow + without)
            }
        }
    }

    fn of_owner(&self, of: &Party) -> usize {
        self.count(|party| party.is_slow == of.is_slow && party.owner == of.owner)
    }

    fn has_room_for(&self, new: &Party) -> bool {
        let places = if new.is_slow { SLOW } else { WELL };
        let is_same = |party: &Party| {
            (party.is_slow, &party.owner, &party.exporter) == (new.is_slow, &new.owner, &new.exporter)
        };
        self.free(new.is_slow) > 0
            && self.of_owner(new) < places.of_owner
            && self.count(is_same) < places.of_exporter
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn party(owner: usize, exporter: usize, is_slow: bool) -> Party {
        Party { owner: format!("org_{owner}"), exporter: format!("exporter {exporter}"), is_slow }
    }

    /// Fifty of one organisation, by as many exporters.
    fn crowd(is_slow: bool) -> Vec<Party> {
        (0..50).map(|exporter| party(1, exporter, is_slow)).collect()
    }

    fn after(running: &[Party], waiting: &[Party]) -> Vec<Party> {
        chosen(running, waiting).into_iter().map(|at| waiting[at].clone()).collect()
    }

    #[test]
    fn a_crowd_of_one_organisation_leaves_room_for_anothers() {
        let running = after(&[], &crowd(false));
        assert_eq!(running.len(), WELL.of_owner);
        assert_eq!(after(&running, &crowd(false)), [], "though there are free places");
        let mut waiting = crowd(false);
        waiting.push(party(2, 0, false));
        assert_eq!(after(&running, &waiting), [party(2, 0, false)]);
        assert_eq!(after(&[], &waiting)[..2], [party(1, 0, false), party(2, 0, false)], "one each, in turn");
    }

    #[test]
    fn by_one_exporter_an_organisation_has_few() {
        let waiting = vec![party(1, 0, false); 5];
        assert_eq!(chosen(&[], &waiting), [0, 1]);
        assert_eq!(chosen(&[], &vec![party(1, 0, true); 5]), [0]);
    }

    #[test]
    fn who_is_slow_has_other_places() {
        let slow: Vec<_> = (0..40).map(|number| party(number, 0, true)).collect();
        let running = after(&[], &slow);
        assert_eq!(running.len(), SLOW.all);
        assert!(any_free(&running));
        assert_eq!(after(&running, &[party(0, 0, false)]).len(), 1);
    }

    #[test]
    fn who_turns_out_to_be_slow_makes_room() {
        let mut running: Vec<_> = (0..WELL.all).map(|number| party(number, 0, false)).collect();
        assert_eq!(after(&running, &[party(99, 0, false)]), []);
        running.iter_mut().for_each(|party| party.is_slow = true);
        let others: Vec<_> = (20..50).map(|number| party(number, 0, false)).collect();
        assert_eq!(after(&running, &others).len(), SLOW.all, "as many as there are places for the slow");
        assert_eq!(after(&running, &[party(99, 0, true)]), [], "which are taken by now");
    }

    fn parties(most: usize) -> impl Strategy<Value = Vec<Party>> {
        prop::collection::vec((0..5_usize, 0..5_usize, any::<bool>()), 0..most)
            .prop_map(|all| all.into_iter().map(|(owner, by, slow)| party(owner, by, slow)).collect())
    }

    proptest! {
        /// However it came about who has a place: nobody gets one that is not free, and none stays free that somebody
        /// may have.
        #[test]
        fn places_are_given_as_far_as_they_go(running in parties(30), waiting in parties(80)) {
            let chosen = chosen(&running, &waiting);
            let mut all = running.clone();
            for at in &chosen {
                prop_assert!(Taken::by(&all).has_room_for(&waiting[*at]));
                all.push(waiting[*at].clone());
            }
            let taken = Taken::by(&all);
            for (at, party) in waiting.iter().enumerate() {
                prop_assert!(chosen.contains(&at) || !taken.has_room_for(party));
            }
        }
    }
}
