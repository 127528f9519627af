//! Who may come in now, and how much of models' work they may have: requests and tokens in windows of time, leased from
//! the store in blocks (see [`hardpoint_domain::quota`]), and requests at once (see [`hardpoint_domain::places`]).

mod at_once;
mod tokens;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hardpoint_domain::places::{AtOnce, Places};
use hardpoint_domain::plan::Rates;
use hardpoint_domain::quota::{Admission, Counters, Limit, Meter, Standing, Taken, Wish};
use hardpoint_domain::time::Timestamp;
use hardpoint_store::{Engine, Lane, Store, StoreError, quotas};
use tokio::sync::Notify;

use crate::error::ApiError;
use crate::state::App;

pub(crate) use at_once::give_back;
pub use at_once::{give_up, look};
pub use tokens::{TokenStanding, Tokens, extend, take};

/// Organisations of which something is known before those that are idle are forgotten.
const CAPACITY: usize = 10_000;

/// What a key's requests count against: made once when the key is looked up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Quota {
    /// Of its organisation and of itself, for a request that no model answers.
    requests: Vec<Limit>,
    /// The same for a completion.
    completions: Vec<Limit>,
    /// The same for what models read and write.
    tokens: Vec<Limit>,
    /// At once, of the organisation, for a request that no model answers.
    requests_at_once: Vec<AtOnce>,
    /// The same for a completion.
    completions_at_once: Vec<AtOnce>,
}

impl Quota {
    /// What the organisation may send, and what the key was made with.
    pub fn new(organization_id: &str, shared: &Rates, key_id: &str, own: &Rates) -> Self {
        let (organization, key): (Arc<str>, Arc<str>) = (organization_id.into(), key_id.into());
        let limits = |is_completion| {
            [shared.limits(&organization, is_completion), own.limits(&key, is_completion)].concat()
        };
        Self {
            requests: limits(false),
            completions: limits(true),
            tokens: shared.token_limits(&organization).chain(own.token_limits(&key)).collect(),
            requests_at_once: shared.at_once(false),
            completions_at_once: shared.at_once(true),
        }
    }

    /// In windows of time. A completion is a request too; tokens are counted apart.
    fn limits(&self, meter: Meter) -> &[Limit] {
        match meter {
            Meter::Requests => &self.requests,
            Meter::Completions => &self.completions,
            Meter::Tokens => &self.tokens,
        }
    }

    fn at_once(&self, meter: Meter) -> &[AtOnce] {
        match meter {
            Meter::Requests => &self.requests_at_once,
            Meter::Completions => &self.completions_at_once,
            Meter::Tokens => &[],
        }
    }

    /// The name of a limit that lets nothing in, however long anybody waits; none where all let something in.
    fn shut(&self, meter: Meter) -> Option<String> {
        let in_time = self.limits(meter).iter().find(|limit| limit.most == 0);
        let at_once = || self.at_once(meter).iter().find(|at_once| at_once.most == 0);
        in_time
            .map(|limit| limit.count.limit_name())
            .or_else(|| at_once().map(|at_once| format!("concurrent_{}", at_once.meter.as_str())))
    }

    /// Whether tokens are limited.
    pub fn limits_tokens(&self) -> bool {
        !self.tokens.is_empty()
    }
}

/// All organisations' counts on this host.
#[derive(Default)]
pub struct Limits {
    organizations: Mutex<HashMap<String, Arc<Organization>>>,
    /// Under which id this host holds places.
    holder: Arc<at_once::Holder>,
    /// Rung when places are to go back at once.
    bell: Arc<Notify>,
}

/// What one organisation counts on this host.
struct Organization {
    id: String,
    counts: Mutex<Counts>,
    /// Held by the one request that leases for all that wait.
    leasing: Arc<tokio::sync::Mutex<()>>,
    bell: Arc<Notify>,
}

struct Counts {
    counters: Counters,
    places: Places,
}

/// A request that came in. Its places are free again when it is dropped.
#[derive(Default)]
pub struct Pass {
    _places: Option<at_once::Taken>,
    /// The limit that stands tightest; none where there is none.
    pub standing: Option<Standing>,
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
    /// 403 where a limit lets nothing in at all; 429 where one is reached; 503 where the store cannot be asked for more.
    pub async fn admit(
        &self,
        app: &App,
        organization_id: &str,
        quota: &Quota,
        meter: Meter,
    ) -> Result<Pass, Refused> {
        let (limits, at_once) = (quota.limits(meter), quota.at_once(meter));
        if limits.is_empty() && at_once.is_empty() {
            return Ok(Pass::default());
        }
        if let Some(limit) = quota.shut(meter) {
            return Err(ApiError::shut(&limit).into());
        }
        let organization = self.of(app, organization_id);
        if app.store.engine() == Engine::Postgres {
            // Places may have to be leased: not for what is refused all the same.
            organization.check(app, limits)?;
        }
        let places = at_once::enter(app, &organization, at_once).await?;
        let admit = |counters: &mut Counters, now| (counters.admit(limits, 1, now), ());
        let (standing, ()) = organization.count(app, admit).await?;
        Ok(Pass { _places: Some(places), standing })
    }

    fn of(&self, app: &App, organization_id: &str) -> Arc<Organization> {
        let mut known = self.known();
        if let Some(organization) = known.get(organization_id) {
            return Arc::clone(organization);
        }
        if known.len() >= CAPACITY {
            let now = app.clock.now();
            known.retain(|_, organization| Arc::strong_count(organization) > 1 || !organization.is_idle(now));
        }
        let organization = Organization {
            id: organization_id.to_owned(),
            counts: Mutex::new(Counts {
                counters: Counters::default(),
                places: Places::new(app.store.engine() == Engine::Sqlite),
            }),
            leasing: Arc::default(),
            bell: Arc::clone(&self.bell),
        };
        Arc::clone(known.entry(organization_id.to_owned()).or_insert(Arc::new(organization)))
    }

    /// Every organisation's.
    fn all(&self) -> Vec<Arc<Organization>> {
        self.known().values().cloned().collect()
    }

    /// Waits until places are to go back at once.
    pub(crate) async fn rung(&self) {
        self.bell.notified().await;
    }

    fn known(&self) -> MutexGuard<'_, HashMap<String, Arc<Organization>>> {
        self.organizations.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What an attempt came to, or what has to be leased before the next one.
type Tried<T, L> = Result<T, Vec<L>>;

impl Organization {
    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_idle(&self, now: Timestamp) -> bool {
        let mut counts = self.counts();
        counts.counters.forget(now);
        counts.counters.is_empty() && counts.places.is_idle()
    }

    /// Whether a request is refused as far as this host knows, without counting it.
    fn check(&self, app: &App, limits: &[Limit]) -> Result<(), Refused> {
        match self.counts().counters.look(limits, 1, app.clock.now()) {
            Admission::Refused { standing, retry_after } => Err(refused(standing, retry_after)),
            _ => Ok(()),
        }
    }

    /// Counts as `admit` does; leases from the store what is needed for that.
    async fn count<T>(
        self: &Arc<Self>,
        app: &App,
        admit: impl Fn(&mut Counters, Timestamp) -> (Admission, T),
    ) -> Result<(Option<Standing>, T), Refused> {
        loop {
            if let Ok(counted) = self.try_count(app, &admit)? {
                return Ok(counted);
            }
            let _turn = self.leasing.lock().await;
            // Whoever had the turn before may have leased enough.
            match self.try_count(app, &admit)? {
                Ok(counted) => return Ok(counted),
                Err(wishes) => self.lease(app.store.clone(), wishes).await?,
            }
        }
    }

    fn try_count<T>(
        &self,
        app: &App,
        admit: impl Fn(&mut Counters, Timestamp) -> (Admission, T),
    ) -> Result<Tried<(Option<Standing>, T), Wish>, Refused> {
        match admit(&mut self.counts().counters, app.clock.now()) {
            (Admission::Admitted(standing), counted) => Ok(Ok((standing, counted))),
            (Admission::Lease(wishes), _) => Ok(Err(wishes)),
            (Admission::Refused { standing, retry_after }, _) => Err(refused(standing, retry_after)),
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

    /// Counts what was used in the place of what was taken.
    fn correct(&self, taken: Taken, used: u64) {
        self.counts().counters.correct(taken, used);
    }
}

fn refused(standing: Standing, retry_after: Duration) -> Refused {
    Refused { error: ApiError::rate_limited(whole_seconds(retry_after)), standing: Some(standing) }
}

/// Rounded up: a client that waits them has waited long enough.
fn whole_seconds(wait: Duration) -> u64 {
    u64::try_from(wait.as_micros().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}
