//! Delivering a list of events: cut into batches as the manifest asks, each offered until every event has
//! been delivered or given up.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use hardpoint_domain::failure::{Failure, FailureKind};
use hardpoint_runtime::{Binding, CallContext, Delivery, DeliveryReport, OutgoingEvent, Verdict};
use http::StatusCode;

use super::{Resolved, batch_limits};
use crate::caller::Caller;
use crate::error::ApiError;

/// Attempts at one event.
const ATTEMPTS: u32 = 4;
/// The longest pause before another attempt: somebody waits for the answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// The pause before another attempt where nobody said how long.
const PAUSE: Duration = Duration::from_millis(500);

/// What became of the events.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) delivered: usize,
    /// By id, with the reason.
    pub(super) rejected: Vec<(String, String)>,
}

struct Batch {
    attempt: u32,
    events: Vec<OutgoingEvent>,
}

/// Delivers all events, as far as it can be done while somebody waits.
pub(super) async fn deliver(
    binding: Arc<Binding>,
    caller: &Caller,
    events: Vec<OutgoingEvent>,
    resolved: Resolved,
) -> Result<Outcome, ApiError> {
    let mut waiting = cut(events, batch_limits(&binding));
    let (mut outcome, mut state) = (Outcome::default(), None);
    while let Some(batch) = waiting.pop_front() {
        let context = CallContext {
            request_id: caller.request_id.to_string(),
            organization: caller.organization_id.clone(),
        };
        let delivery = Delivery {
            attempt: batch.attempt,
            events: batch.events.clone(),
            settings: resolved.settings.clone(),
            permissions: resolved.permissions.clone(),
            secrets: resolved.secrets.clone(),
            state: state.clone(),
        };
        match binding.deliver(context, delivery).await {
            Ok(report) => {
                state = report.state.clone().or(state);
                if let Some(reason) = report.parked.clone() {
                    settle(batch, report, &mut outcome);
                    refuse_all(waiting, &reason, &mut outcome);
                    break;
                }
                waiting.extend(next_batches(batch, report, &mut outcome).await);
            }
            Err(failure) if failure.kind.is_transient() && batch.attempt < ATTEMPTS => {
                tokio::time::sleep(failure.retry_after.unwrap_or(PAUSE).min(PATIENCE)).await;
                waiting.push_front(Batch { attempt: batch.attempt + 1, ..batch });
            }
            // Nothing is lost by an error where nothing was delivered: the caller still has, or finds, all.
            Err(failure) if outcome.delivered == 0 && outcome.rejected.is_empty() => {
                return Err(failed(failure));
            }
            Err(failure) => {
                waiting.push_front(batch);
                refuse_all(waiting, &failure.message, &mut outcome);
                break;
            }
        }
    }
    Ok(outcome)
}

/// Notes what is decided, and gives what is to be offered again.
async fn next_batches(batch: Batch, report: DeliveryReport, outcome: &mut Outcome) -> Vec<Batch> {
    let Batch { attempt, events } = batch;
    let split = report.split;
    let (mut again, mut pause) = (Vec::new(), Duration::ZERO);
    for (event, verdict) in events.into_iter().zip(report.verdicts) {
        match verdict {
            Verdict::Delivered => outcome.delivered += 1,
            Verdict::Dropped(reason) => outcome.rejected.push((event.id, reason)),
            Verdict::RetryAfter(asked) if attempt < ATTEMPTS && asked <= PATIENCE => {
                pause = pause.max(asked);
                again.push(event);
            }
            Verdict::RetryAfter(_) => {
                outcome.rejected.push((
                    event.id,
                    "the destination asks for more time than there is; export it again later".into(),
                ));
            }
            Verdict::Open => again.push(event),
        }
    }
    if again.is_empty() {
        return Vec::new();
    }
    if split && again.len() == 1 {
        let reason = "the destination refused it though it was sent alone";
        outcome.rejected.extend(again.into_iter().map(|event| (event.id, reason.to_owned())));
        return Vec::new();
    }
    tokio::time::sleep(pause).await;
    if split {
        // Halves become smaller, so this ends; it is no further attempt at the same thing.
        let second = again.split_off(again.len() / 2);
        return vec![Batch { attempt, events: again }, Batch { attempt, events: second }];
    }
    vec![Batch { attempt: attempt + 1, events: again }]
}

/// Notes verdicts of a batch that is not offered again.
fn settle(batch: Batch, report: DeliveryReport, outcome: &mut Outcome) {
    let parked = report.parked.unwrap_or_default();
    for (event, verdict) in batch.events.into_iter().zip(report.verdicts) {
        match verdict {
            Verdict::Delivered => outcome.delivered += 1,
            Verdict::Dropped(reason) => outcome.rejected.push((event.id, reason)),
            Verdict::RetryAfter(_) | Verdict::Open => outcome.rejected.push((event.id, parked.clone())),
        }
    }
}

fn refuse_all(batches: VecDeque<Batch>, reason: &str, outcome: &mut Outcome) {
    let events = batches.into_iter().flat_map(|batch| batch.events);
    outcome.rejected.extend(events.map(|event| (event.id, reason.to_owned())));
}

/// Batches within both limits; an event that is over the limit by itself goes alone.
fn cut(events: Vec<OutgoingEvent>, (most, bytes): (usize, usize)) -> VecDeque<Batch> {
    let mut batches = VecDeque::new();
    let (mut current, mut size) = (Vec::new(), 0_usize);
    for event in events {
        let is_full = current.len() == most || size.saturating_add(event.body.len()) > bytes;
        if is_full && !current.is_empty() {
            batches.push_back(Batch { attempt: 1, events: std::mem::take(&mut current) });
            size = 0;
        }
        size += event.body.len();
        current.push(event);
    }
    if !current.is_empty() {
        batches.push_back(Batch { attempt: 1, events: current });
    }
    batches
}

/// An exporter's failure, for an administrator: what the plugin says holds no secret.
fn failed(failure: Failure) -> ApiError {
    let (status, kind) = match failure.kind {
        FailureKind::InvalidRequest | FailureKind::Unsupported => {
            (StatusCode::UNPROCESSABLE_ENTITY, "validation_error")
        }
        FailureKind::Denied => (StatusCode::UNPROCESSABLE_ENTITY, "destination_not_allowed"),
        FailureKind::Busy => (StatusCode::SERVICE_UNAVAILABLE, "overloaded"),
        FailureKind::Timeout => (StatusCode::GATEWAY_TIMEOUT, "destination_timeout"),
        FailureKind::Plugin => (StatusCode::BAD_GATEWAY, "plugin_failed"),
        _ => (StatusCode::BAD_GATEWAY, "destination_error"),
    };
    let error = ApiError::new(
        status,
        kind,
        format!("Nothing was delivered: {}.", failure.message.trim_end_matches('.')),
    );
    let error = error.caused_by(format_args!("{:?}: {}", failure.kind, failure.message));
    match failure.retry_after {
        Some(pause) => error.retry_after(pause.as_secs().max(1)),
        None => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(id: usize, size: usize) -> OutgoingEvent {
        OutgoingEvent { id: id.to_string(), kind: "a.b".into(), time: 0, body: "x".repeat(size) }
    }

    fn sizes(events: Vec<OutgoingEvent>, limits: (usize, usize)) -> Vec<usize> {
        cut(events, limits).iter().map(|batch| batch.events.len()).collect()
    }

    #[test]
    fn batches_keep_both_limits() {
        let small = || (0..5).map(|id| event(id, 10)).collect::<Vec<_>>();
        assert_eq!(sizes(small(), (2, 1_000)), [2, 2, 1]);
        assert_eq!(sizes(small(), (10, 25)), [2, 2, 1]);
        assert_eq!(sizes(small(), (10, 1)), [1, 1, 1, 1, 1]);
        assert_eq!(sizes(Vec::new(), (10, 1)), [0_usize; 0]);
    }

    fn report(verdicts: Vec<Verdict>, split: bool) -> DeliveryReport {
        DeliveryReport { verdicts, split, parked: None, state: None }
    }

    #[tokio::test(start_paused = true)]
    async fn every_event_is_delivered_rejected_or_offered_again() {
        let batch = Batch { attempt: 1, events: (0..4).map(|id| event(id, 1)).collect() };
        let mut outcome = Outcome::default();
        let verdicts = vec![
            Verdict::Delivered,
            Verdict::Dropped("too old".into()),
            Verdict::RetryAfter(Duration::from_secs(1)),
            Verdict::RetryAfter(Duration::from_secs(600)),
        ];
        let again = next_batches(batch, report(verdicts, false), &mut outcome).await;
        assert_eq!(outcome.delivered, 1);
        assert_eq!(outcome.rejected.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(), ["1", "3"]);
        assert_eq!((again.len(), again[0].attempt, again[0].events[0].id.as_str()), (1, 2, "2"));
    }

    #[tokio::test(start_paused = true)]
    async fn halves_end() {
        let mut outcome = Outcome::default();
        let mut waiting =
            VecDeque::from([Batch { attempt: 1, events: (0..7).map(|id| event(id, 1)).collect() }]);
        let mut offers = 0;
        while let Some(batch) = waiting.pop_front() {
            offers += 1;
            let verdicts = vec![Verdict::Open; batch.events.len()];
            waiting.extend(next_batches(batch, report(verdicts, true), &mut outcome).await);
        }
        assert_eq!((offers, outcome.rejected.len()), (13, 7));
    }
}
