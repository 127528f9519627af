//! Whether this host's clock goes as the database's does, which all hosts share. Claims are leases in time: a host that is
//! ahead takes those of others away while they hold, one that is behind is taken its own. And what is too old by a clock
//! that is days ahead would be gone for all.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use hardpoint_domain::time::Timestamp;
use hardpoint_store::{StoreError, database_clock};

use super::Rounds;
use crate::state::App;

/// How often the clocks are compared.
const PERIOD: Duration = Duration::from_secs(30);
/// The difference from which on it is told.
const TOLD: Duration = Duration::from_secs(1);

/// By how much the clocks differ, as far as that is known, and by how much they may.
#[derive(Debug)]
pub struct Drift {
    tolerance: Duration,
    micros: AtomicI64,
}

impl Drift {
    /// None so far.
    pub fn within(tolerance: Duration) -> Self {
        Self { tolerance, micros: AtomicI64::new(0) }
    }

    /// Whether what this host would claim is still its own for as long as it thinks, and what is too old for it is so for
    /// all.
    pub fn is_right(&self) -> bool {
        self.difference() < self.tolerance
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
        self.micros.store(at.micros().saturating_sub(database.micros()), Ordering::Relaxed);
    }

    fn difference(&self) -> Duration {
        Duration::from_micros(self.micros.load(Ordering::Relaxed).unsigned_abs())
    }
}

/// Compares the clocks until the server stops.
pub async fn run(app: Arc<App>) {
    let mut rounds = Rounds::every(PERIOD, &app);
    while rounds.next().await {
        if let Err(error) = compare(&app).await {
            tracing::debug!(%error, "the database's clock is not known");
        }
    }
}

/// Once. Says whether the difference is known now: it is not where the answer took long.
///
/// # Errors
/// The store's.
pub async fn compare(app: &App) -> Result<bool, StoreError> {
    let mut conn = app.store.read().await?;
    let asked = app.clock.now();
    let Some(database) = database_clock::now(&mut conn).await? else { return Ok(true) };
    if !app.drift.learn(asked, app.clock.now(), database) {
        return Ok(false);
    }
    let difference = app.drift.difference();
    if !app.drift.is_right() {
        tracing::error!(
            ?difference,
            "this host's clock and the database's differ by more than database.clock_tolerance: it delivers nothing, \
             and gives nothing up"
        );
    } else if difference >= TOLD {
        tracing::warn!(?difference, "this host's clock and the database's differ");
    }
    Ok(true)
}

/// Whether this host may end by its clock what all hosts share. The clocks are compared once more: what is ended is not
/// brought back.
///
/// # Errors
/// The store's.
pub async fn may_end(app: &App) -> Result<bool, StoreError> {
    Ok(compare(app).await? && app.drift.is_right())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_claimed_by_a_clock_that_is_far_off() {
        let drift = Drift::within(Duration::from_secs(10));
        let at = |millis: i64| Timestamp::from_micros(1_760_000_000_000_000 + millis * 1_000);
        assert!(drift.is_right(), "nothing is known yet");
        for (off, is_right) in [(0, true), (9_999, true), (-9_999, true), (10_000, false), (-10_000, false)] {
            drift.note(at(off), at(0));
            assert_eq!(drift.is_right(), is_right, "{off} ms");
        }
    }

    #[test]
    fn an_answer_that_took_long_tells_nothing() {
        let drift = Drift::within(Duration::from_secs(10));
        let at = |millis: i64| Timestamp::from_micros(1_760_000_000_000_000 + millis * 1_000);
        assert!(drift.learn(at(0), at(500), at(250)));
        assert_eq!(drift.difference(), Duration::ZERO);
        assert!(!drift.learn(at(0), at(1_000), at(86_400_000)));
        assert_eq!(drift.difference(), Duration::ZERO, "what was known before");
        assert!(drift.learn(at(0), at(999), at(86_400_000)) && !drift.is_right());
    }
}
