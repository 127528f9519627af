//! When keys were last used: noted in memory, and written down together every few seconds.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hardpoint_domain::time::Timestamp;
use hardpoint_store::{Lane, StoreError, keys};

use super::Rounds;
use crate::state::App;

/// How often they are written down.
const PERIOD: Duration = Duration::from_secs(5);

/// Keys in one write, so that none holds up the others for long.
const BATCH: usize = 100;

/// Uses that are not written down yet. There are no more of them than keys that were used since.
#[derive(Debug, Default)]
pub struct LastUsed(Mutex<HashMap<String, Timestamp>>);

impl LastUsed {
    /// Notes that a key was used.
    pub fn note(&self, key_id: &str, now: Timestamp) {
        let mut noted = self.noted();
        match noted.get_mut(key_id) {
            Some(last) => *last = now.max(*last),
            None => drop(noted.insert(key_id.to_owned(), now)),
        }
    }

    /// The last use of a key that is not written down yet.
    pub fn of(&self, key_id: &str) -> Option<Timestamp> {
        self.noted().get(key_id).copied()
    }

    /// All that is noted, in an order that is the same on all hosts: two that write the same keys at once
    /// must not wait for each other.
    fn all(&self) -> Vec<(String, Timestamp)> {
        let mut all: Vec<_> = self.noted().iter().map(|(id, at)| (id.clone(), *at)).collect();
        all.sort_unstable();
        all
    }

    /// Forgets what was written down, unless the key was used again since.
    fn written(&self, batch: &[(String, Timestamp)]) {
        let mut noted = self.noted();
        for (id, at) in batch {
            if noted.get(id) == Some(at) {
                noted.remove(id);
            }
        }
    }

    fn noted(&self) -> MutexGuard<'_, HashMap<String, Timestamp>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes uses down every few seconds, and once more at the end.
pub async fn run(app: Arc<App>) {
    let mut rounds = Rounds::every(PERIOD, &app);
    while rounds.next().await {
        if let Err(error) = write(&app).await {
            tracing::warn!(%error, "when keys were last used was not written down");
        }
    }
}

async fn write(app: &App) -> Result<(), StoreError> {
    for batch in app.last_used.all().chunks(BATCH) {
        let batch: Arc<[(String, Timestamp)]> = batch.into();
        let touched = Arc::clone(&batch);
        let write = app.store.write(Lane::Bulk, move |tx| {
            Box::pin(async move {
                for (id, at) in touched.iter() {
                    keys::touch(tx, id, *at).await?;
                }
                Ok(())
            })
        });
        write.await?;
        app.last_used.written(&batch);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_used_again_is_not_forgotten() {
        let at = Timestamp::from_micros;
        let used = LastUsed::default();
        for (id, micros) in [("key_b", 5), ("key_a", 3), ("key_b", 4)] {
            used.note(id, at(micros));
        }
        let all = used.all();
        assert_eq!(all, [("key_a".to_owned(), at(3)), ("key_b".to_owned(), at(5))]);
        used.note("key_b", at(6));
        used.written(&all);
        assert_eq!((used.of("key_a"), used.of("key_b")), (None, Some(at(6))));
    }
}
