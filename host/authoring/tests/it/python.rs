use std::path::Path;
use std::process::Command;

use hardpoint_authoring::Language;
use hardpoint_authoring::toolchain::{Python, never_install};
use hardpoint_domain::manifest::Kind;

use super::{guided, template};

#[test]
fn tool() {
    guided(Language::Python);
}

#[test]
fn exporter() {
    template(Kind::Exporter, Language::Python);
}

#[test]
fn model() {
    template(Kind::Model, Language::Python);
}

#[test]
fn retriever() {
    template(Kind::Retriever, Language::Python);
}

/// Natively the SDK has the interface's types by hand.
#[test]
fn the_types_by_hand_are_those_that_are_generated() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let python = Python::prepare(&never_install).unwrap();
    for world in ["tool-plugin", "exporter-plugin", "model-plugin", "retriever-plugin"] {
        let folder = tempfile::tempdir().unwrap();
        let generated = python.bindings(&root.join("wit"), world, folder.path()).status().unwrap();
        assert!(generated.success(), "{world}");
        let mut compare = Command::new("python3");
        compare.arg("-B").arg(root.join("sdk/python/tests/same_types.py")).arg(folder.path());
        let output = compare.output().unwrap();
        assert!(output.status.success(), "{world}: {}", String::from_utf8_lossy(&output.stdout));
    }
}

/// The SDK's own tests.
#[test]
fn sdk() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../sdk/python");
    let status = Command::new("python3").args(["-B", "-m", "unittest"]).current_dir(folder).status().unwrap();
    assert!(status.success());
}
