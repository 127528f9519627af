//! What of the configuration operators may change while hosts run. It is kept in the store, holds on every host
//! within a second, and wins over the files until it is taken back.

use std::sync::Arc;
use std::time::Duration;

use hardpoint_domain::event::Target;
use hardpoint_domain::plan::{self, Rates};
use hardpoint_store::settings::{self, Setting};
use hardpoint_store::{Lane, begin_change};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::effective::Effective;
use super::events::Author;
use crate::config::{Config, LogConfig, Size, Span};
use crate::error::ApiError;
use crate::state::App;

/// Bodies must be large enough for what takes a limit back, and small enough to be held in memory.
const BODIES: std::ops::RangeInclusive<u64> = 4 << 10..=1 << 30;

/// Nobody waits for more attempts, or for more rounds of tools …
const ROUNDS: std::ops::RangeInclusive<u32> = 1..=100;

/// … nor longer between two of them.
const LONGEST_WAIT: Duration = Duration::from_secs(600);

/// What can be changed: a key of the configuration, as it stands there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// `log.level`.
    LogLevel,
    /// `server.max_json_body`.
    MaxJsonBody,
    /// `server.max_upload`.
    MaxUpload,
    /// `completions.attempts`.
    Attempts,
    /// `completions.retry_base`.
    RetryBase,
    /// `completions.retry_cap`.
    RetryCap,
    /// `completions.retry_after_cap`.
    RetryAfterCap,
    /// `completions.tool_rounds`.
    ToolRounds,
    /// `plans.ID`, all of its limits in requests.
    Plan(&'static str),
}

impl Key {
    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        let single = [
            Self::LogLevel,
            Self::MaxJsonBody,
            Self::MaxUpload,
            Self::Attempts,
            Self::RetryBase,
            Self::RetryCap,
            Self::RetryAfterCap,
            Self::ToolRounds,
        ];
        single.into_iter().chain(plan::IDS.into_iter().map(Self::Plan))
    }

    /// As it stands in the configuration.
    pub fn name(self) -> String {
        match self {
            Self::LogLevel => "log.level".to_owned(),
            Self::MaxJsonBody => "server.max_json_body".to_owned(),
            Self::MaxUpload => "server.max_upload".to_owned(),
            Self::Attempts => "completions.attempts".to_owned(),
            Self::RetryBase => "completions.retry_base".to_owned(),
            Self::RetryCap => "completions.retry_cap".to_owned(),
            Self::RetryAfterCap => "completions.retry_after_cap".to_owned(),
            Self::ToolRounds => "completions.tool_rounds".to_owned(),
            Self::Plan(id) => format!("plans.{id}"),
        }
    }

    /// What it is now.
    fn value(self, config: &Config) -> Value {
        match self {
            Self::LogLevel => json!(config.log.level),
            Self::MaxJsonBody => json!(config.server.max_json_body.0),
            Self::MaxUpload => json!(config.server.max_upload.0),
            Self::Attempts => json!(config.completions.attempts),
            Self::RetryBase => json!(config.completions.retry_base.to_string()),
            Self::RetryCap => json!(config.completions.retry_cap.to_string()),
            Self::RetryAfterCap => json!(config.completions.retry_after_cap.to_string()),
            Self::ToolRounds => json!(config.completions.tool_rounds),
            Self::Plan(id) => json!(config.rates(id)),
        }
    }

    /// Puts a value into a configuration.
    ///
    /// # Errors
    /// What is wrong with it.
    fn apply(self, config: &mut Config, value: &Value) -> Result<(), String> {
        match self {
            Self::LogLevel => {
                let log = LogConfig { level: read(value)?, ..config.log.clone() };
                log.filter().map_err(|error| error.to_string())?;
                config.log = log;
            }
            Self::MaxJsonBody => config.server.max_json_body = body(value)?,
            Self::MaxUpload => config.server.max_upload = body(value)?,
            Self::Attempts => config.completions.attempts = rounds(value)?,
            Self::RetryBase => config.completions.retry_base = wait(value)?,
            Self::RetryCap => config.completions.retry_cap = wait(value)?,
            Self::RetryAfterCap => config.completions.retry_after_cap = wait(value)?,
            Self::ToolRounds => config.completions.tool_rounds = rounds(value)?,
            Self::Plan(id) => Arc::make_mut(&mut config.plans).set_rates(id, read::<Rates>(value)?),
        }
        Ok(())
    }
}

fn read<T: DeserializeOwned>(value: &Value) -> Result<T, String> {
    T::deserialize(value).map_err(|error| error.to_string())
}

fn body(value: &Value) -> Result<Size, String> {
    let size: Size = read(value)?;
    let (least, most) = (BODIES.start(), BODIES.end());
    if BODIES.contains(&size.0) { Ok(size) } else { Err(format!("must be between {least} and {most} bytes")) }
}

fn rounds(value: &Value) -> Result<u32, String> {
    let count: u32 = read(value)?;
    if ROUNDS.contains(&count) { Ok(count) } else { Err("must be from 1 to 100".to_owned()) }
}

fn wait(value: &Value) -> Result<Span, String> {
    let span: Span = read(value)?;
    if span.0 <= LONGEST_WAIT { Ok(span) } else { Err("must be at most 10m".to_owned()) }
}

/// Puts what was changed into a configuration. What this program does not know was changed by a newer one.
pub fn apply(config: &mut Config, changed: &[Setting]) {
    for Setting { name, value, .. } in changed {
        let key = Key::all().find(|key| key.name() == *name);
        let applied = match (key, serde_json::from_str(value)) {
            (Some(key), Ok(value)) => key.apply(config, &value),
            (None, _) => Err("there is no such key here".to_owned()),
            (_, Err(error)) => Err(error.to_string()),
        };
        if let Err(reason) = applied {
            tracing::warn!(setting = name, reason, "a setting of the store is not followed");
        }
    }
}

/// Changes settings; none as a value takes a change back to what the files say.
///
/// # Errors
/// 400 names the one that does not fit; then nothing is changed.
pub async fn change(app: &App, by: &Author, changes: Vec<(Key, Option<Value>)>) -> Result<(), ApiError> {
    let mut wanted = (*app.effective().config).clone();
    let mut read = Vec::new();
    for (key, value) in changes {
        if let Some(value) = &value {
            key.apply(&mut wanted, value).map_err(|reason| misfit(key, &reason))?;
        }
        // As it was read: `8KiB` is kept and told as 8192.
        read.push((key, value.map(|_| key.value(&wanted))));
    }
    let (by, rng, now, loaded) = (by.clone(), app.rng.clone(), app.clock.now(), app.config.clone());
    let write = app.store.write(Lane::Request, move |tx| {
        Box::pin(async move {
            begin_change(tx).await?;
            let mut before = (*loaded).clone();
            apply(&mut before, &settings::list(tx).await?);
            for (key, value) in read {
                let (name, old) = (key.name(), key.value(&before));
                let new = value.clone().unwrap_or_else(|| key.value(&loaded));
                let mut event = by.event(
                    now,
                    &*rng,
                    "config.changed",
                    Target::new("config", &name),
                    json!({ "value": new }),
                );
                event.before = Some(json!({ "value": old }));
                match value {
                    Some(value) => {
                        let (updated_by, value) = (by.name(), value.to_string());
                        settings::put(tx, &Setting { name, value, updated_by, updated_at: now }).await?;
                    }
                    None if !settings::delete(tx, &name).await? => continue,
                    None => {}
                }
                tx.append(&event, &[]).await?;
            }
            Ok(())
        })
    });
    write.await?;
    app.adopt(Effective::read(&mut app.store.read().await?, &app.config).await?);
    // What a key may send was looked up with it.
    app.keys.clear();
    Ok(())
}

fn misfit(key: Key, reason: &str) -> ApiError {
    let name = key.name();
    let message = format!("The '{name}' field does not fit: {reason}.");
    ApiError::bad_field(name, "type", message)
}
