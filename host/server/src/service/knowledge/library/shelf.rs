//! One knowledge base's search data, and the changes that are still to be applied to it or to be kept.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hardpoint_index::IndexError;
use hardpoint_index::place::Place;
use hardpoint_store::Store;
use hardpoint_store::knowledge::changes::{Change, Kind};
use uuid::Uuid;

use super::opened::Opened;
use super::reader::Reader;
use super::{LibraryError, blocking};

/// Changes that become visible together: a commit of the full text costs as much for one as for many.
const TOGETHER: usize = 256;

/// A knowledge base's.
pub(super) struct Shelf {
    id: String,
    uuid: Uuid,
    changes: Mutex<Changes>,
    /// What is searched. Who only searches looks here, and waits for nobody where nothing waits.
    opened: Mutex<Option<Arc<Opened>>>,
    /// Held by whoever opens, applies or keeps.
    work: tokio::sync::Mutex<()>,
}

/// Those that are not on the disk, in order. Each leaves when it is: what is only in memory may be lost with it.
#[derive(Default)]
struct Changes {
    all: VecDeque<Change>,
    /// How many of them were applied.
    applied: usize,
}

impl Shelf {
    pub(super) fn new(id: &str, uuid: Uuid) -> Self {
        Self {
            id: id.to_owned(),
            uuid,
            changes: Mutex::default(),
            opened: Mutex::default(),
            work: tokio::sync::Mutex::default(),
        }
    }

    /// Hands over the next change.
    pub(super) fn hand(&self, change: Change) {
        self.changes().all.push_back(change);
    }

    /// Whether changes wait to be applied.
    pub(super) fn is_behind(&self) -> bool {
        let changes = self.changes();
        changes.all.len() > changes.applied
    }

    /// Applies what waits, and answers what can be searched. What is not open is opened; what is damaged is made anew. It
    /// goes on to its end, whoever stops waiting for it.
    pub(super) async fn settle(
        self: &Arc<Self>,
        place: &Arc<Place>,
        store: &Store,
    ) -> Result<Arc<Opened>, LibraryError> {
        if let Some(opened) = self.opened().clone().filter(|_| !self.is_behind()) {
            return Ok(opened);
        }
        let (shelf, place, store) = (Arc::clone(self), Arc::clone(place), store.clone());
        let settled = tokio::spawn(async move {
            let _work = shelf.work.lock().await;
            shelf.apply_all(&place, &store).await
        });
        settled.await.map_err(|error| IndexError::Unavailable(error.to_string()))?
    }

    async fn apply_all(&self, place: &Arc<Place>, store: &Store) -> Result<Arc<Opened>, LibraryError> {
        loop {
            let batch = self.next_batch();
            if batch.iter().any(|change| change.kind == Kind::BaseRemoved) {
                self.forget(place).await?;
                return Err(LibraryError::Gone);
            }
            let there = self.opened().clone();
            let opened = match there {
                Some(opened) => opened,
                None => self.open(place, store).await?,
            };
            if batch.is_empty() {
                return Ok(opened);
            }
            let (count, reader) = (batch.len(), Reader::new(store, &self.id));
            let (into, at) = (Arc::clone(&opened), Arc::clone(place));
            if let Err(error) = blocking(move || into.apply(&at, &reader, &batch)).await {
                // Opened again it is looked at whether its files are what they should be, and all that is not in them
                // is applied once more.
                *self.opened() = None;
                self.changes().applied = 0;
                return Err(error);
            }
            self.changes().applied += count;
        }
    }

    /// Writes down what is only in memory; answers up to which change all that was handed out is on the disk.
    pub(super) async fn keep(self: &Arc<Self>, place: &Arc<Place>, store: &Store, handed_out: i64) -> i64 {
        if let Err(error) = self.try_keep(place, store).await {
            tracing::warn!(%error, knowledge_base = self.id, "search data is not on the disk yet");
        }
        let first = self.changes().all.front().map(|change| change.seq - 1);
        first.map_or(handed_out, |before| before.min(handed_out))
    }

    async fn try_keep(self: &Arc<Self>, place: &Arc<Place>, store: &Store) -> Result<(), LibraryError> {
        if self.is_behind() {
            match self.settle(place, store).await {
                Ok(_) | Err(LibraryError::Gone) => {}
                Err(error) => return Err(error),
            }
        }
        let _work = self.work.lock().await;
        let there = self.opened().clone();
        let Some(opened) = there else { return Ok(()) };
        let applied = self.changes().applied;
        let (place, uuid) = (Arc::clone(place), self.uuid);
        blocking(move || opened.keep(&place, uuid)).await?;
        let mut changes = self.changes();
        changes.all.drain(..applied);
        changes.applied -= applied;
        Ok(())
    }

    /// Closes what is open, and forgets what waits: all of it is about to be thrown away.
    pub(super) async fn close(&self) {
        let _work = self.work.lock().await;
        *self.opened() = None;
        *self.changes() = Changes::default();
    }

    fn next_batch(&self) -> Vec<Change> {
        let changes = self.changes();
        changes.all.iter().skip(changes.applied).take(TOGETHER).cloned().collect()
    }

    async fn open(&self, place: &Arc<Place>, store: &Store) -> Result<Arc<Opened>, LibraryError> {
        let (place, uuid, reader) = (Arc::clone(place), self.uuid, Reader::new(store, &self.id));
        let opened = blocking(move || Opened::open(&place, uuid, &reader)).await?;
        let opened = Arc::new(opened.ok_or(LibraryError::Gone)?);
        *self.opened() = Some(Arc::clone(&opened));
        Ok(opened)
    }

    async fn forget(&self, place: &Arc<Place>) -> Result<(), LibraryError> {
        *self.opened() = None;
        let (place, uuid) = (Arc::clone(place), self.uuid);
        blocking(move || place.forget(uuid)).await?;
        *self.changes() = Changes::default();
        Ok(())
    }

    fn changes(&self) -> MutexGuard<'_, Changes> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn opened(&self) -> MutexGuard<'_, Option<Arc<Opened>>> {
        self.opened.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
