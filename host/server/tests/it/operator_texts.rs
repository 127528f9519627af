//! What the commands say to operators is true: of plugins that are paused or switched off, of versions, of what comes
//! next and of what was mistaken.

use std::path::Path;

use hardpoint_domain::manifest::Kind;
use hardpoint_store::Lane;
use hardpoint_store::plugins::{self, NewPlugin, Source, State};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::command_line::{hardpoint, said};
use crate::support::{TestApp, echo, mask};

const GETS: &str = "[[http]]\nhost = \"api.example.com\"\nmethods = [\"GET\"]\n";
const GETS_AND_POSTS: &str = "[[http]]\nhost = \"api.example.com\"\nmethods = [\"GET\", \"POST\"]\n";

/// What a command beside a server said; it succeeded.
fn run(app: &TestApp, arguments: &[&str]) -> String {
    let data = ["--config", "hardpoint.toml", "--data", "data"];
    let done = hardpoint(app.folder(), &[&["plugin"], arguments, &data].concat());
    assert!(done.status.success(), "{arguments:?}: {}", said(&done));
    mask(&said(&done)).replace(" --config hardpoint.toml --data data", "")
}

fn told(app: &TestApp, arguments: &[&str]) -> Value {
    serde_json::from_str(&run(app, &[arguments, &["--json"]].concat())).unwrap()
}

/// What is waiting, or came and went before it was allowed, is approved by a grant and not by going back.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_goes_back_to_what_never_served() {
    let app = TestApp::with("", &[("echo.wasm", echo("1.0.0", ""))]).await;
    app.publish("echo.wasm", &echo("2.0.0", "kv = true\n")).await;
    app.publish("echo.wasm", &echo("3.0.0", "kv = true\n")).await;
    let inspect = ["plugin", "inspect", "echo", "--json", "--data", "data"];
    let told: Value = serde_json::from_slice(&hardpoint(app.folder(), &inspect).stdout).unwrap();
    let versions = told["versions"].as_array().unwrap().clone();
    let never = versions.iter().find(|version| version["version"] == "2.0.0").unwrap();
    assert_eq!(never["state"], "superseded", "{never}");
    let digest = never["digest"].as_str().unwrap();
    let back =
        ["plugin", "rollback", "echo", "--digest", digest, "--config", "hardpoint.toml", "--data", "data"];
    let refused = hardpoint(app.folder(), &back);
    assert!(!refused.status.success() && said(&refused).contains("never served"), "{}", said(&refused));
    // Nor is anything allowed by the beginning of a digest where nobody is asked.
    let short = ["plugin", "grant", "echo", "--digest", &digest[..16], "--yes", "--data", "data"];
    assert!(said(&hardpoint(app.folder(), &short)).contains("at least 32"), "{digest}");
}

/// A version that only served before holds on to its plugin's name until somebody takes it from it.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_of_a_plugin_can_be_removed() {
    let app = TestApp::with("", &[("echo.wasm", echo("1.0.0", ""))]).await;
    app.publish("echo.wasm", &echo("2.0.0", "")).await;
    app.unpublish("echo.wasm").await;
    assert_eq!(told(&app, &["inspect", "echo"])["state"], "superseded");
    std::fs::write(app.folder().join("mine.wasm"), echo("1.0.0", "")).unwrap();
    let published = run(&app, &["publish", "mine.wasm"]);
    assert!(
        published.contains("is kept (superseded)") && published.contains("Go back to it: "),
        "{published}"
    );
    assert_eq!(told(&app, &["remove", "echo"])["versions"][0]["version"], "1.0.0");
    let arguments = ["plugin", "remove", "echo", "--yes", "--data", "data"];
    let again = said(&hardpoint(app.folder(), &arguments));
    assert!(again.contains("there is no plugin `echo`") && !again.contains("but `echo`"), "{again}");
}

/// Bytes that serve nobody say why, also to whoever brings them again, and what would let them serve.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_rejected_is_told_with_its_reason() {
    let bytes = echo("1.0.0", "");
    let app = TestApp::with("", &[("echo.wasm", bytes.clone())]).await;
    std::fs::write(app.folder().join("mine.wasm"), &bytes).unwrap();
    run(&app, &["revoke", "echo", "--yes"]);
    let again = run(&app, &["publish", "mine.wasm"]);
    assert!(
        again.contains("is kept (rejected: revoked by ") && again.contains("plugin grant echo"),
        "{again}"
    );
    let rehearsed = run(&app, &["publish", "mine.wasm", "--dry-run"]);
    assert!(
        rehearsed.contains("It would change nothing: these bytes are here already, and rejected"),
        "{rehearsed}"
    );
}

/// Who publishes other bytes of a version that serves is answered by the old ones for a while, and told so.
#[tokio::test(flavor = "multi_thread")]
async fn what_serves_meanwhile_is_told_to_who_publishes() {
    let (old, new) = (echo("1.0.0", ""), echo("1.0.0", "# Other bytes.\n"));
    let app = TestApp::with("", &[("echo.wasm", old.clone())]).await;
    let mine = app.folder().join("mine.wasm");
    std::fs::write(&mine, new).unwrap();
    let published = run(&app, &["publish", "mine.wasm"]);
    assert!(published.ends_with("Until then echo 1.0.0 serves on as it was, sha256:….\n"), "{published}");
    assert_eq!(told(&app, &["publish", "mine.wasm"])["serving"], "sha256:…");
    // What serves waits for nothing.
    std::fs::write(&mine, old).unwrap();
    let published = run(&app, &["publish", "mine.wasm"]);
    assert!(published.ends_with("These bytes serve already.\n"), "{published}");
}

/// What holds is what the host says, where that is less than the plugin says itself.
#[tokio::test(flavor = "multi_thread")]
async fn the_limits_in_force_are_told_and_hold_for_a_call() {
    let toml = "[plugins.echo]\nlimits = { output_kib = 2 }\n";
    let app = TestApp::with(toml, &[("echo.wasm", echo("1.0.0", "[limits]\noutput_kib = 4\n"))]).await;
    let inspected = run(&app, &["inspect", "echo"]);
    let limits = inspected.lines().find(|line| line.starts_with("Limits ")).unwrap();
    assert!(limits.contains("output_kib 2,") || limits.ends_with("output_kib 2"), "{limits}");
    let long = json!({ "a": "x".repeat(3_000) }).to_string();
    let call = ["plugin", "call", "echo", "--arguments", &long, "--json"];
    let stopped =
        hardpoint(app.folder(), &[&call[..], &["--config", "hardpoint.toml", "--data", "data"]].concat());
    let told: Value = serde_json::from_slice(&stopped.stdout).unwrap();
    assert_eq!((stopped.status.success(), &told["error"]), (false, &json!("stopped")), "{told}");
    assert!(told["message"].as_str().unwrap().contains("more than 2 KiB"), "{told}");
}

/// What never served is allowed, and not gone back to.
#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_were_overtaken_are_told_how_they_may_serve() {
    let app = TestApp::with("", &[("echo.wasm", echo("1.0.0", ""))]).await;
    let waits = echo("2.0.0", "kv = true\n");
    app.publish("echo.wasm", &waits).await;
    app.publish("echo.wasm", &echo("3.0.0", "kv = true\n")).await;
    std::fs::write(app.folder().join("mine.wasm"), &waits).unwrap();
    let again = run(&app, &["publish", "mine.wasm"]);
    assert!(
        again.contains("superseded") && again.contains("hardpoint plugin grant echo --digest"),
        "{again}"
    );
}

/// A version that was resumed and may do nothing any more is not said to serve.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_resumed_and_allowed_nothing_does_not_serve() {
    let app = TestApp::with("", &[("echo.wasm", echo("1.0.0", "kv = true\n"))]).await;
    run(&app, &["grant", "echo", "--yes"]);
    app.settle().await;
    run(&app, &["pause", "echo"]);
    run(&app, &["revoke", "echo", "--binding", "echo", "--yes"]);
    let resumed = run(&app, &["resume", "echo"]);
    assert!(resumed.contains("is no longer paused. It does not serve yet"), "{resumed}");
}

/// What was gone back to is what a grant means, also where what was paused lacks something when it is resumed.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_gone_back_to_is_granted_in_the_place_of_what_lost_its_grant() {
    let app = TestApp::with("", &[("echo.wasm", echo("1.0.0", GETS))]).await;
    run(&app, &["grant", "echo", "--yes"]);
    app.settle().await;
    app.publish("echo.wasm", &echo("2.0.0", "kv = true\n")).await;
    run(&app, &["grant", "echo", "--yes"]);
    app.settle().await;
    run(&app, &["pause", "echo"]);
    run(&app, &["revoke", "echo", "--binding", "echo", "--yes"]);
    run(&app, &["rollback", "echo"]);
    insta::assert_snapshot!(run(&app, &["resume", "echo"]), @r"
    echo 2.0.0 is no longer paused. It does not serve yet: binding echo is not allowed to keep small values for each organisation (kv); allow it with `hardpoint plugin grant echo --digest sha256:…`.
    Version 1.0.0 is there too: pending_approval, binding echo is not allowed to send GET https://api.example.com/; allow it with `hardpoint plugin grant echo`.
    ");
    app.settle().await;
    let inspected = told(&app, &["inspect", "echo"]);
    assert_eq!((&inspected["version"], &inspected["state"]), (&json!("1.0.0"), &json!("pending_approval")));
    assert_eq!(inspected["versions"][0]["state"], "pending_approval", "{inspected}");
    run(&app, &["grant", "echo", "--yes"]);
    app.settle().await;
    assert_eq!(app.plugin("echo").await["version"], "1.0.0");
    assert_eq!(app.call("echo").await, 200);
}

/// Nothing serves before it is resumed, whatever is published and granted meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn a_paused_plugin_is_upgraded() {
    let app = TestApp::with("", &[("echo.wasm", echo("1.0.0", ""))]).await;
    insta::assert_snapshot!(run(&app, &["pause", "echo"]), @r"
    echo 1.0.0 is paused: what is under way is finished, and no version serves until it is resumed.
    Resume it with `hardpoint plugin resume echo`.
    ");
    app.publish("echo.wasm", &echo("1.1.0", "")).await;
    let listed = run(&app, &["list"]);
    let takes_over = "version 1.1.0: paused, the plugin is paused: this version takes over once it is resumed with \
                      `hardpoint plugin resume echo`";
    assert!(listed.contains(takes_over), "{listed}");
    app.publish("echo.wasm", &echo("2.0.0", "kv = true\n")).await;
    assert!(run(&app, &["list"]).contains("version 2.0.0: pending_approval, binding echo is not allowed"));
    insta::assert_snapshot!(run(&app, &["grant", "echo", "--yes"]), @r"
    echo 2.0.0 (sha256:…)
    Binding echo is allowed to:
      - keep small values for each organisation (kv)
    It does not serve yet: the plugin is paused: this version takes over once it is resumed with `hardpoint plugin resume echo`.
    ");
    insta::assert_snapshot!(run(&app, &["discard", "echo"]).lines().next().unwrap(), @"echo 2.0.0 (sha256:…) is discarded. echo 1.0.0 does not serve: paused, paused by cli; let it go on with `hardpoint plugin resume echo`.");
    let back = run(&app, &["inspect", "echo"]);
    assert!(
        back.contains("Binding  echo: allowed all that it asks for; it serves when the plugin does"),
        "{back}"
    );
    app.publish("echo.wasm", &echo("1.2.0", "")).await;
    let dry = run(&app, &["publish", "data/plugins/echo.wasm", "--dry-run"]);
    assert!(dry.contains("nothing of it serves before `hardpoint plugin resume echo`"), "{dry}");
    insta::assert_snapshot!(run(&app, &["resume", "echo"]), @r"
    echo 1.0.0 is no longer paused. A running server follows within a second.
    Version 1.2.0 is there too: loading, it is allowed, and serves as soon as a running host has compiled it and tried it out.
    ");
    app.settle().await;
    assert_eq!(app.plugin("echo").await["version"], "1.2.0");
    assert!(run(&app, &["inspect", "echo"]).contains("Binding  echo: ready"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_file_switches_off_says_so_and_where() {
    let app = TestApp::with("[plugins.echo]\nenabled = false\n", &[("echo.wasm", echo("1.0.0", ""))]).await;
    let off = "switched off by `enabled = false` under [plugins.echo] (hardpoint.toml, line 2)";
    for command in [["list"].as_slice(), &["inspect", "echo"], &["grant", "echo", "--yes"]] {
        let told = run(&app, command);
        assert!(told.contains(off), "{command:?}: {told}");
        assert!(!told.contains("ready") && !told.contains("pending_approval"), "{command:?}: {told}");
    }
    assert_eq!(app.plugin("echo").await["state"], "paused");
    let dry = run(&app, &["publish", "data/plugins/echo.wasm", "--dry-run"]);
    assert!(dry.contains(&format!("It would serve nobody: {off}.")), "{dry}");
}

/// A method more is that method, and takes nothing away.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_version_asks_is_compared_value_by_value() {
    let app = TestApp::with("", &[("echo.wasm", echo("1.0.0", GETS))]).await;
    run(&app, &["grant", "echo", "--yes"]);
    app.settle().await;
    std::fs::write(app.folder().join("next.wasm"), echo("2.0.0", GETS_AND_POSTS)).unwrap();
    insta::assert_snapshot!(run(&app, &["publish", "next.wasm", "--dry-run"]), @r"
    echo 2.0.0 in the place of 1.0.0 (sha256:…)
    It would wait: binding echo is not allowed to send POST https://api.example.com/; publish it, then allow it with `hardpoint plugin grant echo`.
    Binding echo
      asks for more: send POST https://api.example.com/
      not allowed: send POST https://api.example.com/
    ");
}

#[tokio::test(flavor = "multi_thread")]
async fn all_versions_are_told_and_named_by_a_few_digits() {
    let app = TestApp::with("", &[("echo.wasm", echo("1.0.0", ""))]).await;
    app.publish("echo.wasm", &echo("1.1.0", "")).await;
    app.publish("echo.wasm", &echo("2.0.0", "kv = true\n")).await;
    let shown = app.plugin("echo").await["versions"].clone();
    let states: Vec<_> =
        shown.as_array().unwrap().iter().map(|one| (&one["version"], &one["state"])).collect();
    let expected = [("2.0.0", "pending_approval"), ("1.1.0", "active"), ("1.0.0", "superseded")]
        .map(|(a, b)| (json!(a), json!(b)));
    assert_eq!(states, expected.iter().map(|(a, b)| (a, b)).collect::<Vec<_>>());
    let digest = |at: usize| shown[at]["digest"].as_str().unwrap().to_owned();
    let text = said(&hardpoint(app.folder(), &["plugin", "inspect", "echo", "--data", "data"]));
    for (at, line) in ["* 2.0.0  ", "  1.1.0  ", "  1.0.0  "].iter().enumerate() {
        assert!(text.contains(&format!("{line}{}  ", &digest(at)[..19])), "{text}");
    }
    // The one that serves can be looked at too.
    let serving = run(&app, &["inspect", "echo", "--digest", &digest(1)[7..15]]);
    assert!(serving.starts_with("echo 1.1.0") && serving.contains("Binding  echo: ready"), "{serving}");
    assert_eq!(told(&app, &["rollback", "echo", "--digest", &digest(2)[..15]])["version"], "1.0.0");
    app.settle().await;
    assert_eq!(app.plugin("echo").await["version"], "1.0.0");
    assert_eq!(told(&app, &["grant", "echo", "--digest", &digest(0)[7..39]])["version"], "2.0.0");
    // What was not served is not gone back to, and says why.
    let refused = |arguments: &[&str]| {
        let done = hardpoint(app.folder(), &[&["plugin"], arguments, &["--data", "data"]].concat());
        assert_eq!(done.status.code(), Some(1), "{}", said(&done));
        mask(&said(&done))
    };
    app.settle().await;
    let present = refused(&["rollback", "echo", "--digest", &digest(0)[..15]]);
    assert!(present.contains("version 2.0.0 of `echo` is active: only one that served before"), "{present}");

    app.app()
        .store
        .write(Lane::Request, |tx| {
            Box::pin(async move {
                for number in 1..3 {
                    let new = NewPlugin {
                        id: "twin".to_owned(),
                        digest: format!("sha256:{number:064}"),
                        version: format!("{number}.0.0"),
                        kind: Kind::Tool,
                        size: 1,
                        manifest: String::new(),
                        source: Source::Upload,
                        file_name: None,
                    };
                    plugins::upsert(tx, &new, State::Rejected, None, Default::default()).await?;
                }
                Ok(())
            })
        })
        .await
        .unwrap();
    insta::assert_snapshot!(refused(&["grant", "twin", "--yes", "--digest", "0000"]), @"hardpoint: digest: `0000` begins more than one of `twin`: sha256:… (1.0.0), sha256:… (2.0.0)");
    insta::assert_snapshot!(refused(&["discard", "twin", "--digest", "ffff"]), @"hardpoint: there is no version of `twin` with the digest sha256:ffff; `hardpoint plugin inspect twin --data data` tells those that there are");
    for bad in ["abc", "sha256:", "xyz12"] {
        assert!(refused(&["rollback", "twin", "--digest", bad]).contains("is no beginning of one"), "{bad}");
    }
}

/// Before any host has looked, and with the folder that the command was given.
#[test]
fn what_comes_next_is_told_at_once_and_works_when_pasted() {
    let folder = TempDir::new().unwrap();
    let run = |arguments: &[&str]| {
        let done = hardpoint(folder.path(), &[&["plugin"], arguments, &["--data", "else where"]].concat());
        assert!(done.status.success(), "{arguments:?}: {}", said(&done));
        mask(&said(&done))
    };
    std::fs::write(folder.path().join("echo.wasm"), echo("1.0.0", "kv = true\n")).unwrap();
    insta::assert_snapshot!(run(&["publish", "echo.wasm"]), @r"
    echo 1.0.0 is kept (pending_approval).
    See what it asks for and allow it: hardpoint plugin grant echo --digest sha256:… --data 'else where'
    ");
    insta::assert_snapshot!(run(&["list"]), @r"
    PLUGIN  VERSION  KIND  STATE
    echo    1.0.0    tool  pending_approval
        uploaded bytes need an operator's approval: `hardpoint plugin grant echo --digest sha256:… --data 'else where'`
    ");
    let inspected: Value = serde_json::from_str(&run(&["inspect", "echo", "--json"])).unwrap();
    assert_eq!(inspected["bindings"][0]["remedy"], "hardpoint plugin grant echo --data 'else where'");
    insta::assert_snapshot!(run(&["grant", "echo", "--yes"]), @r"
    echo 1.0.0 (sha256:…)
    Binding echo is allowed to:
      - keep small values for each organisation (kv)
    It serves as soon as a running host has compiled it and tried it out.
    ");
    insta::assert_snapshot!(run(&["list"]), @r"
    PLUGIN  VERSION  KIND  STATE
    echo    1.0.0    tool  loading
        it is allowed, and serves as soon as a running host has compiled it and tried it out
    ");
}

/// Grants in the file outlive a command, and the plugin is stopped all the same.
#[tokio::test(flavor = "multi_thread")]
async fn revoking_what_the_file_allows_names_the_file() {
    let toml = "[bindings.mine]\nplugin = \"echo\"\n[bindings.mine.grant]\nhttp = [\"GET https://api.example.com\"]\n";
    let app = TestApp::with(toml, &[("echo.wasm", echo("1.0.0", GETS))]).await;
    assert_eq!(app.call("mine").await, 200);
    insta::assert_snapshot!(run(&app, &["revoke", "echo", "--yes"]), @r"
    echo is out of service. A running server follows within a second.
    What binding mine may do stands under [bindings.mine.grant] (hardpoint.toml, line 3), and stays.
    It serves again after `hardpoint plugin grant echo --digest sha256:…`.
    ");
    app.settle().await;
    assert_eq!(app.call("mine").await, 404);
    run(&app, &["grant", "echo", "--yes"]);
    app.settle().await;
    assert_eq!(app.call("mine").await, 200);
}

/// What serves and lacks something is named beside what waits: a command without a digest would mean that one.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_refused_call_says_to_allow_is_what_was_called() {
    let toml = "[bindings.mine]\nplugin = \"echo\"\n";
    let app = TestApp::with(toml, &[("echo.wasm", echo("1.0.0", "kv = true\n"))]).await;
    run(&app, &["grant", "echo", "--yes"]);
    app.settle().await;
    let serves = app.plugin("echo").await["digest"].as_str().unwrap().to_owned();
    run(&app, &["revoke", "echo", "--binding", "mine", "--yes"]);
    std::fs::write(app.folder().join("next.wasm"), echo("2.0.0", "kv = true\n")).unwrap();
    run(&app, &["publish", "next.wasm"]);
    let remedy = format!("hardpoint plugin grant echo --binding mine --digest {serves}");
    let data = ["--config", "hardpoint.toml", "--data", "data"];
    for command in [&["plugin", "call", "echo"][..], &["config", "check"]] {
        let told = said(&hardpoint(app.folder(), &[command, &data].concat()));
        assert!(told.contains(&remedy), "{command:?}: {told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_stays_is_named_to_programs_too() {
    let app = TestApp::with("", &[("echo.wasm", echo("1.0.0", ""))]).await;
    let removed = told(&app, &["remove", "echo"]);
    assert_eq!((&removed["files_left"], &removed["declared"]), (&json!(["echo.wasm"]), &json!(false)));
    app.settle().await;
    // It asks for nothing, so nobody is asked when it comes again.
    app.publish("echo.wasm", &echo("1.0.0", "")).await;
    assert_eq!(app.call("echo").await, 200);
    // Each file is named, also that of a version that another took the place of.
    app.publish("echo-2.wasm", &echo("2.0.0", "")).await;
    let removed = run(&app, &["remove", "echo", "--yes"]);
    for file in ["echo.wasm", "echo-2.wasm"] {
        assert!(removed.contains(&format!("The file {file} stays in the plugins folder")), "{removed}");
    }
}

/// What lies in the folder is as much there as what a host has seen.
#[tokio::test(flavor = "multi_thread")]
async fn what_no_host_has_seen_is_granted_by_its_digest() {
    let app = TestApp::start().await;
    let bytes = echo("1.0.0", "");
    std::fs::write(app.plugins().join("echo.wasm"), &bytes).unwrap();
    let granted = told(&app, &["grant", "echo", "--digest", &hardpoint_runtime::digest(&bytes)]);
    assert_eq!((&granted["id"], &granted["version"]), (&json!("echo"), &json!("1.0.0")));
    app.settle().await;
    app.publish("echo-2.wasm", &echo("2.0.0", "")).await;
    let removed = told(&app, &["remove", "echo"]);
    let versions = removed["versions"].as_array().unwrap();
    assert!(versions.len() == 2 && versions.iter().all(|one| one["digest"] == "sha256:…"), "{removed}");
}

/// What a command that was refused told, people and programs.
fn refused(folder: &Path, arguments: &[&str]) -> (Option<i32>, String, Value) {
    let plain = hardpoint(folder, arguments);
    let output = hardpoint(folder, &[arguments, &["--json"]].concat());
    assert_eq!(plain.status.code(), output.status.code(), "{arguments:?}: {}", said(&output));
    let told =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{arguments:?}: {}", said(&output)));
    (plain.status.code(), said(&plain), told)
}

#[test]
fn every_refusal_is_json_where_json_is_asked_for() {
    let folder = TempDir::new().unwrap();
    let folder = folder.path();
    std::fs::write(folder.join("mine.wasm"), echo("1.0.0", "")).unwrap();
    std::fs::write(folder.join("wrong.toml"), "[server]\ncolour = 1\n").unwrap();
    let kinds = [
        (["plugin", "call", "mine.wasm", "--arguments", "no"].as_slice(), 2, "misuse"),
        (&["plugin", "call", "mine.wasm", "--arguments"], 2, "misuse"),
        (&["plugin", "list"], 2, "misuse"),
        (&["plugin", "grant", "a", "b"], 2, "misuse"),
        (&["plugin", "inspect", "wrong.toml"], 1, "failed"),
        (&["plugin", "list", "--config", "wrong.toml"], 2, "configuration"),
        (&["key", "show", "key_none"], 2, "misuse"),
    ];
    for (arguments, code, kind) in kinds {
        let (ended, _, told) = refused(folder, arguments);
        assert_eq!((ended, &told["error"]), (Some(code), &json!(kind)), "{arguments:?}: {told}");
        assert!(told["message"].as_str().is_some_and(|message| !message.is_empty()), "{arguments:?}: {told}");
    }
    let (_, _, told) = refused(folder, &["plugin", "list", "--config", "wrong.toml"]);
    assert_eq!(told["problems"][0]["key"], "server.colour");
    // What stands in a command's own JSON is not said twice.
    let (_, _, told) = refused(folder, &["config", "check", "--config", "wrong.toml"]);
    assert_eq!(told["problems"][0]["line"], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_mistaken_for_what_is_told() {
    let app = TestApp::with("", &[("echo.wasm", echo("1.0.0", ""))]).await;
    let refused = |arguments: &[&str]| {
        let output = hardpoint(app.folder(), &[&["plugin"], arguments, &["--data", "data"]].concat());
        assert!(!output.status.success(), "{arguments:?}: {}", said(&output));
        said(&output)
    };
    let id = "`data/plugins/echo.wasm` is a file, and this takes the id of a published plugin: `echo`";
    for command in ["grant", "revoke", "pause", "resume", "rollback", "discard", "remove", "bind", "enable"] {
        let told = refused(&[command, "data/plugins/echo.wasm"]);
        assert!(told.contains(id), "{command}: {told}");
    }
    for command in
        [["publish", "echo"].as_slice(), &["test", "echo", "--conformance"], &["record", "echo", "q.json"]]
    {
        let told = refused(command);
        assert!(told.contains("there is no file `echo`: name a packed component"), "{command:?}: {told}");
    }
    insta::assert_snapshot!(refused(&["enable", "echo", "--organization", "Acme"]), @"hardpoint: --organization: there is no organisation `Acme`: name it by its id, which `hardpoint org list --data data` tells");
    // A project's folder is no plugin that is published.
    assert!(hardpoint(app.folder(), &["plugin", "new", "tool", "count"]).status.success());
    for command in [["grant", "count", "--yes"].as_slice(), &["pause", "count"], &["remove", "count"]] {
        let told = refused(command);
        assert!(told.contains("count is the folder of a project: build it first"), "{command:?}: {told}");
    }
    let elsewhere = TempDir::new().unwrap();
    std::fs::create_dir(elsewhere.path().join("count")).unwrap();
    let told = said(&hardpoint(elsewhere.path(), &["plugin", "call", "count"]));
    assert!(told.contains("count is a folder"), "{told}");
}

/// What the tests of a project print is not what was asked of the program.
#[test]
fn tests_of_a_project_leave_standard_output_alone() {
    use std::os::unix::fs::PermissionsExt;
    let folder = TempDir::new().unwrap();
    assert!(hardpoint(folder.path(), &["plugin", "new", "tool", "count", "--lang", "js"]).status.success());
    let npm = folder.path().join("npm");
    std::fs::write(&npm, "#!/bin/sh\necho TAP version 13\nexit 1\n").unwrap();
    std::fs::set_permissions(&npm, std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap());
    let built = std::process::Command::new(env!("CARGO_BIN_EXE_hardpoint"))
        .current_dir(folder.path())
        .env("PATH", path)
        .args(["plugin", "build", "count", "--test", "--json"])
        .output()
        .unwrap();
    let told: Value = serde_json::from_slice(&built.stdout).unwrap_or_else(|_| panic!("{}", said(&built)));
    assert_eq!(told["error"], "failed", "{told}");
    assert!(String::from_utf8_lossy(&built.stderr).contains("TAP version 13"), "{}", said(&built));
}
