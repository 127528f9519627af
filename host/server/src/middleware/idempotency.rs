//! `Idempotency-Key`: what a request asks as a fingerprint, and answers kept and given again. What is decided about
//! them is in [`crate::service::idempotency`].

use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use http_body_util::BodyExt;
use memchr::memmem;
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;
use tracing::Instrument;

use crate::caller::Caller;
use crate::error::ApiError;
use crate::extract::{media_type, read_body};
use crate::middleware::entry::{Access, Entry};
use crate::router::MOUNTS;
use crate::service::idempotency::{self, Begun, HEADER, Held, Kept, LONGEST, Named};
use crate::shown_once::Again;

/// The header that names a request.
const KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The header of an answer that was given before.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// How long a stream goes on for a client that has left and may ask again.
const ABANDONED: Duration = Duration::from_secs(600);

/// The longest boundary of a form, in bytes (RFC 2046).
const LONGEST_BOUNDARY: usize = 70;

/// What the last event of a stream that ended well ends with.
const DONE: &[u8] = b"data: [DONE]\n\n";

/// Whether a request is to be carried out once, however often it is sent: `POST`s that name themselves, of callers
/// that are known. What the other methods do, they do once in any case.
pub(super) fn applies(entry: &Entry, request: &Request) -> bool {
    *request.method() == Method::POST
        && request.headers().contains_key(KEY)
        && !matches!(entry.access, Access::Open)
}

/// Reads the request, which has a caller by now, and claims its name.
///
/// # Errors
/// 400 for a name that is none; those of reading a body; those of [`idempotency::begin`].
pub(super) async fn begin(entry: &Entry, request: &mut Request) -> Result<Begun, ApiError> {
    let name = name_of(request.headers())?;
    let caller = request.extensions().get::<Caller>().cloned().ok_or_else(ApiError::unauthenticated)?;
    let limit = entry.bodies.whole(&entry.app.latest.load().config);
    let (parts, body) = std::mem::take(request).into_parts();
    let body = read_body(body, limit).await?;
    let fingerprint = fingerprint(&parts, &body);
    *request = Request::from_parts(parts, body.into());
    idempotency::begin(&entry.app, &caller, Named { name, fingerprint }).await
}

fn name_of(headers: &HeaderMap) -> Result<String, ApiError> {
    let mut named = headers.get_all(KEY).iter();
    match (named.next(), named.next()) {
        (Some(name), None) if idempotency::is_name(name.as_bytes()) => {
            Ok(String::from_utf8_lossy(name.as_bytes()).into_owned())
        }
        _ => {
            let message =
                format!("The '{HEADER}' header must be one text of 1 to 255 printable ASCII characters.");
            Err(ApiError::bad_field(HEADER, "format", message))
        }
    }
}

/// What is asked: the route under whichever mount, and the body. The boundary of a form is left out, since clients
/// choose another each time.
fn fingerprint(parts: &Parts, body: &[u8]) -> [u8; 32] {
    let path = parts.uri.path();
    let path = MOUNTS.iter().find_map(|mount| path.strip_prefix(mount)).unwrap_or(path);
    let mut hash = Sha256::new();
    let mut part = |part: &[u8]| {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    };
    part(path.as_bytes());
    part(parts.uri.query().unwrap_or_default().as_bytes());
    match boundary(&parts.headers) {
        Some(boundary) => split(body, boundary.as_bytes()).for_each(part),
        None => part(body),
    }
    hash.finalize().into()
}

fn boundary(headers: &HeaderMap) -> Option<String> {
    if media_type(headers)? != "multipart/form-data" {
        return None;
    }
    let kind = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let (_, boundary) = kind.split_once("boundary=")?;
    let boundary = boundary.split(';').next()?.trim().trim_matches('"');
    (1..=LONGEST_BOUNDARY).contains(&boundary.len()).then(|| boundary.to_owned())
}

/// What is between the occurrences of a text that is not empty; in so much time as the whole is long, whatever both are.
fn split<'a>(whole: &'a [u8], by: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    let mut begin = 0;
    let ends = memmem::find_iter(whole, by).chain([whole.len()]);
    ends.map(move |end| {
        let text = &whole[begin..end];
        begin = end + by.len();
        text
    })
}

/// What was answered before, once more.
pub(super) fn again(kept: Kept) -> Response {
    let mut response = Response::new(Body::from(kept.body));
    *response.status_mut() = StatusCode::from_u16(kept.status).unwrap_or(StatusCode::OK);
    for (name, value) in kept.headers {
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(&value)) {
            response.headers_mut().append(name, value);
        }
    }
    response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    response
}

/// A request that is carried out under a name, from its answer's head on.
pub(super) struct Answering {
    held: Held,
    status: StatusCode,
    headers: Vec<(String, String)>,
    /// In the place of the answer's own.
    body: Option<Bytes>,
}

impl Answering {
    /// Takes what is kept of an answer's head, before anything is added that is this answer's alone.
    pub(super) fn new(held: Held, response: &mut Response) -> Self {
        let text = |value: &HeaderValue| value.to_str().ok().map(str::to_owned);
        let headers = response.headers().iter().filter(|(name, _)| *name != header::CONTENT_LENGTH);
        Self {
            held,
            status: response.status(),
            headers: headers
                .filter_map(|(name, value)| Some((name.as_str().to_owned(), text(value)?)))
                .collect(),
            body: response.extensions_mut().remove::<Again>().map(|again| again.0),
        }
    }

    /// Ends it with an answer that is whole: kept where it succeeded.
    pub(super) async fn whole(self, response: Response) -> Response {
        if self.status == StatusCode::INTERNAL_SERVER_ERROR {
            self.held.lose().await;
            return response;
        }
        if !self.status.is_success() {
            self.held.release().await;
            return response;
        }
        let (parts, body) = response.into_parts();
        // It is in memory already, and cannot fail.
        let body = body.collect().await.map(|collected| collected.to_bytes()).unwrap_or_default();
        let mut copy = Copy::default();
        copy.take(self.body.as_ref().unwrap_or(&body));
        self.keep(copy).await;
        Response::from_parts(parts, Body::from(body))
    }

    /// Passes a stream on and keeps it, also when the client leaves: who sent a name may come again for the answer.
    pub(super) fn stream(self, response: Response) -> Response {
        response.map(|body| {
            let (client, receiver) = mpsc::channel(1);
            tokio::spawn(self.pass_on(body, client).in_current_span());
            received(receiver)
        })
    }

    async fn pass_on(self, mut body: Body, client: mpsc::Sender<Piece>) {
        let mut copy = Copy::default();
        let reading = async {
            let mut last = None;
            while let Some(frame) = body.frame().await {
                let Ok(piece) = frame?.into_data() else { continue };
                copy.take(&piece);
                if client.is_closed() && copy.0.is_none() {
                    return Ok(None);
                }
                if let Some(before) = last.take() {
                    let _ = client.send(Some(Ok(before))).await;
                }
                // The clean end waits until the answer is kept.
                if piece.ends_with(DONE) {
                    last = Some(piece);
                } else {
                    let _ = client.send(Some(Ok(piece))).await;
                }
            }
            Ok::<_, axum::Error>(last)
        };
        let abandoned = async {
            client.closed().await;
            tokio::time::sleep(ABANDONED).await;
        };
        let read = tokio::select! {
            read = reading => read,
            () = abandoned => return self.held.lose().await,
        };
        match read {
            Ok(last) => {
                self.keep(copy).await;
                if let Some(last) = last {
                    let _ = client.send(Some(Ok(last))).await;
                }
                let _ = client.send(None).await;
            }
            Err(error) => {
                self.held.lose().await;
                let _ = client.send(Some(Err(error))).await;
            }
        }
    }

    async fn keep(self, copy: Copy) {
        let Self { held, status, headers, .. } = self;
        held.keep(copy.0.map(|body| Kept { status: status.as_u16(), headers, body })).await;
    }
}

/// Part of a body on its way to the client; none is its end.
type Piece = Option<Result<Bytes, axum::Error>>;

/// What is passed on, as a body. It is broken where whoever passes it on is gone before its end: a panic must not look
/// like an answer that is whole.
fn received(receiver: mpsc::Receiver<Piece>) -> Body {
    Body::from_stream(stream::unfold(receiver, |mut receiver| async {
        let broken = || Some(Err(axum::Error::new("the answer broke off")));
        receiver.recv().await.unwrap_or_else(broken).map(|piece| (piece, receiver))
    }))
}

/// A body as far as it was read; none once it is too long to be kept.
struct Copy(Option<Vec<u8>>);

impl Default for Copy {
    fn default() -> Self {
        Self(Some(Vec::new()))
    }
}

impl Copy {
    fn take(&mut self, piece: &[u8]) {
        match &mut self.0 {
            Some(body) if body.len() + piece.len() <= LONGEST => body.extend_from_slice(piece),
            _ => self.0 = None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(uri: &str, kind: &str, body: &str) -> [u8; 32] {
        let request = Request::post(uri).header("content-type", kind).body(()).unwrap();
        fingerprint(&request.into_parts().0, body.as_bytes())
    }

    #[test]
    fn what_is_the_same_request() {
        let json = "application/json";
        let one = of("/api/v1/users?a=1", json, "{}");
        assert_eq!(one, of("/v1/users?a=1", json, "{}"));
        assert_eq!(one, of("/users?a=1", json, "{}"));
        for other in [
            of("/users", json, "{}"),
            of("/users?a=2", json, "{}"),
            of("/users/?a=1", json, "{}"),
            of("/users?a=1", json, "{ }"),
            of("/users?a=1", json, ""),
        ] {
            assert_ne!(one, other);
        }
    }

    #[test]
    fn a_form_is_the_same_with_another_boundary() {
        let form = |boundary: &str, text: &str| {
            let body = format!("--{boundary}\r\n\r\n{text}\r\n--{boundary}--\r\n");
            of("/plugins", &format!("multipart/form-data; boundary=\"{boundary}\""), &body)
        };
        assert_eq!(form("one", "text"), form("another", "text"));
        assert_ne!(form("one", "text"), form("one", "texts"));
        assert_ne!(form("one", "ab"), form("one", "a\r\n--one\r\n\r\nb"));
        let (one, other) = ("1".repeat(70), "2".repeat(70));
        assert_eq!(form(&one, "text"), form(&other, "text"));
        // One that is longer than any can be is none.
        assert_ne!(form(&format!("{one}1"), "text"), form(&format!("{other}2"), "text"));
        // An empty boundary is none, and no reason to look for ever.
        assert_eq!(of("/p", "multipart/form-data; boundary=", "x"), of("/p", "multipart/form-data", "x"));
    }

    #[tokio::test]
    async fn what_breaks_off_is_no_whole_answer() {
        let (client, receiver) = mpsc::channel(2);
        client.send(Some(Ok(Bytes::from_static(b"data: 1\n\n")))).await.unwrap();
        client.send(None).await.unwrap();
        assert_eq!(received(receiver).collect().await.unwrap().to_bytes(), "data: 1\n\n");
        let (client, receiver) = mpsc::channel(1);
        client.send(Some(Ok(Bytes::from_static(b"data: 1\n\n")))).await.unwrap();
        drop(client);
        assert!(received(receiver).collect().await.is_err());
    }

    #[test]
    fn a_copy_ends_where_it_is_too_long() {
        let mut copy = Copy::default();
        copy.take(&vec![b'x'; LONGEST]);
        assert_eq!(copy.0.as_ref().map(Vec::len), Some(LONGEST));
        copy.take(b"x");
        copy.take(b"");
        assert_eq!(copy.0, None);
    }
}
