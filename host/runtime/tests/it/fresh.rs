//! A fresh instance is fresh; a warm one is kept for its organisation alone and dropped after a fault.

use hardpoint_domain::grant::Permissions;
use serde_json::json;

use crate::support::{TestRuntime, call, context_of, repacked, spec};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_global_counter_is_one_in_every_call() {
    let test = TestRuntime::start();
    let binding = test.bind("hostile", Permissions::default()).await;
    // A thousand, as many at once as there is room for without waiting.
    let callers: Vec<_> = (0..20)
        .map(|_| {
            let binding = binding.clone();
            tokio::spawn(async move {
                for _ in 0..50 {
                    assert_eq!(call(&binding, json!({ "do": "count" })).await, 1);
                }
            })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap();
    }
}

const WARM: &str = r#"
id = "hostile"
version = "0.2.0"
kind = "tool"
description = "Kept warm."
instance = "warm"
"#;

#[tokio::test]
async fn a_warm_instance_is_neither_shared_nor_kept_after_a_fault() {
    let test = TestRuntime::start();
    let generation = test.runtime.load(repacked("hostile", WARM)).await.unwrap();
    let spec = spec(&generation, Permissions::default());
    test.runtime.publish(vec![generation], vec![spec]);
    let binding = test.runtime.snapshot().binding("hostile").unwrap().clone();
    let count = |organization: &'static str| {
        let binding = binding.clone();
        async move { binding.call_tool(context_of(organization), r#"{"do":"count"}"#).await.unwrap() }
    };
    assert_eq!(count("org_a").await, "1");
    assert_eq!(count("org_a").await, "2", "kept");
    assert_eq!(count("org_b").await, "1", "not shared");
    assert_eq!(count("org_a").await, "3");
    binding.call_tool(context_of("org_a"), r#"{"do":"trap"}"#).await.unwrap_err();
    assert_eq!(count("org_a").await, "1", "thrown away");
    assert_eq!(count("org_b").await, "2", "and that one only");
}

#[tokio::test]
async fn a_warm_instance_is_not_kept_until_its_memory_is_full() {
    let test = TestRuntime::start();
    let generation = test.runtime.load(repacked("hostile", WARM)).await.unwrap();
    let spec = spec(&generation, Permissions::default());
    test.runtime.publish(vec![generation], vec![spec]);
    let binding = test.runtime.snapshot().binding("hostile").unwrap().clone();
    let mut calls = Vec::new();
    for _ in 0..12 {
        calls.push(binding.call_tool(context_of("org_a"), r#"{"do":"leak"}"#).await.unwrap());
    }
    // 64 MiB, of which four calls fill more than half: the fifth has a fresh instance, and none ever fails.
    assert_eq!(calls.concat(), "123412341234");
}

#[tokio::test]
async fn a_warm_instance_does_not_outlive_its_binding() {
    let test = TestRuntime::start();
    let generation = test.runtime.load(repacked("hostile", WARM)).await.unwrap();
    let before = spec(&generation, Permissions::default());
    test.runtime.publish(vec![generation.clone()], vec![before.clone()]);
    let binding = test.runtime.snapshot().binding("hostile").unwrap().clone();
    call(&binding, json!({ "do": "count" })).await;
    assert_eq!(generation.live(), 1, "kept warm");
    // The same version under another binding: what was warm goes, and what is called late is not kept.
    let after = hardpoint_runtime::BindingSpec { settings: json!({ "new": true }), ..before };
    test.runtime.publish(vec![generation.clone()], vec![after]);
    assert_eq!(generation.live(), 0);
    call(&binding, json!({ "do": "count" })).await;
    assert_eq!(generation.live(), 0, "a call that was under way leaves nothing behind");
}
