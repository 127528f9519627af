//! A plugin's log as server-sent events.

use std::collections::VecDeque;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use hardpoint_runtime::LogLine;
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;

use super::plugins::LogEntry;
use crate::state::stopped;

/// How often something is said where nothing is logged, so that nobody in between takes it for dead.
const ALIVE: Duration = Duration::from_secs(15);

/// `lines`, then what comes, until the client leaves or the server stops.
pub(super) fn response(
    lines: Vec<LogLine>,
    coming: Receiver<LogLine>,
    stopping: watch::Receiver<bool>,
) -> Response {
    let first: VecDeque<LogLine> = lines.into();
    let events = stream::unfold(
        (first, coming, stopping),
        |(mut first, mut coming, mut stopping)| async move {
            let said = match first.pop_front() {
                Some(line) => event(line),
                None => tokio::select! {
                    line = coming.recv() => match line {
                        Ok(line) => event(line),
                        Err(RecvError::Lagged(lost)) => Bytes::from(format!(": {lost} lines were written faster than read\n\n")),
                        Err(RecvError::Closed) => return None,
                    },
                    () = tokio::time::sleep(ALIVE) => Bytes::from_static(b": alive\n\n"),
                    _ = stopped(&mut stopping) => return None,
                },
            };
            Some((Ok::<_, std::convert::Infallible>(said), (first, coming, stopping)))
        },
    );
    let mut response = Response::new(Body::from_stream(events));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

fn event(line: LogLine) -> Bytes {
    // A line of text in a struct of texts is always JSON.
    let json = serde_json::to_string(&LogEntry::from(line)).unwrap_or_default();
    format!("data: {json}\n\n").into()
}
