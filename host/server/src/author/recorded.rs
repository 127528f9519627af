//! Between a recording's words and the domain's.

use std::time::Duration;

use hardpoint_domain::failure::Failure;
use hardpoint_domain::message::{
    CompletionRequest, ContentPart, EmbeddingRequest, FinishReason, Message, ResponseFormat, Role, ToolCall,
    ToolChoice, ToolDefinition, Usage,
};
use hardpoint_recording as recording;
use hardpoint_recording::{
    Broken, CompletionInput, DeliveryInput, EmbeddingInput, MessageInput, PartInput, ResponseFormatInput,
    ToolChoiceInput, ToolInput,
};
use hardpoint_runtime::egress::EgressErrorKind;
use hardpoint_runtime::{Delivery, OutgoingEvent, Verdict};
use serde::de::IntoDeserializer;
use serde::de::value::StrDeserializer;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What a completion is asked with, and the provider's name for the model.
pub(super) fn completion(input: CompletionInput) -> Result<(CompletionRequest, String), String> {
    let request = CompletionRequest {
        model: input.upstream_model.clone(),
        messages: input.messages.into_iter().map(message).collect::<Result<_, _>>()?,
        tools: input.tools.into_iter().map(tool).collect(),
        tool_choice: input.tool_choice.map(|choice| match choice {
            ToolChoiceInput::None => ToolChoice::None,
            ToolChoiceInput::Auto => ToolChoice::Auto,
            ToolChoiceInput::Required => ToolChoice::Required,
            ToolChoiceInput::Function(name) => ToolChoice::Function(name),
        }),
        parallel_tool_calls: input.parallel_tool_calls,
        response_format: input.response_format.map(|format| match format {
            ResponseFormatInput::Text => ResponseFormat::Text,
            ResponseFormatInput::JsonObject => ResponseFormat::JsonObject,
            ResponseFormatInput::JsonSchema { name, description, schema, strict } => {
                ResponseFormat::JsonSchema { name, description, schema: schema.to_string(), strict }
            }
        }),
        streamed: input.streamed,
        include_usage: false,
        max_tokens: input.max_tokens,
        temperature: input.temperature,
        top_p: input.top_p,
        frequency_penalty: input.frequency_penalty,
        presence_penalty: input.presence_penalty,
        stop: input.stop,
        seed: input.seed,
        user: input.user,
        extra: input.extra,
    };
    Ok((request, input.upstream_model))
}

/// What an embedding is asked with, and the provider's name for the model.
pub(super) fn embedding(input: EmbeddingInput) -> (EmbeddingRequest, String) {
    let request = EmbeddingRequest {
        model: input.upstream_model.clone(),
        inputs: input.inputs,
        dimensions: input.dimensions,
        user: input.user,
        extra: input.extra,
    };
    (request, input.upstream_model)
}

/// One attempt at a batch, with the settings that were bound.
pub(super) fn delivery(input: DeliveryInput, settings: Value) -> Delivery {
    let events = input.events.into_iter().map(|event| OutgoingEvent {
        id: event.id,
        kind: event.kind,
        time: event.time,
        body: event.body.to_string(),
    });
    Delivery {
        attempt: input.attempt,
        events: events.collect(),
        settings,
        permissions: None,
        secrets: Vec::new(),
        state: input.state.map(|state| state.0),
    }
}

fn message(input: MessageInput) -> Result<Message, String> {
    let name: StrDeserializer<'_, serde::de::value::Error> = input.role.as_str().into_deserializer();
    let role = Role::deserialize(name).map_err(|error| error.to_string())?;
    let part = |part| match part {
        PartInput::Text(text) => ContentPart::Text(text),
        PartInput::Image { url, detail } => ContentPart::Image { url, detail },
    };
    let calls = input.tool_calls.into_iter().map(|call| ToolCall {
        id: call.id,
        name: call.name,
        arguments: call.arguments,
    });
    Ok(Message {
        role,
        content: input.content.into_parts().into_iter().map(part).collect(),
        name: input.name,
        reasoning: input.reasoning,
        refusal: input.refusal,
        tool_calls: calls.collect(),
        tool_call_id: input.tool_call_id,
    })
}

fn tool(input: ToolInput) -> ToolDefinition {
    ToolDefinition {
        name: input.name,
        description: input.description,
        parameters: input.parameters.map(|schema| schema.to_string()),
        strict: input.strict,
    }
}

pub(super) fn usage(usage: Usage) -> recording::Usage {
    recording::Usage {
        input_tokens: usage.input_tokens,
        cached_input_tokens: usage.cached_input_tokens,
        output_tokens: usage.output_tokens,
        reasoning_tokens: usage.reasoning_tokens,
    }
}

pub(super) fn finish(reason: FinishReason) -> String {
    word(&reason)
}

pub(super) fn verdict(verdict: Verdict) -> Option<recording::Verdict> {
    match verdict {
        Verdict::Delivered => Some(recording::Verdict::Delivered),
        Verdict::RetryAfter(pause) => Some(recording::Verdict::RetryAfter(millis(pause))),
        Verdict::Dropped(reason) => Some(recording::Verdict::Drop(reason)),
        Verdict::Open => None,
    }
}

pub(super) fn failure(failure: Failure) -> recording::Failure {
    recording::Failure {
        kind: word(&failure.kind),
        message: Some(failure.message),
        status: failure.status,
        retry_after_ms: failure.retry_after.map(millis),
        code: failure.code,
        param: failure.param,
    }
}

pub(super) fn broken(broken: Broken) -> EgressErrorKind {
    match broken {
        Broken::Denied => EgressErrorKind::Denied,
        Broken::Connect => EgressErrorKind::Connect,
        Broken::Timeout => EgressErrorKind::Timeout,
        Broken::Reset => EgressErrorKind::Reset,
        Broken::Protocol => EgressErrorKind::Protocol,
    }
}

pub(super) fn broke(kind: EgressErrorKind) -> Broken {
    match kind {
        EgressErrorKind::Denied => Broken::Denied,
        EgressErrorKind::Connect => Broken::Connect,
        EgressErrorKind::Timeout => Broken::Timeout,
        EgressErrorKind::Reset => Broken::Reset,
        EgressErrorKind::Protocol | EgressErrorKind::TooLarge => Broken::Protocol,
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// A unit variant's name, as it is written.
fn word(variant: &impl Serialize) -> String {
    match serde_json::to_value(variant) {
        Ok(Value::String(word)) => word,
        other => unreachable!("a name is a text: {other:?}"),
    }
}
