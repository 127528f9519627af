//! What one request is charged: reserved before it runs, extended before each round of a tool loop, and settled with
//! its call record.

use std::sync::Arc;

use hardpoint_domain::bill::Bill;
use hardpoint_domain::model::Prices;
use hardpoint_domain::money::Credits;
use hardpoint_domain::pool::Spent;
use hardpoint_domain::time::Timestamp;
use hardpoint_store::StoreError;

use super::{Bound, Reservation};
use crate::call::CallNote;
use crate::caller::Caller;
use crate::error::ApiError;
use crate::state::App;

/// What a request is about to buy.
#[derive(Clone, Debug)]
pub struct Offer {
    /// The prices of every model that may answer, the one that is asked first in front.
    pub prices: Vec<Prices>,
    /// Tokens of the first round.
    pub bound: Bound,
}

impl Offer {
    /// What it costs at most, whichever model answers.
    pub fn most(&self) -> Credits {
        self.prices
            .iter()
            .map(|prices| prices.most(self.bound.input, self.bound.output))
            .max()
            .unwrap_or_default()
    }
}

/// What was bought; a part of what is known of the request.
pub struct Purchase {
    reservation: Reservation,
    /// All that is reserved.
    reserved: Credits,
    /// The most that may be reserved without another approval; none where the budget has no threshold.
    ceiling: Option<Credits>,
    /// Of every model that may answer.
    prices: Vec<Prices>,
    /// What was used so far.
    bill: Bill,
    /// The version of the rates.
    pub(crate) rates: Arc<str>,
    /// Whether its progress was written down.
    pub(crate) noted: bool,
}

/// Reserves what a request may cost, beside what was reserved for it before, and puts that into its note. What is free,
/// or a test key's, is not charged.
///
/// # Errors
/// 402 where there is not so much, or somebody must approve it first; 503 where what it costs could not be written.
pub async fn purchase(
    app: &App,
    caller: &Caller,
    note: &CallNote,
    offer: Offer,
    approval: Option<&str>,
) -> Result<(), ApiError> {
    let most = offer.most();
    if !most.is_positive() || !caller.livemode {
        return Ok(());
    }
    // Whoever could not be charged would wait for it with an answer that was paid for.
    if let Some(trouble) = app.calls.trouble() {
        return Err(match trouble {
            StoreError::Full => ApiError::storage_full(),
            _ => ApiError::unavailable(1, "What requests cost cannot be written down now. Retry later."),
        });
    }
    // An approval is used once, and by nobody who has no money: the reservation comes first.
    let reservation = app.billing.reserve(app, caller, most).await?;
    let mut before = None;
    note.update(|facts| {
        before = facts.purchase.as_ref().map(|purchase| (purchase.reserved, purchase.ceiling))
    });
    let whole = before.map_or(most, |(reserved, _)| reserved + most);
    let ceiling = match before.and_then(|(_, ceiling)| ceiling).filter(|ceiling| whole <= *ceiling) {
        Some(approved) => Some(approved),
        None => app.billing.approve(app, caller, whole, approval).await?,
    };
    let purchase = Purchase {
        reservation,
        reserved: most,
        ceiling,
        prices: offer.prices,
        bill: Bill::default(),
        rates: Arc::clone(&app.rates.version),
        noted: false,
    };
    note.update(|facts| match &mut facts.purchase {
        Some(before) => before.join(purchase),
        none => *none = Some(purchase),
    });
    app.billing.watch(&caller.request_id, note.clone());
    Ok(())
}

/// Reserves what another round may cost, beside what was used so far. Without effect for what is not charged.
///
/// # Errors
/// 402 where there is not so much, or it would be more than was approved.
pub async fn extend(note: &CallNote, used: &Bill, next: Bound) -> Result<(), ApiError> {
    let mut lack = None;
    note.update(|facts| {
        let whole = facts.beside.plus(used);
        lack = facts.purchase.as_ref().map(|purchase| purchase.lacks(&whole, next));
    });
    let Some((more, ceiling)) = lack.filter(|(more, _)| more.is_positive()) else { return Ok(()) };
    if let Some((whole, ceiling)) = ceiling.filter(|(whole, ceiling)| whole > ceiling) {
        return Err(super::approval_required(super::NEEDS_APPROVAL, whole, ceiling));
    }
    let Some(caller) = note.caller() else { return Ok(()) };
    let app = note.app();
    let mut extension = app.billing.reserve(app, &caller, more).await?;
    note.update(|facts| {
        if let Some(purchase) = &mut facts.purchase {
            purchase.reservation.parts.append(&mut extension.parts);
            purchase.reserved += more;
        }
    });
    Ok(())
}

impl Purchase {
    /// Takes in what was bought later for the same request.
    fn join(&mut self, mut later: Self) {
        self.reservation.parts.append(&mut later.reservation.parts);
        self.reserved += later.reserved;
        self.ceiling = later.ceiling;
        self.prices = later.prices;
    }

    /// What is missing for another round; and what all of it may cost then, with the ceiling that it must keep to.
    fn lacks(&self, used: &Bill, next: Bound) -> (Credits, Option<(Credits, Credits)>) {
        let most = self.prices.iter().map(|prices| prices.most(next.input, next.output)).max();
        let whole = used.cost() + most.unwrap_or_default();
        (whole - self.reserved, self.ceiling.map(|ceiling| (whole, ceiling)))
    }

    /// Notes what was used so far; replaces what was noted before.
    pub(crate) fn used(&mut self, bill: Bill) {
        self.bill = bill;
    }

    /// What that costs, as far as it was reserved.
    pub(crate) fn so_far(&self) -> Credits {
        self.bill.cost().min(self.reserved)
    }

    /// The lease that it is charged to first.
    pub(crate) fn lease(&self) -> Option<&str> {
        self.reservation.parts.first().map(|part| &*part.block)
    }

    /// Ends it: what it cost, and of which leases that is spent.
    pub(crate) fn settle(mut self, now: Timestamp) -> (Credits, Vec<Spent>) {
        let parts = std::mem::take(&mut self.reservation.parts);
        let cost = self.bill.cost();
        if cost > self.reserved {
            let reserved = self.reserved;
            tracing::warn!(%cost, %reserved, "a request cost more than was reserved for it; the rest is not charged");
        }
        let cost = cost.min(self.reserved);
        let mut spent = self.reservation.purse.pool(|pool| pool.settle(&parts, cost, now));
        let charge: Credits = spent.iter().map(|spent| spent.amount).sum();
        spent.retain(|spent| spent.amount.is_positive() || spent.closes);
        (charge, spent)
    }
}

impl std::fmt::Debug for Purchase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Purchase")
            .field("reserved", &self.reserved)
            .field("bill", &self.bill)
            .finish_non_exhaustive()
    }
}
