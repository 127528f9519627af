//! What the server says of itself, on standard error.

use std::io::IsTerminal;

use anyhow::Context;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt;

use crate::config::{LogConfig, LogFormat};

/// Starts logging for the whole process.
///
/// # Errors
/// If the level is no filter, or logging was started before.
pub fn init(config: &LogConfig) -> anyhow::Result<()> {
    let filter = filter(&config.level)?;
    let colours = std::io::stderr().is_terminal();
    let builder = fmt().with_env_filter(filter).with_ansi(colours).with_writer(std::io::stderr);
    let started = match config.format {
        LogFormat::Json => {
            builder.json().flatten_event(true).with_current_span(true).with_span_list(false).try_init()
        }
        LogFormat::Pretty => builder.with_target(false).try_init(),
    };
    started.map_err(|error| anyhow::anyhow!("logging cannot be started: {error}"))
}

/// What tells of every call that a guest makes of WASI, with the names of files in it: a guest chooses those, and
/// nobody has looked for secrets there.
const TELLS_NAMES: &str = "wasmtime_wasi=warn";

/// The filter behind a level.
///
/// # Errors
/// If it is none.
pub fn filter(level: &str) -> anyhow::Result<EnvFilter> {
    let filter = EnvFilter::try_new(level)
        .with_context(|| format!("log.level: `{level}` is neither a level nor a filter"))?;
    let traces = filter.max_level_hint() == Some(LevelFilter::TRACE);
    Ok(if traces { filter.add_directive(TELLS_NAMES.parse()?) } else { filter })
}
