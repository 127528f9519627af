//! `/models`: what can be asked.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use hardpoint_domain::model::{Model, Prices};
use hardpoint_runtime::Catalogue;
use serde::Serialize;
use utoipa::ToSchema;

use super::knowledge::KnowledgeEmbedder;
use super::paging::{Page, Paging};
use crate::caller::{Caller, Role};
use crate::error::ApiError;
use crate::error::schema::ErrorBody;
use crate::extract::{Path, Query};
use crate::service::models;
use crate::state::App;

/// A model that can be asked.
#[derive(Debug, Serialize, ToSchema)]
pub struct ModelEntry {
    /// What requests name it by.
    pub id: String,
    /// `model`.
    pub object: &'static str,
    /// Unix seconds; 0, since a model is configuration and has no birthday.
    pub created: i64,
    /// `hardpoint`.
    pub owned_by: &'static str,
    /// For people.
    pub description: String,
    /// Tokens that fit, question and answer together.
    pub context_length: Option<u64>,
    /// How many numbers its vectors have where nobody asks for another length; where it makes vectors and this is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dimensions: Option<u32>,
    /// `chat`, `streaming`, `tools`, `vision`, `json`, `embeddings`.
    pub capabilities: Vec<&'static str>,
    /// Micro-credits per million tokens.
    pub prices: ModelPrices,
    /// `available` or `unavailable`.
    pub status: &'static str,
    /// Why it is unavailable. For operators only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Micro-credits per million tokens.
#[derive(Debug, Serialize, ToSchema)]
pub struct ModelPrices {
    /// Read.
    pub input: u64,
    /// Read, and served from the provider's cache.
    pub cached_input: u64,
    /// Written.
    pub output: u64,
}

/// Models, as both the API's own clients and OpenAI's read lists.
#[derive(Debug, Serialize, ToSchema)]
pub struct ModelList {
    /// `list`.
    pub object: &'static str,
    /// In the order of the configuration.
    #[serde(flatten)]
    pub page: Page<ModelEntry>,
    /// Who makes the vectors of new knowledge bases that name no embedder; null where no model is loaded for that: they
    /// are searched by words alone then. Models with the capability `embeddings` can be named as one.
    pub knowledge_embedder: Option<KnowledgeEmbedder>,
}

/// Lists the models: all of them where no page is asked for, since OpenAI's clients ask for no second.
#[utoipa::path(
    get,
    path = "/models",
    tag = "models",
    params(Paging),
    responses(
        (status = 200, description = "The models", body = ModelList),
        (status = 400, description = "No such page", body = ErrorBody),
        (status = 401, description = "No valid credential", body = ErrorBody),
    )
)]
pub async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(paging): Query<Paging>,
) -> Result<Json<ModelList>, ApiError> {
    let catalogue = app.runtime.snapshot();
    let open = |model: &&Model| models::is_open(model, &catalogue, &caller.organization_id);
    let shown = app.config.models.iter().filter(open);
    let all = shown.map(|model| ModelEntry::new(model, &catalogue, caller.role)).collect();
    let knowledge_embedder = app.knowledge.local_embedder().map(KnowledgeEmbedder::from);
    Ok(Json(ModelList { object: "list", page: paging.of_or_whole(all)?, knowledge_embedder }))
}

/// One model. Ids may hold slashes.
#[utoipa::path(
    get,
    path = "/models/{id}",
    tag = "models",
    params(("id" = String, Path, description = "The model's id")),
    responses(
        (status = 200, description = "The model", body = ModelEntry),
        (status = 401, description = "No valid credential", body = ErrorBody),
        (status = 404, description = "There is no such model", body = ErrorBody),
    )
)]
pub async fn get(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<ModelEntry>, ApiError> {
    let catalogue = app.runtime.snapshot();
    let found = app.config.models.iter().find(|model| model.id == id);
    let found = found.filter(|model| models::is_open(model, &catalogue, &caller.organization_id));
    let model = found.ok_or_else(|| {
        let shown: String = id.chars().take(80).collect();
        ApiError::not_found(format_args!("model '{shown}'")).with_code("model_not_found")
    })?;
    Ok(Json(ModelEntry::new(model, &catalogue, caller.role)))
}

impl ModelEntry {
    fn new(model: &Model, catalogue: &Catalogue, role: Role) -> Self {
        let reason = models::unavailable(model, catalogue);
        let Prices { input, cached_input, output } = model.prices;
        Self {
            id: model.id.clone(),
            object: "model",
            created: 0,
            owned_by: "hardpoint",
            description: model.description.clone(),
            context_length: model.context_length,
            dimensions: model.dimensions,
            capabilities: model.capabilities.iter().map(|capability| models::word(*capability)).collect(),
            prices: ModelPrices { input, cached_input, output },
            status: if reason.is_none() { "available" } else { "unavailable" },
            reason: reason.filter(|_| role == Role::Operator),
        }
    }
}
