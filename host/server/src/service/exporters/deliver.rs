//! Delivering a list of events: cut into batches as the manifest asks, each offered until every event has
//! been delivered or given up.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use hardpoint_domain::failure::{Failure, FailureKind};
use hardpoint_runtime::{Binding, CallContext, Delivery, DeliveryReport, OutgoingEvent, Verdict};
use http::StatusCode;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::{Resolved, batch_limits};
use crate::caller::Caller;
use crate::error::ApiError;

/// Attempts at one event.
const ATTEMPTS: u32 = 4;
/// The longest pause before another attempt: somebody waits for the answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// The pause before another attempt where nobody said how long.
const PAUSE: Duration = Duration::from_millis(500);

/// For a whole export, all attempts together.
const WHOLE: Duration = Duration::from_secs(60);

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
    let batches = cut(events, batch_limits(&binding));
    let offer = |attempt: u32, events: Vec<OutgoingEvent>, state: Option<Vec<u8>>| {
        let context = CallContext {
            request_id: caller.request_id.to_string(),
            organization: caller.organization_id.clone(),
        };
        let delivery = Delivery {
            attempt,
            events,
            settings: resolved.settings.clone(),
            permissions: resolved.permissions.clone(),
            secrets: resolved.secrets.clone(),
            state,
        };
        binding.deliver(context, delivery)
    };
    offer_all(batches, offer).await
}

/// Offers batches until all is decided or the time is up.
async fn offer_all<F>(
    mut waiting: VecDeque<Batch>,
    offer: impl Fn(u32, Vec<OutgoingEvent>, Option<Vec<u8>>) -> F,
) -> Result<Outcome, ApiError>
where
    F: Future<Output = Result<DeliveryReport, Failure>>,
{
    let deadline = Instant::now() + WHOLE;
    let (mut outcome, mut state) = (Outcome::default(), None);
    while let Some(batch) = waiting.pop_front() {
        let offered = offer(batch.attempt, batch.events.clone(), state.clone());
        let late = || Failure::new(FailureKind::Timeout, format!("not done within {} s", WHOLE.as_secs()));
        let offered = timeout_at(deadline, offered).await.unwrap_or_else(|_| Err(late()));
        if let Ok(report) = &offered {
            state = report.state.clone().or(state);
        }
        match offered.and_then(undecided) {
            Ok(report) => {
                if let Some(reason) = report.parked.clone() {
                    settle(batch, report.verdicts, &reason, &mut outcome);
                    refuse_all(waiting, &reason, &mut outcome);
                    break;
                }
                let failure = report.failure.clone();
                if let Some(failure) = failure.filter(|failure| !failure.kind.is_transient()) {
                    settle(batch, report.verdicts, &unknown(&failure), &mut outcome);
                    refuse_all(waiting, &not_offered(&failure), &mut outcome);
                    break;
                }
                waiting.extend(next_batches(batch, report, deadline, &mut outcome).await);
            }
            Err(failure)
                if failure.kind.is_transient() && batch.attempt < ATTEMPTS && Instant::now() < deadline =>
            {
                let pause = failure.retry_after.unwrap_or(PAUSE).min(PATIENCE);
                sleep_until(deadline.min(Instant::now() + pause)).await;
                waiting.push_front(Batch { attempt: batch.attempt + 1, ..batch });
            }
            // Where nothing is decided yet an error says more.
            Err(failure) if outcome.delivered == 0 && outcome.rejected.is_empty() => {
                return Err(failed(failure, batch.events.len()));
            }
            Err(failure) => {
                refuse_all(VecDeque::from([batch]), &unknown(&failure), &mut outcome);
                refuse_all(waiting, &not_offered(&failure), &mut outcome);
                break;
            }
        }
    }
    Ok(outcome)
}

/// A delivery that failed before it decided anything is no more than its failure.
fn undecided(report: DeliveryReport) -> Result<DeliveryReport, Failure> {
    let is_open = report.verdicts.iter().all(|verdict| *verdict == Verdict::Open);
    match report.failure {
        Some(failure) if is_open && report.parked.is_none() && !report.split => Err(failure),
        failure => Ok(DeliveryReport { failure, ..report }),
    }
}

/// An event may have arrived though the delivery ended without saying so.
fn unknown(failure: &Failure) -> String {
    format!("what became of it is unknown: {}", failure.message)
}

fn not_offered(failure: &Failure) -> String {
    format!("it was not offered any more: {}", failure.message)
}

/// Notes what is decided, and gives what is to be offered again.
async fn next_batches(
    batch: Batch,
    report: DeliveryReport,
    deadline: Instant,
    outcome: &mut Outcome,
) -> Vec<Batch> {
    let Batch { attempt, events } = batch;
    let DeliveryReport { verdicts, split, failure, trouble, .. } = report;
    let is_unheard = trouble.as_ref().is_some_and(|trouble| trouble.status.is_none());
    let (mut again, mut pause) = (Vec::new(), Duration::ZERO);
    for (event, verdict) in events.into_iter().zip(verdicts) {
        match verdict {
            Verdict::Delivered => outcome.delivered += 1,
            Verdict::Dropped(reason) => outcome.rejected.push((event.id, reason)),
            Verdict::RetryAfter(asked) => {
                // Where nothing came back nobody asked for time: the exporter's pause is one for when nobody waits.
                let asked = if is_unheard { asked.min(PAUSE) } else { asked };
                if attempt < ATTEMPTS && asked <= PATIENCE {
                    pause = pause.max(asked);
                    again.push(event);
                } else {
                    let reason = not_taken(asked, failure.as_ref().or(trouble.as_ref()));
                    outcome.rejected.push((event.id, reason));
                }
            }
            Verdict::Open => match &failure {
                Some(failure) if attempt >= ATTEMPTS => outcome.rejected.push((event.id, unknown(failure))),
                Some(failure) => {
                    pause = pause.max(failure.retry_after.unwrap_or(PAUSE).min(PATIENCE));
                    again.push(event);
                }
                None => again.push(event),
            },
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
    sleep_until(deadline.min(Instant::now() + pause)).await;
    if split {
        // Halves become smaller, so this ends; it is no further attempt at the same thing.
        let second = again.split_off(again.len() / 2);
        return vec![Batch { attempt, events: again }, Batch { attempt, events: second }];
    }
    vec![Batch { attempt: attempt + 1, events: again }]
}

/// Why an event is offered no more though it may be taken later, with what kept it from being taken.
fn not_taken(asked: Duration, cause: Option<&Failure>) -> String {
    let why = if asked > PATIENCE {
        let (asked, patience) = (asked.as_secs(), PATIENCE.as_secs());
        format!("it is to be offered again in {asked} s, and an export waits {patience} s at most")
    } else {
        format!("it was offered {ATTEMPTS} times and not taken")
    };
    let cause = cause.map(|cause| format!(": {}", cause.message)).unwrap_or_default();
    format!("{why}{cause}; export it again later")
}

/// Notes verdicts of a batch that is not offered again; `reason` is that of events without one.
fn settle(batch: Batch, verdicts: Vec<Verdict>, reason: &str, outcome: &mut Outcome) {
    for (event, verdict) in batch.events.into_iter().zip(verdicts) {
        match verdict {
            Verdict::Delivered => outcome.delivered += 1,
            Verdict::Dropped(reason) => outcome.rejected.push((event.id, reason)),
            Verdict::RetryAfter(_) | Verdict::Open => outcome.rejected.push((event.id, reason.to_owned())),
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
fn failed(failure: Failure, offered: usize) -> ApiError {
    if failure.kind == FailureKind::Paused {
        return failure.into();
    }
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
    let mut text = format!("The export failed: {}.", failure.message.trim_end_matches('.'));
    // Of a request that was refused it need not be said; all others may have gone out before it went wrong.
    if status != StatusCode::UNPROCESSABLE_ENTITY && failure.kind != FailureKind::Busy {
        text +=
            &format!(" What became of {offered} of the events is unknown; none of the others was offered.");
    }
    let error = ApiError::new(status, kind, text);
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
    fn a_pause_is_told_as_one() {
        let error = failed(Failure::new(FailureKind::Paused, "binding b is paused"), 3);
        assert_eq!((error.status().as_u16(), error.kind()), (503, "plugin_paused"));
        assert!(!error.message().contains("unknown"), "nothing was offered: {}", error.message());
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
        DeliveryReport { verdicts, split, parked: None, state: None, failure: None, trouble: None }
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
        let again = next_batches(batch, report(verdicts, false), Instant::now() + WHOLE, &mut outcome).await;
        assert_eq!(outcome.delivered, 1);
        assert_eq!(outcome.rejected.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(), ["1", "3"]);
        assert_eq!((again.len(), again[0].attempt, again[0].events[0].id.as_str()), (1, 2, "2"));
        assert_eq!(
            outcome.rejected[1].1,
            "it is to be offered again in 600 s, and an export waits 10 s at most; export it again later"
        );
        // After the last attempt it is told for what it was, with what the destination's trouble was.
        let last = Batch { attempt: ATTEMPTS, events: vec![event(7, 1)] };
        let mut told = report(vec![Verdict::RetryAfter(PAUSE)], false);
        told.trouble = Some(Failure::new(FailureKind::Connect, "no connection"));
        assert!(next_batches(last, told, Instant::now() + WHOLE, &mut outcome).await.is_empty());
        assert_eq!(
            outcome.rejected[2].1,
            "it was offered 4 times and not taken: no connection; export it again later"
        );
    }

    /// Exporters double their pauses, and somebody waits for the answer.
    #[tokio::test(start_paused = true)]
    async fn what_is_not_reached_is_tried_in_haste_and_told_by_its_cause() {
        let start = Instant::now();
        let unreached = |attempt: u32, events: Vec<OutgoingEvent>, _| {
            let verdict = Verdict::RetryAfter(Duration::from_secs(5 << attempt));
            let mut report = report(vec![verdict; events.len()], false);
            report.trouble = Some(Failure::new(FailureKind::Connect, "a:1 cannot be reached: refused"));
            std::future::ready(Ok(report))
        };
        let outcome = offer_all(batches(2, 2), unreached).await.unwrap();
        assert_eq!(start.elapsed(), PAUSE * (ATTEMPTS - 1));
        assert_eq!((outcome.delivered, outcome.rejected.len()), (0, 2));
        assert!(outcome.rejected[0].1.contains("a:1 cannot be reached: refused"), "{outcome:?}");
        // An answer is another matter: its pause is kept, or too long.
        let busy = |attempt: u32, events: Vec<OutgoingEvent>, _| {
            let verdict = Verdict::RetryAfter(Duration::from_secs(if attempt == 1 { 7 } else { 20 }));
            let mut report = report(vec![verdict; events.len()], false);
            let trouble = Failure::new(FailureKind::Overloaded, "the destination answered with status 503");
            report.trouble = Some(Failure { status: Some(503), ..trouble });
            std::future::ready(Ok(report))
        };
        let start = Instant::now();
        let outcome = offer_all(batches(1, 1), busy).await.unwrap();
        assert_eq!(start.elapsed(), Duration::from_secs(7));
        assert_eq!(
            outcome.rejected[0].1,
            "it is to be offered again in 20 s, and an export waits 10 s at most: the destination answered with \
             status 503; export it again later"
        );
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
            waiting.extend(
                next_batches(batch, report(verdicts, true), Instant::now() + WHOLE, &mut outcome).await,
            );
        }
        assert_eq!((offers, outcome.rejected.len()), (13, 7));
    }

    fn batches(count: usize, most: usize) -> VecDeque<Batch> {
        cut((0..count).map(|id| event(id, 1)).collect(), (most, 100))
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_delivered_before_a_breakdown_is_not_offered_again() {
        let offers = std::cell::RefCell::new(Vec::new());
        let outcome = offer_all(batches(3, 10), |attempt, events, _| {
            offers.borrow_mut().push(events.iter().map(|event| event.id.clone()).collect::<Vec<_>>());
            let mut report = report(vec![Verdict::Delivered; events.len()], false);
            if attempt == 1 {
                report.verdicts[2] = Verdict::Open;
                report.failure = Some(Failure::new(FailureKind::Reset, "cut off"));
            }
            std::future::ready(Ok(report))
        });
        let outcome = outcome.await.unwrap();
        assert_eq!(*offers.borrow(), [vec!["0", "1", "2"], vec!["2"]]);
        assert_eq!((outcome.delivered, outcome.rejected.len()), (3, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_unknown_is_called_unknown() {
        let broken = |kind| {
            move |_, events: Vec<OutgoingEvent>, _| {
                let mut report = report(vec![Verdict::Delivered; events.len()], false);
                report.verdicts[1] = Verdict::Open;
                report.failure = Some(Failure::new(kind, "cut off"));
                std::future::ready(Ok(report))
            }
        };
        let outcome = offer_all(batches(4, 2), broken(FailureKind::Plugin)).await.unwrap();
        assert_eq!(outcome.delivered, 1);
        let reasons: Vec<_> = outcome.rejected.iter().map(|(id, why)| (id.as_str(), why.as_str())).collect();
        let (unknown, not) =
            ("what became of it is unknown: cut off", "it was not offered any more: cut off");
        assert_eq!(reasons, [("1", unknown), ("2", not), ("3", not)]);
        let fails = |_, _, _| std::future::ready(Err(Failure::new(FailureKind::Plugin, "cut off")));
        let error = offer_all(batches(4, 3), fails).await.unwrap_err();
        assert_eq!(
            error.message(),
            "The export failed: cut off. What became of 3 of the events is unknown; none of the others was offered."
        );
    }

    #[tokio::test(start_paused = true)]
    async fn an_export_has_a_deadline() {
        let start = Instant::now();
        let never = |_, _, _| std::future::pending();
        let error = offer_all(batches(1, 1), never).await.unwrap_err();
        assert_eq!((error.status(), start.elapsed()), (StatusCode::GATEWAY_TIMEOUT, WHOLE));
        // What was decided until then is told.
        let outcome = offer_all(batches(3, 1), |_, events, _| async move {
            if events[0].id != "0" {
                std::future::pending::<()>().await;
            }
            Ok(report(vec![Verdict::Delivered], false))
        });
        let outcome = outcome.await.unwrap();
        assert_eq!((outcome.delivered, outcome.rejected.len()), (1, 2));
        assert!(
            outcome.rejected[0].1.contains("is unknown") && outcome.rejected[1].1.contains("not offered")
        );
    }
}
