//! An organisation's money: what it has, what is added, its budget and approvals; and what was used.

use std::time::Duration;

use hardpoint_domain::budget::Budget;
use hardpoint_domain::event::Target;
use hardpoint_domain::id;
use hardpoint_domain::money::Credits;
use hardpoint_domain::period::Period;
use hardpoint_domain::plan::Terms;
use hardpoint_domain::time::Timestamp;
use hardpoint_store::approvals::{self, Approval};
use hardpoint_store::credits::{self, Entry};
use hardpoint_store::usage;
pub use hardpoint_store::usage::{By, Share};
use hardpoint_store::{Lane, Window};
use serde_json::json;

use super::workspaces::{is_live, is_unbound};
use super::{Accounts, Happened, Principal, text};
use crate::error::ApiError;

/// The most that is added or set at once: a billion credits.
const MOST: Credits = Credits::from_micros(1_000_000_000_000_000);
const LONGEST_REASON: usize = 200;
/// How long an approval may be used where nobody says.
const APPROVED_FOR: Duration = Duration::from_secs(24 * 3_600);
const LONGEST_APPROVAL: Duration = Duration::from_secs(30 * 24 * 3_600);
/// Usage is summed from call records: no longer range than this.
const LONGEST_RANGE: Duration = Duration::from_secs(366 * 24 * 3_600);
/// Shares of usage that are told at most.
const SHARES: i64 = 10_000;

/// How an organisation stands.
#[derive(Clone, Debug)]
pub struct Standing {
    /// The organisation.
    pub organization_id: String,
    /// The id of its plan.
    pub plan: String,
    /// How it pays.
    pub terms: Terms,
    /// What it has, without what hosts hold.
    pub available: Credits,
    /// What hosts hold and did not spend.
    pub held: Credits,
    /// Its budget.
    pub budget: Budget,
    /// The present month.
    pub period: Period,
    /// What was spent in it.
    pub spent: Credits,
}

/// What was used in a time.
#[derive(Clone, Debug)]
pub struct Usage {
    /// For which time.
    pub period: Period,
    /// The parts, the dearest first.
    pub shares: Vec<Share>,
    /// All of it.
    pub total: Share,
}

impl Accounts {
    /// How an organisation stands: the one that is named, else the caller's own.
    ///
    /// # Errors
    /// 404 where there is none that is the caller's to see.
    pub async fn standing(&self, by: &Principal, named: Option<&str>) -> Result<Standing, ApiError> {
        let organization = self.organization(by, named).await?;
        let mut conn = self.store.read().await?;
        let period = this_month(self.clock.now());
        let terms = self.plans.terms(&organization.plan);
        let (account, held) =
            credits::stands(&mut conn, &organization.id, terms.monthly, period.from).await?;
        Ok(Standing {
            terms,
            available: account.available,
            held,
            budget: account.budget,
            spent: usage::total(&mut conn, &organization.id, None, period).await?.charge,
            organization_id: organization.id,
            plan: organization.plan,
            period,
        })
    }

    /// What the caller's organisation set itself for a month.
    ///
    /// # Errors
    /// The store's.
    pub async fn budget(&self, by: &Principal) -> Result<Budget, ApiError> {
        let organization = self.existing(by, None).await?;
        let found = credits::get(&mut self.store.read().await?, &organization).await?;
        Ok(found.map(|found| found.account.budget).unwrap_or_default())
    }

    /// Adds credits to an organisation, or takes some away where the amount is negative. `transfer` names what it is
    /// for: a second one of that name does nothing, and is told by `false`.
    ///
    /// # Errors
    /// 400 for an amount or a reason that cannot be; 404 for no such organisation.
    pub async fn add_credits(
        &self,
        by: &Principal,
        organization: &str,
        amount: Credits,
        reason: &str,
        transfer: Option<&str>,
    ) -> Result<bool, ApiError> {
        if amount == Credits::ZERO || amount > MOST || amount < -MOST {
            let message = "The amount must be other than nothing, and at most a billion credits.";
            return Err(ApiError::bad_field("amountCents", "range", message));
        }
        text::line("reason", reason, LONGEST_REASON)?;
        let found = self.organization(by, Some(organization)).await?;
        let (now, terms) = (self.clock.now(), self.plans.terms(&found.plan));
        let name = transfer.map_or_else(|| id::prefixed("crd", now, &*self.rng), str::to_owned);
        let after = json!({ "amount_micro_credits": amount, "reason": reason, "transfer": name });
        let happened =
            Happened::new(now, "billing.credits_added", Target::new("organization", &found.id), after);
        let event = self.event(by, &found.id, happened);
        let write = self.store.write(Lane::Request, move |tx| {
            Box::pin(async move {
                // The lock comes first, so that two of the same name do not both find nothing.
                credits::open(tx, &found.id, terms.prepaid, now).await?;
                if credits::is_transferred(tx, &name).await? {
                    return Ok(false);
                }
                credits::pay_in(tx, &found.id, &name, "top_up", amount, now).await?;
                tx.append(&event, &[]).await?;
                Ok(true)
            })
        });
        Ok(write.await?)
    }

    /// Sets the budget of an organisation, and answers with the one before.
    ///
    /// # Errors
    /// 400 for an amount that cannot be; 403 for a test key, and one that is bound to a workspace; 422 for a soft cap above the
    /// spend cap.
    pub async fn set_budget(
        &self,
        by: &Principal,
        named: Option<&str>,
        budget: Budget,
    ) -> Result<Budget, ApiError> {
        is_unbound(by)?;
        is_live(by)?;
        check_budget(&budget)?;
        let found = self.organization(by, named).await?;
        let (now, terms) = (self.clock.now(), self.plans.terms(&found.plan));
        let happened = Happened::new(
            now,
            "billing.budget_changed",
            Target::new("organization", &found.id),
            json!(budget),
        );
        let mut event = self.event(by, &found.id, happened);
        let write = self.store.write(Lane::Request, move |tx| {
            Box::pin(async move {
                let before = credits::open(tx, &found.id, terms.prepaid, now).await?.account.budget;
                credits::set_budget(tx, &found.id, budget).await?;
                event.before = Some(json!(before));
                tx.append(&event, &[]).await?;
                Ok(before)
            })
        });
        Ok(write.await?)
    }

    /// Approves one request that may cost at most so much, for a day where nobody says.
    ///
    /// # Errors
    /// 400 for an amount or a time that cannot be; 403 for a test key, and one that is bound to a workspace.
    pub async fn approve_spending(
        &self,
        by: &Principal,
        named: Option<&str>,
        most: Credits,
        lasts: Option<Duration>,
    ) -> Result<Approval, ApiError> {
        is_unbound(by)?;
        is_live(by)?;
        if !most.is_positive() || most > MOST {
            let message = "The 'maxCents' field must be more than nothing, and at most a billion credits.";
            return Err(ApiError::bad_field("maxCents", "range", message));
        }
        let lasts = lasts.unwrap_or(APPROVED_FOR);
        if lasts.is_zero() || lasts > LONGEST_APPROVAL {
            let message = "The 'expiresInSeconds' field must be from 1 to 2592000 (30 days).";
            return Err(ApiError::bad_field("expiresInSeconds", "range", message));
        }
        let organization = self.existing(by, named).await?;
        let now = self.clock.now();
        let approval = Approval {
            id: id::prefixed("apr", now, &*self.rng),
            organization_id: organization.clone(),
            most,
            approved_by: by.author().name(),
            created_at: now,
            expires_at: now.plus(lasts),
            request_id: None,
        };
        let after = json!({ "max_micro_credits": most, "expires_at": approval.expires_at.to_rfc3339() });
        let happened =
            Happened::new(now, "billing.spending_approved", Target::new("approval", &approval.id), after);
        let (event, new) = (self.event(by, &organization, happened), approval.clone());
        let write = self.store.write(Lane::Request, move |tx| {
            Box::pin(async move {
                approvals::insert(tx, &new).await?;
                tx.append(&event, &[]).await
            })
        });
        write.await?;
        Ok(approval)
    }

    /// Approvals of an organisation, newest first, and how many there are.
    ///
    /// # Errors
    /// 404 where there is none that is the caller's to see.
    pub async fn approvals(
        &self,
        by: &Principal,
        named: Option<&str>,
        window: Window,
    ) -> Result<(Vec<Approval>, i64), ApiError> {
        let organization = self.existing(by, named).await?;
        let mut conn = self.store.read().await?;
        let found = approvals::list(&mut conn, &organization, window).await?;
        Ok((found, approvals::count(&mut conn, &organization).await?))
    }

    /// The books of an organisation: entries, newest first, and what the accounts add up to.
    ///
    /// # Errors
    /// 404 where there is none that is the caller's to see.
    pub async fn books(
        &self,
        by: &Principal,
        named: Option<&str>,
        window: Window,
    ) -> Result<(Vec<Entry>, Vec<(String, Credits)>), ApiError> {
        let organization = self.existing(by, named).await?;
        let mut conn = self.store.read().await?;
        let entries = credits::entries(&mut conn, &organization, window).await?;
        Ok((entries, credits::balances(&mut conn, &organization).await?))
    }

    /// What an organisation used in a time such as `24h`, `7d` or `2026-03-01,2026-03-15`; in the present month where
    /// none is named. Those whose key is bound to a workspace see what was used with such keys.
    ///
    /// # Errors
    /// 400 for a time that is none or too long.
    pub async fn usage(
        &self,
        by: &Principal,
        named: Option<&str>,
        range: Option<&str>,
        apart: &[By],
    ) -> Result<Usage, ApiError> {
        let organization = self.existing(by, named).await?;
        let now = self.clock.now();
        let period = match range {
            None => Some(this_month(now)),
            Some(range) => Period::parse(range, now),
        };
        let period =
            period.filter(|period| period.to.since(period.from) <= LONGEST_RANGE).ok_or_else(|| {
                let message = "The 'range' parameter must be hours (`24h`), days (`7d`), or two times \
                           (`2026-03-01,2026-03-15`), the earlier first; at most 366 days.";
                ApiError::bad_field("range", "range", message)
            })?;
        let mut conn = self.store.read().await?;
        let workspace = by.powers().workspace_id;
        let shares =
            usage::of_organization(&mut conn, &organization, workspace, period, apart, SHARES).await?;
        let total = usage::total(&mut conn, &organization, workspace, period).await?;
        Ok(Usage { period, shares, total })
    }
}

/// From the first of the present month to the first of the next.
fn this_month(now: Timestamp) -> Period {
    let from = now.month_start();
    Period { from, to: from.plus(Duration::from_secs(32 * 24 * 3_600)).month_start() }
}

fn check_budget(budget: &Budget) -> Result<(), ApiError> {
    let fields = [
        ("spendCapCents", budget.spend_cap),
        ("softCapCents", budget.soft_cap),
        ("approvalThresholdCents", budget.approval_threshold),
    ];
    for (field, amount) in fields {
        if amount.is_some_and(|amount| amount < Credits::ZERO || amount > MOST) {
            let message = format!("The '{field}' field must be from 0 to a billion credits, or null.");
            return Err(ApiError::bad_field(field, "range", message));
        }
    }
    match (budget.soft_cap, budget.spend_cap) {
        (Some(soft), Some(hard)) if soft > hard => {
            let message = "The 'softCapCents' field is above the spend cap: it would never be reached.";
            Err(ApiError::impossible("softCapCents", "range", message))
        }
        _ => Ok(()),
    }
}
