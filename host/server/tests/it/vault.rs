//! Secrets that were kept by command, in a running server.

use std::sync::Arc;

use hardpoint_domain::seal::MasterKey;
use hardpoint_server::service::events::Author;
use hardpoint_server::service::vault::Vault;
use hardpoint_server::system::{SystemRng, rng};
use hardpoint_store::secrets::{self, PLATFORM, Secret};
use hardpoint_store::{Lane, events};

use crate::support::TestApp;

const VALUE: &str = "sk-canary-0123456789";

/// An app whose master keys are in a file, and the file.
async fn app() -> (TestApp, tempfile::NamedTempFile) {
    let file = tempfile::NamedTempFile::new().unwrap();
    add_key(&file);
    let app = TestApp::with(&toml(&file), &[]).await;
    (app, file)
}

fn toml(file: &tempfile::NamedTempFile) -> String {
    format!("[secrets]\nmaster_key_file = \"{}\"\n", file.path().display())
}

fn add_key(file: &tempfile::NamedTempFile) {
    let before = std::fs::read_to_string(file.path()).unwrap();
    std::fs::write(file.path(), format!("{before}{}\n", MasterKey::generate(&SystemRng).reveal())).unwrap();
}

fn vault(app: &TestApp) -> Vault {
    let app = app.app();
    Vault { store: app.store.clone(), config: app.config.clone(), clock: app.clock.clone(), rng: rng() }
}

async fn stored(app: &TestApp, name: &str) -> Option<Secret> {
    secrets::get(&mut app.app().store.read().await.unwrap(), PLATFORM, name).await.unwrap()
}

/// Nobody is asked for a value that could not be sealed.
#[tokio::test(flavor = "multi_thread")]
async fn without_a_master_key_that_is_what_is_said() {
    let app = TestApp::start().await;
    let refused = vault(&app).set(&Author::cli(), "openai", None, "").await.unwrap_err();
    assert_eq!(refused.status(), 409);
    assert!(refused.to_string().contains("master key"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_kept_is_there_at_once_and_nowhere_in_clear() {
    let (app, _file) = app().await;
    let by = Author::cli();
    assert!(!vault(&app).set(&by, "openai", Some("https://api.openai.com"), VALUE).await.unwrap());
    assert!(!vault(&app).set(&by, "smtp", None, VALUE).await.unwrap());
    app.settle().await;
    let now = app.app().effective();
    let secret = &now.config.secrets["openai"];
    assert_eq!(
        (secret.value.reveal(), secret.audience.to_string().as_str()),
        (VALUE, "https://api.openai.com")
    );
    assert_eq!(now.secret("smtp").unwrap().reveal(), VALUE);
    assert!(!now.config.secrets.contains_key("smtp"), "without an audience it goes nowhere");
    assert!(!app.app().config.secrets.contains_key("openai"));

    let row = stored(&app, "openai").await.unwrap();
    assert!(!row.sealed.windows(VALUE.len()).any(|bytes| bytes == VALUE.as_bytes()));
    let told = events::list(&mut app.app().store.read().await.unwrap(), None, None, 100).await.unwrap();
    let told: Vec<_> = told.into_iter().filter(|one| one.event.kind.starts_with("secret.")).collect();
    assert_eq!(told.len(), 2);
    assert!(!serde_json::to_string(&told[0].event).unwrap().contains(VALUE));

    vault(&app).delete(&by, "openai").await.unwrap();
    app.settle().await;
    assert!(!app.app().effective().config.secrets.contains_key("openai"));
    assert_eq!(vault(&app).delete(&by, "openai").await.unwrap_err().status(), 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_can_write_to_the_database_sends_no_secret_elsewhere() {
    let (app, _file) = app().await;
    vault(&app).set(&Author::cli(), "openai", Some("https://api.openai.com"), VALUE).await.unwrap();
    let row = stored(&app, "openai").await.unwrap();
    for changed in [
        Secret { audience: Some("https://evil.example".into()), ..row.clone() },
        Secret { name: "other".into(), ..row.clone() },
        Secret { sealed: row.sealed[..row.sealed.len() - 1].into(), ..row.clone() },
    ] {
        let name = changed.name.clone();
        let put = app
            .app()
            .store
            .write(Lane::Request, |tx| Box::pin(async move { secrets::put(tx, &changed).await }));
        put.await.unwrap();
        app.settle().await;
        let now = app.app().effective();
        assert!(now.unopened.contains_key(&name), "{name}");
        assert!(now.secret(&name).is_none());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_replaced_and_lost_ones_leave_the_server_running() {
    let (app, file) = app().await;
    let by = Author::cli();
    for number in 0..3 {
        vault(&app).set(&by, &format!("s{number}"), None, VALUE).await.unwrap();
    }
    add_key(&file);
    let app = app.restart().await;
    assert_eq!(app.app().effective().secret("s0").unwrap().reveal(), VALUE);
    vault(&app).set(&by, "s3", None, VALUE).await.unwrap();
    let mut looked_at = Vec::new();
    let rotated = vault(&app).rotate(&by, &mut |done| looked_at.push(done)).await.unwrap();
    assert_eq!((rotated.resealed, rotated.unchanged, rotated.unopened.len()), (3, 1, 0));
    assert_eq!(looked_at, [1, 2, 3, 4]);
    let again = vault(&app).rotate(&by, &mut |_| {}).await.unwrap();
    assert_eq!((again.resealed, again.unchanged), (0, 4));

    // The old key is needed no more.
    let text = std::fs::read_to_string(file.path()).unwrap();
    std::fs::write(file.path(), text.lines().next_back().unwrap()).unwrap();
    let app = app.restart().await;
    assert_eq!(app.app().effective().secret("s0").unwrap().reveal(), VALUE);

    // Without the new one nothing is opened, and everything else goes on.
    std::fs::write(file.path(), text.lines().next().unwrap()).unwrap();
    let app = app.restart().await;
    assert_eq!(app.app().effective().unopened.len(), 4);
    app.get("/api/v1/me").await.expect(200);
    let rotated = vault(&app).rotate(&by, &mut |_| {}).await.unwrap();
    assert_eq!((rotated.resealed, rotated.unopened.len()), (0, 4));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_kept() {
    let app = TestApp::start().await;
    let by = Author::cli();
    let refused = vault(&app).set(&by, "openai", None, VALUE).await.unwrap_err();
    assert!(refused.status() == 409 && refused.message().contains("new-key"), "{}", refused.message());
    assert_eq!(vault(&app).rotate(&by, &mut |_| {}).await.unwrap_err().status(), 409);

    let file = tempfile::NamedTempFile::new().unwrap();
    add_key(&file);
    let configured =
        format!("{}[secrets.openai]\nvalue = \"x\"\naudience = \"https://a.example\"\n", toml(&file));
    let app = TestApp::with(&configured, &[]).await;
    let long = "x".repeat((64 << 10) + 1);
    for (name, audience, value, status) in [
        ("openai", None, VALUE, 409),
        ("Open AI", None, VALUE, 400),
        ("", None, VALUE, 400),
        ("a", Some("https://a.example/path"), VALUE, 400),
        ("a", None, "", 400),
        ("a", None, "x\0", 400),
        ("a", None, &long, 400),
    ] {
        let refused = vault(&app).set(&by, name, audience, value).await.unwrap_err();
        assert_eq!(refused.status(), status, "{name}: {}", refused.message());
        assert!(!refused.message().contains(VALUE));
    }
    // The configuration's own wins over one that was kept before it was written.
    let vault = Vault { config: Arc::new(without_secrets(&app)), ..vault(&app) };
    vault.set(&by, "openai", Some("https://b.example"), VALUE).await.unwrap();
    app.settle().await;
    assert_eq!(app.app().effective().config.secrets["openai"].value.reveal(), "x");
}

fn without_secrets(app: &TestApp) -> hardpoint_server::config::Config {
    let mut config = (*app.app().config).clone();
    config.secrets.clear();
    config
}
