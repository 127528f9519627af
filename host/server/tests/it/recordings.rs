//! `plugin test` and `plugin record`, which bind a plugin as a server would.

use serde_json::json;
use tempfile::TempDir;

use crate::command_line::{hardpoint, said};
use crate::support::{echo, fixture};

/// The exporter sends the text of its settings with each batch.
#[test]
fn settings_that_are_left_out_have_the_manifests_defaults() {
    let folder = TempDir::new().unwrap();
    std::fs::create_dir(folder.path().join("recordings")).unwrap();
    std::fs::write(folder.path().join("elsewhere.wasm"), fixture("elsewhere")).unwrap();
    let url = "https://collector.example.com/ingest";
    let settings = json!({"authenticated": false, "url": url}).to_string();
    let recording = json!({
        "about": "without a setting",
        "settings": {"authenticated": false},
        "delivery": {"events": [{"id": "evt_1", "kind": "a.b", "time": 1, "body": {}}]},
        "exchanges": [{
            "request": {"method": "POST", "url": url, "headers": {"x-settings": settings}},
            "answer": {"status": 200},
        }],
        "expect": {"verdicts": ["delivered"]},
    });
    std::fs::write(folder.path().join("recordings/one.json"), recording.to_string()).unwrap();
    let tested = hardpoint(folder.path(), &["plugin", "test", "elsewhere.wasm", "--data", "kept"]);
    assert!(tested.status.success(), "{}", said(&tested));
}

/// What is written down is what was asked: the defaults are those of the manifest that it is replayed with.
#[test]
fn a_recording_keeps_the_settings_as_they_were_written() {
    let folder = TempDir::new().unwrap();
    let schema = "[settings]\ntype = \"object\"\nrequired = [\"depth\"]\nproperties.depth.default = 3\n";
    std::fs::write(folder.path().join("echo.wasm"), echo("1.0.0", schema)).unwrap();
    let question = json!({"about": "an echo", "call": {"arguments": {}}}).to_string();
    std::fs::write(folder.path().join("question.json"), question).unwrap();
    let record = ["plugin", "record", "echo.wasm", "question.json", "--data", "kept"];
    let recorded = hardpoint(folder.path(), &record);
    assert!(recorded.status.success(), "{}", said(&recorded));
    assert!(!said(&recorded).contains("settings"), "{}", said(&recorded));
}

/// What cannot be asked of a plugin is no recording of it.
#[test]
fn a_question_is_asked_of_the_kind_that_it_is_for() {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("echo.wasm"), echo("1.0.0", "")).unwrap();
    let question = json!({"about": "x", "delivery": {"events": []}}).to_string();
    std::fs::write(folder.path().join("question.json"), question).unwrap();
    let record = ["plugin", "record", "echo.wasm", "question.json", "--data", "kept", "--out", "one.json"];
    let refused = hardpoint(folder.path(), &record);
    assert!(!refused.status.success() && !folder.path().join("one.json").exists());
    assert!(
        said(&refused).contains("a delivery cannot be asked of a plugin of kind Tool"),
        "{}",
        said(&refused)
    );
}
