//! A runtime with a clock that stands still, and a store in memory.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use hardpoint_domain::grant::Permissions;
use hardpoint_domain::limits::Limits;
use hardpoint_domain::manifest;
use hardpoint_domain::message::{CompletionRequest, ContentPart, Message, Role};
use hardpoint_domain::time::{Clock, Rng, Timestamp};
use hardpoint_runtime::{
    Binding, BindingSpec, CallContext, CompilerCommand, Generation, HostServices, KvBackend, KvError,
    KvSpace, Runtime, RuntimeConfig,
};
use serde_json::Value;

pub struct TestRuntime {
    pub runtime: Runtime,
    pub kv: Arc<MemoryKv>,
}

/// A cache of compiled guests for all tests of this process, so that each guest is compiled once.
fn cache() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("guests")
}

impl TestRuntime {
    pub fn start() -> Self {
        Self::with(|_| {})
    }

    pub fn with(change: impl FnOnce(&mut RuntimeConfig)) -> Self {
        let compiler =
            CompilerCommand { program: env!("CARGO_BIN_EXE_compile-component").into(), args: Vec::new() };
        let mut config = RuntimeConfig::new(cache(), compiler);
        config.sandboxes = 64;
        change(&mut config);
        let kv = Arc::new(MemoryKv::default());
        let services =
            HostServices { clock: Arc::new(Still), rng: Arc::new(Counting::default()), kv: kv.clone() };
        Self { runtime: Runtime::new(config, services).unwrap(), kv }
    }

    /// Loads a fixture as it was packed.
    pub async fn load(&self, name: &str) -> Arc<Generation> {
        self.runtime.load(fixture(name)).await.unwrap()
    }

    /// Loads a fixture and binds it alone, with these permissions, under its own name.
    pub async fn bind(&self, name: &str, permissions: Permissions) -> Arc<Binding> {
        let generation = self.load(name).await;
        let spec = spec(&generation, permissions);
        self.runtime.publish(vec![generation], vec![spec]);
        Arc::clone(self.runtime.snapshot().binding(name).unwrap())
    }
}

/// A binding named after its plugin, with the limits that its manifest asks for.
pub fn spec(generation: &Generation, permissions: Permissions) -> BindingSpec {
    let manifest = generation.manifest();
    let limits = Limits::resolve(manifest.kind, &manifest.limits, &Limits::default_ceiling(manifest.kind));
    BindingSpec {
        name: manifest.id.clone(),
        plugin: manifest.id.clone(),
        settings: serde_json::json!({}),
        permissions,
        secrets: BTreeMap::new(),
        limits,
        declared: None,
    }
}

/// The bytes of a packed guest.
pub fn fixture(name: &str) -> Bytes {
    let folder = std::env::var_os("HARDPOINT_FIXTURES").map(PathBuf::from);
    let folder =
        folder.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target/fixtures"));
    let path = folder.join(format!("{name}.wasm"));
    let bytes = std::fs::read(&path);
    bytes
        .unwrap_or_else(|error| panic!("{}: {error}; run `cargo xtask plugins --fixtures`", path.display()))
        .into()
}

/// A packed guest with another manifest.
pub fn repacked(name: &str, manifest_toml: &str) -> Bytes {
    manifest::embed(&manifest::strip(&fixture(name)), manifest_toml).into()
}

pub fn context() -> CallContext {
    context_of("org_a")
}

pub fn context_of(organization: &str) -> CallContext {
    CallContext { request_id: "req_test".into(), organization: organization.into() }
}

/// Calls a tool and reads its answer as JSON.
pub async fn call(binding: &Arc<Binding>, arguments: Value) -> Value {
    let answer = binding.call_tool(context(), &arguments.to_string()).await.unwrap();
    serde_json::from_str(&answer).unwrap()
}

pub fn request(text: &str) -> CompletionRequest {
    let message = Message {
        role: Role::User,
        content: vec![ContentPart::Text(text.into())],
        name: None,
        tool_calls: Vec::new(),
        tool_call_id: None,
        reasoning: None,
        refusal: None,
    };
    CompletionRequest {
        model: "test".into(),
        messages: vec![message],
        tools: Vec::new(),
        tool_choice: None,
        parallel_tool_calls: None,
        response_format: None,
        streamed: true,
        include_usage: false,
        max_tokens: None,
        temperature: None,
        top_p: None,
        frequency_penalty: None,
        presence_penalty: None,
        stop: Vec::new(),
        seed: None,
        user: None,
        extra: serde_json::Map::new(),
    }
}

/// Whether a test has this process to itself. Where it has not it is run in another, and has passed there:
/// what a process holds is of all tests that run in it.
pub fn is_alone(test: &str) -> bool {
    const VARIABLE: &str = "HARDPOINT_TEST_ALONE";
    if std::env::var_os(VARIABLE).is_some() {
        return true;
    }
    let mut alone = std::process::Command::new(std::env::current_exe().unwrap());
    let output = alone.args(["--exact", test]).env(VARIABLE, "1").output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
    false
}

/// Resident memory of this process in bytes.
pub fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() << 10
}

struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(1_700_000_000_000_000)
    }
}

#[derive(Default)]
struct Counting(std::sync::atomic::AtomicU64);

impl Rng for Counting {
    fn fill(&self, bytes: &mut [u8]) {
        let count = self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed).to_be_bytes();
        for (place, byte) in bytes.iter_mut().rev().enumerate() {
            *byte = count.get(7_usize.wrapping_sub(place)).copied().unwrap_or(0);
        }
    }
}

/// A store in memory; it keeps whole namespaces apart as the real one does.
#[derive(Default)]
pub struct MemoryKv(pub Mutex<BTreeMap<(String, String, String), Vec<u8>>>);

fn place(space: KvSpace<'_>, key: &str) -> (String, String, String) {
    (space.binding.into(), space.organization.into(), key.into())
}

impl KvBackend for MemoryKv {
    fn get<'a>(
        &'a self,
        space: KvSpace<'a>,
        key: &'a str,
    ) -> BoxFuture<'a, Result<Option<Vec<u8>>, KvError>> {
        Box::pin(async move { Ok(self.0.lock().unwrap().get(&place(space, key)).cloned()) })
    }

    fn set<'a>(
        &'a self,
        space: KvSpace<'a>,
        key: &'a str,
        value: Vec<u8>,
    ) -> BoxFuture<'a, Result<(), KvError>> {
        Box::pin(async move {
            self.0.lock().unwrap().insert(place(space, key), value);
            Ok(())
        })
    }

    fn delete<'a>(&'a self, space: KvSpace<'a>, key: &'a str) -> BoxFuture<'a, Result<(), KvError>> {
        Box::pin(async move {
            self.0.lock().unwrap().remove(&place(space, key));
            Ok(())
        })
    }

    fn keys<'a>(
        &'a self,
        space: KvSpace<'a>,
        prefix: &'a str,
        _after: Option<&'a str>,
        _limit: u32,
    ) -> BoxFuture<'a, Result<Vec<String>, KvError>> {
        Box::pin(async move {
            let kept = self.0.lock().unwrap();
            let of_space = kept.keys().filter(|(binding, organization, key)| {
                binding == space.binding && organization == space.organization && key.starts_with(prefix)
            });
            Ok(of_space.map(|(_, _, key)| key.clone()).collect())
        })
    }
}
