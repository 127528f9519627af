//! What each plan includes, and which one includes what an organisation lacks.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::feature::Feature;
use crate::money::Credits;
use crate::plan::{IDS, Rates, Terms, is_prepaid, named};

/// How long events keep their bodies where nothing else is said.
const RETENTION_DAYS: u64 = 365;

/// A plan. A limit that is left out is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// What may come in.
    pub rates: Rates,
    /// Users who are not deactivated.
    pub seats: Option<u64>,
    /// API keys that have not ended.
    pub api_keys: Option<u64>,
    /// What it includes beside.
    pub features: BTreeSet<Feature>,
    /// Credits that come with each month; none come where it is left out.
    pub credits: Option<u64>,
    /// Days for which events keep their bodies; for ever where it is left out.
    pub audit_retention_days: Option<u64>,
}

impl Plan {
    /// What a plan is where the configuration does not say; none for a plan that there is not.
    pub fn built_in(plan: &str) -> Option<Self> {
        use Feature::{
            AuditLogs, ComplianceReports, Csm, CustomRetention, FleetOps, PrioritySupport, RegistryNetwork,
            SiemExport, SlackSupport,
        };
        let starter = [FleetOps, AuditLogs];
        let professional = [SiemExport, PrioritySupport, SlackSupport, RegistryNetwork];
        let enterprise = [Csm, CustomRetention, ComplianceReports];
        let id = named(plan)?;
        let (seats, api_keys, credits, features) = match id {
            "free" => (Some(3), Some(5), Some(1), Vec::new()),
            "standard" => (Some(10), Some(25), Some(20), starter.to_vec()),
            "professional" => (Some(50), Some(100), Some(100), [&starter[..], &professional].concat()),
            _ => (None, None, None, [&starter[..], &professional, &enterprise].concat()),
        };
        let features = features.into_iter().collect();
        let rates = Rates::built_in(id)?;
        Some(Self { rates, seats, api_keys, features, credits, audit_retention_days: Some(RETENTION_DAYS) })
    }

    fn most(&self, counted: Counted) -> Option<u64> {
        match counted {
            Counted::Seats => self.seats,
            Counted::ApiKeys => self.api_keys,
        }
    }
}

/// Something of which a plan includes so many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// Users who are not deactivated.
    Seats,
    /// API keys that have not ended.
    ApiKeys,
}

impl Counted {
    /// Its name, in configuration and answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Seats => "seats",
            Self::ApiKeys => "api_keys",
        }
    }
}

/// How much of something is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Used {
    /// So many there are.
    pub current: u64,
    /// So many there may be.
    pub max: u64,
}

/// What a plan lacks, and which one has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upgrade {
    /// The name of the present plan.
    pub plan: &'static str,
    /// The name of what it lacks.
    pub lacks: &'static str,
    /// The least plan that has it; none where none has.
    pub required_plan: Option<&'static str>,
    /// For what is counted.
    pub used: Option<Used>,
    /// Where another plan is chosen.
    pub url: String,
}

impl fmt::Display for Upgrade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { plan, lacks, .. } = self;
        match self.used {
            None => write!(f, "Your current plan ({plan}) does not include {lacks}.")?,
            Some(Used { max, .. }) => {
                write!(f, "Your current plan ({plan}) includes {max} {lacks}, and all of them are in use.")?;
            }
        }
        match self.required_plan {
            Some(plan) => write!(f, " Upgrade to {plan} or higher."),
            None => f.write_str(" No plan includes more."),
        }
    }
}

/// All plans.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Catalogue {
    /// By id; those that are not here are as built in.
    written: BTreeMap<&'static str, Plan>,
    /// Where another plan is chosen.
    url: String,
}

impl Catalogue {
    /// The built-in plans, but for those that are written here by their ids. `url` is where another is chosen.
    pub fn new(written: BTreeMap<&'static str, Plan>, url: String) -> Self {
        Self { written, url }
    }

    /// A plan. One that there is not (any more) is the least.
    pub fn plan(&self, name: &str) -> Plan {
        let id = known(name);
        self.written.get(id).cloned().or_else(|| Plan::built_in(id)).unwrap_or_default()
    }

    /// How an organisation on a plan pays. One on a plan that there is not (any more) pays as on the least.
    pub fn terms(&self, plan: &str) -> Terms {
        let monthly = self.plan(plan).credits.and_then(|credits| i64::try_from(credits).ok());
        let monthly = monthly.and_then(Credits::from_whole).unwrap_or_default();
        Terms { prepaid: is_prepaid(known(plan)), monthly }
    }

    /// Lets a plan let in what it says here; all else of it stays.
    pub fn set_rates(&mut self, plan: &str, rates: Rates) {
        let changed = Plan { rates, ..self.plan(plan) };
        self.written.insert(known(plan), changed);
    }

    /// Whether a plan includes something.
    ///
    /// # Errors
    /// With the plan that does.
    pub fn include(&self, plan: &str, feature: Feature) -> Result<(), Upgrade> {
        let includes = |plan: &Plan| plan.features.contains(&feature);
        self.require(plan, feature.as_str(), None, includes)
    }

    /// Whether a plan has room for one more, where there are so many.
    ///
    /// # Errors
    /// With the plan that has.
    pub fn allow(&self, plan: &str, counted: Counted, current: u64) -> Result<(), Upgrade> {
        let used = self.plan(plan).most(counted).map(|max| Used { current, max });
        let has_room = |plan: &Plan| plan.most(counted).is_none_or(|most| current < most);
        self.require(plan, counted.as_str(), used, has_room)
    }

    fn require(
        &self,
        plan: &str,
        lacks: &'static str,
        used: Option<Used>,
        has: impl Fn(&Plan) -> bool,
    ) -> Result<(), Upgrade> {
        if has(&self.plan(plan)) {
            return Ok(());
        }
        let plan = known(plan);
        let higher = IDS.into_iter().skip_while(|id| *id != plan).skip(1);
        let required_plan = higher.into_iter().find(|id| has(&self.plan(id))).map(shown);
        Err(Upgrade { plan: shown(plan), lacks, required_plan, used, url: self.url.clone() })
    }
}

/// The id of a plan; the least for one that there is not.
fn known(name: &str) -> &'static str {
    named(name).unwrap_or(IDS[0])
}

/// As a plan is called in refusals: the second by the name that Sekuire gives it.
fn shown(id: &'static str) -> &'static str {
    if id == "standard" { "starter" } else { id }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn catalogue() -> Catalogue {
        Catalogue::new(BTreeMap::new(), "/billing".into())
    }

    #[test]
    fn a_plan_includes_what_those_below_it_do() {
        let all: Vec<_> = IDS.iter().map(|id| Plan::built_in(id).unwrap()).collect();
        for pair in all.windows(2) {
            let [less, more] = pair else { unreachable!() };
            assert!(more.features.is_superset(&less.features));
            for counted in [Counted::Seats, Counted::ApiKeys] {
                assert!(more.most(counted).is_none_or(|most| less.most(counted).unwrap() < most));
            }
        }
        assert_eq!(all[0].features.len(), 0);
        assert_eq!(all[3].features, Feature::ALL.into_iter().collect());
        assert_eq!(Plan::built_in("starter"), Plan::built_in("standard"));
        assert_eq!(Plan::built_in("gold"), None);
    }

    #[test]
    fn the_least_plan_that_includes_it_is_named() {
        let plans = catalogue();
        for (plan, feature, required) in [
            ("free", Feature::FleetOps, Some("starter")),
            ("free", Feature::SiemExport, Some("professional")),
            ("starter", Feature::SiemExport, Some("professional")),
            ("standard", Feature::Csm, Some("enterprise")),
            ("no longer sold", Feature::AuditLogs, Some("starter")),
        ] {
            let lacks = plans.include(plan, feature).unwrap_err();
            assert_eq!(lacks.required_plan, required, "{plan} {feature}");
        }
        assert_eq!(plans.include("professional", Feature::SiemExport), Ok(()));
        let sentence = plans.include("free", Feature::FleetOps).unwrap_err().to_string();
        assert_eq!(
            sentence,
            "Your current plan (free) does not include fleet_ops. Upgrade to starter or higher."
        );
    }

    #[test]
    fn what_is_counted_has_room_up_to_its_limit() {
        let plans = catalogue();
        assert_eq!(plans.allow("free", Counted::Seats, 2), Ok(()));
        let full = plans.allow("free", Counted::Seats, 3).unwrap_err();
        assert_eq!((full.used, full.required_plan), (Some(Used { current: 3, max: 3 }), Some("starter")));
        // The next plan has no room for so many either.
        assert_eq!(plans.allow("free", Counted::Seats, 10).unwrap_err().required_plan, Some("professional"));
        assert_eq!(plans.allow("enterprise", Counted::ApiKeys, u64::MAX), Ok(()));
    }

    #[test]
    fn what_is_written_counts() {
        let written = Plan { seats: Some(1), ..Plan::default() };
        let plans = Catalogue::new(IDS.into_iter().map(|id| (id, written.clone())).collect(), "/up".into());
        let full = plans.allow("free", Counted::Seats, 1).unwrap_err();
        assert_eq!((full.required_plan, full.url.as_str()), (None, "/up"));
        assert!(full.to_string().ends_with("No plan includes more."));
        assert_eq!(plans.allow("free", Counted::ApiKeys, 1_000), Ok(()));
        assert!(plans.include("enterprise", Feature::Csm).is_err());
    }
}
