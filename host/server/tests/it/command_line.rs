//! The binary's commands.

use std::io::{BufRead, BufReader};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{TestApp, echo};

const ASKS: &str = "[[http]]\nhost = \"api.example.com\"\nmethods = [\"POST\"]\npath = \"/v1\"\n";

pub(crate) fn hardpoint(folder: &std::path::Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_hardpoint"))
        .current_dir(folder)
        .env_remove("HARDPOINT_BOOTSTRAP_KEY")
        .args(arguments)
        .output()
        .unwrap()
}

pub(crate) fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

fn json(output: &Output) -> Value {
    assert!(output.status.success(), "{}", said(output));
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", said(output)))
}

#[test]
fn configuration() {
    let folder = TempDir::new().unwrap();
    let example = hardpoint(folder.path(), &["config", "example"]);
    std::fs::write(folder.path().join("hardpoint.toml"), &example.stdout).unwrap();
    let check = hardpoint(folder.path(), &["config", "check"]);
    assert!(check.status.success(), "{}", said(&check));
    std::fs::write(folder.path().join("wrong.toml"), "[server]\ncolour = 1\n[[models]]\nid = \"m\"\n")
        .unwrap();
    let wrong = hardpoint(folder.path(), &["config", "check", "--config", "wrong.toml"]);
    assert_eq!(wrong.status.code(), Some(2));
    insta::assert_snapshot!(said(&wrong), @r"
    hardpoint: the configuration has 2 problems:
      server.colour: unknown key; there are listen, data, max_json_body, max_upload, header_timeout, stall_timeout, max_connections, shutdown_grace, metrics, upgrade_url (wrong.toml, line 2)
      models.0.binding: is missing (wrong.toml, line 3)
    ");
    std::fs::write(folder.path().join("unbound.toml"), "[[models]]\nid = \"m\"\nbinding = \"nobody\"\n")
        .unwrap();
    // Where no host was yet and no plugin lies, a name may be that of one to come.
    let check_unbound = || hardpoint(folder.path(), &["config", "check", "--config", "unbound.toml"]);
    let unbound = check_unbound();
    assert!(unbound.status.success(), "{}", said(&unbound));
    assert!(said(&unbound).starts_with("Warning: models.0.binding: there is no binding `nobody`"));
    // Settings are judged by the plugins that are there, each with its line.
    let schema = "[settings]\ntype = \"object\"\nproperties.depth.maximum = 9\n";
    std::fs::create_dir_all(folder.path().join("data/plugins")).unwrap();
    std::fs::write(folder.path().join("data/plugins/echo.wasm"), echo("1.0.0", schema)).unwrap();
    let unbound = check_unbound();
    assert_eq!(unbound.status.code(), Some(2));
    insta::assert_snapshot!(said(&unbound), @r#"
    hardpoint: the configuration has 1 problem:
      models.0.binding: there is no binding `nobody`, nor a plugin of that id: add [bindings.nobody] with `plugin = "…"` (unbound.toml, line 3)
    "#);
    let settings = "[plugins.echo]\nenabled = true\ncolour = 1\n\n[bindings.deep]\nplugin = \"echo\"\n\n[bindings.deep.settings]\ndepth = 10\n";
    std::fs::write(folder.path().join("unfit.toml"), settings.replace("colour = 1\n", "")).unwrap();
    let unfit = hardpoint(folder.path(), &["config", "check", "--config", "unfit.toml"]);
    assert_eq!(unfit.status.code(), Some(2));
    insta::assert_snapshot!(said(&unfit), @r"
    hardpoint: the configuration has 1 problem:
      bindings.deep.settings.depth: for plugin echo 1.0.0, 10 is greater than the maximum of 9 (unfit.toml, line 8)
    ");
    std::fs::write(folder.path().join("unknown.toml"), settings).unwrap();
    let unknown = hardpoint(folder.path(), &["config", "check", "--config", "unknown.toml"]);
    insta::assert_snapshot!(said(&unknown), @r"
    hardpoint: the configuration has 2 problems:
      plugins.echo.colour: unknown key; there are enabled, digest, organizations, limits, settings, secrets, grant (unknown.toml, line 3)
      bindings.deep.settings.depth: for plugin echo 1.0.0, 10 is greater than the maximum of 9 (unknown.toml, line 9)
    ");
    let nowhere = hardpoint(folder.path(), &["serve", "--listen", "nowhere"]);
    assert_eq!(nowhere.status.code(), Some(2), "{}", said(&nowhere));
}

/// What is declared of plugins is judged by those that are there: what cannot be is a problem, what may come a
/// warning. A host that starts says the same, and serves.
#[test]
fn what_is_declared_is_judged() {
    let folder = TempDir::new().unwrap();
    std::fs::create_dir_all(folder.path().join("data/plugins")).unwrap();
    std::fs::write(folder.path().join("data/plugins/echo.wasm"), echo("1.0.0", "")).unwrap();
    let digest = format!("sha256:{}", "0".repeat(64));
    let toml = format!(
        "[plugins.later]\nenabled = false\n\n[plugins.echo]\ndigest = \"{digest}\"\n\
         limits = {{ cpu_ms = 60000 }}\norganizations = [\"org_nobody\"]\n\
         [bindings.other]\nplugin = \"absent\"\n[completions]\nattempts = 0\n"
    );
    std::fs::write(folder.path().join("hardpoint.toml"), &toml).unwrap();
    let check = |arguments: &[&str]| {
        let output = hardpoint(folder.path(), &[&["config", "check"], arguments].concat());
        assert_eq!(output.status.code(), Some(2), "{}", said(&output));
        output
    };
    insta::assert_snapshot!(said(&check(&[])), @r"
    Warning: bindings.other.plugin: there is no plugin `absent` here yet (hardpoint.toml, line 9)
    Warning: plugins.echo.digest: no version of `echo` that is here has this digest, so none of it serves (hardpoint.toml, line 5)
    Warning: plugins.echo.organizations: there is no organisation `org_nobody` here yet (hardpoint.toml, line 7)
    Warning: plugins.later: there is no plugin `later` here yet (hardpoint.toml, line 1)
    hardpoint: the configuration has 2 problems:
      completions.attempts: must be at least 1 (hardpoint.toml, line 11)
      plugins.echo.limits.cpu_ms: 60000 changes nothing: plugins of kind tool may have 5000 at most; raise it under [plugins.ceilings.tool] (hardpoint.toml, line 6)
    ");
    // With a store it is the same.
    std::fs::write(folder.path().join("empty.toml"), "").unwrap();
    let publish = ["plugin", "publish", "data/plugins/echo.wasm", "--config", "empty.toml"];
    assert!(hardpoint(folder.path(), &publish).status.success());
    let found: Value = serde_json::from_slice(&check(&["--json"]).stdout).unwrap();
    let keys = |what: &str| -> Vec<(String, u64)> {
        let found = found[what].as_array().unwrap().iter();
        found.map(|it| (it["key"].as_str().unwrap().to_owned(), it["line"].as_u64().unwrap())).collect()
    };
    let expected = |all: &[(&str, u64)]| -> Vec<(String, u64)> {
        all.iter().map(|(key, line)| ((*key).to_owned(), *line)).collect()
    };
    assert_eq!(
        keys("problems"),
        expected(&[("completions.attempts", 11), ("plugins.echo.limits.cpu_ms", 6)])
    );
    assert_eq!(
        keys("warnings"),
        expected(&[
            ("bindings.other.plugin", 9),
            ("plugins.echo.digest", 5),
            ("plugins.echo.organizations", 7),
            ("plugins.later", 1)
        ])
    );

    std::fs::write(folder.path().join("hardpoint.toml"), toml.replace("attempts = 0", "")).unwrap();
    let mut host = Command::new(env!("CARGO_BIN_EXE_hardpoint"))
        .current_dir(folder.path())
        .args(["serve", "--listen", "127.0.0.1:0"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut wanted =
        vec!["org_nobody", "limits.cpu_ms", "bindings.other.plugin", "echo.digest", "plugins.later"];
    let lines = BufReader::new(host.stderr.take().unwrap()).lines();
    for line in lines.map_while(Result::ok) {
        wanted.retain(|words| !line.contains(words));
        if wanted.is_empty() {
            break;
        }
    }
    host.kill().unwrap();
    host.wait().unwrap();
    assert_eq!(wanted, Vec::<&str>::new());
}

#[test]
fn looking_makes_nothing() {
    let folder = TempDir::new().unwrap();
    for arguments in [
        ["list"].as_slice(),
        &["inspect", "echo"],
        &["call", "echo"],
        &["grant", "echo", "--yes"],
        &["revoke", "echo", "--yes"],
        &["bind", "echo"],
        &["unbind", "echo", "b"],
        &["enable", "echo"],
        &["disable", "echo"],
        &["pause", "echo"],
        &["resume", "echo"],
        &["rollback", "echo"],
        &["discard", "echo"],
        &["remove", "echo", "--yes"],
    ] {
        let output = hardpoint(folder.path(), &[&["plugin"], arguments].concat());
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", said(&output));
        let told = said(&output);
        assert!(
            told.contains("no data folder `data` here") && told.contains("--data"),
            "{arguments:?}: {told}"
        );
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    std::fs::write(folder.path().join("mine.wasm"), echo("1.0.0", "")).unwrap();
    let told = json(&hardpoint(folder.path(), &["plugin", "publish", "mine.wasm", "--dry-run", "--json"]));
    assert_eq!(told["id"], "echo");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

/// As `hardpoint … | head -1` has it.
#[test]
fn a_closed_pipe_ends_a_command_quietly() {
    let (nobody, out) = std::io::pipe().unwrap();
    drop(nobody);
    for arguments in [["config", "example"].as_slice(), &["openapi"], &["key", "text"]] {
        let output = Command::new(env!("CARGO_BIN_EXE_hardpoint"))
            .args(arguments)
            .stdout(out.try_clone().unwrap())
            .stderr(Stdio::piped())
            .output()
            .unwrap();
        assert_eq!((output.status.code(), said(&output).as_str()), (Some(141), ""), "{arguments:?}");
    }
}

#[test]
fn openapi_and_keys() {
    let folder = TempDir::new().unwrap();
    assert_eq!(json(&hardpoint(folder.path(), &["openapi"]))["openapi"], "3.1.0");
    let key = hardpoint(folder.path(), &["key", "text"]);
    assert!(hardpoint_domain::key::KeyText::parse(said(&key).trim()).is_ok());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "looking makes nothing");
}

#[test]
fn organizations_and_keys_without_a_server() {
    let folder = TempDir::new().unwrap();
    let run = |arguments: &[&str]| hardpoint(folder.path(), arguments);
    let made = json(&run(&["org", "create", "Acme Inc.", "--plan", "starter", "--json"]));
    let org = made["id"].as_str().unwrap();
    assert_eq!((&made["name"], &made["plan"]), (&Value::from("Acme Inc."), &Value::from("standard")));
    assert_eq!(json(&run(&["org", "plan", org, "professional", "--json"]))["plan"], "professional");
    assert_eq!(json(&run(&["org", "show", org, "--json"]))["plan"], "professional");
    assert!(said(&run(&["org", "list"])).contains("professional"));
    let unknown = run(&["org", "plan", org, "gold"]);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(said(&unknown).contains("free, standard, professional, enterprise"), "{}", said(&unknown));

    let new = ["key", "new", "--org", org, "--role", "admin", "--label", "First", "--scope", "read:models"];
    let key = json(&run(&[&new[..], &["--unlimited", "--json"]].concat()));
    assert!(hardpoint_domain::key::KeyText::parse(key["key"].as_str().unwrap()).is_ok());
    assert_eq!((&key["role"], &key["rate_limit_per_minute"]), (&Value::from("admin"), &Value::Null));
    let id = key["id"].as_str().unwrap();
    let listed = run(&["key", "list", "--org", org, "--json"]);
    assert!(!said(&listed).contains(key["key"].as_str().unwrap()));
    assert_eq!(json(&listed)[0]["id"], id);
    assert_eq!(run(&["key", "archive", id]).status.code(), Some(1), "it was never used");
    let rotated = json(&run(&["key", "rotate", id, "--overlap", "600", "--json"]));
    assert_eq!((&rotated["label"], &rotated["previous"]["id"]), (&Value::from("First"), &Value::from(id)));
    assert_eq!(json(&run(&["key", "show", id, "--json"]))["expires_at"], rotated["previous"]["expires_at"]);
    assert_eq!(json(&run(&["key", "delete", id, "--revoke", "--json"]))["status"], "archived");
    let next = rotated["id"].as_str().unwrap();
    assert!(run(&["key", "delete", next]).status.success());
    let gone = run(&["key", "show", next]);
    assert_eq!(gone.status.code(), Some(1));
    assert_eq!(run(&["key", "new", "--org", org, "--role", "king"]).status.code(), Some(2));
    let nobody = run(&["key", "new", "--org", "org_none"]);
    insta::assert_snapshot!(said(&nobody), @"hardpoint: There is no organisation `org_none`.");
}

#[test]
fn a_plugin_is_looked_at_and_tried_out_before_it_is_published() {
    let folder = TempDir::new().unwrap();
    let settings = "[settings]\ntype = \"object\"\n[settings.properties.depth]\ntype = \"integer\"\ndefault = 3\n\
                    description = \"How deep.\"\n";
    std::fs::write(folder.path().join("mine.wasm"), echo("1.0.0", &format!("{ASKS}{settings}"))).unwrap();
    let inspected = hardpoint(folder.path(), &["plugin", "inspect", "mine.wasm"]);
    assert!(inspected.status.success());
    let text = said(&inspected);
    for words in ["echo 1.0.0", "hardpoint plugin grant echo", "send POST api.example.com/v1", "unpublished"]
    {
        assert!(text.contains(words), "{words}: {text}");
    }
    let report = json(&hardpoint(folder.path(), &["plugin", "inspect", "./mine.wasm", "--json"]));
    assert_eq!(
        (&report["version"], &report["bindings"][0]["ready"]),
        (&Value::from("1.0.0"), &Value::from(false))
    );
    assert!(!folder.path().join("data").exists(), "looking makes nothing");
    for words in
        ["Settings\n  - depth (integer, 3 where left out): How deep.\n", "Open to  all organisations\n"]
    {
        assert!(text.contains(words), "{words}: {text}");
    }
    assert_eq!(report["settings_schema"]["properties"]["depth"]["default"], 3);
    assert_eq!(report["open_to"], serde_json::json!({ "others": true, "except": [] }));

    let data = ["--data", "data"];
    std::fs::create_dir_all(folder.path().join("data")).unwrap();
    std::fs::write(folder.path().join("data/hardpoint.db"), "").unwrap();
    let call = |more: &[&str]| {
        let arguments = ["plugin", "call", "mine.wasm", "--arguments", "{\"a\": 1}"];
        hardpoint(folder.path(), &[&arguments[..], more, &data].concat())
    };
    let refused = call(&[]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(said(&refused).contains("--allow"), "{}", said(&refused));
    assert_eq!(json(&call(&["--allow"])), serde_json::json!({"a": 1}));
    let misfit = call(&["--settings", r#"{"depth": "deep"}"#]);
    assert_eq!(misfit.status.code(), Some(2));
    insta::assert_snapshot!(said(&misfit), @r#"hardpoint: --settings: the settings do not fit: `depth`: "deep" is not of type "integer""#);
    let unbound = call(&["--binding", "nosuch"]);
    assert_eq!(unbound.status.code(), Some(2));
    insta::assert_snapshot!(said(&unbound), @"hardpoint: plugin `echo` has no binding `nosuch`; it has echo");
    let described = json(&call(&["--allow", "--describe"]));
    assert_eq!(described["description"], "Answers with its arguments.");
    let wrong =
        hardpoint(folder.path(), &["plugin", "call", "mine.wasm", "--arguments", "[]", "--data", "data"]);
    assert_eq!(wrong.status.code(), Some(2), "{}", said(&wrong));
}

#[test]
fn grants_are_given_without_a_server() {
    let folder = TempDir::new().unwrap();
    std::fs::create_dir_all(folder.path().join("data/plugins")).unwrap();
    std::fs::write(folder.path().join("data/plugins/mine.wasm"), echo("1.0.0", ASKS)).unwrap();
    let listed = said(&hardpoint(folder.path(), &["plugin", "list"]));
    assert!(listed.contains("mine.wasm: new"), "{listed}");
    let misspelt = hardpoint(folder.path(), &["plugin", "grant", "ehco", "--yes"]);
    assert!(
        said(&misspelt).contains("there is no plugin `ehco`, but `echo`, neither"),
        "{}",
        said(&misspelt)
    );
    // Nobody is there to confirm it.
    let unconfirmed = hardpoint(folder.path(), &["plugin", "grant", "echo"]);
    assert_eq!(unconfirmed.status.code(), Some(1));
    let text = said(&unconfirmed);
    assert!(text.contains("send POST https://api.example.com/v1") && text.contains("--yes"), "{text}");
    let granted = json(&hardpoint(folder.path(), &["plugin", "grant", "echo", "--json"]));
    assert_eq!(granted["bindings"][0]["allowed"][0], "send POST https://api.example.com/v1");
    let inspected = json(&hardpoint(folder.path(), &["plugin", "inspect", "echo", "--json"]));
    assert_eq!(inspected["bindings"][0]["ready"], true);
    let revoked = json(&hardpoint(folder.path(), &["plugin", "revoke", "echo", "--json"]));
    assert_eq!(revoked["bindings"], serde_json::json!(["echo"]));
    let unknown = hardpoint(folder.path(), &["plugin", "revoke", "nobody", "--yes"]);
    assert_eq!(unknown.status.code(), Some(1));
    insta::assert_snapshot!(said(&unknown), @"hardpoint: there is no plugin `nobody`; `hardpoint plugin list` tells those that there are");
    let misspelt = hardpoint(folder.path(), &["plugin", "pause", "ecco"]);
    insta::assert_snapshot!(said(&misspelt), @"hardpoint: there is no plugin `ecco`, but `echo`; `hardpoint plugin list` tells those that there are");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_beside_a_running_server() {
    let app = TestApp::with("", &[("echo.wasm", echo("1.0.0", ASKS)), ("bad.wasm", "bad".into())]).await;
    let run = |arguments: &[&str]| {
        let arguments = [arguments, &["--config", "hardpoint.toml", "--data", "data"]].concat();
        hardpoint(app.folder(), &arguments)
    };
    let listed = said(&run(&["plugin", "list"]));
    assert!(
        listed.contains("echo") && listed.contains("pending_approval") && listed.contains("bad.wasm"),
        "{listed}"
    );
    assert!(run(&["plugin", "grant", "echo", "--yes"]).status.success());
    app.settle().await;
    assert_eq!(app.call("echo").await, 200);
    let listed = json(&run(&["plugin", "list", "--json"]));
    assert_eq!(listed["plugins"][0]["state"], "active");
    assert!(run(&["plugin", "revoke", "echo", "--yes"]).status.success());
    app.settle().await;
    assert_eq!(app.call("echo").await, 404);
}

#[test]
fn a_project_says_what_next() {
    let folder = TempDir::new().unwrap();
    let made = hardpoint(folder.path(), &["plugin", "new", "tool", "count", "--lang", "js"]);
    assert!(made.status.success(), "{}", said(&made));
    insta::assert_snapshot!(said(&made), @r"
    count is there. What next:
      hardpoint plugin dev count                 builds and runs it whenever you save
      hardpoint plugin build count --test        its tests, and one file to publish (elsewhere with --into: name that below)
      hardpoint plugin test count/count.wasm     replays its recordings in the sandbox
      hardpoint plugin inspect count/count.wasm  what an operator sees of it
    ");
    let readme = std::fs::read_to_string(folder.path().join("count/README.md")).unwrap();
    for words in ["hardpoint plugin dev", "count.wasm`: replays `recordings/`", "hardpoint plugin record"] {
        assert!(readme.contains(words), "{words}: {readme}");
    }
    let new = ["plugin", "new", "retriever", "find", "--lang", "js", "--json"];
    let made = json(&hardpoint(folder.path(), &new));
    assert_eq!(
        (&made["id"], &made["kind"], &made["language"]),
        (&"find".into(), &"retriever".into(), &"js".into())
    );
    let next = serde_json::json!([
        "hardpoint plugin dev find",
        "hardpoint plugin build find --test",
        "hardpoint plugin test find/find.wasm --conformance",
        "hardpoint plugin inspect find/find.wasm",
    ]);
    assert_eq!(made["next"], next);
    let readme = std::fs::read_to_string(made["folder"].as_str().unwrap().to_owned() + "/README.md").unwrap();
    assert!(
        readme.contains("plugin call find.wasm --allow --document") && !readme.contains("plugin record"),
        "{readme}"
    );
}

#[test]
fn an_operators_key_is_not_shown_to_the_network() {
    let folder = TempDir::new().unwrap();
    assert!(hardpoint(folder.path(), &["plugin", "new", "tool", "count"]).status.success());
    let dev = ["plugin", "dev", "count", "--key", "hp_live_x", "--server", "http://hardpoint.example.com"];
    let refused = hardpoint(folder.path(), &dev);
    assert_eq!(refused.status.code(), Some(2), "{}", said(&refused));
    assert!(said(&refused).contains("--plain-http"), "{}", said(&refused));
}

/// What is recorded beside a component is what it is tested with, and what is compiled for that stays where it was
/// asked to be.
#[test]
fn a_call_is_recorded_and_replayed() {
    let folder = TempDir::new().unwrap();
    let project = folder.path().join("project");
    std::fs::create_dir_all(project.join("recordings")).unwrap();
    std::fs::write(project.join("mine.wasm"), echo("1.0.0", "")).unwrap();
    let question = r#"{"about": "an echo", "call": {"arguments": {"a": 1}}}"#;
    std::fs::write(folder.path().join("question.json"), question).unwrap();
    let run = |arguments: &[&str]| {
        let data = ["--data", "kept"];
        hardpoint(folder.path(), &[&["plugin"][..], arguments, &data].concat())
    };
    let to_file = ["--json", "--out", "project/recordings/one.json"];
    let record = ["record", "project/mine.wasm", "question.json"];
    let recorded = json(&run(&[&record[..], &to_file].concat()));
    assert_eq!(
        recorded,
        serde_json::json!({
            "file": "project/recordings/one.json", "requests": 0, "expect": { "result": { "a": 1 } },
        })
    );
    let again = run(&[&record[..], &to_file[1..]].concat());
    assert_eq!(again.status.code(), Some(2));
    insta::assert_snapshot!(said(&again), @"hardpoint: project/recordings/one.json is there already: name another file, or add --force");
    let forced = run(&[&record[..], &to_file[1..], &["--force"]].concat());
    assert!(forced.status.success(), "{}", said(&forced));
    assert!(said(&forced).contains("The plugin sent no request"), "{}", said(&forced));
    let stranger = run(&[&record[..], &["--secret", "token=PATH"]].concat());
    assert_eq!(stranger.status.code(), Some(2));
    insta::assert_snapshot!(said(&stranger), @"hardpoint: --secret: plugin echo asks for no secret `token`, but for none");
    assert_eq!(
        json(&run(&record))["expect"],
        recorded["expect"],
        "without a file it is the recording itself"
    );
    let tested = run(&["test", "project/mine.wasm"]);
    assert!(said(&tested).contains("1 passed, 0 failed"), "{}", said(&tested));
    let code = std::fs::read_dir(folder.path().join("kept/cache/compiled")).unwrap();
    assert!(code.count() > 0, "it was compiled elsewhere");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_revoked_beside_a_running_server() {
    let app = TestApp::start().await;
    let run = |arguments: &[&str]| {
        let arguments = [arguments, &["--config", "hardpoint.toml", "--data", "data", "--json"]].concat();
        json(&hardpoint(app.folder(), &arguments))
    };
    let org = app.get("/api/v1/org").await.expect(200)["id"].as_str().unwrap().to_owned();
    // The command's clock is the machine's; the server's stands in the past.
    let made = run(&["key", "new", "--org", &org, "--label", "By hand"]);
    let (id, key) = (made["id"].as_str().unwrap(), made["key"].as_str().unwrap());
    let me = app.get_as(key, "/api/v1/me").await.expect(200);
    assert_eq!((&me["api_key"]["label"], &me["role"]), (&Value::from("By hand"), &Value::from("member")));
    assert_eq!(run(&["key", "archive", id])["status"], "archived");
    app.clock().advance(std::time::Duration::from_secs(1));
    app.get_as(key, "/api/v1/me").await.expect(401);
}
