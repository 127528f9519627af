//! Looks after places for requests at once, where hosts share a database: renews this host's, gives back what it does
//! not need, and takes back those of hosts that are gone.

use std::sync::Arc;
use std::time::Duration;

use hardpoint_store::Engine;

use super::Rounds;
use crate::service::limits;
use crate::state::App;

/// What was not needed for so long goes back. A client that is refused is told to wait twice as long.
const PERIOD: Duration = Duration::from_millis(500);

/// Looks after places until the server stops.
pub async fn run(app: Arc<App>) {
    if app.store.engine() == Engine::Sqlite {
        return;
    }
    let mut rounds = Rounds::every(PERIOD, &app);
    loop {
        let looked = tokio::select! {
            goes_on = rounds.next() => {
                if !goes_on {
                    return;
                }
                limits::look(&app).await
            }
            () = app.limits.rung() => limits::give_back(&app, false).await,
        };
        if let Err(error) = looked {
            tracing::warn!(%error, "places for requests at once were not looked after; it is tried again");
        }
    }
}
