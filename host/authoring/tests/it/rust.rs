use hardpoint_authoring::Language;
use hardpoint_domain::manifest::Kind;

use super::{guided, template};

#[test]
fn tool() {
    guided(Language::Rust);
}

#[test]
fn exporter() {
    template(Kind::Exporter, Language::Rust);
}

#[test]
fn model() {
    template(Kind::Model, Language::Rust);
}

#[test]
fn retriever() {
    template(Kind::Retriever, Language::Rust);
}
