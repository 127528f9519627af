//! Claims: jobs that a host holds for the time of a lease, and prolongs while it is at them.

use std::time::Duration;

use hardpoint_domain::time::Timestamp;
use hardpoint_store::StoreError;
use tokio::time::{sleep, timeout};

use crate::state::App;

/// Prolongs a claim by `renew`, which says whether it still counts; returns when it counts no more, or for all that is
/// known here may count no more.
pub async fn lost<R>(app: &App, lease: Duration, renew: impl Fn(Timestamp) -> R)
where
    R: Future<Output = Result<bool, StoreError>>,
{
    let mut until = app.clock.now().plus(lease);
    loop {
        sleep(lease / 3).await;
        let now = app.clock.now();
        // What hangs tells no more than what fails.
        match timeout(until.since(now), renew(now)).await {
            Ok(Ok(true)) => until = now.plus(lease),
            Ok(Ok(false)) => return,
            _ if app.clock.now() >= until => return,
            _ => {}
        }
    }
}
