//! Which bindings this host's breakers pause, left in a file of the data folder for the commands: they read what is
//! kept there and ask no running host. A pause is one host's own matter and over within a minute, so the store,
//! which hosts share, knows nothing of it.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hardpoint_domain::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::Rounds;
use crate::state::App;

/// How often the breakers are looked at.
const PERIOD: Duration = Duration::from_secs(1);

/// The file's name in the data folder; it is there as long as a binding is paused.
const FILE: &str = "paused.json";

/// A binding that refuses some organisation's calls.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// The binding's name.
    pub binding: String,
    /// When a call is let through again.
    pub until: Timestamp,
}

/// Writes down what changed, until the server stops.
pub async fn run(app: Arc<App>) {
    let data = &app.config.server.data;
    // What a host before this one left.
    let mut written = None;
    let mut rounds = Rounds::every(PERIOD, &app);
    while rounds.next().await {
        let paused = if rounds.is_last { Vec::new() } else { paused(&app) };
        if written.as_ref() == Some(&paused) {
            continue;
        }
        match write(data, &paused) {
            Ok(()) => written = Some(paused),
            Err(error) => tracing::warn!(%error, "which bindings are paused was not written down"),
        }
    }
}

fn paused(app: &App) -> Vec<Pause> {
    let catalogue = app.runtime.snapshot();
    let paused = catalogue.bindings().filter_map(|binding| Some((binding.name(), binding.paused_until()?)));
    paused.map(|(binding, until)| Pause { binding: binding.to_owned(), until }).collect()
}

/// A reader finds all of it or none.
fn write(data: &Path, paused: &[Pause]) -> io::Result<()> {
    let file = data.join(FILE);
    if paused.is_empty() {
        return match fs::remove_file(&file) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        };
    }
    let unfinished: PathBuf = data.join(format!("{FILE}.part"));
    fs::write(&unfinished, serde_json::to_vec(paused)?)?;
    fs::rename(&unfinished, &file)
}

/// What the host over this data folder wrote down, as far as it still holds. Of a host that was killed that is
/// nothing after a minute.
pub fn read(data: &Path, now: Timestamp) -> Vec<Pause> {
    let text = fs::read(data.join(FILE)).unwrap_or_default();
    let paused: Vec<Pause> = serde_json::from_slice(&text).unwrap_or_default();
    paused.into_iter().filter(|pause| now < pause.until).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_over_or_no_pause_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let at = Timestamp::from_micros;
        let pause = |binding: &str, until| Pause { binding: binding.to_owned(), until: at(until) };
        assert_eq!(read(folder.path(), at(0)), []);
        write(folder.path(), &[pause("a", 5), pause("b", 9)]).unwrap();
        assert_eq!(read(folder.path(), at(4)), [pause("a", 5), pause("b", 9)]);
        assert_eq!(read(folder.path(), at(5)), [pause("b", 9)]);
        write(folder.path(), &[]).unwrap();
        write(folder.path(), &[]).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        fs::write(folder.path().join(FILE), "[{").unwrap();
        assert_eq!(read(folder.path(), at(0)), []);
    }
}
