//! Keeps this host's search data up to date, and tells the others how far it is on the disk.

use std::sync::Arc;
use std::time::Duration;

use hardpoint_domain::time::Timestamp;
use hardpoint_store::Lane;
use hardpoint_store::knowledge::changes;
use tokio::time::sleep;

use crate::service::knowledge::library::LibraryError;
use crate::state::{App, stopped};

/// How often the store is asked for what other hosts changed.
const PERIOD: Duration = Duration::from_millis(500);
/// The same after something failed.
const AFTER_TROUBLE: Duration = Duration::from_secs(5);
/// What was changed is on the disk after so long without another change …
const QUIET: Duration = Duration::from_secs(2);
/// … and after so long at the latest; and so often the others are told that this host is there.
const LATEST: Duration = Duration::from_secs(60);

/// Follows until the server stops; what was applied by then is on the disk.
pub async fn run(app: Arc<App>, host: String) {
    let (mut bell, mut stopping) = (app.knowledge.subscribe(), app.stop.subscribe());
    let mut kept = Kept { seq: -1, at: app.clock.now(), changed_at: app.clock.now(), seen: -1 };
    while !app.stop.is_stopping() {
        bell.borrow_and_update();
        let wait = match turn(&app, &host, &mut kept).await {
            Ok(()) => PERIOD,
            Err(error) => {
                tracing::warn!(%error, "search data is not brought up to date");
                AFTER_TROUBLE
            }
        };
        tokio::select! {
            _ = bell.changed() => {}
            () = sleep(wait) => {}
            () = stopped(&mut stopping) => {}
        }
    }
    if let Err(error) = keep(&app, &host).await {
        tracing::warn!(%error, "search data was not written; the next start reads it from the store");
    }
}

/// What is on the disk.
struct Kept {
    /// The last change there.
    seq: i64,
    /// When it was written.
    at: Timestamp,
    /// The last change that was seen …
    seen: i64,
    /// … and when.
    changed_at: Timestamp,
}

async fn turn(app: &App, host: &str, kept: &mut Kept) -> Result<(), LibraryError> {
    // One that cannot be brought up to date holds no other up, and says nothing of whether this host is there.
    let followed = app.knowledge.library.follow().await;
    let (now, seen) = (app.clock.now(), app.knowledge.library.handed_out().await);
    if seen != kept.seen {
        (kept.seen, kept.changed_at) = (seen, now);
    }
    let is_quiet = kept.seq != seen && now >= kept.changed_at.plus(QUIET);
    if is_quiet || now >= kept.at.plus(LATEST) {
        kept.seq = keep(app, host).await?;
        kept.at = now;
    }
    followed
}

async fn keep(app: &App, host: &str) -> Result<i64, LibraryError> {
    let seq = app.knowledge.library.keep().await?;
    let (host, now) = (host.to_owned(), app.clock.now());
    let write = app
        .store
        .write(Lane::Bulk, move |tx| Box::pin(async move { changes::follow(tx, &host, seq, now).await }));
    write.await?;
    Ok(seq)
}
