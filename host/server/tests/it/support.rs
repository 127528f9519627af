//! The real router over a real store and a real sandbox, in folders of their own, with a clock that moves
//! when it is told to.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use hardpoint_domain::key::{KeyText, Mode};
use hardpoint_domain::manifest;
use hardpoint_domain::time::{Clock, Rng, Timestamp};
use hardpoint_runtime::CompilerCommand;
use hardpoint_runtime::egress::Resolve;
use hardpoint_server::config::{Config, Sources};
use hardpoint_server::service::accounts::keys::Wanted;
use hardpoint_server::service::accounts::{Accounts, Principal};
use hardpoint_server::start::{Parts, Server, start};
use hardpoint_server::state::App;
use hardpoint_server::worker::reload::Retry;
use hardpoint_store::keys::{self, Key, NewKey, Role};
use hardpoint_store::testing::cluster;
use hardpoint_store::{Lane, organizations};
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::BodyExt;
use serde_json::Value;
use tempfile::TempDir;
use tower::ServiceExt;

/// How long a load may take: the compiler shares the machine with other tests.
const PATIENCE: Duration = Duration::from_secs(120);

/// A server without a listener.
pub struct TestApp {
    server: Server,
    folder: TempDir,
    clock: Arc<FakeClock>,
    rng: Arc<Counting>,
    key: KeyText,
}

/// An organisation and the key of one of its administrators.
pub struct Tenant {
    pub organization: String,
    pub key: String,
    pub key_id: String,
}

/// An answer, read to its end.
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl TestApp {
    /// With the defaults and no plugin.
    pub async fn start() -> Self {
        Self::with("", &[]).await
    }

    /// With more of `hardpoint.toml`, and these files in the plugins folder.
    pub async fn with(toml: &str, plugins: &[(&str, Bytes)]) -> Self {
        let folder = prepared(toml, plugins);
        let (clock, rng) = (Arc::new(FakeClock::default()), Arc::new(Counting::default()));
        let key = KeyText::generate(Mode::Live, &*rng);
        Self::over(folder, clock, rng, key).await
    }

    /// The same, where this says what names stand for.
    pub async fn resolving(resolver: Arc<dyn Resolve>, toml: &str, plugins: &[(&str, Bytes)]) -> Self {
        let folder = prepared(toml, plugins);
        let (clock, rng) = (Arc::new(FakeClock::default()), Arc::new(Counting::default()));
        let key = KeyText::generate(Mode::Live, &*rng);
        let app = Self::begun(folder, clock, rng, key, Some(resolver)).await;
        app.settle().await;
        app
    }

    async fn over(folder: TempDir, clock: Arc<FakeClock>, rng: Arc<Counting>, key: KeyText) -> Self {
        let app = Self::begun(folder, clock, rng, key, None).await;
        app.settle().await;
        app
    }

    async fn begun(
        folder: TempDir,
        clock: Arc<FakeClock>,
        rng: Arc<Counting>,
        key: KeyText,
        resolver: Option<Arc<dyn Resolve>>,
    ) -> Self {
        let file = folder.path().join("hardpoint.toml");
        // Whether there is a model file is the machine's matter: who wants it says so.
        let embeds = std::fs::read_to_string(&file).is_ok_and(|toml| toml.contains("[knowledge]"));
        let sources = Sources {
            file: Some(file),
            env: vec![
                ("HARDPOINT__PLUGINS__SETTLE".into(), "0s".into()),
                // Each sandbox reserves addresses, and many tests run in this process.
                ("HARDPOINT__PLUGINS__SANDBOXES".into(), "16".into()),
                ("HARDPOINT__KNOWLEDGE__EMBED".into(), embeds.to_string()),
            ],
            data: Some(folder.path().join("data")),
            ..Sources::default()
        };
        let compiler = CompilerCommand {
            program: env!("CARGO_BIN_EXE_hardpoint").into(),
            args: vec!["compile-component".into()],
        };
        let mut config = Config::load(&sources).unwrap();
        // PostgreSQL has a clock of its own, which no test turns.
        config.database.clock_tolerance.0 = Duration::from_secs(100 * 365 * 86_400);
        let parts = Parts {
            config,
            clock: clock.clone(),
            rng: rng.clone(),
            compiler,
            first_key: Some(key.reveal().to_owned()),
            log_level: Default::default(),
            resolver,
        };
        let server = start(parts).await.unwrap();
        Self { server, folder, clock, rng, key }
    }

    /// Two hosts on one PostgreSQL of their own, with one clock; none where there is no PostgreSQL, which the store's
    /// tests tell.
    pub async fn pair(toml: &str, plugins: &[(&str, Bytes)]) -> Option<[Self; 2]> {
        let toml = on_postgres(toml)?;
        let first = Self::with(&toml, plugins).await;
        let second = Self::beside(&first, &toml, plugins).await;
        Some([first, second])
    }

    /// The same of one host.
    pub async fn on_postgres(toml: &str) -> Option<Self> {
        Some(Self::with(&on_postgres(toml)?, &[]).await)
    }

    /// Another host with a folder of its own, and the same clock and key.
    async fn beside(first: &Self, toml: &str, plugins: &[(&str, Bytes)]) -> Self {
        let folder = prepared(toml, plugins);
        // Hosts that share a database share the plugins' bytes too.
        std::os::unix::fs::symlink(first.folder().join("data/blobs"), folder.path().join("data/blobs"))
            .unwrap();
        let rng = Arc::new(Counting::starting_at(1_000_000));
        Self::over(folder, first.clock.clone(), rng, KeyText::parse(first.key()).unwrap()).await
    }

    /// Writes another hardpoint.toml, for the next start.
    pub fn configure(&self, toml: &str) {
        std::fs::write(self.folder.path().join("hardpoint.toml"), toml).unwrap();
    }

    /// Ends it in peace and starts it again with what it left.
    pub async fn restart(self) -> Self {
        self.restart_after(|_| {}).await
    }

    /// The same, with something done to its plugins folder while it is not there.
    pub async fn restart_after(self, meanwhile: impl FnOnce(&Path)) -> Self {
        let plugins = self.plugins();
        let Self { server, folder, clock, rng, key } = self;
        server.finish().await;
        meanwhile(&plugins);
        Self::over(folder, clock, rng, key).await
    }

    /// The same, without waiting for its plugins.
    pub async fn restart_at_once(self) -> Self {
        let Self { server, folder, clock, rng, key } = self;
        server.finish().await;
        Self::begun(folder, clock, rng, key, None).await
    }

    /// What requests share.
    pub fn app(&self) -> &Arc<App> {
        &self.server.app
    }

    /// Waits until folder and store were looked through, and what follows is live.
    pub async fn settle(&self) {
        assert!(self.app().reload.settle(Retry::None, PATIENCE).await, "the plugins do not settle");
    }

    /// Puts a file into the plugins folder, whole, and waits for what becomes of it.
    pub async fn publish(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.plugins().join(".unfinished"), bytes).unwrap();
        std::fs::rename(self.plugins().join(".unfinished"), self.plugins().join(name)).unwrap();
        self.settle().await;
    }

    /// Takes a file out of the plugins folder, and waits for what becomes of it.
    pub async fn unpublish(&self, name: &str) {
        std::fs::remove_file(self.plugins().join(name)).unwrap();
        // At least once to miss it and once to believe it, which takes a moment.
        for _ in 0..1_000 {
            self.settle().await;
            let known = self.app().reload.status();
            if !known.files.iter().any(|(known, _)| known == name) {
                return self.settle().await;
            }
        }
        panic!("{name} is still believed to be there");
    }

    /// The plugins folder.
    pub fn plugins(&self) -> PathBuf {
        self.folder.path().join("data/plugins")
    }

    /// The folder of everything.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The clock.
    pub fn clock(&self) -> &FakeClock {
        &self.clock
    }

    /// The first operator's key.
    pub fn key(&self) -> &str {
        self.key.reveal()
    }

    /// A key of another role, in the operators' organisation.
    pub async fn key_of(&self, role: Role) -> String {
        let text = KeyText::generate(Mode::Live, &Counting::starting_at(role as u64 + 1_000));
        let hash = self.key.hash();
        let mut conn = self.app().store.read().await.unwrap();
        let first = keys::find_by_hash(&mut conn, &hash).await.unwrap().unwrap().key;
        drop(conn);
        let key =
            Key { id: format!("key_{role}"), label: role.to_string(), role, hint: text.hint(), ..first };
        let new = NewKey { key, hash: text.hash() };
        self.app()
            .store
            .write(Lane::Request, move |tx| Box::pin(async move { keys::insert(tx, &new).await }))
            .await
            .unwrap();
        text.reveal().to_owned()
    }

    /// A key of an administrator of an organisation of its own.
    pub async fn stranger(&self) -> String {
        self.stranger_on("enterprise", None).await
    }

    /// The same on a plan, with a key that has a limit a minute of its own.
    pub async fn stranger_on(&self, plan: &str, per_minute: Option<i64>) -> String {
        let text = KeyText::generate(Mode::Live, &Counting::starting_at(7_000));
        let organization = organizations::Organization {
            id: "org_stranger".into(),
            name: "Strangers".into(),
            plan: plan.into(),
            created_at: self.clock.now(),
        };
        let key = Key {
            id: "key_stranger".into(),
            organization_id: organization.id.clone(),
            workspace_id: None,
            label: String::new(),
            role: Role::Admin,
            hint: text.hint(),
            scopes: Vec::new(),
            livemode: true,
            rate_limit_per_minute: per_minute,
            rate_limit_per_hour: None,
            expires_at: None,
            archived_at: None,
            created_at: self.clock.now(),
            last_used_at: None,
        };
        let new = NewKey { key, hash: text.hash() };
        let write = self.app().store.write(Lane::Request, move |tx| {
            Box::pin(async move {
                organizations::create(tx, &organization).await?;
                keys::insert(tx, &new).await
            })
        });
        write.await.unwrap();
        text.reveal().to_owned()
    }

    /// An organisation of this name, and the key of an administrator of it.
    pub async fn tenant(&self, name: &str) -> Tenant {
        let (accounts, by) = (Accounts::of(self.app()), Principal::Cli);
        let organization = accounts.create_organization(&by, name, "enterprise").await.unwrap();
        let wanted = Wanted {
            organization_id: Some(organization.id.clone()),
            workspace_id: None,
            label: format!("{name}'s"),
            role: Role::Admin,
            scopes: Vec::new(),
            livemode: true,
            rate_limit_per_minute: None,
            rate_limit_per_hour: None,
            expires_at: None,
        };
        let made = accounts.create_key(&by, wanted).await.unwrap();
        Tenant { organization: organization.id, key: made.text.reveal().to_owned(), key_id: made.key.id }
    }

    /// A request as it is.
    pub async fn send(&self, request: Request<Body>) -> Answer {
        Answer::of(self.server.router.clone().oneshot(request).await.unwrap()).await
    }

    /// A request whose answer is left unread.
    pub async fn begin(&self, request: Request<Body>) -> http::Response<Body> {
        self.server.router.clone().oneshot(request).await.unwrap()
    }

    /// A request of the operator, with JSON.
    pub fn request(&self, method: Method, path: &str, body: Option<&Value>) -> Request<Body> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::AUTHORIZATION, format!("Bearer {}", self.key()));
        match body {
            Some(body) => {
                request.header(header::CONTENT_TYPE, "application/json").body(Body::from(body.to_string()))
            }
            None => request.body(Body::empty()),
        }
        .unwrap()
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path, None)).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(self.request(Method::POST, path, Some(body))).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.send(self.request(Method::DELETE, path, None)).await
    }

    /// As somebody else.
    pub async fn get_as(&self, key: &str, path: &str) -> Answer {
        self.ask(key, Method::GET, path, None).await
    }

    pub async fn post_as(&self, key: &str, path: &str, body: &Value) -> Answer {
        self.ask(key, Method::POST, path, Some(body)).await
    }

    pub async fn ask(&self, key: &str, method: Method, path: &str, body: Option<&Value>) -> Answer {
        let mut request = self.request(method, path, body);
        request.headers_mut().insert(header::AUTHORIZATION, format!("Bearer {key}").parse().unwrap());
        self.send(request).await
    }

    /// A plugin as `/plugins/{id}` shows it.
    pub async fn plugin(&self, id: &str) -> Value {
        self.get(&format!("/api/v1/plugins/{id}")).await.expect(200)
    }

    /// Calls a tool; its status.
    pub async fn call(&self, tool: &str) -> u16 {
        let answer = self
            .post(&format!("/api/v1/tools/{tool}/call"), &serde_json::json!({"arguments": {"a": 1}}))
            .await;
        answer.status.as_u16()
    }
}

impl Answer {
    /// Reads an answer to its end.
    pub async fn of(response: http::Response<Body>) -> Self {
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Self { status: parts.status, headers: parts.headers, body }
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.text()))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body, if the status is this.
    pub fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.text());
        self.json()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap_or_else(|| panic!("no header {name}")).to_str().unwrap()
    }

    /// Status and body for a snapshot, with what differs from run to run masked.
    pub fn shown(&self) -> String {
        let body = serde_json::from_slice::<Value>(&self.body).map_or_else(
            |_| self.text(),
            |mut json| {
                mask_members(&mut json);
                serde_json::to_string_pretty(&json).unwrap()
            },
        );
        mask(&format!("{}\n{body}", self.status.as_u16()))
    }
}

/// What depends on the build of the guests and on the time.
fn mask_members(json: &mut Value) {
    match json {
        Value::Object(members) => {
            for (name, value) in members {
                let varies = ["size", "published_at", "hint"];
                let is_time = name.ends_with("_at") && value.is_string();
                if varies.contains(&name.as_str()) || is_time || (name == "key" && value.is_string()) {
                    *value = Value::from("…");
                } else {
                    mask_members(value);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(mask_members),
        _ => {}
    }
}

/// Hex digits of ids and digests.
pub fn mask(text: &str) -> String {
    let mut masked = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(|c: char| c.is_ascii_hexdigit()) {
        let (before, from) = rest.split_at(at);
        let end = from.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(from.len());
        masked += before;
        masked += if end >= 32 { "…" } else { &from[..end] };
        rest = &from[end..];
    }
    masked + rest
}

/// A folder for a host, with its configuration and plugins.
fn prepared(toml: &str, plugins: &[(&str, Bytes)]) -> TempDir {
    let folder = TempDir::new().unwrap();
    std::fs::create_dir_all(folder.path().join("data/plugins")).unwrap();
    for (name, bytes) in plugins {
        std::fs::write(folder.path().join("data/plugins").join(name), bytes).unwrap();
    }
    // What every guest compiles to is shared by all tests of this process: a link in place of a folder.
    let cache = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("cache");
    std::fs::create_dir_all(&cache).unwrap();
    std::os::unix::fs::symlink(&cache, folder.path().join("data/cache")).unwrap();
    let file = folder.path().join("hardpoint.toml");
    std::fs::write(&file, toml).unwrap();
    folder
}

/// With a PostgreSQL of its own; none where there is none.
fn on_postgres(toml: &str) -> Option<String> {
    Some(format!("{toml}\n[database]\nurl = \"{}\"\n", new_database()?))
}

/// The address of an empty database on the PostgreSQL of tests.
fn new_database() -> Option<String> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let server = cluster::shared().ok()?;
    let name = format!("server_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let made = std::process::Command::new("createdb").args(["--maintenance-db", server, &name]).status();
    assert!(made.is_ok_and(|status| status.success()), "createdb of {name} failed");
    let (address, options) = server.split_once('?').unwrap_or((server, ""));
    Some(format!("{}/{name}?{options}", address.rsplit_once('/')?.0))
}

/// A plugin that is shipped, as `cargo xtask plugins` built it.
pub fn shipped(name: &str) -> Bytes {
    built("HARDPOINT_PLUGINS", "plugins", name)
}

/// The bytes of a packed guest.
pub fn fixture(name: &str) -> Bytes {
    built("HARDPOINT_FIXTURES", "fixtures", name)
}

fn built(variable: &str, folder: &str, name: &str) -> Bytes {
    let named = std::env::var_os(variable).map(PathBuf::from);
    let folder =
        named.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target").join(folder));
    let path = folder.join(format!("{name}.wasm"));
    let bytes = std::fs::read(&path);
    bytes
        .unwrap_or_else(|error| panic!("{}: {error}; run `cargo xtask plugins --fixtures`", path.display()))
        .into()
}

/// A packed guest with another manifest.
pub fn repacked(name: &str, manifest_toml: &str) -> Bytes {
    manifest::embed(&manifest::strip(&fixture(name)), manifest_toml).into()
}

/// The tool `echo` under another version, with more in its manifest.
pub fn echo(version: &str, more: &str) -> Bytes {
    repacked(
        "echo",
        &format!(
            "id = \"echo\"\nversion = \"{version}\"\nkind = \"tool\"\ndescription = \"Answers with its arguments.\"\n{more}"
        ),
    )
}

/// Moves when it is told to, and by a microsecond whenever it is asked, so that what happens later is later.
pub struct FakeClock(AtomicI64);

impl Default for FakeClock {
    fn default() -> Self {
        Self(AtomicI64::new(1_700_000_000_000_000))
    }
}

impl FakeClock {
    pub fn advance(&self, by: Duration) {
        self.0.fetch_add(i64::try_from(by.as_micros()).unwrap(), Ordering::SeqCst);
    }
}

impl Clock for FakeClock {
    fn now(&self) -> Timestamp {
        let now = Timestamp::from_micros(self.0.fetch_add(1, Ordering::SeqCst));
        let turned = TURNED.try_with(Cell::take).unwrap_or_default();
        self.advance(turned);
        now
    }
}

tokio::task_local! {
    static TURNED: Cell<Duration>;
}

/// Turns the clock by so much as soon as this has read it once.
pub async fn turned<T>(by: Duration, work: impl Future<Output = T>) -> T {
    TURNED.scope(Cell::new(by), work).await
}

/// Never the same bytes twice, and the same bytes in every run.
#[derive(Default)]
pub struct Counting(AtomicU64);

impl Counting {
    pub fn starting_at(start: u64) -> Self {
        Self(AtomicU64::new(start << 32))
    }
}

impl Rng for Counting {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let number = self.0.fetch_add(1, Ordering::SeqCst).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            chunk.copy_from_slice(&number.to_be_bytes()[..chunk.len()]);
        }
    }
}
