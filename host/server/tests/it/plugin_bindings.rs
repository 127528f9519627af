//! Bindings over the API, whom a plugin is open to, and plugins that are declared in hardpoint.toml.

use hardpoint_store::events;
use http::Method;
use serde_json::{Value, json};

use crate::command_line::{hardpoint, said};
use crate::plugins::kinds_of_events;
use crate::support::{Answer, TestApp, echo, fixture};

/// A tool that sends to an address of its settings, with a secret.
const SETTINGS: &str = r#"
[[http]]
host = "{settings.base_url}"

[[secret]]
name = "api_key"
audience = "{settings.base_url}"
optional = true

[settings]
type = "object"
additionalProperties = false
[settings.properties.base_url]
type = "string"
[settings.properties.depth]
type = "integer"
maximum = 9
[settings.properties.api_key]
type = "string"
secret = true
"#;

const SECRET: &str = r#"
[secrets.key]
value = "sk-123456789"
audience = "https://a.example.com"
"#;

async fn put(app: &TestApp, path: &str, body: Value) -> Answer {
    app.send(app.request(Method::PUT, &format!("/api/v1/plugins/{path}"), Some(&body))).await
}

fn message(answer: &Answer) -> String {
    answer.json()["error"]["message"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_binding_is_made_changed_and_removed() {
    let app = TestApp::with(SECRET, &[("echo.wasm", echo("1.0.0", SETTINGS))]).await;
    assert_eq!(app.call("echo").await, 200);
    let made = put(&app, "echo/bindings/deep", json!({"settings": {"depth": 3}})).await.expect(201);
    assert_eq!((&made["name"], &made["state"]), (&json!("deep"), &json!("ready")));
    assert_eq!((&made["settings"], &made["written_in"]), (&json!({"depth": 3}), &json!("store")));
    // The one that it has by itself stays.
    assert_eq!((app.call("deep").await, app.call("echo").await), (200, 200));
    let changed = put(&app, "echo/bindings/deep", json!({"settings": {"depth": 4}})).await.expect(200);
    assert_eq!(changed["settings"]["depth"], 4);
    put(&app, "echo/bindings/echo", json!({})).await.expect(201);
    // Nothing sent is nothing to put in its place.
    let nothing = app.request(Method::PUT, "/api/v1/plugins/echo/bindings/deep", None);
    assert_eq!(app.send(nothing).await.status, 415);

    let app = app.restart().await;
    assert_eq!((app.call("deep").await, app.call("echo").await), (200, 200));
    assert_eq!(app.delete("/api/v1/plugins/echo/bindings/deep").await.status, 204);
    assert_eq!((app.call("deep").await, app.call("echo").await), (404, 200));
    let again = app.delete("/api/v1/plugins/echo/bindings/deep").await;
    assert_eq!(
        (again.status.as_u16(), message(&again)),
        (404, "plugin `echo` has no binding `deep`; it has echo.".into())
    );

    let mut conn = app.app().store.read().await.unwrap();
    let all = events::list(&mut conn, None, None, 100).await.unwrap();
    let told: Vec<_> = all
        .into_iter()
        .rev()
        .map(|stored| stored.event)
        .filter(|event| event.target.kind == "binding")
        .map(|event| (event.kind, event.target.id, event.before, event.after))
        .collect();
    let settings = |depth: u8| Some(json!({"settings": {"depth": depth}, "secrets": {}}));
    let empty = Some(json!({"settings": {}, "secrets": {}}));
    let deep = || "echo/deep".to_owned();
    assert_eq!(
        told,
        [
            ("binding.created".into(), deep(), None, settings(3)),
            ("binding.changed".into(), deep(), settings(3), settings(4)),
            ("binding.created".into(), "echo/echo".into(), None, empty),
            ("binding.removed".into(), deep(), settings(4), None),
        ]
    );
    drop(conn);

    // What goes with a plugin is told, and nothing of it is left that could be bound or come again.
    assert_eq!(app.delete("/api/v1/plugins/echo").await.status, 204);
    let newest = events::list(&mut app.app().store.read().await.unwrap(), None, None, 1).await.unwrap();
    let removed = &newest[0].event;
    assert_eq!(
        (removed.kind.as_str(), &removed.after.as_ref().unwrap()["bindings"]),
        ("plugin.removed", &json!(["echo"]))
    );
    assert_eq!(put(&app, "echo/bindings/echo", json!({})).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_bound_is_refused_with_its_place() {
    let toml = format!("{SECRET}\n[bindings.fixed]\nplugin = \"echo\"\n");
    let other = crate::support::repacked(
        "echo",
        "id = \"other\"\nversion = \"1.0.0\"\nkind = \"tool\"\ndescription = \"x\"\n",
    );
    let plugins = [("echo.wasm", echo("1.0.0", SETTINGS)), ("other.wasm", other)];
    let app = TestApp::with(&toml, &plugins).await;
    put(&app, "other/bindings/taken", json!({})).await.expect(201);
    // A name that a plugin would have by itself is that plugin's.
    let table = [
        ("echo/bindings/b", json!({"settings": {"depth": "x"}}), 422, "settings.depth", "is not of type"),
        ("echo/bindings/b", json!({"settings": {"depth": 10}}), 422, "settings.depth", "maximum"),
        (
            "echo/bindings/b",
            json!({"settings": {"color": 1}}),
            422,
            "settings.color",
            "unknown; there are api_key, base_url, depth",
        ),
        ("echo/bindings/b", json!({"settings": {"api_key": "sk-1"}}), 422, "settings.api_key", "is a secret"),
        ("echo/bindings/b", json!({"settings": {"base_url": "no"}}), 422, "settings", "must be a URL"),
        ("echo/bindings/b", json!({"secrets": {"other": "key"}}), 422, "secrets.other", "asks for no secret"),
        (
            "echo/bindings/b",
            json!({"secrets": {"api_key": "none"}}),
            422,
            "secrets.api_key",
            "not the name of a secret (there are key)",
        ),
        ("echo/bindings/B%20b", json!({}), 422, "name", "binding"),
        ("echo/bindings/b", json!({"colour": 1}), 400, "", "colour"),
        ("echo/bindings/fixed", json!({}), 409, "", "[bindings.fixed]"),
        ("echo/bindings/taken", json!({}), 409, "", "binding of plugin `other`"),
        ("echo/bindings/other", json!({}), 409, "", "binding of plugin `other`"),
        ("nobody/bindings/b", json!({}), 404, "", "nobody"),
    ];
    for (path, body, status, field, reason) in table {
        let answer = put(&app, path, body.clone()).await;
        let text = answer.text();
        assert_eq!(answer.status.as_u16(), status, "{path} {body}: {text}");
        assert!(text.contains(reason) && text.contains(field), "{path} {body}: {text}");
    }
    let fixed = app.delete("/api/v1/plugins/echo/bindings/fixed").await;
    assert!(fixed.status == 409 && message(&fixed).contains("[bindings.fixed]"), "{}", fixed.text());
    assert_eq!(kinds_of_events(&app).await.iter().filter(|kind| kind.starts_with("binding.")).count(), 1);
}

/// Settings are judged by the version that serves: one that waits, uploaded by whomever, has no say.
#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_waits_has_no_say_in_settings() {
    let schema = |name: &str| {
        format!(
            "[settings]\ntype = \"object\"\nadditionalProperties = false\n[settings.properties.{name}]\ntype = \"integer\"\n"
        )
    };
    let app = TestApp::with("", &[("echo.wasm", echo("1.0.0", &schema("depth")))]).await;
    put(&app, "echo/bindings/deep", json!({"settings": {"depth": 3}})).await.expect(201);
    let mut upload = app.request(Method::POST, "/api/v1/plugins", None);
    upload.headers_mut().insert(http::header::CONTENT_TYPE, "application/wasm".parse().unwrap());
    *upload.body_mut() = axum::body::Body::from(echo("2.0.0", &schema("width")));
    app.send(upload).await.expect(201);
    let other = put(&app, "echo/bindings/deep", json!({"settings": {"width": 3}})).await;
    assert_eq!((other.status.as_u16(), app.call("deep").await), (422, 200), "{}", other.text());
    put(&app, "echo/bindings/deep", json!({"settings": {"depth": 4}})).await.expect(200);
    assert_eq!(app.call("deep").await, 200);
}

/// Settings decide where a plugin sends: an address that nobody allowed waits for an operator, and the
/// secret of another address stays at home.
#[tokio::test(flavor = "multi_thread")]
async fn another_address_needs_another_approval() {
    let app = TestApp::with(SECRET, &[("echo.wasm", echo("1.0.0", SETTINGS))]).await;
    let to = |url: &str| json!({"settings": {"base_url": url}, "secrets": {"api_key": "key"}});
    let waiting = put(&app, "echo/bindings/b", to("https://a.example.com/v1")).await.expect(201);
    assert_eq!(waiting["state"], "pending_approval", "{waiting}");
    assert_eq!(waiting["missing"], json!(["send GET https://a.example.com/v1"]));
    assert_eq!(waiting["remedy"], "hardpoint plugin grant echo --binding b");
    assert_eq!(app.call("b").await, 404);
    let digest = app.plugin("echo").await["digest"].clone();
    app.post("/api/v1/plugins/echo/approve", &json!({"digest": digest, "binding": "b"})).await.expect(200);
    assert_eq!(app.call("b").await, 200);
    // No body is an empty object: it says what is required, and is enough where nothing is.
    let send = async |path: &str| {
        app.send(app.request(Method::POST, &format!("/api/v1/plugins/echo/{path}"), None)).await
    };
    let nothing = send("approve").await;
    assert_eq!((nothing.status.as_u16(), message(&nothing)), (400, "The 'digest' field is required.".into()));
    // There is no version to go back to.
    assert_eq!(send("rollback").await.status, 409);

    let elsewhere = put(&app, "echo/bindings/b", to("https://b.example.com/v1")).await.expect(200);
    assert_eq!(elsewhere["state"], "pending_approval", "{elsewhere}");
    assert!(elsewhere["warnings"][0].as_str().unwrap().contains("https://a.example.com only"), "{elsewhere}");
    assert_eq!(app.call("b").await, 404);
    let back = put(&app, "echo/bindings/b", to("https://a.example.com/v1/narrower")).await.expect(200);
    assert_eq!(back["state"], "ready", "{back}");
    assert_eq!(back["secrets"], json!({"api_key": "key"}));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_serves_those_whom_it_is_open_to() {
    let toml = "[[models]]\nid = \"m\"\nbinding = \"hostile-model\"\n";
    let plugins = [("echo.wasm", echo("1.0.0", "")), ("m.wasm", fixture("hostile-model"))];
    let app = TestApp::with(toml, &plugins).await;
    let stranger = app.stranger().await;
    let tools = async || {
        let list = app.get_as(&stranger, "/api/v1/tools").await.expect(200);
        list["data"].as_array().unwrap().iter().map(|tool| tool["name"].clone()).collect::<Vec<_>>()
    };
    let call = async || {
        let body = json!({"arguments": {"a": 1}});
        app.post_as(&stranger, "/api/v1/tools/echo/call", &body).await.status.as_u16()
    };
    assert_eq!((tools().await, call().await), (vec![json!("echo")], 200));

    let wrong = put(&app, "echo/organizations", json!({"enabled": false})).await;
    assert_eq!(
        (wrong.status.as_u16(), message(&wrong)),
        (400, "There is no field 'enabled' here; expected is 'others'.".into())
    );
    let closed = put(&app, "echo/organizations", json!({"others": false})).await.expect(200);
    assert_eq!(closed, json!({"others": false, "organizations": [], "declared": false}));
    assert_eq!((tools().await, call().await, app.call("echo").await), (vec![], 404, 404));
    assert_eq!(app.plugin("echo").await["open_to"], json!({"others": false, "except": []}));
    put(&app, "echo/organizations/org_stranger", json!({"enabled": true})).await.expect(200);
    assert_eq!((tools().await, call().await, app.call("echo").await), (vec![json!("echo")], 200, 404));
    let app = app.restart().await;
    assert_eq!(app.call("echo").await, 404);
    let shown = app.get("/api/v1/plugins/echo/organizations").await.expect(200);
    assert_eq!(shown["organizations"], json!([{"organization_id": "org_stranger", "enabled": true}]));
    assert_eq!(
        app.delete("/api/v1/plugins/echo/organizations/org_stranger").await.expect(200)["organizations"],
        json!([])
    );

    // A model is one of its plugin.
    let ask = json!({"model": "m", "messages": [{"role": "user", "content": "be good!"}]});
    let asked = async || app.post_as(&stranger, "/api/v1/chat/completions", &ask).await;
    assert_eq!(asked().await.status, 200);
    put(&app, "hostile-model/organizations/org_stranger", json!({"enabled": false})).await.expect(200);
    let refused = asked().await;
    assert_eq!((refused.status.as_u16(), &refused.json()["error"]["code"]), (422, &json!("model_not_found")));
    assert_eq!(app.get_as(&stranger, "/api/v1/models").await.expect(200)["data"], json!([]));
    assert_eq!(app.get_as(&stranger, "/api/v1/models/m").await.status, 404);
    assert_eq!(app.post("/api/v1/chat/completions", &ask).await.status, 200);

    let nobody = put(&app, "echo/organizations/org_nobody", json!({"enabled": true})).await;
    assert_eq!(
        (nobody.status.as_u16(), message(&nobody)),
        (422, "The 'organization_id' field does not fit: there is no organisation `org_nobody`.".into())
    );
    // What is said already is no change.
    put(&app, "hostile-model/organizations/org_stranger", json!({"enabled": false})).await.expect(200);
    app.delete("/api/v1/plugins/echo/organizations/org_stranger").await.expect(200);
    let told = kinds_of_events(&app).await;
    for (kind, count) in [("plugin.enabled", 1), ("plugin.disabled", 2), ("plugin.enablement_cleared", 1)] {
        assert_eq!(told.iter().filter(|told| *told == kind).count(), count, "{kind}: {told:?}");
    }
}

/// Every road to a plugin: straight to its model, by embeddings, as a fallback, as a tool of a model; and the
/// list of models, whether it serves or is paused.
#[tokio::test(flavor = "multi_thread")]
async fn there_is_no_road_to_a_plugin_that_is_closed() {
    let toml = r#"
[[models]]
id = "m"
binding = "hostile-model"
tools = ["echo"]
[[models]]
id = "embedder"
binding = "hostile-model"
capabilities = ["embeddings"]
[[models]]
id = "first"
binding = "nowhere"
fallbacks = ["m"]
"#;
    let plugins = [("echo.wasm", echo("1.0.0", "")), ("m.wasm", fixture("hostile-model"))];
    let app = TestApp::with(toml, &plugins).await;
    let stranger = app.stranger().await;
    let says = |model: &str| json!({"model": model, "messages": [{"role": "user", "content": "be good!"}]});
    let with_tool = || {
        let mut request = says("m");
        request["tool_choice"] = json!({"type": "function", "function": {"name": "echo"}});
        request
    };
    let asked = async |path: &str, body: Value| {
        let answer = app.post_as(&stranger, path, &body).await;
        (answer.status.as_u16(), answer.json()["error"]["type"].as_str().unwrap_or_default().to_owned())
    };
    let roads = async || {
        let completions = "/api/v1/chat/completions";
        let embeddings = json!({"model": "embedder", "input": "text"});
        [
            asked(completions, says("m")).await,
            asked("/api/v1/embeddings", embeddings).await,
            asked(completions, says("first")).await,
            asked(completions, with_tool()).await,
        ]
    };
    let listed = async || {
        let list = app.get_as(&stranger, "/api/v1/models").await.expect(200);
        list["data"].as_array().unwrap().iter().map(|model| model["id"].clone()).collect::<Vec<_>>()
    };
    let told = |all: [(u16, &str); 4]| all.map(|(status, kind)| (status, kind.to_owned()));
    assert_eq!(roads().await, told([(200, ""), (422, "unsupported"), (200, ""), (200, "")]));
    assert_eq!(listed().await, ["m", "embedder", "first"]);

    put(&app, "echo/organizations/org_stranger", json!({"enabled": false})).await.expect(200);
    assert_eq!(asked("/api/v1/chat/completions", with_tool()).await, (422, "validation_error".to_owned()));
    put(&app, "hostile-model/organizations/org_stranger", json!({"enabled": false})).await.expect(200);
    let (none, gone) = ((422, "validation_error"), (503, "model_unavailable"));
    assert_eq!(roads().await, told([none, none, gone, none]));
    assert_eq!(listed().await, ["first"]);

    app.post("/api/v1/plugins/hostile-model/pause", &json!({})).await.expect(200);
    assert_eq!(roads().await, told([none, none, gone, none]));
    assert_eq!(listed().await, ["first"]);
}

/// Before its file was looked at, and where it has none.
#[tokio::test(flavor = "multi_thread")]
async fn a_model_is_hidden_before_its_plugin_is_there() {
    let toml = "[[models]]\nid = \"m\"\nbinding = \"hostile-model\"\n[[models]]\nid = \"never\"\nbinding = \"nobodys\"\n\
                [plugins.nobodys]\norganizations = [\"org_else\"]\n";
    let app = TestApp::with(toml, &[("m.wasm", fixture("hostile-model"))]).await;
    let stranger = app.stranger().await;
    let closed = json!({"enabled": false});
    put(&app, "hostile-model/organizations/org_stranger", closed).await.expect(200);
    let listed =
        async |app: &TestApp| app.get_as(&stranger, "/api/v1/models").await.expect(200)["data"].clone();
    assert_eq!(listed(&app).await, json!([]));
    let app = app.restart_at_once().await;
    assert_eq!(listed(&app).await, json!([]));
    // What was said of it is taken back.
    app.settle().await;
    app.delete("/api/v1/plugins/hostile-model/organizations/org_stranger").await.expect(200);
    assert_eq!(listed(&app).await[0]["id"], "m");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_is_declared_in_the_configuration() {
    let toml = r#"
[plugins.echo]
organizations = ["org_stranger"]
limits = { cpu_ms = 20, memory_mib = 4096 }
settings = { base_url = "https://a.example.com", depth = 2 }
secrets = { api_key = "key" }
grant = { http = ["GET https://a.example.com"], secrets = ["api_key"] }
"#;
    let app = TestApp::with(&format!("{SECRET}{toml}"), &[("echo.wasm", echo("1.0.0", SETTINGS))]).await;
    let shown = app.plugin("echo").await;
    let binding = &shown["bindings"][0];
    assert_eq!((&shown["state"], &binding["state"]), (&json!("active"), &json!("ready")), "{shown}");
    assert_eq!(
        (&binding["written_in"], &binding["settings"]["depth"]),
        (&json!("hardpoint.toml"), &json!(2))
    );
    let limits = &app.app().runtime.snapshot();
    let limits = limits.binding("echo").unwrap().limits().clone();
    assert_eq!((limits.cpu.as_millis(), limits.memory), (20, 64 << 20));

    let stranger = app.stranger().await;
    let body = json!({"arguments": {"a": 1}});
    assert_eq!(app.post_as(&stranger, "/api/v1/tools/echo/call", &body).await.status, 200);
    assert_eq!(app.call("echo").await, 404);
    let digest = shown["digest"].clone();
    for (answer, told) in [
        (put(&app, "echo/bindings/echo", json!({})).await, "[plugins.echo]"),
        (put(&app, "echo/organizations", json!({"others": true})).await, "[plugins.echo]"),
        (
            app.post("/api/v1/plugins/echo/approve", &json!({"digest": digest, "binding": "echo"})).await,
            "hardpoint.toml",
        ),
    ] {
        assert!(answer.status == 409 && message(&answer).contains(told), "{}", answer.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_bytes_that_the_configuration_names_serve() {
    let (old, new) = (echo("1.0.0", ""), echo("1.1.0", ""));
    let digest = hardpoint_runtime::inspect(&old).unwrap().digest;
    let toml = format!("[plugins.echo]\ndigest = \"{digest}\"\n");
    let app = TestApp::with(&toml, &[("echo.wasm", old)]).await;
    assert_eq!((app.call("echo").await, app.plugin("echo").await["version"].clone()), (200, json!("1.0.0")));
    app.publish("echo.wasm", &new).await;
    let shown = app.plugin("echo").await;
    assert_eq!((app.call("echo").await, &shown["version"]), (200, &json!("1.0.0")));
    let reason = shown["candidate"]["reason"].as_str().unwrap();
    assert_eq!(reason, format!("hardpoint.toml lets only {digest} serve"));

    // The same folder and store under a file that names the other bytes, and then under one that stops it. What
    // one host pins is no matter of the others: nothing is written.
    let newer = hardpoint_runtime::inspect(&new).unwrap().digest;
    let before = of_plugins(kinds_of_events(&app).await);
    app.configure(&format!("[plugins.echo]\ndigest = \"{newer}\"\n"));
    let app = app.restart().await;
    assert_eq!(of_plugins(kinds_of_events(&app).await), before);
    let refused = app.post("/api/v1/plugins/echo/approve", &json!({"digest": digest})).await;
    assert!(refused.status == 409 && message(&refused).contains("[plugins.echo]"), "{}", refused.text());
    // It waits in the store, and serves here.
    let refused = app.delete("/api/v1/plugins/echo/waiting").await;
    assert!(refused.status == 409 && message(&refused).contains("[plugins.echo]"), "{}", refused.text());
    assert_eq!((app.call("echo").await, app.plugin("echo").await["version"].clone()), (200, json!("1.1.0")));
    app.configure("[plugins.echo]\nenabled = false\n");
    let app = app.restart().await;
    let shown = app.plugin("echo").await;
    assert_eq!((app.call("echo").await, &shown["state"]), (404, &json!("paused")));
    assert!(shown["reason"].as_str().unwrap().contains("enabled = false"), "{shown}");
    let resumed = app.post("/api/v1/plugins/echo/resume", &json!({})).await;
    assert!(resumed.status == 409 && message(&resumed).contains("[plugins.echo]"), "{}", resumed.text());
    let opened = put(&app, "echo/organizations", json!({"others": true})).await;
    assert!(opened.status == 409 && message(&opened).contains("[plugins.echo]"), "{}", opened.text());
    put(&app, "echo/organizations", json!({"others": false})).await.expect(200);
    let command = |arguments: &[&str]| {
        let arguments = [&["plugin"], arguments, &["--config", "hardpoint.toml", "--data", "data"]].concat();
        said(&hardpoint(app.folder(), &arguments))
    };
    let (inspected, granted) = (command(&["inspect", "echo"]), command(&["grant", "echo", "--yes"]));
    let removed = command(&["remove", "echo", "--yes"]);
    for told in [&inspected, &granted] {
        assert!(told.contains("`enabled = false` under [plugins.echo]"), "{told}");
    }
    assert!(inspected.contains("Open to  nobody"), "{inspected}");
    assert!(removed.contains("under [plugins.echo] stays"), "{removed}");
}

/// Bytes that were uploaded need nobody's approval where the configuration names them.
#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_are_named_are_approved() {
    let bytes = echo("1.0.0", "");
    let digest = hardpoint_runtime::inspect(&bytes).unwrap().digest;
    for (toml, status) in [(String::new(), 404), (format!("[plugins.echo]\ndigest = \"{digest}\"\n"), 200)] {
        let app = TestApp::with(&toml, &[]).await;
        let mut request = app.request(Method::POST, "/api/v1/plugins", None);
        request.headers_mut().insert(http::header::CONTENT_TYPE, "application/wasm".parse().unwrap());
        *request.body_mut() = axum::body::Body::from(bytes.clone());
        app.send(request).await.expect(201);
        assert_eq!(app.call("echo").await, status, "{toml}");
    }
}

/// Requests that a secret is to sign do not go out without it.
#[tokio::test(flavor = "multi_thread")]
async fn a_binding_whose_secret_the_host_does_not_have_serves_nobody() {
    let app = TestApp::with(SECRET, &[("echo.wasm", echo("1.0.0", SETTINGS))]).await;
    let signed = json!({"settings": {"base_url": "https://a.example.com"}, "secrets": {"api_key": "key"}});
    put(&app, "echo/bindings/signed", signed).await.expect(201);
    let digest = app.plugin("echo").await["digest"].clone();
    app.post("/api/v1/plugins/echo/approve", &json!({"binding": "signed", "digest": digest}))
        .await
        .expect(200);
    assert_eq!(app.call("signed").await, 200);
    app.configure("");
    let app = app.restart().await;
    assert_eq!((app.call("signed").await, app.call("echo").await), (404, 200));
    let plugin = app.plugin("echo").await;
    let binding = plugin["bindings"].as_array().unwrap().iter().find(|one| one["name"] == "signed").unwrap();
    assert_eq!(binding["state"], "missing_secret", "{binding}");
    assert_eq!(binding["missing"], json!(["the host has no secret `key`, which is to stand for `api_key`"]));
    assert!(
        binding["remedy"].as_str().unwrap().contains("hardpoint secrets set key --audience"),
        "{binding}"
    );
    app.configure(SECRET);
    let app = app.restart().await;
    assert_eq!(app.call("signed").await, 200);
}

/// What one host lacks another may have: it is said, and nothing is changed for all of them.
#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_whose_secret_one_host_does_not_have_stays_as_it_is() {
    let app = TestApp::with(SECRET, &[("echo.wasm", echo("1.0.0", SETTINGS))]).await;
    let signed = json!({"settings": {"base_url": "https://a.example.com"}, "secrets": {"api_key": "key"}});
    put(&app, "echo/bindings/echo", signed).await.expect(201);
    let digest = app.plugin("echo").await["digest"].clone();
    app.post("/api/v1/plugins/echo/approve", &json!({ "digest": digest })).await.expect(200);
    assert_eq!(app.call("echo").await, 200);
    let before = kinds_of_events(&app).await;
    app.configure("");
    let app = app.restart().await;
    assert_eq!(app.call("echo").await, 404);
    let plugin = app.plugin("echo").await;
    assert_eq!(plugin["state"], "pending_approval");
    let reason = plugin["reason"].as_str().unwrap();
    assert!(reason.contains("the host has no secret `key`"), "{reason}");
    app.configure(SECRET);
    let app = app.restart().await;
    assert_eq!(app.call("echo").await, 200);
    let of_plugins =
        |kinds: Vec<String>| kinds.into_iter().filter(|kind| kind.starts_with("plugin.")).collect::<Vec<_>>();
    let (before, mut after) = (of_plugins(before), of_plugins(kinds_of_events(&app).await));
    assert_eq!(after.pop().as_deref(), Some("plugin.suspended"), "it is told");
    assert_eq!(after, before, "nobody took it from anybody");
}

fn of_plugins(kinds: Vec<String>) -> usize {
    kinds.into_iter().filter(|kind| kind.starts_with("plugin.")).count()
}
