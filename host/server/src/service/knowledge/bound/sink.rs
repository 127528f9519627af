//! What an ingestion writes, on its way into the store: staged in batches, under a claim.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex as Sync, PoisonError};

use futures_util::future::{BoxFuture, FutureExt};
use hardpoint_domain::id;
use hardpoint_domain::time::{Clock, Rng};
use hardpoint_runtime::{Chunk, DocumentSink, KnowledgeError, Page};
use hardpoint_store::knowledge::ingestions::Claim;
use hardpoint_store::knowledge::passages::{self, MOST};
use hardpoint_store::{Lane, Store, StoreError};
use tokio::sync::Mutex;

use super::away;

/// Bytes of text in one batch: what takes longer keeps others from writing.
const BYTES: usize = 512 << 10;

/// A draft of a document.
pub struct Draft {
    store: Store,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
    claim: Claim,
    waiting: Mutex<Batch>,
    title: Sync<Option<String>>,
    /// Units done, and of how many, in one number.
    progress: AtomicU64,
}

/// What is staged next.
#[derive(Default)]
struct Batch {
    pages: Vec<passages::Page>,
    chunks: Vec<passages::Chunk>,
    bytes: usize,
}

impl Draft {
    /// Nothing yet.
    pub fn new(store: &Store, clock: &Arc<dyn Clock>, rng: &Arc<dyn Rng>, claim: &Claim) -> Self {
        Self {
            store: store.clone(),
            clock: Arc::clone(clock),
            rng: Arc::clone(rng),
            claim: claim.clone(),
            waiting: Mutex::default(),
            title: Sync::default(),
            progress: AtomicU64::new(0),
        }
    }

    /// Stages what still waits.
    ///
    /// # Errors
    /// If it cannot be, or the claim no longer counts.
    pub async fn finish(&self) -> Result<(), KnowledgeError> {
        self.stage(&mut *self.waiting.lock().await).await
    }

    /// How far the reading is: so many of so many units.
    pub fn progress(&self) -> (u32, u32) {
        let both = self.progress.load(Ordering::Relaxed);
        ((both >> 32) as u32, both as u32)
    }

    /// The document's own title, as far as it is known.
    pub fn title(&self) -> Option<String> {
        self.title.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Stages a batch. A database that was in the way of another is asked again.
    async fn stage(&self, batch: &mut Batch) -> Result<(), KnowledgeError> {
        if batch.pages.is_empty() && batch.chunks.is_empty() {
            return Ok(());
        }
        let Batch { pages, chunks, .. } = std::mem::take(batch);
        let staged = Arc::new((pages, chunks));
        loop {
            let (claim, staged) = (self.claim.clone(), Arc::clone(&staged));
            let write = self.store.write(Lane::Bulk, move |tx| {
                Box::pin(async move { passages::stage(tx, &claim, &staged.0, &staged.1).await })
            });
            return match write.await {
                Ok(true) => Ok(()),
                Ok(false) => {
                    Err(KnowledgeError::Unavailable("the document is not read here any more".into()))
                }
                Err(StoreError::Conflict) => continue,
                Err(error) => Err(away(error)),
            };
        }
    }

    async fn stage_if_full(&self, batch: &mut Batch) -> Result<(), KnowledgeError> {
        let is_full = batch.pages.len() + batch.chunks.len() >= MOST || batch.bytes >= BYTES;
        if is_full { self.stage(batch).await } else { Ok(()) }
    }
}

impl DocumentSink for Draft {
    fn title(&self, title: String) -> BoxFuture<'_, Result<(), KnowledgeError>> {
        *self.title.lock().unwrap_or_else(PoisonError::into_inner) = Some(title);
        futures_util::future::ready(Ok(())).boxed()
    }

    fn page(&self, page: Page) -> BoxFuture<'_, Result<(), KnowledgeError>> {
        async move {
            let mut batch = self.waiting.lock().await;
            let Page { number, title, text } = page;
            batch.bytes += text.len();
            batch.pages.push(passages::Page { number, title, text });
            self.stage_if_full(&mut batch).await
        }
        .boxed()
    }

    fn chunks(&self, chunks: Vec<Chunk>) -> BoxFuture<'_, Result<(), KnowledgeError>> {
        async move {
            let mut batch = self.waiting.lock().await;
            for chunk in chunks {
                let id = id::uuid_v7(self.clock.now(), &*self.rng).to_string();
                batch.bytes += chunk.text.len() + chunk.embedded_text.as_ref().map_or(0, String::len);
                batch.chunks.push(kept(id, chunk));
                self.stage_if_full(&mut batch).await?;
            }
            Ok(())
        }
        .boxed()
    }

    fn progress(&self, done: u32, total: u32) {
        self.progress.store(u64::from(done) << 32 | u64::from(total), Ordering::Relaxed);
    }
}

fn kept(id: String, chunk: Chunk) -> passages::Chunk {
    let Chunk { ordinal, text, embedded_text, first_page, last_page, start, end, metadata } = chunk;
    let metadata = metadata.map(|members| serde_json::Value::Object(members).to_string());
    passages::Chunk {
        id,
        ordinal,
        text,
        embedded_text,
        first_page,
        last_page,
        begins_at: start,
        ends_at: end,
        metadata,
    }
}
