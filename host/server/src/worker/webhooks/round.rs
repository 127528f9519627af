//! A round as a lane has it written, by which clock.

use hardpoint_domain::webhook::answer::Outcome;
use hardpoint_store::outbox::Delivery;
use hardpoint_store::{Lane, StoreError};

use super::super::drift;
use crate::service::webhooks::round::{Next, Round};
use crate::service::webhooks::send::Tried;
use crate::state::App;

/// What a round writes down: attempts, and claims that were not used; and how many more it may claim.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// What became of what was claimed in rounds before.
    pub tried: Vec<Tried>,
    /// What was claimed in rounds before and is not to be tried now.
    pub unsent: Vec<Delivery>,
    /// So many may be claimed.
    pub room: usize,
}

/// Writes a round in one transaction.
///
/// # Errors
/// The store's; then nothing was done.
pub async fn write(app: &App, endpoint_id: String, batch: Batch) -> Result<Next, StoreError> {
    let Batch { mut tried, unsent, mut room } = batch;
    let mut judged = None;
    if tried.iter().any(|tried| tried.outcome != Outcome::Delivered) {
        judged = drift::may_end(app).await?;
        room = judged.map_or(0, |_| room);
        // The database is too slow to tell the time now. What failed is tried again when its claim ends, rather than at once
        // and for as long as that lasts.
        if judged.is_none() && app.drift.is_right() {
            tried.retain(|tried| tried.outcome == Outcome::Delivered || tried.is_lost);
        }
    }
    let (clock, rng, post) = (app.clock.clone(), app.rng.clone(), app.post.clone());
    let write = app.store.write(Lane::Bulk, move |tx| {
        Box::pin(async move {
            // Not before: where many write, this may have waited for longer than what is claimed may wait.
            let now = clock.now();
            Round { endpoint_id, tried, unsent, room, judged, now, rng, post }.run(tx).await
        })
    });
    write.await
}
