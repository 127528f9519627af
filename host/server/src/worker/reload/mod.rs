//! Hot reload: keeps what is live equal to what is desired.
//!
//! The desired set (versions, grants) is in the store, bytes are in the blob store; the plugins folder is
//! a way to publish into both. One task does everything that changes the catalogue, so nothing races:
//! it looks through the folder ([`scan`]), decides what follows from the store ([`decide`]) and carries
//! that out ([`reconcile`]). Loading (hashing, compiling, the trial run) happens beside it, so that a
//! slow compilation never delays a revocation.
//!
//! It wakes for an order, for a hint of the file system, for a raised revision of the store (asked for
//! twice a second: that is how a grant given at the command line of another process arrives), and to
//! look through the folder every few seconds whatever the hints said.
//!
//! Any failure leaves the last good version serving: a candidate only takes over in the step that
//! publishes it, and where another host was faster, what serves here goes on until the new one is loaded
//! here too. A version whose bytes are on another host alone waits for them ([`whereabouts`]). A file that is
//! removed takes the plugin that was published through it away ([`publish`]); a file that turns bad does not.

mod carry_out;
pub mod decide;
pub mod files;
pub mod folder;
pub mod host;
mod idle;
pub mod publish;
mod reconcile;
mod scan;
pub mod whereabouts;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use futures_util::FutureExt;
use hardpoint_domain::time::Timestamp;
use hardpoint_runtime::Generation;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use self::decide::Loaded;
use self::files::{Files, SeenFile};
use self::folder::Folder;
pub use self::publish::new_plugin;
use self::reconcile::Published;
use self::whereabouts::{Lack, Unloaded};
use crate::state::{App, stopped};

/// How often the store's revision is asked for: a grant or a revocation is effective within this time.
const POLL: Duration = Duration::from_millis(500);

/// Hints of the file system come in bursts.
const BURST: Duration = Duration::from_millis(50);

/// Components that are loaded at once.
const LOADS: usize = 2;

/// How long a plugin that is loaded waits for others that are being loaded, to be published together.
const GATHER: Duration = Duration::from_millis(100);

/// Which failures are forgotten and tried again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Retry {
    /// None: what failed stays failed until it changes.
    None,
    /// Those of one plugin.
    Plugin(String),
    /// All.
    All,
}

struct Order {
    retry: Retry,
    done: Option<oneshot::Sender<()>>,
}

/// What the keeper knows beyond the store.
#[derive(Clone, Debug, Default)]
pub struct Status {
    /// Whether the first pass is over: what was desired at the start is live, or failed.
    pub ready: bool,
    /// The folder's files, by name.
    pub files: BTreeMap<String, SeenFile>,
    /// The file and digest that speak for each plugin, as far as they were published.
    pub winners: BTreeMap<String, (String, String)>,
    /// Why a file's version could not be published, by the file's name.
    pub unpublished: BTreeMap<String, String>,
    /// Digests that are being loaded.
    pub loading: BTreeSet<String>,
    /// Why a digest could not be loaded by this process, or is not (yet).
    pub failed: BTreeMap<String, String>,
    /// Why the folder cannot be looked through.
    pub folder_error: Option<String>,
}

/// A handle on the keeper; clones share it.
#[derive(Clone)]
pub struct Reload {
    orders: mpsc::UnboundedSender<Order>,
    status: Arc<RwLock<Arc<Status>>>,
}

impl Reload {
    /// A handle, and what `start` needs to begin.
    pub fn new() -> (Self, Orders) {
        let (orders, received) = mpsc::unbounded_channel();
        (Self { orders, status: Arc::default() }, Orders(received))
    }

    /// Asks for a look through folder and store, without waiting for it.
    pub fn ring(&self) {
        // A keeper that has ended has no more to do.
        let _ = self.orders.send(Order { retry: Retry::None, done: None });
    }

    /// Asks for a look through folder and store, and waits until what follows from it is live, at most
    /// for `limit`. Says whether it is.
    pub async fn settle(&self, retry: Retry, limit: Duration) -> bool {
        let (done, settled) = oneshot::channel();
        let sent = self.orders.send(Order { retry, done: Some(done) }).is_ok();
        sent && matches!(tokio::time::timeout(limit, settled).await, Ok(Ok(())))
    }

    /// What the keeper knew last.
    pub fn status(&self) -> Arc<Status> {
        self.status.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn publish(&self, status: Status) {
        *self.status.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(status);
    }
}

/// The keeper's end of a [`Reload`].
pub struct Orders(mpsc::UnboundedReceiver<Order>);

/// Runs the keeper of the host with this id until `stop` turns true. Should it ever panic, what serves goes on, and the server
/// says that it is not ready any more.
pub async fn run(app: Arc<App>, folder: Folder, host: String, orders: Orders, stop: watch::Receiver<bool>) {
    let keeper = Keeper::new(app.clone(), folder, host);
    let keeping = AssertUnwindSafe(keep(keeper, orders, stop));
    if keeping.catch_unwind().await.is_err() {
        tracing::error!("the plugins' keeper panicked: no plugin changes until the server is started anew");
        app.reload.publish(Status { ready: false, ..(*app.reload.status()).clone() });
    }
}

async fn keep(mut keeper: Keeper, mut orders: Orders, mut stop: watch::Receiver<bool>) {
    let (hint, mut hints) = mpsc::channel::<()>(1);
    let _watcher = watch_folder(&keeper.folder, hint);
    let ticks = |period| {
        let mut ticks = interval(period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks
    };
    let (mut scans, mut polls) = (ticks(keeper.app.config.plugins.scan_interval.0), ticks(POLL));
    let mut waiting = Vec::new();
    // Nothing is ready before the folder was looked through once.
    keeper.pass(true, &mut waiting).await;
    loop {
        let mut look = false;
        tokio::select! {
            order = orders.0.recv() => {
                let Some(order) = order else { return };
                keeper.forget_failures(order.retry);
                waiting.extend(order.done);
                look = true;
            }
            Some(()) = hints.recv() => {
                tokio::time::sleep(BURST).await;
                look = true;
            }
            _ = scans.tick() => look = true,
            _ = polls.tick() => {
                if keeper.dirty || keeper.files.is_unsettled() {
                    look = true;
                } else if !keeper.is_stale().await && !keeper.note_arrivals().await {
                    continue;
                }
            }
            Some(loaded) = keeper.loads.join_next(), if !keeper.loads.is_empty() => {
                keeper.note_load(loaded);
                keeper.gather_loads().await;
            }
            _ = stopped(&mut stop) => return,
        }
        keeper.pass(look, &mut waiting).await;
    }
}

/// A watcher, where the system has one: without it, looking every few seconds does as well.
fn watch_folder(folder: &Folder, hint: mpsc::Sender<()>) -> Option<notify::RecommendedWatcher> {
    use notify::Watcher;
    let heard = move |event: notify::Result<notify::Event>| {
        // Reading the folder is an event too; answering it would never end.
        if event.is_ok_and(|event| !event.kind.is_access()) {
            // A hint that waits already stands for this one as well.
            let _ = hint.try_send(());
        }
    };
    let watcher = notify::recommended_watcher(heard).and_then(|mut watcher| {
        watcher.watch(folder.path(), notify::RecursiveMode::NonRecursive)?;
        Ok(watcher)
    });
    match watcher {
        Ok(watcher) => Some(watcher),
        Err(error) => {
            tracing::warn!(%error, "the plugins folder is not watched, only looked through every few seconds");
            None
        }
    }
}

/// The one task that changes the catalogue.
struct Keeper {
    app: Arc<App>,
    folder: Folder,
    files: Files,
    /// This host's id.
    host: String,
    /// Whether what an earlier process noted of the folder was taken up.
    is_recalled: bool,
    /// The file and digest that speak for each plugin, as far as that was carried out in the store.
    winners: BTreeMap<String, (String, String)>,
    /// Names of files whose bytes were written once more.
    rewritten: BTreeSet<String>,
    /// Names of files of which something else is to be noted for later processes.
    unnoted: BTreeSet<String>,
    /// When what is noted was last renewed.
    renewed: Option<Timestamp>,
    /// Why a file's version could not be published, by the file's name.
    unpublished: BTreeMap<String, String>,
    /// What is to be tried again, and is not yet written down in the store.
    retries: Vec<Retry>,
    loaded: HashMap<String, Loaded>,
    loads: JoinSet<(String, Result<Arc<Generation>, Unloaded>)>,
    places: Arc<Semaphore>,
    /// What was published last.
    published: Option<Published>,
    /// Digests of active versions that do not serve, as it was told.
    idle: BTreeSet<String>,
    /// The store's revision when it was last read.
    revision: Option<i64>,
    /// Whether something failed that another attempt may mend.
    dirty: bool,
    ready: bool,
    folder_error: Option<String>,
}

impl Keeper {
    fn new(app: Arc<App>, folder: Folder, host: String) -> Self {
        let files = Files::new(app.config.plugins.settle.0);
        Self {
            app,
            folder,
            files,
            host,
            is_recalled: false,
            winners: BTreeMap::new(),
            rewritten: BTreeSet::new(),
            unnoted: BTreeSet::new(),
            renewed: None,
            unpublished: BTreeMap::new(),
            retries: Vec::new(),
            loaded: HashMap::new(),
            loads: JoinSet::new(),
            places: Arc::new(Semaphore::new(LOADS)),
            published: None,
            idle: BTreeSet::new(),
            revision: None,
            dirty: false,
            ready: false,
            folder_error: None,
        }
    }

    /// Looks, if it is to look, and makes live what follows; tells whoever waits once there is no more to come.
    async fn pass(&mut self, look: bool, waiting: &mut Vec<oneshot::Sender<()>>) {
        self.dirty = false;
        if look {
            self.scan().await;
        }
        self.retry_versions().await;
        self.note_arrivals().await;
        self.reconcile().await;
        let is_settled = self.loads.is_empty() && !self.dirty;
        if is_settled && !self.ready {
            self.ready = true;
            self.forget_compiled().await;
        }
        self.report();
        if is_settled {
            for done in waiting.drain(..) {
                // Who waited may have lost patience.
                let _ = done.send(());
            }
        }
    }

    /// Takes what else is loaded by now or soon. A pass looks at every plugin: one for each of a thousand that
    /// are loaded at a start would be a million looks.
    async fn gather_loads(&mut self) {
        let mut enough = std::pin::pin!(tokio::time::sleep(GATHER));
        while !self.loads.is_empty() {
            tokio::select! {
                Some(loaded) = self.loads.join_next() => self.note_load(loaded),
                () = &mut enough => return,
            }
        }
    }

    /// Removes the compiled code of versions that nobody wants any more.
    async fn forget_compiled(&self) {
        let (runtime, wanted) = (self.app.runtime.clone(), self.loaded.keys().cloned().collect());
        let forgotten = tokio::task::spawn_blocking(move || runtime.forget_compiled(&wanted)).await;
        if let Ok(Err(error)) = forgotten {
            tracing::warn!(%error, "compiled code of old versions stays");
        }
    }

    fn report(&self) {
        let loading = |loaded: &(&String, &Loaded)| matches!(loaded.1, Loaded::NotYet);
        let failed = self.loaded.iter().filter_map(|(digest, loaded)| match loaded {
            Loaded::Failed(reason) | Loaded::Missing(Lack { reason, .. }) => {
                Some((digest.clone(), reason.clone()))
            }
            _ => None,
        });
        self.app.reload.publish(Status {
            ready: self.ready,
            files: self.files.iter().map(|(name, file)| (name.clone(), file.clone())).collect(),
            winners: self.winners.clone(),
            unpublished: self.unpublished.clone(),
            loading: self.loaded.iter().filter(loading).map(|(digest, _)| digest.clone()).collect(),
            failed: failed.collect(),
            folder_error: self.folder_error.clone(),
        });
    }
}
