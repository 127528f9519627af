//! How many deliveries to one endpoint are under way at once: more as long as it answers well and soon, few to one
//! that is slow or fails.

use std::time::Duration;

use super::answer::Outcome;

const FIRST: usize = 4;
const LEAST: usize = 2;
const MOST: usize = 32;
/// Answers that take longer are slow.
pub const SOON: Duration = Duration::from_secs(1);

/// A number of deliveries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window(usize);

impl Default for Window {
    fn default() -> Self {
        Self(FIRST)
    }
}

impl Window {
    /// So many may be under way.
    pub const fn size(self) -> usize {
        self.0
    }

    /// Whether it is as low as it gets: the endpoint is slow, or fails.
    pub const fn is_least(self) -> bool {
        self.0 <= LEAST
    }

    /// Deliveries that are claimed before they can be sent, so that none waits until those before it are written down.
    /// None for an endpoint that has not shown yet that it answers soon: what waits here another host cannot send.
    pub const fn ahead(self) -> usize {
        if self.0 > FIRST { 3 * self.0 } else { 0 }
    }

    /// An attempt ended: one more after a good one, half as many after one that failed or took long.
    pub fn learn(&mut self, outcome: Outcome, duration_ms: u64) {
        self.0 = match outcome {
            Outcome::Delivered if Duration::from_millis(duration_ms) <= SOON => (self.0 + 1).min(MOST),
            _ => (self.0 / 2).max(LEAST),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_one_by_one_and_shrinks_by_half() {
        let mut window = Window::default();
        for _ in 0..100 {
            window.learn(Outcome::Delivered, 5);
        }
        assert_eq!((window.size(), window.ahead(), window.is_least()), (MOST, 3 * MOST, false));
        window.learn(Outcome::Delivered, 5_000);
        assert_eq!(window.size(), MOST / 2);
        for _ in 0..100 {
            window.learn(Outcome::Failed, 5);
        }
        assert_eq!((window.size(), window.ahead(), window.is_least()), (LEAST, 0, true));
    }
}
