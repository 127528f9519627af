//! How long an organisation's events keep their bodies: as its plan says, or as it was given of its own.

use hardpoint_domain::event::{Event, Target};
use hardpoint_store::organizations::Organization;
use hardpoint_store::{Lane, retention};
use serde_json::json;

use crate::caller::Caller;
use crate::error::ApiError;
use crate::service::accounts::{Accounts, Principal};
use crate::service::events::Author;
use crate::state::App;

/// Days that an organisation may be given of its own.
const DAYS: std::ops::RangeInclusive<i64> = 366..=3_650;

/// How long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retention {
    /// `org_…`.
    pub organization_id: String,
    /// Days of its own.
    pub own: Option<i64>,
    /// Its plan's; none where that keeps them for ever.
    pub of_plan: Option<i64>,
}

impl Retention {
    /// The days that hold; none where bodies are kept for ever.
    pub fn days(&self) -> Option<i64> {
        self.own.or(self.of_plan)
    }
}

/// What holds for an organisation.
///
/// # Errors
/// 404 where it is not the caller's to see.
pub async fn of(app: &App, caller: &Caller, organization_id: &str) -> Result<Retention, ApiError> {
    let by = Principal::from(caller.clone());
    let organization = Accounts::of(app).organization(&by, Some(organization_id)).await?;
    held(app, &organization).await
}

/// Gives an organisation days of its own, or its plan's again.
///
/// # Errors
/// 404 where it is not the caller's to see; 422 for days that there cannot be.
pub async fn set(
    app: &App,
    caller: &Caller,
    organization_id: &str,
    days: Option<i64>,
) -> Result<Retention, ApiError> {
    if days.is_some_and(|days| !DAYS.contains(&days)) {
        let message = format!(
            "The 'audit_log_retention_days' field must be greater than {} and at most {}.",
            DAYS.start() - 1,
            DAYS.end()
        );
        return Err(ApiError::impossible("audit_log_retention_days", "range", message));
    }
    let before = of(app, caller, organization_id).await?;
    let target = Target::new("organization", &before.organization_id);
    let shown = |days: Option<i64>| json!({ "audit_log_retention_days": days });
    let kind = "organization.retention_changed";
    let event = Author::from(caller).event(app.clock.now(), &*app.rng, kind, target, shown(days));
    let id = before.organization_id.clone();
    let mut event = Event { organization_id: Some(id.clone()), ..event };
    let write = app.store.write(Lane::Request, move |tx| {
        Box::pin(async move {
            hardpoint_store::organizations::hold(tx, &id).await?;
            let own = retention::own_days(tx, &id).await?;
            if own != days {
                event.before = Some(shown(own));
                retention::set_own_days(tx, &id, days).await?;
                tx.append(&event, &[]).await?;
            }
            Ok(())
        })
    });
    write.await?;
    Ok(Retention { own: days, ..before })
}

/// What holds for an organisation that was found.
///
/// # Errors
/// The store's.
pub async fn held(app: &App, organization: &Organization) -> Result<Retention, ApiError> {
    let own = retention::own_days(&mut app.store.read().await?, &organization.id).await?;
    let of_plan = app.effective().config.plans.plan(&organization.plan).audit_retention_days;
    let of_plan = of_plan.and_then(|days| i64::try_from(days).ok());
    Ok(Retention { organization_id: organization.id.clone(), own, of_plan })
}
