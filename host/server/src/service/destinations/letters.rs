//! Offering a dead letter once more, because somebody asked for it. Each goes alone, so that what becomes of it is its
//! own doing.

use std::time::Duration;

use hardpoint_domain::destination::{Next, Report, Step, Verdict};
use hardpoint_domain::failure::FailureKind;
use hardpoint_store::dead_letters::{DeadLetter, State};
use hardpoint_store::{StoreError, events};

use super::run::{Exporter, Letters, Run, Turn, shown};
use crate::service::exporters::outgoing;

/// Attempts before it is a dead letter again.
const ATTEMPTS: i64 = 5;
/// The pause where the host had no room for it.
const NO_ROOM: Duration = Duration::from_secs(1);

/// What became of it.
enum Fate {
    Delivered,
    /// Offered again later.
    Later,
    Dead(String),
}

pub(super) async fn offer(
    run: &mut Run<'_>,
    exporter: &Exporter,
    mut letter: DeadLetter,
) -> Result<Turn, StoreError> {
    let found = events::get(&mut run.app.store.read().await?, &letter.event_id).await?;
    let Some(event) = found else {
        let reason = "its body is kept no longer".to_owned();
        return settle(run, letter, Fate::Dead(reason), Step::idle(run.progress().clone()), None).await;
    };
    let attempt = u32::try_from(letter.attempt + 1).unwrap_or(u32::MAX);
    let (report, saved) = run.attempt(exporter, attempt, vec![outgoing(&event)]).await;
    if let Some(turn) = not_offered(run, &report).await? {
        return Ok(turn);
    }
    letter.attempt += 1;
    let (fate, mut step) = (fate(&report, letter.attempt), Step::idle(run.progress().clone()));
    if let Some(reason) = report.park() {
        (step.next, step.trouble) = (Next::Park(reason.clone()), Some(reason));
    }
    match fate {
        Fate::Delivered => (step.delivered, step.progress.failures) = (1, 0),
        // It alone: the log and the other letters go on.
        Fate::Later => {
            let pause = run.patience().wait(attempt, report.asked(), run.app.rng.unit());
            letter.due_at = run.app.clock.now().plus(pause);
        }
        Fate::Dead(_) => {}
    }
    settle(run, letter, fate, step, saved).await
}

/// What follows where it did not come so far that the destination was asked: no attempt at the letter.
async fn not_offered(run: &mut Run<'_>, report: &Report) -> Result<Option<Turn>, StoreError> {
    let why = report.failure.as_ref().or(report.cause.as_ref());
    let Some(failure) =
        why.filter(|_| !matches!(report.verdicts[..], [Verdict::Delivered | Verdict::Dropped(_)]))
    else {
        return Ok(None);
    };
    match failure.kind {
        FailureKind::Busy | FailureKind::Paused => {
            let pause = failure.retry_after.unwrap_or_default().max(NO_ROOM);
            let step = Step { next: Next::Wait(pause), ..Step::idle(run.progress().clone()) };
            run.conclude(step, None, Letters::default()).await.map(Some)
        }
        FailureKind::Connect => run.hold_up(failure.message.clone()).await.map(Some),
        _ => Ok(None),
    }
}

fn fate(report: &Report, attempt: i64) -> Fate {
    match report.verdicts.first() {
        Some(Verdict::Delivered) => Fate::Delivered,
        Some(Verdict::Dropped(reason)) => Fate::Dead(reason.clone()),
        _ if report.park().is_some() => Fate::Later,
        _ if report.split => Fate::Dead("the destination refused it though it was sent alone".to_owned()),
        _ if attempt >= ATTEMPTS => {
            let cause = report.failure.as_ref().or(report.cause.as_ref());
            let cause = cause.map(|failure| format!(" ({})", failure.message));
            Fate::Dead(format!(
                "it was offered {attempt} times again and not taken{}",
                cause.unwrap_or_default()
            ))
        }
        _ => Fate::Later,
    }
}

/// Writes what became of it, and goes on.
async fn settle(
    run: &mut Run<'_>,
    mut letter: DeadLetter,
    fate: Fate,
    step: Step,
    saved: Option<Vec<u8>>,
) -> Result<Turn, StoreError> {
    let is_delivered = matches!(fate, Fate::Delivered);
    if let Fate::Dead(reason) = fate {
        (letter.state, letter.reason) = (State::Dead, shown(&reason));
    }
    let letters = match is_delivered {
        true => Letters { gone: vec![letter.seq], ..Letters::default() },
        false => Letters { put: vec![letter], ..Letters::default() },
    };
    run.conclude(step, saved, letters).await
}
