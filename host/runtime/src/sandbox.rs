//! One sandbox: a store, an instance in it, and the meters around both. Dropping it is cancelling.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use hardpoint_domain::limits::Limits;
use tokio::time::Instant;
use wasmtime::component::ResourceTable;
use wasmtime::{Engine, Store, WasmBacktrace};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use crate::binding::Binding;
use crate::bindings::{
    exporter::ExporterPlugin, model::ModelPlugin, retriever::RetrieverPlugin, tool::ToolPlugin,
};
use crate::breaker::Trial;
use crate::capability::scratch::Scratch;
use crate::error::{Fault, FaultContext};
use crate::generation::{Generation, Guest};
use crate::knowledge::KnowledgeCall;
use crate::limiter::MemoryLimiter;
use crate::log::{CallLog, LogLevel};
use crate::meter::{CallTime, CpuMeter, metered};
use crate::permits::Permit;
use crate::secret::SecretSet;
use crate::wasi;

/// How long one `advance` of a state machine may take. It does no I/O, so it has nothing to wait for.
const ADVANCE_WALL: Duration = Duration::from_secs(10);

/// On whose behalf a plugin is called, and in which request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallContext {
    /// `req_…`
    pub request_id: String,
    /// `org_…`
    pub organization: String,
}

/// What a call knows of itself; host functions read it.
pub(crate) struct CallState {
    pub(crate) binding: Arc<Binding>,
    pub(crate) context: CallContext,
    /// What this call may use.
    pub(crate) limits: Limits,
    /// The binding's secrets, and those that came with this call.
    pub(crate) secrets: Arc<SecretSet>,
    pub(crate) limiter: MemoryLimiter,
    pub(crate) log: Arc<CallLog>,
    pub(crate) http_left: u32,
    pub(crate) scratch: Option<Scratch>,
    /// Of a retriever's call: what it is for.
    pub(crate) knowledge: Option<KnowledgeCall>,
    /// Where the breaker let this call through to see.
    pub(crate) trial: Option<Trial>,
    /// Made when the guest first asks for anything of WASI: most guests in Rust never do.
    wasi: Option<WasiCtx>,
    table: ResourceTable,
}

impl CallState {
    pub(crate) fn new(binding: Arc<Binding>, context: CallContext, secrets: Arc<SecretSet>) -> Self {
        Self::within(binding.limits.clone(), binding, context, secrets)
    }

    /// A call within other limits than its binding's.
    pub(crate) fn within(
        limits: Limits,
        binding: Arc<Binding>,
        context: CallContext,
        secrets: Arc<SecretSet>,
    ) -> Self {
        let log = CallLog::new(
            Arc::clone(&binding.generation),
            context.request_id.clone(),
            Arc::clone(&secrets),
            limits.log,
        );
        Self {
            limiter: MemoryLimiter::new(limits.memory),
            log: Arc::new(log),
            http_left: limits.http_calls,
            limits,
            scratch: None,
            knowledge: None,
            trial: None,
            wasi: None,
            table: handles(),
            binding,
            context,
            secrets,
        }
    }
}

impl WasiView for CallState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let wasi = self.wasi.take().unwrap_or_else(|| wasi::context(self));
        WasiCtxView { ctx: self.wasi.insert(wasi), table: &mut self.table }
    }
}

/// An instance of one of the kinds.
pub(crate) enum Instance {
    Model(ModelPlugin),
    Exporter(ExporterPlugin),
    Tool(ToolPlugin),
    Retriever(RetrieverPlugin),
}

/// Runs guest code within its time.
pub(crate) struct Stopwatch {
    meter: CpuMeter,
    time: CallTime,
}

impl Stopwatch {
    pub(crate) async fn run<F: Future>(&mut self, guest: F) -> Result<F::Output, Fault> {
        metered(guest, &mut self.meter, self.time).await
    }
}

/// A store with an instance.
pub(crate) struct Sandbox {
    store: Store<CallState>,
    instance: Instance,
    stopwatch: Stopwatch,
    /// When this call began.
    since: Instant,
    generation: Arc<Generation>,
    /// None while the sandbox waits in a warm pool.
    permit: Option<Permit>,
    /// One of the places that the engine's pool has; warm sandboxes keep theirs.
    _place: Permit,
}

impl Sandbox {
    /// Instantiates the state's binding.
    pub(crate) async fn open(
        engine: &Engine,
        state: CallState,
        permit: Option<Permit>,
    ) -> Result<Self, Fault> {
        let generation = Arc::clone(&state.binding.generation);
        let limits = state.limits.clone();
        let mut store = Store::new(engine, state);
        store.limiter(|state| &mut state.limiter);
        store.set_epoch_deadline(1);
        store.epoch_deadline_async_yield_and_update(1);
        store.set_hostcall_fuel(usize::try_from(limits.output).unwrap_or(usize::MAX));
        let since = Instant::now();
        let mut stopwatch = Stopwatch { meter: CpuMeter::default(), time: call_time(&limits) };
        let organization = &store.data().context.organization;
        let place = generation.host.places.acquire(organization).await;
        let place = place.map_err(|_| Fault::Host("every place for a sandbox is taken".into()))?;
        let started = stopwatch.run(instantiate(&generation.guest, &mut store)).await;
        let instance = match started {
            Ok(Ok(instance)) => instance,
            Ok(Err(error)) => return Err(name_fault(&store, &error)),
            Err(fault) => return Err(fault),
        };
        store.data_mut().limiter.begin();
        generation.live.fetch_add(1, Relaxed);
        Ok(Self { store, instance, stopwatch, since, generation, permit, _place: place })
    }

    /// The pieces that a call into the guest needs, borrowed apart.
    pub(crate) fn parts(&mut self) -> (&mut Store<CallState>, &Instance, &mut Stopwatch) {
        (&mut self.store, &self.instance, &mut self.stopwatch)
    }

    /// Names what a call into the guest failed with.
    pub(crate) fn settle<T>(&self, outcome: Result<wasmtime::Result<T>, Fault>) -> Result<T, Fault> {
        outcome?.map_err(|error| name_fault(&self.store, &error))
    }

    /// Completes with a fault when the scratch folder holds more than it may; none without one.
    pub(crate) fn scratch_overflow(&self) -> Result<Option<impl Future<Output = Fault> + use<>>, Fault> {
        let Some(scratch) = &self.store.data().scratch else { return Ok(None) };
        let (root, name, path) =
            scratch.watched().map_err(|error| Fault::Host(format!("scratch folder: {error}")))?;
        Ok(Some(Scratch::overflow(root, name, path)))
    }

    pub(crate) fn state(&self) -> &CallState {
        self.store.data()
    }

    /// Takes what a retriever's call was for, once its guest is done.
    pub(crate) fn take_knowledge(&mut self) -> Option<KnowledgeCall> {
        self.store.data_mut().knowledge.take()
    }

    pub(crate) fn binding(&self) -> &Arc<Binding> {
        &self.store.data().binding
    }

    /// Makes a sandbox from a warm pool ready for its next call.
    pub(crate) fn renew(
        &mut self,
        context: CallContext,
        secrets: Arc<SecretSet>,
        permit: Permit,
        trial: Option<Trial>,
    ) {
        let state = self.store.data_mut();
        state.log = Arc::new(CallLog::new(
            Arc::clone(&self.generation),
            context.request_id.clone(),
            Arc::clone(&secrets),
            state.limits.log,
        ));
        state.wasi = None;
        state.http_left = state.limits.http_calls;
        state.context = context;
        state.trial = trial;
        state.secrets = secrets;
        self.stopwatch.meter = CpuMeter::default();
        self.since = Instant::now();
        self.store.set_epoch_deadline(1);
        self.permit = Some(permit);
    }

    /// Accounts for the call and gives its place back, before the sandbox waits in a warm pool.
    pub(crate) fn rest(&mut self) {
        self.account();
        self.permit = None;
        self.store.data_mut().trial = None;
    }

    fn account(&self) {
        let (cpu, wall) = (self.stopwatch.meter.total, self.since.elapsed());
        self.generation.shared.stats.called(cpu, wall, self.store.data().limiter.used());
        let dropped = self.store.data().log.dropped();
        if dropped > 0 {
            tracing::debug!(plugin = %self.generation.manifest().id, dropped, "log lines over the call's budget");
        }
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        if self.permit.is_some() {
            self.account();
        }
        self.generation.live.fetch_sub(1, Relaxed);
    }
}

/// What a guest may hold of the host at once: files and streams cost descriptors.
fn handles() -> ResourceTable {
    let mut table = ResourceTable::new();
    table.set_max_capacity(1_000);
    table
}

async fn instantiate(guest: &Guest, store: &mut Store<CallState>) -> wasmtime::Result<Instance> {
    Ok(match guest {
        Guest::Model(pre) => Instance::Model(pre.instantiate_async(store).await?),
        Guest::Exporter(pre) => Instance::Exporter(pre.instantiate_async(store).await?),
        Guest::Tool(pre) => Instance::Tool(pre.instantiate_async(store).await?),
        Guest::Retriever(pre) => Instance::Retriever(pre.instantiate_async(store).await?),
    })
}

fn call_time(limits: &Limits) -> CallTime {
    CallTime { cpu: limits.cpu, exchange_cpu: limits.exchange_cpu, wall: limits.wall.unwrap_or(ADVANCE_WALL) }
}

fn name_fault(store: &Store<CallState>, error: &wasmtime::Error) -> Fault {
    let state = store.data();
    if let Some(backtrace) = error.downcast_ref::<WasmBacktrace>() {
        for (depth, frame) in backtrace.frames().iter().enumerate() {
            // Where the component has names; a stripped one has numbers.
            let name = frame.func_name().map_or_else(
                || format!("function {}", frame.func_index()),
                |name| rustc_demangle::demangle(name).to_string(),
            );
            state.log.write(LogLevel::Error, &format!("  {depth}: {name}"));
        }
    }
    let context = FaultContext { refused_memory: state.limiter.refused(), output: state.limits.output };
    Fault::from_wasmtime(error, context)
}
