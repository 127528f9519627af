//! What every request shares.

use std::sync::Arc;

use arc_swap::ArcSwap;
use hardpoint_domain::time::{Clock, Rng};
use hardpoint_runtime::Runtime;
use hardpoint_runtime::egress::Egress;
use hardpoint_store::{CallRecorder, Store};
use tokio::sync::watch;

use crate::config::Config;
use crate::metrics::Metrics;
use crate::middleware::credential::KeyCache;
use crate::service::audit::AuditKeys;
use crate::service::audit::integrity::Checks;
use crate::service::billing::Billing;
use crate::service::effective::Effective;
use crate::service::idempotency::Claims;
use crate::service::knowledge::desk::Knowledge;
use crate::service::limits::Limits;
use crate::service::login::Throttle;
use crate::service::mail::Post;
use crate::service::rates::Rates;
use crate::telemetry::LogLevel;
use crate::worker::drift::Drift;
use crate::worker::last_used::LastUsed;
use crate::worker::refusals::Refusals;
use crate::worker::reload::Reload;
use crate::worker::sequencer::Log;

/// The running server. Handlers take it as `State<Arc<App>>`.
pub struct App {
    /// As loaded at start.
    pub config: Arc<Config>,
    /// With what the store adds; see [`App::effective`].
    pub latest: ArcSwap<Effective>,
    /// What is told in the log.
    pub log_level: LogLevel,
    /// Everything durable.
    pub store: Store,
    /// Everything sandboxed; `runtime.snapshot()` is the catalogue, one snapshot a request.
    pub runtime: Runtime,
    /// The way out for webhooks, whose addresses organisations choose.
    pub webhook_egress: Egress,
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
    /// When keys were last used, noted until it is written down.
    pub last_used: LastUsed,
    /// Who may come in, and how often.
    pub limits: Limits,
    /// The money that this host holds for organisations.
    pub billing: Billing,
    /// What models cost.
    pub rates: Rates,
    /// How often PINs are asked for and tried.
    pub throttle: Throttle,
    /// Where mail is handed in.
    pub post: Post,
    /// Requests that are carried out under an `Idempotency-Key`.
    pub claims: Claims,
    /// Requests that were refused, counted until they are written down together.
    pub refusals: Arc<Refusals>,
    /// The keys that sign the audit log.
    pub audit_keys: AuditKeys,
    /// Whether the audit log is what it was, as it was found the last time.
    pub integrity: Checks,
    /// By how much this host's clock differs from the database's.
    pub drift: Drift,
    /// How far the audit log is numbered.
    pub log: Log,
    /// The catalogue's keeper: what is in the folder, what became of it, and a bell to ring.
    pub reload: Reload,
    /// Search data and embedder of knowledge bases.
    pub knowledge: Knowledge,
    /// Whether the server is to stop.
    pub stop: Stop,
}

impl App {
    /// The configuration as it is now. What this host heard of it is at most half a second old.
    pub fn effective(&self) -> Arc<Effective> {
        self.latest.load_full()
    }

    /// Goes on with this configuration, unless it is older than the one that holds.
    pub fn adopt(&self, effective: Effective) {
        let before = self.latest.load_full();
        if effective.revision < before.revision {
            return;
        }
        for (name, reason) in &effective.unopened {
            if !before.unopened.contains_key(name) {
                tracing::error!(
                    secret = name,
                    reason,
                    "a secret of the store cannot be opened, and is not used"
                );
            }
        }
        if effective.config.log.level != before.config.log.level {
            self.log_level.set(&effective.config.log);
        }
        self.latest.store(Arc::new(effective));
    }
}

/// Whether the server is to stop; clones share it.
#[derive(Clone, Debug)]
pub struct Stop(watch::Sender<bool>);

impl Stop {
    /// Not yet, and who wants to know when.
    pub fn new() -> (Self, watch::Receiver<bool>) {
        let (sender, receiver) = watch::channel(false);
        (Self(sender), receiver)
    }

    /// Tells everybody to stop.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }

    /// Whether it was told to.
    pub fn is_stopping(&self) -> bool {
        *self.0.borrow()
    }

    /// Turns true when it is to stop.
    pub fn subscribe(&self) -> watch::Receiver<bool> {
        self.0.subscribe()
    }
}

/// Waits until the server is to stop; also returns when there is no server any more.
pub async fn stopped(stopping: &mut watch::Receiver<bool>) {
    drop(stopping.wait_for(|stopping| *stopping).await);
}
