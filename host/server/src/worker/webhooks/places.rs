//! How many deliveries are under way at once on this host, to all endpoints together. Each is a connection and a body in
//! memory, and there may be any number of endpoints.
//!
//! Endpoints that are slow or fail have places of their own, so that however many of them there are, none that is well
//! waits for them. Who turns out to be slow in a place of the others leaves it as soon as that is known.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hardpoint_domain::webhook::window::{SOON, Window};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// To endpoints that are well, and to the others.
const PLACES: [usize; 2] = [512, 256];
/// Deliveries that are claimed and not sent yet, to all endpoints together: each has a body in memory. What an endpoint
/// begins with it gets beyond that, or others that go well would take everything ahead of it.
const CLAIMED: usize = 8_192;
/// Slow endpoints that are remembered between two deliveries; when there are more, all are met anew.
const REMEMBERED: usize = 10_000;

/// A place of one delivery; free again when it is dropped.
pub(super) type Place = OwnedSemaphorePermit;

/// The places of a host.
#[derive(Debug)]
pub(super) struct Places {
    well: Arc<Semaphore>,
    slow: Arc<Semaphore>,
    claimed: Arc<AtomicUsize>,
}

/// What one endpoint's lane has claimed and not sent yet. A lane has nowhere else to keep it, so that all of them together
/// keep no more than they may.
#[derive(Debug)]
pub(super) struct Stock<T> {
    claimed: Arc<AtomicUsize>,
    ready: VecDeque<T>,
    /// What it is claiming now.
    asked: usize,
}

impl<T> Stock<T> {
    /// How many of `wanted` more it may have: those that every endpoint begins with at least.
    pub(super) fn room(&self, wanted: usize) -> usize {
        let free = CLAIMED.saturating_sub(self.claimed.load(Ordering::Relaxed));
        wanted.min(free.max(Window::default().size().saturating_sub(self.count())))
    }

    /// So many are claimed now.
    pub(super) fn ask(&mut self, room: usize) {
        self.change(|stock| stock.asked = room);
    }

    /// What came of that.
    pub(super) fn take(&mut self, claimed: Vec<T>) {
        self.change(|stock| {
            stock.asked = 0;
            stock.ready.extend(claimed);
        });
    }

    /// The next one to send.
    pub(super) fn next(&mut self) -> Option<T> {
        self.change(|stock| stock.ready.pop_front())
    }

    /// All that is not sent.
    pub(super) fn give_back(&mut self) -> VecDeque<T> {
        self.change(|stock| std::mem::take(&mut stock.ready))
    }

    /// How many wait to be sent.
    pub(super) fn len(&self) -> usize {
        self.ready.len()
    }

    /// Whether none does.
    pub(super) fn is_empty(&self) -> bool {
        self.ready.is_empty()
    }

    fn count(&self) -> usize {
        self.ready.len() + self.asked
    }

    fn change<R>(&mut self, change: impl FnOnce(&mut Self) -> R) -> R {
        let before = self.count();
        let outcome = change(self);
        self.claimed.fetch_add(self.count(), Ordering::Relaxed);
        self.claimed.fetch_sub(before, Ordering::Relaxed);
        outcome
    }
}

impl<T> Drop for Stock<T> {
    fn drop(&mut self) {
        self.claimed.fetch_sub(self.count(), Ordering::Relaxed);
    }
}

impl Default for Places {
    fn default() -> Self {
        Self::new(PLACES)
    }
}

impl Places {
    /// So many for endpoints that are well, and for the others.
    pub(super) fn new([well, slow]: [usize; 2]) -> Self {
        Self {
            well: Arc::new(Semaphore::new(well)),
            slow: Arc::new(Semaphore::new(slow)),
            claimed: Arc::default(),
        }
    }

    /// Nothing, of a lane that begins.
    pub(super) fn stock<T>(&self) -> Stock<T> {
        Stock { claimed: Arc::clone(&self.claimed), ready: VecDeque::new(), asked: 0 }
    }

    /// Those for an endpoint that goes at this pace.
    fn of(&self, pace: Window) -> &Arc<Semaphore> {
        if pace.is_least() { &self.slow } else { &self.well }
    }

    /// A place that is free, if there is one and nobody waits for it.
    pub(super) fn free(&self, pace: Window) -> Option<Place> {
        Arc::clone(self.of(pace)).try_acquire_owned().ok()
    }

    /// Carries out an attempt in a place. Once it is slow it goes on in one of those for the slow, as soon as one is free: else
    /// a few endpoints that answer well and then hang would hold all the others.
    pub(super) async fn hold<T>(&self, place: Place, mut attempt: impl Future<Output = T> + Unpin) -> T {
        if let Ok(done) = timeout(SOON, &mut attempt).await {
            return done;
        }
        if !Arc::ptr_eq(place.semaphore(), &self.well) {
            return attempt.await;
        }
        let slow = tokio::select! {
            biased;
            done = &mut attempt => return done,
            slow = Arc::clone(&self.slow).acquire_owned() => slow,
        };
        drop(place);
        let _slow = slow;
        attempt.await
    }

    /// Waits for a place; who waits longest gets the next one.
    pub(super) fn wait(&self, pace: Window) -> impl Future<Output = Option<Place>> + Send + use<> {
        let places = Arc::clone(self.of(pace));
        async move { places.acquire_owned().await.ok() }
    }
}

/// The pace of endpoints that were slow when something was last sent to them. Of others nothing need be known.
#[derive(Debug, Default)]
pub(super) struct Paces(HashMap<String, Window>);

impl Paces {
    /// Where deliveries to an endpoint begin.
    pub(super) fn of(&self, endpoint_id: &str) -> Window {
        self.0.get(endpoint_id).copied().unwrap_or_default()
    }

    /// How deliveries to an endpoint went.
    pub(super) fn note(&mut self, endpoint_id: String, pace: Window) {
        if !pace.is_least() {
            self.0.remove(&endpoint_id);
            return;
        }
        if self.0.len() >= REMEMBERED {
            self.0.clear();
        }
        self.0.insert(endpoint_id, pace);
    }
}

#[cfg(test)]
mod tests {
    use hardpoint_domain::webhook::answer::Outcome;

    use super::*;

    fn slow() -> Window {
        let mut pace = Window::default();
        pace.learn(Outcome::Failed, 0);
        pace
    }

    #[tokio::test]
    async fn who_is_slow_takes_no_place_of_others() {
        let places = Places::new([2, 1]);
        let first = places.free(slow()).unwrap();
        assert!(places.free(slow()).is_none(), "there is one for all that are slow");
        let well: Vec<_> = std::iter::from_fn(|| places.free(Window::default())).collect();
        assert_eq!(well.len(), 2);
        let waits = tokio::spawn(places.wait(slow()));
        drop(first);
        assert!(waits.await.unwrap().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn who_hangs_leaves_the_place_of_who_is_well() {
        let places = Arc::new(Places::new([2, 1]));
        let hangs = || {
            let (places, place) = (Arc::clone(&places), places.free(Window::default()).unwrap());
            tokio::spawn(async move { places.hold(place, std::future::pending::<()>()).await })
        };
        let all = [hangs(), hangs()];
        assert!(places.free(Window::default()).is_none());
        // One of them moves; for the other there is nowhere to go.
        let freed = timeout(30 * SOON, places.wait(Window::default())).await.unwrap().unwrap();
        assert!(places.free(slow()).is_none() && places.free(Window::default()).is_none());
        drop(freed);
        all.iter().for_each(tokio::task::JoinHandle::abort);
        for one in all {
            assert!(one.await.unwrap_err().is_cancelled());
        }
        assert!(places.free(slow()).is_some());
        assert_eq!(std::iter::from_fn(|| places.free(Window::default())).map(std::mem::forget).count(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn who_hangs_leaves_it_as_soon_as_there_is_another() {
        let places = Places::new([1, 1]);
        let (taken, place) = (places.free(slow()).unwrap(), places.free(Window::default()).unwrap());
        let hangs = places.hold(place, std::future::pending::<()>());
        let others = async {
            assert!(timeout(10 * SOON, places.wait(Window::default())).await.is_err(), "nowhere to go");
            drop(taken);
            assert!(timeout(SOON, places.wait(Window::default())).await.unwrap().is_some());
            assert!(places.free(slow()).is_none());
        };
        tokio::select! {
            () = hangs => panic!("it hangs"),
            () = others => {}
        }
    }

    #[test]
    fn all_lanes_together_claim_so_many() {
        let places = Places::new([2, 1]);
        let (mut one, mut other) = (places.stock(), places.stock());
        one.ask(CLAIMED - 5);
        assert_eq!((one.room(128), other.room(128)), (5, 5));
        one.take(vec!['d'; CLAIMED - 5]);
        assert_eq!((one.len(), one.room(128), other.room(128)), (CLAIMED - 5, 5, 5));
        one.ask(5);
        assert_eq!(
            (one.room(128), other.room(128), other.room(0)),
            (0, 4, 0),
            "each gets what it begins with"
        );
        other.ask(3);
        assert_eq!((other.room(128), other.room(1)), (1, 1));
        other.take(vec!['e']);
        assert_eq!(other.room(128), 3);
        assert_eq!((other.next(), other.next(), other.is_empty()), (Some('e'), None, true));
        assert_eq!(
            (other.room(128), one.give_back().len(), other.room(9_000)),
            (4, CLAIMED - 5, CLAIMED - 5)
        );
        drop(one);
        assert_eq!(other.room(9_000), CLAIMED);
    }

    #[test]
    fn only_who_is_slow_is_remembered() {
        let mut paces = Paces::default();
        paces.note("whe_1".to_owned(), slow());
        paces.note("whe_2".to_owned(), Window::default());
        assert_eq!((paces.of("whe_1"), paces.of("whe_2")), (slow(), Window::default()));
        paces.note("whe_1".to_owned(), Window::default());
        assert_eq!(paces.0.len(), 0);
    }
}
