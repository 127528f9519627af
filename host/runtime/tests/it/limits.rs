//! Each limit that a manifest asks for is the one in force: more than it ends the call, and what would be too
//! much by default is not where more was asked for.

use std::sync::Arc;
use std::time::Duration;

use hardpoint_domain::failure::{Failure, FailureKind};
use hardpoint_domain::grant::Permissions;
use hardpoint_runtime::{Binding, ToolError};
use serde_json::{Value, json};

use crate::support::{TestRuntime, call, context, repacked, request, spec};

/// A fixture of a kind, asking for these limits, with the right to send anything to one place.
async fn limited(test: &TestRuntime, fixture: &str, kind: &str, limits: &str) -> Arc<Binding> {
    let asks = if fixture == "prober" { "kv = true\n[[http]]\nhost = \"example.com\"\n" } else { "" };
    let manifest = format!(
        "id = \"limited\"\nversion = \"1.0.0\"\nkind = \"{kind}\"\ndescription = \"x\"\n{asks}\n[limits]\n{limits}\n"
    );
    let generation = test.runtime.load(repacked(fixture, &manifest)).await.unwrap();
    let spec = spec(&generation, Permissions::default());
    test.runtime.publish(vec![generation], vec![spec]);
    Arc::clone(test.runtime.snapshot().binding("limited").unwrap())
}

/// Why the sandbox ended a call: its code and its words.
async fn stopped(binding: &Arc<Binding>, arguments: &Value) -> (String, String) {
    let outcome = binding.call_tool(context(), &arguments.to_string()).await;
    let Err(ToolError::Stopped(failure)) = outcome else { panic!("{arguments}: {outcome:?}") };
    told(failure)
}

fn told(failure: Failure) -> (String, String) {
    (failure.code.unwrap_or_default(), failure.message)
}

/// How a completion ended that will not end by itself.
async fn ended(binding: &Arc<Binding>, what: &str) -> (String, String) {
    let mut completion = binding.complete(context(), &request(what), "model").await.unwrap();
    loop {
        match completion.next().await.expect("it does not end in peace") {
            Ok(_) => {}
            Err(failure) => return told(failure),
        }
    }
}

fn assert_told((code, words): (String, String), expected: (&str, &str)) {
    assert_eq!(code, expected.0, "{words}");
    assert!(words.contains(expected.1), "{words}");
}

#[tokio::test]
async fn memory() {
    let test = TestRuntime::start();
    let large = json!({ "do": "answer-100-mb" });
    let binding = limited(&test, "hostile", "tool", "memory_mib = 90").await;
    assert_told(stopped(&binding, &large).await, ("plugin_memory", "90 MiB"));
    // It has the memory now; to hand it all out is another matter.
    let binding = limited(&test, "hostile", "tool", "memory_mib = 200").await;
    assert_told(stopped(&binding, &large).await, ("plugin_output", "1024 KiB"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cpu_time_of_a_call() {
    let test = TestRuntime::start();
    let binding = limited(&test, "hostile", "tool", "cpu_ms = 20").await;
    assert_told(stopped(&binding, &json!({ "do": "spin" })).await, ("plugin_cpu", "more than 20 ms"));
    let binding = limited(&test, "hostile", "tool", "cpu_ms = 300").await;
    assert_told(stopped(&binding, &json!({ "do": "spin" })).await, ("plugin_cpu", "more than 300 ms"));
    // One call into a state machine, long before its exchange has used up what it has.
    let binding = limited(&test, "hostile-model", "model", "cpu_ms = 30").await;
    assert_told(ended(&binding, "spin").await, ("plugin_cpu", "more than 30 ms"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cpu_time_of_an_exchange() {
    let test = TestRuntime::start();
    // No single call into it takes long.
    let binding = limited(&test, "hostile-model", "model", "exchange_cpu_ms = 70").await;
    assert_told(ended(&binding, "text for ever").await, ("plugin_cpu", "more than 70 ms"));
    let binding = limited(&test, "hostile-model", "model", "exchange_cpu_ms = 140").await;
    assert_told(ended(&binding, "text for ever").await, ("plugin_cpu", "more than 140 ms"));
}

#[tokio::test]
async fn wall_time() {
    let test = TestRuntime::start();
    for millis in [300, 30_000] {
        let binding = limited(&test, "hostile", "tool", &format!("wall_ms = {millis}")).await;
        // Not before: the compiler's time would be over at once.
        tokio::time::pause();
        let began = tokio::time::Instant::now();
        let words = format!("longer than {millis} ms");
        assert_told(stopped(&binding, &json!({ "do": "sleep" })).await, ("plugin_wall", &words));
        // The clock stands still but for what is waited for.
        assert!(began.elapsed().as_millis() >= millis && began.elapsed().as_millis() < millis + 250);
        tokio::time::resume();
    }
}

#[tokio::test]
async fn output() {
    let test = TestRuntime::start();
    let long = json!({ "text": "x".repeat(3 << 20) });
    let binding = limited(&test, "echo", "tool", "").await;
    assert_told(stopped(&binding, &long).await, ("plugin_output", "1024 KiB"));
    let binding = limited(&test, "echo", "tool", "output_kib = 4096").await;
    assert_eq!(call(&binding, long).await["text"].as_str().unwrap().len(), 3 << 20);
    let binding = limited(&test, "echo", "tool", "output_kib = 1").await;
    let short = json!({ "text": "x".repeat(2 << 10) });
    assert_told(stopped(&binding, &short).await, ("plugin_output", "more than 1 KiB"));
}

/// A state machine is told of each refusal and asks again.
#[tokio::test]
async fn requests_of_an_exchange() {
    for most in [0, 3, 40] {
        let test = TestRuntime::start();
        let binding = limited(&test, "hostile-model", "model", &format!("http_calls = {most}")).await;
        let words = format!("more than {most} requests");
        assert_told(ended(&binding, "send elsewhere").await, ("plugin_requests", &words));
        assert_eq!(test.runtime.egress().stats().refusals, most);
    }
}

#[tokio::test]
async fn requests_of_a_call() {
    let test = TestRuntime::start();
    let send = |times: u32| json!({ "do": "send", "url": "https://example.com/", "times": times });
    let said = async |binding: &Arc<Binding>, times| {
        call(binding, send(times)).await["message"].as_str().unwrap().to_owned()
    };
    for (limits, most) in [("http_calls = 2", 2), ("http_calls = 40", 40), ("", 20)] {
        let binding = limited(&test, "prober", "tool", limits).await;
        let last = said(&binding, most).await;
        assert!(last.contains("hardpoint plugin grant"), "{limits}: {last}");
        let over = said(&binding, most + 1).await;
        assert!(over.contains(&format!("more than {most} requests in one call")), "{limits}: {over}");
    }
}

#[tokio::test]
async fn calls_at_once() {
    let test = TestRuntime::start();
    for most in [1, 3] {
        let binding = limited(&test, "hostile-model", "model", &format!("concurrency = {most}")).await;
        let open = async || binding.complete(context(), &request("text for ever"), "model").await;
        let mut held = Vec::new();
        for _ in 0..most {
            held.push(open().await.expect("there is room"));
        }
        let Err(refused) = open().await else { panic!("more than {most} at once") };
        assert_eq!((refused.kind, refused.retry_after), (FailureKind::Busy, Some(Duration::from_secs(1))));
        held.pop();
        open().await.expect("one has left");
    }
}
