//! `POST /search`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use hardpoint_domain::quota::Meter;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::call::CallNote;
use crate::caller::Caller;
use crate::error::ApiError;
use crate::error::schema::FlatErrorBody;
use crate::extract::JsonBytes;
use crate::service::knowledge::ground::{self, LONGEST_QUESTION};
use crate::service::knowledge::remote::{Asker, Bought};
use crate::service::knowledge::search::{Ask, ScoreKind, Source};
use crate::state::App;

/// Sources that an answer has where nobody says how many.
pub(super) const USUAL: u32 = 5;
/// The most of them.
pub(super) const MOST: u32 = 50;

/// A passage that was found.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SourceBody {
    /// A UUID.
    chunk_id: String,
    /// What it says.
    text: String,
    /// From 0 to 1; from 0.7 on it is relevant.
    #[schema(example = 0.92)]
    similarity_score: f64,
    /// `semantic`, or `lexical` where the passage has no vector: then the score says which of the question's words it has.
    #[schema(example = "semantic")]
    score_kind: &'static str,
    /// As the client named the document.
    #[schema(example = "return-policy.pdf")]
    document_filename: String,
    /// `doc-…`
    document_id: String,
    /// `kb-…`
    knowledge_base_id: String,
    /// The document's own title.
    title: Option<String>,
    /// The page on which it begins, from 1.
    page: Option<u32>,
    /// The page on which it ends.
    last_page: Option<u32>,
    /// Where it begins: characters from the beginning of that page's text.
    start: Option<u32>,
    /// Where it ends: characters from the beginning of the last page's text.
    end: Option<u32>,
    /// What else is known of it, such as the section.
    metadata: Map<String, Value>,
}

impl From<Source> for SourceBody {
    fn from(source: Source) -> Self {
        Self {
            chunk_id: source.chunk_id,
            text: source.text,
            similarity_score: source.similarity_score,
            score_kind: match source.score_kind {
                ScoreKind::Semantic => "semantic",
                ScoreKind::Lexical => "lexical",
            },
            document_filename: source.filename,
            document_id: source.document_id,
            knowledge_base_id: source.knowledge_base_id,
            title: source.title,
            page: source.place.map(|place| place.first_page),
            last_page: source.place.map(|place| place.last_page),
            start: source.place.map(|place| place.start),
            end: source.place.map(|place| place.end),
            metadata: source.metadata,
        }
    }
}

/// What is looked for.
#[derive(Debug, Deserialize, ToSchema)]
pub struct SearchBody {
    /// A question or words; at most 8,000 characters.
    #[schema(example = "How do I reset my password?", max_length = 8_000)]
    query: String,
    /// Knowledge bases, at most 16; the organisation's default one where left out.
    #[schema(max_items = 16)]
    knowledge: Option<Vec<String>>,
    /// 1 to 50; 5 where left out.
    #[schema(minimum = 1, maximum = 50)]
    top_k: Option<u32>,
    /// The least score, 0 to 1; the knowledge base's own where left out.
    #[schema(minimum = 0, maximum = 1)]
    similarity_threshold: Option<f64>,
    /// Whether words and meaning are both asked; false where left out: meaning alone, once every passage has a vector.
    use_hybrid: Option<bool>,
    /// Only of these documents.
    #[schema(max_items = 1_000)]
    document_ids: Option<Vec<String>>,
    /// Members of the passages' metadata that must be equal.
    #[schema(value_type = Option<Object>)]
    metadata: Option<Map<String, Value>>,
}

/// What was found.
#[derive(Debug, Serialize, ToSchema)]
pub struct SearchResults {
    /// Best first.
    results: Vec<SourceBody>,
    /// How many.
    count: usize,
    /// Milliseconds.
    processing_time_ms: u64,
}

/// Finds passages in knowledge bases.
#[utoipa::path(post, path = "/search", tag = "knowledge", request_body = SearchBody,
    responses(
        (status = 200, description = "The passages, best first", body = SearchResults),
        (status = 400, description = "A member that is missing or out of its bounds", body = FlatErrorBody),
        (status = 402, description = "No money for the vector of the question, where a model makes it that costs something", body = FlatErrorBody),
        (status = 404, description = "No such knowledge base", body = FlatErrorBody),
        (status = 422, description = "More knowledge bases than can be searched at once", body = FlatErrorBody),
        (status = 503, description = "The retriever does not serve, or is too busy", body = FlatErrorBody),
    )
)]
pub async fn search(
    State(app): State<Arc<App>>,
    caller: Caller,
    note: CallNote,
    body: JsonBytes,
) -> Result<Json<SearchResults>, ApiError> {
    let began = app.clock.now();
    let wanted: SearchBody = body.parse()?;
    check_question("query", &wanted.query)?;
    let (top, threshold) = (top(wanted.top_k)?, threshold(wanted.similarity_threshold)?);
    let bases = ground::named(&app, &caller, wanted.knowledge.as_deref()).await?;
    let ask = Ask {
        query: wanted.query,
        top,
        threshold,
        hybrid: wanted.use_hybrid.unwrap_or_default(),
        documents: wanted.document_ids,
        metadata: wanted.metadata,
    };
    let (field, meter, bought) = ("query", Meter::Requests, Bought::default());
    let asker = Asker { caller, note, approval: None, field, meter, bought };
    let found = ground::find(&asker, &bases, &ask).await?;
    let results: Vec<SourceBody> = found.into_iter().map(SourceBody::from).collect();
    let took = app.clock.now().since(began);
    Ok(Json(SearchResults { count: results.len(), results, processing_time_ms: millis(took) }))
}

/// A question that says something.
pub(super) fn check_question(field: &'static str, question: &str) -> Result<(), ApiError> {
    if question.trim().is_empty() {
        return Err(ApiError::bad_field(field, "required", format!("The '{field}' field is empty.")));
    }
    if question.chars().count() > LONGEST_QUESTION {
        let message = format!("The '{field}' field has at most {LONGEST_QUESTION} characters.");
        return Err(ApiError::bad_field(field, "maximum", message));
    }
    if question.contains('\0') {
        let message = format!("The '{field}' field holds the character NUL.");
        return Err(ApiError::bad_field(field, "text", message));
    }
    Ok(())
}

/// How many sources.
pub(super) fn top(wanted: Option<u32>) -> Result<u32, ApiError> {
    let top = wanted.unwrap_or(USUAL);
    if (1..=MOST).contains(&top) {
        return Ok(top);
    }
    Err(ApiError::bad_field("top_k", "range", format!("The 'top_k' field is from 1 to {MOST}.")))
}

/// The least score.
pub(super) fn threshold(wanted: Option<f64>) -> Result<Option<f64>, ApiError> {
    if wanted.is_none_or(|wanted| (0.0..=1.0).contains(&wanted)) {
        return Ok(wanted);
    }
    let message = "The 'similarity_threshold' field is from 0 to 1.";
    Err(ApiError::bad_field("similarity_threshold", "range", message))
}

pub(super) fn millis(took: std::time::Duration) -> u64 {
    u64::try_from(took.as_millis()).unwrap_or(u64::MAX)
}
