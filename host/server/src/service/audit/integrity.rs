//! Whether the audit log is what it was, for who asks; and what no answer to that shows.

use std::sync::Arc;
use std::time::Duration;

use hardpoint_domain::chain::verify::Report;
use hardpoint_domain::time::Timestamp;
use hardpoint_store::StoreError;
use hardpoint_store::integrity::{Integrity, verify};
use tokio::sync::Mutex;

use super::signing;
use crate::state::App;

/// How long an answer is good for others who ask, at least; and how many times as long as it took to find it. Anybody's
/// administrators may ask, and each time all of the platform's log is read.
const GOOD_FOR: Duration = Duration::from_secs(3_600);
const TIMES: u32 = 10;

/// What all this does not show, in sentences.
pub fn not_covered(checked: &Integrity) -> Vec<String> {
    let Report { last_kept, unknown_checkpoints, purged, .. } = &checked.report;
    let mut told = vec![
        match last_kept {
            Some(seq) => format!(
                "What came after number {seq}, the last checkpoint that was kept outside the database: its end may \
                 have been cut off, or all of it been linked anew."
            ),
            None => "Without a checkpoint that was kept outside the database: whether the log's end was cut off \
                     together with its checkpoints, or all of it been linked anew."
                .to_owned(),
        },
        "Whether what was written was true when it was written, and whether all was written that happened. Who can \
         write to the database can add events that have no number yet, and they are linked as if they had happened: \
         one that tells of a purge accounts for bodies that were erased."
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

/// What was found, and when.
type Found = (Arc<Integrity>, Timestamp);

/// What was found, and until when that is good.
type Kept = (Found, Timestamp);

/// The latest check of this host. Reading the whole log is work: one check at a time, for all who wait for it. It goes
/// on to its end though who asked for it leaves.
#[derive(Default)]
pub struct Checks(Arc<Mutex<Option<Kept>>>);

impl Checks {
    /// What was found, and when.
    ///
    /// # Errors
    /// The store's.
    pub async fn of(&self, app: &App) -> Result<Found, StoreError> {
        let (latest, clock, store) = (Arc::clone(&self.0), Arc::clone(&app.clock), app.store.clone());
        let (known, data) = (app.audit_keys.known(), app.config.server.data.clone());
        let begun = clock.now();
        let check = tokio::spawn(async move {
            let mut latest = latest.lock_owned().await;
            if let Some((found, _)) = latest.as_ref().filter(|(_, until)| begun < *until) {
                return Ok(found.clone());
            }
            let kept = signing::last(&data).map_err(|error| StoreError::Corrupt(format!("{error:#}")))?;
            let found = Arc::new(verify(&store, known, kept.into_iter().collect(), |_, _| ()).await?);
            // As it ended: those who waited for it all the while need no other one.
            let ended = clock.now();
            let until = ended.plus(ended.since(begun).saturating_mul(TIMES).max(GOOD_FOR));
            Ok(latest.insert(((found, ended), until)).0.clone())
        });
        check.await.unwrap_or_else(|error| Err(StoreError::Corrupt(format!("the check broke off: {error}"))))
    }
}
