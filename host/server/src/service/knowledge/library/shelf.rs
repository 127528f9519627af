//! One knowledge base's search data, and the changes that are still to be applied to it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

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
    /// In order; each leaves when it was applied.
    waiting: Mutex<VecDeque<Change>>,
    /// Held by whoever applies changes; searches only look up what is open.
    opened: tokio::sync::Mutex<Option<Arc<Opened>>>,
}

impl Shelf {
    pub(super) fn new(id: &str, uuid: Uuid) -> Self {
        Self { id: id.to_owned(), uuid, waiting: Mutex::default(), opened: tokio::sync::Mutex::default() }
    }

    /// Hands over the next change.
    pub(super) fn hand(&self, change: Change) {
        self.waiting().push_back(change);
    }

    /// Whether changes wait to be applied.
    pub(super) fn is_behind(&self) -> bool {
        !self.waiting().is_empty()
    }

    /// Applies what waits, and answers what can be searched. What is not open is opened; what is damaged is made anew.
    pub(super) async fn settle(
        &self,
        place: &Arc<Place>,
        store: &Store,
    ) -> Result<Arc<Opened>, LibraryError> {
        let mut held = self.opened.lock().await;
        loop {
            let batch: Vec<Change> = self.waiting().iter().take(TOGETHER).cloned().collect();
            if batch.iter().any(|change| change.kind == Kind::BaseRemoved) {
                self.forget(&mut held, place).await?;
                return Err(LibraryError::Gone);
            }
            let opened = match &*held {
                Some(opened) => Arc::clone(opened),
                None => {
                    let opened = self.open(place, store).await?;
                    Arc::clone(held.insert(opened))
                }
            };
            if batch.is_empty() {
                return Ok(opened);
            }
            let count = batch.len();
            if let Err(error) = apply(&opened, place, self.reader(store), batch).await {
                // Opened again it is looked at whether its files are what they should be.
                *held = None;
                return Err(error);
            }
            self.waiting().drain(..count);
        }
    }

    /// Writes down what is only in memory; answers up to which change all that was handed out is on the disk.
    pub(super) async fn keep(
        &self,
        place: &Arc<Place>,
        store: &Store,
        handed_out: i64,
    ) -> Result<i64, LibraryError> {
        if self.is_behind() {
            match self.settle(place, store).await {
                Ok(_) | Err(LibraryError::Gone) => {}
                Err(error) => tracing::warn!(%error, knowledge_base = self.id, "search data is behind"),
            }
        }
        let held = self.opened.lock().await;
        if let Some(opened) = &*held {
            let (opened, place, uuid) = (Arc::clone(opened), Arc::clone(place), self.uuid);
            blocking(move || opened.keep(&place, uuid)).await?;
        }
        let first_waiting = self.waiting().front().map(|change| change.seq - 1);
        Ok(first_waiting.map_or(handed_out, |before| before.min(handed_out)))
    }

    /// Closes what is open, and forgets what waits: all of it is about to be thrown away.
    pub(super) async fn close(&self) {
        let mut held = self.opened.lock().await;
        *held = None;
        self.waiting().clear();
    }

    async fn open(&self, place: &Arc<Place>, store: &Store) -> Result<Arc<Opened>, LibraryError> {
        let (place, uuid, reader) = (Arc::clone(place), self.uuid, self.reader(store));
        blocking(move || Opened::open(&place, uuid, &reader)).await?.map(Arc::new).ok_or(LibraryError::Gone)
    }

    async fn forget(&self, held: &mut Option<Arc<Opened>>, place: &Arc<Place>) -> Result<(), LibraryError> {
        *held = None;
        let (place, uuid) = (Arc::clone(place), self.uuid);
        blocking(move || place.forget(uuid)).await?;
        self.waiting().clear();
        Ok(())
    }

    fn reader(&self, store: &Store) -> Reader {
        Reader::new(store, &self.id)
    }

    fn waiting(&self) -> MutexGuard<'_, VecDeque<Change>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn apply(
    opened: &Arc<Opened>,
    place: &Arc<Place>,
    reader: Reader,
    batch: Vec<Change>,
) -> Result<(), LibraryError> {
    let (opened, place) = (Arc::clone(opened), Arc::clone(place));
    blocking(move || opened.apply(&place, &reader, &batch)).await
}
