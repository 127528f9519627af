//! What stands between a store and a PostgreSQL, and loses what it is told to lose.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use hardpoint_store::testing::cluster::Cluster;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};

/// PostgreSQL's socket in its folder.
const SOCKET: &str = ".s.PGSQL.5432";

/// A cluster of its own, and who passes everything on to it.
pub(crate) struct Between {
    folder: tempfile::TempDir,
    loses: Arc<AtomicBool>,
    _cluster: Cluster,
}

impl Between {
    /// None where there is no PostgreSQL, which one test of `main.rs` tells.
    pub(crate) fn start() -> Option<Self> {
        let cluster = match Cluster::start() {
            Ok(cluster) => cluster,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => panic!("{error}"),
        };
        let url = cluster.url();
        let (_, behind) = url.split_once("host=").unwrap();
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join(SOCKET)).unwrap();
        let loses = Arc::default();
        tokio::spawn(accept(listener, Path::new(behind).join(SOCKET), Arc::clone(&loses)));
        Some(Self { folder, loses, _cluster: cluster })
    }

    pub(crate) fn url(&self) -> String {
        format!("postgres://hardpoint@localhost/postgres?host={}", self.folder.path().display())
    }

    /// The next commit comes through; its answer does not, and the connection is gone.
    pub(crate) fn lose_an_answer(&self) {
        self.loses.store(true, Ordering::SeqCst);
    }

    /// Whether what was to be lost is lost.
    pub(crate) fn has_lost(&self) -> bool {
        !self.loses.load(Ordering::SeqCst)
    }
}

async fn accept(listener: UnixListener, behind: PathBuf, loses: Arc<AtomicBool>) {
    while let Ok((client, _)) = listener.accept().await {
        let (behind, loses) = (behind.clone(), Arc::clone(&loses));
        tokio::spawn(async move { pass(client, UnixStream::connect(behind).await?, &loses).await });
    }
}

async fn pass(mut client: UnixStream, mut server: UnixStream, loses: &AtomicBool) -> io::Result<()> {
    let (mut asked, mut told) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    loop {
        tokio::select! {
            read = client.read(&mut asked) => {
                let asked = &asked[..read?];
                if asked.is_empty() {
                    return Ok(());
                }
                server.write_all(asked).await?;
                let commits = asked.windows(6).any(|word| word == b"COMMIT");
                if commits && loses.swap(false, Ordering::SeqCst) {
                    // It is committed once the server says so.
                    return server.read(&mut told).await.map(drop);
                }
            }
            read = server.read(&mut told) => {
                let told = &told[..read?];
                if told.is_empty() {
                    return Ok(());
                }
                client.write_all(told).await?;
            }
        }
    }
}
