//! Makes a recording of a live exchange.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hardpoint_recording::{Answer, Bytes, Exchange, Request, joined};
use hardpoint_runtime::{SentRequest, Sound, Tape};

use super::recorded;

/// Headers of answers that differ each time and mean nothing to a plugin.
const VOLATILE: [&str; 8] = [
    "date",
    "server",
    "set-cookie",
    "connection",
    "transfer-encoding",
    "content-length",
    "via",
    "keep-alive",
];

/// Listens, and keeps what it heard.
#[derive(Debug, Default)]
pub struct Recorder(Mutex<Heard>);

#[derive(Debug, Default)]
struct Heard {
    exchanges: Vec<Exchange>,
    /// The plugin's number of an exchange under way, and where it is kept.
    under_way: BTreeMap<u32, usize>,
}

impl Recorder {
    /// A recorder that has heard nothing.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// What it heard so far.
    pub fn exchanges(&self) -> Vec<Exchange> {
        self.heard().exchanges.clone()
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Heard {
    fn answer(&mut self, exchange: u32) -> Option<&mut Answer> {
        let at = *self.under_way.get(&exchange)?;
        self.exchanges.get_mut(at).map(|exchange| &mut exchange.answer)
    }
}

impl Tape for Recorder {
    fn hear(&self, number: u32, sound: Sound<'_>) {
        let mut heard = self.heard();
        match sound {
            Sound::Sent(sent) => {
                let at = heard.exchanges.len();
                heard.under_way.insert(number, at);
                heard.exchanges.push(Exchange { request: request(sent), answer: Answer::default() });
            }
            Sound::Head(status, headers) => {
                if let Some(answer) = heard.answer(number) {
                    answer.status = Some(status);
                    let mut lasting = headers.to_vec();
                    lasting.retain(|(name, _)| !VOLATILE.contains(&name.as_str()));
                    answer.headers = joined(&lasting);
                }
            }
            Sound::Body(bytes) => {
                if let Some(answer) = heard.answer(number) {
                    answer.chunks.push(Bytes(bytes.to_vec()));
                }
            }
            Sound::End(broken) => {
                if let Some(answer) = heard.answer(number) {
                    answer.broken = broken.map(recorded::broke);
                }
                heard.under_way.remove(&number);
            }
        }
    }
}

fn request(sent: &SentRequest) -> Request {
    Request::of(&hardpoint_recording::SentRequest {
        method: sent.method.clone(),
        url: sent.url.clone(),
        headers: sent.headers.clone(),
        body: sent.body.clone(),
        gzip: sent.gzip,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_that_came_more_than_once_are_kept_together() {
        let recorder = Recorder::new();
        let get = SentRequest {
            method: "GET".to_owned(),
            url: "https://example.com/".to_owned(),
            headers: Vec::new(),
            body: String::new(),
            gzip: false,
        };
        recorder.hear(1, Sound::Sent(&get));
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let headers = [header("link", "<a>"), header("date", "today"), header("link", "<b>")];
        recorder.hear(1, Sound::Head(200, &headers));
        let kept = recorder.exchanges().remove(0).answer.headers;
        assert_eq!(kept, BTreeMap::from([header("link", "<a>, <b>")]));
    }
}
