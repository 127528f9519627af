//! `POST /chat/completions`.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use hardpoint_domain::id;
use hardpoint_domain::message::CompletionRequest;
use hardpoint_domain::quota::Meter;
use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::approval::Approval;
use super::openai::request::{self, ChatRequest};
use super::openai::response::Gathered;
use super::openai::schema::{ChatCompletion, ChatCompletionRequest};
use super::openai::stream::{Chunks, Identity, done, failed};
use super::produced::{Out, Produced};
use super::search::SourceBody;
use crate::call::CallNote;
use crate::caller::Caller;
use crate::error::ApiError;
use crate::error::schema::{ErrorBody, FlatErrorBody};
use crate::extract::JsonBytes;
use crate::service::completions::{self, Run};
use crate::service::knowledge::ground;
use crate::service::knowledge::remote::{Asker, Bought};
use crate::service::knowledge::search::Ask;
use crate::state::App;

/// Names the plugin that answered, `id@version`.
pub const PLUGIN: HeaderName = HeaderName::from_static("hardpoint-plugin");

/// Answers a conversation, whole or as server-sent events.
///
/// A stream ends with `data: [DONE]`; one that fails midway ends with `data: {"error":{…}}` instead.
#[utoipa::path(
    post,
    path = "/chat/completions",
    tag = "completions",
    params(Approval),
    request_body = ChatCompletionRequest,
    responses(
        (status = 200, description = "The answer; with `stream`, events of type `chat.completion.chunk`", body = ChatCompletion),
        (status = 400, description = "No valid request, or the provider says so", body = ErrorBody),
        (status = 401, description = "No valid credential", body = ErrorBody),
        (status = 402, description = "No money for it, or it needs an approval", body = FlatErrorBody),
        (status = 404, description = "No such knowledge base", body = ErrorBody),
        (status = 422, description = "A model or tool that there is not, or that cannot do what is asked", body = ErrorBody),
        (status = 429, description = "Too many requests, here or at the provider", body = ErrorBody),
        (status = 502, description = "The provider or the plugin failed", body = ErrorBody),
        (status = 503, description = "The model is not available, too busy, or paused after repeated faults", body = ErrorBody),
        (status = 504, description = "The provider did not answer in time", body = ErrorBody),
    )
)]
pub async fn create(
    State(app): State<Arc<App>>,
    caller: Caller,
    note: CallNote,
    approval: Approval,
    JsonBytes(body): JsonBytes,
) -> Result<Response, ApiError> {
    let ChatRequest { completion: mut request, knowledge } = request::chat(&body)?;
    note.model(&request.model);
    let sources = match knowledge.is_empty() {
        true => None,
        false => {
            let asker = Asker {
                caller: caller.clone(),
                note: note.clone(),
                approval: approval.id().map(str::to_owned),
                field: "messages",
                meter: Meter::Completions,
                bought: Bought::default(),
            };
            Some(grounded(&asker, &mut request, &knowledge).await?)
        }
    };
    let (streamed, include_usage) = (request.streamed, request.include_usage);
    let run = completions::start(&app, &caller, &note, request, approval.id()).await?;
    let answer = Answer { sources, ..Answer::new(&app, &caller, note, run) };
    if streamed { Ok(answer.stream(include_usage)) } else { answer.whole().await }
}

/// Sources that a model is given.
const SOURCES: u32 = 5;

/// Puts what knowledge bases say about the latest question before the conversation.
async fn grounded(
    asker: &Asker,
    request: &mut CompletionRequest,
    knowledge: &[String],
) -> Result<Vec<SourceBody>, ApiError> {
    let app = asker.note.app();
    let bases = ground::named(app, &asker.caller, Some(knowledge)).await?;
    let query = ground::question(&request.messages);
    let ask = Ask { query, top: SOURCES, threshold: None, hybrid: true, documents: None, metadata: None };
    let sources =
        if ask.query.trim().is_empty() { Vec::new() } else { ground::find(asker, &bases, &ask).await? };
    ground::ground(&mut request.messages, &sources, &*app.rng);
    Ok(sources.into_iter().map(SourceBody::from).collect())
}

/// An answer under way, and its place in the call record.
struct Answer {
    /// What it rests on, where knowledge bases were named.
    sources: Option<Vec<SourceBody>>,
    id: String,
    /// Unix seconds.
    created: i64,
    model: String,
    plugin: String,
    request_id: Arc<str>,
    note: CallNote,
    run: Run,
}

impl Answer {
    fn new(app: &App, caller: &Caller, note: CallNote, run: Run) -> Self {
        let now = app.clock.now();
        Self {
            sources: None,
            id: id::hyphenated("chatcmpl", now, &*app.rng),
            created: now.seconds(),
            model: run.model().to_owned(),
            plugin: run.plugin(),
            request_id: caller.request_id.clone(),
            note,
            run,
        }
    }

    fn identity(&self) -> Identity<'_> {
        Identity { id: &self.id, created: self.created, model: &self.model, plugin: &self.plugin }
    }

    async fn whole(mut self) -> Result<Response, ApiError> {
        let mut gathered = Gathered::default();
        while let Some(delta) = self.run.next().await {
            gathered.take(delta?);
        }
        let mut completion = gathered.into_completion(self.identity(), self.run.usage());
        completion.sources = self.sources.take();
        Ok((plugin_header(&self.plugin), axum::Json(completion)).into_response())
    }

    fn stream(self, include_usage: bool) -> Response {
        self.note.update(|facts| facts.streamed = true);
        let mut headers = plugin_header(&self.plugin);
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        let body = Produced::new(|out| self.write(out, include_usage));
        (headers, Body::new(body)).into_response()
    }

    async fn write(mut self, out: Out, include_usage: bool) {
        let chunks = Chunks::new(self.identity(), include_usage);
        match &self.sources {
            Some(sources) => out.write(|buffer| chunks.role_with_sources(buffer, sources)),
            None => out.write(|buffer| chunks.role(buffer)),
        }
        while let Some(delta) = self.run.next().await {
            self.note.delta();
            match delta {
                Ok(delta) => out.write(|buffer| chunks.delta(buffer, delta)),
                Err(failure) => return self.give_up(&out, failure.into()),
            }
            out.room().await;
        }
        let usage = self.run.usage();
        if include_usage {
            out.write(|buffer| chunks.usage(buffer, usage));
        }
        // The record is durable before the clean end is told.
        self.run.account();
        self.note.commit().await;
        out.write(done);
    }

    fn give_up(&self, out: &Out, error: ApiError) {
        error.log(&self.request_id);
        self.note.error(error.kind(), error.message());
        out.write(|buffer| failed(buffer, &error));
    }
}

pub(super) fn plugin_header(plugin: &str) -> HeaderMap {
    HeaderValue::from_str(plugin).map(|value| HeaderMap::from_iter([(PLUGIN, value)])).unwrap_or_default()
}
