//! What waits to be delivered, read every few seconds for `/metrics`: whoever asks there costs the store nothing.

use std::sync::Arc;
use std::time::Duration;

use hardpoint_store::StoreError;
use hardpoint_store::backlog::{Backlog, backlog};

use super::Rounds;
use crate::state::App;

const PERIOD: Duration = Duration::from_secs(15);

/// Reads until the server stops.
pub async fn run(app: Arc<App>) {
    let mut rounds = Rounds::every(PERIOD, &app);
    while rounds.next().await {
        read(&app).await;
    }
}

/// Reads what waits now; where the store is away, nothing is shown.
pub async fn read(app: &App) {
    let now = app.clock.now();
    let found = async { backlog(&mut app.store.read().await?, now).await };
    let found: Result<Backlog, StoreError> = found.await;
    if let Err(error) = &found {
        tracing::warn!(%error, "what waits to be delivered is not known");
    }
    app.metrics.deliveries.show(found.ok(), now);
}
