//! The deliveries to one endpoint that are under way on this host.
//!
//! What is sent and what is written down go beside each other: while a round is committed, deliveries go on that were
//! claimed before, and what they come to is written down together in the next round. After a failure they wait for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use hardpoint_domain::webhook::answer::Outcome;
use hardpoint_domain::webhook::window::Window;
use hardpoint_store::StoreError;
use hardpoint_store::outbox::{Claimed, Delivery};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::places::{Place, Places, Stock};
use super::round::{self, Batch};
use crate::service::webhooks::round::{APART, Next};
use crate::service::webhooks::send::{self, LIMIT, Letter, Tried};
use crate::state::{App, stopped};

/// How long a lane waits for the store before it tries a round again.
const AFTER_TROUBLE: Duration = Duration::from_secs(2);
/// How often it tries, once nothing is under way. The deliveries are made again when their claims have lapsed.
const TRIES: usize = 10;
/// The least time between two rounds of a lane that is busy: a round is as much work for one delivery as for many.
const GATHER: Duration = Duration::from_millis(5);

/// A lane, as its keeper sees it.
#[derive(Debug)]
pub(super) struct Lane {
    endpoint_id: String,
    woken: AtomicBool,
    bell: Notify,
}

impl Lane {
    pub(super) fn new(endpoint_id: String) -> Self {
        Self { endpoint_id, woken: AtomicBool::new(false), bell: Notify::new() }
    }

    pub(super) fn endpoint_id(&self) -> &str {
        &self.endpoint_id
    }

    /// Something was queued for it.
    pub(super) fn wake(&self) {
        self.woken.store(true, Ordering::SeqCst);
        self.bell.notify_one();
    }

    fn is_woken(&self) -> bool {
        self.woken.load(Ordering::SeqCst)
    }

    /// Whether something was queued since it last looked.
    pub(super) fn was_woken(&self) -> bool {
        self.woken.swap(false, Ordering::SeqCst)
    }
}

/// Sends what is due until nothing is. Gives the pace at which it went at last.
pub(super) async fn run(app: Arc<App>, lane: Arc<Lane>, places: Arc<Places>, pace: Window) -> Window {
    let mut work = Work {
        stock: places.stock(),
        letter: Letter { url: "".into(), secrets: Arc::default(), body: None },
        under_way: JoinSet::new(),
        place: None,
        wait: None,
        tried: Vec::new(),
        unsent: Vec::new(),
        round: JoinSet::new(),
        next_round: Instant::now(),
        failures: 0,
        has_more: true,
        is_in_doubt: false,
        app,
        lane,
        places,
        pace,
    };
    if let Err(error) = work.run().await {
        tracing::warn!(%error, endpoint = work.lane.endpoint_id, "webhooks wait for the store");
    }
    work.pace
}

/// A lane at work.
struct Work {
    app: Arc<App>,
    lane: Arc<Lane>,
    places: Arc<Places>,
    pace: Window,
    /// Where to, and signed with what, as it was when something was last claimed.
    letter: Letter,
    /// Claimed, and not sent yet; and what the present round asks for.
    stock: Stock<Claimed>,
    under_way: JoinSet<Tried>,
    /// For the next delivery, where none is under way; or the wait for it.
    place: Option<Place>,
    wait: Option<BoxFuture<'static, Option<Place>>>,
    /// What the next round writes down: attempts, and claims that were not used.
    tried: Vec<Tried>,
    unsent: Vec<Delivery>,
    /// The round that is being written, if any, and what there is to send next.
    round: JoinSet<(Batch, Result<Next, StoreError>)>,
    next_round: Instant,
    /// Rounds in a row that were not written.
    failures: usize,
    /// Whether more may be due than was claimed, as far as the last round can tell.
    has_more: bool,
    /// Whether an attempt failed that is not written down yet: the endpoint's breaker is asked before the next one.
    is_in_doubt: bool,
}

impl Work {
    async fn run(&mut self) -> Result<(), StoreError> {
        let mut stopping = self.app.stop.subscribe();
        loop {
            self.send();
            self.write_down();
            if self.is_over() {
                return Ok(());
            }
            let (is_stopping, is_waiting) = (self.app.stop.is_stopping(), self.is_waiting_to_write());
            tokio::select! {
                Some(ended) = self.under_way.join_next() => self.note(ended.ok()),
                Some(written) = self.round.join_next() => match written {
                    Ok((batch, Ok(next))) => self.take(batch.room, next),
                    Ok((batch, Err(error))) => self.wait_for_store(batch, error)?,
                    Err(_) => return Err(StoreError::Undone("a round of webhooks ended badly")),
                },
                place = placed(&mut self.wait) => (self.place, self.wait) = (place, None),
                () = self.lane.bell.notified() => {}
                () = sleep_until(self.next_round), if is_waiting => {}
                () = stopped(&mut stopping), if !is_stopping => {}
            }
            while let Some(ended) = self.under_way.try_join_next() {
                self.note(ended.ok());
            }
        }
    }

    /// Sends what is ready, as far as the endpoint's pace and the host's places go.
    fn send(&mut self) {
        if self.is_closing() {
            self.give_back();
        }
        while !self.is_in_doubt && self.under_way.len() < self.pace.size() && !self.stock.is_empty() {
            let Some(place) = self.place.take().or_else(|| self.places.free(self.pace)) else { break };
            let Some(Claimed { delivery, body }) = self.stock.next() else { return };
            // An attempt must not outlast its claim, by whichever host's clock.
            let latest = self.app.clock.now().plus(LIMIT).plus(APART);
            if delivery.lease_until.is_none_or(|until| until < latest) {
                self.place = Some(place);
                self.unsent.push(delivery);
                continue;
            }
            let (app, letter) = (Arc::clone(&self.app), Letter { body, ..self.letter.clone() });
            let places = Arc::clone(&self.places);
            self.under_way.spawn(async move {
                let tried = places.hold(place, Box::pin(send::attempt(&app, delivery, letter))).await;
                app.metrics.deliveries.webhook(&tried);
                tried
            });
        }
        if self.under_way.is_empty() && self.place.is_none() && self.wait.is_none() {
            self.place = self.places.free(self.pace);
            if self.place.is_none() {
                self.wait = Some(Box::pin(self.places.wait(self.pace)));
            }
        }
    }

    /// Begins the next round, if it is time for one: what was tried is written down, and more is claimed.
    fn write_down(&mut self) {
        let is_idle =
            self.failures == 0 && self.under_way.is_empty() && (self.stock.is_empty() || self.is_in_doubt);
        if !self.round.is_empty() || !self.has_news() || !(is_idle || self.next_round <= Instant::now()) {
            return;
        }
        // What is queued from here on may be missed by this round's claim: that wakes the lane once more.
        self.has_more |= self.lane.was_woken();
        let (app, endpoint_id, room) = (Arc::clone(&self.app), self.lane.endpoint_id.clone(), self.room());
        self.stock.ask(room);
        let (tried, unsent) = (std::mem::take(&mut self.tried), std::mem::take(&mut self.unsent));
        let batch = Batch { tried, unsent, room };
        self.round.spawn(async move {
            let next = round::write(&app, endpoint_id, batch.clone()).await;
            (batch, next)
        });
    }

    fn is_waiting_to_write(&self) -> bool {
        self.round.is_empty() && self.has_news()
    }

    fn has_news(&self) -> bool {
        !self.tried.is_empty() || !self.unsent.is_empty() || (self.may_have_more() && self.room() > 0)
    }

    fn may_have_more(&self) -> bool {
        self.has_more || self.lane.is_woken()
    }

    /// How many more may be claimed. None without a place to send them from.
    fn room(&self) -> usize {
        if self.is_closing() || (self.under_way.is_empty() && self.place.is_none()) {
            return 0;
        }
        let most = self.pace.size() + self.pace.ahead();
        self.stock.room(most.saturating_sub(self.under_way.len() + self.stock.len()))
    }

    /// Whether nothing more is claimed.
    fn is_closing(&self) -> bool {
        self.app.stop.is_stopping() || !self.app.drift.is_right()
    }

    fn is_over(&self) -> bool {
        let is_done = self.round.is_empty() && self.under_way.is_empty() && self.stock.is_empty();
        let has_more = self.may_have_more() && !self.is_closing();
        is_done && self.tried.is_empty() && self.unsent.is_empty() && !has_more
    }

    fn note(&mut self, ended: Option<Tried>) {
        let Some(tried) = ended else { return };
        if !tried.is_lost {
            self.pace.learn(tried.outcome, tried.attempt.duration_ms);
        }
        self.is_in_doubt |= tried.outcome != Outcome::Delivered;
        self.tried.push(tried);
    }

    /// What a round came to that had this room.
    fn take(&mut self, room: usize, next: Next) {
        self.failures = 0;
        self.app.metrics.deliveries.webhooks_given_up(next.given_up);
        self.next_round = Instant::now() + GATHER;
        self.is_in_doubt = self.tried.iter().any(|tried| tried.outcome != Outcome::Delivered);
        if room > 0 {
            self.has_more = next.claimed.len() >= room;
        }
        if !next.is_open {
            self.give_back();
        }
        if !next.claimed.is_empty() {
            self.letter = Letter { url: next.url.into(), secrets: next.secrets.into(), body: None };
        }
        self.stock.take(next.claimed);
    }

    /// A round was not written. What is under way goes on, and may have arrived already; the round is tried again after a
    /// while. Who has nothing to write down leaves that to its keeper.
    fn wait_for_store(&mut self, batch: Batch, error: StoreError) -> Result<(), StoreError> {
        self.stock.ask(0);
        self.failures += 1;
        self.app.metrics.deliveries.round_failed();
        let is_idle = self.tried.is_empty() && batch.tried.is_empty() && self.stock.is_empty();
        let is_in_vain = is_idle || self.failures >= TRIES || self.app.stop.is_stopping();
        if self.under_way.is_empty() && is_in_vain {
            return Err(error);
        }
        tracing::debug!(%error, endpoint = self.lane.endpoint_id, "a round of webhooks waits for the store");
        self.tried.splice(0..0, batch.tried);
        self.unsent.splice(0..0, batch.unsent);
        self.next_round = Instant::now() + AFTER_TROUBLE;
        Ok(())
    }

    /// Nothing more is sent of what is ready.
    fn give_back(&mut self) {
        self.unsent.extend(self.stock.give_back().into_iter().map(|claimed| claimed.delivery));
    }
}

/// Ends with the wait for a place; never where nobody waits.
async fn placed(wait: &mut Option<BoxFuture<'static, Option<Place>>>) -> Option<Place> {
    match wait {
        Some(wait) => wait.await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::webhooks::round::LEASE;

    #[test]
    fn what_is_claimed_may_wait_and_be_tried_and_is_still_held_by_every_clock() {
        let wait = LEASE.saturating_sub(LIMIT + APART);
        assert!(wait >= Duration::from_secs(5), "{wait:?}");
    }
}
