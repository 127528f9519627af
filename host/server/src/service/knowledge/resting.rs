//! Models that are given time: no document's vectors are tried by them before then. What one failed with for one document
//! it would fail with for the next; some of that for one organisation alone.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use hardpoint_domain::time::Timestamp;

/// Until when, by the organisation (none for all) and the model.
#[derive(Default)]
pub struct Resting(Mutex<HashMap<(Option<String>, String), Timestamp>>);

impl Resting {
    /// Gives a model time: with the documents of an organisation, or with all.
    pub fn rest(&self, organization_id: Option<&str>, model: &str, until: Timestamp) {
        let whose = (organization_id.map(str::to_owned), model.to_owned());
        let mut resting = self.resting();
        let known = resting.entry(whose).or_insert(until);
        *known = until.max(*known);
    }

    /// Whether a model is given time by all.
    pub fn rests(&self, model: &str, now: Timestamp) -> bool {
        self.resting().get(&(None, model.to_owned())).is_some_and(|until| now < *until)
    }

    /// The organisations whose documents a model is not tried with, each with that model.
    pub fn except(&self, now: Timestamp) -> Vec<(String, String)> {
        let mut resting = self.resting();
        resting.retain(|_, until| now < *until);
        let pair =
            |(organization, model): &(Option<String>, String)| organization.clone().zip(Some(model.clone()));
        resting.keys().filter_map(pair).collect()
    }

    fn resting(&self) -> MutexGuard<'_, HashMap<(Option<String>, String), Timestamp>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fails_for_one_organisation_rests_nobody_elses() {
        let (resting, at) = (Resting::default(), |micros| Timestamp::from_micros(micros));
        resting.rest(Some("org_1"), "a", at(10));
        resting.rest(Some("org_1"), "a", at(5));
        resting.rest(None, "b", at(20));
        assert!(!resting.rests("a", at(0)) && resting.rests("b", at(19)) && !resting.rests("b", at(20)));
        assert_eq!(resting.except(at(9)), [("org_1".to_owned(), "a".to_owned())]);
        assert_eq!(resting.except(at(10)), []);
    }
}
