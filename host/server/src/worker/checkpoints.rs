//! Signs what the audit log's chain is, now and then: what was signed cannot be changed unseen by who lacks the key, or
//! has the database and not what this host keeps of it.

use std::sync::Arc;
use std::time::Duration;

use hardpoint_store::chain;

use super::Rounds;
use crate::service::audit::signing::{self, Broken};
use crate::state::App;

/// How often it is looked whether a checkpoint is due.
const PERIOD: Duration = Duration::from_secs(10);
/// Events after which one is due …
const EVENTS: i64 = 1_000;
/// … and the time after which it is where there is any new event.
const AGE: Duration = Duration::from_secs(300);

/// Signs what is due until the server stops, and once more then.
pub async fn run(app: Arc<App>) {
    let mut rounds = Rounds::every(PERIOD, &app);
    while rounds.next().await {
        match sign_due(&app).await {
            Ok(()) => app.metrics.audit_log_is_broken(false),
            Err(error) if error.is::<Broken>() => {
                app.metrics.audit_log_is_broken(true);
                tracing::error!(%error, "the audit log was changed");
            }
            Err(error) => {
                tracing::warn!(
                    error = format!("{error:#}"),
                    "the audit log was not signed; it is tried again"
                );
            }
        }
    }
}

/// Once. What is due is told by what this host keeps of it: where others sign too, for themselves or by the command, the
/// host's own must not fall behind.
pub async fn sign_due(app: &App) -> anyhow::Result<()> {
    let now = app.clock.now();
    let last = signing::last(&app.config.server.data)?;
    let head = chain::head(&mut app.store.read().await?).await?;
    let is_due = match last {
        // What was signed is gone: that is told, and nothing signed.
        Some(last) if last.seq > head.seq => true,
        Some(last) => {
            let news = head.seq - last.seq;
            // By a clock that was ahead it was signed only later.
            news >= EVENTS || (news > 0 && (now.since(last.time) >= AGE || last.time > now))
        }
        None => head.seq > 0,
    };
    if is_due {
        signing::go_on(app, now).await?;
    }
    Ok(())
}
