//! This host's search data: a shelf for each knowledge base, made from the store and following its changes.
//!
//! Whoever searches hands out first what was changed since ([`Library::shelf`]), so what was answered before is found,
//! on whichever host. What each shelf has on the disk is told to the others ([`Library::keep`]): what was removed
//! before that is in no file here.

mod error;
mod opened;
mod reached;
mod reader;
mod shelf;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hardpoint_index::IndexError;
use hardpoint_index::place::Place;
use hardpoint_store::knowledge::bases;
use hardpoint_store::knowledge::changes::{self, Change, Head};
use hardpoint_store::{Store, StoreError};
use uuid::Uuid;

pub use error::LibraryError;
pub use opened::{Held, Opened};
use reached::Reached;
use shelf::Shelf;

/// Changes that are read at once.
const READ: u32 = 512;

/// The search data of all knowledge bases, as far as it was needed.
pub struct Library {
    store: Store,
    place: Arc<Place>,
    folder: PathBuf,
    /// Up to where changes were handed out to the shelves, in order.
    handed_out: tokio::sync::Mutex<i64>,
    shelves: Mutex<HashMap<String, Arc<Shelf>>>,
}

impl Library {
    /// Opens the folder, and throws away what cannot be brought up to date or is of no knowledge base any more.
    ///
    /// # Errors
    /// If the folder or the store cannot be used.
    pub async fn open(store: &Store, folder: &Path) -> Result<Self, LibraryError> {
        let (path, at) = (folder.to_owned(), folder.to_owned());
        let place = blocking(move || Place::open(&path)).await?;
        let head = changes::head(&mut store.read().await?).await?;
        let reached = blocking(move || Ok(reached::read(&at))).await?;
        let library = Self {
            store: store.clone(),
            place: Arc::new(place),
            folder: folder.to_owned(),
            handed_out: tokio::sync::Mutex::new(head.seq),
            shelves: Mutex::default(),
        };
        match reached {
            Some(reached) if follows(store, reached, head).await? => {
                *library.handed_out.lock().await = reached.seq;
                library.forget_strangers().await?;
            }
            _ => library.forget_all().await?,
        }
        Ok(library)
    }

    /// What can be searched of a knowledge base: all that was published, embedded or removed before this was called.
    ///
    /// # Errors
    /// [`LibraryError::Gone`] where there is no such knowledge base; if the store or the folder cannot be used.
    pub async fn shelf(&self, knowledge_base_id: &str) -> Result<Arc<Opened>, LibraryError> {
        self.hand_out().await?;
        self.shelf_of(knowledge_base_id)?.settle(&self.place, &self.store).await
    }

    /// Brings every shelf up to date.
    ///
    /// # Errors
    /// The first; the other shelves were brought up to date all the same.
    pub async fn follow(&self) -> Result<(), LibraryError> {
        self.hand_out().await?;
        let mut first = Ok(());
        for shelf in self.all().into_iter().filter(|shelf| shelf.is_behind()) {
            match shelf.settle(&self.place, &self.store).await {
                Ok(_) | Err(LibraryError::Gone) => {}
                Err(error) => first = first.and(Err(error)),
            }
        }
        first
    }

    /// Up to which change the shelves were told what was changed.
    pub async fn handed_out(&self) -> i64 {
        *self.handed_out.lock().await
    }

    /// Writes down what is only in memory, takes out of the files what was removed, and answers up to which change all
    /// of it goes.
    ///
    /// # Errors
    /// If it cannot be written.
    pub async fn keep(&self) -> Result<i64, LibraryError> {
        let handed_out = *self.handed_out.lock().await;
        let mut kept = handed_out;
        for shelf in self.all() {
            kept = kept.min(shelf.keep(&self.place, &self.store, handed_out).await);
        }
        let last = changes::after(&mut self.store.read().await?, kept - 1, 1).await?;
        let time = last.first().filter(|change| change.seq == kept).map(|change| change.time);
        let (reached, folder) = (Reached { seq: kept, time }, self.folder.clone());
        blocking(move || Ok(reached::write(&folder, reached)?)).await?;
        Ok(kept)
    }

    /// Hands out to the shelves what was changed since the last time.
    async fn hand_out(&self) -> Result<(), LibraryError> {
        let mut handed_out = self.handed_out.lock().await;
        loop {
            let found = changes::after(&mut self.store.read().await?, *handed_out, READ).await?;
            let is_missed = found.first().is_some_and(|change| change.seq != *handed_out + 1);
            if is_missed {
                tracing::warn!(
                    "changes of knowledge bases were forgotten before this host saw them: its search data is made anew"
                );
                let head = changes::head(&mut self.store.read().await?).await?;
                self.forget_all().await?;
                *handed_out = head.seq;
                continue;
            }
            let Some(last) = found.last().map(|change| change.seq) else { return Ok(()) };
            let is_all = found.len() < READ as usize;
            found.into_iter().for_each(|change| self.hand(change));
            *handed_out = last;
            if is_all {
                return Ok(());
            }
        }
    }

    fn hand(&self, change: Change) {
        match self.shelf_of(&change.knowledge_base_id) {
            Ok(shelf) => shelf.hand(change),
            // The store gives no other ids.
            Err(error) => tracing::error!(%error, change.seq, "a change is of no knowledge base"),
        }
    }

    fn shelf_of(&self, knowledge_base_id: &str) -> Result<Arc<Shelf>, LibraryError> {
        let mut shelves = self.shelves();
        if let Some(shelf) = shelves.get(knowledge_base_id) {
            return Ok(Arc::clone(shelf));
        }
        let shelf = Arc::new(Shelf::new(knowledge_base_id, uuid_of(knowledge_base_id)?));
        shelves.insert(knowledge_base_id.to_owned(), Arc::clone(&shelf));
        Ok(shelf)
    }

    fn all(&self) -> Vec<Arc<Shelf>> {
        self.shelves().values().cloned().collect()
    }

    fn shelves(&self) -> MutexGuard<'_, HashMap<String, Arc<Shelf>>> {
        self.shelves.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Throws everything away; each shelf is made anew when it is needed.
    async fn forget_all(&self) -> Result<(), LibraryError> {
        for shelf in self.all() {
            shelf.close().await;
        }
        let place = Arc::clone(&self.place);
        blocking(move || place.knowledge_bases()?.into_iter().try_for_each(|base| place.forget(base))).await
    }

    /// Throws away what is of knowledge bases that are not there: their removal may be forgotten by now.
    async fn forget_strangers(&self) -> Result<(), LibraryError> {
        let place = Arc::clone(&self.place);
        for base in blocking(move || place.knowledge_bases()).await? {
            let found = bases::find(&mut self.store.read().await?, &format!("kb-{}", base.simple())).await?;
            if found.is_none_or(|found| found.removed_at.is_some()) {
                let place = Arc::clone(&self.place);
                blocking(move || place.forget(base)).await?;
            }
        }
        Ok(())
    }
}

/// Whether changes can be followed from there on: none is missing, and they are of this store.
async fn follows(store: &Store, reached: Reached, head: Head) -> Result<bool, StoreError> {
    if !(head.forgotten..=head.seq).contains(&reached.seq) {
        return Ok(false);
    }
    let last = changes::after(&mut store.read().await?, reached.seq - 1, 1).await?;
    let there = last.first().filter(|change| change.seq == reached.seq).map(|change| change.time);
    Ok(there.is_none() || there == reached.time)
}

/// The UUID in an id such as `kb-…` or `doc-…`; a bare one is one too.
pub(super) fn uuid_of(id: &str) -> Result<Uuid, IndexError> {
    let digits = id
        .split_once('-')
        .filter(|(prefix, _)| matches!(*prefix, "kb" | "doc"))
        .map_or(id, |(_, digits)| digits);
    Uuid::try_parse(digits).map_err(|_| IndexError::Invalid(format!("{id:?} is no id of the store's")))
}

/// Runs what blocks where that holds nobody up.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, IndexError> + Send + 'static,
) -> Result<T, LibraryError> {
    let done = tokio::task::spawn_blocking(work).await;
    Ok(done.map_err(|error| IndexError::Unavailable(error.to_string()))??)
}
