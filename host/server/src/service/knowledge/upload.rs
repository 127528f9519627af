//! Documents on their way in: each is announced, put into the blob store as it comes, and all of a request are kept together
//! in one transaction. Of a request that fails, or whose client leaves, nothing stays.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use hardpoint_domain::id;
use hardpoint_domain::knowledge::filename;
use hardpoint_store::blobs::BlobKey;
use hardpoint_store::knowledge::bases::KnowledgeBase;
use hardpoint_store::knowledge::documents::{self, Document, NewDocument, Uploaded};
use hardpoint_store::{Lane, StoreError};
use sha2::{Digest, Sha256};

use super::{bases, media_type, told};
use crate::caller::Caller;
use crate::error::ApiError;
use crate::service::events::Author;
use crate::state::App;

/// Files of one request.
pub const MOST_FILES: usize = 100;

/// A request's files.
pub struct Upload {
    app: Arc<App>,
    caller: Caller,
    /// Where they go; known by the end at the latest.
    base: Option<KnowledgeBase>,
    announced: Announced,
    files: Vec<Put>,
    most: usize,
}

/// A file whose bytes are in the blob store.
struct Put {
    id: String,
    filename: String,
    media_type: Option<String>,
    size: u64,
    digest: [u8; 32],
}

/// What was announced and is not kept yet. Where it is dropped before, what was put is deleted.
struct Announced {
    app: Arc<App>,
    ids: Vec<String>,
}

/// What a file of an upload came to.
#[derive(Clone, Debug)]
pub struct Kept {
    /// The document that has its bytes.
    pub document: Document,
    /// Whether it was not there before.
    pub is_new: bool,
}

impl Upload {
    /// Begins an upload of at most so many files into this knowledge base, or into one that is named later, or into the
    /// default one.
    ///
    /// # Errors
    /// 403 for a test key where the retriever may reach others.
    pub fn begin(
        app: Arc<App>,
        caller: Caller,
        base: Option<KnowledgeBase>,
        most: usize,
    ) -> Result<Self, ApiError> {
        if let Some(base) = &base {
            bases::stays_inside(&app, &caller, base)?;
        }
        let announced = Announced { app: app.clone(), ids: Vec::new() };
        Ok(Self { app, caller, base, announced, files: Vec::new(), most })
    }

    /// Says into which knowledge base the files go.
    ///
    /// # Errors
    /// 400 where that was said already; 404 for none; 403 as [`begin`](Self::begin).
    pub async fn into_base(&mut self, id: &str) -> Result<(), ApiError> {
        if self.base.is_some() {
            let message = "The knowledge base of an upload is named once.";
            return Err(ApiError::bad_field("knowledge_base_id", "once", message));
        }
        let base = bases::find(&self.app, &self.caller, id).await?;
        bases::stays_inside(&self.app, &self.caller, &base)?;
        self.base = Some(base);
        Ok(())
    }

    /// Takes a file in.
    ///
    /// # Errors
    /// 400 for one too many; 413 where it is too large; 422 where it is empty; those of its content; 503 where there is no
    /// room for it.
    pub async fn file(
        &mut self,
        name: Option<&str>,
        media_type: Option<&str>,
        mut content: impl Stream<Item = Result<Bytes, ApiError>> + Unpin,
    ) -> Result<(), ApiError> {
        if self.files.len() == self.most {
            let message = format!("An upload has at most {} of these files.", self.most);
            return Err(ApiError::bad_field("file", "max_items", message));
        }
        let filename = filename::clean(name.unwrap_or_default());
        let declared = media_type.and_then(filename::media_type).filter(|it| !media_type::says_nothing(it));
        let limit = self.app.effective().config.knowledge.max_document.0;
        let id = self.announce().await?;
        let mut writer = self.app.store.blobs().writer(&BlobKey::document(&id)?).await?;
        let (mut hash, mut size, mut head) = (Sha256::new(), 0_u64, Vec::new());
        while let Some(piece) = content.next().await {
            let piece = piece?;
            size += piece.len() as u64;
            if size > limit {
                return Err(ApiError::file_too_large(&filename, limit));
            }
            hash.update(&piece);
            head.extend_from_slice(&piece[..piece.len().min(media_type::HEAD - head.len())]);
            writer.write(&piece).await?;
        }
        if size == 0 {
            let message = format!("The file `{filename}` is empty: there is nothing to read in it.");
            return Err(ApiError::impossible("file", "min_length", message));
        }
        writer.finish().await?;
        let media_type = declared.or_else(|| media_type::of(&filename, &head));
        self.files.push(Put { id, filename, media_type, size, digest: hash.finalize().into() });
        Ok(())
    }

    /// Keeps what was taken in, all of it or nothing, in the order in which it came. What has the bytes of a document that
    /// is there is that document.
    ///
    /// # Errors
    /// 400 where no file came; 404 where the knowledge base is gone; 408 where it took longer than an upload may; those of
    /// making the default knowledge base.
    pub async fn finish(mut self) -> Result<Vec<Kept>, ApiError> {
        if self.files.is_empty() {
            let message = "The form has no file: send it as the field 'file'.";
            return Err(ApiError::bad_field("file", "required", message));
        }
        let base = match self.base.take() {
            Some(base) => base,
            None => bases::default(&self.app, &self.caller).await?,
        };
        bases::stays_inside(&self.app, &self.caller, &base)?;
        let kept = self.keep(base.id).await?;
        self.announced.ids.clear();
        self.app.knowledge.ring();
        Ok(kept)
    }

    async fn keep(&mut self, base: String) -> Result<Vec<Kept>, ApiError> {
        let (author, rng, now) = (Author::from(&self.caller), self.app.rng.clone(), self.app.clock.now());
        let by = author.name();
        let new = |put: Put| NewDocument {
            id: put.id,
            knowledge_base_id: base.clone(),
            filename: put.filename,
            media_type: put.media_type,
            size: put.size,
            digest: put.digest,
            created_by: by.clone(),
            now,
        };
        let mut files: Vec<_> = self.files.drain(..).map(new).enumerate().collect();
        // Two uploads of the same files wait for each other in the same order.
        files.sort_by_key(|(_, file)| file.digest);
        let write = self.app.store.write(Lane::Request, move |tx| {
            Box::pin(async move {
                let mut all = Vec::new();
                for (at, file) in files {
                    let kept = match documents::upload(tx, &file).await? {
                        None => return Ok(Err(bases::no_base(&file.knowledge_base_id))),
                        Some(Uploaded::There(document)) => Kept { document, is_new: false },
                        Some(Uploaded::New(document)) => {
                            let event =
                                told::of_document(&author, &document, "document.uploaded", now, &*rng);
                            tx.append(&event, &[]).await?;
                            Kept { document, is_new: true }
                        }
                    };
                    all.push((at, kept));
                }
                all.sort_by_key(|(at, _)| *at);
                Ok(Ok(all.into_iter().map(|(_, kept)| kept).collect()))
            })
        });
        match write.await {
            // Whatever was put may be gone.
            Err(StoreError::Undone(reason)) => Err(ApiError::request_timeout().caused_by(reason)),
            written => written?,
        }
    }

    /// Announces a document, so that what is put under its id does not stay if nothing comes of it.
    async fn announce(&mut self) -> Result<String, ApiError> {
        let now = self.app.clock.now();
        let id = id::hyphenated("doc", now, &*self.app.rng);
        // Where the knowledge base is not known yet, nothing of one needs to be told that its blob goes.
        let base = self.base.as_ref().map(|base| base.id.clone()).unwrap_or_default();
        self.announced.ids.push(id.clone());
        let announced = id.clone();
        let write = self.app.store.write(Lane::Request, move |tx| {
            Box::pin(async move { documents::announce(tx, &base, &announced, now).await })
        });
        write.await?;
        Ok(id)
    }
}

impl Drop for Announced {
    fn drop(&mut self) {
        let ids = std::mem::take(&mut self.ids);
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        if ids.is_empty() {
            return;
        }
        let app = self.app.clone();
        runtime.spawn(async move {
            let now = app.clock.now();
            let write = app.store.write(Lane::Request, move |tx| {
                Box::pin(async move {
                    for id in &ids {
                        documents::withdraw(tx, id, now).await?;
                    }
                    Ok(())
                })
            });
            match write.await {
                Ok(()) => app.knowledge.ring(),
                // They are deleted when the time of their upload is over.
                Err(error) => tracing::warn!(%error, "uploads that came to nothing stay for an hour"),
            }
        });
    }
}
