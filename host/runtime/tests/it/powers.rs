//! What a tool may do once it was granted, and that it may not before.

use hardpoint_domain::grant::Permissions;
use serde_json::json;

use crate::support::{TestRuntime, call, context_of};

#[tokio::test]
async fn values_are_denied_without_a_grant() {
    let test = TestRuntime::start();
    let binding = test.bind("prober", Permissions::default()).await;
    let refused = call(&binding, json!({ "do": "kv-set", "key": "k", "value": "v" })).await;
    let text = refused["error"].as_str().unwrap();
    assert!(text.contains("Denied") && text.contains("hardpoint plugin grant prober"), "{text}");
    assert!(test.kv.0.lock().unwrap().is_empty());
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

#[tokio::test]
async fn requests_are_denied_without_a_grant() {
    let test = TestRuntime::start();
    let binding = test.bind("prober", Permissions::default()).await;
    let came = call(&binding, json!({ "do": "send", "url": "https://example.com/" })).await;
    assert_eq!(came["error"], "TransportFailureKind::Denied");
    assert!(came["message"].as_str().unwrap().contains("hardpoint plugin grant prober"), "{came}");
}
