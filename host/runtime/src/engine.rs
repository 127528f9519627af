//! One wasmtime engine for the whole process, and the thread that ticks its epoch.

use std::time::Duration;

use wasmtime::{
    Config, Enabled, Engine, EngineWeak, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig,
    WasmBacktraceDetails,
};

use crate::config::RuntimeConfig;
use crate::error::RuntimeError;

/// How often a running guest yields, so that its time is looked at and others get theirs.
const TICK: Duration = Duration::from_millis(2);
/// Wasm stack of a guest.
const WASM_STACK: usize = 512 << 10;
/// What one component may consist of; a Python guest links some thirty modules around one memory.
const CORE_INSTANCES: u32 = 64;
const MEMORIES: u32 = 2;
const TABLES: u32 = 4;
/// Fiber stack: the guest's and what host functions need above it.
const FIBER_STACK: usize = 1 << 20;

/// What decides the compiled code; the compiling child and the host must agree on it.
fn code_config() -> Config {
    let mut config = Config::new();
    config
        .wasm_component_model(true)
        .concurrency_support(false)
        .epoch_interruption(true)
        .cranelift_opt_level(OptLevel::Speed)
        .wasm_backtrace_details(WasmBacktraceDetails::Disable)
        .max_wasm_stack(WASM_STACK)
        .async_stack_size(FIBER_STACK);
    config
}

/// An engine that only compiles.
pub(crate) fn compiling_engine() -> wasmtime::Result<Engine> {
    Engine::new(&code_config())
}

/// The engine that runs guests, its memory pooled.
pub(crate) fn running_engine(config: &RuntimeConfig) -> Result<Engine, RuntimeError> {
    let sandboxes = config.sandboxes.max(1);
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(sandboxes)
        // No component can take what another was promised: each has its share of everything.
        .total_core_instances(sandboxes.saturating_mul(CORE_INSTANCES))
        .total_memories(sandboxes.saturating_mul(MEMORIES))
        .total_tables(sandboxes.saturating_mul(TABLES))
        .total_stacks(sandboxes)
        .max_core_instances_per_component(CORE_INSTANCES)
        .max_memories_per_component(MEMORIES)
        .max_tables_per_component(TABLES)
        .table_elements(100_000)
        .max_memory_size(usize::try_from(config.sandbox_memory).unwrap_or(usize::MAX))
        .max_core_instance_size(2 << 20)
        .max_component_instance_size(2 << 20)
        // Plugins that were only tried out leave what a slot keeps resident behind.
        .max_unused_warm_slots(32)
        .linear_memory_keep_resident(config.resident_per_slot)
        .table_keep_resident(64 << 10)
        .async_stack_keep_resident(64 << 10)
        .pagemap_scan(Enabled::Auto);
    let mut code = code_config();
    code.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    Engine::new(&code).map_err(|error| RuntimeError::Engine(format!("{error:#}")))
}

/// Ticks the engine's epoch until the engine is gone. An OS thread, so that guests which keep every
/// worker of the async runtime busy are interrupted all the same.
pub(crate) fn tick(engine: &Engine) -> Result<(), RuntimeError> {
    let engine: EngineWeak = engine.weak();
    let ticker = move || {
        while let Some(engine) = engine.upgrade() {
            engine.increment_epoch();
            drop(engine);
            std::thread::sleep(TICK);
        }
    };
    std::thread::Builder::new()
        .name("epoch".into())
        .spawn(ticker)
        .map(drop)
        .map_err(|error| RuntimeError::Engine(format!("the epoch thread cannot start: {error}")))
}
