//! How far a document is.

use serde::{Deserialize, Serialize};

/// What a client sees of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It is read, or waits to be.
    Processing,
    /// The very next search finds it.
    Indexed,
    /// It cannot be read; the reason is with it.
    Failed,
}

impl State {
    /// As it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Processing => "processing",
            Self::Indexed => "indexed",
            Self::Failed => "failed",
        }
    }

    /// As it was written; none for any other word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Processing, Self::Indexed, Self::Failed].into_iter().find(|state| state.as_str() == word)
    }

    /// What a document is whose reading was given up. One that was indexed before is still found as it was then: it is
    /// `indexed`, with a reason.
    pub const fn given_up(was_published: bool) -> Self {
        if was_published { Self::Indexed } else { Self::Failed }
    }
}

/// How much of a document, or of a whole knowledge base, has vectors. What has none is found by full text alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    /// Chunks that can be found.
    pub chunks: u64,
    /// Those of them that have a vector.
    pub embedded: u64,
}

impl Coverage {
    /// From 0 to 1; 0 where there is nothing to cover: of a document that failed nothing is found. Never 1 while a chunk
    /// is missing.
    pub fn share(self) -> f64 {
        if self.chunks == 0 {
            return 0.0;
        }
        if self.is_complete() {
            return 1.0;
        }
        let share = self.embedded as f64 / self.chunks as f64;
        share.min(1.0 - f64::EPSILON)
    }

    /// Whether every chunk has a vector.
    pub const fn is_complete(self) -> bool {
        self.embedded >= self.chunks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_lead_back_to_their_states() {
        for state in [State::Processing, State::Indexed, State::Failed] {
            assert_eq!(State::parse(state.as_str()), Some(state));
            assert_eq!(serde_json::to_value(state).unwrap(), state.as_str());
        }
        assert_eq!(State::parse("gone"), None);
    }

    #[test]
    fn what_was_found_before_is_still_found() {
        assert_eq!((State::given_up(true), State::given_up(false)), (State::Indexed, State::Failed));
    }

    #[test]
    fn a_share_is_whole_only_where_nothing_is_missing() {
        let share = |chunks, embedded| Coverage { chunks, embedded }.share();
        assert_eq!([share(0, 0), share(4, 1), share(4, 4), share(4, 5)], [0.0, 0.25, 1.0, 1.0]);
        assert!(share(u64::MAX, u64::MAX - 1) < 1.0);
    }
}
