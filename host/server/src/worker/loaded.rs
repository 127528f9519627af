//! Says which configuration this host has as long as it lives ([`crate::loaded`]), also where somebody looked just when
//! it started, or another host over its folder was about to end.

use std::sync::Arc;
use std::time::Duration;

use super::Rounds;
use crate::loaded::Loaded;
use crate::state::App;

/// How often it is tried.
const PERIOD: Duration = Duration::from_secs(1);

/// Holds on to what says so until the server stops; where it was not said yet, tries again.
pub async fn run(app: Arc<App>, mut loaded: Option<Loaded>) {
    let mut rounds = Rounds::every(PERIOD, &app);
    while rounds.next().await {
        if loaded.is_some() {
            continue;
        }
        match Loaded::note(&app.config) {
            Ok(noted) => loaded = noted,
            Err(error) => {
                tracing::warn!(%error, "the commands are not told which configuration this host has loaded");
            }
        }
    }
}
