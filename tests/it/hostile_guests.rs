//! Guests that harm. Each time that one call fails, its cause has a name, the next call is served, and the
//! host's memory is what it was.

use futures_util::future::join_all;
use hardpoint_tests::host::{Host, Options};
use serde_json::{Value, json};

use crate::operator::{call, plugin};
use crate::scene::{says, streamed, text_of};

/// How much more than before a host may hold afterwards.
const SLACK: u64 = 48 << 20;

async fn faults(host: &Host, id: &str, cause: &str) -> u64 {
    plugin(&host.client(), id).await["live"]["faults"][cause].as_u64().unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tool_that_harms_fails_alone() {
    let host = Host::start(Options::new().fixture("hostile").shipped("calculator")).await;
    let client = host.client();
    call(&client, "hostile", json!({"do": "count"})).await.expect(200);
    let before = host.memory();
    let table = [
        ("spin", "cpu"),
        ("allocate", "memory"),
        ("recurse", "stack"),
        ("answer-100-mb", "output"),
        ("bad-utf8", "protocol"),
        ("trap", "trap"),
        ("exit", "exit"),
    ];
    for (what, cause) in table {
        let answer = call(&client, "hostile", json!({"do": what})).await;
        assert_eq!(answer.status, 502, "{what}: {}", answer.text());
        assert_eq!(answer.json()["error"]["type"], "plugin_failed", "{what}: {}", answer.text());
        assert_eq!(
            faults(&host, "hostile", cause).await,
            1,
            "{what}: {}",
            plugin(&client, "hostile").await["live"]
        );
        // The next call, and whoever else there is, know nothing of it.
        let next = call(&client, "hostile", json!({"do": "count"})).await.expect(200);
        assert_eq!(next["result"], 1, "after {what}: {next}");
        call(&client, "calculator", json!({"expression": "1 + 1"})).await.expect(200);
    }
    host.memory_below(before + SLACK).await;
    let last = plugin(&client, "hostile").await["live"]["errors"][0].clone();
    assert!(last["message"].as_str().is_some_and(|why| why.contains("exited with code 1")), "{last}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_is_cut_and_its_call_goes_on() {
    let host = Host::start(Options::new().fixture("hostile")).await;
    let client = host.client();
    let before = host.memory();
    for _ in 0..5 {
        let answer = call(&client, "hostile", json!({"do": "flood-log"})).await.expect(200);
        assert_eq!(answer["result"], "flooded");
    }
    let logs = client.get("/api/v1/plugins/hostile/logs?limit=2000").await.expect(200);
    let lines = logs["data"].as_array().expect("lines");
    assert!(!lines.is_empty());
    let bytes: usize = lines.iter().filter_map(|line| line["message"].as_str()).map(str::len).sum();
    assert!(bytes <= 5 * (256 << 10) + (64 << 10), "{bytes} bytes of log were kept");
    host.memory_below(before + SLACK).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tool_reaches_nothing_that_it_was_not_given() {
    let host = Host::start(Options::new().fixture("hostile")).await;
    let client = host.client();
    // Either an error that the guest sees, or its end; never a file, a socket, or the host's environment.
    for what in ["read-files", "connect"] {
        let answer = call(&client, "hostile", json!({"do": what})).await;
        let told = answer.text();
        assert!(answer.status == 502 || told.contains("Err("), "{what}: {told}");
    }
    let environment = call(&client, "hostile", json!({"do": "environment"})).await;
    assert_eq!(environment.expect(200)["result"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_sleeps_is_ended_by_the_clock() {
    let host =
        Host::start(Options::new().fixture("hostile").config("[plugins.ceilings.tool]\nwall_ms = 300\n"))
            .await;
    let client = host.client();
    let answer = call(&client, "hostile", json!({"do": "sleep"})).await;
    assert_eq!(answer.status, 502, "{}", answer.text());
    assert_eq!(faults(&host, "hostile", "wall").await, 1);
    call(&client, "hostile", json!({"do": "count"})).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_breaks_the_rules_fails_alone() {
    let model = "[[models]]\nid = \"hostile\"\nbinding = \"hostile-model\"\n";
    let attempts = "[completions]\nattempts = 1\n";
    let host = Host::start(Options::new().fixture("hostile-model").config(model).config(attempts)).await;
    let client = host.client();
    let complete = |what: &'static str| {
        let client = client.clone();
        async move { client.post("/api/v1/chat/completions", &says("hostile", what)).await }
    };
    complete("be good").await.expect(200);
    let before = host.memory();
    let table = [
        ("again for ever", "protocol"),
        ("spin", "cpu"),
        ("trap", "trap"),
        ("trap in open", "trap"),
        ("nothing", "protocol"),
        ("bad utf-8", "protocol"),
    ];
    for (what, cause) in table {
        let known = faults(&host, "hostile-model", cause).await;
        let answer = complete(what).await;
        assert_eq!(answer.status, 502, "{what}: {}", answer.text());
        let now = faults(&host, "hostile-model", cause).await;
        assert_eq!(now, known + 1, "{what}: {}", plugin(&client, "hostile-model").await["live"]);
        assert_eq!(text_of(&complete("be good").await.expect(200)), "well-behaved", "after {what}");
    }
    // The host reads no further than `finish`.
    let finished = complete("text after finish").await.expect(200);
    assert_eq!(text_of(&finished), "", "{finished}");
    for what in ["send elsewhere", "send inside"] {
        let answer = complete(what).await;
        assert!((500..600).contains(&answer.status), "{what}: {}", answer.text());
        assert!(answer.json()["error"]["message"].is_string());
    }
    // Once something was said, the end is an event: an error, and no `[DONE]`.
    for what in ["spin after text", "text for ever"] {
        let told =
            client.stream("/api/v1/chat/completions", &streamed(&says("hostile", what))).await.rest().await;
        assert!(
            !told.done && told.error.is_some() && !told.text.is_empty(),
            "{what}: {:?} {:?}",
            told.error,
            told.finish
        );
    }
    complete("be good").await.expect(200);
    host.memory_below(before + SLACK).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn harm_by_many_at_once_leaves_others_alone() {
    let host = Host::start(Options::new().fixture("hostile").shipped("calculator")).await;
    let client = host.client();
    let before = host.memory();
    let harm = ["spin", "allocate", "recurse", "trap"].iter().cycle().take(24);
    let harm = harm.map(|what| call(&client, "hostile", json!({"do": what})));
    let good = (0..24).map(|number| {
        let client = client.clone();
        async move {
            let expression = format!("{number} * 2");
            let answer = call(&client, "calculator", json!({"expression": expression})).await.expect(200);
            assert!(answer["result"].to_string().contains(&(number * 2).to_string()), "{answer}");
        }
    });
    let (harmed, ()) = tokio::join!(join_all(harm), async {
        join_all(good).await;
    });
    for answer in harmed {
        // Stopped, or not let in any more because its binding is paused.
        assert!(matches!(answer.status, 502 | 503), "{}", answer.text());
    }
    host.memory_below(before + SLACK).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_gets_a_fresh_instance() {
    let host = Host::start(Options::new().fixture("hostile")).await;
    let client = host.client();
    let one = |_| call(&client, "hostile", json!({"do": "count"}));
    for answer in join_all((0..64).map(one)).await {
        assert_eq!(answer.expect(200)["result"], 1, "what an earlier call left behind was seen");
    }
    // Warm instances are kept, and count on; that is what tells the two apart.
    let warm =
        "id = \"warm\"\nversion = \"1.0.0\"\nkind = \"tool\"\ndescription = \"Kept.\"\ninstance = \"warm\"\n";
    let bytes =
        hardpoint_tests::component::with_manifest(&hardpoint_tests::component::fixture("hostile"), warm);
    host.drop_plugin("warm", &bytes);
    crate::operator::serving(&client, "warm", "1.0.0").await;
    let mut counts = Vec::new();
    for _ in 0..3 {
        counts.push(call(&client, "warm", json!({"do": "count"})).await.expect(200)["result"].clone());
    }
    assert_eq!(counts, [1, 2, 3].map(Value::from));
}
