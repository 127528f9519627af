//! The real binary in a process of its own, on a free port, with a folder that goes when it does.

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;

use hardpoint_domain::key::{KeyText, Mode};
use hardpoint_domain::seal::MasterKey;
use hardpoint_domain::time::Rng;
use tempfile::TempDir;

use crate::client::Client;
use crate::patience::{PATIENCE, until};
use crate::{component, process};

/// What a host starts with.
#[derive(Debug)]
pub struct Options {
    config: String,
    plugins: Vec<(String, Vec<u8>)>,
    environment: Vec<(String, String)>,
    prints_key: bool,
}

impl Options {
    /// Nothing but the defaults: no plugin, no configuration.
    pub fn new() -> Self {
        // Errors in plugins are what tests look at: nothing is left out of the log.
        let config =
            "[log]\nlevel = \"info\"\nformat = \"json\"\n\n[plugins]\nscan_interval = \"200ms\"\n".to_owned();
        Self { config, plugins: Vec::new(), environment: Vec::new(), prints_key: false }
    }

    /// With a plugin that we ship.
    #[must_use]
    pub fn shipped(self, id: &str) -> Self {
        let bytes = component::shipped(id);
        self.plugin(id, bytes)
    }

    /// With a guest of `tests/fixtures`.
    #[must_use]
    pub fn fixture(self, id: &str) -> Self {
        let bytes = component::fixture(id);
        self.plugin(id, bytes)
    }

    /// With this file in the plugins folder.
    #[must_use]
    pub fn plugin(mut self, id: &str, bytes: Vec<u8>) -> Self {
        self.plugins.push((id.to_owned(), bytes));
        self
    }

    /// With more of `hardpoint.toml`.
    #[must_use]
    pub fn config(mut self, toml: &str) -> Self {
        let _ = writeln!(self.config, "\n{toml}");
        self
    }

    /// Without a key of ours: the host makes the first operator's, and prints it with how to begin.
    #[must_use]
    pub fn printing_its_key(mut self) -> Self {
        self.prints_key = true;
        self
    }

    /// With an environment variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }
}

impl Default for Options {
    fn default() -> Self {
        Self::new()
    }
}

/// A running host. Dropping it kills it.
pub struct Host {
    running: Running,
    folder: TempDir,
    environment: Vec<(String, String)>,
    key: String,
}

/// One run of the process.
struct Running {
    child: Child,
    origin: String,
    log: Arc<Log>,
}

/// What the host printed so far.
#[derive(Default)]
struct Log {
    /// The text, and whether one of the outputs was closed.
    said: Mutex<(String, bool)>,
    grew: Condvar,
}

impl Host {
    /// Starts a host and waits until it is ready.
    pub async fn start(options: Options) -> Self {
        let folder = TempDir::with_prefix("hardpoint-test-").expect("a temporary folder");
        let plugins = folder.path().join("data/plugins");
        fs::create_dir_all(&plugins).expect("a plugins folder");
        for (id, bytes) in &options.plugins {
            fs::write(plugins.join(format!("{id}.wasm")), bytes).expect("a plugin written");
        }
        fs::write(folder.path().join("hardpoint.toml"), &options.config).expect("a configuration written");
        let key = if options.prints_key { String::new() } else { bootstrap_key() };
        let running = Running::launch(folder.path(), &options.environment, &key).await;
        Self { running, folder, environment: options.environment, key }
    }

    /// Ends it, if it still runs, and starts it again with what it left.
    pub async fn restart(&mut self) {
        self.kill();
        self.running = Running::launch(self.folder.path(), &self.environment, &self.key).await;
    }

    /// A client with the operator's key.
    pub fn client(&self) -> Client {
        Client::new(&self.running.origin, Some(&self.key))
    }

    /// A client without a key.
    pub fn anonymous(&self) -> Client {
        Client::new(&self.running.origin, None)
    }

    /// `http://127.0.0.1:PORT`.
    pub fn origin(&self) -> &str {
        &self.running.origin
    }

    /// The first operator's key.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The folder that plugins are dropped into.
    pub fn plugins_folder(&self) -> PathBuf {
        self.folder.path().join("data/plugins")
    }

    /// Drops a plugin into the folder, whole.
    pub fn drop_plugin(&self, id: &str, bytes: &[u8]) {
        let unfinished = self.plugins_folder().join(format!(".{id}.part"));
        fs::write(&unfinished, bytes).expect("a plugin written");
        fs::rename(unfinished, self.plugins_folder().join(format!("{id}.wasm"))).expect("a plugin named");
    }

    /// The working folder, with `hardpoint.toml` and `data` in it.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What it printed so far.
    pub fn log(&self) -> String {
        self.running.log.text()
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.running.child.id()
    }

    /// Its resident memory now, in bytes.
    pub fn memory(&self) -> u64 {
        process::status_bytes(self.pid(), "VmRSS")
    }

    /// Waits until its resident memory is below a bound.
    pub async fn memory_below(&self, bytes: u64) {
        let what = format!("memory below {} MiB; it is {} MiB", bytes >> 20, self.memory() >> 20);
        until(&what, || async { (self.memory() < bytes).then_some(()) }).await;
    }

    /// A command of the same binary, on the same configuration and data: `plugin list`, `config check` …
    pub fn command(&self, arguments: &[&str]) -> Output {
        self.command_with(arguments, "")
    }

    /// The same, with this on its standard input.
    pub fn command_with(&self, arguments: &[&str], input: &str) -> Output {
        let mut command = Command::new(binary());
        command.current_dir(self.folder.path()).args(arguments);
        command.args(["--config", "hardpoint.toml", "--data", "data"]);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary runs");
        // Whether or not it reads: what asks for nothing is over by then.
        drop(child.stdin.take().expect("a pipe").write_all(input.as_bytes()));
        child.wait_with_output().expect("it ends")
    }

    /// Ends it as a power cut would, as far as a process can.
    pub fn kill(&mut self) {
        let _ = self.running.child.kill();
        let _ = self.running.child.wait();
    }

    /// Asks it to stop, and waits until it has.
    pub async fn stop(&mut self) -> ExitStatus {
        process::signal(self.pid(), "TERM");
        self.ended().await
    }

    /// Waits for its end.
    pub async fn ended(&mut self) -> ExitStatus {
        let child = std::cell::RefCell::new(&mut self.running.child);
        until("the host to end", || async { child.borrow_mut().try_wait().expect("a child") }).await
    }
}

impl Running {
    async fn launch(folder: &Path, environment: &[(String, String)], key: &str) -> Self {
        let mut command = Command::new(binary());
        command.current_dir(folder).args(["serve", "--config", "hardpoint.toml", "--data", "data"]);
        command.args(["--listen", "127.0.0.1:0"]).env_remove("HARDPOINT_BOOTSTRAP_KEY");
        if !key.is_empty() {
            command.env("HARDPOINT_BOOTSTRAP_KEY", key);
        }
        // Whether there is a model file is the machine's matter, and most tests need none.
        command.env("HARDPOINT__KNOWLEDGE__EMBED", "false");
        command.envs(environment.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| {
            panic!("{}: {error}; `cargo build --bin hardpoint` makes it", binary().display())
        });
        let log = Arc::new(Log::default());
        let (output, errors) = (child.stdout.take().expect("a pipe"), child.stderr.take().expect("a pipe"));
        for output in [Box::new(output) as Box<dyn Read + Send>, Box::new(errors)] {
            let log = log.clone();
            thread::spawn(move || log.follow(output));
        }
        let mut running = Self { child, origin: String::new(), log: log.clone() };
        let address = tokio::task::spawn_blocking(move || log.address()).await.expect("the log is read");
        running.origin = address.unwrap_or_else(|| panic!("the host did not say where it listens"));
        let client = Client::new(&running.origin, None);
        until("the host to be ready", || async { (client.get("/readyz").await.status == 200).then_some(()) })
            .await;
        running
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            let log = self.log.text();
            let lines: Vec<&str> = log.lines().collect();
            let last = &lines[lines.len().saturating_sub(60)..];
            eprintln!("--- the host's last lines\n{}\n---", last.join("\n"));
        }
    }
}

impl Log {
    fn text(&self) -> String {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).0.clone()
    }

    /// Reads until the process closes its output.
    fn follow(&self, output: impl Read) {
        for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
            let mut text = self.said.lock().unwrap_or_else(PoisonError::into_inner);
            text.0 += &String::from_utf8_lossy(&line);
            text.0.push('\n');
            self.grew.notify_all();
        }
        self.said.lock().unwrap_or_else(PoisonError::into_inner).1 = true;
        self.grew.notify_all();
    }

    /// Waits for the line that tells where the host listens.
    fn address(&self) -> Option<String> {
        let text = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = |text: &mut (String, bool)| address_in(&text.0).is_none() && !text.1;
        let (text, _) =
            self.grew.wait_timeout_while(text, PATIENCE, waiting).unwrap_or_else(PoisonError::into_inner);
        address_in(&text.0)
    }
}

/// `http://127.0.0.1:PORT`, wherever it stands; not the port 0 that was asked for.
fn address_in(text: &str) -> Option<String> {
    let ports = text.match_indices("http://127.0.0.1:").map(|(at, found)| {
        let rest = &text[at + found.len()..];
        let digits = rest.find(|c: char| !c.is_ascii_digit()).map(|end| &rest[..end]);
        digits.filter(|digits| !digits.is_empty() && *digits != "0")
    });
    ports.flatten().next().map(|port| format!("http://127.0.0.1:{port}"))
}

/// The binary under test: what `HARDPOINT_BIN` names, or the one built beside the tests.
pub fn binary() -> PathBuf {
    env::var_os("HARDPOINT_BIN").map_or_else(|| component::target().join("debug/hardpoint"), PathBuf::from)
}

/// A key for `HARDPOINT_BOOTSTRAP_KEY`: the first operator's.
pub fn bootstrap_key() -> String {
    KeyText::generate(Mode::Live, &Urandom).reveal().to_owned()
}

/// A key for `HARDPOINT_MASTER_KEY`.
pub fn master_key() -> String {
    MasterKey::generate(&Urandom).reveal()
}

/// The operating system's generator, without another dependency.
struct Urandom;

impl Rng for Urandom {
    fn fill(&self, bytes: &mut [u8]) {
        let read = fs::File::open("/dev/urandom").and_then(|mut device| device.read_exact(bytes));
        read.expect("random bytes");
    }
}
