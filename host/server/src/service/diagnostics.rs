//! What became of one request, and of an organisation's deliveries.

use std::time::Duration;

use hardpoint_domain::access::Role;
use hardpoint_domain::id;
use hardpoint_domain::time::Timestamp;
use hardpoint_store::call_records::{self, CallRecord};
use hardpoint_store::events::{self, StoredEvent};
use hardpoint_store::outbox::{self, Delivery, Tally};

use crate::error::ApiError;
use crate::service::accounts::workspaces::is_unbound;
use crate::service::accounts::{Accounts, Principal, shown};
use crate::state::App;

/// Events of one request that are shown.
const MOST_EVENTS: u32 = 1_000;
/// How far a request's own time may be from the one in its id.
const TOLERANCE: Duration = Duration::from_secs(2);

/// What is known of a request.
#[derive(Debug)]
pub struct Traced {
    /// Its call record; none as long as it is under way.
    pub call: Option<CallRecord>,
    /// What happened in it, oldest first.
    pub events: Vec<StoredEvent>,
    /// What of that was queued for webhook endpoints.
    pub deliveries: Vec<Delivery>,
}

/// What became of an organisation's deliveries.
#[derive(Debug)]
pub struct Summary {
    /// How far they are, by endpoint.
    pub tallies: Vec<Tally>,
    /// Those whose latest attempt failed, the newest.
    pub failing: Vec<Delivery>,
}

/// What is known of a request of an organisation; an operator who names none is told of what happened in it to any.
///
/// # Errors
/// 403 for a key that is bound to a workspace; 404 where nothing is known, as for another organisation's.
pub async fn request(
    app: &App,
    by: &Principal,
    organization: Option<&str>,
    request_id: &str,
) -> Result<Traced, ApiError> {
    let organization_id = Accounts::of(app).existing(by, organization).await?;
    is_unbound(by)?;
    let unknown = || ApiError::not_found(format_args!("request `{}`", shown(request_id)));
    if !id::looks_like("req", request_id) {
        return Err(unknown());
    }
    let mut conn = app.store.read().await?;
    let call = match id::time_of(request_id) {
        Some(began) => {
            let (from, to) = (began.minus(TOLERANCE), began.plus(TOLERANCE));
            call_records::of_request(&mut conn, &organization_id, request_id, from, to).await?
        }
        None => None,
    };
    // What an operator does is seldom about their own organisation, or about any.
    let is_operator = by.powers().role == Role::Operator && organization.is_none();
    let of = (!is_operator).then_some(organization_id.as_str());
    let events = events::of_request(&mut conn, of, request_id, MOST_EVENTS).await?;
    if call.is_none() && events.is_empty() {
        return Err(unknown());
    }
    let mut deliveries = Vec::new();
    for stored in &events {
        deliveries.extend(outbox::of_event(&mut conn, &stored.event.id).await?);
    }
    Ok(Traced { call, events, deliveries })
}

/// What became of the deliveries of an organisation's events since then; of the failing ones the newest `limit`.
///
/// # Errors
/// 403 for a key that is bound to a workspace; 404 for no such organisation.
pub async fn deliveries(
    app: &App,
    by: &Principal,
    organization: Option<&str>,
    since: Timestamp,
    limit: i64,
) -> Result<Summary, ApiError> {
    let organization_id = Accounts::of(app).existing(by, organization).await?;
    is_unbound(by)?;
    let mut conn = app.store.read().await?;
    let tallies = outbox::tally(&mut conn, &organization_id, since).await?;
    let failing = outbox::failing(&mut conn, &organization_id, since, limit).await?;
    Ok(Summary { tallies, failing })
}
