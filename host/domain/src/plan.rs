//! The plans that an organisation may be on, and what each allows.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::money::Credits;
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

    /// How many requests of this sort may be under way at once.
    pub fn at_once(&self, meter: Meter) -> Option<u32> {
        match meter {
            Meter::Requests => self.concurrent,
            Meter::Completions => self.concurrent_completions,
        }
    }
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
