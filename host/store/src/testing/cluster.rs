//! A throw-away PostgreSQL cluster: made in a temporary folder, reached by a socket inside it, and gone
//! with the process that started it, however that ends.
//!
//! This file needs nothing but the standard library, so that a program which does not want a database
//! driver may take it in with `#[path]`.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// Names the URL of a server to use instead of starting one; its user may create schemas.
pub const VARIABLE: &str = "HARDPOINT_TEST_POSTGRES";

/// A running cluster. Dropping it stops it and removes its folder.
#[derive(Debug)]
pub struct Cluster {
    folder: PathBuf,
    pg_ctl: PathBuf,
    /// Whom it runs as, where that is not the present user: PostgreSQL refuses to run as root.
    user: Option<(u32, u32)>,
    syncs: bool,
    watchdog: Option<Child>,
}

impl Cluster {
    /// Makes and starts a cluster, in some two seconds. `NotFound` where PostgreSQL is not installed
    /// (neither on `PATH` nor in `/usr/lib/postgresql`). What tests ask about durability they ask SQLite, so this
    /// one never waits for the disk.
    pub fn start() -> io::Result<Self> {
        Self::start_with(false)
    }

    /// The same with commits that reach the disk where the session asks for it, for measurements.
    #[allow(dead_code, reason = "some of those who take this file in only test")]
    pub fn start_durable() -> io::Result<Self> {
        Self::start_with(true)
    }

    fn start_with(syncs: bool) -> io::Result<Self> {
        let (initdb, pg_ctl) = (find("initdb")?, find("pg_ctl")?);
        let user = if fs::metadata("/proc/self")?.uid() == 0 { Some(ordinary_user()?) } else { None };
        let folder = new_folder()?;
        if let Some((uid, gid)) = user {
            chown(&folder, Some(uid), Some(gid))?;
        }
        let mut cluster = Self { folder, pg_ctl, user, syncs, watchdog: None };
        // Before all else, so that nothing is left behind. Its standard input ends when this process does;
        // in a process group of its own it outlives a Ctrl-C.
        let watchdog = cluster
            .command(Path::new("/bin/sh"))
            .args(["-c", r#"read -r _; "$0" -D "$1/data" -m immediate -w stop; cd /; rm -rf "$1""#])
            .args([&cluster.pg_ctl, &cluster.folder])
            .stdin(Stdio::piped())
            .process_group(0)
            .spawn()?;
        cluster.watchdog = Some(watchdog);
        run(cluster
            .command(&initdb)
            .args(["--username=hardpoint", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"])
            .args(["--pgdata", "data"]))?;
        cluster.resume()?;
        Ok(cluster)
    }

    /// Where it is, for a superuser without a password.
    pub fn url(&self) -> String {
        format!("postgres://hardpoint@localhost/postgres?host={}", self.folder.display())
    }

    /// Stops the server as a power failure would; the data stays.
    pub fn halt(&self) -> io::Result<()> {
        run(self.command(&self.pg_ctl).args(["--pgdata", "data", "--mode", "immediate", "--wait", "stop"]))
    }

    /// Starts the server and waits until it answers.
    pub fn resume(&self) -> io::Result<()> {
        let fsync = if self.syncs { "on" } else { "off" };
        let options = format!(
            "-c listen_addresses='' -c unix_socket_directories='{}' -c max_connections=300 -c fsync={fsync}",
            self.folder.display()
        );
        run(self
            .command(&self.pg_ctl)
            .args(["--pgdata", "data", "--log", "log", "--wait", "--timeout", "60"])
            .args(["--options", &options, "start"]))
        .map_err(|error| {
            let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
            io::Error::other(format!("{error}\n{log}"))
        })
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.folder).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        if let Some((uid, gid)) = self.user {
            command.uid(uid).gid(gid);
        }
        command
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Some(mut watchdog) = self.watchdog.take() {
            drop(watchdog.stdin.take());
            let _ = watchdog.wait();
        }
    }
}

/// The URL of the server for this process: [`VARIABLE`], or a cluster that is started the first time
/// this is called and lives as long as the process. `NotFound` where there is neither.
pub fn shared() -> Result<&'static str, &'static io::Error> {
    static SHARED: OnceLock<io::Result<(String, Option<Cluster>)>> = OnceLock::new();
    let shared = SHARED.get_or_init(|| match std::env::var(VARIABLE) {
        Ok(url) if !url.is_empty() => Ok((url, None)),
        _ => Cluster::start().map(|cluster| (cluster.url(), Some(cluster))),
    });
    shared.as_ref().map(|(url, _)| url.as_str())
}

fn find(program: &str) -> io::Result<PathBuf> {
    let mut folders: Vec<PathBuf> =
        std::env::var_os("PATH").map(|path| std::env::split_paths(&path).collect()).unwrap_or_default();
    // Debian keeps them off the PATH, by version; the newest first.
    let mut installed: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
        .unwrap_or_default();
    installed.sort_by_key(|path| {
        std::cmp::Reverse(path.file_name().and_then(|name| name.to_str()?.parse::<u32>().ok()))
    });
    folders.extend(installed.into_iter().map(|version| version.join("bin")));
    folders
        .into_iter()
        .map(|folder| folder.join(program))
        .find(|path| path.is_file())
        .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, format!("{program} is not installed")))
}

/// The numbers of the user `postgres` or, if there is none, of `nobody`.
fn ordinary_user() -> io::Result<(u32, u32)> {
    let passwd = fs::read_to_string("/etc/passwd")?;
    ["postgres", "nobody"]
        .iter()
        .find_map(|name| {
            let mut fields =
                passwd.lines().find_map(|line| line.strip_prefix(&format!("{name}:")))?.split(':').skip(1);
            Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
        })
        .ok_or_else(|| io::Error::other("PostgreSQL refuses to run as root, and there is no user for it"))
}

fn new_folder() -> io::Result<PathBuf> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    loop {
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("hardpoint-postgres-{}-{count}", std::process::id()));
        match DirBuilder::new().mode(0o700).create(&folder) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            outcome => return outcome.map(|()| folder),
        }
    }
}

fn run(command: &mut Command) -> io::Result<()> {
    let status = command.status()?;
    if status.success() { Ok(()) } else { Err(io::Error::other(format!("{command:?} failed: {status}"))) }
}
