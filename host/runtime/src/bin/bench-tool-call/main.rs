//! A tool call with 1 KiB of arguments: in a fresh sandbox with every limit on, in a warm one, and the
//! same work natively. Prints CPU time a call, since wall time on a shared machine says little.
//! A binary and no bench target: those bring the test dependencies' features, and with them a second
//! build of wasmtime. Needs `HARDPOINT_FIXTURES`; `cargo xtask bench spine` sets it.

#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use hardpoint_domain::grant::Permissions;
use hardpoint_domain::limits::Limits;
use hardpoint_domain::manifest;
use hardpoint_domain::time::{Clock, Rng, Timestamp};
use hardpoint_runtime::{
    Binding, BindingSpec, CallContext, CompilerCommand, HostServices, KvBackend, KvError, KvSpace, Runtime,
    RuntimeConfig,
};

const CALLS: u32 = 20_000;

struct Fixed;

impl Clock for Fixed {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(1_700_000_000_000_000)
    }
}

impl Rng for Fixed {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(7);
    }
}

/// The guest under measurement asks for no store.
struct NoKv;

impl KvBackend for NoKv {
    fn get<'a>(&'a self, _: KvSpace<'a>, _: &'a str) -> BoxFuture<'a, Result<Option<Vec<u8>>, KvError>> {
        Box::pin(async { Ok(None) })
    }
    fn set<'a>(&'a self, _: KvSpace<'a>, _: &'a str, _: Vec<u8>) -> BoxFuture<'a, Result<(), KvError>> {
        Box::pin(async { Ok(()) })
    }
    fn delete<'a>(&'a self, _: KvSpace<'a>, _: &'a str) -> BoxFuture<'a, Result<(), KvError>> {
        Box::pin(async { Ok(()) })
    }
    fn keys<'a>(
        &'a self,
        _: KvSpace<'a>,
        _: &'a str,
        _: Option<&'a str>,
        _: u32,
    ) -> BoxFuture<'a, Result<Vec<String>, KvError>> {
        Box::pin(async { Ok(Vec::new()) })
    }
}

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(measure());
}

async fn measure() {
    let cache = std::env::temp_dir().join(format!("hardpoint-bench-{}", std::process::id()));
    let compiler = CompilerCommand { program: beside_this_program("compile-component"), args: Vec::new() };
    let services = HostServices { clock: Arc::new(Fixed), rng: Arc::new(Fixed), kv: Arc::new(NoKv) };
    let host = Runtime::new(RuntimeConfig::new(cache.clone(), compiler), services).unwrap();
    let fresh = bind(&host, "fresh").await;
    let arguments = format!(r#"{{"text":"{}"}}"#, "x".repeat(1_011));
    assert_eq!(arguments.len(), 1_024 - 2);

    let in_fresh = cpu_per_call(CALLS, || call(&fresh, &arguments)).await;
    let warm = bind(&host, "warm").await;
    let in_warm = cpu_per_call(CALLS, || call(&warm, &arguments)).await;
    let native = cpu_per_call(CALLS, || async { std::hint::black_box(arguments.clone()) }).await;

    cap_std::fs::Dir::open_ambient_dir(&cache, cap_std::ambient_authority())
        .unwrap()
        .remove_open_dir_all()
        .unwrap();
    println!("\ntool call, 1 KiB, every limit on   CPU a call");
    println!("fresh sandbox                      {:>8.2} µs", in_fresh * 1e6);
    println!("warm sandbox                       {:>8.2} µs", in_warm * 1e6);
    println!("native                             {:>8.2} µs", native * 1e6);
}

async fn call(binding: &Arc<Binding>, arguments: &str) -> String {
    let context = CallContext { request_id: "req_bench".into(), organization: "org_bench".into() };
    binding.call_tool(context, arguments).await.unwrap()
}

/// Publishes the echo tool, fresh or warm.
async fn bind(host: &Runtime, instance: &str) -> Arc<Binding> {
    let component = std::fs::read(echo()).expect("build the guests first: `cargo xtask plugins --fixtures`");
    let packed = manifest::strip(&component);
    let text = format!(
        "id = \"echo\"\nversion = \"1.0.0\"\nkind = \"tool\"\ndescription = \"Echo\"\ninstance = \"{instance}\"\n"
    );
    let generation = host.load(manifest::embed(&packed, &text).into()).await.unwrap();
    let kind = generation.manifest().kind;
    let spec = BindingSpec {
        name: "echo".into(),
        plugin: "echo".into(),
        settings: serde_json::json!({}),
        permissions: Permissions::default(),
        secrets: BTreeMap::new(),
        limits: Limits::defaults(kind),
        declared: None,
    };
    host.publish(vec![generation], vec![spec]);
    Arc::clone(host.snapshot().binding("echo").unwrap())
}

fn echo() -> PathBuf {
    PathBuf::from(std::env::var_os("HARDPOINT_FIXTURES").expect("HARDPOINT_FIXTURES names no folder"))
        .join("echo.wasm")
}

fn beside_this_program(name: &str) -> PathBuf {
    std::env::current_exe().unwrap().with_file_name(name)
}

async fn cpu_per_call<F: Future<Output = String>>(calls: u32, mut call: impl FnMut() -> F) -> f64 {
    for _ in 0..calls / 10 {
        call().await;
    }
    let before = process_cpu();
    for _ in 0..calls {
        std::hint::black_box(call().await);
    }
    (process_cpu() - before).as_secs_f64() / f64::from(calls)
}

fn process_cpu() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(now.tv_sec.unsigned_abs(), now.tv_nsec.try_into().unwrap())
}
