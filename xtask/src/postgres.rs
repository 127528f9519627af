//! A throw-away PostgreSQL for tests, with nothing but the standard library, so that whoever needs one
//! can include this file. It ends with its owner, however the owner ends.

use std::fs::{self, DirBuilder};
use std::io::{self, BufRead, BufReader, Error};
use std::net::TcpListener;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// A running cluster on a free port of the loopback address. Dropping it ends and removes it.
pub struct Cluster {
    guard: Child,
    port: u16,
}

/// Runs the server and waits for the end of its own input, which comes when the owner closes the pipe or
/// dies; then ends the server and removes the cluster.
const GUARD: &str = r#"
folder=$1; shift
"$@" </dev/null & server=$!
while read -r _; do :; done
kill -QUIT "$server"; wait "$server"; rm -rf "$folder"
"#;

/// Durability is of no use to a cluster that does not outlive its owner.
const SETTINGS: [&str; 6] = [
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "max_connections=200",
    "listen_addresses=127.0.0.1",
    "unix_socket_directories=",
];

impl Cluster {
    /// Creates a cluster and waits until it accepts connections.
    pub fn start() -> io::Result<Self> {
        let programs = programs().ok_or_else(|| Error::other("PostgreSQL's initdb is not installed"))?;
        let owner = owner()?;
        let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        let folder = std::env::temp_dir().join(format!("hardpoint-postgres-{}-{port}", std::process::id()));
        DirBuilder::new().mode(0o700).create(&folder)?;
        if let Some((user, group)) = owner {
            chown(&folder, Some(user), Some(group))?;
        }

        let data = folder.join("data");
        let mut initdb = Command::new(programs.join("initdb"));
        initdb.args([
            "--auth=trust",
            "--username=hp",
            "--encoding=UTF8",
            "--locale=C",
            "--no-sync",
            "--pgdata",
        ]);
        let made = run_as(&mut initdb, owner).arg(&data).current_dir(&folder).output()?;
        if !made.status.success() {
            let _ = fs::remove_dir_all(&folder);
            return Err(Error::other(format!("initdb failed: {}", String::from_utf8_lossy(&made.stderr))));
        }

        let mut guard = Command::new("/bin/sh");
        guard.args(["-c", GUARD, "sh"]).arg(&folder).arg(programs.join("postgres")).arg("-D").arg(&data);
        guard.args(["-p", &port.to_string()]);
        for setting in SETTINGS {
            guard.args(["-c", setting]);
        }
        // A group of its own: an interrupt at the terminal reaches the owner, and the guard through the pipe.
        let guard = run_as(&mut guard, owner).current_dir("/").process_group(0);
        let guard = guard.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
        let mut cluster = Self { guard, port };
        cluster.wait_until_ready()?;
        Ok(cluster)
    }

    /// The address of its database `postgres`, for a user who may do anything.
    pub fn url(&self) -> String {
        format!("postgres://hp@127.0.0.1:{}/postgres", self.port)
    }

    /// Reads the server's log until it says that it is ready, then leaves a thread to drain it.
    fn wait_until_ready(&mut self) -> io::Result<()> {
        let log = self.guard.stderr.take().ok_or_else(|| Error::other("the server has no log"))?;
        let mut lines = BufReader::new(log).lines();
        let mut said = String::new();
        for line in lines.by_ref() {
            let line = line?;
            if line.contains("ready to accept connections") {
                std::thread::spawn(move || lines.for_each(drop));
                return Ok(());
            }
            said += &line;
            said.push('\n');
            if line.contains("FATAL") {
                break;
            }
        }
        Err(Error::other(format!("PostgreSQL did not start:\n{said}")))
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        let _ = self.guard.wait();
    }
}

/// Whether a cluster can be started without installing anything.
pub fn is_installed() -> bool {
    programs().is_some()
}

/// The folder of the server's programs: on the PATH, or where Debian keeps them, the newest first.
fn programs() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let debians = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut debians: Vec<PathBuf> = debians.map(|version| version.path().join("bin")).collect();
    debians.sort();
    debians
        .into_iter()
        .rev()
        .chain(std::env::split_paths(&path))
        .find(|folder| folder.join("initdb").is_file() && folder.join("postgres").is_file())
}

/// The server refuses to run as root: root lends it an ordinary user, by number. Anyone else is one.
fn owner() -> io::Result<Option<(u32, u32)>> {
    if fs::metadata("/proc/self")?.uid() != 0 {
        return Ok(None);
    }
    let accounts = fs::read_to_string("/etc/passwd")?;
    let ids = |name: &str| {
        let account = accounts.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut fields = account.split(':').skip(2);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    };
    let ids = ids("postgres").or_else(|| ids("nobody"));
    ids.map(Some).ok_or_else(|| Error::other("there is neither a user postgres nor nobody to run the server"))
}

fn run_as(command: &mut Command, owner: Option<(u32, u32)>) -> &mut Command {
    if let Some((user, group)) = owner {
        command.uid(user).gid(group);
    }
    command
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use super::*;

    #[test]
    fn it_listens_while_it_has_an_owner_and_leaves_nothing_behind() {
        let cluster = Cluster::start().expect("a cluster");
        let port = cluster.port;
        let folder = std::env::temp_dir().join(format!("hardpoint-postgres-{}-{port}", std::process::id()));
        assert!(folder.is_dir());
        assert!(TcpStream::connect(("127.0.0.1", port)).is_ok());
        drop(cluster);
        assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
        assert!(!folder.exists());
    }
}
