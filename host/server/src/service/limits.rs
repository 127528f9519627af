//! Who may come in now: requests in windows of time, leased from the store in blocks (see
//! [`hardpoint_domain::quota`]), and requests at once.
//!
//! Requests at once are counted by each host for itself: that many hosts admit that many times as much.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hardpoint_domain::plan::Rates;
use hardpoint_domain::quota::{Admission, Counters, Limit, Meter, Standing, Wish};
use hardpoint_store::{Lane, Store, StoreError, quotas};

use crate::error::ApiError;
use crate::state::App;

/// Organisations of which something is known before those that are idle are forgotten.
const CAPACITY: usize = 10_000;

/// What a key's requests count against: made once when the key is looked up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Quota {
    /// Of its organisation and of itself, for a request that no model answers.
    requests: Vec<Limit>,
    /// The same for a completion.
    completions: Vec<Limit>,
    /// At once, of the organisation.
    at_once: Vec<(Meter, u32)>,
}

impl Quota {
    /// What the plan allows the organisation, and what the key was made with.
    pub fn new(organization_id: &str, plan: &Rates, key_id: &str, own: &Rates) -> Self {
        let (organization, key): (Arc<str>, Arc<str>) = (organization_id.into(), key_id.into());
        let limits = |is_completion| {
            [plan.limits(&organization, is_completion), own.limits(&key, is_completion)].concat()
        };
        Self {
            requests: limits(false),
            completions: limits(true),
            at_once: [Meter::Requests, Meter::Completions]
                .into_iter()
                .filter_map(|meter| Some((meter, plan.at_once(meter)?)))
                .collect(),
        }
    }

    fn limits(&self, meter: Meter) -> &[Limit] {
        match meter {
            Meter::Requests => &self.requests,
            Meter::Completions => &self.completions,
        }
    }

    /// How many there may be at once of each sort that a request is of: a completion is a request too.
    fn at_once(&self, meter: Meter) -> impl Iterator<Item = (Meter, u32)> {
        self.at_once.iter().copied().filter(move |(sort, _)| *sort == Meter::Requests || *sort == meter)
    }
}

/// All organisations' counts on this host.
#[derive(Default)]
pub struct Limits(Mutex<HashMap<String, Arc<Organization>>>);

/// What one organisation counts on this host.
#[derive(Default)]
struct Organization {
    counts: Mutex<Counts>,
    /// Held by the one request that leases for all that wait.
    leasing: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Counts {
    counters: Counters,
    under_way: HashMap<Meter, u32>,
}

/// A request that came in. Its places are free again when it is dropped.
#[derive(Default)]
pub struct Pass {
    _places: Option<Places>,
    /// The limit that stands tightest; none where there is none.
    pub standing: Option<Standing>,
}

struct Places {
    organization: Arc<Organization>,
    meters: Vec<Meter>,
}

/// Why a request may not come in, and how the limit stands that keeps it out.
#[derive(Debug)]
pub struct Refused {
    /// For the client.
    pub error: ApiError,
    /// None where no limit in time is the reason.
    pub standing: Option<Standing>,
}

impl From<ApiError> for Refused {
    fn from(error: ApiError) -> Self {
        Self { error, standing: None }
    }
}

impl Limits {
    /// Lets a request in, and counts it, or says how long to wait.
    ///
    /// # Errors
    /// 429 where a limit is reached; 503 where the store cannot be asked for more.
    pub async fn admit(
        &self,
        app: &App,
        organization_id: &str,
        quota: &Quota,
        meter: Meter,
    ) -> Result<Pass, Refused> {
        let limits = quota.limits(meter);
        if limits.is_empty() && quota.at_once(meter).next().is_none() {
            return Ok(Pass::default());
        }
        let organization = self.of(app, organization_id);
        let places = organization.take_places(quota, meter)?;
        let standing = organization.count(app, limits).await?;
        Ok(Pass { _places: Some(places), standing })
    }

    fn of(&self, app: &App, organization_id: &str) -> Arc<Organization> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(organization) = known.get(organization_id) {
            return Arc::clone(organization);
        }
        if known.len() >= CAPACITY {
            let now = app.clock.now();
            known.retain(|_, organization| {
                organization.counts().counters.forget(now);
                Arc::strong_count(organization) > 1 || !organization.counts().counters.is_empty()
            });
        }
        Arc::clone(known.entry(organization_id.to_owned()).or_default())
    }
}

impl Organization {
    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place of each sort that the request is of, or none at all.
    fn take_places(self: &Arc<Self>, quota: &Quota, meter: Meter) -> Result<Places, ApiError> {
        let mut counts = self.counts();
        let taken = |counts: &Counts, sort: &Meter| counts.under_way.get(sort).copied().unwrap_or(0);
        if let Some((sort, most)) = quota.at_once(meter).find(|(sort, most)| taken(&counts, sort) >= *most) {
            return Err(ApiError::too_many_at_once(most, sort.as_str()));
        }
        let meters: Vec<Meter> = quota.at_once(meter).map(|(sort, _)| sort).collect();
        for sort in &meters {
            *counts.under_way.entry(*sort).or_default() += 1;
        }
        Ok(Places { organization: Arc::clone(self), meters })
    }

    /// Counts a request against all limits; leases from the store what is needed for that.
    async fn count(self: &Arc<Self>, app: &App, limits: &[Limit]) -> Result<Option<Standing>, Refused> {
        loop {
            if let Counted::Admitted(standing) = self.try_count(app, limits)? {
                return Ok(standing);
            }
            let _turn = self.leasing.lock().await;
            // Whoever had the turn before may have leased enough.
            match self.try_count(app, limits)? {
                Counted::Admitted(standing) => return Ok(standing),
                Counted::Lacking(wishes) => self.lease(app.store.clone(), wishes).await?,
            }
        }
    }

    fn try_count(&self, app: &App, limits: &[Limit]) -> Result<Counted, Refused> {
        match self.counts().counters.admit(limits, app.clock.now()) {
            Admission::Admitted(standing) => Ok(Counted::Admitted(standing)),
            Admission::Lease(wishes) => Ok(Counted::Lacking(wishes)),
            Admission::Refused { standing, retry_after } => {
                let seconds = retry_after.as_micros().div_ceil(1_000_000);
                let error = ApiError::rate_limited(u64::try_from(seconds).unwrap_or(u64::MAX));
                Err(Refused { error, standing: Some(standing) })
            }
        }
    }

    /// Leases in a task of its own: a client that leaves meanwhile must not lose what the store has given.
    async fn lease(self: &Arc<Self>, store: Store, wishes: Vec<Wish>) -> Result<(), ApiError> {
        let organization = Arc::clone(self);
        let leasing = tokio::spawn(async move {
            let leases = store.write(Lane::Request, |tx| Box::pin(quotas::lease(tx, wishes))).await?;
            let mut counts = organization.counts();
            leases.iter().for_each(|lease| counts.counters.receive(lease));
            Ok::<_, StoreError>(())
        });
        match leasing.await {
            Ok(leased) => Ok(leased?),
            Err(error) => Err(ApiError::internal(format!("leasing of a limit failed: {error}"))),
        }
    }
}

enum Counted {
    Admitted(Option<Standing>),
    Lacking(Vec<Wish>),
}

impl Drop for Places {
    fn drop(&mut self) {
        let mut counts = self.organization.counts();
        for meter in &self.meters {
            if let Some(under_way) = counts.under_way.get_mut(meter) {
                *under_way = under_way.saturating_sub(1);
            }
        }
    }
}
