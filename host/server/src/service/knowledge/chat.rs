//! Questions that are answered from knowledge bases, and the conversations that they make up.

use std::sync::Arc;
use std::time::Duration;

use hardpoint_domain::event::{Event, Target};
use hardpoint_domain::id;
use hardpoint_domain::message::{CompletionRequest, Delta, Message, Role, Usage};
use hardpoint_domain::quota::Meter;
use hardpoint_domain::time::Timestamp;
use hardpoint_store::knowledge::bases::KnowledgeBase;
use hardpoint_store::knowledge::conversations::{self, Conversation, Source as Cited};
use hardpoint_store::knowledge::questions::{self, Question};
use hardpoint_store::{Lane, Window};
use serde_json::{Value, json};

use super::ground::{find, ground, said};
use super::remote::{Asker, Bought};
use super::repeat;
use super::search::{Ask, Source};
use crate::call::CallNote;
use crate::caller::Caller;
use crate::error::ApiError;
use crate::service::completions;
use crate::service::events::Author;
use crate::state::App;

/// What is answered where nothing was found, and nobody chose other words.
pub const FALLBACK: &str = "I did not find anything about this in the documents that I have. Could you put it \
                            differently, or ask somebody who knows?";
/// Messages of a conversation that an answer takes up.
const REMEMBERED: u32 = 10;
/// Characters of a conversation's title.
const TITLE: usize = 80;
/// Characters of a question that are counted.
const COUNTED: usize = 500;

/// A question.
#[derive(Clone, Debug)]
pub struct Asked {
    /// In the asker's words.
    pub message: String,
    /// Which conversation goes on; a new one where left out.
    pub conversation_id: Option<String>,
    /// With which agent; kept with the conversation.
    pub agent_id: Option<String>,
    /// Where the answer is looked for.
    pub bases: Vec<KnowledgeBase>,
    /// Whether it is looked for at all.
    pub grounded: bool,
    /// How many sources at most.
    pub top: u32,
    /// The least score of a source; each knowledge base's own where left out.
    pub threshold: Option<f64>,
    /// Whether words and meaning are both asked.
    pub hybrid: bool,
    /// Which model writes the answer.
    pub model: String,
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Answered {
    /// A UUID.
    pub conversation_id: String,
    /// What was answered.
    pub message: String,
    /// What it rests on, best first.
    pub sources: Vec<Source>,
    /// The best source's score; 0 where there is none.
    pub confidence: f64,
    /// Whether it is what is said where nothing was found.
    pub is_fallback: bool,
    /// Tokens; none where no model was asked.
    pub usage: Usage,
    /// How long it took.
    pub took: Duration,
}

/// Answers a question, and keeps both in their conversation.
///
/// # Errors
/// 404 for a conversation that is not there; as a search and a completion otherwise. Nothing is kept then.
pub async fn answer(
    app: &App,
    caller: &Caller,
    note: &CallNote,
    asked: Asked,
    approval: Option<&str>,
) -> Result<Answered, ApiError> {
    let began = app.clock.now();
    let mut asked = asked;
    let mut earlier = Vec::new();
    if let Some(id) = asked.conversation_id.take() {
        let conversation = conversation(app, caller, &id).await?;
        earlier = remembered(app, &conversation.id).await?;
        asked.conversation_id = Some(conversation.id);
    }
    let asker = Asker {
        caller: caller.clone(),
        note: note.clone(),
        approval: approval.map(str::to_owned),
        field: "message",
        meter: Meter::Completions,
        bought: Bought::default(),
    };
    let sources = if asked.grounded { find(&asker, &asked.bases, &ask(&asked)).await? } else { Vec::new() };
    let is_fallback = asked.grounded && sources.is_empty();
    let (message, usage) = if is_fallback {
        (fallback(&asked.bases), Usage::default())
    } else {
        complete(app, caller, note, &asked, earlier, &sources, approval).await?
    };
    let best = sources.iter().map(|source| source.similarity_score).fold(0.0, f64::max);
    let mut answered = Answered {
        conversation_id: String::new(),
        message,
        sources,
        confidence: best,
        is_fallback,
        usage,
        took: app.clock.now().since(began),
    };
    answered.conversation_id = keep(app, caller, &asked, &answered, began).await?;
    Ok(answered)
}

fn ask(asked: &Asked) -> Ask {
    Ask {
        query: asked.message.clone(),
        top: asked.top,
        threshold: asked.threshold,
        hybrid: asked.hybrid,
        documents: None,
        metadata: None,
    }
}

/// The words of the knowledge base that was asked, where it has some.
fn fallback(bases: &[KnowledgeBase]) -> String {
    let own = bases.iter().find_map(|base| base.settings.fallback.clone());
    own.unwrap_or_else(|| FALLBACK.to_owned())
}

/// The latest messages of a conversation.
async fn remembered(app: &App, id: &str) -> Result<Vec<Message>, ApiError> {
    let mut conn = app.store.read().await?;
    let latest = conversations::latest(&mut conn, id, REMEMBERED).await?;
    let role = |role| match role {
        conversations::Role::User => Role::User,
        conversations::Role::Assistant => Role::Assistant,
    };
    Ok(latest.into_iter().map(|message| said(role(message.role), message.content)).collect())
}

/// A conversation of the caller's organisation, and of its workspace where it is bound to one.
///
/// # Errors
/// 404 for any other.
pub async fn conversation(app: &App, caller: &Caller, id: &str) -> Result<Conversation, ApiError> {
    let mut conn = app.store.read().await?;
    // Bare, as FAQSure has it, or `chat-…`.
    let bare = id::of_either_form("chat", id).as_deref().and_then(id::bare).map(|uuid| uuid.to_string());
    let found = match bare {
        Some(bare) => conversations::get(&mut conn, &caller.organization_id, &bare).await?,
        None => None,
    };
    let is_seen = |conversation: &Conversation| {
        caller.workspace_id.is_none() || caller.workspace_id == conversation.workspace_id
    };
    let shown = id.chars().take(80).collect::<String>();
    found.filter(is_seen).ok_or_else(|| ApiError::not_found(format_args!("conversation '{shown}'")))
}

/// The caller's organisation's conversations, and how many there are; those of its workspace where it is bound to one.
///
/// # Errors
/// The store's.
pub async fn list(app: &App, caller: &Caller, window: Window) -> Result<(Vec<Conversation>, i64), ApiError> {
    let mut conn = app.store.read().await?;
    let (organization, workspace) = (&caller.organization_id, caller.workspace_id.as_deref());
    let found = conversations::list(&mut conn, organization, workspace, window).await?;
    let count = conversations::count(&mut conn, organization, workspace).await?;
    Ok((found, count))
}

async fn complete(
    app: &App,
    caller: &Caller,
    note: &CallNote,
    asked: &Asked,
    earlier: Vec<Message>,
    sources: &[Source],
    approval: Option<&str>,
) -> Result<(String, Usage), ApiError> {
    let mut messages = earlier;
    messages.push(said(Role::User, asked.message.clone()));
    if asked.grounded {
        ground(&mut messages, sources, &*app.rng);
    }
    let request = plain(asked.model.clone(), messages);
    note.model(&request.model);
    let mut run = completions::start(app, caller, note, request, approval).await?;
    let mut text = String::new();
    while let Some(delta) = run.next().await {
        if let Delta::Text(piece) | Delta::Refusal(piece) = delta? {
            text += &piece;
        }
    }
    Ok((text, run.usage()))
}

fn plain(model: String, messages: Vec<Message>) -> CompletionRequest {
    CompletionRequest {
        model,
        messages,
        tools: Vec::new(),
        tool_choice: None,
        parallel_tool_calls: None,
        response_format: None,
        streamed: false,
        include_usage: false,
        max_tokens: None,
        temperature: None,
        top_p: None,
        frequency_penalty: None,
        presence_penalty: None,
        stop: Vec::new(),
        seed: None,
        user: None,
        extra: Default::default(),
    }
}

/// Keeps question and answer, in a conversation that is made where it is the first; its id.
async fn keep(
    app: &App,
    caller: &Caller,
    asked: &Asked,
    answered: &Answered,
    began: Timestamp,
) -> Result<String, ApiError> {
    let now = app.clock.now();
    let begun = asked.conversation_id.is_none().then(|| begun(app, caller, asked, began));
    let id =
        begun.as_ref().map_or_else(|| asked.conversation_id.clone().unwrap_or_default(), |it| it.id.clone());
    let spoken = [user_message(app, asked, began), assistant_message(app, answered, now)];
    let counted = counted(app, caller, asked, answered, now);
    let mut events = Vec::new();
    if let Some(begun) = &begun {
        let body = json!({ "conversation_id": begun.id, "agent_id": begun.agent_id });
        events.push(event(app, caller, "chat.created", &begun.id, body));
    }
    let completed = json!({
        "conversation_id": id,
        "message_id": spoken[1].id,
        "model": (!answered.is_fallback).then_some(&asked.model),
        "fallback_triggered": answered.is_fallback,
        "sources": answered.sources.len(),
    });
    events.push(event(app, caller, "chat.completed", &id, completed));
    let kept = Arc::new((begun, id.clone(), spoken, counted, events));
    // It was paid for.
    let writing = repeat(|| {
        let kept = Arc::clone(&kept);
        app.store.write(Lane::Request, move |tx| {
            Box::pin(async move {
                let (begun, into, spoken, counted, events) = &*kept;
                if let Some(begun) = begun {
                    conversations::create(tx, begun).await?;
                }
                for message in spoken {
                    // One that was deleted meanwhile keeps nothing.
                    conversations::say(tx, into, message).await?;
                }
                questions::record(tx, counted).await?;
                for event in events {
                    tx.append(event, &[]).await?;
                }
                Ok(())
            })
        })
    });
    writing.await?;
    Ok(id)
}

/// Deletes a conversation with all that was said in it.
///
/// # Errors
/// 404 where there is none that the caller sees.
pub async fn delete(app: &App, caller: &Caller, id: &str) -> Result<(), ApiError> {
    let conversation = conversation(app, caller, id).await?;
    let deleted =
        event(app, caller, "chat.deleted", &conversation.id, json!({ "conversation_id": conversation.id }));
    let write = app.store.write(Lane::Request, move |tx| {
        Box::pin(async move {
            if conversations::delete(tx, &conversation.organization_id, &conversation.id).await? {
                tx.append(&deleted, &[]).await?;
            }
            Ok(())
        })
    });
    Ok(write.await?)
}

/// An event of a conversation: which it is, and nothing of what was said.
fn event(app: &App, caller: &Caller, kind: &str, id: &str, body: Value) -> Event {
    let event = Author::from(caller).event(app.clock.now(), &*app.rng, kind, Target::new("chat", id), body);
    Event { organization_id: Some(caller.organization_id.clone()), ..event }
}

fn begun(app: &App, caller: &Caller, asked: &Asked, now: Timestamp) -> Conversation {
    Conversation {
        id: id::uuid_v7(now, &*app.rng).to_string(),
        organization_id: caller.organization_id.clone(),
        workspace_id: caller.workspace_id.clone(),
        agent_id: asked.agent_id.clone(),
        title: line(&asked.message, TITLE),
        message_count: 0,
        created_by: caller.user.as_ref().map_or_else(|| caller.key_id.clone(), |user| user.id.clone()),
        created_at: now,
        updated_at: now,
        archived_at: None,
    }
}

fn user_message(app: &App, asked: &Asked, now: Timestamp) -> conversations::Message {
    conversations::Message {
        id: id::uuid_v7(now, &*app.rng).to_string(),
        ordinal: 0,
        role: conversations::Role::User,
        content: asked.message.clone(),
        sources: Vec::new(),
        confidence: None,
        is_fallback: false,
        prompt_tokens: 0,
        completion_tokens: 0,
        created_at: now,
    }
}

fn assistant_message(app: &App, answered: &Answered, now: Timestamp) -> conversations::Message {
    let cited = |source: &Source| Cited {
        chunk_id: source.chunk_id.clone(),
        document_id: source.document_id.clone(),
        similarity_score: source.similarity_score,
    };
    conversations::Message {
        id: id::uuid_v7(now, &*app.rng).to_string(),
        ordinal: 0,
        role: conversations::Role::Assistant,
        content: answered.message.replace('\0', "\u{fffd}"),
        sources: answered.sources.iter().map(cited).collect(),
        confidence: Some(answered.confidence),
        is_fallback: answered.is_fallback,
        prompt_tokens: answered.usage.input_tokens,
        completion_tokens: answered.usage.output_tokens,
        created_at: now,
    }
}

/// What the dashboard sums up.
fn counted(app: &App, caller: &Caller, asked: &Asked, answered: &Answered, now: Timestamp) -> Question {
    let mut sources: Vec<String> = answered.sources.iter().map(|source| source.document_id.clone()).collect();
    sources.sort();
    sources.dedup();
    Question {
        id: id::uuid_v7(now, &*app.rng).to_string(),
        time: now,
        organization_id: caller.organization_id.clone(),
        workspace_id: caller.workspace_id.clone(),
        knowledge_base_id: asked.bases.first().filter(|_| asked.grounded).map(|base| base.id.clone()),
        question: line(&asked.message.to_lowercase(), COUNTED),
        is_answered: !answered.sources.is_empty(),
        is_fallback: answered.is_fallback,
        confidence: asked.grounded.then_some(answered.confidence),
        duration: answered.took,
        prompt_tokens: answered.usage.input_tokens,
        completion_tokens: answered.usage.output_tokens,
        sources,
    }
}

/// Text on one line, of at most so many characters.
fn line(text: &str, most: usize) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").chars().take(most).collect()
}

#[cfg(test)]
mod tests {
    use super::line;

    #[test]
    fn a_line_has_no_other_spaces_and_an_end() {
        assert_eq!(line(" What\n\tis  it? ", 80), "What is it?");
        assert_eq!(line("äöüß", 2), "äö");
    }
}
