//! `[completions]`: how hard the host tries to get an answer out of a model.

use serde::Deserialize;

use super::units::Span;

/// `[completions]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CompletionsConfig {
    /// Attempts at one binding before its fallbacks are tried; 1 is no second attempt.
    pub attempts: u32,
    /// The first wait between attempts, doubled each time and then drawn at random below that.
    pub retry_base: Span,
    /// The longest wait between attempts.
    pub retry_cap: Span,
    /// A provider that asks for a longer wait than this is not waited for.
    pub retry_after_cap: Span,
    /// Rounds of the host's own tool loop.
    pub tool_rounds: u32,
}

impl Default for CompletionsConfig {
    fn default() -> Self {
        Self {
            attempts: 3,
            retry_base: Span::millis(250),
            retry_cap: Span::seconds(4),
            retry_after_cap: Span::seconds(10),
            tool_rounds: 8,
        }
    }
}
