//! `hardpoint:plugin/http`: one request, checked against the binding's grant, its answer whole.

use crate::bindings::http::{Error, Host, Request, Response};
use crate::bindings::types::TransportFailureKind;
use crate::convert;
use crate::egress::{EgressError, SendOptions};
use crate::sandbox::CallState;
use crate::secret::StreamRedactor;

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
                self.binding.limits.http_calls
            )));
        }
        self.http_left -= 1;
        let options = SendOptions::for_binding(self.binding.name()).max_response(ANSWER_BYTES as u64);
        let egress = &self.binding.generation.host.egress;
        let mut answer = egress
            .send(
                convert::tool_request(request, self.binding.generation.manifest(), &self.secrets),
                self.binding.permissions(),
                self.secrets.by_name(),
                &options,
            )
            .await?;
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

impl From<EgressError> for Error {
    fn from(error: EgressError) -> Self {
        Self { kind: TransportFailureKind::from(error.kind), message: error.message }
    }
}
