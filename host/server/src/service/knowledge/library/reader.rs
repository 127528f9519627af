//! What an index is told, read from the store while it is applied: on a thread that may block.

use hardpoint_index::IndexError;
use hardpoint_index::change::{Change as TextChange, Passage};
use hardpoint_index::vectors::{Pin, Rounded, VectorChange};
use hardpoint_store::knowledge::bases::{Generation, KnowledgeBase};
use hardpoint_store::knowledge::changes::{Change, Head, Kind};
use hardpoint_store::knowledge::documents::Published;
use hardpoint_store::knowledge::passages::Chunk;
use hardpoint_store::knowledge::{bases, changes, documents, passages, vectors};
use hardpoint_store::{Store, StoreError};
use tokio::runtime::Handle;

use super::error::unread;
use super::uuid_of;

/// Rows that are read at once.
const ROWS: u32 = 256;

/// Reads one knowledge base.
#[derive(Clone)]
pub(super) struct Reader {
    store: Store,
    base: String,
    runtime: Handle,
}

type TextChanges<'r> = Box<dyn Iterator<Item = Result<TextChange, IndexError>> + 'r>;

impl Reader {
    /// To be made where the runtime is, and used where blocking is allowed.
    pub(super) fn new(store: &Store, base: &str) -> Self {
        Self { store: store.clone(), base: base.to_owned(), runtime: Handle::current() }
    }

    fn wait<T>(&self, reading: impl Future<Output = Result<T, StoreError>>) -> Result<T, IndexError> {
        self.runtime.block_on(reading).map_err(unread)
    }

    /// The knowledge base, unless it was removed.
    pub(super) fn base(&self) -> Result<Option<KnowledgeBase>, IndexError> {
        let found = self.wait(async { bases::find(&mut self.store.read().await?, &self.base).await })?;
        Ok(found.filter(|base| base.removed_at.is_none()))
    }

    /// How far the changes go.
    pub(super) fn head(&self) -> Result<Head, IndexError> {
        self.wait(async { changes::head(&mut self.store.read().await?).await })
    }

    /// What a change is for the full text.
    pub(super) fn texts_of(&self, change: &Change) -> TextChanges<'_> {
        let Some(document) = change.document_id.clone() else { return Box::new(std::iter::empty()) };
        let removed = || std::iter::once(uuid_of(&document).map(TextChange::Remove));
        match change.kind {
            Kind::Published => {
                Box::new(removed().chain(self.passages(document.clone(), change.edition.unwrap_or_default())))
            }
            Kind::Removed => Box::new(removed()),
            Kind::Embedded | Kind::BaseRemoved | Kind::Switched => Box::new(std::iter::empty()),
        }
    }

    /// The full text of all that can be found.
    pub(super) fn all_texts(&self) -> TextChanges<'_> {
        Box::new(self.documents().flat_map(|document| match document {
            Ok(document) => Box::new(self.passages(document.id, document.edition)) as TextChanges<'_>,
            Err(error) => Box::new(std::iter::once(Err(error))),
        }))
    }

    /// All vectors of a generation.
    pub(super) fn all_vectors(
        &self,
        generation: i64,
    ) -> impl Iterator<Item = Result<VectorChange, IndexError>> {
        self.documents().flat_map(move |document| match document {
            Ok(document) => Box::new(self.vectors(document.id, document.edition, generation))
                as Box<dyn Iterator<Item = _>>,
            Err(error) => Box::new(std::iter::once(Err(error))),
        })
    }

    /// The vectors that a change tells of.
    pub(super) fn vectors_of(&self, change: &Change) -> Result<Vec<VectorChange>, IndexError> {
        let document = change.document_id.as_deref().unwrap_or_default();
        let (edition, generation) =
            (change.edition.unwrap_or_default(), change.generation.unwrap_or_default());
        let count = u32::try_from(change.count.unwrap_or_default()).unwrap_or(ROWS);
        self.some_vectors(document, edition, generation, change.first_ordinal.unwrap_or_default(), count)
    }

    fn documents(&self) -> impl Iterator<Item = Result<Published, IndexError>> {
        let mut after = String::new();
        in_parts(move || {
            let found = self.wait(async {
                documents::published(&mut self.store.read().await?, &self.base, &after, ROWS).await
            })?;
            if let Some(last) = found.last() {
                after.clone_from(&last.id);
            }
            Ok(found)
        })
    }

    fn passages(
        &self,
        document: String,
        edition: i64,
    ) -> impl Iterator<Item = Result<TextChange, IndexError>> {
        let mut first = 0;
        let chunks = in_parts({
            let document = document.clone();
            move || {
                let found = self.chunks(&document, edition, first, ROWS)?;
                first = found.last().map_or(first, |last| i64::from(last.ordinal) + 1);
                Ok(found)
            }
        });
        chunks.map(move |chunk| Ok(TextChange::Add(passage(&document, chunk?)?)))
    }

    fn vectors(
        &self,
        document: String,
        edition: i64,
        generation: i64,
    ) -> impl Iterator<Item = Result<VectorChange, IndexError>> {
        let mut first = 0;
        in_parts(move || {
            let found = self.some_vectors(&document, edition, generation, first, ROWS)?;
            first += i64::from(ROWS);
            Ok(found)
        })
    }

    /// Vectors are kept in order, so where the first of these is missing there are no more.
    fn some_vectors(
        &self,
        document: &str,
        edition: i64,
        generation: i64,
        first: i64,
        count: u32,
    ) -> Result<Vec<VectorChange>, IndexError> {
        let kept = self.wait(async {
            vectors::of_edition(&mut self.store.read().await?, document, edition, generation, first, count)
                .await
        })?;
        if kept.is_empty() {
            return Ok(Vec::new());
        }
        let chunks = self.chunks(document, edition, first, count)?;
        let of_document = uuid_of(document)?;
        let mut kept = kept.into_iter().peekable();
        let mut found = Vec::new();
        for chunk in chunks {
            let Some(vector) = kept.next_if(|vector| vector.ordinal == i64::from(chunk.ordinal)) else {
                break;
            };
            let vector = Rounded::from_bytes(&vector.vector)?;
            found.push(VectorChange::Set { chunk: uuid_of(&chunk.id)?, document: of_document, vector });
        }
        Ok(found)
    }

    fn chunks(&self, document: &str, edition: i64, first: i64, count: u32) -> Result<Vec<Chunk>, IndexError> {
        self.wait(async {
            passages::chunks(&mut self.store.read().await?, document, edition, first, count).await
        })
    }
}

/// What vectors of a generation are kept under: those of one model made twice are two sets.
pub(super) fn pin(generation: &Generation) -> Pin {
    let model = format!("{} {}", generation.number, generation.embedder.model);
    Pin { model, dimension: generation.embedder.dimensions as usize }
}

fn passage(document: &str, chunk: Chunk) -> Result<Passage, IndexError> {
    let metadata = chunk.metadata.as_deref().map(serde_json::from_str).transpose();
    let metadata =
        metadata.map_err(|error| IndexError::Invalid(format!("metadata of {}: {error}", chunk.id)))?;
    Ok(Passage {
        chunk: uuid_of(&chunk.id)?,
        document: uuid_of(document)?,
        text: chunk.searched().to_owned(),
        metadata: metadata.unwrap_or_default(),
    })
}

/// Everything that `read` answers part by part, until it answers nothing or an error.
fn in_parts<T>(
    mut read: impl FnMut() -> Result<Vec<T>, IndexError>,
) -> impl Iterator<Item = Result<T, IndexError>> {
    let (mut part, mut is_over) = (Vec::new().into_iter(), false);
    std::iter::from_fn(move || {
        while !is_over {
            if let Some(next) = part.next() {
                return Some(Ok(next));
            }
            match read() {
                Ok(found) => {
                    is_over = found.is_empty();
                    part = found.into_iter();
                }
                Err(error) => {
                    is_over = true;
                    return Some(Err(error));
                }
            }
        }
        None
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_read_until_there_is_none() {
        let mut parts = vec![Ok(vec![1, 2]), Ok(vec![3]), Ok(vec![]), Ok(vec![4])].into_iter();
        let read: Result<Vec<i32>, _> = in_parts(|| parts.next().unwrap()).collect();
        assert_eq!(read.unwrap(), [1, 2, 3]);
        let mut parts = vec![Ok(vec![1]), Err(IndexError::Full), Ok(vec![2])].into_iter();
        let read: Vec<_> = in_parts(|| parts.next().unwrap()).collect();
        assert!(matches!(read[..], [Ok(1), Err(IndexError::Full)]));
    }
}
