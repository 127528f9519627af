//! A store of its own for each test, on either database.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use hardpoint_domain::event::{Actor, Event, Outcome, Target};
use hardpoint_domain::time::{Clock, Timestamp};
use hardpoint_store::keys::{Key, NewKey, Role};
use hardpoint_store::organizations::{self, Organization};
use hardpoint_store::testing::cluster;
use hardpoint_store::{Durability, Lane, Store, StoreConfig, StoreError};
use sqlx::{Connection, PgConnection, SqliteConnection};

/// Runs each named `async fn(Fixture)` once a database.
macro_rules! on_both {
    ($($test:ident),+ $(,)?) => {
        pub(crate) const COUNT: usize = [$(stringify!($test)),+].len();

        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test($crate::support::Fixture::sqlite().await).await;
            })+
        }

        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                if let Some(fixture) = $crate::support::Fixture::postgres().await {
                    super::$test(fixture).await;
                }
            })+
        }
    };
}
pub(crate) use on_both;

/// An empty, migrated database, gone after the test.
pub(crate) struct Fixture {
    pub(crate) store: Store,
    pub(crate) config: StoreConfig,
    _folder: Option<tempfile::TempDir>,
}

/// A connection to a fixture's database beside the store.
pub(crate) enum Direct {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Fixture {
    pub(crate) async fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = StoreConfig {
            data: folder.path().to_owned(),
            blobs: None,
            url: None,
            durability: Durability::Process,
        };
        Self { store: open(&config).await.unwrap(), config, _folder: Some(folder) }
    }

    /// In a schema of its own; none where there is no PostgreSQL, which one test of `main.rs` tells.
    pub(crate) async fn postgres() -> Option<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let server = cluster::shared().ok()?;
        let schema = format!("test_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let mut conn = PgConnection::connect(server).await.unwrap();
        let create = format!("DROP SCHEMA IF EXISTS {schema} CASCADE; CREATE SCHEMA {schema}");
        sqlx::raw_sql(sqlx::AssertSqlSafe(create)).execute(&mut conn).await.unwrap();
        let joint = if server.contains('?') { '&' } else { '?' };
        Some(Self::over(format!("{server}{joint}options[search_path]={schema}")).await)
    }

    /// On a PostgreSQL that nobody else uses.
    pub(crate) async fn over(url: String) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = StoreConfig {
            data: folder.path().to_owned(),
            blobs: None,
            url: Some(url),
            durability: Durability::Process,
        };
        Self { store: open(&config).await.unwrap(), config, _folder: Some(folder) }
    }

    /// Over a store that was opened elsewhere.
    pub(crate) fn of(store: Store, config: StoreConfig) -> Self {
        Self { store, config, _folder: None }
    }

    /// Another store on the same database, as another host or the command line would open it.
    pub(crate) async fn twin(&self) -> Self {
        Self { store: open(&self.config).await.unwrap(), config: self.config.clone(), _folder: None }
    }

    pub(crate) async fn direct(&self) -> Direct {
        match &self.config.url {
            None => {
                let file = format!("sqlite://{}", self.config.data.join("hardpoint.db").display());
                Direct::Sqlite(SqliteConnection::connect(&file).await.unwrap())
            }
            Some(url) => Direct::Postgres(PgConnection::connect(url).await.unwrap()),
        }
    }

    /// Returns when so many transactions of this database wait for another one's rows. At once on SQLite, which has one
    /// writer: there they cannot even begin.
    pub(crate) async fn until_waiting(&self, count: i64) {
        let waiting = "SELECT COUNT(DISTINCT waiting.pid) FROM pg_locks AS waiting JOIN pg_locks AS held ON held.pid = waiting.pid \
                       JOIN pg_class ON pg_class.oid = held.relation \
                       JOIN pg_namespace ON pg_namespace.oid = pg_class.relnamespace \
                       WHERE NOT waiting.granted AND nspname = current_schema()";
        if let mut conn @ Direct::Postgres(_) = self.direct().await {
            while conn.number(waiting).await < count {
                tokio::task::yield_now().await;
            }
        }
    }

    /// How many rows a table has, seen from outside the store.
    pub(crate) async fn rows(&self, table: &str) -> i64 {
        self.direct().await.number(&format!("SELECT COUNT(*) FROM {table}")).await
    }

    /// Makes an organisation of this id.
    pub(crate) async fn organization(&self, id: &str) {
        let organization = organization(id);
        self.store
            .write(Lane::Request, |tx| {
                Box::pin(async move { organizations::create(tx, &organization).await })
            })
            .await
            .unwrap();
    }
}

impl Direct {
    pub(crate) async fn number(&mut self, text: &str) -> i64 {
        let text = sqlx::AssertSqlSafe(text.to_owned());
        match self {
            Self::Sqlite(conn) => sqlx::query_scalar(text).fetch_one(conn).await.unwrap(),
            Self::Postgres(conn) => sqlx::query_scalar(text).fetch_one(conn).await.unwrap(),
        }
    }

    pub(crate) async fn run(&mut self, text: &str) {
        let text = sqlx::raw_sql(sqlx::AssertSqlSafe(text.to_owned()));
        match self {
            Self::Sqlite(conn) => text.execute(conn).await.map(drop).unwrap(),
            Self::Postgres(conn) => text.execute(conn).await.map(drop).unwrap(),
        }
    }
}

pub(crate) async fn open(config: &StoreConfig) -> Result<Store, StoreError> {
    Store::open(config, Arc::new(Noon)).await
}

/// A clock that stands still.
pub(crate) struct Noon;

impl Clock for Noon {
    fn now(&self) -> Timestamp {
        at(0)
    }
}

/// So many seconds after some noon.
pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros((1_760_000_000 + seconds) * 1_000_000)
}

pub(crate) fn organization(id: &str) -> Organization {
    Organization { id: id.into(), name: format!("{id}, Inc."), plan: "free".into(), created_at: at(0) }
}

pub(crate) fn new_key(id: &str, organization_id: &str, hash: [u8; 32]) -> NewKey {
    let key = Key {
        id: id.into(),
        organization_id: organization_id.into(),
        workspace_id: None,
        label: "laptop".into(),
        role: Role::Member,
        hint: "hp_live_…abcd".into(),
        scopes: vec!["read:chats".into(), "write:\"quoted\" ☃".into()],
        livemode: true,
        rate_limit_per_minute: Some(60),
        rate_limit_per_hour: None,
        expires_at: Some(at(3_600)),
        archived_at: None,
        created_at: at(0),
        last_used_at: None,
    };
    NewKey { key, hash }
}

pub(crate) fn event(id: &str, organization_id: Option<&str>, seconds: i64) -> Event {
    Event {
        id: id.into(),
        time: at(seconds),
        organization_id: organization_id.map(str::to_owned),
        workspace_id: None,
        kind: "workspace.created".into(),
        actor: Actor { kind: "key".into(), id: Some("key_1".into()), name: Some("laptop".into()) },
        target: Target { kind: "plugin".into(), id: "openai".into() },
        outcome: Outcome::Success,
        request_id: Some("req_1".into()),
        source_ip: Some("192.0.2.1".into()),
        before: None,
        after: Some(serde_json::json!({ "state": "active", "note": "a\u{0}b" })),
    }
}
