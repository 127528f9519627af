//! Forgets what nobody needs any more of knowledge bases: changes that all have followed, hosts that are gone, turns, and
//! questions. And looks for vectors that wait to be searched.

use std::sync::Arc;
use std::time::Duration;

use hardpoint_store::knowledge::{changes, generations, ingestions, questions};
use hardpoint_store::{Lane, StoreError};

use super::super::{Rounds, drift};
use super::embed;
use crate::state::App;

/// How often.
const PERIOD: Duration = Duration::from_secs(60);
/// Who comes back later makes its search data anew.
const CHANGES: Duration = Duration::from_secs(7 * 86_400);
const TURNS: Duration = Duration::from_secs(86_400);
/// As long as the dashboard looks back.
const QUESTIONS: Duration = Duration::from_secs(400 * 86_400);
/// Rows of one write.
const BATCH: u32 = 500;

/// Forgets every minute, and once more when the server stops.
pub async fn run(app: Arc<App>) {
    let mut rounds = Rounds::every(PERIOD, &app);
    while rounds.next().await {
        if let Err(error) = forget(&app).await {
            tracing::warn!(%error, "what knowledge bases do not need any more was not forgotten");
        }
        if let Err(error) = switch(&app).await {
            tracing::warn!(%error, "new vectors wait to be searched");
        }
    }
}

/// Searches by new vectors where these are complete: who made the last of them may have gone down before it said so, or
/// the last document that lacked them was deleted.
async fn switch(app: &App) -> Result<(), StoreError> {
    let mut after = String::new();
    loop {
        let ready = generations::ready(&mut app.store.read().await?, &after, BATCH).await?;
        for id in &ready {
            embed::switch(app, id).await?;
        }
        // Those that most vectors were given up for stay, however often they are looked at.
        let Some(last) = ready.into_iter().last() else { return Ok(()) };
        after = last;
    }
}

async fn forget(app: &App) -> Result<(), StoreError> {
    let Some(now) = drift::may_end(app).await? else { return Ok(()) };
    let write = app.store.write(Lane::Bulk, move |tx| {
        Box::pin(async move {
            changes::forget(tx, now.minus(CHANGES), BATCH).await?;
            changes::unfollow(tx, now.minus(CHANGES)).await?;
            ingestions::forget_turns(tx, now.minus(TURNS)).await?;
            questions::forget(tx, now.minus(QUESTIONS), i64::from(BATCH)).await
        })
    });
    write.await.map(drop)
}
