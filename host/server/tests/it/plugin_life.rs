//! The life of a plugin in its operator's hands: what it did, pause, roll back, and what would change.

use axum::body::Body;
use http::{Method, header};
use http_body_util::BodyExt;
use serde_json::json;

use crate::command_line::{hardpoint, said};
use crate::plugins::{ASKS, kinds_of_events};
use crate::support::{TestApp, echo, fixture, repacked};

/// A guest that traps leaves its name, its stack and its numbers behind.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_plugin_did_is_told() {
    let app = TestApp::with("", &[("hostile.wasm", fixture("hostile"))]).await;
    let call = async |what: &str| {
        app.post("/api/v1/tools/hostile/call", &json!({"arguments": {"do": what}})).await.status.as_u16()
    };
    let request = app.request(Method::GET, "/api/v1/plugins/hostile/logs?follow=true&limit=10", None);
    let mut following = app.begin(request).await;
    assert_eq!(following.headers()["content-type"], "text/event-stream");
    assert_eq!((call("count").await, call("trap").await, call("count").await), (200, 502, 200));
    let mut told = String::new();
    while !told.contains("stopped: it trapped") {
        let frame = following.body_mut().frame().await.unwrap().unwrap();
        told += std::str::from_utf8(frame.data_ref().unwrap()).unwrap();
    }
    assert!(told.contains("abort_internal"), "no name of a function: {told}");
    assert!(told.lines().all(|line| line.is_empty() || line.starts_with("data: {")), "{told}");

    let live = app.plugin("hostile").await["live"].clone();
    assert_eq!((&live["calls"], &live["faults"]), (&json!(3), &json!({"trap": 1})));
    assert_eq!(live["errors"][0]["cause"], "trap", "{live}");
    let [cpu, wall] = ["cpu_us", "wall_us"].map(|name| live[name]["p99"].as_u64().unwrap());
    assert!(0 < cpu && cpu <= wall * 6 / 5, "{live}");
    assert!(live["memory_peak"].as_u64().unwrap() > 0, "{live}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_plugin_waits_until_it_is_resumed() {
    let app = TestApp::with("", &[("echo.wasm", echo("1.0.0", ""))]).await;
    let turn = async |what: &str| app.post(&format!("/api/v1/plugins/echo/{what}"), &json!({})).await;
    assert_eq!(turn("resume").await.status, 409);
    let paused = turn("pause").await.expect(200);
    assert_eq!((&paused["state"], &paused["version"]), (&json!("paused"), &json!("1.0.0")));
    assert!(paused["reason"].as_str().unwrap().contains("hardpoint plugin resume echo"), "{paused}");
    assert_eq!((app.call("echo").await, turn("pause").await.status.as_u16()), (404, 409));
    // Nothing brings it back but its operator: no new version, no other start.
    app.publish("echo.wasm", &echo("1.1.0", "")).await;
    let app = app.restart().await;
    assert_eq!(app.call("echo").await, 404);
    let resumed = app.post("/api/v1/plugins/echo/resume", &json!({})).await.expect(200);
    assert_eq!(app.call("echo").await, 200);
    // The version that came meanwhile asks for nothing, and takes over.
    assert_eq!((&resumed["state"], &resumed["version"]), (&json!("active"), &json!("1.1.0")));
    let events = kinds_of_events(&app).await;
    for kind in ["plugin.paused", "plugin.resumed"] {
        assert_eq!(events.iter().filter(|event| *event == kind).count(), 1, "{events:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_is_rolled_back_and_stays_so() {
    let app = TestApp::with("", &[("echo.wasm", echo("1.0.0", ""))]).await;
    let back = async |app: &TestApp| app.post("/api/v1/plugins/echo/rollback", &json!({})).await;
    assert_eq!(back(&app).await.status, 409);
    app.publish("echo.wasm", &echo("1.1.0", "")).await;
    app.publish("echo.wasm", &echo("1.2.0", "")).await;
    assert_eq!(app.plugin("echo").await["version"], "1.2.0");
    assert_eq!(back(&app).await.expect(200)["version"], "1.1.0");
    // The file in the folder is the newer one still, and is no news.
    let app = app.restart().await;
    assert_eq!(app.plugin("echo").await["version"], "1.1.0");
    assert_eq!(app.call("echo").await, 200);
    let unknown = json!({"digest": format!("sha256:{}", "0".repeat(64))});
    assert_eq!(app.post("/api/v1/plugins/echo/rollback", &unknown).await.status, 422);
    // Once more goes forward again: it is what served before.
    assert_eq!(back(&app).await.expect(200)["version"], "1.2.0");
}

/// What an older version does not ask for is taken from it, and whoever goes back reads that then and there.
#[tokio::test(flavor = "multi_thread")]
async fn going_back_tells_what_is_no_longer_allowed() {
    let app = TestApp::with("", &[("echo.wasm", echo("1.0.0", ASKS))]).await;
    let approve = async |of: &str| {
        let plugin = app.plugin("echo").await;
        let digest = &if of.is_empty() { plugin } else { plugin[of].clone() }["digest"];
        app.post("/api/v1/plugins/echo/approve", &json!({ "digest": digest })).await.expect(200);
    };
    approve("").await;
    app.publish("echo.wasm", &echo("2.0.0", &format!("kv = true\n{ASKS}"))).await;
    approve("candidate").await;
    let run = |more: &[&str]| {
        let rollback = ["plugin", "rollback", "echo", "--config", "hardpoint.toml", "--data", "data"];
        let done = hardpoint(app.folder(), &[&rollback[..], more].concat());
        assert!(done.status.success(), "{}", said(&done));
        said(&done)
    };
    insta::assert_snapshot!(run(&[]), @r"
    Back to echo 1.0.0. It serves as soon as a running host has compiled it and tried it out.
    Until then echo 2.0.0 serves on.
    When it serves, what it does not ask for is no longer allowed:
      binding echo: keep small values for each organisation (kv)
    ");
    app.settle().await;
    assert_eq!(app.plugin("echo").await["version"], "1.0.0");
    // The way back to the newer one takes nothing, and another approval.
    let told: serde_json::Value = serde_json::from_str(&run(&["--json"])).unwrap();
    assert_eq!((&told["version"], &told["taken_back"]), (&json!("2.0.0"), &json!({})));
    let waits = (&told["state"], told["reason"].as_str().unwrap());
    assert!(*waits.0 == "pending_approval" && waits.1.contains("not allowed to keep small values"), "{told}");
    app.settle().await;
    approve("candidate").await;
    let back = app.post("/api/v1/plugins/echo/rollback", &json!({})).await.expect(200);
    assert_eq!(back["version"], "1.0.0");
    let kv = json!({ "echo": ["keep small values for each organisation (kv)"] });
    assert_eq!(back["taken_back"], kv);
}

/// Nothing is kept, and everything is told: what it asks for, its limits, its schema, who stands on it.
#[tokio::test(flavor = "multi_thread")]
async fn what_publishing_would_change_is_told() {
    let app = TestApp::with("", &[("echo.wasm", echo("1.0.0", ""))]).await;
    let rehearse = async |bytes: bytes::Bytes| {
        let mut request = app.request(Method::POST, "/api/v1/plugins?dry_run=true", None);
        request.headers_mut().insert(header::CONTENT_TYPE, "application/wasm".parse().unwrap());
        *request.body_mut() = Body::from(bytes);
        app.send(request).await
    };
    let more = format!("{ASKS}\n[limits]\ncpu_ms = 500\n");
    let told = rehearse(echo("2.0.0", &more)).await.expect(200);
    assert_eq!((&told["replaces"], &told["version"]), (&json!("1.0.0"), &json!("2.0.0")));
    assert!(told["would"].as_str().unwrap().starts_with("wait: binding echo is not allowed"), "{told}");
    assert_eq!(told["bindings"][0]["asks_more"], json!(["send GET https://api.example.com/"]));
    // Nothing that is not here yet can be allowed.
    assert!(told["would"].as_str().unwrap().contains("publish it, then allow it with `hardpoint"), "{told}");
    assert_eq!(told["limits"][0], json!({"name": "cpu_ms", "from": "250", "to": "500"}));
    assert_eq!(told["tool"], json!([]));
    let told = rehearse(echo("1.0.0", "")).await.expect(200);
    let unchanged = (json!(true), json!("change nothing: these bytes serve already"));
    assert_eq!((&told["unchanged"], &told["would"]), (&unchanged.0, &unchanged.1), "{told}");
    let told = rehearse(echo("1.0.1", "")).await.expect(200);
    assert_eq!(told["unchanged"], false);
    assert!(
        told["would"]
            .as_str()
            .unwrap()
            .starts_with("wait for the approval of its bytes, published by command"),
        "{told}"
    );
    // Another tool under the same name: its schema is another.
    let hostile =
        std::str::from_utf8(b"id = \"echo\"\nversion = \"3.0.0\"\nkind = \"tool\"\ndescription = \"x\"\n")
            .unwrap();
    let told = rehearse(repacked("hostile", hostile)).await.expect(200);
    let changed: Vec<&str> =
        told["tool"].as_array().unwrap().iter().map(|change| change["name"].as_str().unwrap()).collect();
    assert_eq!(changed, ["description", "parameters"], "{told}");
    assert_eq!(rehearse("no component".into()).await.status, 422);
    assert_eq!(app.plugin("echo").await["version"], "1.0.0");
    assert_eq!(kinds_of_events(&app).await.iter().filter(|kind| *kind == "plugin.published").count(), 1);
}

/// What waits goes alone, with what was allowed for its sake; what serves stays as it is.
#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_waits_is_discarded() {
    let toml = "[bindings.mine]\nplugin = \"echo\"\n[bindings.other]\nplugin = \"echo\"\n";
    let app = TestApp::with(toml, &[("echo.wasm", echo("1.0.0", ASKS))]).await;
    let discard = async |more: &str| app.delete(&format!("/api/v1/plugins/echo/waiting{more}")).await;
    for which in ["", "?digest=sha256:0"] {
        assert_eq!(app.delete(&format!("/api/v1/plugins/nobody/waiting{which}")).await.status, 404);
    }
    insta::assert_snapshot!(discard("").await.shown(), @r#"
    409
    {
      "error": {
        "message": "No other version of `echo` serves: take the plugin away with `hardpoint plugin remove echo`.",
        "type": "conflict"
      }
    }
    "#);
    let approve = async |digest: &serde_json::Value, binding: Option<&str>| {
        let body = json!({ "digest": digest, "binding": binding });
        app.post("/api/v1/plugins/echo/approve", &body).await.expect(200)
    };
    approve(&app.plugin("echo").await["digest"], None).await;
    let nothing_waits = discard("").await;
    assert!(
        nothing_waits.status == 409 && nothing_waits.text().contains("waits"),
        "{}",
        nothing_waits.text()
    );
    // Approved for one binding of two, it waits on; that one may do more already.
    app.publish("echo.wasm", &echo("2.0.0", &format!("kv = true\n{ASKS}"))).await;
    let waiting = app.plugin("echo").await["candidate"]["digest"].clone();
    assert_eq!(approve(&waiting, Some("mine")).await["candidate"]["digest"], waiting);
    assert_eq!(discard(&format!("?digest=sha256:{}", "0".repeat(64))).await.status, 422);
    assert_eq!(discard("?digst=x").await.status, 400);
    let told = discard("").await.expect(200);
    assert_eq!(told["taken_back"], json!({ "mine": ["keep small values for each organisation (kv)"] }));
    assert_eq!((&told["version"], told.get("candidate")), (&json!("1.0.0"), None));
    assert_eq!(app.call("mine").await, 200);
    // Its file is no news, and its approval is gone with it.
    let app = app.restart().await;
    assert!(app.plugin("echo").await.get("candidate").is_none());
    app.publish("echo.wasm", &echo("2.0.0", &format!("kv = true\n{ASKS}"))).await;
    assert!(app.plugin("echo").await["approved_by"].is_string(), "of the version that serves");

    let run = |more: &[&str]| {
        let discard = ["plugin", "discard", "echo", "--config", "hardpoint.toml", "--data", "data"];
        hardpoint(app.folder(), &[&discard[..], more].concat())
    };
    let told = run(&[]);
    assert!(told.status.success(), "{}", said(&told));
    insta::assert_snapshot!(crate::support::mask(&said(&told)), @r"
    echo 2.0.0 (sha256:…) is discarded. echo 1.0.0 serves on.
    The file echo.wasm stays in the plugins folder, and is taken up again when it changes.
    ");
    let again = run(&["--json"]);
    assert_eq!(again.status.code(), Some(1), "{}", said(&again));
    let events = kinds_of_events(&app).await;
    assert_eq!(events.iter().filter(|kind| *kind == "plugin.discarded").count(), 2, "{events:?}");
    let key = app.stranger().await;
    let path = "/api/v1/plugins/echo/waiting";
    assert_eq!(app.ask(&key, Method::DELETE, path, None).await.status, 403);
}

/// What was removed is forgotten, its approval too: the same bytes wait as bytes that never were here.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_removed_waits_for_another_approval() {
    let app = TestApp::start().await;
    std::fs::write(app.folder().join("echo.wasm"), echo("1.0.0", "")).unwrap();
    let run = |arguments: &[&str]| {
        let data = ["--config", "hardpoint.toml", "--data", "data"];
        let done = hardpoint(app.folder(), &[&["plugin"], arguments, &data].concat());
        assert!(done.status.success(), "{}", said(&done));
        crate::support::mask(&said(&done)).replace(" --config hardpoint.toml --data data", "")
    };
    let first = run(&["publish", "echo.wasm"]);
    insta::assert_snapshot!(first, @r"
    echo 1.0.0 is kept (pending_approval).
    See what it asks for and allow it: hardpoint plugin grant echo --digest sha256:…
    ");
    run(&["grant", "echo", "--yes"]);
    app.settle().await;
    assert_eq!(app.call("echo").await, 200);
    assert!(run(&["publish", "echo.wasm"]).ends_with("These bytes serve already.\n"));
    run(&["remove", "echo", "--yes"]);
    app.settle().await;
    assert_eq!(run(&["publish", "echo.wasm"]), first);
    app.settle().await;
    assert_eq!(app.call("echo").await, 404);
    let told: serde_json::Value = serde_json::from_str(&run(&["publish", "echo.wasm", "--json"])).unwrap();
    assert_eq!(told["next"], "hardpoint plugin grant echo --digest sha256:…");
    run(&["grant", "echo", "--yes"]);
    app.settle().await;
    assert_eq!(app.call("echo").await, 200);
}

/// No host has looked yet, so the store still says what each version waited for.
#[test]
fn what_was_allowed_since_is_told_as_allowed_and_nothing_else_is() {
    let folder = tempfile::TempDir::new().unwrap();
    let asks = "[[http]]\nhost = \"api.example.com\"\nmethods = [\"POST\"]\n";
    let run = |arguments: &[&str]| {
        let done = hardpoint(folder.path(), &[&["plugin"], arguments].concat());
        assert!(done.status.success(), "{}", said(&done));
        said(&done)
    };
    let publish = |version: &str| {
        std::fs::write(folder.path().join("echo.wasm"), echo(version, asks)).unwrap();
        run(&["publish", "echo.wasm"]);
    };
    publish("1.0.0");
    let allowed = "it is allowed, and serves as soon as";
    let told = |arguments: &[&str]| run(arguments).contains(allowed);
    assert_eq!([told(&["list"]), told(&["inspect", "echo"])], [false, false]);
    run(&["grant", "echo", "--yes"]);
    assert_eq!([told(&["list"]), told(&["inspect", "echo"])], [true, true]);
    // What the grant covers, but nobody approved its bytes.
    publish("1.0.1");
    let inspected = run(&["inspect", "echo"]);
    assert!(inspected.starts_with("echo 1.0.1") && !inspected.contains(allowed), "{inspected}");
    // Nor has a host said so yet.
    assert!(inspected.contains("uploaded bytes need an operator's approval"), "{inspected}");
}
