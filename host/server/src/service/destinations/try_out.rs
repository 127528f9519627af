//! One made-up event to a destination, while somebody waits for what becomes of it.

use hardpoint_domain::destination::Verdict;
use hardpoint_store::events::StoredEvent;
use hardpoint_store::secrets;
use serde_json::json;

use super::run::{Try, shown};
use super::{Destinations, about};
use crate::caller::Caller;
use crate::error::ApiError;
use crate::service::accounts::Principal;
use crate::service::audit;
use crate::service::events::Author;
use crate::service::exporters::outgoing;
use crate::state::App;

/// What became of the event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TriedOut {
    /// Its id, as the destination got it.
    pub event_id: String,
    /// Why the destination does not have it, if it does not.
    pub reason: Option<String>,
}

/// Delivers a made-up event, once, beside what waits in the log. Whether the destination is paused makes no difference.
///
/// # Errors
/// 403 for a test key; 404 where there is no such destination. What is wrong with the destination is no error.
pub async fn try_out(app: &App, caller: &Caller, id: &str) -> Result<TriedOut, ApiError> {
    let by = Principal::from(caller.clone());
    let destination = Destinations::of(app).theirs(&by, id).await?;
    let stored = secrets::list(&mut app.store.read().await?, &destination.id).await?;
    let now = app.clock.now();
    let note = json!({ "note": "A test of this destination: nothing happened." });
    let event = about(&Author::from(caller), &destination, "siem_destination.tested", note, now, &*app.rng);
    let body = serde_json::to_vec(&event).map_err(ApiError::internal)?;
    let event_id = event.id.clone();
    // First: who asked may leave while it is sent.
    let asked = json!({ "event_id": event_id });
    let note = about(&Author::from(caller), &destination, "siem_destination.tested", asked, now, &*app.rng);
    audit::note(&app.store, note).await?;
    let attempt = Try { app, destination: &destination, saved: None };
    let reason = match attempt.exporter(&stored) {
        Err(reason) => Some(reason),
        Ok(exporter) => {
            let made_up = outgoing(&StoredEvent { event, body });
            let (report, _) = attempt.once(&exporter, 1, vec![made_up]).await;
            let failure = || report.failure.as_ref().map(|failure| failure.message.clone());
            match report.verdicts.first() {
                Some(Verdict::Delivered) => None,
                Some(Verdict::Dropped(reason)) => Some(reason.clone()),
                _ => report.park().or_else(failure).or_else(|| Some("it was put off".to_owned())),
            }
        }
    };
    Ok(TriedOut { event_id, reason: reason.map(|reason| shown(&reason)) })
}
