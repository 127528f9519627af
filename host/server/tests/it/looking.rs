//! Commands that only look, and those that try something out, leave nothing behind.

use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::command_line::{hardpoint, said};
use crate::support::echo;

fn hardpoint_with(folder: &Path, name: &str, value: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hardpoint"));
    command.current_dir(folder).env(name, value).args(arguments).output().unwrap()
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<String> = entries.map(|name| name.into_string().unwrap()).collect();
    names.sort();
    names
}

/// Hosts of another version may be at work on it.
#[test]
fn a_store_stays_as_it_is() {
    let folder = TempDir::new().unwrap();
    let (mine, data) = (folder.path().join("mine.wasm"), folder.path().join("data"));
    std::fs::write(&mine, echo("1.0.0", "")).unwrap();
    std::fs::create_dir(&data).unwrap();
    std::fs::write(data.join("hardpoint.db"), "").unwrap();
    for arguments in [
        ["config", "check"].as_slice(),
        &["plugin", "list"],
        &["plugin", "inspect", "echo"],
        &["plugin", "inspect", "mine.wasm"],
        &["plugin", "publish", "mine.wasm", "--dry-run"],
        &["plugin", "call", "mine.wasm"],
        &["plugin", "call", "echo"],
        &["org", "list"],
        &["org", "show", "org_1"],
        &["org", "limits", "org_1"],
        &["credits", "show", "org_1"],
        &["credits", "books", "org_1"],
        &["user", "list", "--org", "org_1"],
        &["key", "list", "--org", "org_1"],
        &["key", "show", "key_1"],
        &["secrets", "list"],
        &["audit", "verify"],
        &["audit", "checkpoint", "--all"],
        &["audit", "keys"],
    ] {
        let output = hardpoint(folder.path(), arguments);
        assert_eq!(std::fs::metadata(data.join("hardpoint.db")).unwrap().len(), 0, "{arguments:?}");
        let made = ["blobs", "host.key"].map(|name| data.join(name).exists());
        assert_eq!(made, [false; 2], "{arguments:?}: {}", said(&output));
    }
    // A store with something in it is read.
    assert!(hardpoint(folder.path(), &["plugin", "publish", "mine.wasm"]).status.success());
    let listed = said(&hardpoint(folder.path(), &["plugin", "list"]));
    assert!(listed.contains("pending_approval"), "{listed}");
    let again = said(&hardpoint(folder.path(), &["plugin", "publish", "mine.wasm", "--dry-run"]));
    assert!(again.contains("echo 1.0.0"), "{again}");
}

#[test]
fn a_database_elsewhere_makes_no_folder_here() {
    let folder = TempDir::new().unwrap();
    let nowhere = "postgres://nobody@127.0.0.1:1/nothing";
    for arguments in [["plugin", "list"], ["config", "check"], ["org", "list"], ["secrets", "list"]] {
        let output = hardpoint_with(folder.path(), "HARDPOINT__DATABASE__URL", nowhere, &arguments);
        assert!(!output.status.success(), "{}", said(&output));
    }
    assert_eq!(names(folder.path()), Vec::<String>::new());
}

#[test]
fn what_is_tried_out_leaves_compiled_code_only() {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("mine.wasm"), echo("1.0.0", "")).unwrap();
    for arguments in [["publish", "mine.wasm", "--dry-run"].as_slice(), &["call", "mine.wasm"]] {
        let cache = TempDir::new().unwrap();
        let arguments = [&["plugin"], arguments].concat();
        let kept = cache.path().to_str().unwrap();
        let output = hardpoint_with(folder.path(), "XDG_CACHE_HOME", kept, &arguments);
        assert!(output.status.success(), "{arguments:?}: {}", said(&output));
        assert_eq!(names(&cache.path().join("hardpoint/call")), ["cache"], "{arguments:?}");
        assert_eq!(names(folder.path()), ["mine.wasm"], "{arguments:?}");
    }
}

#[test]
fn what_cannot_be_done_makes_no_store() {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("text.wasm"), "hello").unwrap();
    let garbage = hardpoint(folder.path(), &["plugin", "publish", "text.wasm"]);
    assert_eq!(garbage.status.code(), Some(1));
    assert!(said(&garbage).contains("text.wasm cannot be published"), "{}", said(&garbage));
    assert_eq!(names(folder.path()), ["text.wasm"]);
    std::fs::create_dir_all(folder.path().join("data/plugins")).unwrap();
    let unknown = hardpoint(folder.path(), &["plugin", "grant", "nope", "--yes"]);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(said(&unknown).contains("there is no plugin `nope`"), "{}", said(&unknown));
    assert_eq!(names(&folder.path().join("data")), ["plugins"]);
}

#[test]
fn a_host_to_develop_in_is_named_without_its_secrets() {
    let folder = TempDir::new().unwrap();
    assert!(hardpoint(folder.path(), &["plugin", "new", "tool", "count"]).status.success());
    let dev = |key: &str, more: &[&str]| {
        let arguments = [&["plugin", "dev", "count"], more].concat();
        let output = hardpoint_with(folder.path(), "HARDPOINT_API_KEY", key, &arguments);
        assert!(!output.status.success(), "{}", said(&output));
        said(&output)
    };
    let told = dev("", &["--server", "http://127.0.0.1:1"]);
    assert!(told.contains("set HARDPOINT_API_KEY"), "{told}");
    let told = dev("", &["--data", "elsewhere"]);
    assert!(told.contains("leave --data out"), "{told}");
    for scheme in ["http", "https"] {
        let told = dev("hp_live_x", &["--server", &format!("{scheme}://user:password@host.example")]);
        assert!(told.contains("host.example") && !told.contains("password"), "{told}");
    }
}
