use std::path::Path;
use std::process::Command;

use hardpoint_authoring::Language;
use hardpoint_domain::manifest::Kind;

use super::{guided, template};

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
