//! Documents that are there: of knowledge bases that the caller sees.

use bytes::Bytes;
use futures_util::stream::BoxStream;
use hardpoint_domain::id;
use hardpoint_store::blobs::BlobKey;
use hardpoint_store::knowledge::bases as kept;
use hardpoint_store::knowledge::bases::KnowledgeBase;
use hardpoint_store::knowledge::documents::{self, Document};
use hardpoint_store::{Lane, StoreError, Window};

use super::{bases, told};
use crate::caller::Caller;
use crate::error::ApiError;
use crate::service::accounts::shown;
use crate::service::events::Author;
use crate::state::App;

/// A document's bytes as they are read.
pub type Content = BoxStream<'static, Result<Bytes, StoreError>>;

/// The documents of a knowledge base, newest first, and how many there are.
///
/// # Errors
/// The store's.
pub async fn list_in(
    app: &App,
    base: &KnowledgeBase,
    window: Window,
) -> Result<(Vec<Document>, i64), ApiError> {
    let mut conn = app.store.read().await?;
    let found = documents::list(&mut conn, &base.id, window).await?;
    Ok((found, documents::count(&mut conn, &base.id).await?))
}

/// The documents of all knowledge bases that the caller sees, newest first, and how many there are.
///
/// # Errors
/// The store's.
pub async fn list(app: &App, caller: &Caller, window: Window) -> Result<(Vec<Document>, i64), ApiError> {
    let (organization, workspace) = (&*caller.organization_id, caller.workspace_id.as_deref());
    let mut conn = app.store.read().await?;
    let found = documents::list_of_organization(&mut conn, organization, workspace, window).await?;
    Ok((found, documents::count_of_organization(&mut conn, organization, workspace).await?))
}

/// A document that is the caller's to see, by `doc-…` or the bare UUID; of this knowledge base, where one is named.
///
/// # Errors
/// 404 where there is none.
pub async fn find(
    app: &App,
    caller: &Caller,
    base: Option<&KnowledgeBase>,
    id: &str,
) -> Result<Document, ApiError> {
    look_up(app, caller, base, id).await.map(|(document, _)| document)
}

async fn look_up(
    app: &App,
    caller: &Caller,
    base: Option<&KnowledgeBase>,
    id: &str,
) -> Result<(Document, KnowledgeBase), ApiError> {
    let Some(known) = id::of_either_form("doc", id) else { return Err(no_document(id)) };
    let organization = &*caller.organization_id;
    let mut conn = app.store.read().await?;
    let found = documents::get(&mut conn, organization, &known).await?;
    let Some(document) = found else { return Err(no_document(id)) };
    let is_in_it = base.is_none_or(|base| base.id == document.knowledge_base_id);
    let home = kept::get(&mut conn, organization, &document.knowledge_base_id).await?;
    match home.filter(|home| is_in_it && bases::sees(caller, home)) {
        Some(home) => Ok((document, home)),
        None => Err(no_document(id)),
    }
}

/// Has a document read anew, with the retriever and the settings that its knowledge base has now. What can be found of it
/// can be found until that is done.
///
/// # Errors
/// 403 for a test key where the retriever may reach others; 404 where there is none.
pub async fn read_again(
    app: &App,
    caller: &Caller,
    base: Option<&KnowledgeBase>,
    id: &str,
) -> Result<Document, ApiError> {
    let (document, home) = look_up(app, caller, base, id).await?;
    bases::stays_inside(app, caller, &home)?;
    let (author, rng, now) = (Author::from(caller), app.rng.clone(), app.clock.now());
    let write = app.store.write(Lane::Request, move |tx| {
        Box::pin(async move {
            let Document { organization_id, id, .. } = &document;
            if !documents::read_again(tx, organization_id, id, now).await? {
                return Ok(Err(no_document(id)));
            }
            let Some(after) = documents::get(tx, organization_id, id).await? else {
                return Ok(Err(no_document(id)));
            };
            let event = told::of_document(&author, &after, "document.reindexed", now, &*rng);
            tx.append(&event, &[]).await?;
            Ok(Ok(after))
        })
    });
    let after = write.await??;
    app.knowledge.ring();
    Ok(after)
}

/// Removes a document: it is not found from here on, and what it leaves is wiped out.
///
/// # Errors
/// 403 for a test key where the retriever may reach others; 404 where there is none.
pub async fn remove(
    app: &App,
    caller: &Caller,
    base: Option<&KnowledgeBase>,
    id: &str,
) -> Result<(), ApiError> {
    let (document, home) = look_up(app, caller, base, id).await?;
    bases::stays_inside(app, caller, &home)?;
    let now = app.clock.now();
    let event = told::of_document(&Author::from(caller), &document, "document.deleted", now, &*app.rng);
    let write = app.store.write(Lane::Request, move |tx| {
        Box::pin(async move {
            let Document { organization_id, id, .. } = &document;
            if documents::remove(tx, organization_id, id, now).await?.is_none() {
                return Ok(Err(no_document(id)));
            }
            tx.append(&event, &[]).await?;
            Ok(Ok(()))
        })
    });
    write.await??;
    app.knowledge.ring();
    Ok(())
}

/// A document's bytes.
///
/// # Errors
/// 404 where it was removed meanwhile; 500 where its bytes are gone or others.
pub async fn content(app: &App, document: &Document) -> Result<Content, ApiError> {
    let found = app.store.blobs().stream(&BlobKey::document(&document.id)?, document.size).await?;
    if let Some(content) = found {
        return Ok(content);
    }
    let mut conn = app.store.read().await?;
    match documents::get(&mut conn, &document.organization_id, &document.id).await? {
        Some(_) => Err(ApiError::internal(format_args!("the bytes of {} are gone or others", document.id))),
        None => Err(no_document(&document.id)),
    }
}

fn no_document(id: &str) -> ApiError {
    ApiError::not_found(format_args!("document `{}`", shown(id)))
}
