//! An answer byte by byte: what goes out, in which pieces, on which condition, and how it ends.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::{Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use tokio::sync::watch;

use super::server::Body;
use crate::gate::Gate;

/// One thing that happens while answering.
#[derive(Clone, Debug)]
pub enum Step {
    /// These bytes go out as one chunk.
    Bytes(Bytes),
    /// The answer goes on once the gate lets it.
    Wait(Gate),
    /// The answer goes on after so long.
    Pause(Duration),
    /// Nothing more comes, and the connection stays open.
    Silence,
    /// The connection breaks.
    Break,
}

/// A scripted answer.
#[derive(Clone, Debug)]
pub struct Script {
    /// The status line's.
    pub status: u16,
    /// Name and value.
    pub headers: Vec<(String, String)>,
    /// The body. Steps before the first bytes hold the head back too.
    pub steps: Vec<Step>,
}

impl Script {
    /// `200`, nothing else yet.
    pub fn new() -> Self {
        Self { status: 200, headers: Vec::new(), steps: Vec::new() }
    }

    /// An event stream.
    pub fn events() -> Self {
        Self::new()
            .header("content-type", "text/event-stream; charset=utf-8")
            .header("cache-control", "no-cache")
    }

    /// With this status.
    #[must_use]
    pub fn status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// With one more header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Then these bytes as one chunk.
    #[must_use]
    pub fn bytes(mut self, bytes: impl Into<Bytes>) -> Self {
        self.steps.push(Step::Bytes(bytes.into()));
        self
    }

    /// Then so many bytes of this at a time, wherever that cuts.
    #[must_use]
    pub fn cut(mut self, bytes: impl Into<Bytes>, every: usize) -> Self {
        let mut rest = bytes.into();
        while !rest.is_empty() {
            let piece = rest.split_to(every.min(rest.len()));
            self.steps.push(Step::Bytes(piece));
        }
        self
    }

    /// Then this byte by byte, so far apart.
    #[must_use]
    pub fn drip(mut self, bytes: impl Into<Bytes>, every: Duration) -> Self {
        for byte in bytes.into() {
            self.steps.push(Step::Bytes(vec![byte].into()));
            self.steps.push(Step::Pause(every));
        }
        self
    }

    /// Then wait.
    #[must_use]
    pub fn wait(mut self, gate: &Gate) -> Self {
        self.steps.push(Step::Wait(gate.clone()));
        self
    }

    /// Then nothing, for ever.
    #[must_use]
    pub fn silence(mut self) -> Self {
        self.steps.push(Step::Silence);
        self
    }

    /// Then the connection breaks.
    #[must_use]
    pub fn broken(mut self) -> Self {
        self.steps.push(Step::Break);
        self
    }

    /// Plays it. What became of it is told to `ending`.
    ///
    /// # Errors
    /// Where the connection is to break before the head.
    pub async fn play(self, ending: Ending) -> io::Result<Response<Body>> {
        let mut steps = self.steps.into_iter().peekable();
        while let Some(step) = steps.next_if(|step| !matches!(step, Step::Bytes(_))) {
            pause(step, &ending).await?;
        }
        let frames = stream::unfold((steps, ending), |(mut steps, ending)| async move {
            // Once put off, what went before is sent: pieces stay pieces, and a break comes after them.
            tokio::task::yield_now().await;
            loop {
                match steps.next() {
                    Some(Step::Bytes(bytes)) => return Some((Ok(Frame::data(bytes)), (steps, ending))),
                    Some(step) => {
                        if let Err(error) = pause(step, &ending).await {
                            return Some((Err(error), (steps, ending)));
                        }
                    }
                    None => {
                        ending.set(End::Complete);
                        return None;
                    }
                }
            }
        });
        let mut response = Response::new(StreamBody::new(frames).boxed_unsync());
        *response.status_mut() = StatusCode::from_u16(self.status).map_err(io::Error::other)?;
        for (name, value) in self.headers {
            let name = http::HeaderName::try_from(name).map_err(io::Error::other)?;
            response.headers_mut().append(name, value.try_into().map_err(io::Error::other)?);
        }
        Ok(response)
    }
}

impl Default for Script {
    fn default() -> Self {
        Self::new()
    }
}

async fn pause(step: Step, ending: &Ending) -> io::Result<()> {
    match step {
        Step::Bytes(_) => Ok(()),
        Step::Wait(gate) => {
            gate.pass().await;
            Ok(())
        }
        Step::Pause(long) => {
            tokio::time::sleep(long).await;
            Ok(())
        }
        Step::Silence => std::future::pending().await,
        Step::Break => {
            ending.set(End::Broken);
            Err(io::Error::other("broken, as scripted"))
        }
    }
}

/// How an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Not yet.
    UnderWay,
    /// All of it went out.
    Complete,
    /// The script broke the connection.
    Broken,
    /// The client went away before the end.
    ClientLeft,
}

/// Learns how an answer ended. One that is dropped unfinished was left by its client.
#[derive(Debug)]
pub struct Ending(watch::Sender<End>);

/// Tells how an answer ended.
#[derive(Clone, Debug)]
pub struct Ended(watch::Receiver<End>);

impl Ending {
    /// The two sides of one answer.
    pub fn new() -> (Self, Ended) {
        let (end, watched) = watch::channel(End::UnderWay);
        (Self(end), Ended(watched))
    }

    fn set(&self, end: End) {
        self.0.send_if_modified(|now| {
            let first = *now == End::UnderWay;
            if first {
                *now = end;
            }
            first
        });
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.set(End::ClientLeft);
    }
}

impl Ended {
    /// How it stands.
    pub fn now(&self) -> End {
        *self.0.borrow()
    }

    /// Waits for the end.
    pub async fn wait(&self) -> End {
        let mut watched = self.0.clone();
        match watched.wait_for(|end| *end != End::UnderWay).await {
            Ok(end) => *end,
            Err(_) => self.now(),
        }
    }
}
