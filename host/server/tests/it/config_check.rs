//! What `hardpoint config check` makes of a configuration with the plugins that are there.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::command_line::{hardpoint, said};
use crate::support::{echo, fixture};

const SECRETS: &str =
    "[[http]]\nhost = \"a.example\"\n[[secret]]\nname = \"api_key\"\naudience = \"https://a.example\"\n";

fn check(folder: &Path, toml: &str) -> Output {
    std::fs::write(folder.join("hardpoint.toml"), toml).unwrap();
    hardpoint(folder, &["config", "check"])
}

/// A plugin that asks for anything waits first, and so it does when its settings are written.
#[test]
fn a_plugin_that_waits_judges_its_settings() {
    let folder = TempDir::new().unwrap();
    let schema = "kv = true\n[settings]\ntype = \"object\"\nproperties.depth.maximum = 9\n";
    for version in ["1.0.0", "2.0.0"] {
        std::fs::write(folder.path().join("mine.wasm"), echo(version, schema)).unwrap();
        let published = hardpoint(folder.path(), &["plugin", "publish", "mine.wasm"]);
        assert!(published.status.success(), "{}", said(&published));
    }
    let deep = "[bindings.deep]\nplugin = \"echo\"\nsettings.depth = 10\n";
    let judged = check(folder.path(), deep);
    assert_eq!(judged.status.code(), Some(2));
    insta::assert_snapshot!(said(&judged), @r"
    hardpoint: the configuration has 1 problem:
      bindings.deep.settings.depth: for plugin echo 2.0.0, 10 is greater than the maximum of 9 (hardpoint.toml, line 3)
    ");
    // What is gone judges nothing, and is not there.
    assert!(hardpoint(folder.path(), &["plugin", "remove", "echo", "--yes"]).status.success());
    let gone = check(folder.path(), deep);
    assert!(
        gone.status.success() && said(&gone).contains("there is no plugin `echo` here yet"),
        "{}",
        said(&gone)
    );
}

#[test]
fn a_removed_plugin_whose_file_stays_is_not_there() {
    let folder = TempDir::new().unwrap();
    std::fs::create_dir_all(folder.path().join("data/plugins")).unwrap();
    std::fs::write(folder.path().join("data/plugins/echo.wasm"), echo("1.0.0", "")).unwrap();
    let declared = "[plugins.echo]\nenabled = true\n";
    let there = check(folder.path(), declared);
    assert!(!said(&there).contains("Warning"), "{}", said(&there));
    let misspelt = said(&check(folder.path(), "[plugins.ehco]\n[bindings.b]\nplugin = \"ech0\"\n"));
    insta::assert_snapshot!(misspelt.lines().take(2).collect::<Vec<_>>().join("\n"), @r"
    Warning: bindings.b.plugin: there is no plugin `ech0` here yet, but `echo` (hardpoint.toml, line 3)
    Warning: plugins.ehco: there is no plugin `ehco` here yet, but `echo` (hardpoint.toml, line 1)
    ");
    for arguments in [["grant", "echo", "--yes"], ["remove", "echo", "--yes"]] {
        assert!(hardpoint(folder.path(), &[&["plugin"][..], &arguments].concat()).status.success());
    }
    let gone = check(folder.path(), declared);
    assert!(said(&gone).contains("there is no plugin `echo` here yet"), "{}", said(&gone));
}

#[test]
fn names_lead_to_the_right_kind() {
    let folder = TempDir::new().unwrap();
    std::fs::create_dir_all(folder.path().join("data/plugins")).unwrap();
    std::fs::write(folder.path().join("data/plugins/echo.wasm"), echo("1.0.0", "")).unwrap();
    std::fs::write(folder.path().join("data/plugins/model.wasm"), fixture("hostile-model")).unwrap();
    let told = check(
        folder.path(),
        r#"
[bindings.bound]
plugin = "echo"

[[models]]
id = "good"
binding = "hostile-model"
tools = [
  "echo",
  "bound",
  "nobody",
  "hostile-model",
]

[[models]]
id = "bad"
binding = "bound"
"#,
    );
    assert_eq!(told.status.code(), Some(2));
    insta::assert_snapshot!(said(&told), @r"
    Warning: models.0.tools.0: plugin `echo` has no binding of that name, since hardpoint.toml binds it as `bound`: write that, or add [bindings.echo] (hardpoint.toml, line 9)
    Warning: models.0.tools.2: there is no tool `nobody` here yet (hardpoint.toml, line 11)
    hardpoint: the configuration has 2 problems:
      models.0.tools.3: `hostile-model` is a plugin of kind model, no tool (hardpoint.toml, line 12)
      models.1.binding: `bound` is a plugin of kind tool, no model (hardpoint.toml, line 17)
    ");
}

#[test]
fn secrets_are_those_that_are_asked_for() {
    let folder = TempDir::new().unwrap();
    std::fs::create_dir_all(folder.path().join("data/plugins")).unwrap();
    std::fs::write(folder.path().join("data/plugins/echo.wasm"), echo("1.0.0", SECRETS)).unwrap();
    let with = |audience: &str, more: &str| {
        format!(
            "[secrets.mine]\nvalue = \"sk-live-1\"\naudience = \"{audience}\"\n[bindings.b]\nplugin = \"echo\"\n\
             [bindings.b.secrets]\napi_key = \"mine\"\n{more}"
        )
    };
    let good = check(folder.path(), &with("https://a.example", ""));
    assert!(good.status.success(), "{}", said(&good));
    let told = check(folder.path(), &with("https://b.example", "nope = \"mine\"\n"));
    assert_eq!(told.status.code(), Some(2));
    insta::assert_snapshot!(said(&told), @r"
    Warning: bindings.b: plugin echo 1.0.0 waits: it is not allowed to send GET https://a.example/, nor to use the secret `api_key`, only towards https://a.example; allow it with `hardpoint plugin grant echo --binding b`, or under [bindings.b.grant] (hardpoint.toml, line 4)
    hardpoint: the configuration has 2 problems:
      bindings.b.secrets.api_key: the secret for `api_key` may go to https://b.example only, and is wanted for https://a.example (hardpoint.toml, line 7)
      bindings.b.secrets.nope: plugin echo 1.0.0 asks for no such secret, but for api_key (hardpoint.toml, line 8)
    ");
}

/// Who checks before a roll-out has not rolled out yet: the store is then none of this program's, and no fault of the
/// file.
#[tokio::test]
async fn a_store_of_an_older_program_is_a_warning() {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("mine.wasm"), echo("1.0.0", "")).unwrap();
    assert!(hardpoint(folder.path(), &["plugin", "publish", "mine.wasm"]).status.success());
    let store = hardpoint_store::StoreConfig {
        data: folder.path().join("data"),
        blobs: None,
        url: None,
        durability: hardpoint_store::Durability::Process,
    };
    let clock = std::sync::Arc::new(crate::support::FakeClock::default());
    let store = hardpoint_store::Store::open(&store, clock).await.unwrap();
    hardpoint_store::testing::seem_older(&store).await.unwrap();
    store.close().await;
    let told = check(folder.path(), "[server]\nlisten = \"127.0.0.1:80\"\n");
    assert!(told.status.success(), "{}", said(&told));
    let told = said(&told);
    assert!(
        told.starts_with("Warning: database: no plugin was looked at: ") && told.contains("is fine"),
        "{told}"
    );
    // What is wrong with the file is a problem all the same, and the store was left as it was.
    let wrong = check(folder.path(), "[server]\nlisten = \"nowhere\"\n");
    assert_eq!(wrong.status.code(), Some(2));
    assert!(said(&wrong).contains("no plugin was looked at"), "{}", said(&wrong));
}

/// What a grant in the file says is all that a plugin may do: what it leaves out, no command allows.
#[test]
fn grants_are_as_wide_as_what_is_asked() {
    let folder = TempDir::new().unwrap();
    std::fs::create_dir_all(folder.path().join("data/plugins")).unwrap();
    let asks = "kv = true\n[[http]]\nhost = \"a.example\"\nmethods = [\"POST\"]\npath = \"/v1\"\n";
    std::fs::write(folder.path().join("data/plugins/echo.wasm"), echo("1.0.0", asks)).unwrap();
    let with = |grant: &str| {
        let told =
            check(folder.path(), &format!("[bindings.b]\nplugin = \"echo\"\n[bindings.b.grant]\n{grant}\n"));
        assert!(told.status.success(), "{}", said(&told));
        said(&told)
    };
    // Wider than what is asked is no mistake.
    let wide = with("http = [\"GET,POST https://*.a.example\", \"POST https://a.example\"]\nkv = true");
    assert_eq!(wide.matches("Warning").count(), 1, "{wide}");
    let told = with("http = [\"POST https://a.example/v1\", \"GET https://b.example\"]\nscratch = true");
    insta::assert_snapshot!(told.lines().take(3).collect::<Vec<_>>().join("\n"), @r"
    Warning: bindings.b.grant: plugin echo 1.0.0 waits: it is not allowed to keep small values for each organisation (kv); add it here (hardpoint.toml, line 3)
    Warning: bindings.b.grant.http.1: plugin echo never asks to send GET https://b.example/, so this changes nothing (hardpoint.toml, line 4)
    Warning: bindings.b.grant.scratch: plugin echo never asks to use an empty folder while a call lasts (scratch), so this changes nothing (hardpoint.toml, line 5)
    ");
    // What is bound to an address by a setting is judged with that setting.
    let asks = "[[http]]\nhost = \"{settings.site}\"\n[settings]\ntype = \"object\"\nproperties.site.type = \"string\"\n";
    std::fs::write(folder.path().join("data/plugins/echo.wasm"), echo("1.0.0", asks)).unwrap();
    let grant = "http = [\"GET https://a.example\"]\n";
    assert!(!with(grant).contains("Warning"), "{}", with(grant));
    let told = with(&format!("{grant}[bindings.b.settings]\nsite = \"https://b.example\""));
    assert_eq!(told.matches("Warning").count(), 2, "{told}");
}

#[test]
fn a_model_that_nobody_answers_is_told() {
    let folder = TempDir::new().unwrap();
    std::fs::create_dir_all(folder.path().join("data/plugins")).unwrap();
    std::fs::write(folder.path().join("data/plugins/model.wasm"), fixture("hostile-model")).unwrap();
    let with = |enabled: bool| {
        let toml = format!(
            "[plugins.hostile-model]\nenabled = {enabled}\n\n[bindings.bound]\nplugin = \"hostile-model\"\n\n\
             [[models]]\nid = \"one\"\nbinding = \"bound\"\nfallbacks = [\"two\"]\n\n\
             [[models]]\nid = \"two\"\nbinding = \"bound\"\n"
        );
        said(&check(folder.path(), &toml))
    };
    assert!(!with(true).contains("Warning"), "{}", with(true));
    insta::assert_snapshot!(with(false).lines().take(2).collect::<Vec<_>>().join("\n"), @r"
    Warning: plugins.hostile-model.enabled: nobody answers for model `one`: nothing else serves it (hardpoint.toml, line 2)
    Warning: plugins.hostile-model.enabled: nobody answers for model `two`: nothing else serves it (hardpoint.toml, line 2)
    ");
}

#[test]
fn a_variable_that_is_no_text_is_reported() {
    let folder = TempDir::new().unwrap();
    let told = Command::new(env!("CARGO_BIN_EXE_hardpoint"))
        .current_dir(folder.path())
        .env("HARDPOINT__LOG__LEVEL", OsStr::from_bytes(b"inf\xff"))
        .args(["config", "check"])
        .output()
        .unwrap();
    assert_eq!(told.status.code(), Some(2));
    assert!(
        said(&told).contains("is no UTF-8 (environment variable HARDPOINT__LOG__LEVEL)"),
        "{}",
        said(&told)
    );
}

/// Whoever mends one thing does not learn of the next only then.
#[test]
fn a_secret_without_its_value_hides_nothing() {
    let folder = TempDir::new().unwrap();
    std::fs::create_dir_all(folder.path().join("data/plugins")).unwrap();
    std::fs::write(folder.path().join("data/plugins/echo.wasm"), echo("1.0.0", SECRETS)).unwrap();
    let told = check(
        folder.path(),
        "[secrets.mine]\nenv = \"NOT_SET_ANYWHERE\"\naudience = \"https://b.example\"\n[bindings.b]\nplugin = \"echo\"\n\
         secrets.api_key = \"mine\"\n[bindings.b.grant]\nhttp = [\"GET https://a.example\"]\nsecrets = [\"api_key\"]\n",
    );
    assert_eq!(told.status.code(), Some(2));
    insta::assert_snapshot!(said(&told), @r"
    Warning: bindings.b.grant: plugin echo 1.0.0 waits: it is not allowed to use the secret `api_key`, only towards https://a.example; add it here (hardpoint.toml, line 7)
    hardpoint: the configuration has 2 problems:
      secrets.mine.env: names the environment variable NOT_SET_ANYWHERE, which is not set, or is no UTF-8 (hardpoint.toml, line 2)
      bindings.b.secrets.api_key: the secret for `api_key` may go to https://b.example only, and is wanted for https://a.example (hardpoint.toml, line 6)
    ");
}

/// A name that leads nowhere, or to what does not serve, is told with the one that would.
#[test]
fn names_that_lead_nowhere_are_told_with_those_that_do() {
    let folder = TempDir::new().unwrap();
    std::fs::create_dir_all(folder.path().join("data/plugins")).unwrap();
    std::fs::write(folder.path().join("data/plugins/echo.wasm"), echo("1.0.0", "kv = true\n")).unwrap();
    std::fs::write(folder.path().join("data/plugins/model.wasm"), fixture("hostile-model")).unwrap();
    let told = check(
        folder.path(),
        r#"
[bindings.bound]
plugin = "echo"

[bindings.adapter]
plugin = "hostile-model"

[[models]]
id = "hidden"
binding = "hostile-model"
tools = [
  "echo",
  "bounb",
  "bound",
]

[[models]]
id = "misspelt"
binding = "adaptor"
"#,
    );
    assert_eq!(told.status.code(), Some(2));
    insta::assert_snapshot!(said(&told), @r#"
    Warning: bindings.bound: plugin echo 1.0.0 waits: it is not allowed to keep small values for each organisation (kv); allow it with `hardpoint plugin grant echo --binding bound`, or under [bindings.bound.grant] (hardpoint.toml, line 2)
    Warning: models.0.tools.0: plugin `echo` has no binding of that name, since hardpoint.toml binds it as `bound`: write that, or add [bindings.echo] (hardpoint.toml, line 12)
    Warning: models.0.tools.1: there is no tool `bounb` here yet, but `bound` (hardpoint.toml, line 13)
    hardpoint: the configuration has 2 problems:
      models.0.binding: plugin `hostile-model` has no binding of that name, since hardpoint.toml binds it as `adapter`: write that, or add [bindings.hostile-model] (hardpoint.toml, line 10)
      models.1.binding: there is no binding `adaptor`, nor a plugin of that id, but `adapter`: add [bindings.adaptor] with `plugin = "…"` (hardpoint.toml, line 19)
    "#);
    let off = check(
        folder.path(),
        "[plugins.echo]\nenabled = false\n[bindings.bound]\nplugin = \"echo\"\n\
         [[models]]\nid = \"m\"\nbinding = \"hostile-model\"\ntools = [\"bound\"]\n",
    );
    insta::assert_snapshot!(said(&off).lines().next().unwrap(), @"Warning: models.0.tools.0: the model answers without `bound`: [plugins.echo] switches its plugin off (hardpoint.toml, line 8)");
    assert_eq!(said(&off).matches("Warning").count(), 1, "{}", said(&off));
}
