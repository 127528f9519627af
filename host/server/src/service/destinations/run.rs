//! Delivering to a destination that this host has claimed, for a while. What follows from each attempt is decided in
//! `domain/destination.rs`, and written together with it while the claim counts.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hardpoint_domain::destination::places::SOON;
use hardpoint_domain::destination::{Most, Next, Patience, Progress, Report, Step, Verdict, Waiting, takes};
use hardpoint_domain::failure::{Failure, FailureKind};
use hardpoint_domain::feature::Feature;
use hardpoint_domain::id;
use hardpoint_domain::time::Timestamp;
use hardpoint_runtime::{Binding, CallContext, Delivery, DeliveryReport, OutgoingEvent};
use hardpoint_store::dead_letters::{self, DeadLetter};
use hardpoint_store::destinations::{self, Advance, Destination, Present};
use hardpoint_store::events::{self, StoredEvent};
use hardpoint_store::{Conn, Lane, StoreError, chain, organizations, secrets};
use serde_json::json;
use tokio::time::{sleep, timeout};

use super::{about, letters, make};
use crate::service::claims::lost;
use crate::service::events::Author;
use crate::service::exporters::{Resolved, batch_limits, outgoing};
use crate::state::{App, stopped};

/// Attempts before others get their turn, and the time after which no further one is begun.
const TURNS: usize = 16;
const LONGEST_RUN: Duration = Duration::from_secs(10);
/// Events that are read at least, so that a filter that matches little is passed in large steps.
const PAGE: u32 = 256;
/// How long an attempt may go on when the server stops.
const LAST: Duration = Duration::from_secs(3);
/// The most that an exporter may keep with the cursor, in bytes.
const LONGEST_SAVED: usize = 1 << 20;
/// The longest text of what went wrong, in characters.
const LONGEST_ERROR: usize = 1_000;

/// A destination that this host holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// `dst_…`.
    pub id: String,
    /// What tells this claim from all others.
    pub claim_id: String,
}

/// Whether a destination is slow: its last attempt took long, or the present one does.
#[derive(Debug)]
pub struct Pace(AtomicBool);

impl Pace {
    /// As it was when it was claimed.
    pub fn new(is_slow: bool) -> Self {
        Self(AtomicBool::new(is_slow))
    }

    /// Whether it is slow now.
    pub fn is_slow(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Carries out an attempt. That it is slow is known as soon as it is, so that others get its place.
    async fn of<T>(&self, mut attempt: impl Future<Output = T> + Unpin) -> T {
        let soon = timeout(SOON, &mut attempt).await;
        self.0.store(soon.is_err(), Ordering::Relaxed);
        match soon {
            Ok(done) => done,
            Err(_) => attempt.await,
        }
    }
}

/// What is known of a destination while it is held.
pub(super) struct Run<'a> {
    pub(super) app: &'a App,
    pub(super) claim: &'a Claim,
    pace: &'a Pace,
    pub(super) destination: Destination,
    progress: Progress,
    secrets: Vec<secrets::Secret>,
}

/// What a destination's exporter is, and gets.
pub(super) struct Exporter {
    binding: Arc<Binding>,
    resolved: Resolved,
    pub(super) most: Most,
}

/// A part of the log that begins behind the cursor.
struct Page {
    /// Events for this destination, with their places.
    events: Vec<(i64, StoredEvent)>,
    /// The last place that was read.
    read_to: i64,
    /// Whether nothing is behind it yet.
    is_last: bool,
}

/// What becomes of dead letters.
#[derive(Default)]
pub(super) struct Letters {
    pub(super) put: Vec<DeadLetter>,
    /// Places of events that were delivered: they are none, or none any more.
    pub(super) gone: Vec<i64>,
}

/// What comes after a turn.
pub(super) enum Turn {
    /// Another one.
    Again,
    /// Others; this destination from then on, or at once: that is no time by this host's clock, or where that is ahead others
    /// would wait for it.
    From(Option<Timestamp>),
    /// Nothing: the claim does not count any more, or there is nothing to go on with.
    Over,
}

/// The present of destinations. Hosts' clocks may differ: by less than a lease, or they claim nothing.
pub fn present(app: &App) -> Present {
    let siem = &app.config.siem;
    Present::at(app.clock.now(), siem.patience().at_most(), siem.lease.0)
}

/// Delivers what waits for a destination, for a few turns. Another host may go on as soon as this one is not heard of
/// for the time of a lease.
///
/// # Errors
/// The store's. What was delivered by then and not written down is delivered again.
pub async fn deliver(app: &App, claim: &Claim, pace: &Pace) -> Result<(), StoreError> {
    let done = tokio::select! {
        done = take_turns(app, claim, pace) => done?,
        () = lost(app, app.config.siem.lease.0, |now| renew(app, claim, now)) => Turn::Over,
        () = ending(app) => Turn::From(None),
    };
    match done {
        Turn::From(due) => give_back(app, claim, due).await,
        Turn::Again | Turn::Over => Ok(()),
    }
}

/// Lets go of a destination, which is to be tried again from then on.
async fn give_back(app: &App, claim: &Claim, due: Option<Timestamp>) -> Result<(), StoreError> {
    let claim = claim.clone();
    let write = app.store.write(Lane::Bulk, move |tx| {
        Box::pin(async move { destinations::release(tx, &claim.id, &claim.claim_id, due).await })
    });
    write.await.map(drop)
}

/// Gives what comes after its turns.
async fn take_turns(app: &App, claim: &Claim, pace: &Pace) -> Result<Turn, StoreError> {
    let mut conn = app.store.read().await?;
    let Some(destination) = destinations::held(&mut conn, &claim.id, &claim.claim_id).await? else {
        return Ok(Turn::Over);
    };
    let secrets = secrets::list(&mut conn, &destination.id).await?;
    let unpaid = unpaid(app, &mut conn, &destination).await?;
    drop(conn);
    let progress = destination.progress();
    let mut run = Run { app, claim, pace, destination, progress, secrets };
    if let Some(reason) = unpaid {
        let step = run.progress.parked(reason);
        return run.conclude(step, None, Letters::default()).await;
    }
    let until = app.clock.now().plus(LONGEST_RUN);
    for turn in 0..TURNS {
        match run.turn(turn).await? {
            Turn::Again if app.stop.is_stopping() || app.clock.now() >= until => break,
            Turn::Again => {}
            over => return Ok(over),
        }
    }
    Ok(Turn::From(None))
}

/// Why the plan of the organisation whose events it gets does not let it go on, if it does not. What operators have for
/// the platform is on no plan.
async fn unpaid(app: &App, conn: &mut Conn, destination: &Destination) -> Result<Option<String>, StoreError> {
    let Some(id) = &destination.organization_id else { return Ok(None) };
    let Some(organization) = organizations::get(conn, id).await? else { return Ok(None) };
    let refused = app.effective().config.plans.include(&organization.plan, Feature::SiemExport).err();
    Ok(refused.map(|upgrade| {
        format!(
            "the plan `{}` does not include `{}`; resume it once the plan does",
            upgrade.plan, upgrade.lacks
        )
    }))
}

async fn renew(app: &App, claim: &Claim, now: Timestamp) -> Result<bool, StoreError> {
    let (held, lease) = (claim.clone(), app.config.siem.lease.0);
    let write = app.store.write(Lane::Bulk, move |tx| {
        Box::pin(async move { destinations::renew(tx, &held.id, &held.claim_id, now, lease).await })
    });
    write.await
}

/// The server stops, and an attempt had its time to end.
async fn ending(app: &App) {
    stopped(&mut app.stop.subscribe()).await;
    sleep(LAST).await;
}

impl Run<'_> {
    fn exporter(&self) -> Result<Exporter, String> {
        let attempt = Try { app: self.app, destination: &self.destination, saved: None };
        attempt.exporter(&self.secrets)
    }

    /// Offers events once; says what came of it, and what the exporter wants kept.
    pub(super) async fn attempt(
        &self,
        exporter: &Exporter,
        attempt: u32,
        events: Vec<OutgoingEvent>,
    ) -> (Report, Option<Vec<u8>>) {
        let saved = self.destination.saved.as_deref();
        let once = Try { app: self.app, destination: &self.destination, saved };
        self.pace.of(Box::pin(once.once(exporter, attempt, events))).await
    }

    async fn turn(&mut self, turn: usize) -> Result<Turn, StoreError> {
        let exporter = match self.exporter() {
            Ok(exporter) => exporter,
            Err(reason) => return self.hold_up(reason).await,
        };
        // What somebody asked for again goes in turn with the log: neither waits for the other's end.
        if turn.is_multiple_of(2) {
            let mut conn = self.app.store.read().await?;
            let next = dead_letters::next(&mut conn, &self.claim.id, present(self.app)).await?;
            drop(conn);
            if let Some(letter) = next {
                return letters::offer(self, &exporter, letter).await;
            }
        }
        let before = self.progress.cursor;
        let page = match self.read(exporter.most).await {
            Ok(page) => page,
            Err(StoreError::Corrupt(reason)) => {
                return self.hold_up(format!("an event after place {before} cannot be read: {reason}")).await;
            }
            Err(error) => return Err(error),
        };
        let places = || page.events.iter().map(|(seq, _)| *seq);
        self.progress.pass(places(), page.read_to);
        let waiting: Vec<Waiting> = page.events.iter().map(|(seq, event)| waits(*seq, event)).collect();
        let chosen = self.progress.choose(&waiting, exporter.most);
        let offered: Vec<&(i64, StoredEvent)> =
            chosen.into_iter().filter_map(|at| page.events.get(at)).collect();
        if offered.is_empty() {
            let mut turn = Turn::Again;
            if self.progress.cursor > before {
                let step = Step::idle(self.progress.clone());
                turn = self.conclude(step, None, Letters::default()).await?;
            }
            return Ok(match turn {
                Turn::Again if page.is_last => Turn::From(None),
                turn => turn,
            });
        }
        let seqs: Vec<i64> = offered.iter().map(|(seq, _)| *seq).collect();
        let events = offered.iter().map(|(_, event)| outgoing(event)).collect();
        let (report, saved) = self.attempt(&exporter, self.progress.attempt(), events).await;
        let wait = self.patience();
        let mut step = self.progress.after(&seqs, &report, exporter.most, wait, self.app.rng.unit());
        step.progress.pass(places(), page.read_to);
        let delivered = seqs.iter().zip(&report.verdicts);
        let delivered = delivered.filter(|(_, verdict)| **verdict == Verdict::Delivered).map(|(seq, _)| *seq);
        let letters = Letters { put: self.dead(&step, &page), gone: delivered.collect() };
        self.conclude(step, saved, letters).await
    }

    /// Nothing can be offered, for this reason.
    pub(super) async fn hold_up(&mut self, reason: String) -> Result<Turn, StoreError> {
        let step = self.progress.held_up(reason, self.patience(), self.app.rng.unit());
        self.conclude(step, None, Letters::default()).await
    }

    /// The next part of the log: as much of it as a batch can hold, and there is at most.
    async fn read(&self, most: Most) -> Result<Page, StoreError> {
        let organization = self.destination.organization_id.as_deref();
        let mut limit = self.progress.reach(most).max(PAGE);
        let mut conn = self.app.store.read().await?;
        // First: whatever stands before this end and is not read below is not for this destination, or was purged.
        let end = chain::head(&mut conn).await?.seq;
        let mut page = Page { events: Vec::new(), read_to: self.progress.cursor, is_last: false };
        let mut bytes = 0_u64;
        // One event beyond what fits, so that it is known not to fit; and one for a suspect's place.
        while limit > 0 && (bytes <= most.bytes || page.events.len() < 2) {
            let asked = limit.min(PAGE);
            let found = events::after(&mut conn, organization, page.read_to, asked).await?;
            page.is_last = found.len() < asked as usize;
            let last = found.last().map_or(end, |(seq, _)| *seq);
            page.read_to = if page.is_last { last.max(end) } else { last };
            for (seq, event) in found.into_iter().filter(|(_, event)| self.wants(event)) {
                // What is settled ahead of the cursor may be many times a batch: it is not kept.
                if !self.progress.ahead.contains(&seq) {
                    bytes = bytes.saturating_add(event.body.len() as u64);
                    page.events.push((seq, event));
                }
            }
            if page.is_last {
                break;
            }
            limit -= asked;
        }
        Ok(page)
    }

    fn wants(&self, stored: &StoredEvent) -> bool {
        let Destination { workspace_id, kinds, .. } = &self.destination;
        let is_theirs = workspace_id.is_none() || stored.event.workspace_id == *workspace_id;
        is_theirs && takes(kinds, &stored.event.kind)
    }

    fn dead(&self, step: &Step, page: &Page) -> Vec<DeadLetter> {
        let event = |seq: i64| page.events.iter().find(|(place, _)| *place == seq);
        let letter = |(seq, reason): &(i64, String)| {
            let (_, stored) = event(*seq)?;
            Some(DeadLetter {
                destination_id: self.destination.id.clone(),
                event_id: stored.event.id.clone(),
                seq: *seq,
                kind: stored.event.kind.clone(),
                reason: shown(reason),
                state: dead_letters::State::Dead,
                attempt: 0,
                created_at: self.app.clock.now(),
                due_at: self.app.clock.now(),
            })
        };
        step.dead.iter().filter_map(letter).collect()
    }

    /// Writes what came of a turn: all of it, or nothing where the claim does not count any more.
    pub(super) async fn conclude(
        &mut self,
        step: Step,
        saved: Option<Vec<u8>>,
        letters: Letters,
    ) -> Result<Turn, StoreError> {
        let now = self.app.clock.now();
        let parked = match &step.next {
            Next::Park(reason) => Some(shown(reason)),
            Next::Go | Next::Wait(_) => None,
        };
        if let Some(trouble) = &step.trouble {
            tracing::warn!(destination = self.claim.id, trouble, "a destination did not take all");
        }
        self.keep(saved);
        let advance = Advance {
            progress: step.progress.clone(),
            saved: self.destination.saved.clone(),
            delivered: step.delivered,
            error: step.trouble.as_deref().map(shown),
            parked: parked.clone(),
            is_slow: self.pace.is_slow(),
            now,
        };
        let event =
            |kind: &str, after| about(&Author::system(), &self.destination, kind, after, now, &*self.app.rng);
        let parked = parked.map(|reason| event("siem_destination.parked", json!({ "reason": reason })));
        let first = letters.put.first().map(|letter| {
            let after = json!({ "event_id": letter.event_id, "reason": letter.reason });
            event("siem_destination.dead_lettered", after)
        });
        let delivered = u64::from(step.delivered);
        let is_dead = |letter: &&DeadLetter| letter.state == dead_letters::State::Dead;
        let dead = letters.put.iter().filter(is_dead).count() as u64;
        let claim = self.claim.clone();
        let write = self.app.store.write(Lane::Bulk, move |tx| {
            Box::pin(async move {
                if !destinations::advance(tx, &claim.id, &claim.claim_id, &advance).await? {
                    return Ok(false);
                }
                // Of the first only: where no event is taken, an event a letter would be a letter an event.
                if let Some(first) = first
                    && !dead_letters::any(tx, &claim.id).await?
                {
                    tx.append(&first, &[]).await?;
                }
                for letter in &letters.put {
                    dead_letters::put(tx, letter).await?;
                }
                if let (Some(first), Some(last)) = (letters.gone.first(), letters.gone.last()) {
                    let known = dead_letters::between(tx, &claim.id, *first, *last).await?;
                    for letter in known.iter().filter(|letter| letters.gone.contains(&letter.seq)) {
                        dead_letters::delete(tx, &claim.id, &letter.event_id).await?;
                    }
                }
                if let Some(parked) = parked {
                    tx.append(&parked, &[]).await?;
                }
                Ok(true)
            })
        });
        if !write.await? {
            return Ok(Turn::Over);
        }
        self.app.metrics.deliveries.siem(delivered, dead);
        self.progress = step.progress;
        Ok(match step.next {
            Next::Go => Turn::Again,
            Next::Wait(pause) => Turn::From(Some(now.plus(pause))),
            Next::Park(_) => Turn::Over,
        })
    }

    fn keep(&mut self, saved: Option<Vec<u8>>) {
        match saved {
            Some(saved) if saved.len() > LONGEST_SAVED => {
                let bytes = saved.len();
                tracing::error!(destination = self.claim.id, bytes, "an exporter wants too much kept");
            }
            Some(saved) => self.destination.saved = Some(saved),
            None => {}
        }
    }

    pub(super) fn progress(&self) -> &Progress {
        &self.progress
    }

    pub(super) fn patience(&self) -> Patience {
        self.app.config.siem.patience()
    }
}

/// One attempt, whatever it is for.
pub(super) struct Try<'a> {
    pub(super) app: &'a App,
    pub(super) destination: &'a Destination,
    /// What the exporter keeps.
    pub(super) saved: Option<&'a [u8]>,
}

impl Try<'_> {
    /// What the destination's exporter is now; why there is none otherwise.
    pub(super) fn exporter(&self, stored: &[secrets::Secret]) -> Result<Exporter, String> {
        let found = make::exporter(self.app, self.destination).and_then(|binding| {
            let resolved = make::resolved(self.app, &binding, self.destination, &[], stored)?;
            Ok((binding, resolved))
        });
        let (binding, resolved) = found.map_err(|error| error.message().to_owned())?;
        let (events, bytes) = batch_limits(&binding);
        let most = Most { events: u32::try_from(events).unwrap_or(u32::MAX), bytes: bytes as u64 };
        Ok(Exporter { binding, resolved, most })
    }

    /// Offers events once; says what came of it, and what the exporter wants kept.
    pub(super) async fn once(
        &self,
        exporter: &Exporter,
        attempt: u32,
        events: Vec<OutgoingEvent>,
    ) -> (Report, Option<Vec<u8>>) {
        let Resolved { settings, permissions, secrets } = exporter.resolved.clone();
        let (count, state) = (events.len(), self.saved.map(<[u8]>::to_vec));
        let delivery = Delivery { attempt, events, settings, permissions, secrets, state };
        let context = CallContext {
            request_id: id::prefixed("req", self.app.clock.now(), &*self.app.rng),
            organization: self.destination.owner_id.clone(),
        };
        let limit = self.app.config.siem.attempt_timeout.0;
        let done = timeout(limit, exporter.binding.deliver(context, delivery)).await;
        let late = || {
            let message = format!("the attempt was not over after {} s", limit.as_secs_f64());
            Failure::new(FailureKind::Timeout, message)
        };
        match done.unwrap_or_else(|_| Err(late())) {
            Ok(DeliveryReport { verdicts, split, parked, state, failure, trouble }) => {
                let verdicts = verdicts.into_iter().map(verdict).collect();
                (Report { verdicts, split, parked, failure, cause: trouble }, state)
            }
            Err(failure) => (Report::failed(count, failure), None),
        }
    }
}

fn waits(seq: i64, stored: &StoredEvent) -> Waiting {
    Waiting { seq, bytes: stored.body.len() as u64 }
}

fn verdict(verdict: hardpoint_runtime::Verdict) -> Verdict {
    use hardpoint_runtime::Verdict as Told;
    match verdict {
        Told::Delivered => Verdict::Delivered,
        Told::RetryAfter(pause) => Verdict::Later(pause),
        Told::Dropped(reason) => Verdict::Dropped(reason),
        Told::Open => Verdict::Open,
    }
}

/// What a destination or an exporter said, as it is kept.
pub(super) fn shown(text: &str) -> String {
    text.chars().map(|c| if c == '\0' { ' ' } else { c }).take(LONGEST_ERROR).collect()
}
