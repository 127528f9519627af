//! The packages of PyPI and npm, as their users use them: those of openai here, others where they are tested.

use std::path::PathBuf;
use std::process::{Command, Output};

use hardpoint_tests::double::openai::{self, Answer, ErrorBody, Reply};
use hardpoint_tests::double::script::{End, Script};
use hardpoint_tests::host::Options;
use hardpoint_tests::patience::soon;
use serde_json::json;

use crate::scene::{Scene, scene_with};

/// Which package.
#[derive(Clone, Copy)]
pub(crate) enum Package {
    Python,
    JavaScript,
}

/// Runs the package's script against a base URL, on another thread than the doubles' and the test's.
pub(crate) async fn run(package: Package, url: &str, key: &str, tests: &[&str]) -> String {
    let mut command = command(package, "python/openai_client.py", "javascript/openai_client.mjs");
    command.args(tests).env("HARDPOINT_URL", url).env("HARDPOINT_KEY", key);
    let output =
        tokio::task::spawn_blocking(move || command.output()).await.expect("no panic").expect("it runs");
    let said = said(&output);
    assert!(output.status.success(), "{said}");
    let closing = said.lines().rev().find(|line| line.contains(" passed, ")).expect("a closing line");
    // On a line of its own in the runner's output, where a person sees how much was tested.
    eprintln!("\n{closing}");
    closing.to_owned()
}

/// The command that runs the one of two scripts that is for this package.
pub(crate) fn command(package: Package, python: &str, javascript: &str) -> Command {
    let scripts = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("clients");
    let made = |variable: &str, place: &str| match std::env::var_os(variable) {
        Some(path) => PathBuf::from(path),
        None => cache().join("clients").join(place),
    };
    let (program, script) = match package {
        Package::Python => (made("HARDPOINT_PYTHON", "python/bin/python"), python),
        Package::JavaScript => ("node".into(), javascript),
    };
    let modules = made("HARDPOINT_JAVASCRIPT", "javascript");
    assert!(modules.join("node_modules").is_dir(), "no clients: `cargo xtask clients` makes them");
    let mut command = Command::new(program);
    command.arg(scripts.join(script)).env("HARDPOINT_JAVASCRIPT", modules);
    // A proxy of the machine must not stand between a client and the loopback address.
    command.env("NO_PROXY", "127.0.0.1").env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

/// Where `cargo xtask clients` keeps them.
pub(crate) fn cache() -> PathBuf {
    let caches = std::env::var_os("XDG_CACHE_HOME").filter(|value| !value.is_empty()).map(PathBuf::from);
    let home = || PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cache");
    caches.unwrap_or_else(home).join("hardpoint")
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[tokio::test(flavor = "multi_thread")]
async fn openai_of_pypi() {
    let scene = everything().await;
    let url = format!("{}/v1", scene.host.origin());
    run(Package::Python, &url, scene.host.key(), &[]).await;
    cancelled(&scene).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn openai_of_npm() {
    let scene = everything().await;
    let url = format!("{}/api/v1", scene.host.origin());
    run(Package::JavaScript, &url, scene.host.key(), &[]).await;
    cancelled(&scene).await;
}

/// The script left a stream that never ends: the provider noticed.
async fn cancelled(scene: &Scene) {
    let seen = scene.double.wait_for("endless", 1).await;
    assert_eq!(soon("the provider to notice", seen.ended.wait()).await, End::ClientLeft);
}

/// Every model that the scripts ask for.
async fn everything() -> Scene {
    const STATUSES: [u16; 8] = [400, 401, 403, 422, 429, 500, 502, 503];
    let statuses = STATUSES.map(|status| format!("status-{status}"));
    let mut models = vec!["echo", "weather", "embed", "splinters", "silent", "dies", "flaky", "endless"];
    models.extend(statuses.iter().map(String::as_str));
    let more = "[[models]]\nid = \"reckoner\"\nbinding = \"upstream\"\ntools = [\"calculator\"]\n\n\
                [[models]]\nid = \"fragile\"\nbinding = \"upstream\"\nfallbacks = [\"echo\"]\n";
    let scene = scene_with(&models, more, Options::new().shipped("calculator")).await;
    let double = &scene.double;
    for (model, status) in statuses.iter().zip(STATUSES) {
        double.on(model, [ErrorBody::of(status).into()]);
    }
    double.on("weather", [Reply::calls([("get_weather", json!({"city": "Paris"}))]).into()]);
    double.on("reckoner", [Reply::calls([("calculator", json!({"expression": "6 * 7"}))]).into()]);
    double.on("splinters", [Reply::echo().cut(3).into()]);
    double.on("silent", [Script::new().silence().into()]);
    double.on("fragile", [ErrorBody::of(503).into()]);
    double.on("flaky", [ErrorBody::of(429).into(), ErrorBody::of(500).into(), Answer::from(Reply::echo())]);
    let begun = |text: &str| openai::chunk(&json!({"choices": [{"index": 0, "delta": {"content": text}}]}));
    double.on("dies", [Script::events().bytes(begun("as far as ")).broken().into()]);
    double.on("endless", [Script::events().bytes(begun("begun ")).bytes(begun("and ")).silence().into()]);
    scene
}
