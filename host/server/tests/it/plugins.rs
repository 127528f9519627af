//! `/plugins`, and what stands behind it: folder, store, grants.

use axum::body::Body;
use hardpoint_runtime::digest;
use hardpoint_store::events;
use http::{Method, header};
use serde_json::{Value, json};

use crate::support::{TestApp, echo, fixture, repacked};

/// A tool that asks to send requests to `target`.
const PROBER: &str =
    "[bindings.probe]\nplugin = \"prober\"\nsettings = { target = \"https://api.example.com/v1\" }\n";

/// Asks for what needs no setting.
pub(crate) const ASKS: &str = "[[http]]\nhost = \"api.example.com\"\n";
pub(crate) const ASKS_MORE: &str = "kv = true\n[[http]]\nhost = \"api.example.com\"\n";

pub(crate) async fn kinds_of_events(app: &TestApp) -> Vec<String> {
    let mut conn = app.app().store.read().await.unwrap();
    let all = events::list(&mut conn, None, None, 100).await.unwrap();
    let mut kinds: Vec<String> = all.into_iter().map(|stored| stored.event.kind).collect();
    kinds.reverse();
    kinds
}

#[tokio::test(flavor = "multi_thread")]
async fn the_folder_good_and_bad() {
    let echo = echo("1.0.0", "");
    let plugins = [
        ("echo.wasm", echo.clone()),
        ("notes.txt", "read me".into()),
        ("text.wasm", "no component".into()),
        ("module.wasm", b"\0asm\x01\0\0\0".as_slice().into()),
        ("cut.wasm", echo.slice(..echo.len() / 2)),
        ("probe.wasm", fixture("prober")),
    ];
    let app = TestApp::with(PROBER, &plugins).await;
    insta::assert_snapshot!(app.get("/api/v1/plugins").await.shown(), @r#"
    200
    {
      "data": [
        {
          "asks": [],
          "bindings": [
            {
              "allowed": [],
              "name": "echo",
              "paused": false,
              "secrets": {},
              "settings": {},
              "state": "ready",
              "written_in": "plugin"
            }
          ],
          "description": "Answers with its arguments.",
          "digest": "sha256:…",
          "file": "echo.wasm",
          "id": "echo",
          "kind": "tool",
          "limits": {
            "concurrency": 256,
            "concurrency_per_org": 128,
            "cpu_ms": 250,
            "exchange_cpu_ms": 250,
            "http_calls": 20,
            "log_kib": 256,
            "memory_mib": 64,
            "output_kib": 1024,
            "wall_ms": 10000
          },
          "live": {
            "calls": 0,
            "cpu_ms": 0.0,
            "cpu_us": {
              "p50": 0,
              "p95": 0,
              "p99": 0
            },
            "digest": "sha256:…",
            "egress": {},
            "errors": [],
            "failures": {},
            "faults": {},
            "generation": 1,
            "memory_peak": 0,
            "sandboxes": 0,
            "version": "1.0.0",
            "wall_us": {
              "p50": 0,
              "p95": 0,
              "p99": 0
            }
          },
          "open_to": {
            "except": [],
            "others": true
          },
          "published_at": "…",
          "size": "…",
          "source": "folder",
          "state": "active",
          "version": "1.0.0"
        },
        {
          "asks": [
            "keep small values for each organisation (kv)",
            "send GET,POST https://api.example.com/v1",
            "use an empty folder while a call lasts (scratch)",
            "use the secret `token`, only towards https://api.example.com (optional)"
          ],
          "bindings": [
            {
              "allowed": [],
              "missing": [
                "send GET,POST https://api.example.com/v1",
                "keep small values for each organisation (kv)",
                "use an empty folder while a call lasts (scratch)"
              ],
              "name": "probe",
              "remedy": "hardpoint plugin grant prober --binding probe",
              "secrets": {},
              "settings": {
                "target": "https://api.example.com/v1"
              },
              "state": "pending_approval",
              "written_in": "hardpoint.toml"
            }
          ],
          "description": "Sends the request it is told to send, and keeps values and files; reports what came of it.",
          "digest": "sha256:…",
          "file": "probe.wasm",
          "id": "prober",
          "kind": "tool",
          "limits": {
            "concurrency": 256,
            "concurrency_per_org": 128,
            "cpu_ms": 250,
            "exchange_cpu_ms": 250,
            "http_calls": 20,
            "log_kib": 256,
            "memory_mib": 64,
            "output_kib": 1024,
            "wall_ms": 10000
          },
          "open_to": {
            "except": [],
            "others": true
          },
          "published_at": "…",
          "reason": "binding probe is not allowed to send GET,POST https://api.example.com/v1, nor to keep small values for each organisation (kv), nor to use an empty folder while a call lasts (scratch); allow it with `hardpoint plugin grant prober --binding probe`",
          "settings_schema": {
            "additionalProperties": false,
            "properties": {
              "target": {
                "format": "uri",
                "type": "string"
              }
            },
            "type": "object"
          },
          "size": "…",
          "source": "folder",
          "state": "pending_approval",
          "version": "0.1.0"
        }
      ],
      "files": [
        {
          "name": "cut.wasm",
          "reason": "not a WebAssembly component: unexpected end-of-file (at offset 0x51ca)",
          "size": "…",
          "state": "rejected"
        },
        {
          "digest": "sha256:…",
          "name": "echo.wasm",
          "plugin": "echo",
          "size": "…",
          "state": "active"
        },
        {
          "name": "module.wasm",
          "reason": "a core WebAssembly module, not a component: build it for the target wasm32-wasip2",
          "size": "…",
          "state": "rejected"
        },
        {
          "name": "notes.txt",
          "reason": "not taken for a component: its name does not end in .wasm",
          "size": "…",
          "state": "rejected"
        },
        {
          "digest": "sha256:…",
          "name": "probe.wasm",
          "plugin": "prober",
          "reason": "binding probe is not allowed to send GET,POST https://api.example.com/v1, nor to keep small values for each organisation (kv), nor to use an empty folder while a call lasts (scratch); allow it with `hardpoint plugin grant prober --binding probe`",
          "size": "…",
          "state": "pending_approval"
        },
        {
          "name": "text.wasm",
          "reason": "not a WebAssembly component: it does not begin as WebAssembly does",
          "size": "…",
          "state": "rejected"
        }
      ],
      "page": 1,
      "page_size": 20,
      "total": 2
    }
    "#);
    assert_eq!(app.call("echo").await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_asks_waits_until_it_is_approved() {
    let app = TestApp::with("", &[("echo.wasm", echo("1.0.0", ASKS))]).await;
    let waiting = app.plugin("echo").await;
    assert_eq!(waiting["state"], "pending_approval");
    insta::assert_snapshot!(waiting["reason"].as_str().unwrap(), @"binding echo is not allowed to send GET https://api.example.com/; allow it with `hardpoint plugin grant echo`");
    assert_eq!(app.call("echo").await, 404);

    let approve = |body: Value| {
        let app = &app;
        async move { app.post("/api/v1/plugins/echo/approve", &body).await }
    };
    insta::assert_snapshot!(approve(json!({"digest": "sha256:0"})).await.shown(), @r#"
    422
    {
      "error": {
        "details": {
          "constraint": "exists",
          "field": "digest"
        },
        "message": "There is no version of `echo` with the digest sha256:0; `hardpoint plugin inspect echo` tells those that there are.",
        "type": "validation_error"
      }
    }
    "#);
    let unknown = json!({"digest": waiting["digest"], "binding": "other"});
    insta::assert_snapshot!(approve(unknown).await.shown(), @r#"
    422
    {
      "error": {
        "details": {
          "constraint": "exists",
          "field": "binding"
        },
        "message": "Plugin `echo` has no binding `other`; it has echo.",
        "type": "validation_error"
      }
    }
    "#);
    let approved = approve(json!({"digest": waiting["digest"]})).await.expect(200);
    assert_eq!((&approved["state"], &approved["reason"]), (&json!("active"), &Value::Null));
    assert_eq!(approved["bindings"][0]["allowed"], json!(["send GET https://api.example.com/"]));
    assert_eq!(app.call("echo").await, 200);

    let revoked = app.post("/api/v1/plugins/echo/revoke", &json!({})).await.expect(200);
    assert_eq!(revoked["state"], "pending_approval");
    assert_eq!(app.call("echo").await, 404);
    let expected = [
        "key.created",
        "plugin.published",
        "plugin.approved",
        "plugin.activated",
        "plugin.revoked",
        "plugin.suspended",
    ];
    assert_eq!(kinds_of_events(&app).await, expected);
}

/// A version that waits, and does not even fit, keeps nobody from taking back what the one before it has.
#[tokio::test(flavor = "multi_thread")]
async fn a_binding_is_revoked_whatever_waits() {
    let app = TestApp::with("", &[("echo.wasm", echo("1.0.0", ASKS))]).await;
    let digest = app.plugin("echo").await["digest"].clone();
    app.post("/api/v1/plugins/echo/approve", &json!({"digest": digest})).await.expect(200);
    let needs = "[settings]\ntype = \"object\"\nrequired = [\"color\"]\nproperties.color.type = \"string\"\n";
    app.publish("echo.wasm", &echo("1.1.0", &format!("{ASKS}\n{needs}"))).await;
    assert_eq!(app.call("echo").await, 200);
    let other = app.post("/api/v1/plugins/echo/revoke", &json!({"binding": "other"})).await;
    assert!(other.status != 200 && other.text().contains("it has echo"), "{}", other.text());
    app.post("/api/v1/plugins/echo/revoke", &json!({"binding": "echo"})).await.expect(200);
    assert_eq!(app.call("echo").await, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_asks_for_nothing_can_be_revoked_too() {
    let app = TestApp::with("", &[("echo.wasm", echo("1.0.0", ""))]).await;
    assert_eq!(app.call("echo").await, 200);
    let revoked = app.post("/api/v1/plugins/echo/revoke", &json!({})).await.expect(200);
    assert_eq!(revoked["state"], "rejected");
    assert!(revoked["reason"].as_str().unwrap().contains("hardpoint plugin grant echo"), "{revoked}");
    assert_eq!(app.call("echo").await, 404);
    // Neither another look nor another start brings it back; approval does.
    app.post("/api/v1/plugins/reload", &json!({})).await.expect(200);
    let app = app.restart().await;
    assert_eq!(app.call("echo").await, 404);
    // Nor do the same bytes under a newer date.
    app.publish("echo.wasm", &echo("1.0.0", "")).await;
    assert_eq!(app.call("echo").await, 404);
    let body = json!({"digest": revoked["digest"]});
    app.post("/api/v1/plugins/echo/approve", &body).await.expect(200);
    assert_eq!(app.call("echo").await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_that_asks_for_no_more_takes_over() {
    let app = TestApp::with("", &[("echo.wasm", echo("1.0.0", ASKS))]).await;
    let digest = app.plugin("echo").await["digest"].clone();
    app.post("/api/v1/plugins/echo/approve", &json!({"digest": digest})).await.expect(200);
    app.publish("echo.wasm", &echo("1.1.0", ASKS)).await;
    let after = app.plugin("echo").await;
    assert_eq!((&after["version"], &after["state"]), (&json!("1.1.0"), &json!("active")));
    // Back to the old bytes: the file says what is wanted, not the number.
    app.publish("echo.wasm", &echo("1.0.0", ASKS)).await;
    assert_eq!(app.plugin("echo").await["version"], "1.0.0");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_that_asks_for_more_leaves_the_old_version_serving() {
    let app = TestApp::with("", &[("echo.wasm", echo("1.0.0", ASKS))]).await;
    let first = app.plugin("echo").await["digest"].clone();
    app.post("/api/v1/plugins/echo/approve", &json!({"digest": first})).await.expect(200);
    app.publish("echo.wasm", &echo("2.0.0", ASKS_MORE)).await;
    let after = app.plugin("echo").await;
    assert_eq!((&after["version"], &after["state"]), (&json!("1.0.0"), &json!("active")));
    insta::assert_snapshot!(crate::support::mask(&after["candidate"].to_string()), @r#"{"digest":"sha256:…","reason":"binding echo is not allowed to keep small values for each organisation (kv); allow it with `hardpoint plugin grant echo`","state":"pending_approval","version":"2.0.0"}"#);
    assert_eq!(app.call("echo").await, 200);
    // Approving the new one takes nothing from the old one before it is replaced.
    let body = json!({"digest": after["candidate"]["digest"]});
    let approved = app.post("/api/v1/plugins/echo/approve", &body).await.expect(200);
    assert_eq!((&approved["version"], &approved["candidate"]), (&json!("2.0.0"), &Value::Null));
    assert_eq!(app.call("echo").await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_that_cannot_be_loaded_leaves_the_old_version_serving() {
    let app = TestApp::with("", &[("echo.wasm", echo("1.0.0", ""))]).await;
    let manifest = "id = \"echo\"\nversion = \"2.0.0\"\nkind = \"tool\"\ndescription = \"Traps.\"\n";
    app.publish("echo.wasm", &repacked("stillborn", manifest)).await;
    let after = app.plugin("echo").await;
    assert_eq!((&after["version"], &after["candidate"]["state"]), (&json!("1.0.0"), &json!("rejected")));
    assert!(after["candidate"]["reason"].as_str().unwrap().starts_with("trial run: "), "{after}");
    // Then garbage, then nothing but what was there: it serves on, also over a restart.
    app.publish("echo.wasm", b"garbage").await;
    assert_eq!(app.call("echo").await, 200);
    let app = app.restart().await;
    assert_eq!(app.plugin("echo").await["version"], "1.0.0");
    assert_eq!(app.call("echo").await, 200);
    // The file is what publishes it: without the file it is gone.
    app.unpublish("echo.wasm").await;
    assert_eq!(app.call("echo").await, 404);
    assert_eq!(app.get("/api/v1/plugins/echo").await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_files_the_higher_version_serves() {
    let app = TestApp::with("", &[("a.wasm", echo("1.2.0", "")), ("b.wasm", echo("1.10.0", ""))]).await;
    assert_eq!(app.plugin("echo").await["version"], "1.10.0");
    let files = app.get("/api/v1/plugins").await.expect(200)["files"].clone();
    assert_eq!((&files[0]["state"], &files[1]["state"]), (&json!("superseded"), &json!("active")));
    app.unpublish("b.wasm").await;
    assert_eq!(app.plugin("echo").await["version"], "1.2.0");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_plugin_stays_away_until_its_file_changes() {
    let app = TestApp::with("", &[("echo.wasm", echo("1.0.0", ""))]).await;
    let removed = app.delete("/api/v1/plugins/echo").await;
    assert_eq!((removed.status.as_u16(), removed.body.len()), (204, 0));
    assert_eq!(app.delete("/api/v1/plugins/echo").await.status, 404);
    assert_eq!(app.call("echo").await, 404);
    let file = app.get("/api/v1/plugins").await.expect(200)["files"][0].clone();
    assert_eq!(file["state"], "removed", "{file}");
    app.post("/api/v1/plugins/reload", &json!({})).await.expect(200);
    let app = app.restart().await;
    assert_eq!(app.call("echo").await, 404);
    app.publish("echo.wasm", &echo("1.0.0", "")).await;
    assert_eq!(app.call("echo").await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn uploaded_bytes_wait_for_their_digest_to_be_approved() {
    let app = TestApp::start().await;
    let bytes = echo("1.0.0", "");
    let raw = |kind: &str, body: bytes::Bytes| {
        let mut request = app.request(Method::POST, "/api/v1/plugins", None);
        request.headers_mut().insert(header::CONTENT_TYPE, kind.parse().unwrap());
        *request.body_mut() = Body::from(body);
        request
    };
    let form = |name: &str, bytes: &[u8]| {
        let mut body =
            format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"e.wasm\"\r\n\r\n")
                .into_bytes();
        body.extend_from_slice(bytes);
        body.extend_from_slice(b"\r\n--b--\r\n");
        raw("multipart/form-data; boundary=b", body.into())
    };
    let uploaded = app.send(form("file", &bytes)).await.expect(201);
    assert_eq!((&uploaded["state"], &uploaded["file"]), (&json!("pending_approval"), &json!("e.wasm")));
    assert_eq!(uploaded["digest"], digest(&bytes));
    insta::assert_snapshot!(crate::support::mask(uploaded["reason"].as_str().unwrap()), @"uploaded bytes need an operator's approval: `hardpoint plugin grant echo --digest sha256:…`");
    assert_eq!(app.call("echo").await, 404);
    // The same again changes nothing; other bytes of the same plugin wait for themselves.
    assert_eq!(
        app.send(raw("application/wasm", bytes.clone())).await.expect(201)["state"],
        "pending_approval"
    );
    let body = json!({"digest": uploaded["digest"]});
    app.post("/api/v1/plugins/echo/approve", &body).await.expect(200);
    assert_eq!(app.call("echo").await, 200);
    let newer = app.send(raw("application/wasm", echo("1.1.0", ""))).await.expect(201);
    assert_eq!((&newer["version"], &newer["candidate"]["version"]), (&json!("1.0.0"), &json!("1.1.0")));
    assert_eq!(newer["candidate"]["state"], "pending_approval");

    insta::assert_snapshot!(app.send(raw("application/wasm", "hello".into())).await.shown(), @r#"
    422
    {
      "error": {
        "details": {
          "constraint": "plugin",
          "field": "file"
        },
        "message": "Not a WebAssembly component: it does not begin as WebAssembly does.",
        "type": "validation_error"
      }
    }
    "#);
    insta::assert_snapshot!(app.send(raw("application/json", "{}".into())).await.shown(), @r#"
    415
    {
      "error": {
        "message": "The body must be sent as `Content-Type: application/wasm` or `multipart/form-data`.",
        "type": "unsupported_media_type"
      }
    }
    "#);
    insta::assert_snapshot!(app.send(form("wrong", &bytes)).await.shown(), @r#"
    400
    {
      "error": {
        "details": {
          "constraint": "required",
          "field": "file"
        },
        "message": "The form has no field 'file'.",
        "type": "validation_error"
      }
    }
    "#);
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_have_a_limit_of_their_own() {
    let toml = "[server]\nmax_json_body = 10\nmax_upload = \"1MB\"\n[plugins]\nmax_component_bytes = 1000\n";
    let app = TestApp::with(toml, &[]).await;
    let send = |bytes: usize| {
        let mut request = app.request(Method::POST, "/api/v1/plugins", None);
        request.headers_mut().insert(header::CONTENT_TYPE, "application/wasm".parse().unwrap());
        *request.body_mut() = Body::from(vec![0; bytes]);
        app.send(request)
    };
    let refused = send(2_000).await;
    assert_eq!(refused.status, 422);
    assert!(refused.text().contains("max_component_bytes"), "{}", refused.text());
    assert_eq!(send(1_000_001).await.status, 413);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_configuration_allows_no_command_changes() {
    let toml = "[bindings.mine]\nplugin = \"echo\"\n[bindings.mine.grant]\nhttp = [\"GET https://api.example.com\"]\n";
    let app = TestApp::with(toml, &[("echo.wasm", echo("1.0.0", ASKS))]).await;
    assert_eq!(app.call("mine").await, 200);
    assert_eq!(app.call("echo").await, 404, "it has a binding, and no other");
    app.publish("echo.wasm", &echo("2.0.0", ASKS_MORE)).await;
    let after = app.plugin("echo").await;
    assert_eq!(after["version"], "1.0.0");
    let reason = after["candidate"]["reason"].as_str().unwrap();
    assert!(reason.contains("[bindings.mine.grant] in hardpoint.toml"), "{reason}");
    let body = json!({"digest": after["candidate"]["digest"], "binding": "mine"});
    let refused = app.post("/api/v1/plugins/echo/approve", &body).await;
    insta::assert_snapshot!(refused.shown(), @r#"
    409
    {
      "error": {
        "message": "What binding `mine` may do stands in hardpoint.toml under [bindings.mine.grant] (hardpoint.toml, line 3); change it there.",
        "type": "conflict"
      }
    }
    "#);
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_that_do_not_fit_are_told() {
    let toml = "[bindings.probe]\nplugin = \"prober\"\nsettings = { target = 7, colour = \"red\" }\n";
    let app = TestApp::with(toml, &[("prober.wasm", fixture("prober"))]).await;
    let plugin = app.plugin("prober").await;
    assert_eq!(plugin["state"], "pending_approval");
    assert_eq!(plugin["bindings"][0]["state"], "unfit_settings");
    insta::assert_snapshot!(plugin["reason"].as_str().unwrap(), @r#"binding probe: the settings do not fit: `target`: 7 is not of type "string" (hardpoint.toml, line 3); `colour`: unknown; there are target (hardpoint.toml, line 3); mend [bindings.probe.settings] in hardpoint.toml"#);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_from_another_process_arrives_by_the_store() {
    let app = TestApp::with("", &[("echo.wasm", echo("1.0.0", ASKS))]).await;
    let desk = hardpoint_server::service::plugins::Desk::of(app.app());
    let author = hardpoint_server::service::events::Author::cli();
    desk.grant(&author, "echo", None, None).await.unwrap();
    // Nobody rings: the keeper asks for the store's revision by itself.
    let asked = async {
        while app.call("echo").await != 200 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), asked).await.expect("the grant arrives");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugins_log() {
    let app = TestApp::with("", &[("echo.wasm", echo("1.0.0", ""))]).await;
    assert_eq!(app.get("/api/v1/plugins/echo/logs").await.expect(200), json!({"data": []}));
    assert_eq!(app.get("/api/v1/plugins/echo/logs?limit=0").await.status, 400);
    assert_eq!(app.get("/api/v1/plugins/nobody/logs").await.status, 404);
    let reloaded = app.post("/api/v1/plugins/echo/reload", &json!({})).await.expect(200);
    assert_eq!(reloaded["state"], "active");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_active_version_does_not_ask_for_is_taken_back() {
    let (kv, http) = ("kv = true\n", ASKS);
    let app = TestApp::with("", &[("echo.wasm", echo("1.0.0", http))]).await;
    let approve = async || {
        let digest = app.plugin("echo").await;
        let digest = digest["candidate"]["digest"].as_str().or(digest["digest"].as_str()).unwrap().to_owned();
        app.post("/api/v1/plugins/echo/approve", &json!({"digest": digest})).await.expect(200);
    };
    let allowed = async || {
        let desk = hardpoint_server::service::plugins::Desk::of(app.app());
        let (_, permissions) = desk.arranged().await.unwrap().grants.remove("echo").unwrap();
        (permissions.http.len(), permissions.kv)
    };
    approve().await;
    assert_eq!(allowed().await, (1, false));
    // Asks for something else; what the old one had stays until this one serves.
    app.publish("echo.wasm", &echo("2.0.0", kv)).await;
    assert_eq!(app.plugin("echo").await["version"], "1.0.0");
    approve().await;
    app.settle().await;
    assert_eq!(app.plugin("echo").await["version"], "2.0.0");
    assert_eq!(allowed().await, (0, true));
    // So the old one cannot come again with what it had.
    app.publish("echo.wasm", &echo("3.0.0", &format!("{kv}{http}"))).await;
    assert_eq!(app.plugin("echo").await["version"], "2.0.0");
}
