//! Conversations with knowledge bases, and their messages.

use hardpoint_domain::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::columns::{MaybeMicros, Micros, words};
use crate::db::{execute, fetch, statements};
use crate::{Conn, StoreError, Tx, Window};

words! {
    /// Who said something.
    pub enum Role {
        /// Who asks.
        User = "user",
        /// Who answers.
        Assistant = "assistant",
    }
}

/// A conversation.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Conversation {
    /// A UUID.
    pub id: String,
    /// Whose it is.
    pub organization_id: String,
    /// In which workspace it is held.
    pub workspace_id: Option<String>,
    /// With which agent.
    pub agent_id: Option<String>,
    /// For people.
    pub title: String,
    /// How many messages it has.
    #[sqlx(try_from = "i64")]
    pub message_count: u64,
    /// Who began it.
    pub created_by: String,
    /// When.
    #[sqlx(try_from = "Micros")]
    pub created_at: Timestamp,
    /// When the last message came.
    #[sqlx(try_from = "Micros")]
    pub updated_at: Timestamp,
    /// Since when it is archived.
    #[sqlx(try_from = "MaybeMicros")]
    pub archived_at: Option<Timestamp>,
}

/// What a message rests on. Not the text: that goes with the document, and is asked for by the chunk.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Source {
    /// The chunk.
    pub chunk_id: String,
    /// Its document.
    pub document_id: String,
    /// On the calibrated scale.
    pub similarity_score: f64,
}

/// A message.
#[derive(Clone, Debug, PartialEq, sqlx::FromRow)]
pub struct Message {
    /// A UUID.
    pub id: String,
    /// From 1, ascending; 0 as long as it has none.
    pub ordinal: i64,
    /// Who said it.
    #[sqlx(try_from = "String")]
    pub role: Role,
    /// What was said.
    pub content: String,
    /// What it rests on.
    #[sqlx(try_from = "SourcesJson")]
    pub sources: Vec<Source>,
    /// From 0 to 1.
    pub confidence: Option<f64>,
    /// Whether it is what is said where nothing was found.
    pub is_fallback: bool,
    /// Tokens read for it.
    #[sqlx(try_from = "i64")]
    pub prompt_tokens: u64,
    /// Tokens written for it.
    #[sqlx(try_from = "i64")]
    pub completion_tokens: u64,
    /// When it was said.
    #[sqlx(try_from = "Micros")]
    pub created_at: Timestamp,
}

/// A `TEXT` column with sources as JSON.
#[derive(sqlx::Type)]
#[sqlx(transparent)]
struct SourcesJson(String);

impl TryFrom<SourcesJson> for Vec<Source> {
    type Error = serde_json::Error;

    fn try_from(json: SourcesJson) -> Result<Self, Self::Error> {
        serde_json::from_str(&json.0)
    }
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, organization_id, workspace_id, agent_id, title, message_count, created_by, created_at, \
             updated_at, archived_at FROM conversations ",
            $rest
        )
    };
}

statements! {
    INSERT: "INSERT INTO conversations (id, organization_id, workspace_id, agent_id, title, message_count, created_by, \
             created_at, updated_at) VALUES ($1, $2, $3, $4, $5, 0, $6, $7, $7)";
    GET: select!("WHERE organization_id = $1 AND id = $2");
    LIST: select!(
        "WHERE organization_id = $1 AND (CAST($2 AS TEXT) IS NULL OR workspace_id = $2) \
         ORDER BY updated_at DESC, id DESC LIMIT $3 OFFSET $4"
    );
    COUNT: "SELECT COUNT(*) FROM conversations WHERE organization_id = $1 \
            AND (CAST($2 AS TEXT) IS NULL OR workspace_id = $2)";
    NEXT: "UPDATE conversations SET message_count = message_count + 1, updated_at = $2 WHERE id = $1 \
           RETURNING message_count";
    SAY: "INSERT INTO messages (conversation_id, ordinal, id, role, content, sources, confidence, is_fallback, \
          prompt_tokens, completion_tokens, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";
    MESSAGES: "SELECT id, ordinal, role, content, sources, confidence, is_fallback, prompt_tokens, completion_tokens, \
               created_at FROM messages WHERE conversation_id = $1 AND ordinal > $2 ORDER BY ordinal LIMIT $3";
    LATEST: "SELECT id, ordinal, role, content, sources, confidence, is_fallback, prompt_tokens, completion_tokens, \
             created_at FROM messages WHERE conversation_id = $1 ORDER BY ordinal DESC LIMIT $2";
    ARCHIVE: "UPDATE conversations SET archived_at = $3 WHERE organization_id = $1 AND id = $2";
    DELETE: "DELETE FROM conversations WHERE organization_id = $1 AND id = $2";
}

/// Begins a conversation, without messages.
pub async fn create(tx: &mut Tx, new: &Conversation) -> Result<(), StoreError> {
    let Conversation { id, organization_id, title, created_by, created_at, .. } = new;
    let (workspace, agent) = (new.workspace_id.as_deref(), new.agent_id.as_deref());
    execute!(tx, INSERT, id, organization_id, workspace, agent, title, created_by, created_at.micros())
        .map(drop)
}

/// A conversation of this organisation.
pub async fn get(
    conn: &mut Conn,
    organization_id: &str,
    id: &str,
) -> Result<Option<Conversation>, StoreError> {
    fetch!(conn, fetch_optional, Conversation, GET, organization_id, id)
}

/// An organisation's conversations, of one workspace or of all, those with the latest messages first.
pub async fn list(
    conn: &mut Conn,
    organization_id: &str,
    workspace_id: Option<&str>,
    Window { limit, offset }: Window,
) -> Result<Vec<Conversation>, StoreError> {
    fetch!(conn, fetch_all, Conversation, LIST, organization_id, workspace_id, limit, offset)
}

/// How many there are of these.
pub async fn count(
    conn: &mut Conn,
    organization_id: &str,
    workspace_id: Option<&str>,
) -> Result<i64, StoreError> {
    let (count,): (i64,) = fetch!(conn, fetch_one, (i64,), COUNT, organization_id, workspace_id)?;
    Ok(count)
}

/// Adds a message at the end; which one it is. None where there is no such conversation.
pub async fn say(tx: &mut Tx, conversation_id: &str, message: &Message) -> Result<Option<i64>, StoreError> {
    let at = message.created_at.micros();
    let next = fetch!(tx, fetch_optional, (i64,), NEXT, conversation_id, at)?;
    let Some((ordinal,)) = next else { return Ok(None) };
    let whole = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    execute!(
        tx,
        SAY,
        conversation_id,
        ordinal,
        &message.id,
        message.role.as_str(),
        &message.content,
        serde_json::json!(message.sources).to_string(),
        message.confidence,
        message.is_fallback,
        whole(message.prompt_tokens),
        whole(message.completion_tokens),
        at,
    )?;
    Ok(Some(ordinal))
}

/// Messages after this one, in order.
pub async fn messages(
    conn: &mut Conn,
    conversation_id: &str,
    after: i64,
    limit: u32,
) -> Result<Vec<Message>, StoreError> {
    fetch!(conn, fetch_all, Message, MESSAGES, conversation_id, after, i64::from(limit))
}

/// The latest messages, in order: what an answer takes up.
pub async fn latest(conn: &mut Conn, conversation_id: &str, limit: u32) -> Result<Vec<Message>, StoreError> {
    let mut found = fetch!(conn, fetch_all, Message, LATEST, conversation_id, i64::from(limit))?;
    found.reverse();
    Ok(found)
}

/// Archives a conversation, or takes it back. False where there is none.
pub async fn archive(
    tx: &mut Tx,
    organization_id: &str,
    id: &str,
    archived_at: Option<Timestamp>,
) -> Result<bool, StoreError> {
    let at = archived_at.map(Timestamp::micros);
    Ok(execute!(tx, ARCHIVE, organization_id, id, at)? == 1)
}

/// Deletes a conversation with its messages. False where there is none.
pub async fn delete(tx: &mut Tx, organization_id: &str, id: &str) -> Result<bool, StoreError> {
    Ok(execute!(tx, DELETE, organization_id, id)? == 1)
}
