//! A manifest that is wrong is refused wherever it comes in: where it is packed, looked at, published or
//! dropped into the folder. Each time with the line and the reason.

use std::path::Path;

use axum::body::Body;
use http::{Method, header};

use crate::command_line::{hardpoint, said};
use crate::support::{TestApp, fixture, repacked};

const GOOD: &str = r#"id = "echo"
version = "1.0.0"
kind = "tool"
description = "Answers with its arguments."

[[http]]
host = "*.example.com"

[settings]
type = "object"
required = ["depth"]

[settings.properties.depth]
type = "integer"
minimum = 1
default = 3

[settings.properties.name]
type = "string"
pattern = "^[a-z]+$"
"#;

/// What is changed, and what has to be said of it.
const TABLE: &[(&str, &str, &str)] = &[
    ("kind = \"tool\"", "kind = \"tool\"\nsockets = true", "line 4: unknown field `sockets`"),
    ("*.example.com", "*.com", "line 7: `*.com` is too wide"),
    ("type = \"object\"", "type = \"list\"", "line 9: settings must be a JSON Schema of an object"),
    ("[\"depth\"]", "3", "line 11: `settings.required`: no JSON Schema: 3 is not of type \"array\""),
    ("\"integer\"", "\"strng\"", "line 14: `settings.properties.depth.type`: \"strng\" is no type"),
    ("minimum = 1", "minimum = \"x\"", "line 15: `settings.properties.depth.minimum`: no JSON Schema"),
    (
        "default = 3",
        "default = 0",
        "line 16: `settings.properties.depth.default`: it does not fit: 0 is less",
    ),
    ("^[a-z]+$", "(", "line 20: `settings.properties.name.pattern`: no JSON Schema"),
];

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_refused_wherever_it_comes_in() {
    let app = TestApp::start().await;
    let home = tempfile::TempDir::new().unwrap();
    let bare = hardpoint_domain::manifest::strip(&fixture("echo"));
    std::fs::write(home.path().join("bare.wasm"), bare).unwrap();
    for (number, (from, to, reason)) in TABLE.iter().enumerate() {
        let toml = GOOD.replacen(from, to, 1);
        assert_ne!(toml, GOOD, "{from}");
        at_the_command_line(home.path(), &toml, reason);
        let packed = repacked("echo", &toml);
        for path in ["/api/v1/plugins", "/api/v1/plugins?dry_run=true"] {
            let mut request = app.request(Method::POST, path, None);
            request.headers_mut().insert(header::CONTENT_TYPE, "application/wasm".parse().unwrap());
            *request.body_mut() = Body::from(packed.clone());
            let answer = app.send(request).await.expect(422);
            assert!(answer["error"]["message"].as_str().unwrap().contains(reason), "{path} {answer}");
        }
        let name = format!("{number}.wasm");
        app.publish(&name, &packed).await;
        let files = app.get("/api/v1/plugins").await.expect(200)["files"].clone();
        let file = files.as_array().unwrap().iter().find(|file| file["name"] == name.as_str()).unwrap();
        assert_eq!(file["state"], "rejected", "{file}");
        assert!(file["reason"].as_str().unwrap().contains(reason), "{file}");
    }
    assert_eq!(app.get("/api/v1/plugins/echo").await.status, 404);
    // But for what was changed, all of them take it.
    std::fs::write(home.path().join("plugin.toml"), GOOD).unwrap();
    assert!(hardpoint(home.path(), &["plugin", "pack", "bare.wasm"]).status.success());
    app.publish("good.wasm", &repacked("echo", GOOD)).await;
    assert_eq!(app.plugin("echo").await["version"], "1.0.0");
}

fn at_the_command_line(home: &Path, toml: &str, reason: &str) {
    std::fs::write(home.join("plugin.toml"), toml).unwrap();
    std::fs::write(home.join("packed.wasm"), repacked("echo", toml)).unwrap();
    for arguments in [
        ["plugin", "pack", "bare.wasm"].as_slice(),
        &["plugin", "inspect", "packed.wasm"],
        &["plugin", "publish", "packed.wasm"],
        &["plugin", "publish", "packed.wasm", "--dry-run"],
        &["plugin", "call", "packed.wasm"],
    ] {
        let output = hardpoint(home, arguments);
        assert!(!output.status.success(), "{arguments:?} took {reason}");
        assert_eq!(said(&output).matches(reason).count(), 1, "{arguments:?}: {}", said(&output));
    }
    let nowhere = said(&hardpoint(home, &["plugin", "build", "nowhere"]));
    assert_eq!(nowhere.matches("os error 2").count(), 1, "{nowhere}");
    assert!(!home.join("echo.wasm").exists(), "it was packed");
}
