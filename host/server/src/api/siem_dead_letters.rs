//! `/siem/destinations/{id}/dead-letters`: events that a destination did not take.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use hardpoint_domain::time::Timestamp;
use hardpoint_store::dead_letters::{DeadLetter, State as Fate};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::paging::{Page, Paging};
use crate::caller::Caller;
use crate::error::ApiError;
use crate::error::schema::{ErrorBody, FlatErrorBody};
use crate::extract::{JsonBytes, Path, Query};
use crate::service::accounts::Principal;
use crate::service::destinations::Destinations;
use crate::state::App;

/// An event that a destination did not take.
#[derive(Debug, Serialize, ToSchema)]
pub struct SiemDeadLetter {
    /// `evt_…`.
    event_id: String,
    /// Its kind.
    #[schema(example = "plugin.approved")]
    event_type: String,
    /// Its place in the log.
    cursor: i64,
    /// Why it was not taken.
    reason: String,
    /// Whether it is to be offered again.
    is_replayed: bool,
    /// Not before then, where it waits for that; RFC 3339.
    next_attempt_at: Option<String>,
    /// Since when it is a dead letter, RFC 3339.
    created_at: String,
}

impl From<DeadLetter> for SiemDeadLetter {
    fn from(letter: DeadLetter) -> Self {
        let is_replayed = letter.state == Fate::Again;
        Self {
            event_id: letter.event_id,
            event_type: letter.kind,
            cursor: letter.seq,
            reason: letter.reason,
            is_replayed,
            next_attempt_at: (is_replayed && letter.due_at > Timestamp::from_micros(0))
                .then(|| letter.due_at.to_rfc3339()),
            created_at: letter.created_at.to_rfc3339(),
        }
    }
}

/// Which dead letters are offered again.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReplaySiemDeadLetters {
    /// That of this event; all of them where left out.
    event_id: Option<String>,
}

/// Dead letters that are offered again.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReplayedSiemDeadLetters {
    /// How many.
    count: u64,
}

/// Events that a destination did not take, those of the latest events first.
#[utoipa::path(get, path = "/siem/destinations/{id}/dead-letters", tag = "audit logs",
    params(("id" = String, Path, description = "The destination"), Paging),
    responses(
        (status = 200, description = "A page of them", body = Page<SiemDeadLetter>),
        (status = 402, description = "The plan does not include it", body = FlatErrorBody),
        (status = 404, description = "No such destination", body = ErrorBody),
    )
)]
pub async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<SiemDeadLetter>>, ApiError> {
    let place = paging.usual()?;
    let by = Principal::from(caller);
    let found = Destinations::of(&app).dead_letters(&by, &id, place.window()).await?;
    Ok(Json(place.page(found, SiemDeadLetter::from)))
}

/// Offers one dead letter, or all of them, again. What is taken is a dead letter no more.
#[utoipa::path(post, path = "/siem/destinations/{id}/dead-letters/replay", tag = "audit logs",
    params(("id" = String, Path, description = "The destination")),
    request_body = ReplaySiemDeadLetters,
    responses(
        (status = 200, description = "How many are offered again", body = ReplayedSiemDeadLetters),
        (status = 402, description = "The plan does not include it", body = FlatErrorBody),
        (status = 404, description = "No such destination, or no dead letter of this event", body = ErrorBody),
    )
)]
pub async fn replay(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
    body: JsonBytes,
) -> Result<Json<ReplayedSiemDeadLetters>, ApiError> {
    let ReplaySiemDeadLetters { event_id } = body.parse()?;
    let by = Principal::from(caller);
    let count = Destinations::of(&app).replay_letters(&by, &id, event_id.as_deref()).await?;
    Ok(Json(ReplayedSiemDeadLetters { count }))
}
