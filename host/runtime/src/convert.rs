//! Between the domain's words and the interfaces': one function a pair.

use std::time::Duration;

use hardpoint_domain::failure::{Failure, FailureKind};
use hardpoint_domain::manifest::Manifest;
use hardpoint_domain::message;

use crate::bindings::http;
use crate::bindings::model::exports::hardpoint::plugin::model_adapter as wit;
use crate::bindings::types::{self, TransportFailureKind};
use crate::egress::{EgressError, EgressErrorKind, EgressRequest, Part, SecretEncoding};
use crate::secret::SecretSet;

pub(crate) use wit::CompletionRequest as WitCompletionRequest;

pub(crate) fn completion_request(
    request: &message::CompletionRequest,
    upstream: &str,
) -> wit::CompletionRequest {
    wit::CompletionRequest {
        upstream_model: upstream.to_owned(),
        messages: request.messages.iter().map(self::message).collect(),
        tools: request.tools.iter().map(tool_definition).collect(),
        tool_choice: request.tool_choice.as_ref().map(tool_choice),
        parallel_tool_calls: request.parallel_tool_calls,
        response_format: request.response_format.as_ref().map(response_format),
        streamed: request.streamed,
        max_tokens: request.max_tokens,
        temperature: request.temperature,
        top_p: request.top_p,
        frequency_penalty: request.frequency_penalty,
        presence_penalty: request.presence_penalty,
        stop: request.stop.clone(),
        seed: request.seed,
        user: request.user.clone(),
        extra: extra(&request.extra),
    }
}

pub(crate) fn embedding_request(
    request: &message::EmbeddingRequest,
    upstream: &str,
) -> wit::EmbeddingRequest {
    wit::EmbeddingRequest {
        upstream_model: upstream.to_owned(),
        inputs: request.inputs.clone(),
        dimensions: request.dimensions,
        user: request.user.clone(),
        extra: extra(&request.extra),
    }
}

fn extra(members: &serde_json::Map<String, serde_json::Value>) -> Option<String> {
    // Serialising a map of JSON values cannot fail.
    (!members.is_empty()).then(|| serde_json::to_string(members).unwrap_or_default())
}

fn message(message: &message::Message) -> wit::Message {
    wit::Message {
        role: match message.role {
            message::Role::System => wit::Role::System,
            message::Role::Developer => wit::Role::Developer,
            message::Role::User => wit::Role::User,
            message::Role::Assistant => wit::Role::Assistant,
            message::Role::Tool => wit::Role::Tool,
        },
        content: message.content.iter().map(content_part).collect(),
        name: message.name.clone(),
        tool_calls: message.tool_calls.iter().map(tool_call).collect(),
        tool_call_id: message.tool_call_id.clone(),
        reasoning: message.reasoning.clone(),
        refusal: message.refusal.clone(),
    }
}

fn content_part(part: &message::ContentPart) -> wit::ContentPart {
    match part {
        message::ContentPart::Text(text) => wit::ContentPart::Text(text.clone()),
        message::ContentPart::Image { url, detail } => {
            wit::ContentPart::Image(wit::Image { url: url.clone(), detail: detail.clone() })
        }
    }
}

fn tool_call(call: &message::ToolCall) -> wit::ToolCall {
    wit::ToolCall { id: call.id.clone(), name: call.name.clone(), arguments: call.arguments.clone() }
}

fn tool_definition(tool: &message::ToolDefinition) -> wit::ToolDefinition {
    wit::ToolDefinition {
        name: tool.name.clone(),
        description: tool.description.clone(),
        parameters: tool.parameters.clone(),
        strict: tool.strict,
    }
}

fn tool_choice(choice: &message::ToolChoice) -> wit::ToolChoice {
    match choice {
        message::ToolChoice::None => wit::ToolChoice::None,
        message::ToolChoice::Auto => wit::ToolChoice::Auto,
        message::ToolChoice::Required => wit::ToolChoice::Required,
        message::ToolChoice::Function(name) => wit::ToolChoice::Function(name.clone()),
    }
}

fn response_format(format: &message::ResponseFormat) -> wit::ResponseFormat {
    match format {
        message::ResponseFormat::Text => wit::ResponseFormat::Text,
        message::ResponseFormat::JsonObject => wit::ResponseFormat::JsonObject,
        message::ResponseFormat::JsonSchema { name, description, schema, strict } => {
            wit::ResponseFormat::JsonSchema(wit::JsonSchemaFormat {
                name: name.clone(),
                description: description.clone(),
                schema: schema.clone(),
                strict: *strict,
            })
        }
    }
}

pub(crate) fn usage(usage: wit::Usage) -> message::Usage {
    message::Usage {
        input_tokens: usage.input_tokens,
        cached_input_tokens: usage.cached_input_tokens,
        output_tokens: usage.output_tokens,
        reasoning_tokens: usage.reasoning_tokens,
    }
}

pub(crate) fn tool_call_piece(piece: wit::ToolCallPiece) -> message::ToolCallPiece {
    message::ToolCallPiece { index: piece.index, id: piece.id, name: piece.name, arguments: piece.arguments }
}

pub(crate) fn finish_reason(reason: wit::FinishReason) -> message::FinishReason {
    match reason {
        wit::FinishReason::Stop => message::FinishReason::Stop,
        wit::FinishReason::Length => message::FinishReason::Length,
        wit::FinishReason::ToolCalls => message::FinishReason::ToolCalls,
        wit::FinishReason::ContentFilter => message::FinishReason::ContentFilter,
    }
}

/// A guest's verdict. Where the guest was told of a broken transport, the host knows better than the
/// guest what kind of trouble that was.
pub(crate) fn failure(failure: types::Failure, transport: Option<&types::TransportFailure>) -> Failure {
    let kind = match transport {
        Some(transport) => transport_kind(transport.kind),
        None => failure_kind(failure.kind),
    };
    Failure {
        kind,
        message: failure.message,
        status: failure.status,
        retry_after: failure.retry_after_ms.map(Duration::from_millis),
        code: failure.code,
        param: failure.param,
    }
}

fn failure_kind(kind: types::FailureKind) -> FailureKind {
    match kind {
        types::FailureKind::InvalidRequest => FailureKind::InvalidRequest,
        types::FailureKind::Authentication => FailureKind::Authentication,
        types::FailureKind::RateLimited => FailureKind::RateLimited,
        types::FailureKind::Overloaded => FailureKind::Overloaded,
        types::FailureKind::Upstream => FailureKind::Upstream,
        types::FailureKind::Protocol => FailureKind::Protocol,
        types::FailureKind::Unsupported => FailureKind::Unsupported,
        types::FailureKind::ContentFiltered => FailureKind::ContentFiltered,
    }
}

fn transport_kind(kind: TransportFailureKind) -> FailureKind {
    match kind {
        TransportFailureKind::Denied => FailureKind::Denied,
        TransportFailureKind::Connect => FailureKind::Connect,
        TransportFailureKind::Timeout => FailureKind::Timeout,
        TransportFailureKind::Reset => FailureKind::Reset,
        TransportFailureKind::Protocol => FailureKind::Protocol,
    }
}

/// A broken transport as the host knows it, whatever the guest makes of it.
pub(crate) fn broken(failure: &types::TransportFailure) -> Failure {
    Failure::new(transport_kind(failure.kind), failure.message.clone())
}

pub(crate) fn transport_failure(exchange: u32, error: EgressError) -> types::TransportFailure {
    types::TransportFailure { exchange, kind: error.kind.into(), message: error.message }
}

impl From<EgressErrorKind> for TransportFailureKind {
    fn from(kind: EgressErrorKind) -> Self {
        match kind {
            EgressErrorKind::Denied => Self::Denied,
            EgressErrorKind::Connect => Self::Connect,
            EgressErrorKind::Timeout => Self::Timeout,
            EgressErrorKind::Reset => Self::Reset,
            EgressErrorKind::Protocol | EgressErrorKind::TooLarge => Self::Protocol,
        }
    }
}

impl From<TransportFailureKind> for EgressErrorKind {
    fn from(kind: TransportFailureKind) -> Self {
        match kind {
            TransportFailureKind::Denied => Self::Denied,
            TransportFailureKind::Connect => Self::Connect,
            TransportFailureKind::Timeout => Self::Timeout,
            TransportFailureKind::Reset => Self::Reset,
            TransportFailureKind::Protocol => Self::Protocol,
        }
    }
}

pub(crate) fn egress_request(
    request: types::HttpRequest,
    manifest: &Manifest,
    secrets: &SecretSet,
) -> EgressRequest {
    EgressRequest {
        method: request.method,
        url: request.url,
        headers: headers_to_send(request.headers, manifest, secrets),
        body: request.body.into_iter().map(part).collect(),
        gzip: request.compression == types::Compression::Gzip,
    }
}

pub(crate) fn tool_request(
    request: http::Request,
    manifest: &Manifest,
    secrets: &SecretSet,
) -> EgressRequest {
    EgressRequest {
        method: request.method,
        url: request.url,
        headers: headers_to_send(request.headers, manifest, secrets),
        body: request.body.into_iter().map(part).collect(),
        gzip: request.compression == types::Compression::Gzip,
    }
}

/// All but those that refer to a secret which the manifest calls optional and which was not given: that is
/// how one plugin serves servers with a key and servers without.
fn headers_to_send(
    headers: Vec<types::RequestHeader>,
    manifest: &Manifest,
    secrets: &SecretSet,
) -> Vec<(String, Vec<Part>)> {
    let is_absent = |part: &types::Part| match part {
        types::Part::Bytes(_) => false,
        types::Part::Secret(secret) => {
            !secrets.by_name().contains_key(&secret.name)
                && manifest.secret.iter().any(|wish| wish.optional && wish.name == secret.name)
        }
    };
    headers
        .into_iter()
        .filter(|header| !header.value.iter().any(is_absent))
        .map(|header| (header.name, header.value.into_iter().map(part).collect()))
        .collect()
}

fn part(part: types::Part) -> Part {
    match part {
        types::Part::Bytes(bytes) => Part::Bytes(bytes.into()),
        types::Part::Secret(secret) => Part::Secret {
            name: secret.name,
            encoding: match secret.encoding {
                types::SecretEncoding::Raw => SecretEncoding::Raw,
                types::SecretEncoding::Json => SecretEncoding::Json,
                types::SecretEncoding::Base64 => SecretEncoding::Base64,
                types::SecretEncoding::Url => SecretEncoding::Url,
            },
        },
    }
}

/// Headers as guests see them: names in lower case, secrets taken out.
pub(crate) fn headers(headers: &::http::HeaderMap, secrets: &SecretSet) -> Vec<types::Header> {
    let seen = |(name, value): (&::http::HeaderName, &::http::HeaderValue)| types::Header {
        name: name.as_str().to_owned(),
        value: secrets.redact_bytes(value.as_bytes().to_vec()),
    };
    headers.iter().map(seen).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::secret::Secret;

    const MANIFEST: &str = r#"
        id = "p"
        version = "1.0.0"
        kind = "model"
        description = "A plugin."
        [[secret]]
        name = "may"
        audience = "https://example.com"
        optional = true
        [[secret]]
        name = "must"
        audience = "https://example.com"
    "#;

    fn sent(secrets: &SecretSet) -> Vec<String> {
        let secret = |name: &str| {
            types::Part::Secret(types::SecretReference {
                name: name.into(),
                encoding: types::SecretEncoding::Raw,
            })
        };
        let header = |name: &str, value| types::RequestHeader { name: name.into(), value };
        let headers = vec![
            header("plain", vec![types::Part::Bytes(b"x".to_vec())]),
            header("a", vec![types::Part::Bytes(b"Bearer ".to_vec()), secret("may")]),
            header("b", vec![secret("must")]),
            header("c", vec![secret("unheard-of")]),
        ];
        let manifest = Manifest::from_toml(MANIFEST).unwrap();
        headers_to_send(headers, &manifest, secrets).into_iter().map(|(name, _)| name).collect()
    }

    #[test]
    fn only_the_header_of_an_optional_secret_is_left_out() {
        assert_eq!(sent(&SecretSet::new(BTreeMap::new())), ["plain", "b", "c"]);
        let origin = hardpoint_domain::origin::Origin::parse("https://example.com").unwrap();
        let given = BTreeMap::from([("may".to_owned(), Secret::new("value", origin))]);
        assert_eq!(sent(&SecretSet::new(given)), ["plain", "a", "b", "c"]);
    }
}
