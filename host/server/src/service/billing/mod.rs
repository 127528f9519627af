//! What requests cost: reserved before they run from money that this host leased ahead (see
//! [`hardpoint_domain::pool`]), and settled with their call record.
//!
//! Nothing is written before a request runs, and no row of the store is touched by every request: a lease is a row of
//! this host's own.

mod estimate;
mod purchase;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hardpoint_domain::budget::{Budget, Grant, Short};
use hardpoint_domain::event::{Event, Target};
use hardpoint_domain::id;
use hardpoint_domain::money::Credits;
use hardpoint_domain::pool::{Block, Part, Pool};
use hardpoint_domain::time::Timestamp;
use hardpoint_store::credits::{self, Wish};
use hardpoint_store::{Lane, StoreError, approvals};
use serde_json::{Value, json};

pub use estimate::{Bound, bound, bound_of_embeddings, default_output};
pub use purchase::{Offer, Purchase, extend, purchase};

use crate::call::CallNote;
use crate::caller::Caller;
use crate::error::ApiError;
use crate::service::events::Author;
use crate::state::App;

/// How long a lease lives without a word from its host; it speaks every [`PERIOD`](crate::worker::leases::PERIOD).
pub const LEASE_LIFE: Duration = Duration::from_secs(75);
/// How long a budget is believed to be as it was.
const BELIEVED: Duration = Duration::from_secs(1);
/// Organisations of which something is known before those that are idle are forgotten.
const CAPACITY: usize = 10_000;

/// What is told to whoever asks for too much at once.
const NEEDS_APPROVAL: &str = "This request may cost more than one request may without an approval. Let an administrator \
    approve it with POST /billing/approvals and send the id as `X-Spend-Approval`.";

/// The money of all organisations on this host, and the requests that it is for.
#[derive(Default)]
pub struct Billing {
    purses: Mutex<HashMap<String, Arc<Purse>>>,
    open: Mutex<HashMap<Arc<str>, CallNote>>,
}

/// What this host holds for one organisation.
pub(crate) struct Purse {
    pub(crate) organization_id: String,
    state: Mutex<State>,
    /// Held by the one request that leases for all that wait.
    leasing: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    pool: Pool,
    /// What the last refusal was for; it is believed as long as the pool says.
    short: Option<Short>,
    /// What all that wait want together.
    wanted: Credits,
    /// The budget, and when it was looked at.
    budget: Option<(Timestamp, Budget)>,
    /// The cap that it was told of to be reached, and in which month.
    told: Option<(Credits, Timestamp)>,
}

/// Money that is kept for one request. Free again when dropped.
pub(crate) struct Reservation {
    pub(crate) purse: Arc<Purse>,
    pub(crate) parts: Vec<Part>,
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if !self.parts.is_empty() {
            self.purse.state().pool.release(&self.parts);
        }
    }
}

impl Billing {
    /// Keeps money for a request that may cost so much.
    ///
    /// # Errors
    /// 402 where there is not so much; 503 where the store cannot be asked.
    async fn reserve(&self, app: &App, caller: &Caller, need: Credits) -> Result<Reservation, ApiError> {
        let purse = self.purse(&caller.organization_id, app.clock.now());
        let part = purse.take(app, caller, need).await?;
        Ok(Reservation { purse, parts: vec![part] })
    }

    /// Looks whether a request that may cost so much needs somebody's yes, and uses the one it brings. Answers with
    /// the most that it may come to cost; none where the budget does not say.
    ///
    /// # Errors
    /// 402 where it brings none, or one that is not good.
    async fn approve(
        &self,
        app: &App,
        caller: &Caller,
        estimate: Credits,
        approval: Option<&str>,
    ) -> Result<Option<Credits>, ApiError> {
        let budget = self.purse(&caller.organization_id, app.clock.now()).budget(app).await?;
        let Some(threshold) = budget.approval_threshold.filter(|threshold| estimate > *threshold) else {
            return Ok(budget.approval_threshold);
        };
        let refused = |message: &'static str| Err(approval_required(message, estimate, threshold));
        let Some(approval) = approval else { return refused(NEEDS_APPROVAL) };
        let (organization, id, request, now) = (
            caller.organization_id.clone(),
            approval.to_owned(),
            caller.request_id.to_string(),
            app.clock.now(),
        );
        let event =
            event(app, caller, "billing.approval_used", json!({ "approval": id, "estimate": estimate }));
        let write = app.store.write(Lane::Request, move |tx| {
            Box::pin(async move {
                let is_good = approvals::spend(tx, &organization, &id, &request, estimate, now).await?;
                if is_good.is_some() {
                    tx.append(&event, &[]).await?;
                }
                Ok(is_good)
            })
        });
        match write.await? {
            Some(most) => Ok(Some(most)),
            None => refused(
                "The approval in `X-Spend-Approval` is not there, used, over, or of less than this request \
                              may cost. Let an administrator give another with POST /billing/approvals.",
            ),
        }
    }

    fn purse(&self, organization_id: &str, now: Timestamp) -> Arc<Purse> {
        let mut known = self.purses();
        if let Some(purse) = known.get(organization_id) {
            return Arc::clone(purse);
        }
        if known.len() >= CAPACITY {
            known.retain(|_, purse| Arc::strong_count(purse) > 1 || !purse.state().pool.is_empty(now));
        }
        let purse = Arc::new(Purse {
            organization_id: organization_id.to_owned(),
            state: Mutex::default(),
            leasing: tokio::sync::Mutex::default(),
        });
        Arc::clone(known.entry(organization_id.to_owned()).or_insert(purse))
    }

    /// Learns that somebody paid in, or changed the budget.
    pub fn changed(&self, organization_id: &str) {
        if let Some(purse) = self.purses().get(organization_id) {
            let mut state = purse.state();
            state.pool.forget_scarce();
            state.pool.retire();
            state.budget = None;
        }
    }

    /// Every organisation's.
    pub(crate) fn all(&self) -> Vec<Arc<Purse>> {
        self.purses().values().cloned().collect()
    }

    /// The requests that money is kept for.
    pub(crate) fn open(&self) -> Vec<CallNote> {
        self.notes().values().cloned().collect()
    }

    fn watch(&self, request_id: &Arc<str>, note: CallNote) {
        self.notes().insert(Arc::clone(request_id), note);
    }

    /// Forgets a request that has ended.
    pub(crate) fn ended(&self, request_id: &str) {
        self.notes().remove(request_id);
    }

    fn purses(&self) -> MutexGuard<'_, HashMap<String, Arc<Purse>>> {
        self.purses.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn notes(&self) -> MutexGuard<'_, HashMap<Arc<str>, CallNote>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Purse {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is to be told to whoever looks after leases.
    pub(crate) fn pool<T>(&self, look: impl FnOnce(&mut Pool) -> T) -> T {
        look(&mut self.state().pool)
    }

    /// Reserves from what this host holds, or leases more.
    async fn take(self: &Arc<Self>, app: &App, caller: &Caller, need: Credits) -> Result<Part, ApiError> {
        if let Some(part) = self.try_take(app, need)? {
            return Ok(part);
        }
        let _waits = Waits::new(self, need);
        loop {
            let _turn = self.leasing.lock().await;
            // Whoever had the turn before may have leased enough.
            if let Some(part) = self.try_take(app, need)? {
                return Ok(part);
            }
            self.lease(app, caller, need).await?;
        }
    }

    fn try_take(&self, app: &App, need: Credits) -> Result<Option<Part>, ApiError> {
        let (mut state, now) = (self.state(), app.clock.now());
        if let Some(part) = state.pool.reserve(need, now) {
            return Ok(Some(part));
        }
        match state.pool.known_scarce(need, now) {
            Some(left) => Err(state
                .short
                .map_or_else(|| insufficient_balance(need, left), |short| refusal(need, short))),
            None => Ok(None),
        }
    }

    /// Leases in a task of its own: a client that leaves meanwhile must not lose what the store has given.
    async fn lease(self: &Arc<Self>, app: &App, caller: &Caller, need: Credits) -> Result<(), ApiError> {
        let now = app.clock.now();
        let wish = Wish {
            organization_id: self.organization_id.clone(),
            prepaid: caller.terms.prepaid,
            monthly: caller.terms.monthly,
            need,
            wanted: self.state().wanted,
            lease: id::prefixed("lse", now, &*app.rng),
            now,
            expires_at: now.plus(LEASE_LIFE),
        };
        let (store, lease) = (app.store.clone(), wish.lease.clone());
        let crossed = event(app, caller, "billing.soft_cap_reached", Value::Null);
        let purse = Arc::clone(self);
        let leasing = tokio::spawn(async move {
            let write = store.write(Lane::Request, move |tx| {
                Box::pin(async move {
                    let (granted, account) = credits::lease(tx, &wish).await?;
                    if let Ok(Grant { amount, crosses_soft_cap: true, .. }) = granted {
                        let committed = account.committed;
                        let before = json!({ "committed": committed, "budget": account.budget });
                        let after = json!({ "committed": committed + amount, "budget": account.budget });
                        tx.append(&Event { before: Some(before), after: Some(after), ..crossed }, &[])
                            .await?;
                    }
                    Ok((granted, account))
                })
            });
            let (granted, account) = write.await?;
            let mut state = purse.state();
            state.believe(now, account.budget);
            match granted {
                Ok(Grant { amount, tight, .. }) => {
                    state.pool.receive(Block { id: lease.into(), amount, tight, since: now });
                }
                Err(short) => {
                    state.short = Some(short);
                    state.pool.note_scarce(short.left(), now);
                }
            }
            Ok::<_, StoreError>(granted)
        });
        let granted = leasing
            .await
            .map_err(|error| ApiError::internal(format!("leasing of credits failed: {error}")))?;
        match granted? {
            Ok(_) => Ok(()),
            Err(short) => Err(self.refused(app, caller, need, short).await),
        }
    }

    /// What is told to whoever is refused. That the cap is reached is an event, once a month and host.
    async fn refused(&self, app: &App, caller: &Caller, need: Credits, short: Short) -> ApiError {
        let Short::SpendCap { left, cap } = short else { return refusal(need, short) };
        let month = app.clock.now().month_start();
        let is_told = self.state().told.replace((cap, month)) == Some((cap, month));
        if !is_told {
            let event =
                event(app, caller, "billing.spend_cap_reached", json!({ "spend_cap": cap, "left": left }));
            let write =
                app.store.write(Lane::Bulk, |tx| Box::pin(async move { tx.append(&event, &[]).await }));
            if let Err(error) = write.await {
                tracing::warn!(%error, "the event of a spend cap that is reached was not written");
            }
        }
        refusal(need, short)
    }

    /// The budget as it was within the last second.
    async fn budget(&self, app: &App) -> Result<Budget, ApiError> {
        let now = app.clock.now();
        if let Some((at, budget)) = self.state().budget
            && (at..at.plus(BELIEVED)).contains(&now)
        {
            return Ok(budget);
        }
        let found = credits::get(&mut app.store.read().await?, &self.organization_id).await?;
        let budget = found.map(|found| found.account.budget).unwrap_or_default();
        self.state().believe(now, budget);
        Ok(budget)
    }
}

impl State {
    /// What was leased under another budget gives no more: a cap that was lowered holds for it too.
    fn believe(&mut self, now: Timestamp, budget: Budget) {
        if self.budget.is_some_and(|(_, before)| before != budget) {
            self.pool.retire();
        }
        self.budget = Some((now, budget));
    }
}

/// A request that waits for money, until it has some or leaves.
struct Waits<'p> {
    purse: &'p Purse,
    need: Credits,
}

impl<'p> Waits<'p> {
    fn new(purse: &'p Purse, need: Credits) -> Self {
        purse.state().wanted += need;
        Self { purse, need }
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.purse.state().wanted -= self.need;
    }
}

fn event(app: &App, caller: &Caller, kind: &str, after: Value) -> Event {
    let target = Target::new("organization", &caller.organization_id);
    Event {
        organization_id: Some(caller.organization_id.clone()),
        ..Author::from(caller).event(app.clock.now(), &*app.rng, kind, target, after)
    }
}

fn refusal(need: Credits, short: Short) -> ApiError {
    match short {
        Short::Balance { left } => insufficient_balance(need, left),
        Short::SpendCap { left, cap } => spend_cap_exceeded(need, left, cap),
    }
}

fn insufficient_balance(need: Credits, left: Credits) -> ApiError {
    let left = left.max(Credits::ZERO);
    let message = format!(
        "This request may cost up to {need} credits, and {left} are left. Ask for less (`max_tokens`), or add credits."
    );
    ApiError::payment_required("insufficient_balance", message)
        .with_member("needed_micro_credits", need.micros())
        .with_member("available_micro_credits", left.micros())
}

fn spend_cap_exceeded(need: Credits, left: Credits, cap: Credits) -> ApiError {
    let left = left.max(Credits::ZERO);
    let message = format!(
        "This request may cost up to {need} credits, and {left} are left of this month's spend cap of {cap}. \
         An administrator can raise it with PUT /billing/budget."
    );
    ApiError::payment_required("spend_cap_exceeded", message)
        .with_member("spendCapCents", cap.cents_down())
        .with_member("needed_micro_credits", need.micros())
        .with_member("available_micro_credits", left.micros())
}

fn approval_required(message: &'static str, estimate: Credits, threshold: Credits) -> ApiError {
    ApiError::payment_required("spend_approval_required", message)
        .with_member("estimateCents", estimate.cents_up())
        .with_member("approvalThresholdCents", threshold.cents_down())
}
