//! From a configuration to a running server: the command line's, and the tests'.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use arc_swap::ArcSwap;
use axum::Router;
use hardpoint_domain::key::KeyText;
use hardpoint_domain::time::{Clock, Rng};
use hardpoint_runtime::egress::{Egress, EgressConfig, Resolve, Senders, Timeouts, Watch};
use hardpoint_runtime::{CompilerCommand, HostServices, Runtime, RuntimeConfig};
use hardpoint_store::knowledge::{ingestions, removals};
use hardpoint_store::plugins::State;
use hardpoint_store::{
    CallRecorder, Durability, Engine, Lane, Migration, Store, StoreConfig, StoreError,
    destinations as claims, idempotency as requests, outbox, plugins,
};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::bootstrap;
use crate::config::{Config, DurabilityConfig, MigrateConfig};
use crate::loaded::Loaded;
use crate::metrics::Metrics;
use crate::middleware::credential::KeyCache;
use crate::router::router;
use crate::service::audit::AuditKeys;
use crate::service::audit::integrity::Checks;
use crate::service::billing::Billing;
use crate::service::configured;
use crate::service::effective::Effective;
use crate::service::host_key;
use crate::service::idempotency::Claims;
use crate::service::knowledge::desk::Knowledge;
use crate::service::kv::StoredKv;
use crate::service::limits::{self, Limits};
use crate::service::login::Throttle;
use crate::service::mail::Post;
use crate::service::plugins::arranged::Arranged;
use crate::service::rates::Rates;
use crate::state::{App, Stop};
use crate::telemetry::LogLevel;
use crate::worker::checkpoints;
use crate::worker::destinations;
use crate::worker::drift::{self, Drift};
use crate::worker::forgetting;
use crate::worker::gauges;
use crate::worker::idempotency;
use crate::worker::knowledge;
use crate::worker::last_used::{self, LastUsed};
use crate::worker::leases;
use crate::worker::loaded;
use crate::worker::mail;
use crate::worker::pauses;
use crate::worker::places;
use crate::worker::refusals::{self, EgressRefusals, Refusals};
use crate::worker::reload::folder::Folder;
use crate::worker::reload::{self, Reload};
use crate::worker::retention;
use crate::worker::sequencer::{self, Log};
use crate::worker::webhooks;

/// How long what nobody waits for may take at the end.
const LAST_WORK: Duration = Duration::from_secs(10);

/// What a server is made of.
pub struct Parts {
    /// Checked.
    pub config: Config,
    /// The present.
    pub clock: Arc<dyn Clock>,
    /// The unpredictable.
    pub rng: Arc<dyn Rng>,
    /// The program that compiles components.
    pub compiler: CompilerCommand,
    /// The first operator key, where the environment names one.
    pub first_key: Option<String>,
    /// What is told in the log, where that was started.
    pub log_level: LogLevel,
    /// In the place of the system's, for tests of names that lead astray; a server has none.
    pub resolver: Option<Arc<dyn Resolve>>,
}

/// A server, running but for its listener.
pub struct Server {
    /// What requests share.
    pub app: Arc<App>,
    /// All routes.
    pub router: Router,
    /// The first operator key, if it was made just now.
    pub first_key: Option<KeyText>,
    workers: Vec<JoinHandle<()>>,
}

/// Opens the store that a configuration names.
///
/// # Errors
/// If it cannot be reached, belongs to a newer program, or its folder for bytes is gone.
pub async fn open_store(config: &Config, clock: &Arc<dyn Clock>) -> anyhow::Result<Store> {
    if config.database.migrate == MigrateConfig::Command {
        let pending = pending_migrations(config).await?.len();
        ensure!(
            pending == 0,
            "the database lacks {pending} migrations, and database.migrate leaves them to `hardpoint migrate`"
        );
    }
    migrate_store(config, clock).await
}

/// Refuses to make a folder for plugins' bytes where the database has plugins whose bytes are in it: it is on a disk
/// that is not there, most likely, and what is made in its place would be empty.
async fn check_blobs(config: &Config) -> anyhow::Result<()> {
    let Some(folder) = config.storage.blobs.as_deref().filter(|folder| !folder.exists()) else {
        return Ok(());
    };
    let is_used = match open_store_to_read(config).await {
        Ok(None) => false,
        Ok(Some(store)) => {
            let rows = async { plugins::list(&mut store.read().await?).await }.await;
            store.close().await;
            let rows = rows.context("the store cannot be read")?;
            rows.iter().any(|row| row.state != State::Removed)
        }
        // At another version nobody can tell.
        Err(StoreError::Older { .. }) => true,
        Err(error) => return Err(error).context("the store cannot be opened"),
    };
    let folder = folder.display();
    ensure!(
        !is_used,
        "the folder for plugins' bytes (storage.blobs), {folder}, is not there, and the database has plugins whose \
         bytes are kept in it: mount it; or make it, if it is to begin empty"
    );
    Ok(())
}

/// What opening the store would apply to it, oldest first.
///
/// # Errors
/// If it cannot be reached, or belongs to a newer program.
pub async fn pending_migrations(config: &Config) -> anyhow::Result<Vec<&'static Migration>> {
    Store::pending(&store_config(config)).await.context("the store cannot be opened")
}

/// Opens the store, and brings it to the version of this program whatever the configuration says.
///
/// # Errors
/// As for [`open_store`].
pub async fn migrate_store(config: &Config, clock: &Arc<dyn Clock>) -> anyhow::Result<Store> {
    check_blobs(config).await?;
    Store::open(&store_config(config), clock.clone()).await.context("the store cannot be opened")
}

/// Opens the store that a configuration names only to read it; none where nothing was ever kept. Nothing is made
/// of it, and nothing changed.
///
/// # Errors
/// If it cannot be reached, or belongs to an older or a newer program.
pub async fn open_store_to_read(config: &Config) -> Result<Option<Store>, StoreError> {
    Store::open_to_read(&store_config(config)).await
}

fn store_config(config: &Config) -> StoreConfig {
    let durability = match config.database.durability {
        DurabilityConfig::Power => Durability::Power,
        DurabilityConfig::Process => Durability::Process,
    };
    let url = config.database.url.as_ref().map(|url| url.reveal().to_owned());
    StoreConfig { data: config.server.data.clone(), blobs: Some(config.blobs_folder()), url, durability }
}

/// Sets the runtime up as configured.
///
/// # Errors
/// If the engine refuses it, or the cache folder cannot be used.
pub fn open_runtime(
    config: &Config,
    compiler: CompilerCommand,
    services: HostServices,
) -> anyhow::Result<Runtime> {
    Runtime::new(runtime_config(config, compiler, None)?, services).context(NO_SANDBOX)
}

const NO_SANDBOX: &str = "the sandbox cannot be set up";

fn runtime_config(
    config: &Config,
    compiler: CompilerCommand,
    watch: Option<Arc<EgressRefusals>>,
) -> anyhow::Result<RuntimeConfig> {
    let plugins = &config.plugins;
    let watch = watch.map(|watch| watch as Arc<dyn Watch>);
    Ok(RuntimeConfig {
        max_component_bytes: plugins.max_component_bytes.0,
        sandboxes: plugins.sandboxes,
        sandboxes_per_organization: plugins.sandboxes_per_organization,
        sandbox_memory: plugins.sandbox_memory.0,
        drain_calls: plugins.drain_calls.0,
        drain_streams: plugins.drain_streams.0,
        egress: EgressConfig { watch, ..egress_config(config)? },
        ..RuntimeConfig::new(config.server.data.join("cache"), compiler)
    })
}

/// The way out as configured.
fn egress_config(config: &Config) -> anyhow::Result<EgressConfig> {
    let egress = &config.egress;
    let extra_roots_pem = match &egress.extra_roots {
        Some(file) => std::fs::read(file)
            .with_context(|| format!("egress.extra_roots: {} cannot be read", file.display()))?,
        None => Vec::new(),
    };
    Ok(EgressConfig {
        allow_internal: egress.allow_internal.clone(),
        proxy: egress.proxy.clone(),
        timeouts: Timeouts {
            connect: egress.connect_timeout.0,
            first_byte: egress.first_byte_timeout.0,
            gap: egress.gap_timeout.0,
        },
        max_response_bytes: egress.max_response.0,
        max_request_bytes: egress.max_request.0,
        extra_roots_pem,
        ..EgressConfig::default()
    })
}

/// The way out for webhooks: the same, with internal hosts and connections of its own.
fn webhook_egress(config: &Config, resolver: Option<Arc<dyn Resolve>>) -> anyhow::Result<Egress> {
    let allow_internal = config.egress.allow_internal_webhooks.clone();
    let config =
        EgressConfig { senders: Senders::Webhooks, allow_internal, resolver, ..egress_config(config)? };
    Egress::new(config).context("the way out for webhooks cannot be set up")
}

/// Starts everything but the listener.
///
/// # Errors
/// Whatever keeps it from starting, with what to do about it.
pub async fn start(parts: Parts) -> anyhow::Result<Server> {
    let Parts { config, clock, rng, compiler, first_key, log_level, resolver } = parts;
    let config = Arc::new(config);
    let store = open_store(&config, &clock).await?;
    let effective = Effective::read(&mut store.read().await?, &config).await?;
    for (name, reason) in &effective.unopened {
        tracing::error!(secret = name, reason, "a secret of the store cannot be opened, and is not used");
    }
    leases::take_back(&store, clock.now()).await.context("the store cannot be written")?;
    lose_requests(&store, &clock).await.context("the store cannot be written")?;
    let webhook_egress = webhook_egress(&config, resolver.clone())?;
    log_level.set(&effective.config.log);
    let first_key = bootstrap::first_key(&store, &clock, &rng, first_key.as_deref()).await?;
    let kv = Arc::new(StoredKv(store.clone()));
    let refusals = Arc::new(Refusals::default());
    let watch = Arc::new(EgressRefusals { refusals: refusals.clone(), clock: clock.clone() });
    let services = HostServices { clock: clock.clone(), rng: rng.clone(), kv };
    let mut setup = runtime_config(&config, compiler, Some(watch))?;
    setup.egress.resolver = resolver;
    let runtime = Runtime::new(setup, services);
    let runtime = runtime.context(NO_SANDBOX)?;
    // Nobody is served yet, and nobody learns meanwhile of what is closed to them.
    let arranged = Arranged::read(&mut store.read().await?).await?;
    runtime.publish_to(arranged.openings(&config), Vec::new(), Vec::new());
    let path = config.plugins_folder();
    let folder =
        Folder::at(&path).with_context(|| format!("the plugins folder {} cannot be made", path.display()))?;
    let loaded = Loaded::note(&config).context("the data folder cannot be written")?;
    let host = reload::host::own(&config, store.engine(), &*clock, &*rng)
        .context("this host's id cannot be kept in the data folder")?;
    configured::note(&store, &config, &host, (&*clock, &*rng)).await?;
    let rates = Rates::of(&config.models);
    rates.keep(&store, clock.now()).await?;
    let audit_keys = AuditKeys::of(&host_key::keyring(&config, &*rng)?);
    let knowledge = Knowledge::open(&store, &config).await;
    let knowledge = knowledge.context("the search data of knowledge bases cannot be used")?;
    let (reload, orders) = Reload::new();
    let (stop, stopping) = Stop::new();
    let app = Arc::new(App {
        calls: CallRecorder::start(&store, clock.clone()),
        metrics: Metrics::new(runtime.clone()),
        keys: KeyCache::default(),
        last_used: LastUsed::default(),
        limits: Limits::default(),
        billing: Billing::default(),
        rates,
        throttle: Throttle::default(),
        post: Post::open(&config, rng.clone())?,
        claims: Claims::default(),
        refusals,
        audit_keys,
        integrity: Checks::default(),
        drift: Drift::beside(store.engine(), config.database.clock_tolerance.0),
        log: Log::default(),
        config,
        latest: ArcSwap::from_pointee(effective),
        log_level,
        store,
        runtime,
        webhook_egress,
        knowledge,
        clock,
        rng,
        reload,
        stop,
    });
    // Before anything is claimed.
    drift::compare(&app).await?;
    let workers = vec![
        tokio::spawn(drift::run(app.clone())),
        tokio::spawn(reload::run(app.clone(), folder, host.clone(), orders, stopping)),
        tokio::spawn(refusals::run(app.clone())),
        tokio::spawn(last_used::run(app.clone())),
        tokio::spawn(pauses::run(app.clone())),
        tokio::spawn(loaded::run(app.clone(), loaded)),
        tokio::spawn(leases::run(app.clone())),
        tokio::spawn(places::run(app.clone())),
        tokio::spawn(mail::run(app.clone())),
        tokio::spawn(forgetting::run(app.clone())),
        tokio::spawn(destinations::run(app.clone())),
        tokio::spawn(idempotency::run(app.clone())),
        tokio::spawn(sequencer::run(app.clone())),
        tokio::spawn(checkpoints::run(app.clone())),
        tokio::spawn(retention::run(app.clone())),
        tokio::spawn(webhooks::run(app.clone())),
        tokio::spawn(webhooks::sweep::run(app.clone())),
        tokio::spawn(gauges::run(app.clone())),
        tokio::spawn(knowledge::follow::run(app.clone(), host)),
        tokio::spawn(knowledge::ingest::run(app.clone())),
        tokio::spawn(knowledge::remove::run(app.clone())),
        tokio::spawn(knowledge::forget::run(app.clone())),
    ];
    Ok(Server { router: router(app.clone()), app, first_key, workers })
}

/// Gives up requests that were under way when the host before this one ended, and its claims. Where hosts share a
/// database, others may be at work on theirs: there the leases tell.
async fn lose_requests(store: &Store, clock: &Arc<dyn Clock>) -> Result<(), StoreError> {
    if store.engine() == Engine::Postgres {
        return Ok(());
    }
    let now = clock.now();
    let write = store.write(Lane::Request, move |tx| {
        Box::pin(async move {
            requests::lose_all(tx, now).await?;
            // What it was sending is sent again.
            outbox::unclaim_all(tx).await?;
            claims::release_all(tx).await?;
            ingestions::release_all(tx).await?;
            removals::release_all(tx).await
        })
    });
    write.await
}

impl Server {
    /// A receiver that turns true when the server is to stop.
    pub fn stopping(&self) -> watch::Receiver<bool> {
        self.app.stop.subscribe()
    }

    /// Finishes what is under way beside requests, and closes the store. After the listener.
    pub async fn finish(self) {
        self.app.stop.stop();
        if tokio::time::timeout(LAST_WORK, self.app.claims.idle()).await.is_err() {
            tracing::warn!("some requests whose clients have left were not carried out to their end");
        }
        if tokio::time::timeout(LAST_WORK, self.app.calls.flush()).await.is_err() {
            tracing::warn!("some records of abandoned requests were not written in time");
        }
        for worker in self.workers {
            if let Err(error) = worker.await {
                tracing::error!(%error, "a worker ended badly");
            }
        }
        // What was refused, and leased, while the last requests ended.
        if let Err(error) = refusals::write(&self.app).await {
            tracing::warn!(%error, "the last refusals were not written down");
        }
        if let Err(error) = leases::give_back(&self.app).await {
            tracing::warn!(%error, "leases of credits were not given back; other hosts will take them");
        }
        if let Err(error) = limits::give_up(&self.app).await {
            tracing::warn!(%error, "places for requests at once were not given back; other hosts will take them");
        }
        self.app.store.close().await;
    }
}
