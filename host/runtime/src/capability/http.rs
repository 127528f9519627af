//! `hardpoint:plugin/http`: one request, checked against the binding's grant, its answer whole.

use crate::bindings::http::{Error, Host, Request, Response};
use crate::bindings::types::{Header, TransportFailureKind};
use crate::convert;
use crate::egress::{EgressError, EgressRequest, SendOptions};
use crate::sandbox::CallState;
use crate::secret::StreamRedactor;
use crate::stats::origin;
use crate::tape::{SentRequest, Sound, Tape};

/// The largest answer that a tool is handed, in bytes. Its memory has to hold it too.
const ANSWER_BYTES: usize = 16 << 20;

impl Host for CallState {
    async fn send(&mut self, request: Request) -> wasmtime::Result<Result<Response, Error>> {
        Ok(self.exchange(request).await.map_err(Error::from))
    }
}

impl CallState {
    async fn exchange(&mut self, request: Request) -> Result<Response, EgressError> {
        if self.http_left == 0 {
            return Err(EgressError::denied(format!(
                "more than {} requests in one call (limits.http_calls)",
                self.limits.http_calls
            )));
        }
        self.http_left -= 1;
        let request = convert::tool_request(request, self.binding.generation.manifest(), &self.secrets);
        let tape = self.binding.generation.host.egress.tape().cloned();
        let exchange = self.limits.http_calls - self.http_left;
        if let Some(tape) = &tape {
            tape.hear(exchange, Sound::Sent(&SentRequest::from(&request)));
        }
        let answer = self.answer(request).await;
        if let Some(tape) = &tape {
            let_hear(&**tape, exchange, &answer);
        }
        answer
    }

    async fn answer(&mut self, request: EgressRequest) -> Result<Response, EgressError> {
        let options = SendOptions::of(self.binding.holder())
            .organization(&self.context.organization)
            .max_response(ANSWER_BYTES as u64);
        let egress = &self.binding.generation.host.egress;
        let permissions = self.binding.permissions();
        let url = request.url.clone();
        let answer = egress.send(request, permissions, self.secrets.by_name(), &options).await;
        self.binding.generation.shared.stats.sent(origin(&url), answer.is_ok());
        let mut answer = answer?;
        let headers = convert::headers(&answer.headers, &self.secrets);
        // Piece by piece, so that a long answer keeps no others waiting while it is searched.
        let mut redactor = self.secrets.stream_redactor();
        let mut body = Vec::new();
        while let Some(chunk) = answer.body.chunk().await {
            let chunk = chunk?;
            match &mut redactor {
                Some(redactor) => body.extend(redactor.push(&chunk)),
                None => body.extend_from_slice(&chunk),
            }
        }
        body.extend(redactor.map(StreamRedactor::finish).unwrap_or_default());
        Ok(Response { status: answer.status, headers, body })
    }
}

/// Tells the tape what the guest is told.
fn let_hear(tape: &dyn Tape, exchange: u32, answer: &Result<Response, EgressError>) {
    match answer {
        Ok(response) => {
            let text =
                |header: &Header| (header.name.clone(), String::from_utf8_lossy(&header.value).into_owned());
            let headers: Vec<_> = response.headers.iter().map(text).collect();
            tape.hear(exchange, Sound::Head(response.status, &headers));
            tape.hear(exchange, Sound::Body(&response.body));
            tape.hear(exchange, Sound::End(None));
        }
        Err(error) => tape.hear(exchange, Sound::End(Some(error.kind))),
    }
}

impl From<EgressError> for Error {
    fn from(error: EgressError) -> Self {
        Self { kind: TransportFailureKind::from(error.kind), message: error.message }
    }
}
