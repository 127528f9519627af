//! One compiled version of a plugin, and what all versions of a plugin share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

use hardpoint_domain::manifest::Manifest;
use tokio::sync::watch;

use crate::bindings::{
    exporter::ExporterPluginPre, model::ModelPluginPre, retriever::RetrieverPluginPre, tool::ToolPluginPre,
};
use crate::component::Inspection;
use crate::door::Door;
use crate::log::PluginLog;
use crate::runtime::Host;
use crate::sandbox::CallState;
use crate::stats::Stats;

/// A component checked, compiled and tried out. Immutable; many may exist for one plugin while old
/// ones drain.
pub struct Generation {
    pub(crate) number: u64,
    pub(crate) inspection: Inspection,
    pub(crate) guest: Guest,
    pub(crate) shared: Arc<Shared>,
    pub(crate) host: Arc<Host>,
    /// Sandboxes of this generation that exist now, warm ones included.
    pub(crate) live: AtomicU32,
    pub(crate) retirement: watch::Sender<Retirement>,
    /// Which of its retirements it is: it may be live again, and what was to end with one before ends no more.
    pub(crate) term: AtomicU64,
}

/// A component linked against what its kind is offered; only the store is missing.
pub(crate) enum Guest {
    Model(ModelPluginPre<CallState>),
    Exporter(ExporterPluginPre<CallState>),
    Tool(ToolPluginPre<CallState>),
    Retriever(RetrieverPluginPre<CallState>),
}

/// What all generations of a plugin share, so that an upgrade does not forget it.
#[derive(Debug, Default)]
pub struct Shared {
    /// Its log.
    pub log: PluginLog,
    /// Its counters.
    pub stats: Stats,
    pub(crate) door: Arc<Door>,
}

/// How far a replaced generation is on its way out. Ordered: later phases include earlier ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Retirement {
    /// In the catalogue.
    Serving,
    /// Replaced; what is under way goes on.
    Draining,
    /// Calls are stopped.
    CallsOver,
    /// Streams are stopped too.
    Over,
}

impl Generation {
    /// Counts up over all plugins and versions since the host started.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The manifest it came with.
    pub fn manifest(&self) -> &Manifest {
        &self.inspection.manifest
    }

    /// What its bytes say.
    pub fn inspection(&self) -> &Inspection {
        &self.inspection
    }

    /// What it shares with the plugin's other versions.
    pub fn shared(&self) -> &Shared {
        &self.shared
    }

    /// Sandboxes of this generation that exist now.
    pub fn live(&self) -> u32 {
        self.live.load(Relaxed)
    }

    /// Whether it was replaced or removed.
    pub fn is_retired(&self) -> bool {
        *self.retirement.borrow() > Retirement::Serving
    }

    /// Begins to retire; gives the term, for [`Generation::advance_retirement`].
    pub(crate) fn retire(&self) -> u64 {
        let term = self.term.load(Relaxed);
        self.advance_retirement(term, Retirement::Draining);
        term
    }

    /// It is live again, whatever was to come of its retirement.
    pub(crate) fn recall(&self) {
        self.retirement.send_if_modified(|current| {
            self.term.fetch_add(1, Relaxed);
            let was_retired = *current > Retirement::Serving;
            *current = Retirement::Serving;
            was_retired
        });
    }

    /// Goes on to a phase of the retirement of this term; nothing happens where that one is over.
    pub(crate) fn advance_retirement(&self, term: u64, phase: Retirement) {
        // Both are changed under the lock of this.
        self.retirement.send_if_modified(|current| {
            let later = term == self.term.load(Relaxed) && phase > *current;
            if later {
                *current = phase;
            }
            later
        });
    }
}

impl std::fmt::Debug for Generation {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}@{}#{}", self.manifest().id, self.manifest().version, self.number)
    }
}
