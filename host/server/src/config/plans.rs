//! `[plans.NAME]`: what the plans allow, where that is not what is built in.

use std::collections::BTreeMap;

use hardpoint_domain::money::Credits;
use hardpoint_domain::plan::{self, Rates, Terms};

use super::Config;
use super::read::Problem;

/// By id. A plan that stands here has none of its built-in limits: what is left out is not limited.
pub(super) fn by_id(written: Vec<(String, Rates)>, problems: &mut Vec<Problem>) -> BTreeMap<String, Rates> {
    let mut plans = BTreeMap::new();
    for (name, rates) in written {
        let key = format!("plans.{name}");
        match plan::named(&name) {
            None => {
                let known = plan::IDS.join(", ");
                problems.push(Problem::new(key, format!("there is no such plan; there are {known}")));
            }
            Some(id) if plans.contains_key(id) => {
                problems.push(Problem::new(key, format!("is `{id}` by another name, which stands here too")));
            }
            Some(id) => drop(plans.insert(id.to_owned(), rates)),
        }
    }
    plans
}

impl Config {
    /// How an organisation on a plan pays. One on a plan that there is not (any more) pays as on the least.
    pub fn terms(&self, plan: &str) -> Terms {
        let id = plan::named(plan).unwrap_or(plan::IDS[0]);
        Terms { prepaid: plan::is_prepaid(id), monthly: Credits::ZERO }
    }

    /// What a plan allows. A plan that there is not (any more) allows what the least does.
    pub fn rates(&self, plan: &str) -> Rates {
        let id = plan::named(plan).unwrap_or(plan::IDS[0]);
        self.plans.get(id).cloned().or_else(|| Rates::built_in(id)).unwrap_or_default()
    }
}
