//! `/knowledge`, which Seclai's clients know as `/knowledge-bases`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use hardpoint_domain::knowledge::settings::{Embedder, Sharing};
use hardpoint_domain::knowledge::state::Coverage;
use hardpoint_domain::time::Timestamp;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::paging::{Page, Paging};
use crate::caller::Caller;
use crate::error::ApiError;
use crate::error::schema::ErrorBody;
use crate::extract::{JsonBytes, Path, Query, given};
use crate::service::knowledge::bases::{self, Change, Stocked, WantedEmbedder};
use crate::state::App;

/// Documents that are searched together.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct KnowledgeBase {
    /// `kb-…`.
    id: String,
    /// Whose it is.
    organization_id: String,
    /// For people.
    #[schema(example = "Handbook")]
    name: String,
    /// For people; may be empty.
    description: String,
    /// Whether uploads that name none go here.
    default: bool,
    /// What reads its documents and searches them.
    #[schema(example = "hybrid")]
    retriever: String,
    /// Whose vectors are searched; null where there are none, and full text finds documents alone.
    embedder: Option<KnowledgeEmbedder>,
    /// Whose vectors are being made, to take their place.
    next_embedder: Option<KnowledgeEmbedder>,
    /// How documents are cut from now on.
    chunking: KnowledgeChunking,
    /// The least `similarity_score` of a source where a request names none, from 0 to 1.
    similarity_threshold: f64,
    /// What is answered where no source reaches it; null for the host's own words.
    fallback: Option<String>,
    /// Who of the organisation sees it.
    sharing: KnowledgeSharing,
    /// Documents, whatever their states.
    document_count: u64,
    /// Their bytes.
    size: u64,
    /// How much of it has vectors.
    coverage: KnowledgeCoverage,
    /// RFC 3339.
    created_at: String,
    /// When it was last changed.
    updated_at: String,
}

/// A model that makes vectors.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct KnowledgeEmbedder {
    /// The model's id.
    #[schema(example = "all-minilm-l6-v2-int8-1")]
    model: String,
    /// How many numbers a vector has.
    dimensions: u32,
}

impl From<Embedder> for KnowledgeEmbedder {
    fn from(of: Embedder) -> Self {
        Self { model: of.model, dimensions: of.dimensions }
    }
}

/// How documents are cut.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct KnowledgeChunking {
    /// About so many tokens in a chunk.
    tokens: u32,
    /// About so many of them are the end of the chunk before.
    overlap: u32,
}

/// Who sees a knowledge base.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct KnowledgeSharing {
    /// Who is in one of these workspaces, and who is bound to none; everybody where it is null.
    #[schema(max_items = 1000)]
    workspaces: Option<Vec<String>>,
}

/// How much can be found by meaning. What has no vector yet is found by its words.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct KnowledgeCoverage {
    /// Chunks that can be found.
    chunks: u64,
    /// Those of them that have a vector.
    embedded: u64,
    /// The same from 0 to 1; 1 only where none is missing, 0 where there are none.
    share: f64,
}

/// A new knowledge base.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateKnowledgeBase {
    /// For people, a line of 1 to 200 characters.
    #[schema(example = "Handbook")]
    name: String,
    /// For people, at most 4,000 characters.
    description: Option<String>,
    /// An enabled retriever; `hybrid` where left out.
    #[schema(example = "hybrid")]
    retriever: Option<String>,
    /// The host's embedder where left out; null for full text alone. A model of `/models` that makes embeddings may be
    /// one: its prices are charged to the organisation for documents, and to who asks for questions.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<NamedEmbedder>)]
    embedder: Option<Option<NamedEmbedder>>,
    /// 200 tokens, 30 of overlap where left out.
    chunking: Option<WantedChunking>,
    /// From 0 to 1; 0.7 where left out.
    #[schema(minimum = 0, maximum = 1)]
    similarity_threshold: Option<f64>,
    /// At most 4,000 characters; null for the host's own words.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    fallback: Option<Option<String>>,
    /// The whole organisation where left out, or the workspace that the key is bound to.
    sharing: Option<KnowledgeSharing>,
}

/// What is to change; what is left out stays as it is.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateKnowledgeBase {
    /// For people, a line of 1 to 200 characters.
    name: Option<String>,
    /// For people, at most 4,000 characters.
    description: Option<String>,
    /// An enabled retriever. What is indexed stays as the one before read it until it is re-indexed.
    retriever: Option<String>,
    /// The host's embedder, or a model of `/models` that makes embeddings. Vectors are made anew, and take the place of the
    /// others at once.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<NamedEmbedder>)]
    embedder: Option<Option<NamedEmbedder>>,
    /// How documents are cut from now on.
    chunking: Option<WantedChunking>,
    /// From 0 to 1.
    #[schema(minimum = 0, maximum = 1)]
    similarity_threshold: Option<f64>,
    /// At most 4,000 characters; null for the host's own words.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    fallback: Option<Option<String>>,
    /// Who sees it.
    sharing: Option<KnowledgeSharing>,
}

/// An embedder that is asked for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NamedEmbedder {
    /// The model's id.
    #[schema(example = "all-MiniLM-L6-v2")]
    model: String,
    /// Those of the model where left out; to be named where its entry in `/models` does not. A provider is asked for what
    /// is not the model's own length.
    dimensions: Option<u32>,
}

/// How documents are to be cut.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WantedChunking {
    /// From 32 to 2,048.
    #[schema(minimum = 32, maximum = 2048)]
    tokens: Option<u32>,
    /// At most half of the tokens.
    overlap: Option<u32>,
}

impl From<Stocked> for KnowledgeBase {
    fn from(Stocked { base, contents }: Stocked) -> Self {
        let embedder = KnowledgeEmbedder::from;
        let workspaces = match base.settings.sharing {
            Sharing::Organization => None,
            Sharing::Workspaces(ids) => Some(ids.into_iter().collect()),
        };
        let (chunking, coverage) = (base.settings.chunking, contents.coverage);
        Self {
            id: base.id,
            organization_id: base.organization_id,
            name: base.settings.name,
            description: base.settings.description,
            default: base.is_default,
            retriever: base.settings.retriever.to_string(),
            embedder: base.current.map(|current| embedder(current.embedder)),
            next_embedder: base.next.map(|next| embedder(next.embedder)),
            chunking: KnowledgeChunking { tokens: chunking.tokens, overlap: chunking.overlap },
            similarity_threshold: base.settings.similarity_threshold,
            fallback: base.settings.fallback,
            sharing: KnowledgeSharing { workspaces },
            document_count: contents.documents,
            size: contents.bytes,
            coverage: coverage.into(),
            created_at: Timestamp::to_rfc3339(base.created_at),
            updated_at: Timestamp::to_rfc3339(base.updated_at),
        }
    }
}

impl From<Coverage> for KnowledgeCoverage {
    fn from(coverage: Coverage) -> Self {
        Self { chunks: coverage.chunks, embedded: coverage.embedded, share: coverage.share() }
    }
}

impl From<NamedEmbedder> for WantedEmbedder {
    fn from(NamedEmbedder { model, dimensions }: NamedEmbedder) -> Self {
        Self { model, dimensions }
    }
}

impl From<CreateKnowledgeBase> for Change {
    fn from(wanted: CreateKnowledgeBase) -> Self {
        let chunking = wanted.chunking.unwrap_or_default();
        Self {
            name: Some(wanted.name),
            description: wanted.description,
            retriever: wanted.retriever,
            embedder: wanted.embedder.map(|named| named.map(Into::into)),
            chunk_tokens: chunking.tokens,
            chunk_overlap: chunking.overlap,
            similarity_threshold: wanted.similarity_threshold,
            fallback: wanted.fallback,
            workspaces: wanted.sharing.map(|sharing| sharing.workspaces),
        }
    }
}

impl From<UpdateKnowledgeBase> for Change {
    fn from(wanted: UpdateKnowledgeBase) -> Self {
        let chunking = wanted.chunking.unwrap_or_default();
        Self {
            name: wanted.name,
            description: wanted.description,
            retriever: wanted.retriever,
            embedder: wanted.embedder.map(|named| named.map(Into::into)),
            chunk_tokens: chunking.tokens,
            chunk_overlap: chunking.overlap,
            similarity_threshold: wanted.similarity_threshold,
            fallback: wanted.fallback,
            workspaces: wanted.sharing.map(|sharing| sharing.workspaces),
        }
    }
}

/// Makes a knowledge base.
#[utoipa::path(post, path = "/knowledge", tag = "knowledge", request_body = CreateKnowledgeBase,
    responses(
        (status = 201, description = "The knowledge base", body = KnowledgeBase),
        (status = 403, description = "Not an administrator, a workspace that the key is not bound to, or a test key and the retriever or the embedder may reach others", body = ErrorBody),
        (status = 409, description = "There are as many as there may be", body = ErrorBody),
        (status = 422, description = "No such retriever, embedder or workspace", body = ErrorBody),
    )
)]
pub async fn create(
    State(app): State<Arc<App>>,
    caller: Caller,
    body: JsonBytes,
) -> Result<(StatusCode, Json<KnowledgeBase>), ApiError> {
    let wanted: CreateKnowledgeBase = body.parse()?;
    let made = bases::create(&app, &caller, wanted.into()).await?;
    Ok((StatusCode::CREATED, Json(made.into())))
}

/// Lists the organisation's knowledge bases, newest first.
#[utoipa::path(get, path = "/knowledge", tag = "knowledge", params(Paging),
    responses((status = 200, description = "The knowledge bases", body = Page<KnowledgeBase>))
)]
pub async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<KnowledgeBase>>, ApiError> {
    let place = paging.usual()?;
    let found = bases::list(&app, &caller, place.window()).await?;
    Ok(Json(place.page(found, KnowledgeBase::from)))
}

/// One knowledge base.
#[utoipa::path(get, path = "/knowledge/{kb_id}", tag = "knowledge", params(("kb_id" = String, Path, description = "The knowledge base")),
    responses(
        (status = 200, description = "The knowledge base", body = KnowledgeBase),
        (status = 404, description = "No such knowledge base", body = ErrorBody),
    )
)]
pub async fn get(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<KnowledgeBase>, ApiError> {
    bases::get(&app, &caller, &id).await.map(|found| Json(found.into()))
}

/// Changes a knowledge base.
#[utoipa::path(put, path = "/knowledge/{kb_id}", tag = "knowledge", params(("kb_id" = String, Path, description = "The knowledge base")),
    request_body = UpdateKnowledgeBase,
    responses(
        (status = 200, description = "The knowledge base as it is now", body = KnowledgeBase),
        (status = 403, description = "Not an administrator, a key that is bound to one of several workspaces, or a test key and the retriever or the embedder may reach others", body = ErrorBody),
        (status = 404, description = "No such knowledge base", body = ErrorBody),
        (status = 422, description = "No such retriever, embedder or workspace; or the default one, for some alone", body = ErrorBody),
    )
)]
pub async fn update(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
    body: JsonBytes,
) -> Result<Json<KnowledgeBase>, ApiError> {
    let wanted: UpdateKnowledgeBase = body.parse()?;
    bases::update(&app, &caller, &id, wanted.into()).await.map(|changed| Json(changed.into()))
}

/// Removes a knowledge base with its documents: nothing of it is found from here on, and what it leaves is wiped out.
#[utoipa::path(delete, path = "/knowledge/{kb_id}", tag = "knowledge", params(("kb_id" = String, Path, description = "The knowledge base")),
    responses(
        (status = 204, description = "It is gone"),
        (status = 403, description = "Not an administrator, a key that is bound to one of several workspaces, or a test key and the retriever or the embedder may reach others", body = ErrorBody),
        (status = 404, description = "No such knowledge base", body = ErrorBody),
    )
)]
pub async fn remove(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    bases::remove(&app, &caller, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}
