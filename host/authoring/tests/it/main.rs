//! Every template in every language: made, tested, built and packed, then looked at and called by the host's
//! own binary, which `HARDPOINT_BIN` names.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, missing_docs)]

mod dev;
mod guide;
mod host;
mod hostile;
mod javascript;
mod place;
mod python;
mod rust;
mod served;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use hardpoint_authoring::toolchain::never_install;
use hardpoint_authoring::{Language, Project};
use hardpoint_domain::manifest::Kind;
use serde_json::{Value, json};

use host::Host;
use place::Place;

/// Each has its own: cargo takes what has one name for the same crate, and they share a target folder.
fn name(kind: Kind, language: Language) -> String {
    format!("{language}-{}", json!(kind).as_str().expect("a kind is text"))
}

/// A project made of a template.
fn made(place: &Place, kind: Kind, language: Language) -> Project {
    let folder = place.path().join("project");
    let made = hardpoint_authoring::new(kind, &name(kind, language), language, &folder);
    made.unwrap_or_else(|error| panic!("{error}"))
}

/// Made, tested by its own tests, built and packed.
fn packed(place: &Place, kind: Kind, language: Language) -> PathBuf {
    // What one cargo reads in the shared target folder another may be writing.
    static CARGO: Mutex<()> = Mutex::new(());
    let _alone = (language == Language::Rust).then(|| CARGO.lock().unwrap_or_else(PoisonError::into_inner));
    let project = made(place, kind, language);
    project.test().unwrap_or_else(|error| panic!("{error}"));
    let component = project.build(&never_install).unwrap_or_else(|error| panic!("{error}"));
    project.pack(&component, None).unwrap_or_else(|error| panic!("{error}"))
}

/// The whole life of the tool's template, as the guide tells it, and what the host's commands make of it.
fn guided(language: Language) {
    let host = Host::named();
    let served = guide::follow(language);
    let id = format!("word-count-{language}");
    let plugin = served.plugins_folder().join(format!("{id}.wasm"));
    inspected(&host, &plugin, &id, Kind::Tool);
    host.shares_code_of(&served);
    replays(&host, &plugin, &served.folder().join(id));
    called(&host, &plugin, language);
    conforms(&host, &plugin, &name(Kind::Tool, language));
}

/// The whole life of another template, up to what the host says of it.
fn template(kind: Kind, language: Language) {
    let (host, place, name) = (Host::named(), Place::new(), name(kind, language));
    let plugin = packed(&place, kind, language);
    inspected(&host, &plugin, &name, kind);
    if kind == Kind::Retriever {
        reads(&host, &plugin, &place);
        conforms(&host, &plugin, &name);
        return;
    }
    let served = match kind {
        Kind::Model => served::model(&plugin, &name),
        _ => served::exporter(&plugin, &name),
    };
    host.shares_code_of(&served);
    replays(&host, &plugin, &place.path().join("project"));
    conforms(&host, &plugin, &name);
}

fn inspected(host: &Host, plugin: &Path, id: &str, kind: Kind) {
    let report = host.inspect(plugin).unwrap();
    assert_eq!(report["id"], id);
    assert_eq!(report["kind"], json!(kind));
    let asks = report["asks"].as_array().map_or(0, Vec::len);
    let wanted = match kind {
        Kind::Tool => 0,
        Kind::Retriever => 1,
        Kind::Model | Kind::Exporter => 2,
    };
    assert_eq!(asks, wanted, "it asks for a request and a secret, for the index, or for nothing: {report:#}");
}

/// The retriever's template does the same in every language: passages, and what is found by their words.
fn reads(host: &Host, plugin: &Path, place: &Place) {
    let document = place.path().join("notes.txt");
    std::fs::write(&document, "Whales sing.\n\nShips have hulls: \u{e4}\u{1f9ea}.\n").unwrap();
    let told = host.read(plugin, &document, "hulls", &json!({ "passage_characters": 100 })).unwrap();
    let told = &told["result"];
    assert_eq!(
        (&told["title"], &told["pages"][0]["characters"]),
        (&json!("notes.txt"), &json!(36)),
        "{told:#}"
    );
    assert_eq!(told["chunks"][0]["text"], "Whales sing.\n\nShips have hulls: \u{e4}\u{1f9ea}.", "{told:#}");
    assert_eq!((&told["chunks"][0]["start"], &told["chunks"][0]["end"]), (&json!(0), &json!(35)), "{told:#}");
    assert_eq!(told["hits"][0]["chunk_id"], "doc-call/0", "{told:#}");
}

/// The recording that a project begins with comes out as it says in the sandbox; its own tests replay it natively.
fn replays(host: &Host, plugin: &Path, project: &Path) {
    let recordings = project.join("recordings");
    let tested = host.test(plugin, &["--recordings", recordings.to_str().expect("a path in UTF-8")]);
    assert_eq!(tested.as_deref(), Ok("1 passed, 0 failed"));
}

/// Every template passes what third parties try on their own components.
#[allow(clippy::disallowed_methods, reason = "what the suite costs is worth knowing")]
fn conforms(host: &Host, plugin: &Path, name: &str) {
    let began = Instant::now();
    let passed = host
        .test(plugin, &["--conformance"])
        .unwrap_or_else(|failed| panic!("{name} does not conform:\n{failed}"));
    println!("{name}: conformance: {passed}, in {:.1} s", began.elapsed().as_secs_f64());
}

/// The tool's template does the same in every language.
fn called(host: &Host, plugin: &Path, language: Language) {
    let call = |arguments: Value, settings: Value| host.call(plugin, &arguments, &settings);
    let text = "The cat saw the dog. The dog ran!";
    // The component is compiled already, so the time of both is that of a fresh instance.
    for _ in 0..2 {
        let answer = call(json!({ "text": text, "top": 1 }), json!({ "ignored": ["the"] })).unwrap();
        let expected = json!({
            "words": 8, "sentences": 2, "characters": 33,
            "most_common": [{ "word": "dog", "count": 2 }],
        });
        assert_eq!(answer["result"], expected);
        println!("{language}: {} µs of CPU, {} bytes", answer["cpu_us"], answer["memory_peak"]);
    }
    let refused = call(json!({ "text": 1 }), json!({})).unwrap_err();
    assert!(refused.contains("invalid_arguments"), "{refused}");
    let described = host.describe(plugin).unwrap();
    assert_eq!(described["result"]["parameters"]["required"], json!(["text"]), "{described:#}");
}
