//! The plans that an organisation may be on, and what each allows.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::money::Credits;
use crate::places::AtOnce;
use crate::quota::{Count, Limit, Meter, Window};

/// Their ids, from least to most.
pub const IDS: [&str; 4] = ["free", "standard", "professional", "enterprise"];

/// The id of the plan that is called this; `standard` answers to `starter` too.
pub fn named(name: &str) -> Option<&'static str> {
    let name = if name == "starter" { "standard" } else { name };
    IDS.into_iter().find(|id| *id == name)
}

/// Whether organisations on a plan pay before they use anything. Those on the largest have a contract.
pub fn is_prepaid(plan: &str) -> bool {
    named(plan) != Some("enterprise")
}

/// How an organisation on a plan pays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// Whether it may spend only what it has; afterwards where not.
    pub prepaid: bool,
    /// What the plan adds to it at the beginning of each month.
    pub monthly: Credits,
}

/// What may come in of an organisation, or with a key; what is left out is not limited.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rates {
    /// Requests in a minute.
    pub requests_per_minute: Option<u64>,
    /// Requests in an hour.
    pub requests_per_hour: Option<u64>,
    /// Requests in a day.
    pub requests_per_day: Option<u64>,
    /// Requests at once.
    pub concurrent: Option<u32>,
    /// Of these, requests that a model answers, in a minute.
    pub completions_per_minute: Option<u64>,
    /// Of these, requests that a model answers, in a day.
    pub completions_per_day: Option<u64>,
    /// Of these, requests that a model answers, at once.
    pub concurrent_completions: Option<u32>,
    /// What models read and write, in a minute.
    pub tokens_per_minute: Option<u64>,
}

impl Rates {
    /// What a plan allows where the configuration does not say; none for a plan that there is not.
    pub fn built_in(plan: &str) -> Option<Self> {
        let rates = |minute, day, concurrent, completions| Self {
            requests_per_minute: Some(minute),
            requests_per_hour: None,
            requests_per_day: Some(day),
            concurrent: Some(concurrent),
            completions_per_minute: Some(completions),
            completions_per_day: None,
            concurrent_completions: Some(concurrent.div_ceil(2)),
            tokens_per_minute: None,
        };
        Some(match named(plan)? {
            "free" => rates(10, 500, 2, 5),
            "standard" => rates(60, 10_000, 10, 30),
            "professional" => rates(120, 50_000, 25, 60),
            _ => Self::default(),
        })
    }

    /// The limits of a request of this subject, a key or an organisation, in windows of time.
    pub fn limits(&self, subject: &Arc<str>, is_completion: bool) -> Vec<Limit> {
        use Meter::{Completions, Requests};
        let all = [
            (Requests, Window::Minute, self.requests_per_minute),
            (Requests, Window::Hour, self.requests_per_hour),
            (Requests, Window::Day, self.requests_per_day),
            (Completions, Window::Minute, self.completions_per_minute),
            (Completions, Window::Day, self.completions_per_day),
        ];
        let applies = |meter: Meter| is_completion || meter == Requests;
        all.into_iter()
            .filter(|(meter, ..)| applies(*meter))
            .filter_map(|(meter, window, most)| {
                Some(Limit { count: Count { subject: Arc::clone(subject), meter, window }, most: most? })
            })
            .collect()
    }

    /// The limits of what a request of this subject may have models read and write.
    pub fn token_limits(&self, subject: &Arc<str>) -> impl Iterator<Item = Limit> {
        let count = Count { subject: Arc::clone(subject), meter: Meter::Tokens, window: Window::Minute };
        self.tokens_per_minute.map(|most| Limit { count, most }).into_iter()
    }

    /// How many may be under way at once of each sort that a request is of.
    pub fn at_once(&self, is_completion: bool) -> Vec<AtOnce> {
        let completions = self.concurrent_completions.filter(|_| is_completion);
        let all = [(Meter::Requests, self.concurrent), (Meter::Completions, completions)];
        all.into_iter().filter_map(|(meter, most)| Some(AtOnce { meter, most: most? })).collect()
    }

    /// These, and those of a plan where nothing is said here.
    #[must_use]
    pub fn over(&self, plan: &Self) -> Self {
        Self {
            requests_per_minute: self.requests_per_minute.or(plan.requests_per_minute),
            requests_per_hour: self.requests_per_hour.or(plan.requests_per_hour),
            requests_per_day: self.requests_per_day.or(plan.requests_per_day),
            concurrent: self.concurrent.or(plan.concurrent),
            completions_per_minute: self.completions_per_minute.or(plan.completions_per_minute),
            completions_per_day: self.completions_per_day.or(plan.completions_per_day),
            concurrent_completions: self.concurrent_completions.or(plan.concurrent_completions),
            tokens_per_minute: self.tokens_per_minute.or(plan.tokens_per_minute),
        }
    }

    /// All of them, by the names that they have in answers.
    pub fn named(&self) -> [(&'static str, Option<u64>); 8] {
        [
            ("requests_per_minute", self.requests_per_minute),
            ("requests_per_hour", self.requests_per_hour),
            ("requests_per_day", self.requests_per_day),
            ("concurrent_requests", self.concurrent.map(u64::from)),
            ("completions_per_minute", self.completions_per_minute),
            ("completions_per_day", self.completions_per_day),
            ("concurrent_completions", self.concurrent_completions.map(u64::from)),
            ("tokens_per_minute", self.tokens_per_minute),
        ]
    }
}

/// Who set a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SetBy {
    /// The key was made with it.
    Key,
    /// It was set for the organisation, in the place of its plan's.
    Organization,
    /// The organisation's plan.
    Plan,
}

/// The limit of a name that decides, of several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tightest {
    /// Its name, in answers.
    pub name: &'static str,
    /// How many.
    pub most: u64,
    /// Whose it is; the organisation's or its plan's where a key has the same.
    pub set_by: SetBy,
}

/// The limits that decide on requests with a key; names that nobody limits are left out.
pub fn tightest(plan: &Rates, organization: &Rates, key: &Rates) -> Vec<Tightest> {
    let all = plan.named().into_iter().zip(organization.named()).zip(key.named());
    all.filter_map(|(((name, plan), (_, own)), (_, key))| {
        let shared = own.map(|most| (most, SetBy::Organization)).or(plan.map(|most| (most, SetBy::Plan)));
        let key = key.map(|most| (most, SetBy::Key));
        let (most, set_by) = shared.into_iter().chain(key).min_by_key(|(most, _)| *most)?;
        Some(Tightest { name, most, set_by })
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plans_by_name() {
        for (name, id) in [
            ("free", Some("free")),
            ("starter", Some("standard")),
            ("standard", Some("standard")),
            ("Free", None),
            ("", None),
        ] {
            assert_eq!(named(name), id, "{name}");
        }
    }

    #[test]
    fn built_in_plans_have_the_documented_limits() {
        let table = [("free", 10, 500, 2), ("starter", 60, 10_000, 10), ("professional", 120, 50_000, 25)];
        for (plan, minute, day, at_once) in table {
            let rates = Rates::built_in(plan).unwrap();
            assert_eq!(
                (rates.requests_per_minute, rates.requests_per_day, rates.concurrent),
                (Some(minute), Some(day), Some(at_once)),
                "{plan}"
            );
            // Completions have limits of their own, and lower ones.
            assert!(rates.completions_per_minute < rates.requests_per_minute, "{plan}");
            assert!(rates.concurrent_completions <= rates.concurrent, "{plan}");
        }
        assert_eq!(Rates::built_in("enterprise"), Some(Rates::default()));
        assert_eq!(Rates::built_in("gold"), None);
    }

    #[test]
    fn an_organisation_s_own_limits_take_the_place_of_its_plan_s() {
        let own = Rates { requests_per_minute: Some(7), tokens_per_minute: Some(1_000), ..Rates::default() };
        let free = Rates::built_in("free").unwrap();
        let held = own.over(&free);
        assert_eq!(held, Rates { requests_per_minute: Some(7), tokens_per_minute: Some(1_000), ..free });
        let higher = Rates { concurrent: Some(50), ..Rates::default() };
        assert_eq!(higher.over(&free).concurrent, Some(50));
    }

    #[test]
    fn the_tightest_decides() {
        let minute = |most| Rates { requests_per_minute: most, ..Rates::default() };
        let found = |plan, organization, key| {
            let all = tightest(&minute(plan), &minute(organization), &minute(key));
            all.first().map(|tightest| (tightest.most, tightest.set_by))
        };
        for (plan, organization, key, decides) in [
            (None, None, None, None),
            (Some(10), None, None, Some((10, SetBy::Plan))),
            (Some(10), Some(20), None, Some((20, SetBy::Organization))),
            (Some(10), Some(5), Some(7), Some((5, SetBy::Organization))),
            (Some(10), Some(20), Some(15), Some((15, SetBy::Key))),
            (Some(10), None, Some(10), Some((10, SetBy::Plan))),
            (None, None, Some(3), Some((3, SetBy::Key))),
        ] {
            assert_eq!(found(plan, organization, key), decides, "{plan:?} {organization:?} {key:?}");
        }
    }

    #[test]
    fn a_completion_counts_as_a_request_too() {
        let rates = Rates::built_in("free").unwrap();
        let counted = |is_completion| {
            let limits = rates.limits(&"org_1".into(), is_completion);
            limits.into_iter().map(|limit| (limit.count.meter, limit.most)).collect::<Vec<_>>()
        };
        let plain = vec![(Meter::Requests, 10), (Meter::Requests, 500)];
        assert_eq!(counted(false), plain);
        assert_eq!(counted(true), [plain, vec![(Meter::Completions, 5)]].concat());
    }
}
