//! What is refused before it can serve, and why.

use std::collections::HashSet;
use std::path::Path;

use hardpoint_domain::grant::Permissions;
use hardpoint_domain::manifest::{Manifest, embed};
use hardpoint_runtime::{INTERFACE_VERSION, LoadError, inspect};
use serde_json::json;

use crate::support::{TestRuntime, call, fixture, repacked};

const TOOL: &str = "id = \"x\"\nversion = \"1.0.0\"\nkind = \"tool\"\ndescription = \"x\"\n";

async fn refusal(test: &TestRuntime, bytes: impl Into<bytes::Bytes>) -> LoadError {
    test.runtime.load(bytes.into()).await.expect_err("it was accepted")
}

#[tokio::test]
async fn bad_files_are_refused_for_what_they_are() {
    let test = TestRuntime::start();
    let good = fixture("echo");
    let core_module = b"\0asm\x01\0\0\0".to_vec();
    assert!(matches!(refusal(&test, "not wasm").await, LoadError::NotAComponent(_)));
    assert!(matches!(refusal(&test, "").await, LoadError::NotAComponent(_)));
    assert_eq!(refusal(&test, core_module).await, LoadError::CoreModule);
    let bare = hardpoint_domain::manifest::strip(&good);
    assert!(matches!(refusal(&test, bare).await, LoadError::Manifest(_)));
    assert!(matches!(refusal(&test, repacked("echo", "id = 1")).await, LoadError::Manifest(_)));
    let as_model = TOOL.replace("\"tool\"", "\"model\"");
    assert!(matches!(refusal(&test, repacked("echo", &as_model)).await, LoadError::WrongWorld(_)));
    // Whoever only looks at it is told as well.
    assert!(matches!(inspect(&repacked("echo", &as_model)), Err(LoadError::WrongWorld(_))));
    let twice = hardpoint_domain::manifest::embed(&good, TOOL);
    assert!(matches!(refusal(&test, twice).await, LoadError::Manifest(_)));
}

#[tokio::test]
async fn a_file_cut_anywhere_is_refused() {
    let good = fixture("echo");
    for cut in (0..good.len()).step_by(97) {
        inspect(&good[..cut]).expect_err("a piece of a component was accepted");
    }
}

#[tokio::test]
async fn a_manifest_that_lies_is_refused() {
    let test = TestRuntime::start();
    // `prober` imports http and kv; this manifest asks for neither.
    let refused = refusal(&test, repacked("prober", TOOL)).await;
    let LoadError::Imports(reason) = refused else { panic!("{refused}") };
    assert!(reason.contains("does not ask"), "{reason}");
    for (asks, import) in [("kv = true\n", "http"), ("[[http]]\nhost = \"example.com\"\n", "kv")] {
        let refused = refusal(&test, repacked("prober", &format!("{TOOL}{asks}"))).await;
        let words = format!("imports hardpoint:plugin/{import}@");
        assert!(matches!(&refused, LoadError::Imports(why) if why.contains(&words)), "{refused}");
    }
}

/// An index, an embedder and documents are for retrievers: others are refused that ask for them, and those that
/// import them without.
#[tokio::test]
async fn only_retrievers_are_offered_an_index_and_an_embedder() {
    let test = TestRuntime::start();
    for (key, interface) in [("index", "index"), ("embed", "embed"), ("index", "documents")] {
        for (kind, export) in [("tool", "tool"), ("model", "model-adapter"), ("exporter", "exporter")] {
            let manifest = TOOL.replace("\"tool\"", &format!("\"{kind}\""));
            let asking = Manifest::from_toml(&format!("{manifest}{key} = true\n")).unwrap_err();
            assert!(asking.to_string().contains("for retrievers only"), "{asking}");
            let bytes = embed(&importing(interface, export), &manifest);
            let refused = refusal(&test, bytes).await;
            assert!(matches!(&refused, LoadError::Imports(why) if why.contains("not offered")), "{refused}");
            // It is the import that is refused, and nothing else.
            assert!(inspect(&embed(&importing("log", export), &manifest)).is_ok());
        }
    }
    let retriever = TOOL.replace("tool", "retriever");
    for (interface, asks, is_offered) in [
        ("documents", "", true),
        ("index", "", true),
        ("embed", "", false),
        ("embed", "embed = true\n", true),
        ("http", "", false),
        ("kv", "", false),
    ] {
        let bytes = embed(&importing(interface, "retriever"), &format!("{retriever}{asks}"));
        let inspected = inspect(&bytes);
        assert_eq!(inspected.is_ok(), is_offered, "{interface} {asks}: {inspected:?}");
    }
}

/// A component that imports an interface, and exports the same as if it were another.
fn importing(interface: &str, export: &str) -> Vec<u8> {
    let name = |interface: &str| {
        let name = format!("hardpoint:plugin/{interface}@{INTERFACE_VERSION}");
        [&[0, u8::try_from(name.len()).unwrap()], name.as_bytes()].concat()
    };
    let section = |id: u8, content: &[u8]| [&[id, u8::try_from(content.len()).unwrap()], content].concat();
    let an_instance = section(7, &[1, 0x42, 0]);
    let import = section(10, &[&[1], name(interface).as_slice(), &[5, 0]].concat());
    let export = section(11, &[&[1], name(export).as_slice(), &[5, 0, 0]].concat());
    [b"\0asm\x0d\0\x01\0".as_slice(), &an_instance, &import, &export].concat()
}

#[tokio::test]
async fn a_file_that_is_too_large_is_refused() {
    let test = TestRuntime::with(|config| config.max_component_bytes = 1_000);
    assert!(matches!(refusal(&test, fixture("echo")).await, LoadError::TooLarge { limit: 1_000, .. }));
}

/// Two hosts on one folder, or a host and the command line, compile the same file at the same time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cache_is_shared() {
    let folder = tempfile::TempDir::new().unwrap();
    let hosts: Vec<_> =
        (0..4).map(|_| TestRuntime::with(|config| config.cache_dir = folder.path().to_owned())).collect();
    let lives = hosts.iter().map(|host| async {
        for _ in 0..5 {
            host.runtime.load(fixture("echo")).await.unwrap();
            // What one has no use for any more another may just have made.
            host.runtime.forget_compiled(&HashSet::new()).unwrap();
        }
    });
    futures_util::future::join_all(lives).await;
}

#[tokio::test]
async fn compiled_code_is_forgotten_but_for_what_is_wanted() {
    let folder = tempfile::TempDir::new().unwrap();
    let test = TestRuntime::with(|config| config.cache_dir = folder.path().to_owned());
    let wanted = test.load("echo").await.inspection().digest.clone();
    test.load("hostile").await;
    let files = || std::fs::read_dir(folder.path().join("compiled")).unwrap().count();
    assert_eq!(files(), 4);
    test.runtime.forget_compiled(&[wanted].into()).unwrap();
    assert_eq!(files(), 2);
    test.load("echo").await;
}

/// As a power cut may leave it. Loading it would end the process.
#[tokio::test]
async fn damaged_code_is_made_anew() {
    let folder = tempfile::TempDir::new().unwrap();
    let start = || TestRuntime::with(|config| config.cache_dir = folder.path().to_owned());
    start().runtime.load(fixture("echo")).await.unwrap();
    let compiled = std::fs::read_dir(folder.path().join("compiled")).unwrap();
    let code = compiled.map(|entry| entry.unwrap().path()).find(|path| path.extension().unwrap() == "cwasm");
    let code = code.unwrap();
    let whole = std::fs::read(&code).unwrap();
    let mut damaged = whole.clone();
    damaged[whole.len() / 2..].fill(0);
    for bytes in [damaged, whole[..whole.len() / 2].to_vec(), Vec::new()] {
        std::fs::write(&code, bytes).unwrap();
        start().runtime.load(fixture("echo")).await.unwrap();
        assert_eq!(std::fs::read(&code).unwrap().len(), whole.len());
    }
}

#[tokio::test]
async fn a_version_that_traps_at_once_does_not_serve() {
    let test = TestRuntime::start();
    let refused = refusal(&test, fixture("stillborn")).await;
    assert!(matches!(refused, LoadError::Smoke(_)), "{refused}");
}

/// Bytes that are no component must never end the compiling child or the host in another way than by
/// an answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mutated_components_are_answered() {
    let test = TestRuntime::start();
    let good = fixture("echo");
    let mut place = 7_usize;
    for round in 0..40_usize {
        let mut bytes = good.to_vec();
        for flip in 0..=round % 3 {
            place = place.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let at = (place >> 16) % bytes.len();
            bytes[at] ^= 1 << (flip % 8);
        }
        // Either is right; a panic or a hang is not.
        let _ = test.runtime.load(bytes.into()).await;
    }
}

/// Thousands of plugins may be loaded and not called.
#[tokio::test]
async fn compiled_code_is_in_memory_once_it_runs() {
    let folder = tempfile::TempDir::new().unwrap();
    let test = TestRuntime::with(|config| config.cache_dir = folder.path().to_owned());
    let echo = test.bind("echo", Permissions::default()).await;
    assert_eq!(code_in_memory(folder.path()), 0);
    assert_eq!(call(&echo, json!({"a": 1})).await, json!({"a": 1}));
    assert!(code_in_memory(folder.path()) > 0);
}

/// What this process holds of executable mappings of files under a folder, in KiB.
fn code_in_memory(folder: &Path) -> u64 {
    let maps = std::fs::read_to_string("/proc/self/smaps").unwrap();
    let (mut is_meant, mut sum) = (false, 0);
    for line in maps.lines() {
        if let Some(resident) = line.strip_prefix("Rss:") {
            let kib: u64 = resident.split_whitespace().next().unwrap().parse().unwrap();
            sum += if is_meant { kib } else { 0 };
        } else if !line.split_whitespace().next().unwrap().ends_with(':') {
            is_meant = line.contains(" r-xp ") && line.contains(folder.to_str().unwrap());
        }
    }
    assert!(maps.contains(folder.to_str().unwrap()), "no code is mapped");
    sum
}
