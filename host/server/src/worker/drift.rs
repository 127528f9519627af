//! Whether this host's clock goes as the database's does, which all hosts share. Claims are leases in time: a host that is
//! ahead takes those of others away while they hold, one that is behind is taken its own. And what is too old by a clock
//! that is days ahead would be gone for all.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use hardpoint_domain::time::Timestamp;
use hardpoint_store::{Engine, StoreError, database_clock};
use tokio::time::sleep;

use crate::state::{App, stopped};

/// How often the clocks are compared …
const PERIOD: Duration = Duration::from_secs(30);
/// … and how soon again where that told nothing.
const AGAIN: Duration = Duration::from_secs(2);
/// The difference from which on it is told.
const TOLD: Duration = Duration::from_secs(1);
/// In the place of a difference.
const UNKNOWN: i64 = i64::MIN;

/// By how much the clocks differ, as far as that is known, and by how much they may.
#[derive(Debug)]
pub struct Drift {
    tolerance: Duration,
    micros: AtomicI64,
}

impl Drift {
    /// Beside PostgreSQL nothing is known so far; SQLite has its host's clock.
    pub fn beside(database: Engine, tolerance: Duration) -> Self {
        let known = match database {
            Engine::Sqlite => 0,
            Engine::Postgres => UNKNOWN,
        };
        Self { tolerance, micros: AtomicI64::new(known) }
    }

    /// Whether what this host would claim is still its own for as long as it thinks, and what is too old for it is so for
    /// all. A clock of which nothing is known is not right.
    pub fn is_right(&self) -> bool {
        self.difference().is_some_and(|difference| difference < self.tolerance)
    }

    /// What the database's clock showed between two times of this host's; what that took counts for half. False where it
    /// took too long to tell anything, and nothing is noted.
    fn learn(&self, asked: Timestamp, answered: Timestamp, database: Timestamp) -> bool {
        let took = answered.since(asked);
        let is_soon = took < TOLD;
        if is_soon {
            self.note(asked.plus(took / 2), database);
        }
        is_soon
    }

    /// What the database's clock showed when this host's was at `at`.
    pub fn note(&self, at: Timestamp, database: Timestamp) {
        let micros = at.micros().saturating_sub(database.micros()).max(UNKNOWN + 1);
        self.micros.store(micros, Ordering::Relaxed);
    }

    fn difference(&self) -> Option<Duration> {
        let micros = self.micros.load(Ordering::Relaxed);
        (micros != UNKNOWN).then(|| Duration::from_micros(micros.unsigned_abs()))
    }
}

/// Compares the clocks until the server stops.
pub async fn run(app: Arc<App>) {
    let mut stopping = app.stop.subscribe();
    while !app.stop.is_stopping() {
        let wait = match compare(&app).await {
            Ok(Some(_)) => PERIOD,
            Ok(None) => AGAIN,
            Err(error) => {
                tracing::debug!(%error, "the database's clock is not known");
                AGAIN
            }
        };
        tokio::select! {
            () = sleep(wait) => {}
            () = stopped(&mut stopping) => {}
        }
    }
}

/// Once. Gives the time of this host's clock that was compared; none where the database took so long that the difference
/// then is not known.
///
/// # Errors
/// The store's.
pub async fn compare(app: &App) -> Result<Option<Timestamp>, StoreError> {
    let mut conn = app.store.read().await?;
    let asked = app.clock.now();
    let Some(database) = database_clock::now(&mut conn).await? else { return Ok(Some(asked)) };
    let answered = app.clock.now();
    if !app.drift.learn(asked, answered, database) {
        let took = answered.since(asked);
        tracing::warn!(
            ?took,
            is_known_right = app.drift.is_right(),
            "the database took too long to tell its time: this host gives nothing up until it is known that the clocks \
             go alike, and delivers nothing where that never was"
        );
        return Ok(None);
    }
    let difference = app.drift.difference().unwrap_or_default();
    if !app.drift.is_right() {
        tracing::error!(
            ?difference,
            "this host's clock and the database's differ by more than database.clock_tolerance: it delivers nothing, \
             and gives nothing up"
        );
    } else if difference >= TOLD {
        tracing::warn!(?difference, "this host's clock and the database's differ");
    }
    Ok(Some(asked))
}

/// The present by which this host may end what all hosts share; none where its clock is not known to be right. The clocks
/// are compared once more: what is ended is not brought back. The clock may have been turned by the time it would be read
/// again, so only what this gives counts.
///
/// # Errors
/// The store's.
pub async fn may_end(app: &App) -> Result<Option<Timestamp>, StoreError> {
    Ok(compare(app).await?.filter(|_| app.drift.is_right()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOLERANCE: Duration = Duration::from_secs(10);

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_micros(1_760_000_000_000_000 + millis * 1_000)
    }

    #[test]
    fn a_clock_of_which_nothing_is_known_is_not_right() {
        let drift = Drift::beside(Engine::Postgres, TOLERANCE);
        assert!(!drift.is_right());
        assert!(!drift.learn(at(0), at(1_000), at(500)) && !drift.is_right(), "it took too long");
        assert!(drift.learn(at(0), at(10), at(5)) && drift.is_right());
        assert!(Drift::beside(Engine::Sqlite, TOLERANCE).is_right(), "it is the same clock");
    }

    #[test]
    fn nothing_is_claimed_by_a_clock_that_is_far_off() {
        let drift = Drift::beside(Engine::Postgres, TOLERANCE);
        for (off, is_right) in [(0, true), (9_999, true), (-9_999, true), (10_000, false), (-10_000, false)] {
            drift.note(at(off), at(0));
            assert_eq!(drift.is_right(), is_right, "{off} ms");
        }
    }

    #[test]
    fn an_answer_that_took_long_tells_nothing() {
        let drift = Drift::beside(Engine::Postgres, TOLERANCE);
        assert!(drift.learn(at(0), at(500), at(250)));
        assert_eq!(drift.difference(), Some(Duration::ZERO));
        assert!(!drift.learn(at(0), at(1_000), at(86_400_000)));
        assert_eq!(drift.difference(), Some(Duration::ZERO), "what was known before");
        assert!(drift.learn(at(0), at(999), at(86_400_000)) && !drift.is_right());
    }
}
