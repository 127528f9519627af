//! Compilation: in a child process with limits of its own, into a cache that is the host's alone.

use std::collections::HashSet;
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hardpoint_domain::hex;
use rustix::mm::{Advice, madvise};
use rustix::process::{Resource, Rlimit, setrlimit};
use sha2::{Digest, Sha256};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::sync::Semaphore;
use wasmtime::Engine;
use wasmtime::component::Component;

use crate::config::CompilerCommand;
use crate::engine;
use crate::error::{LoadError, RuntimeError};
use crate::workplace::Workplace;

/// Address space of the compiling child; a Python guest takes some 2 GiB with its threads.
const CHILD_MEMORY: u64 = 8 << 30;
/// CPU time of the compiling child, in seconds.
const CHILD_CPU: u64 = 300;
/// Wall time of the compiling child.
const CHILD_WALL: Duration = Duration::from_secs(600);

/// Compiles components and keeps the results.
#[derive(Debug)]
pub(crate) struct Compiler {
    command: CompilerCommand,
    cache: PathBuf,
    workplace: Arc<Workplace>,
    /// One at a time: compilation uses every core by itself.
    turn: Semaphore,
    /// Part of every cache key: code compiled for another engine is never loaded.
    engine_key: String,
}

impl Compiler {
    pub(crate) fn new(
        command: CompilerCommand,
        cache: PathBuf,
        workplace: Arc<Workplace>,
        engine: &Engine,
    ) -> Result<Self, RuntimeError> {
        make_private(&cache).map_err(|error| RuntimeError::cache(&cache, &error))?;
        Ok(Self { command, cache, workplace, turn: Semaphore::new(1), engine_key: engine_key(engine) })
    }

    /// The component ready to run: from the cache, else compiled now.
    pub(crate) async fn component(
        &self,
        engine: &Engine,
        digest: &str,
        bytes: &Bytes,
    ) -> Result<Component, LoadError> {
        let path = self.path_of(digest);
        if let Some(component) = load(engine, &path).await {
            return Ok(component);
        }
        let _turn =
            self.turn.acquire().await.map_err(|_| LoadError::Compile("the host is stopping".into()))?;
        if let Some(component) = load(engine, &path).await {
            return Ok(component);
        }
        let partial = self.compile(bytes).await?;
        let engine = engine.clone();
        let taken = tokio::task::spawn_blocking(move || {
            // Before it has a name that others know: they may forget it at any time.
            let component = deserialize(&engine, &partial)?;
            if let Err(error) = keep(&partial, &path) {
                tracing::warn!(%error, "compiled code is not kept, and will be made anew the next time");
                // It is in memory still; the next compilation must not write into it.
                let _ = std::fs::remove_file(&partial);
            }
            Ok(component)
        });
        let taken = taken.await.unwrap_or_else(|error| Err(wasmtime::Error::msg(error)));
        taken.map_err(|error| LoadError::Compile(format!("the result cannot be loaded: {error:#}")))
    }

    /// Removes the code of all digests but these, of other engines too.
    pub(crate) fn forget(&self, but: &HashSet<String>) -> std::io::Result<()> {
        let kept: HashSet<&str> = but.iter().map(|digest| bare(digest)).collect();
        for entry in std::fs::read_dir(&self.cache)? {
            let entry = entry?;
            let name = entry.file_name();
            let digest = name.to_str().and_then(|name| name.split('-').next());
            if digest.is_none_or(|digest| !kept.contains(digest)) {
                match std::fs::remove_file(entry.path()) {
                    // Another host on the same folder was faster.
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                    removed => removed?,
                }
            }
        }
        Ok(())
    }

    fn path_of(&self, digest: &str) -> PathBuf {
        let bare = bare(digest);
        self.cache.join(format!("{bare}-{}.cwasm", self.engine_key))
    }

    /// Runs the child; gives the file that it wrote.
    async fn compile(&self, bytes: &Bytes) -> Result<PathBuf, LoadError> {
        let failed = |what: &str, error: std::io::Error| LoadError::Compile(format!("{what}: {error}"));
        // Not beside its last place: another host may be compiling the same component into it.
        let partial = self.workplace.path().join("compiled");
        let mut child = Command::new(&self.command.program)
            .args(&self.command.args)
            .arg(&partial)
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| failed("the compiler cannot start", error))?;
        let mut input = child.stdin.take();
        let feed = async {
            if let Some(input) = &mut input {
                // A child that dies early closes its end; its exit status says more than this error.
                let _ = input.write_all(bytes).await;
            }
            drop(input);
        };
        let run = async { tokio::join!(feed, child.wait_with_output()).1 };
        let output = tokio::time::timeout(CHILD_WALL, run)
            .await
            .map_err(|_| LoadError::Compile(format!("it took longer than {} s", CHILD_WALL.as_secs())))?
            .map_err(|error| failed("the compiler cannot be waited for", error))?;
        if !output.status.success() {
            return Err(LoadError::Compile(refusal(&output)));
        }
        Ok(partial)
    }
}

/// A digest without the name of its algorithm.
fn bare(digest: &str) -> &str {
    digest.strip_prefix("sha256:").unwrap_or(digest)
}

/// What the child said, or how it died.
fn refusal(output: &std::process::Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr);
    match said.trim() {
        "" => format!("the compiler ended with {}; it may have run out of memory or CPU time", output.status),
        said => said.chars().take(2_000).collect(),
    }
}

/// Puts code under its name, with its checksum beside it. Both are on the disk before the code has its name:
/// native code that a power cut left half written would take the host down at every start.
fn keep(partial: &Path, path: &Path) -> std::io::Result<()> {
    let mut code = File::open(partial)?;
    let mut sum = File::create(partial.with_extension("sum"))?;
    sum.write_all(&checksum(&mut code)?)?;
    sum.sync_all()?;
    code.sync_all()?;
    std::fs::rename(partial.with_extension("sum"), path.with_extension("sum"))?;
    std::fs::rename(partial, path)?;
    File::open(path.parent().unwrap_or(path))?.sync_all()
}

/// Whether the code is as it was written.
fn is_whole(path: &Path) -> std::io::Result<bool> {
    let sum = std::fs::read(path.with_extension("sum"))?;
    Ok(*sum == checksum(&mut File::open(path)?)?)
}

fn checksum(code: &mut File) -> std::io::Result<[u8; 32]> {
    let mut hasher = Sha256::new();
    let mut piece = vec![0; 1 << 20];
    loop {
        match code.read(&mut piece)? {
            0 => break,
            read => hasher.update(&piece[..read]),
        }
    }
    Ok(hasher.finalize().into())
}

/// Reads compiled code from the cache; none where it is missing, damaged or was made for another engine.
async fn load(engine: &Engine, path: &Path) -> Option<Component> {
    let (engine, path) = (engine.clone(), path.to_owned());
    let read = move || {
        if !path.is_file() {
            return None;
        }
        if !is_whole(&path).unwrap_or(false) {
            tracing::warn!(file = %path.display(), "compiled code is damaged and is made anew");
            return None;
        }
        deserialize(&engine, &path)
            .inspect_err(|error| tracing::warn!(%error, "compiled code is not usable and is made anew"))
            .ok()
    };
    tokio::task::spawn_blocking(read).await.ok().flatten()
}

/// Maps compiled code into memory: that of the cache after its checksum was looked at, or what the child has
/// just written.
fn deserialize(engine: &Engine, path: &Path) -> wasmtime::Result<Component> {
    // SAFETY: the file was written by `compile_child_main` into a folder that only the host's own user can
    // write to, and is as it was written; nothing from the plugins folder or the network is ever placed there.
    #[allow(unsafe_code)]
    unsafe {
        Component::deserialize_file(engine, path)
    }
}

/// Gives back what of a component's code is in memory, as far as this process goes: the file stays mapped and
/// in the kernel's cache, and a call brings back the few pages that it runs. Loading touches all of them, which
/// is 600 KB for the smallest plugin and 50 MB for one in Python.
pub(crate) fn release(component: &Component) {
    let image = component.image_range();
    let length = (image.end as usize).saturating_sub(image.start as usize);
    // SAFETY: the range is a private mapping of a file (`deserialize` makes no other) that is never written to,
    // so what is given back is read again from the file as it was.
    #[allow(unsafe_code)]
    let released = unsafe { madvise(image.start.cast_mut().cast(), length, Advice::LinuxDontNeed) };
    if let Err(error) = released {
        tracing::debug!(%error, "compiled code stays in memory");
    }
}

/// Names the engine's settings and version.
fn engine_key(engine: &Engine) -> String {
    struct Sha(Sha256);
    impl std::hash::Hasher for Sha {
        fn finish(&self) -> u64 {
            0
        }
        fn write(&mut self, bytes: &[u8]) {
            self.0.update(bytes);
        }
    }
    let mut hasher = Sha(Sha256::new());
    std::hash::Hash::hash(&engine.precompile_compatibility_hash(), &mut hasher);
    let digest = hasher.0.finalize();
    hex::show(&digest[..8])
}

/// Creates the folder if need be and takes everybody else's rights to it away.
fn make_private(folder: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::create_dir_all(folder)?;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700))
}

/// The hidden subcommand: reads a component from standard input, compiles it under limits of its own,
/// writes the code to `target`. The error is for the parent to pass on.
pub fn compile_child_main(target: &Path) -> Result<(), String> {
    let limit = |resource, value| setrlimit(resource, Rlimit { current: Some(value), maximum: Some(value) });
    limit(Resource::As, CHILD_MEMORY).map_err(|error| format!("cannot limit memory: {error}"))?;
    limit(Resource::Cpu, CHILD_CPU).map_err(|error| format!("cannot limit CPU time: {error}"))?;
    limit(Resource::Core, 0).map_err(|error| format!("cannot forbid core dumps: {error}"))?;
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut std::io::stdin(), &mut bytes).map_err(|error| error.to_string())?;
    let engine = engine::compiling_engine().map_err(|error| format!("{error:#}"))?;
    let code = engine.precompile_component(&bytes).map_err(|error| format!("{error:#}"))?;
    std::fs::write(target, code).map_err(|error| format!("cannot write the result: {error}"))
}
