//! `/diagnostics`: what became of one request, and of deliveries.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use hardpoint_domain::time::Timestamp;
use hardpoint_store::call_records::CallRecord;
use hardpoint_store::outbox::{State as Progress, Tally};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::webhook_deliveries::WebhookDelivery;
use super::whose::Whose;
use crate::caller::Caller;
use crate::error::ApiError;
use crate::error::schema::ErrorBody;
use crate::extract::{Path, Query};
use crate::service::accounts::{Principal, text};
use crate::service::audit::{EXPORT_FAILED, EXPORTED};
use crate::service::diagnostics;
use crate::state::App;

/// What is summed up where a request does not say.
const USUAL: Duration = Duration::from_secs(7 * 86_400);
/// Failing deliveries that are shown where a request does not say, and the most.
const USUAL_LIMIT: i64 = 100;
const MOST: i64 = 1_000;

/// What became of one request.
#[derive(Debug, Serialize, ToSchema)]
pub struct RequestDiagnostics {
    /// `req_…`.
    request_id: String,
    /// What it was and used; null as long as it is under way.
    call: Option<DiagnosedCall>,
    /// How much of each meter it counted for.
    meters: BTreeMap<&'static str, i64>,
    /// What happened in it, oldest first: the events of the audit log. An operator who names no organisation is told
    /// of all of them, whosever they are.
    #[schema(value_type = Vec<Object>)]
    events: Vec<Value>,
    /// What of that was queued for webhook endpoints.
    webhook_deliveries: Vec<WebhookDelivery>,
    /// What was sent to outside systems by it: the events of exports.
    #[schema(value_type = Vec<Object>)]
    exports: Vec<Value>,
    /// The plugin that served it: of several, the last one that is in its call record.
    plugin_calls: Vec<PluginCall>,
}

/// What a request was and used.
#[derive(Debug, Serialize, ToSchema)]
pub struct DiagnosedCall {
    /// `call_…`.
    id: String,
    /// With which key or session; null for none.
    key_id: Option<String>,
    /// The HTTP method.
    method: String,
    /// The route: its pattern, without ids.
    endpoint: String,
    /// The HTTP status.
    status: u16,
    /// The error's type.
    error_type: Option<String>,
    /// The error's message.
    error: Option<String>,
    /// RFC 3339.
    started_at: String,
    /// Milliseconds until its last byte.
    duration_ms: f64,
    /// `completed`, `failed` or `cancelled`.
    outcome: &'static str,
    /// The model that was asked for.
    model: Option<String>,
    /// Whether it was answered as a stream.
    streamed: bool,
    /// Bytes of the answer's body that were sent.
    bytes_sent: u64,
}

/// A plugin that served a request.
#[derive(Debug, Serialize, ToSchema)]
pub struct PluginCall {
    /// The plugin's id.
    plugin: String,
    /// Its version.
    version: Option<String>,
    /// The binding by which it was reached.
    binding: Option<String>,
}

fn plugin_call(record: &CallRecord) -> Option<PluginCall> {
    let (version, binding) = (record.plugin_version.clone(), record.binding.clone());
    Some(PluginCall { plugin: record.plugin.clone()?, version, binding })
}

fn meters(record: &CallRecord) -> BTreeMap<&'static str, i64> {
    let count = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    BTreeMap::from([
        ("requests", 1),
        ("input_tokens", count(record.input_tokens)),
        ("cached_input_tokens", count(record.cached_input_tokens)),
        ("output_tokens", count(record.output_tokens)),
        ("micro_credits", record.charge.micros()),
    ])
}

impl From<CallRecord> for DiagnosedCall {
    fn from(record: CallRecord) -> Self {
        Self {
            id: record.id,
            key_id: record.key_id,
            method: record.method,
            endpoint: record.route,
            status: record.status,
            error_type: record.error_type,
            error: record.error_message,
            started_at: record.time.to_rfc3339(),
            duration_ms: record.duration_us as f64 / 1e3,
            outcome: record.outcome.as_str(),
            model: record.model,
            streamed: record.streamed,
            bytes_sent: record.bytes_sent,
        }
    }
}

/// What became of deliveries.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeliveriesSummary {
    /// Of events since then.
    since: String,
    /// Of all endpoints together.
    totals: DeliveryCounts,
    /// By endpoint.
    endpoints: Vec<EndpointDeliveries>,
    /// Those whose latest attempt failed, of the newest events first.
    failing: Vec<WebhookDelivery>,
}

/// How many deliveries are how far.
#[derive(Clone, Copy, Debug, Default, Serialize, ToSchema)]
pub struct DeliveryCounts {
    /// To be made.
    pending: i64,
    /// Made.
    delivered: i64,
    /// Given up.
    dead: i64,
    /// Attempts at all of them.
    attempts: i64,
}

/// How many deliveries to an endpoint are how far.
#[derive(Debug, Serialize, ToSchema)]
pub struct EndpointDeliveries {
    /// `whe_…`.
    endpoint_id: String,
    /// So many.
    #[serde(flatten)]
    counts: DeliveryCounts,
}

impl DeliveryCounts {
    fn add(&mut self, tally: &Tally) {
        let count = match tally.state {
            Progress::Open => &mut self.pending,
            Progress::Delivered => &mut self.delivered,
            Progress::Dropped => &mut self.dead,
        };
        *count += tally.deliveries;
        self.attempts += tally.attempts;
    }
}

/// Which deliveries.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Span {
    /// Those of events since then: RFC 3339, or a date alone; the last seven days where left out.
    #[param(example = "2026-01-01T00:00:00Z")]
    since: Option<String>,
    /// Failing deliveries that are shown: 1 to 1,000, 100 where left out.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<i64>,
}

/// What became of one request: what it used, what happened, and where that was told. `GET /audit-logs` has all events.
#[utoipa::path(get, path = "/diagnostics/requests/{id}", tag = "diagnostics",
    params(("id" = String, Path, description = "The request: the Request-Id of its answer"), Whose),
    responses(
        (status = 200, description = "What is known of it", body = RequestDiagnostics),
        (status = 403, description = "Not an administrator, or a key that is bound to a workspace", body = ErrorBody),
        (status = 404, description = "No such request, or not your organisation's", body = ErrorBody),
    )
)]
pub async fn request(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
    Query(whose): Query<Whose>,
) -> Result<Json<RequestDiagnostics>, ApiError> {
    let by = Principal::from(caller);
    let traced = diagnostics::request(&app, &by, whose.organization(), &id).await?;
    let events: Vec<Value> = traced.events.iter().map(|stored| serde_json::json!(stored.event)).collect();
    let is_export = |event: &&Value| [EXPORTED, EXPORT_FAILED].iter().any(|kind| event["kind"] == *kind);
    Ok(Json(RequestDiagnostics {
        request_id: id,
        meters: traced.call.as_ref().map(meters).unwrap_or_default(),
        plugin_calls: traced.call.as_ref().and_then(plugin_call).into_iter().collect(),
        call: traced.call.map(DiagnosedCall::from),
        exports: events.iter().filter(is_export).cloned().collect(),
        events,
        webhook_deliveries: traced.deliveries.into_iter().map(WebhookDelivery::from).collect(),
    }))
}

/// What became of the deliveries of an organisation's events.
#[utoipa::path(get, path = "/diagnostics/deliveries/summary", tag = "diagnostics", params(Span, Whose),
    responses(
        (status = 200, description = "How far they are", body = DeliveriesSummary),
        (status = 403, description = "Not an administrator, or a key that is bound to a workspace", body = ErrorBody),
        (status = 404, description = "No such organisation", body = ErrorBody),
    )
)]
pub async fn deliveries(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(span): Query<Span>,
    Query(whose): Query<Whose>,
) -> Result<Json<DeliveriesSummary>, ApiError> {
    let limit = span.limit.unwrap_or(USUAL_LIMIT);
    if !(1..=MOST).contains(&limit) {
        let message = format!("The 'limit' parameter must be from 1 to {MOST}.");
        return Err(ApiError::bad_field("limit", "range", message));
    }
    let since = span.since.as_deref().map(|given| text::time("since", given)).transpose()?;
    let since: Timestamp = since.unwrap_or_else(|| app.clock.now().minus(USUAL));
    let by = Principal::from(caller);
    let summary = diagnostics::deliveries(&app, &by, whose.organization(), since, limit).await?;
    let mut totals = DeliveryCounts::default();
    let mut endpoints: Vec<EndpointDeliveries> = Vec::new();
    for tally in &summary.tallies {
        totals.add(tally);
        if endpoints.last().is_none_or(|last| last.endpoint_id != tally.destination) {
            let endpoint_id = tally.destination.clone();
            endpoints.push(EndpointDeliveries { endpoint_id, counts: DeliveryCounts::default() });
        }
        if let Some(last) = endpoints.last_mut() {
            last.counts.add(tally);
        }
    }
    let failing = summary.failing.into_iter().map(WebhookDelivery::from).collect();
    Ok(Json(DeliveriesSummary { since: since.to_rfc3339(), totals, endpoints, failing }))
}
