//! Whether the audit log is what it was, for who asks; and what no answer to that shows.

use std::sync::Arc;
use std::time::Duration;

use hardpoint_domain::chain::verify::Report;
use hardpoint_domain::time::Timestamp;
use hardpoint_store::StoreError;
use hardpoint_store::integrity::{Integrity, verify};
use tokio::sync::Mutex;

use crate::state::App;

/// How long an answer is good for others who ask.
const GOOD_FOR: Duration = Duration::from_secs(60);

/// What all this does not show, in sentences.
pub fn not_covered(checked: &Integrity) -> Vec<String> {
    let Report { last_kept, unknown_checkpoints, purged, .. } = &checked.report;
    let mut told = vec![
        match last_kept {
            Some(seq) => format!(
                "What came after number {seq}, the last checkpoint that was kept elsewhere: its end may have been \
                 cut off, or all of it been linked anew by who has the host's key."
            ),
            None => "Without a checkpoint that was kept elsewhere: whether the log's end was cut off together with \
                     its checkpoints, or all of it been linked and signed anew by who has the host's key."
                .to_owned(),
        },
        "Whether what was written was true when it was written, and whether all was written that happened."
            .to_owned(),
    ];
    if checked.unnumbered > 0 {
        told.push(format!("{} events that have no number yet.", checked.unnumbered));
    }
    if *purged > 0 {
        told.push(format!("What stood in the {purged} bodies that were purged; their hashes are covered."));
    }
    if *unknown_checkpoints > 0 {
        told.push(format!(
            "{unknown_checkpoints} checkpoints that were signed with keys that are not known here; they prove \
             nothing."
        ));
    }
    told
}

/// The latest check of this host. Reading the whole log is work: one check at a time, for all who wait for it.
#[derive(Default)]
pub struct Checks(Mutex<Option<(Arc<Integrity>, Timestamp)>>);

impl Checks {
    /// What was found, and when.
    ///
    /// # Errors
    /// The store's.
    pub async fn of(&self, app: &App) -> Result<(Arc<Integrity>, Timestamp), StoreError> {
        let mut latest = self.0.lock().await;
        let now = app.clock.now();
        if let Some((found, at)) = &*latest
            && now.since(*at) < GOOD_FOR
        {
            return Ok((Arc::clone(found), *at));
        }
        let found = Arc::new(verify(&app.store, app.audit_keys.known(), Vec::new(), |_, _| ()).await?);
        *latest = Some((Arc::clone(&found), now));
        Ok((found, now))
    }
}
