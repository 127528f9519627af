//! A plugin's own log: lines in memory, the newest few thousand a plugin, bounded per call.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, OnceLock};

use hardpoint_domain::time::Timestamp;
use serde::Serialize;
use tokio::sync::broadcast;

use crate::generation::Generation;
use crate::secret::SecretSet;

/// Lines kept for a plugin.
const LINES: usize = 2_000;
/// Bytes kept for a plugin.
const BYTES: usize = 1 << 20;
/// Lines that a slow follower may be behind before it loses some.
const FOLLOWED_LINES: usize = 256;
/// The longest line; the rest of a longer one is cut.
const LINE_BYTES: usize = 8 << 10;

/// How loud a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// For the author.
    Debug,
    /// For the operator.
    Info,
    /// Something to look at.
    Warn,
    /// Something failed.
    Error,
}

/// One line of a plugin's log.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LogLine {
    /// When it was written.
    pub time: Timestamp,
    /// How loud.
    pub level: LogLevel,
    /// The request in which it was written.
    pub request_id: String,
    /// The version that wrote it.
    pub version: String,
    /// Redacted text.
    pub message: String,
}

/// The newest lines of a plugin, over all its generations.
#[derive(Debug, Default)]
pub struct PluginLog {
    kept: Mutex<Kept>,
    /// Made for the first of them: room for what a slow one has not read yet is 35 KB, and most plugins are
    /// never followed.
    followers: OnceLock<broadcast::Sender<LogLine>>,
}

#[derive(Debug, Default)]
struct Kept {
    lines: VecDeque<LogLine>,
    bytes: usize,
}

impl Kept {
    fn tail(&self, count: usize) -> Vec<LogLine> {
        self.lines.iter().skip(self.lines.len().saturating_sub(count)).cloned().collect()
    }
}

impl PluginLog {
    /// The newest `count` lines, oldest first.
    pub fn tail(&self, count: usize) -> Vec<LogLine> {
        self.lock().tail(count)
    }

    /// The newest `count` lines, and all that are written from then on: none is missing and none is in both.
    /// A reader that is too slow loses lines, not the plugin.
    pub fn follow(&self, count: usize) -> (Vec<LogLine>, broadcast::Receiver<LogLine>) {
        let kept = self.lock();
        (kept.tail(count), self.followers.get_or_init(|| broadcast::Sender::new(FOLLOWED_LINES)).subscribe())
    }

    pub(crate) fn push(&self, line: LogLine) {
        tracing::debug!(target: "plugin", request_id = %line.request_id, level = ?line.level, "{}", line.message);
        let mut kept = self.lock();
        if let Some(followers) = self.followers.get() {
            // No follower any more is no error.
            let _ = followers.send(line.clone());
        }
        kept.bytes += line.message.len();
        kept.lines.push_back(line);
        while kept.lines.len() > LINES || kept.bytes > BYTES {
            let Some(oldest) = kept.lines.pop_front() else { break };
            kept.bytes -= oldest.message.len();
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// One call's way into the log: stamped, redacted, and within the call's budget.
pub(crate) struct CallLog {
    generation: Arc<Generation>,
    request_id: String,
    secrets: Arc<SecretSet>,
    budget: Mutex<LogBudget>,
}

impl CallLog {
    pub(crate) fn new(
        generation: Arc<Generation>,
        request_id: String,
        secrets: Arc<SecretSet>,
        bytes: u64,
    ) -> Self {
        Self { generation, request_id, secrets, budget: Mutex::new(LogBudget::new(bytes)) }
    }

    pub(crate) fn write(&self, level: LogLevel, message: &str) {
        // Before it is cut, or the beginning of a secret could stay behind.
        let message = self.secrets.redact_text(message);
        let mut budget = self.budget.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let Some(message) = budget.take(&message) else { return };
        self.generation.shared.log.push(LogLine {
            time: self.generation.host.services.clock.now(),
            level,
            request_id: self.request_id.clone(),
            version: self.generation.manifest().version.clone(),
            message: message.to_owned(),
        });
    }

    /// Lines that were dropped.
    pub(crate) fn dropped(&self) -> u64 {
        self.budget.lock().unwrap_or_else(std::sync::PoisonError::into_inner).dropped
    }
}

/// What one call may still write.
#[derive(Debug)]
struct LogBudget {
    left: u64,
    dropped: u64,
}

impl LogBudget {
    fn new(bytes: u64) -> Self {
        Self { left: bytes, dropped: 0 }
    }

    /// The part of `message` that may be kept; none once the budget is spent.
    fn take<'a>(&mut self, message: &'a str) -> Option<&'a str> {
        let cut = message.floor_char_boundary(LINE_BYTES);
        let kept = &message[..cut];
        if (kept.len() as u64) > self.left || self.left == 0 {
            self.dropped += 1;
            return None;
        }
        // An empty line costs something too, or a flood of them would be free.
        self.left -= (kept.len() as u64).max(1);
        Some(kept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_ends_and_counts_what_it_drops() {
        let mut budget = LogBudget::new(10);
        assert_eq!(budget.take("12345678"), Some("12345678"));
        assert_eq!(budget.take("123"), None);
        assert_eq!(budget.take(""), Some(""));
        assert_eq!(budget.take("1"), Some("1"));
        assert_eq!(budget.take(""), None);
        assert_eq!(budget.dropped, 2);
    }

    #[test]
    fn only_the_newest_lines_are_kept() {
        let log = PluginLog::default();
        for number in 0..LINES + 5 {
            log.push(LogLine {
                time: Timestamp::default(),
                level: LogLevel::Info,
                request_id: String::new(),
                version: String::new(),
                message: number.to_string(),
            });
        }
        let tail = log.tail(2);
        assert_eq!(tail[1].message, (LINES + 4).to_string());
        assert_eq!(log.tail(usize::MAX).len(), LINES);
    }
}
