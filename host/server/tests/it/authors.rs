//! What authors read when they name the wrong thing, or miss a step.

use std::path::Path;

use hardpoint_domain::manifest;
use tempfile::TempDir;

use crate::command_line::{hardpoint, said};
use crate::support::{echo, fixture};

/// What a command that could not do it said, and its exit code.
fn refused(folder: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let output = hardpoint(folder, &[&["plugin"], arguments].concat());
    assert!(!output.status.success(), "{arguments:?}: {}", said(&output));
    (output.status.code(), said(&output))
}

#[test]
fn a_folder_is_no_component() {
    let place = TempDir::new().unwrap();
    let folder = place.path();
    assert!(hardpoint(folder, &["plugin", "new", "tool", "count"]).status.success());
    let build =
        "hardpoint: count is the folder of a project: build it first, with `hardpoint plugin build count`\n";
    for arguments in [
        ["inspect", "count"].as_slice(),
        &["publish", "count"],
        &["publish", "count", "--dry-run"],
        &["test", "count", "--conformance"],
        &["record", "count", "question.json"],
    ] {
        assert_eq!(refused(folder, arguments), (Some(2), build.to_owned()), "{arguments:?}");
    }
    std::fs::write(folder.join("count/count.wasm"), echo("1.0.0", "")).unwrap();
    let (_, named) = refused(folder, &["inspect", "./count"]);
    insta::assert_snapshot!(named, @"hardpoint: ./count is a folder: name the component in it, ./count/count.wasm");
    std::fs::create_dir(folder.join("empty")).unwrap();
    let (_, named) = refused(folder, &["publish", "empty"]);
    insta::assert_snapshot!(named, @"hardpoint: empty is a folder: name a packed component, a file that ends in .wasm");
    // Beside a store a folder's name is a plugin's id first.
    std::fs::write(folder.join("mine.wasm"), echo("1.0.0", "")).unwrap();
    assert!(hardpoint(folder, &["plugin", "publish", "mine.wasm"]).status.success());
    std::fs::create_dir(folder.join("echo")).unwrap();
    assert!(hardpoint(folder, &["plugin", "inspect", "echo"]).status.success());
    for command in ["inspect", "call"] {
        let (_, named) = refused(folder, &[command, "count"]);
        assert!(named.contains("name the component in it"), "{command}: {named}");
    }
}

#[test]
fn what_no_host_would_take_is_not_packed() {
    let place = TempDir::new().unwrap();
    let folder = place.path();
    let tool = "id = \"mine\"\nversion = \"0.1.0\"\nkind = \"tool\"\ndescription = \"A tool.\"\n";
    let write = |component: &str, toml: &str| {
        let bare = manifest::strip(&fixture(component));
        std::fs::write(folder.join("bare.wasm"), bare).unwrap();
        std::fs::write(folder.join("plugin.toml"), toml).unwrap();
    };
    write("echo", &tool.replace("\"tool\"", "\"model\""));
    let (_, told) = refused(folder, &["pack", "bare.wasm"]);
    insta::assert_snapshot!(told, @"hardpoint: bare.wasm cannot be packed with plugin.toml: wrong world: a plugin of this kind exports hardpoint:plugin/model-adapter@0.1.0; this one exports hardpoint:plugin/tool@0.1.0");
    write("echo", &tool.replace("\"tool\"", "\"retriever\""));
    assert!(refused(folder, &["pack", "bare.wasm"]).1.contains("exports hardpoint:plugin/retriever@0.1.0"));
    write("prober", tool);
    assert!(refused(folder, &["pack", "bare.wasm"]).1.contains("its manifest does not ask for it"));
    assert!(!folder.join("mine.wasm").exists());
    let (_, told) = refused(folder, &["inspect", "bare.wasm"]);
    assert!(told.contains("put plugin.toml into it with `hardpoint plugin pack`"), "{told}");
    write("echo", tool);
    assert!(hardpoint(folder, &["plugin", "pack", "bare.wasm"]).status.success());
    assert!(hardpoint(folder, &["plugin", "inspect", "mine.wasm"]).status.success());
}

/// A build takes a while, and what can be known before is told before.
#[test]
fn a_host_and_settings_are_looked_at_before_anything_is_built() {
    let place = TempDir::new().unwrap();
    let folder = place.path();
    assert!(hardpoint(folder, &["plugin", "new", "tool", "count"]).status.success());
    let dev = |more: &[&str]| {
        let (code, told) = refused(folder, &[&["dev", "count"], more].concat());
        assert!(!told.contains("building"), "{told}");
        (code, told)
    };
    let server = ["--server", "http://127.0.0.1:1", "--key", "hp_live_x"];
    assert!(dev(&server).1.contains("no host answers at http://127.0.0.1:1/api/v1"));
    let (code, told) = dev(&["--settings", r#"{"ignored": 1, "colour": 2}"#]);
    assert_eq!(code, Some(2));
    insta::assert_snapshot!(told, @r#"hardpoint: --settings: `ignored`: 1 is not of type "array"; `colour`: unknown; there are ignored"#);
    assert_eq!(std::fs::read_dir(folder.join("count/build")).map_or(0, Iterator::count), 0);
}
