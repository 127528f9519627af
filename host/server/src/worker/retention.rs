//! Purges the bodies of events whose time is over. Each purge is itself an event, in the same transaction.

use std::sync::Arc;
use std::time::Duration;

use hardpoint_domain::chain::verify::PURGED;
use hardpoint_domain::event::{Event, Target};
use hardpoint_domain::time::Timestamp;
use hardpoint_store::organizations::Organization;
use hardpoint_store::{Lane, StoreError, Window, organizations, retention};
use serde_json::json;

use super::{Rounds, drift};
use crate::service::audit::retention::held;
use crate::service::events::Author;
use crate::state::App;

/// How often it is looked what is over.
const PERIOD: Duration = Duration::from_secs(3_600);
/// Bodies of one transaction: those who wait for the writer should not notice.
const BATCH: u32 = 250;
/// Organisations that are read at a time.
const PAGE: i64 = 100;
/// Days that what strangers caused keeps its bodies: it is the platform's own, and they may cause any amount.
const OF_STRANGERS: i64 = 30;
/// A day, in microseconds.
const DAY: i64 = 86_400_000_000;

/// Purges until the server stops.
pub async fn run(app: Arc<App>) {
    let mut rounds = Rounds::every(PERIOD, &app);
    while rounds.next().await {
        if app.stop.is_stopping() {
            return;
        }
        if let Err(error) = purge_all(&app).await {
            tracing::warn!(error = format!("{error:#}"), "old events were not purged; it is tried again");
        }
    }
}

/// Once, by a clock that is right: of every organisation, and of who belongs to none.
pub async fn purge_all(app: &App) -> anyhow::Result<()> {
    let Some(now) = drift::may_end(app).await? else { return Ok(()) };
    purge(app, None, now, OF_STRANGERS).await?;
    let mut window = Window { limit: PAGE, offset: 0 };
    loop {
        let page = organizations::list(&mut app.store.read().await?, window).await?;
        for organization in &page {
            // What is wrong with one keeps none of the others.
            if let Err(error) = purge_one(app, organization, now).await {
                let error = format!("{error:#}");
                tracing::warn!(error, organization = organization.id, "old events of one were not purged");
            }
        }
        if page.is_empty() {
            return Ok(());
        }
        window.offset += PAGE;
    }
}

async fn purge_one(app: &App, organization: &Organization, now: Timestamp) -> anyhow::Result<()> {
    let retention = held(app, organization).await.map_err(|error| anyhow::anyhow!("{error:?}"))?;
    match retention.days() {
        Some(days) => Ok(purge(app, Some(&organization.id), now, days).await?),
        None => Ok(()),
    }
}

/// What is older than so many days, by whole days: one purge a day tells of what would be many.
async fn purge(
    app: &App,
    organization_id: Option<&str>,
    now: Timestamp,
    days: i64,
) -> Result<(), StoreError> {
    let today = now.micros().div_euclid(DAY);
    let before = Timestamp::from_micros((today - days).saturating_mul(DAY));
    while is_due(app, organization_id, before).await? {
        let target = organization_id.map_or_else(
            || Target::new("audit_log", "platform"),
            |organization| Target::new("organization", organization),
        );
        let event = Author::system().event(app.clock.now(), &*app.rng, PURGED, target, json!(null));
        let event = Event { organization_id: organization_id.map(str::to_owned), ..event };
        let write = app.store.write(Lane::Bulk, move |tx| Box::pin(purge_some(tx, event, before, days)));
        let count = write.await?;
        tracing::info!(organization_id, count, "purged bodies of old events");
    }
    Ok(())
}

async fn is_due(app: &App, organization_id: Option<&str>, before: Timestamp) -> Result<bool, StoreError> {
    let mut conn = app.store.read().await?;
    match organization_id {
        Some(organization) => retention::is_due(&mut conn, organization, before).await,
        None => retention::is_due_of_strangers(&mut conn, before).await,
    }
}

async fn purge_some(
    tx: &mut hardpoint_store::Tx,
    mut event: Event,
    before: Timestamp,
    days: i64,
) -> Result<i64, StoreError> {
    let count = match &event.organization_id {
        Some(organization) => retention::purge(tx, organization, before, BATCH).await?.count,
        None => retention::purge_of_strangers(tx, before, BATCH).await?,
    };
    if count > 0 {
        event.after = Some(json!({
            "count": count,
            "before": before.to_rfc3339(),
            "before_micros": before.micros(),
            "retention_days": days,
        }));
        tx.append(&event, &[]).await?;
    }
    Ok(count)
}
