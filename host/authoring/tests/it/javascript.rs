use std::path::Path;
use std::process::Command;

use hardpoint_authoring::Language;
use hardpoint_domain::manifest::Kind;
use hardpoint_tests::host::binary;

use super::place::Place;
use super::{guided, made, template};

#[test]
fn tool() {
    guided(Language::JavaScript);
}

#[test]
fn exporter() {
    template(Kind::Exporter, Language::JavaScript);
}

#[test]
fn model() {
    template(Kind::Model, Language::JavaScript);
}

#[test]
fn retriever() {
    template(Kind::Retriever, Language::JavaScript);
}

/// The SDK's own tests.
#[test]
fn sdk() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../sdk/js");
    let status = Command::new("npm").args(["test", "--silent"]).current_dir(folder).status().unwrap();
    assert!(status.success());
}

/// What cannot be read is told with its file and its line.
#[test]
fn a_slip_has_a_line() {
    let place = Place::new();
    let project = made(&place, Kind::Tool, Language::JavaScript);
    let source = project.folder().join("plugin.js");
    let text = std::fs::read_to_string(&source).unwrap();
    std::fs::write(&source, format!("{text}\nconst = 1;\n")).unwrap();
    let mut build = Command::new(binary());
    let built = build.args(["plugin", "build"]).arg(project.folder()).output().unwrap();
    let told = String::from_utf8_lossy(&built.stderr);
    let line = text.lines().count() + 2;
    assert!(!built.status.success() && told.contains(&format!("plugin.js:{line}\n")), "{told}");
    assert!(told.contains("SyntaxError") && told.contains("`node --check plugin.js` failed"), "{told}");
}
