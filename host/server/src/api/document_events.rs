//! How far a document is, as server-sent events.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use hardpoint_domain::knowledge::state::State as Stage;
use hardpoint_store::knowledge::bases::KnowledgeBase;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::documents::Document;
use crate::caller::Caller;
use crate::error::schema::ErrorBody;
use crate::error::{ApiError, Shape};
use crate::extract::Path;
use crate::service::knowledge::{bases, documents};
use crate::state::{App, stopped};

/// How often the document is looked at where nothing is heard of it: another host may be reading it.
const PERIOD: Duration = Duration::from_millis(500);
/// The least time between two looks.
const PAUSE: Duration = Duration::from_millis(50);
/// How often something is said where nothing changes, so that nobody in between takes it for dead.
const ALIVE: Duration = Duration::from_secs(15);

/// Streams how far a document is: an event `progress` with the document whenever something of it has changed, and
/// `indexed`, `failed` or `deleted` at the end.
#[utoipa::path(get, path = "/knowledge/{kb_id}/documents/{id}/events", tag = "knowledge",
    params(("kb_id" = String, Path, description = "The knowledge base"), ("id" = String, Path, description = "The document")),
    responses(
        (status = 200, description = "The events", content_type = "text/event-stream", body = String),
        (status = 404, description = "No such knowledge base or document", body = ErrorBody),
    )
)]
pub async fn follow(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path((kb_id, id)): Path<(String, String)>,
) -> Result<Response, ApiError> {
    let base = bases::find(&app, &caller, &kb_id).await?;
    documents::find(&app, &caller, Some(&base), &id).await?;
    let follower = Follower {
        bell: app.knowledge.subscribe(),
        stopping: app.stop.subscribe(),
        app,
        caller,
        base,
        id,
        last: String::new(),
        said: Instant::now(),
        is_over: false,
    };
    let events = stream::unfold(follower, |mut follower| async move {
        let event = follower.next().await?;
        Some((Ok::<_, std::convert::Infallible>(event), follower))
    });
    let mut response = Response::new(Body::from_stream(events));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    Ok(response)
}

/// Whoever follows a document.
struct Follower {
    app: Arc<App>,
    caller: Caller,
    base: KnowledgeBase,
    id: String,
    bell: watch::Receiver<u64>,
    stopping: watch::Receiver<bool>,
    /// What was told last.
    last: String,
    said: Instant,
    is_over: bool,
}

impl Follower {
    /// What is to be told next; none when all is told, or the server stops.
    async fn next(&mut self) -> Option<Bytes> {
        if self.is_over {
            return None;
        }
        loop {
            // Before the look: what is rung for during it is looked for once more.
            self.bell.mark_unchanged();
            if let Some(event) = self.look().await {
                self.said = Instant::now();
                return Some(event);
            }
            if self.said.elapsed() >= ALIVE {
                self.said = Instant::now();
                return Some(Bytes::from_static(b": alive\n\n"));
            }
            tokio::select! {
                _ = self.bell.changed() => sleep(PAUSE).await,
                () = sleep(PERIOD) => {}
                () = stopped(&mut self.stopping) => return None,
            }
        }
    }

    /// Looks at the document; none where it is as it was.
    async fn look(&mut self) -> Option<Bytes> {
        let found = documents::find(&self.app, &self.caller, Some(&self.base), &self.id).await;
        let (name, data) = match found {
            Ok(document) => (named(document.state), json(&Document::from(document))),
            Err(error) if error.status() == StatusCode::NOT_FOUND => ("deleted", "{}".to_owned()),
            Err(error) => {
                error.log(&self.caller.request_id);
                ("error", String::from_utf8_lossy(&error.body(Shape::Standard)).into_owned())
            }
        };
        self.is_over = name != named(Stage::Processing);
        let event = format!("event: {name}\ndata: {data}\n\n");
        if event == self.last {
            return None;
        }
        self.last.clone_from(&event);
        Some(event.into())
    }
}

const fn named(stage: Stage) -> &'static str {
    match stage {
        Stage::Processing => "progress",
        Stage::Indexed => "indexed",
        Stage::Failed => "failed",
    }
}

fn json(document: &Document) -> String {
    // A struct of texts and numbers is always JSON.
    serde_json::to_string(document).unwrap_or_default()
}
