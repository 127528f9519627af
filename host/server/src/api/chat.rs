//! `POST /chat` and `/chat/conversations`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use hardpoint_store::knowledge::conversations::{self, Conversation, Message};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::approval::Approval;
use super::paging::{Page, Paging};
use super::search::{SourceBody, check_question, millis, threshold, top};
use crate::call::CallNote;
use crate::caller::Caller;
use crate::error::ApiError;
use crate::error::schema::FlatErrorBody;
use crate::extract::{JsonBytes, Path, Query};
use crate::service::knowledge::chat::{self, Asked};
use crate::service::knowledge::ground;
use crate::service::models;
use crate::state::App;

/// Messages that a conversation is shown with.
const SHOWN: u32 = 200;

/// A question.
#[derive(Debug, Deserialize, ToSchema)]
pub struct ChatBody {
    /// At most 8,000 characters.
    #[schema(example = "What is your return policy?", max_length = 8_000)]
    message: String,
    /// Which conversation goes on; a new one where left out.
    conversation_id: Option<String>,
    /// Kept with the conversation.
    agent_id: Option<String>,
    /// Knowledge bases, at most 16; the organisation's default one where left out.
    #[schema(max_items = 16)]
    knowledge: Option<Vec<String>>,
    /// Whether the answer is looked for in knowledge bases; true where left out.
    use_rag: Option<bool>,
    /// 1 to 50; 5 where left out.
    #[schema(minimum = 1, maximum = 50)]
    top_k: Option<u32>,
    /// The least score of a source, 0 to 1; the knowledge base's own where left out.
    #[schema(minimum = 0, maximum = 1)]
    similarity_threshold: Option<f64>,
    /// Whether words and meaning are both asked; true where left out.
    use_hybrid: Option<bool>,
    /// A model from `/models`; the first one that answers chats where left out.
    model: Option<String>,
}

/// An answer.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChatAnswer {
    /// A UUID.
    conversation_id: String,
    /// The answer; where nothing was found, the text that the knowledge base has for that.
    message: String,
    /// What it rests on, best first.
    sources: Vec<SourceBody>,
    /// The best source's score; 0 where there is none.
    #[schema(example = 0.92)]
    confidence: f64,
    /// Whether nothing was found that reaches the threshold: then no model was asked.
    fallback_triggered: bool,
    /// What the model read and wrote.
    tokens_used: TokensUsed,
    /// Milliseconds.
    processing_time_ms: u64,
}

/// Tokens.
#[derive(Debug, Serialize, ToSchema)]
pub struct TokensUsed {
    /// Read.
    prompt: u64,
    /// Written.
    completion: u64,
    /// Both.
    total: u64,
}

/// Answers a question from knowledge bases, and keeps both in a conversation.
#[utoipa::path(post, path = "/chat", tag = "knowledge", params(Approval), request_body = ChatBody,
    responses(
        (status = 200, description = "The answer", body = ChatAnswer),
        (status = 400, description = "A member that is missing or out of its bounds", body = FlatErrorBody),
        (status = 402, description = "No money for it, or it needs an approval", body = FlatErrorBody),
        (status = 404, description = "No such conversation or knowledge base", body = FlatErrorBody),
        (status = 422, description = "A model that there is not, or more knowledge bases than can be searched at once", body = FlatErrorBody),
        (status = 502, description = "The provider or the plugin failed", body = FlatErrorBody),
        (status = 503, description = "The model or the retriever does not serve, or is too busy", body = FlatErrorBody),
        (status = 504, description = "The provider did not answer in time", body = FlatErrorBody),
    )
)]
pub async fn create(
    State(app): State<Arc<App>>,
    caller: Caller,
    note: CallNote,
    approval: Approval,
    body: JsonBytes,
) -> Result<Json<ChatAnswer>, ApiError> {
    let wanted: ChatBody = body.parse()?;
    check_question("message", &wanted.message)?;
    check_name("agent_id", wanted.agent_id.as_deref())?;
    let (top, threshold) = (top(wanted.top_k)?, threshold(wanted.similarity_threshold)?);
    let grounded = wanted.use_rag.unwrap_or(true);
    let bases = match grounded {
        true => ground::named(&app, &caller, wanted.knowledge.as_deref()).await?,
        false => Vec::new(),
    };
    let model = match wanted.model {
        Some(model) => model,
        None => models::usual(&app, &caller)?,
    };
    let asked = Asked {
        message: wanted.message,
        conversation_id: wanted.conversation_id,
        agent_id: wanted.agent_id,
        bases,
        grounded,
        top,
        threshold,
        hybrid: wanted.use_hybrid.unwrap_or(true),
        model,
    };
    let answered = chat::answer(&app, &caller, &note, asked, approval.id()).await?;
    let usage = answered.usage;
    Ok(Json(ChatAnswer {
        conversation_id: answered.conversation_id,
        message: answered.message,
        sources: answered.sources.into_iter().map(SourceBody::from).collect(),
        confidence: answered.confidence,
        fallback_triggered: answered.is_fallback,
        tokens_used: TokensUsed {
            prompt: usage.input_tokens,
            completion: usage.output_tokens,
            total: usage.input_tokens + usage.output_tokens,
        },
        processing_time_ms: millis(answered.took),
    }))
}

fn check_name(field: &'static str, name: Option<&str>) -> Result<(), ApiError> {
    let is_name = |name: &str| (1..=100).contains(&name.len()) && !name.contains(char::is_control);
    if name.is_none_or(is_name) {
        return Ok(());
    }
    Err(ApiError::bad_field(field, "text", format!("The '{field}' field is a line of 1 to 100 bytes.")))
}

/// A conversation.
#[derive(Debug, Serialize, ToSchema)]
pub struct ConversationBody {
    /// A UUID.
    id: String,
    /// The beginning of its first question.
    title: String,
    /// With which agent.
    agent_id: Option<String>,
    /// In which workspace it is held.
    workspace_id: Option<String>,
    /// How many messages it has.
    message_count: u64,
    /// Who began it.
    created_by: String,
    /// RFC 3339.
    created_at: String,
    /// When the last message came.
    updated_at: String,
}

impl From<Conversation> for ConversationBody {
    fn from(conversation: Conversation) -> Self {
        Self {
            id: conversation.id,
            title: conversation.title,
            agent_id: conversation.agent_id,
            workspace_id: conversation.workspace_id,
            message_count: conversation.message_count,
            created_by: conversation.created_by,
            created_at: conversation.created_at.to_rfc3339(),
            updated_at: conversation.updated_at.to_rfc3339(),
        }
    }
}

/// A conversation and what was said in it.
#[derive(Debug, Serialize, ToSchema)]
pub struct WholeConversation {
    /// The conversation.
    #[serde(flatten)]
    conversation: ConversationBody,
    /// The latest 200 messages, oldest first.
    messages: Vec<SpokenBody>,
}

/// What was said.
#[derive(Debug, Serialize, ToSchema)]
pub struct SpokenBody {
    /// A UUID.
    id: String,
    /// `user` or `assistant`.
    #[schema(example = "assistant")]
    role: &'static str,
    /// The words.
    content: String,
    /// What it rests on; the texts are with the documents.
    sources: Vec<CitedBody>,
    /// The best source's score.
    confidence: Option<f64>,
    /// Whether it is what is said where nothing was found.
    fallback_triggered: bool,
    /// RFC 3339.
    created_at: String,
}

/// A source of what was said.
#[derive(Debug, Serialize, ToSchema)]
pub struct CitedBody {
    /// The passage.
    chunk_id: String,
    /// Its document.
    document_id: String,
    /// From 0 to 1.
    similarity_score: f64,
}

impl From<Message> for SpokenBody {
    fn from(message: Message) -> Self {
        let cited = |source: conversations::Source| CitedBody {
            chunk_id: source.chunk_id,
            document_id: source.document_id,
            similarity_score: source.similarity_score,
        };
        Self {
            id: message.id,
            role: message.role.as_str(),
            content: message.content,
            sources: message.sources.into_iter().map(cited).collect(),
            confidence: message.confidence,
            fallback_triggered: message.is_fallback,
            created_at: message.created_at.to_rfc3339(),
        }
    }
}

/// Lists conversations, those with the latest messages first.
#[utoipa::path(get, path = "/chat/conversations", tag = "knowledge", params(Paging),
    responses((status = 200, description = "The conversations", body = Page<ConversationBody>))
)]
pub async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<ConversationBody>>, ApiError> {
    let place = paging.usual()?;
    let found = chat::list(&app, &caller, place.window()).await?;
    Ok(Json(place.page(found, ConversationBody::from)))
}

/// One conversation, with its latest messages.
#[utoipa::path(get, path = "/chat/conversations/{id}", tag = "knowledge", params(("id" = String, Path, description = "The conversation")),
    responses(
        (status = 200, description = "The conversation", body = WholeConversation),
        (status = 404, description = "No such conversation", body = FlatErrorBody),
    )
)]
pub async fn get(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<WholeConversation>, ApiError> {
    let conversation = chat::conversation(&app, &caller, &id).await?;
    let mut conn = app.store.read().await?;
    let messages = conversations::latest(&mut conn, &conversation.id, SHOWN).await?;
    let messages = messages.into_iter().map(SpokenBody::from).collect();
    Ok(Json(WholeConversation { conversation: conversation.into(), messages }))
}

/// Deletes a conversation with all that was said in it.
#[utoipa::path(delete, path = "/chat/conversations/{id}", tag = "knowledge", params(("id" = String, Path, description = "The conversation")),
    responses(
        (status = 204, description = "It is gone"),
        (status = 404, description = "No such conversation", body = FlatErrorBody),
    )
)]
pub async fn remove(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    chat::delete(&app, &caller, &id).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
