//! `[knowledge]`: how documents are read and found.

use std::path::PathBuf;

use serde::Deserialize;

use super::read::Problem;
use super::units::{Size, Span};

/// `[knowledge]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KnowledgeConfig {
    /// The largest document.
    pub max_document: Size,
    /// Documents that this host reads at once; and so many beside them that it makes vectors of, and for which it waits
    /// for the vectors of models of `/models`. Where it is more than one, one organisation never has all places.
    pub at_once: usize,
    /// How long the others wait for a host that is at a document and is not heard of.
    pub lease: Span,
    /// Whether this host loads a model of its own for vectors.
    pub embed: bool,
    /// The model file; where `cargo xtask model` leaves it where left out.
    pub model: Option<PathBuf>,
}

impl Default for KnowledgeConfig {
    fn default() -> Self {
        Self { max_document: Size(100 << 20), at_once: 2, lease: Span::seconds(60), embed: true, model: None }
    }
}

impl KnowledgeConfig {
    /// What is wrong with it by itself.
    pub(super) fn check(&self, problems: &mut Vec<Problem>) {
        if self.max_document.0 == 0 {
            problems.push(Problem::new("knowledge.max_document", "must be more than nothing"));
        }
        if self.at_once == 0 {
            problems
                .push(Problem::new("knowledge.at_once", "must be at least 1, or no document is ever read"));
        }
        if self.lease.0.is_zero() {
            problems.push(Problem::new("knowledge.lease", "must be longer than nothing"));
        }
    }
}
