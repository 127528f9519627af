//! Each way in which a state machine can misbehave ends that one exchange, by name.

use std::sync::Arc;

use hardpoint_domain::failure::{Failure, FailureKind};
use hardpoint_domain::grant::Permissions;
use hardpoint_domain::message::{Delta, EmbeddingRequest, FinishReason};
use hardpoint_runtime::{Binding, ToolError};

use crate::support::{TestRuntime, context, context_of, request, spec};

/// All deltas of a completion, and how it ended.
async fn complete(binding: &Arc<Binding>, what: &str) -> (Vec<Delta>, Result<(), Failure>) {
    let mut completion = match binding.complete(context(), &request(what), "model").await {
        Ok(completion) => completion,
        Err(failure) => return (Vec::new(), Err(failure)),
    };
    let mut deltas = Vec::new();
    while let Some(next) = completion.next().await {
        match next {
            Ok(delta) => deltas.push(delta),
            Err(failure) => return (deltas, Err(failure)),
        }
    }
    (deltas, Ok(()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_is_named_and_the_next_completion_is_served() {
    let test = TestRuntime::start();
    let binding = test.bind("hostile-model", Permissions::default()).await;
    let table = [
        ("trap in open", "plugin_trap"),
        ("trap", "plugin_trap"),
        ("again for ever", "plugin_protocol"),
        ("text for ever", "plugin_cpu"),
        ("spin", "plugin_cpu"),
        ("spin after text", "plugin_cpu"),
        ("nothing", "plugin_protocol"),
        ("bad utf-8", "plugin_protocol"),
    ];
    for (what, code) in table {
        let (_, outcome) = complete(&binding, what).await;
        let failure = outcome.expect_err(what);
        assert_eq!(failure.kind, FailureKind::Plugin, "{what}: {failure}");
        assert_eq!(failure.code.as_deref(), Some(code), "{what}: {failure}");
        let (deltas, outcome) = complete(&binding, "behave").await;
        assert_eq!(outcome, Ok(()));
        assert_eq!(deltas, [Delta::Text("well-behaved".into()), Delta::Finish(FinishReason::Stop)]);
    }
    assert_eq!(binding.generation().live(), 0);
}

#[tokio::test]
async fn what_comes_after_finish_is_not_read() {
    let test = TestRuntime::start();
    let binding = test.bind("hostile-model", Permissions::default()).await;
    let (deltas, outcome) = complete(&binding, "text after finish").await;
    assert_eq!((deltas, outcome), (vec![Delta::Finish(FinishReason::Stop)], Ok(())));
}

#[tokio::test]
async fn a_verdict_of_the_guest_is_no_fault() {
    let test = TestRuntime::start();
    let binding = test.bind("hostile-model", Permissions::default()).await;
    for _ in 0..20 {
        let failure = complete(&binding, "fail").await.1.unwrap_err();
        assert_eq!((failure.kind, failure.message.as_str()), (FailureKind::Upstream, "as asked"));
    }
    assert!(!binding.is_broken());
    let request = EmbeddingRequest {
        model: "test".into(),
        inputs: vec!["a".into()],
        dimensions: None,
        user: None,
        extra: serde_json::Map::new(),
    };
    let failure = binding.embed(context(), &request, "model").await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Unsupported);
}

#[tokio::test]
async fn a_request_that_was_not_granted_is_not_sent() {
    let test = TestRuntime::start();
    let binding = test.bind("hostile-model", Permissions::default()).await;
    for what in ["send elsewhere", "send inside"] {
        // The guest ignores the refusal and repeats itself, until it has asked too often.
        let (_, outcome) = complete(&binding, what).await;
        let failure = outcome.expect_err(what);
        assert_eq!(failure.code.as_deref(), Some("plugin_requests"), "{what}: {failure:?}");
    }
    assert_eq!(test.runtime.egress().stats().origins, []);
}

#[tokio::test]
async fn a_machine_that_never_finishes_opens_its_breaker() {
    let test = TestRuntime::start();
    let binding = test.bind("hostile-model", Permissions::default()).await;
    for _ in 0..5 {
        complete(&binding, "nothing").await.1.unwrap_err();
    }
    assert!(binding.is_broken());
    assert_eq!(complete(&binding, "behave").await.1.unwrap_err().kind, FailureKind::Paused);
    // Another organisation is not refused for it.
    let mut other = binding.complete(context_of("org_b"), &request("behave"), "model").await.unwrap();
    assert!(matches!(other.next().await, Some(Ok(Delta::Text(_)))));
}

#[tokio::test]
async fn a_full_house_is_not_the_plugins_fault() {
    let test = TestRuntime::with(|config| config.sandboxes = 2);
    let binding = test.bind("hostile-model", Permissions::default()).await;
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut completion = binding.complete(context(), &request("text for ever"), "model").await.unwrap();
        assert!(matches!(completion.next().await, Some(Ok(_))));
        held.push(completion);
    }
    for _ in 0..6 {
        let failure = complete(&binding, "behave").await.1.unwrap_err();
        assert_eq!((failure.kind, failure.code.as_deref()), (FailureKind::Busy, Some("plugin_host")));
    }
    assert!(!binding.is_broken());
    held.clear();
    assert_eq!(complete(&binding, "behave").await.1, Ok(()));
}

/// Over all plugins: two of them would otherwise be enough to keep everybody else out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_organisation_leaves_sandboxes_to_others() {
    let test = TestRuntime::with(|config| {
        config.sandboxes = 4;
        config.sandboxes_per_organization = 2;
    });
    let (model, tool) = (test.load("hostile-model").await, test.load("echo").await);
    let specs = [&model, &tool].map(|generation| spec(generation, Permissions::default()));
    test.runtime.publish(vec![model, tool], specs.into());
    let catalogue = test.runtime.snapshot();
    let (model, tool) = (catalogue.binding("hostile-model").unwrap(), catalogue.binding("echo").unwrap());
    let open = async || model.complete(context_of("org_a"), &request("behave"), "model").await.unwrap();
    let held = [open().await, open().await];
    let call = async |organization: &str| tool.call_tool(context_of(organization), "{}").await;
    assert!(matches!(call("org_a").await, Err(ToolError::Stopped(_))));
    assert!(call("org_b").await.is_ok());
    drop(held);
    assert!(call("org_a").await.is_ok());
}
