//! `[plans.NAME]`: what the plans allow, where that is not what is built in.

use std::collections::{BTreeMap, BTreeSet};

use hardpoint_domain::catalogue::Plan;
use hardpoint_domain::feature::Feature;
use hardpoint_domain::plan::{self, Rates, Terms};
use serde::Deserialize;

use super::Config;
use super::read::Problem;

/// Days that are as good as for ever, and can be counted with.
const LONGEST_RETENTION: u64 = 100_000;

/// `[plans.NAME]`. A limit that is left out is none; what else is left out is as built in.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct PlanConfig {
    requests_per_minute: Option<u64>,
    requests_per_hour: Option<u64>,
    requests_per_day: Option<u64>,
    concurrent: Option<u32>,
    completions_per_minute: Option<u64>,
    completions_per_day: Option<u64>,
    concurrent_completions: Option<u32>,
    tokens_per_minute: Option<u64>,
    seats: Option<u64>,
    api_keys: Option<u64>,
    features: Option<BTreeSet<Feature>>,
    credits: Option<u64>,
    audit_retention_days: Option<u64>,
}

impl PlanConfig {
    fn plan(self, id: &str) -> Plan {
        let built_in = Plan::built_in(id).unwrap_or_default();
        let rates = Rates {
            requests_per_minute: self.requests_per_minute,
            requests_per_hour: self.requests_per_hour,
            requests_per_day: self.requests_per_day,
            concurrent: self.concurrent,
            completions_per_minute: self.completions_per_minute,
            completions_per_day: self.completions_per_day,
            concurrent_completions: self.concurrent_completions,
            tokens_per_minute: self.tokens_per_minute,
        };
        Plan {
            rates,
            seats: self.seats,
            api_keys: self.api_keys,
            features: self.features.unwrap_or(built_in.features),
            credits: self.credits.or(built_in.credits),
            audit_retention_days: match self.audit_retention_days {
                Some(0) => None,
                Some(days) => Some(days.min(LONGEST_RETENTION)),
                None => built_in.audit_retention_days,
            },
        }
    }
}

/// By id. A plan that stands here has none of its built-in limits: what is left out is not limited.
pub(super) fn by_id(
    written: Vec<(String, PlanConfig)>,
    problems: &mut Vec<Problem>,
) -> BTreeMap<&'static str, Plan> {
    let mut plans = BTreeMap::new();
    for (name, written) in written {
        let key = format!("plans.{name}");
        match plan::named(&name) {
            None => {
                let known = plan::IDS.join(", ");
                problems.push(Problem::new(key, format!("there is no such plan; there are {known}")));
            }
            Some(id) if plans.contains_key(id) => {
                problems.push(Problem::new(key, format!("is `{id}` by another name, which stands here too")));
            }
            Some(id) => drop(plans.insert(id, written.plan(id))),
        }
    }
    plans
}

impl Config {
    /// How an organisation on a plan pays. One on a plan that there is not (any more) pays as on the least.
    pub fn terms(&self, plan: &str) -> Terms {
        self.plans.terms(plan)
    }

    /// What a plan lets in. A plan that there is not (any more) lets in what the least does.
    pub fn rates(&self, plan: &str) -> Rates {
        self.plans.plan(plan).rates
    }
}
