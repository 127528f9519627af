//! Retrievers as their authors try them, by hand and by the suite.

use std::path::Path;
use std::process::Output;

use serde_json::Value;
use tempfile::TempDir;

use crate::command_line::{hardpoint, said};
use crate::support::{echo, fixture};

fn plugin(folder: &Path, arguments: &[&str]) -> Output {
    hardpoint(folder, &[&["--data", "data", "plugin"], arguments].concat())
}

#[test]
fn a_file_is_read_and_searched() {
    let place = TempDir::new().unwrap();
    let folder = place.path();
    std::fs::write(folder.join("reader.wasm"), fixture("reader")).unwrap();
    std::fs::write(folder.join("notes.txt"), "Whales sing.\n\nShips have hulls.\x0cMice eat cheese.")
        .unwrap();
    let reads = ["call", "reader.wasm", "--document", "notes.txt", "--query", "Who sings? Whales!", "--json"];
    let refused = said(&plugin(folder, &reads));
    assert!(refused.contains("allow it for this call with --allow"), "{refused}");
    let read = plugin(folder, &[&reads[..], &["--allow"]].concat());
    assert!(read.status.success(), "{}", said(&read));
    let told: Value = serde_json::from_slice(&read.stdout).unwrap();
    let told = &told["result"];
    assert_eq!((&told["title"], &told["pages"][1]["characters"]), (&"notes".into(), &16.into()), "{told:#}");
    assert_eq!(told["chunks"].as_array().unwrap().len(), 3);
    assert_eq!(told["hits"][0]["text"], "Whales sing.", "{told:#}");
    std::fs::write(folder.join("notes.txt"), b"\xff\xfe\xff").unwrap();
    let failed = said(&plugin(folder, &[&reads[..], &["--allow"]].concat()));
    assert!(failed.contains("it is no plain text: not UTF-8"), "{failed}");
}

#[test]
fn what_cannot_be_asked_of_a_kind_is_said() {
    let place = TempDir::new().unwrap();
    let folder = place.path();
    std::fs::write(folder.join("reader.wasm"), fixture("reader")).unwrap();
    std::fs::write(folder.join("echo.wasm"), echo("1.0.0", "")).unwrap();
    for (arguments, words) in [
        (["call", "reader.wasm"].as_slice(), "say what it is to read with --document FILE"),
        (&["call", "reader.wasm", "--document", "a", "--describe"], "--describe is for tools"),
        (&["call", "echo.wasm", "--document", "a"], "reads no --document"),
    ] {
        let refused = plugin(folder, arguments);
        assert_eq!(refused.status.code(), Some(2), "{}", said(&refused));
        assert!(said(&refused).contains(words), "{}", said(&refused));
    }
}

/// One that traps on what is no text is found out; one that bears all documents and questions passes.
#[test]
fn the_suite_tells_a_sound_retriever_from_another() {
    let place = TempDir::new().unwrap();
    let folder = place.path();
    for name in ["reader", "hostile-retriever"] {
        std::fs::write(folder.join(format!("{name}.wasm")), fixture(name)).unwrap();
    }
    let sound = plugin(folder, &["test", "reader.wasm", "--conformance"]);
    assert!(sound.status.success() && said(&sound).contains(" passed, 0 failed"), "{}", said(&sound));
    let unsound = plugin(folder, &["test", "hostile-retriever.wasm", "--conformance"]);
    assert_eq!(unsound.status.code(), Some(1), "{}", said(&unsound));
    assert!(said(&unsound).contains("FAILED  a document: no UTF-8"), "{}", said(&unsound));
    assert!(said(&unsound).contains("plugin_trap"), "{}", said(&unsound));
}
