//! A small HTTP client that hides nothing: statuses, headers, bodies as they came, and streams event by event.

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client as Pool;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

use crate::patience::soon;

/// Speaks with one host, with or without a key.
#[derive(Clone, Debug)]
pub struct Client {
    origin: String,
    key: Option<String>,
    pool: Pool<HttpConnector, Full<Bytes>>,
}

/// A whole answer.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Client {
    /// To this origin, as whoever holds the key.
    pub fn new(origin: &str, key: Option<&str>) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        Self {
            origin: origin.to_owned(),
            key: key.map(str::to_owned),
            pool: Pool::builder(TokioExecutor::new()).build(connector),
        }
    }

    /// `GET`.
    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &[], Bytes::new()).await
    }

    /// `DELETE`.
    pub async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, &[], Bytes::new()).await
    }

    /// `POST` of JSON.
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::POST, path, &[("content-type", "application/json")], body.to_string()).await
    }

    /// Any request.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Answer {
        let response = self.begin(method, path, headers, body.into()).await;
        let (head, body) = response.into_parts();
        let body = soon("the body of an answer", body.collect()).await;
        let body = body.unwrap_or_else(|error| panic!("{path}: the answer broke off: {error}")).to_bytes();
        Answer { status: head.status.as_u16(), headers: head.headers, body }
    }

    /// Any request, to a host that may die over it.
    ///
    /// # Errors
    /// Where it is not answered to the end.
    pub async fn try_send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Result<Answer, String> {
        let request = self.request(method, path, headers, body.into());
        let response = soon(path, self.pool.request(request)).await.map_err(|error| error.to_string())?;
        let (head, body) = response.into_parts();
        let body = soon("the body of an answer", body.collect()).await.map_err(|error| error.to_string())?;
        Ok(Answer { status: head.status.as_u16(), headers: head.headers, body: body.to_bytes() })
    }

    /// `POST` of JSON whose answer is read event by event.
    pub async fn stream(&self, path: &str, body: &Value) -> Events {
        let headers = [("content-type", "application/json"), ("accept", "text/event-stream")];
        let response = self.begin(Method::POST, path, &headers, body.to_string().into()).await;
        let (head, body) = response.into_parts();
        Events { status: head.status.as_u16(), headers: head.headers, body, read: BytesMut::new() }
    }

    async fn begin(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Response<Incoming> {
        let request = self.request(method, path, headers, body);
        let response = soon(&format!("the head of the answer to {path}"), self.pool.request(request)).await;
        response.unwrap_or_else(|error| panic!("{path} was not answered: {error:?}"))
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Request<Full<Bytes>> {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.origin));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(key) = &self.key {
            request = request.header("authorization", format!("Bearer {key}"));
        }
        request.body(Full::new(body)).unwrap()
    }
}

impl Answer {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// A header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The body as JSON; fails the test if the status is another.
    #[track_caller]
    pub fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        self.json()
    }
}

/// An answer that is a stream of events. Dropping it closes the connection.
#[derive(Debug)]
pub struct Events {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    body: Incoming,
    read: BytesMut,
}

/// How a stream goes on.
#[derive(Clone, Debug, PartialEq)]
pub enum Next {
    /// An event's data.
    Data(String),
    /// The answer is complete.
    End,
    /// The connection broke before the answer was complete.
    Broken,
}

impl Events {
    /// The next event.
    pub async fn next(&mut self) -> Next {
        loop {
            if let Some(end) = self.read.windows(2).position(|two| two == b"\n\n") {
                let event = self.read.split_to(end + 2);
                let event = std::str::from_utf8(&event).expect("an event is UTF-8");
                let data: Vec<&str> = event.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
                if data.is_empty() {
                    continue; // a comment
                }
                return Next::Data(data.join("\n"));
            }
            match soon("the next event", self.body.frame()).await {
                Some(Ok(frame)) => self.read.extend_from_slice(frame.data_ref().unwrap_or(&Bytes::new())),
                Some(Err(_)) => return Next::Broken,
                None => return Next::End,
            }
        }
    }

    /// The next event's JSON; fails the test at the end of the stream.
    pub async fn json(&mut self) -> Value {
        match self.next().await {
            Next::Data(data) => serde_json::from_str(&data).unwrap_or_else(|error| panic!("{error}: {data}")),
            other => panic!("the stream ended: {other:?}"),
        }
    }

    /// Everything up to the end.
    pub async fn rest(mut self) -> Told {
        let mut told = Told::default();
        loop {
            match self.next().await {
                Next::Data(data) if data == "[DONE]" => told.done = true,
                Next::Data(data) => {
                    let chunk: Value =
                        serde_json::from_str(&data).unwrap_or_else(|error| panic!("{error}: {data}"));
                    told.take(chunk);
                }
                end => {
                    told.broken = end == Next::Broken;
                    return told;
                }
            }
        }
    }
}

/// What a streamed completion told.
#[derive(Debug, Default)]
pub struct Told {
    /// The pieces of text together.
    pub text: String,
    /// The last finish reason.
    pub finish: Option<String>,
    /// The usage, where it was told.
    pub usage: Option<Value>,
    /// An error event.
    pub error: Option<Value>,
    /// Every chunk.
    pub chunks: Vec<Value>,
    /// Whether it ended with `[DONE]`.
    pub done: bool,
    /// Whether the connection broke.
    pub broken: bool,
}

impl Told {
    fn take(&mut self, chunk: Value) {
        let choice = &chunk["choices"][0];
        self.text += choice["delta"]["content"].as_str().unwrap_or_default();
        if let Some(reason) = choice["finish_reason"].as_str() {
            self.finish = Some(reason.to_owned());
        }
        if chunk["usage"].is_object() {
            self.usage = Some(chunk["usage"].clone());
        }
        if chunk["error"].is_object() {
            self.error = Some(chunk["error"].clone());
        }
        self.chunks.push(chunk);
    }
}
