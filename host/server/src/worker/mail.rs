//! Sends the mail that waits in the store. Each is sent at least once, whichever host dies when; a slow server
//! delays nobody but the mail.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use hardpoint_domain::id;
use hardpoint_store::mails::{self, Claimed};
use hardpoint_store::{Lane, StoreError};
use tokio::time::{sleep, timeout};

use crate::service::mail::transport::{NotSent, Transport};
use crate::state::{App, stopped};

/// How often the store is asked for what other processes queued, and for what is due again.
const PERIOD: Duration = Duration::from_secs(1);
/// The same after the store failed.
const AFTER_TROUBLE: Duration = Duration::from_secs(5);
/// Mails that are sent at once.
const BATCH: u32 = 10;
/// How long sending one may take, with all steps of the conversation.
const LIMIT: Duration = Duration::from_secs(30);
/// How long a claim holds: longer than sending takes, so that no two hosts send the same mail.
const LEASE: Duration = Duration::from_secs(45);
/// How long a mail that is being sent may still take when the server stops.
const LAST: Duration = Duration::from_secs(5);
/// The first wait after a failure, doubled each time, and the longest.
const FIRST_WAIT: Duration = Duration::from_secs(2);
const LONGEST_WAIT: Duration = Duration::from_secs(300);

/// Sends mail until the server stops. What it was sending then is sent again by the next that claims it.
pub async fn run(app: Arc<App>) {
    let mut stopping = app.stop.subscribe();
    while !app.stop.is_stopping() {
        let mut sending = Box::pin(send_due(&app));
        let wait = tokio::select! {
            sent = &mut sending => match sent {
                Ok(()) => PERIOD,
                Err(error) => {
                    tracing::warn!(%error, "mail waits for the store");
                    AFTER_TROUBLE
                }
            },
            () = stopped(&mut stopping) => return drop(timeout(LAST, sending).await),
        };
        tokio::select! {
            () = app.post.rung() => {}
            () = sleep(wait) => {}
            () = stopped(&mut stopping) => return,
        }
    }
}

/// Sends everything that is due and can be opened here.
async fn send_due(app: &App) -> Result<(), StoreError> {
    if !app.drift.is_right() {
        return Ok(());
    }
    for key_id in app.post.key_ids() {
        while mails::is_due(&mut app.store.read().await?, &key_id, app.clock.now()).await? {
            let claim_id = id::prefixed("claim", app.clock.now(), &*app.rng);
            let (claim, key, clock) = (claim_id.clone(), key_id.clone(), app.clock.clone());
            let claimed = app.store.write(Lane::Bulk, move |tx| {
                // By the time then: this may have waited for longer than a claim lasts beyond what sending takes.
                Box::pin(async move { mails::claim(tx, &claim, &key, BATCH, clock.now(), LEASE).await })
            });
            let claimed = claimed.await?;
            let all = join_all(claimed.into_iter().map(|mail| send_one(app, &claim_id, mail))).await;
            all.into_iter().collect::<Result<(), _>>()?;
        }
    }
    Ok(())
}

async fn send_one(app: &App, claim_id: &str, mail: Claimed) -> Result<(), StoreError> {
    if !mail.is_addressed {
        return complete(app, mail.id, claim_id).await;
    }
    let sent = match timeout(LIMIT, open_and_send(app, &mail)).await {
        Ok(sent) => sent,
        Err(_elapsed) => Err(NotSent { reason: "it took too long".to_owned(), is_final: false }),
    };
    match sent {
        Ok(()) => tracing::info!(mail = mail.id, attempt = mail.attempt, "mail sent"),
        Err(NotSent { reason, is_final: true }) => {
            tracing::error!(mail = mail.id, reason, "mail given up");
        }
        Err(NotSent { reason, is_final: false }) => {
            tracing::warn!(mail = mail.id, attempt = mail.attempt, reason, "mail not sent yet");
            let due = app.clock.now().plus(wait_after(mail.attempt));
            let (id, claim) = (mail.id, claim_id.to_owned());
            let release = app.store.write(Lane::Bulk, move |tx| {
                Box::pin(async move { mails::release(tx, &id, &claim, due).await })
            });
            return release.await.map(drop);
        }
    }
    complete(app, mail.id, claim_id).await
}

async fn complete(app: &App, id: String, claim_id: &str) -> Result<(), StoreError> {
    let claim = claim_id.to_owned();
    let write = app
        .store
        .write(Lane::Bulk, move |tx| Box::pin(async move { mails::complete(tx, &id, &claim).await }));
    write.await.map(drop)
}

async fn open_and_send(app: &App, mail: &Claimed) -> Result<(), NotSent> {
    let letter =
        app.post.unseal(mail).map_err(|error| NotSent { reason: format!("{error:#}"), is_final: true })?;
    let transport = Transport::new(&app.effective())
        .map_err(|error| NotSent { reason: format!("{error:#}"), is_final: false })?;
    transport.send(&mail.id, &letter).await
}

fn wait_after(attempt: i64) -> Duration {
    let doubled = u32::try_from(attempt - 1).unwrap_or(0).min(16);
    (FIRST_WAIT * 2_u32.pow(doubled)).min(LONGEST_WAIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_end() {
        let waits: Vec<u64> = [1, 2, 3, 8, 9, 1_000].map(|attempt| wait_after(attempt).as_secs()).into();
        assert_eq!(waits, [2, 4, 8, 256, 300, 300]);
    }
}
