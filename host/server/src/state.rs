//! What every request shares.

use std::sync::Arc;

use hardpoint_domain::time::{Clock, Rng};
use hardpoint_runtime::Runtime;
use hardpoint_store::{CallRecorder, Store};

use crate::config::Config;
use crate::metrics::Metrics;
use crate::middleware::credential::KeyCache;
use crate::worker::background::Background;
use crate::worker::reload::Reload;

/// The running server. Handlers take it as `State<Arc<App>>`.
pub struct App {
    /// As loaded at start.
    pub config: Arc<Config>,
    /// Everything durable.
    pub store: Store,
    /// Everything sandboxed; `runtime.snapshot()` is the catalogue, one snapshot a request.
    pub runtime: Runtime,
    /// The present.
    pub clock: Arc<dyn Clock>,
    /// The unpredictable.
    pub rng: Arc<dyn Rng>,
    /// What `/metrics` shows.
    pub metrics: Metrics,
    /// Writes call records, many in one transaction.
    pub calls: CallRecorder,
    /// Credentials seen within the last second.
    pub keys: KeyCache,
    /// The catalogue's keeper: what is in the folder, what became of it, and a bell to ring.
    pub reload: Reload,
    /// Work that must be finished before the process ends, though nobody waits for its answer.
    pub background: Background,
}
