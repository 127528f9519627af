//! What the server says of itself, on standard error.

use std::io::IsTerminal;
use std::sync::Arc;

use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::filter::{FilterFn, filter_fn};
use tracing_subscriber::fmt;
use tracing_subscriber::layer::{Layered, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, reload};

use crate::config::{LogConfig, LogFormat};

/// What is told in the log, to be changed while the process runs. By default there is no log, and nothing to change.
#[derive(Clone, Default)]
pub struct LogLevel(Option<Arc<dyn Fn(EnvFilter) + Send + Sync>>);

impl LogLevel {
    /// Tells this much from now on; as before, if the level is no filter.
    pub fn set(&self, config: &LogConfig) {
        match (&self.0, config.filter()) {
            (Some(set), Ok(filter)) => set(filter),
            (None, _) => {}
            (_, Err(error)) => tracing::warn!(%error, "the log goes on as before"),
        }
    }
}

/// Starts logging for the whole process.
///
/// # Errors
/// If the level is no filter, or logging was started before.
pub fn init(config: &LogConfig) -> anyhow::Result<LogLevel> {
    let (wanted, handle) = reload::Layer::new(config.filter()?);
    let filtered = filtered(wanted);
    // That nobody reads standard error any more is no reason to panic, which reporting it there would.
    let lines = fmt::layer()
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .log_internal_errors(false);
    let started = match config.format {
        LogFormat::Json => {
            let lines = lines.json().flatten_event(true).with_current_span(true).with_span_list(false);
            filtered.with(lines).try_init()
        }
        LogFormat::Pretty => filtered.with(lines.with_target(false)).try_init(),
    };
    started.map_err(|error| anyhow::anyhow!("logging cannot be started: {error}"))?;
    // It fails only where there is no log any more.
    Ok(LogLevel(Some(Arc::new(move |filter| drop(handle.reload(filter))))))
}

/// What may be told at all, of that what the operator wants.
fn filtered(
    wanted: impl Layer<Tellable> + Send + Sync,
) -> impl Subscriber + for<'a> LookupSpan<'a> + Send + Sync {
    Registry::default().with(filter_fn(may_be_told as fn(&Metadata<'_>) -> bool)).with(wanted)
}

/// All that may be told.
type Tellable = Layered<FilterFn<fn(&Metadata<'_>) -> bool>, Registry>;

/// The sandbox's library tells of every call that a guest makes of WASI, with the names of files in it: a guest
/// chooses those, and nobody has looked for secrets there. No level brings that out.
fn may_be_told(what: &Metadata<'_>) -> bool {
    !what.target().starts_with("wasmtime_wasi") || *what.level() <= Level::WARN
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::Mutex;

    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn no_filter_brings_out_what_guests_call_their_files() {
        for level in ["trace", "wasmtime_wasi=trace", "info,wasmtime_wasi::filesystem=trace", "[call]=trace"]
        {
            let config = LogConfig { level: level.to_owned(), ..LogConfig::default() };
            let kept = Kept::default();
            let writer = kept.clone();
            let lines = fmt::layer().with_ansi(false).with_writer(move || writer.clone());
            let subscriber = filtered(config.filter().unwrap()).with(lines);
            tracing::subscriber::with_default(subscriber, || {
                let _call = tracing::error_span!("call").entered();
                tracing::trace!(target: "wasmtime_wasi::filesystem", "open sk-secret.txt");
                tracing::warn!(target: "wasmtime_wasi::filesystem", "told");
                tracing::error!("told as well");
            });
            let told = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
            assert!(!told.contains("sk-secret"), "{level}: {told}");
            assert!(told.contains("told"), "{level}: {told}");
        }
    }
}
