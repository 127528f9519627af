//! `[siem]`: how standing destinations are delivered to.

use hardpoint_domain::destination::Patience;
use serde::Deserialize;

use super::read::Problem;
use super::units::Span;

/// `[siem]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SiemConfig {
    /// How long the others wait for a host that delivers to a destination and is not heard of.
    pub lease: Span,
    /// How long one attempt at a batch may take, whatever the destination does.
    pub attempt_timeout: Span,
    /// The bound of the first wait after a failure; it doubles with every further one.
    pub first_wait: Span,
    /// The longest wait that a destination did not ask for, whatever pause its exporter wants.
    pub longest_wait: Span,
}

impl Default for SiemConfig {
    fn default() -> Self {
        Self {
            lease: Span::seconds(30),
            attempt_timeout: Span::seconds(120),
            first_wait: Span::seconds(1),
            longest_wait: Span::seconds(300),
        }
    }
}

impl SiemConfig {
    /// How long to wait after failures.
    pub fn patience(&self) -> Patience {
        Patience { first: self.first_wait.0, longest: self.longest_wait.0 }
    }

    /// What is wrong with it by itself.
    pub(super) fn check(&self, problems: &mut Vec<Problem>) {
        let spans = [
            ("siem.lease", self.lease),
            ("siem.attempt_timeout", self.attempt_timeout),
            ("siem.first_wait", self.first_wait),
            ("siem.longest_wait", self.longest_wait),
        ];
        let none = spans.into_iter().filter(|(_, span)| span.0.is_zero());
        problems.extend(none.map(|(key, _)| Problem::new(key, "must be longer than nothing")));
    }
}
