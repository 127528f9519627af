//! The runtime as the server sees it: load a component, publish a catalogue, take a snapshot of it.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, Weak};

use arc_swap::ArcSwap;
use bytes::Bytes;
use hardpoint_domain::reach::Reach;
use tokio::sync::watch;
use tokio::time::sleep;
use wasmtime::Engine;

use crate::binding::{Binding, BindingSpec};
use crate::catalogue::Catalogue;
use crate::compile::{self, Compiler};
use crate::component::{self, Inspection};
use crate::config::{HostServices, RuntimeConfig};
use crate::door::{Door, Opening};
use crate::egress::Egress;
use crate::engine;
use crate::error::{LoadError, RuntimeError};
use crate::generation::{Generation, Retirement, Shared};
use crate::linker::Linkers;
use crate::permits::Permits;
use crate::smoke;
use crate::workplace::Workplace;

/// Generations of one plugin that may drain at once; the oldest is stopped when there are more.
const DRAINING_GENERATIONS: usize = 8;

/// Loads plugins and keeps the catalogue. Cheap to clone.
#[derive(Clone)]
pub struct Runtime {
    inner: Arc<Inner>,
}

struct Inner {
    host: Arc<Host>,
    config: RuntimeConfig,
    linkers: Linkers,
    compiler: Compiler,
    catalogue: ArcSwap<Catalogue>,
    numbers: AtomicU64,
    /// By plugin id; outlives generations.
    shared: Mutex<HashMap<String, Arc<Shared>>>,
    draining: Mutex<Vec<Weak<Generation>>>,
}

/// What every generation needs of the host.
pub(crate) struct Host {
    pub(crate) engine: Engine,
    pub(crate) egress: Egress,
    pub(crate) services: HostServices,
    pub(crate) workplace: Arc<Workplace>,
    /// As many as the engine's pool has.
    pub(crate) places: Permits,
}

impl Runtime {
    /// Sets the engine, the cache and egress up.
    ///
    /// # Errors
    /// The engine refuses its configuration, or the cache folder cannot be used.
    pub fn new(config: RuntimeConfig, services: HostServices) -> Result<Self, RuntimeError> {
        let engine = engine::running_engine(&config)?;
        engine::tick(&engine)?;
        let linkers = Linkers::new(&engine).map_err(|error| RuntimeError::Engine(format!("{error:#}")))?;
        let workplace = Workplace::new(&config.cache_dir.join("work"))
            .map_err(|error| RuntimeError::cache(&config.cache_dir, &error))?;
        let workplace = Arc::new(workplace);
        let compiled = config.cache_dir.join("compiled");
        let compiler = Compiler::new(config.compiler.clone(), compiled, Arc::clone(&workplace), &engine)?;
        let egress =
            Egress::new(config.egress.clone()).map_err(|error| RuntimeError::Egress(error.to_string()))?;
        let host = Host {
            engine,
            egress,
            services,
            workplace,
            places: Permits::new(config.sandboxes.max(1), config.sandboxes_per_organization.max(1)),
        };
        let inner = Inner {
            host: Arc::new(host),
            config,
            linkers,
            compiler,
            catalogue: ArcSwap::default(),
            numbers: AtomicU64::new(0),
            shared: Mutex::default(),
            draining: Mutex::default(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Takes a component from its bytes to where it could serve: manifest, imports, compilation, trial
    /// run with everything denied. Nobody sees it before it is published.
    ///
    /// # Errors
    /// What is wrong with the component, and what to do about it.
    pub async fn load(&self, bytes: Bytes) -> Result<Arc<Generation>, LoadError> {
        let limit = self.inner.config.max_component_bytes;
        if bytes.len() as u64 > limit {
            return Err(LoadError::TooLarge { size: bytes.len() as u64, limit });
        }
        let inspection = inspect(bytes.clone()).await?;
        let host = &self.inner.host;
        let component = self.inner.compiler.component(&host.engine, &inspection.digest, &bytes).await?;
        let guest = self.inner.linkers.link(inspection.manifest.kind, &component)?;
        let generation = Arc::new(Generation {
            number: self.inner.numbers.fetch_add(1, Relaxed) + 1,
            shared: self.shared(&inspection.manifest.id),
            inspection,
            guest,
            host: Arc::clone(host),
            live: AtomicU32::new(0),
            retirement: watch::Sender::new(Retirement::Serving),
            term: AtomicU64::new(0),
        });
        smoke::test(&generation).await.map_err(|fault| LoadError::Smoke(fault.to_string()))?;
        // It may be long before anybody calls it.
        compile::release(&component);
        Ok(generation)
    }

    /// Removes compiled code from the cache, but for these digests. Blocks on the disk.
    ///
    /// # Errors
    /// The disk's. What is left is tried again the next time.
    pub fn forget_compiled(&self, but: &HashSet<String>) -> std::io::Result<()> {
        self.inner.compiler.forget(but)
    }

    /// A binding of a generation that nobody else sees, to ask it something before it is published. None
    /// where the specification is of another plugin.
    pub fn bind_aside(&self, generation: Arc<Generation>, spec: BindingSpec) -> Option<Arc<Binding>> {
        (generation.manifest().id == spec.plugin).then(|| Arc::new(Binding::aside(spec, generation)))
    }

    /// Makes exactly these generations and bindings live, in one step. What is no longer among them
    /// drains: calls for a while, streams for longer. Every plugin is open to all.
    pub fn publish(&self, generations: Vec<Arc<Generation>>, bindings: Vec<BindingSpec>) {
        self.publish_to(Vec::new(), generations, bindings);
    }

    /// The same, and says whom plugins are open to, those that do not serve at the moment among them. What is not
    /// named is open to all.
    pub fn publish_to(
        &self,
        openings: Vec<Opening>,
        generations: Vec<Arc<Generation>>,
        bindings: Vec<BindingSpec>,
    ) {
        let doors = self.set_doors(openings);
        let old = self.inner.catalogue.load_full();
        let next = Arc::new(old.succeed(generations, bindings).behind(doors));
        // Before anybody can see them: what is stopped once serves nobody.
        next.plugins().filter(|generation| generation.is_retired()).for_each(|back| self.recall(back));
        self.inner.catalogue.store(Arc::clone(&next));
        for binding in old.bindings() {
            let kept = next.binding(binding.name()).is_some_and(|new| Arc::ptr_eq(new, binding));
            if !kept {
                binding.cool();
            }
        }
        for generation in old.plugins() {
            let kept = next.plugin(&generation.manifest().id).is_some_and(|new| Arc::ptr_eq(new, generation));
            if !kept {
                self.retire(generation);
            }
        }
    }

    /// What is live now. Hold on to it for one request, not longer.
    pub fn snapshot(&self) -> Arc<Catalogue> {
        self.inner.catalogue.load_full()
    }

    /// Replaced generations of which a sandbox still exists or that something still refers to.
    pub fn draining(&self) -> Vec<Arc<Generation>> {
        let mut draining = self.lock_draining();
        draining.retain(|generation| generation.strong_count() > 0);
        draining.iter().filter_map(Weak::upgrade).collect()
    }

    /// The one way to the outside.
    pub fn egress(&self) -> &Egress {
        &self.inner.host.egress
    }

    /// The log and the counters of a plugin, over all its versions.
    pub fn shared(&self, plugin: &str) -> Arc<Shared> {
        let mut shared = self.inner.shared.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        Arc::clone(shared.entry(plugin.to_owned()).or_default())
    }

    /// Opens and closes plugins, effective at once, and gives the door that each name leads to.
    fn set_doors(&self, openings: Vec<Opening>) -> HashMap<String, Arc<Door>> {
        let named: HashSet<&str> = openings.iter().map(|opening| opening.plugin.as_str()).collect();
        let shared = self.inner.shared.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        for (_, others) in shared.iter().filter(|(plugin, _)| !named.contains(plugin.as_str())) {
            others.door.set(Reach::default());
        }
        drop(shared);
        let mut doors = HashMap::new();
        for Opening { plugin, reach, bindings } in openings {
            let door = Arc::clone(&self.shared(&plugin).door);
            door.set(reach);
            doors.extend(bindings.into_iter().map(|name| (name, Arc::clone(&door))));
        }
        doors
    }

    fn recall(&self, generation: &Arc<Generation>) {
        self.lock_draining().retain(|other| !std::ptr::eq(other.as_ptr(), Arc::as_ptr(generation)));
        generation.recall();
    }

    fn retire(&self, generation: &Arc<Generation>) {
        let term = generation.retire();
        let (calls, streams) = (self.inner.config.drain_calls, self.inner.config.drain_streams);
        let weak = Arc::downgrade(generation);
        {
            let mut draining = self.lock_draining();
            draining.retain(|generation| generation.strong_count() > 0);
            draining.push(Weak::clone(&weak));
            stop_the_oldest(&draining, &generation.manifest().id);
        }
        tokio::spawn(async move {
            let advance = |phase| weak.upgrade().map(|generation| generation.advance_retirement(term, phase));
            sleep(calls).await;
            if advance(Retirement::CallsOver).is_none() {
                return;
            }
            sleep(streams.saturating_sub(calls)).await;
            advance(Retirement::Over);
        });
    }

    fn lock_draining(&self) -> std::sync::MutexGuard<'_, Vec<Weak<Generation>>> {
        self.inner.draining.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// Hashing and parsing up to 64 MiB takes a while: not on the async workers.
async fn inspect(bytes: Bytes) -> Result<Inspection, LoadError> {
    tokio::task::spawn_blocking(move || component::inspect(&bytes))
        .await
        .unwrap_or_else(|error| Err(LoadError::NotAComponent(format!("reading it failed: {error}"))))
}

fn stop_the_oldest(draining: &[Weak<Generation>], plugin: &str) {
    let same: Vec<_> = draining
        .iter()
        .filter_map(Weak::upgrade)
        .filter(|generation| generation.manifest().id == plugin && generation.live() > 0)
        .collect();
    let excess = same.len().saturating_sub(DRAINING_GENERATIONS);
    for generation in same.iter().take(excess) {
        generation.advance_retirement(generation.term.load(Relaxed), Retirement::Over);
    }
}
