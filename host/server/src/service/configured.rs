//! A start with another configuration than the last one had is an event. What the last one had is in the data folder:
//! each host reads a configuration of its own. And what a signal to look again has changed.

use std::io::{self, ErrorKind};
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use hardpoint_domain::event::Target;
use hardpoint_domain::time::{Clock, Rng};
use hardpoint_store::Store;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::audit;
use super::events::{self, Author};
use crate::config::Config;
use crate::replaced;
use crate::state::App;
use crate::worker::reload::Retry;

/// The file's name in the data folder.
const FILE: &str = "configured.json";

/// A configuration as it was loaded.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Configured {
    /// Of `hardpoint.toml`.
    file_digest: String,
    /// All of it that is shown to people; no secret.
    shown: Value,
}

/// Tells what is not as it was when a host last started over this data folder; nothing where none ever did.
///
/// # Errors
/// If the event or the file cannot be written.
pub async fn note(
    store: &Store,
    config: &Config,
    host: &str,
    (clock, rng): (&dyn Clock, &dyn Rng),
) -> anyhow::Result<()> {
    let path = config.server.data.join(FILE);
    let loaded = Configured { file_digest: config.file_digest.clone(), shown: config.masked() };
    let last = read(&path).with_context(|| format!("{} cannot be read", path.display()))?;
    if let Last::Whole(last) = &last
        && *last == loaded
    {
        return Ok(());
    }
    if let Some((before, after)) = told(&last, &loaded) {
        let target = Target::new("host", host);
        let mut event = Author::system().event(clock.now(), rng, "config.loaded", target, Value::from(after));
        event.before = Some(Value::from(before));
        audit::note(store, event).await.context("the store cannot be written")?;
    }
    // After the event: should this host end in between, the next one tells it again.
    replaced::write(&path, &loaded).with_context(|| format!("{} cannot be written", path.display()))
}

/// Looks through the plugins folder because a signal asked for it, and tells where something else is live then.
pub async fn look_again(app: &App, patience: Duration) {
    let before = live(app);
    app.reload.settle(Retry::All, patience).await;
    let (before, after) = differing(&before, &live(app));
    if before.is_empty() {
        return;
    }
    let (target, about) = (events::plugin("*"), json!({ "signal": "SIGHUP", "live": after }));
    let mut event = Author::system().event(app.clock.now(), &*app.rng, "plugin.reloaded", target, about);
    event.before = Some(json!({ "live": before }));
    if let Err(error) = audit::note(&app.store, event).await {
        tracing::error!(%error, "what a signal changed is not in the audit log");
    }
}

/// The plugins that are live, by their ids.
fn live(app: &App) -> Value {
    let catalogue = app.runtime.snapshot();
    let shown = |plugin: &std::sync::Arc<hardpoint_runtime::Generation>| {
        let manifest = plugin.manifest();
        (
            manifest.id.to_string(),
            json!({ "version": manifest.version.to_string(), "digest": plugin.inspection().digest }),
        )
    };
    Value::Object(catalogue.plugins().map(shown).collect())
}

/// What differs, by its path: as it was, and as it is.
fn differing(before: &Value, after: &Value) -> (Map<String, Value>, Map<String, Value>) {
    let mut found = (Map::new(), Map::new());
    compare("", before, after, &mut found);
    found
}

fn compare(path: &str, before: &Value, after: &Value, found: &mut (Map<String, Value>, Map<String, Value>)) {
    if let (Value::Object(old), Value::Object(new)) = (before, after) {
        for name in old.keys().chain(new.keys().filter(|name| !old.contains_key(*name))) {
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            let of = |members: &Map<String, Value>| members.get(name).cloned().unwrap_or_default();
            compare(&path, &of(old), &of(new), found);
        }
    } else if before != after {
        found.0.insert(path.to_owned(), before.clone());
        found.1.insert(path.to_owned(), after.clone());
    }
}

/// What the last start left.
enum Last {
    /// There was none.
    None,
    /// It is no longer whole: what changed since is not known.
    Broken,
    Whole(Configured),
}

fn read(path: &Path) -> io::Result<Last> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(serde_json::from_slice(&bytes).map_or(Last::Broken, Last::Whole)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Last::None),
        Err(error) => Err(error),
    }
}

/// What an event tells: as it was, and as it is. Nothing at the first start.
fn told(last: &Last, loaded: &Configured) -> Option<(Map<String, Value>, Map<String, Value>)> {
    let (before, mut after) = match last {
        Last::None => return None,
        Last::Broken => {
            let unknown = (FILE.to_owned(), "cannot be read: what was loaded before is not known".into());
            return Some((Map::from_iter([unknown]), loaded.shown.as_object().cloned().unwrap_or_default()));
        }
        Last::Whole(last) => differing(&last.shown, &loaded.shown),
    };
    if after.is_empty() {
        after.insert("hardpoint.toml".to_owned(), "changed in what is not shown".into());
    }
    Some((before, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_told_by_its_path() {
        let before = json!({"a": {"b": 1, "c": [1]}, "gone": true, "same": null});
        let after = json!({"a": {"b": 2, "c": [1]}, "new": {"d": 1}, "same": null});
        let (old, new) = differing(&before, &after);
        assert_eq!(Value::from(old), json!({"a.b": 1, "gone": true, "new": null}));
        assert_eq!(Value::from(new), json!({"a.b": 2, "gone": null, "new": {"d": 1}}));
        assert_eq!(differing(&after, &after), Default::default());
    }

    #[test]
    fn what_the_last_start_left_and_is_not_whole_is_told() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join(FILE);
        let loaded = Configured { file_digest: "d".to_owned(), shown: json!({"a": 1}) };
        assert!(told(&read(&path).unwrap(), &loaded).is_none(), "the first start");
        replaced::write(&path, &loaded).unwrap();
        assert!(matches!(read(&path).unwrap(), Last::Whole(last) if last == loaded));
        std::fs::write(&path, "{").unwrap();
        let (before, after) = told(&read(&path).unwrap(), &loaded).unwrap();
        assert!(before.contains_key(FILE), "{before:?}");
        assert_eq!(Value::from(after), loaded.shown);
    }
}
