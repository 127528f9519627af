//! What a notice changes, each in one transaction with the notice's id and the events that tell of it.

use std::sync::Arc;

use hardpoint_domain::event::{Event, Target};
use hardpoint_domain::money::Credits;
use hardpoint_domain::payment::{self, LEAST_PLAN};
use hardpoint_domain::time::{Clock, Rng, Timestamp};
use hardpoint_store::organizations::Organization;
use hardpoint_store::payments::{Payment, Subscription};
use hardpoint_store::{Lane, StoreError, Tx, credits, organizations, payments};
use serde_json::{Value, json};

use super::notices::Outcome;
use crate::config::Config;
use crate::error::ApiError;
use crate::service::events::Author;
use crate::service::login::Visitor;
use crate::state::App;

/// Credits that were paid.
pub(super) struct Paid {
    /// By whom.
    pub(super) owner: Organization,
    /// The payment's id.
    pub(super) payment: String,
    /// How many.
    pub(super) credits: Credits,
    /// For the event.
    pub(super) about: Value,
}

/// How much of a payment went back.
pub(super) struct WentBack {
    /// The payment's id.
    pub(super) payment: String,
    /// At which revision it was before the provider was asked; none where it was not heard of.
    pub(super) seen: Option<i64>,
    /// What was paid, in the smallest unit of its money.
    pub(super) paid: i64,
    /// How much of it is not here any more, in the same unit.
    pub(super) gone: i64,
}

/// What one notice changes.
pub(super) struct Settlement<'a> {
    app: &'a App,
    work: Work,
}

/// What every transaction needs.
struct Work {
    notice: String,
    kind: String,
    author: Author,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
    config: Arc<Config>,
    now: Timestamp,
}

impl<'a> Settlement<'a> {
    pub(super) fn new(app: &'a App, visitor: &Visitor, notice: &str, kind: &str) -> Self {
        let work = Work {
            notice: notice.to_owned(),
            kind: kind.to_owned(),
            author: Author::payment_provider(visitor),
            clock: app.clock.clone(),
            rng: app.rng.clone(),
            config: app.config.clone(),
            now: app.clock.now(),
        };
        Self { app, work }
    }

    /// Books credits, and takes those back whose money was heard to have gone before.
    pub(super) async fn book(self, paid: Paid) -> Result<Outcome, ApiError> {
        let Self { app, work } = self;
        let organization = paid.owner.id.clone();
        let write = app.store.write(Lane::Request, move |tx| {
            Box::pin(async move {
                if !work.claim(tx).await? {
                    return Ok(Outcome::Known);
                }
                let Paid { owner, payment, credits, about } = paid;
                let Some(booked) = payments::book(tx, &payment, &owner.id, credits, work.now).await? else {
                    return Ok(Outcome::Known);
                };
                work.pay_in(tx, &owner, &booked, about).await?;
                work.follow_money(tx, &owner, booked).await?;
                Ok(Outcome::Done)
            })
        });
        let outcome = write.await?;
        app.billing.changed(&organization);
        Ok(outcome)
    }

    /// Takes credits back in the share that went back of what was paid for them, or gives them again.
    ///
    /// # Errors
    /// `Conflict` where something newer may be known: then nothing was changed.
    pub(super) async fn go_back(self, back: WentBack) -> Result<Outcome, StoreError> {
        let Self { app, work } = self;
        let write = app.store.write(Lane::Request, move |tx| {
            Box::pin(async move {
                if !work.claim(tx).await? {
                    return Ok((Outcome::Known, None));
                }
                let WentBack { payment, seen, paid, gone } = back;
                let Some(payment) = payments::go_back(tx, &payment, seen, [paid, gone], work.now).await?
                else {
                    return Err(StoreError::Conflict);
                };
                let owner = match &payment.organization_id {
                    Some(id) => organizations::get(tx, id).await?,
                    None => None,
                };
                let Some(owner) = owner else {
                    // Of a plan; or of credits whose payment is still to be heard of.
                    let about = json!({ "payment": payment.id, "gone": gone, "paid": paid });
                    work.tell_unmatched(tx, None, "unknown_payment", about).await?;
                    return Ok((Outcome::Unmatched, None));
                };
                work.follow_money(tx, &owner, payment).await?;
                Ok((Outcome::Done, Some(owner.id)))
            })
        });
        let (outcome, organization) = write.await?;
        if let Some(organization) = organization {
            app.billing.changed(&organization);
        }
        Ok(outcome)
    }

    /// Follows a subscription, and puts its organisation on the plan that it has by it.
    ///
    /// # Errors
    /// `Conflict` where something newer may be known: then nothing was changed.
    pub(super) async fn follow(self, new: Subscription, about: Value) -> Result<Outcome, StoreError> {
        let Self { app, work } = self;
        let write = app.store.write(Lane::Request, move |tx| {
            Box::pin(async move {
                if !work.claim(tx).await? {
                    return Ok(Outcome::Known);
                }
                let id = &new.organization_id;
                // Two subscriptions of one organisation do not both look before the other has changed anything.
                organizations::hold(tx, id).await?;
                let had = payments::paid_plans(tx, id).await?;
                if !payments::follow(tx, work.now, &new).await? {
                    return Err(StoreError::Conflict);
                }
                let has = payments::paid_plans(tx, id).await?;
                let event = work.event(Some(id), "billing.subscription_changed", about);
                tx.append(&event, &[]).await?;
                work.change_plan(tx, &new, largest(&had), largest(&has)).await?;
                Ok(Outcome::Done)
            })
        });
        let outcome = write.await?;
        // What may come in with a key was looked up with its organisation's plan.
        app.keys.clear();
        Ok(outcome)
    }

    /// Keeps what nobody here knows what to do with, once. The notice itself may come again, when somebody has seen to it
    /// that it fits.
    pub(super) async fn keep(
        self,
        organization: Option<&str>,
        reason: &'static str,
        about: Value,
    ) -> Result<Outcome, ApiError> {
        let Self { app, work } = self;
        tracing::warn!(
            notice = work.notice,
            kind = work.kind,
            reason,
            "a notice of a payment fits nothing here"
        );
        let organization = organization.map(str::to_owned);
        let write = app.store.write(Lane::Request, move |tx| {
            Box::pin(async move {
                let name = format!("unmatched:{}", work.notice);
                if payments::claim(tx, &name, &work.kind, work.now).await? {
                    work.tell_unmatched(tx, organization.as_deref(), reason, about).await?;
                }
                Ok(Outcome::Unmatched)
            })
        });
        Ok(write.await?)
    }
}

fn largest(plans: &[String]) -> Option<&'static str> {
    payment::largest(plans.iter().map(String::as_str))
}

impl Work {
    async fn claim(&self, tx: &mut Tx) -> Result<bool, StoreError> {
        payments::claim(tx, &self.notice, &self.kind, self.now).await
    }

    fn event(&self, organization: Option<&str>, kind: &str, mut about: Value) -> Event {
        about["notice"] = json!(self.notice);
        let target = match organization {
            Some(id) => Target::new("organization", id),
            None => Target::new("payment_notice", &self.notice),
        };
        // Of several events of one notice the later is later.
        let event = self.author.event(self.clock.now(), &*self.rng, kind, target, about);
        Event { organization_id: organization.map(str::to_owned), ..event }
    }

    async fn tell_unmatched(
        &self,
        tx: &mut Tx,
        organization: Option<&str>,
        reason: &str,
        mut about: Value,
    ) -> Result<(), StoreError> {
        about["reason"] = json!(reason);
        about["type"] = json!(self.kind);
        tx.append(&self.event(organization, "billing.payment_unmatched", about), &[]).await
    }

    async fn pay_in(
        &self,
        tx: &mut Tx,
        owner: &Organization,
        payment: &Payment,
        mut about: Value,
    ) -> Result<(), StoreError> {
        let transfer = format!("pay:{}", payment.id);
        credits::open(tx, &owner.id, self.config.terms(&owner.plan).prepaid, self.now).await?;
        credits::pay_in(tx, &owner.id, &transfer, "top_up", payment.credits, self.now).await?;
        about["amount_micro_credits"] = json!(payment.credits);
        about["transfer"] = json!(transfer);
        tx.append(&self.event(Some(&owner.id), "billing.credits_purchased", about), &[]).await
    }

    /// Takes back what a payment owes, or gives again what it owes no more.
    async fn follow_money(
        &self,
        tx: &mut Tx,
        owner: &Organization,
        payment: Payment,
    ) -> Result<(), StoreError> {
        let owed = payment::owed_back(payment.credits, payment.refunded, payment.paid);
        if owed == payment.taken_back {
            return Ok(());
        }
        let prepaid = self.config.terms(&owner.plan).prepaid;
        let account = credits::open(tx, &owner.id, prepaid, self.now).await?.account;
        payments::take_back(tx, &payment.id, owed).await?;
        let bought = format!("pay:{}", payment.id);
        if owed < payment.taken_back {
            // What was missing then was never taken, and is not given again.
            let taken = -credits::beside(tx, &owner.id, &bought).await?;
            return self.move_back(tx, owner, &payment, (taken - owed).max(Credits::ZERO)).await;
        }
        let due = owed - payment.taken_back;
        // What hosts hold of it goes back too when they are done: nobody keeps it by having requests under way.
        let there = account.available + credits::held(tx, &owner.id).await?;
        let taken = if prepaid { due.min(there).max(Credits::ZERO) } else { due };
        self.move_back(tx, owner, &payment, -taken).await?;
        if taken < due {
            let about = json!({ "payment": payment.id, "amount_micro_credits": due - taken });
            tx.append(&self.event(Some(&owner.id), "billing.refund_uncovered", about), &[]).await?;
        }
        Ok(())
    }

    /// Gives credits of a payment again, or takes them where the amount is below nothing.
    async fn move_back(
        &self,
        tx: &mut Tx,
        owner: &Organization,
        payment: &Payment,
        amount: Credits,
    ) -> Result<(), StoreError> {
        let (kind, moved) = match amount {
            Credits::ZERO => return Ok(()),
            some if some.is_positive() => ("billing.credits_given_again", some),
            some => ("billing.credits_taken_back", -some),
        };
        let transfer = format!("pay:{}:{}", payment.id, self.notice);
        credits::pay_in(tx, &owner.id, &transfer, "refund", amount, self.now).await?;
        let about = json!({ "payment": payment.id, "amount_micro_credits": moved, "transfer": transfer });
        tx.append(&self.event(Some(&owner.id), kind, about), &[]).await
    }

    /// What subscriptions give has changed: the plan follows. One that somebody chose meanwhile is not taken away when
    /// the last subscription ends.
    async fn change_plan(
        &self,
        tx: &mut Tx,
        subscription: &Subscription,
        had: Option<&'static str>,
        has: Option<&'static str>,
    ) -> Result<(), StoreError> {
        let id = &subscription.organization_id;
        let Some(before) = organizations::get(tx, id).await?.map(|organization| organization.plan) else {
            return Err(StoreError::Dangling);
        };
        let plan = has.unwrap_or(LEAST_PLAN);
        let is_chosen = has.is_none() && had != Some(before.as_str());
        if had == has || before == plan || is_chosen {
            return Ok(());
        }
        organizations::set_plan(tx, id, plan).await?;
        let about = json!({ "plan": plan, "subscription": subscription.id });
        let mut event = self.event(Some(id), "organization.plan_changed", about);
        event.before = Some(json!({ "plan": before }));
        tx.append(&event, &[]).await
    }
}
