//! Each way in which a tool can misbehave ends that one call, by name and within its limits.

use hardpoint_domain::failure::FailureKind;
use hardpoint_domain::grant::Permissions;
use hardpoint_runtime::ToolError;
use serde_json::json;

use crate::support::{TestRuntime, call, context, is_alone, resident};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_is_named_and_the_next_call_is_served() {
    let test = TestRuntime::start();
    let binding = test.bind("hostile", Permissions::default()).await;
    let table = [
        ("spin", "plugin_cpu"),
        ("allocate", "plugin_memory"),
        ("recurse", "plugin_stack"),
        ("answer-100-mb", "plugin_output"),
        ("bad-utf8", "plugin_protocol"),
        ("trap", "plugin_trap"),
        ("exit", "plugin_exit"),
    ];
    for (what, code) in table {
        let outcome = binding.call_tool(context(), &json!({ "do": what }).to_string()).await;
        let Err(ToolError::Stopped(failure)) = outcome else { panic!("{what}: {outcome:?}") };
        assert_eq!(failure.kind, FailureKind::Plugin, "{what}: {failure}");
        assert_eq!(failure.code.as_deref(), Some(code), "{what}: {failure}");
        assert_eq!(call(&binding, json!({ "do": "count" })).await, 1, "after {what}");
    }
    let stats = test.runtime.shared("hostile").stats.snapshot();
    assert_eq!(stats.faults.values().sum::<u64>(), table.len() as u64);
    assert_eq!(binding.generation().live(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_spinning_guest_does_not_keep_others_waiting() {
    let test = TestRuntime::start();
    let binding = test.bind("hostile", Permissions::default()).await;
    let spinning: Vec<_> = (0..4)
        .map(|_| {
            let binding = binding.clone();
            tokio::spawn(async move { binding.call_tool(context(), r#"{"do":"spin"}"#).await })
        })
        .collect();
    // With every worker spinning, calls get through between epoch ticks; none waits for a spinner's end.
    for _ in 0..20 {
        call(&binding, json!({ "do": "count" })).await;
    }
    assert!(spinning.iter().any(|spinner| !spinner.is_finished()), "20 calls outlasted four spinners");
    for spinner in spinning {
        assert!(matches!(spinner.await.unwrap(), Err(ToolError::Stopped(_))));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_is_bounded_and_the_call_goes_on() {
    let test = TestRuntime::start();
    let binding = test.bind("hostile", Permissions::default()).await;
    let answer = binding.call_tool(context(), r#"{"do":"flood-log"}"#).await.unwrap();
    assert_eq!(answer, "flooded");
    let kept: usize =
        test.runtime.shared("hostile").log.tail(usize::MAX).iter().map(|line| line.message.len()).sum();
    assert_eq!(kept, 256 << 10);
}

#[tokio::test]
async fn a_sleeping_guest_is_stopped_by_the_wall_clock() {
    let test = TestRuntime::start();
    let binding = test.bind("hostile", Permissions::default()).await;
    // Not before: where the guest has to be compiled first, the compiler's time would be over at once.
    tokio::time::pause();
    let outcome = binding.call_tool(context(), r#"{"do":"sleep"}"#).await;
    let Err(ToolError::Stopped(failure)) = outcome else { panic!("{outcome:?}") };
    assert_eq!(failure.code.as_deref(), Some("plugin_wall"), "{failure}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_of_the_machine_can_be_seen() {
    let test = TestRuntime::start();
    let binding = test.bind("hostile", Permissions::default()).await;
    assert_eq!(call(&binding, json!({ "do": "environment" })).await, 0);
    let files = binding.call_tool(context(), r#"{"do":"read-files"}"#).await.unwrap();
    assert!(files.starts_with("Err("), "{files}");
    // A socket is a stub that traps: the call ends there.
    let socket = binding.call_tool(context(), r#"{"do":"connect"}"#).await;
    assert!(socket.is_err() || socket.as_ref().is_ok_and(|text| text.starts_with("Err(")), "{socket:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_returns_to_where_it_was() {
    if !is_alone("hostile_tools::memory_returns_to_where_it_was") {
        return;
    }
    let test = TestRuntime::start();
    let binding = test.bind("hostile", Permissions::default()).await;
    let harm = || async {
        for what in ["allocate", "answer-100-mb", "recurse", "flood-log"] {
            let _ = binding.call_tool(context(), &json!({ "do": what }).to_string()).await;
            // The breaker counts faults in a row; a good call in between is what traffic looks like.
            call(&binding, json!({ "do": "count" })).await;
        }
    };
    harm().await;
    let before = resident();
    for _ in 0..5 {
        harm().await;
    }
    let after = resident();
    assert!(after < before + (32 << 20), "{} MiB before, {} MiB after", before >> 20, after >> 20);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_binding_that_keeps_failing_is_paused() {
    let test = TestRuntime::start();
    let binding = test.bind("hostile", Permissions::default()).await;
    for _ in 0..5 {
        let _ = binding.call_tool(context(), r#"{"do":"trap"}"#).await;
    }
    assert!(binding.is_broken());
    let outcome = binding.call_tool(context(), r#"{"do":"count"}"#).await;
    let Err(ToolError::Stopped(failure)) = outcome else { panic!("{outcome:?}") };
    assert_eq!(failure.kind, FailureKind::Paused);
    assert!(failure.retry_after.is_some());
}
