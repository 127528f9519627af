//! What a tool may do once it was granted, and that it may not before.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hardpoint_domain::failure::{Failure, FailureKind};
use hardpoint_domain::grant::Permissions;
use hardpoint_domain::limits::Limits;
use hardpoint_domain::reach::Reach;
use hardpoint_runtime::{Opening, ToolError};
use serde_json::json;

use crate::support::{TestRuntime, call, context_of, repacked, request, spec};

#[tokio::test]
async fn values_are_denied_without_a_grant() {
    let test = TestRuntime::start();
    let binding = test.bind("prober", Permissions::default()).await;
    let refused = call(&binding, json!({ "do": "kv-set", "key": "k", "value": "v" })).await;
    let text = refused["error"].as_str().unwrap();
    assert!(text.contains("Denied") && text.contains("hardpoint plugin grant prober"), "{text}");
    assert!(test.kv.0.lock().unwrap().is_empty());
}

/// Whatever a service forgets to ask: nobody gets into a sandbox that is closed to them, not even a warm one.
#[tokio::test]
async fn a_binding_lets_nobody_in_whom_it_is_closed_to() {
    let test = TestRuntime::start();
    let closed = |failure: Failure| {
        assert_eq!(failure.kind, FailureKind::Denied, "{failure:?}");
        assert!(failure.message.contains("is not enabled for this organisation"), "{failure:?}");
    };
    let warm =
        "id = \"echo\"\nversion = \"1.0.0\"\nkind = \"tool\"\ndescription = \"x\"\ninstance = \"warm\"\n";
    let echo = test.runtime.load(repacked("echo", warm)).await.unwrap();
    let model = test.load("hostile-model").await;
    let publish = |reach: Reach| {
        let opening = |plugin: &str| Opening {
            plugin: plugin.to_owned(),
            reach: reach.clone(),
            bindings: vec![plugin.to_owned(), format!("{plugin}-that-waits")],
        };
        let specs = [&echo, &model].map(|generation| spec(generation, Permissions::default()));
        let openings = ["echo", "hostile-model"].map(opening).to_vec();
        test.runtime.publish_to(openings, vec![echo.clone(), model.clone()], specs.to_vec());
        test.runtime.snapshot()
    };
    let before = publish(Reach::default());
    let catalogue = publish(Reach::only(["org_a".to_owned()]));
    // Nobody loses a warm sandbox, and no breaker its memory, because others come or go.
    for binding in before.bindings() {
        assert!(Arc::ptr_eq(binding, catalogue.binding(binding.name()).unwrap()), "{binding:?}");
    }
    let echo = catalogue.binding("echo").unwrap();
    assert_eq!(echo.call_tool(context_of("org_a"), "{}").await.unwrap(), "{}");
    let Err(ToolError::Stopped(refused)) = echo.call_tool(context_of("org_b"), "{}").await else {
        panic!("it was let in");
    };
    closed(refused);
    let model = catalogue.binding("hostile-model").unwrap();
    closed(model.complete(context_of("org_b"), &request("be good!"), "m").await.map(drop).unwrap_err());
    assert!(model.complete(context_of("org_a"), &request("be good!"), "m").await.is_ok());
    assert!(
        catalogue.binding_for("org_a", "echo").is_some() && catalogue.binding_for("org_b", "echo").is_none()
    );
    // What is not live leads to the same door; what there is not leads nowhere.
    let admits = |name| ["org_a", "org_b"].map(|organization| catalogue.admits(organization, name));
    assert_eq!([admits("echo"), admits("echo-that-waits")], [[true, false]; 2]);
    assert_eq!(admits("nothing"), [true, true]);
}

#[tokio::test]
async fn values_belong_to_an_organisation() {
    let test = TestRuntime::start();
    let permissions = Permissions { kv: true, ..Permissions::default() };
    let binding = test.bind("prober", permissions).await;
    let tell = |organization: &'static str, arguments: serde_json::Value| {
        let binding = binding.clone();
        async move { binding.call_tool(context_of(organization), &arguments.to_string()).await.unwrap() }
    };
    tell("org_a", json!({ "do": "kv-set", "key": "k", "value": "a" })).await;
    assert_eq!(tell("org_a", json!({ "do": "kv-get", "key": "k" })).await, r#"{"value":"a"}"#);
    assert_eq!(tell("org_b", json!({ "do": "kv-get", "key": "k" })).await, r#"{"value":null}"#);
    let long = tell("org_a", json!({ "do": "kv-set", "key": "k".repeat(513), "value": "" })).await;
    assert!(long.contains("TooLarge"), "{long}");
}

#[tokio::test]
async fn a_scratch_folder_is_there_for_one_call_and_only_with_a_grant() {
    let test = TestRuntime::start();
    let scratch = json!({ "do": "scratch", "path": "/scratch/file" });
    let without = test.bind("prober", Permissions::default()).await;
    assert_eq!(call(&without, scratch.clone()).await["after"], json!(null));
    let permissions = Permissions { scratch: true, ..Permissions::default() };
    let with = test.bind("prober", permissions).await;
    for _ in 0..2 {
        let came = call(&with, scratch.clone()).await;
        assert_eq!((&came["before"], &came["after"]), (&json!(null), &json!("kept")));
    }
    for outside in ["/scratch/../../etc/passwd", "/etc/passwd", "../file"] {
        let came = call(&with, json!({ "do": "scratch", "path": outside })).await;
        assert_eq!((&came["before"], &came["after"]), (&json!(null), &json!(null)), "{outside}");
    }
}

/// One large file, many that have no name any more, and names alone: each ends the call, and none stays.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scratch_folder_is_bounded() {
    let folder = tempfile::TempDir::new().unwrap();
    let test = TestRuntime::with(|config| config.cache_dir = folder.path().to_owned());
    let permissions = Permissions { scratch: true, ..Permissions::default() };
    let generation = test.load("prober").await;
    let mut spec = spec(&generation, permissions);
    // Time enough to fill any folder that nobody bounds.
    let ample = Duration::from_secs(60);
    spec.limits = Limits { cpu: ample, exchange_cpu: ample, wall: Some(ample), ..spec.limits };
    test.runtime.publish(vec![generation], vec![spec]);
    let binding = Arc::clone(test.runtime.snapshot().binding("prober").unwrap());
    for how in ["one", "unlinked", "names"] {
        let arguments = json!({ "do": "hoard", "how": how }).to_string();
        let ended = binding.call_tool(context_of("org_a"), &arguments).await;
        let Err(ToolError::Stopped(failure)) = ended else { panic!("{how}: {ended:?}") };
        assert_eq!(failure.code.as_deref(), Some("plugin_scratch"), "{how}: {failure}");
    }
    let came = call(&binding, json!({ "do": "scratch", "path": "/scratch/one" })).await;
    assert_eq!((&came["before"], &came["after"]), (&json!(null), &json!("kept")));
    let left: Vec<_> = workplaces(folder.path()).into_iter().flat_map(|path| entries(&path)).collect();
    assert!(left.is_empty(), "{left:?}");
}

/// A folder is somebody's for as long as its lock is held, which a process cannot forget to let go of.
#[tokio::test]
async fn what_a_killed_host_left_is_removed() {
    let folder = tempfile::TempDir::new().unwrap();
    let in_folder = || TestRuntime::with(|config| config.cache_dir = folder.path().to_owned());
    let first = in_folder();
    let of_first = workplaces(folder.path());
    let abandoned = folder.path().join("work/abandoned");
    std::fs::create_dir_all(abandoned.join("scratch_1")).unwrap();
    std::fs::write(abandoned.join("scratch_1/file"), "left").unwrap();
    let second = in_folder();
    assert!(!abandoned.exists());
    assert!(of_first.iter().all(|path| path.is_dir()), "what is in use was taken away");
    drop((first, second));
    assert_eq!(workplaces(folder.path()), Vec::<PathBuf>::new());
}

fn workplaces(cache: &Path) -> Vec<PathBuf> {
    entries(&cache.join("work"))
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
}

#[tokio::test]
async fn requests_are_denied_without_a_grant() {
    let test = TestRuntime::start();
    let binding = test.bind("prober", Permissions::default()).await;
    let came = call(&binding, json!({ "do": "send", "url": "https://example.com/" })).await;
    assert_eq!(came["error"], "TransportFailureKind::Denied");
    assert!(came["message"].as_str().unwrap().contains("hardpoint plugin grant prober"), "{came}");
}
