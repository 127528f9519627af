//! Between a recording's words and the interface's types.

use hardpoint_recording as recording;
use hardpoint_recording::{
    CompletionInput, Content, DeliveryInput, EmbeddingInput, MessageInput, Outcome, PartInput,
    ResponseFormatInput, ToolCallInput, ToolChoiceInput, ToolInput,
};
use serde_json::{Map, Value};

use super::{Completed, Delivered, Embedded};
use crate::exporter::{Batch, Event, Verdict};
use crate::failure::{Failure, FailureKind};
use crate::model::{
    CompletionRequest, ContentPart, EmbeddingRequest, FinishReason, Image, JsonSchemaFormat, Message,
    ResponseFormat, Role, ToolCall, ToolChoice, ToolDefinition, Usage,
};

pub(super) fn completion(input: CompletionInput) -> CompletionRequest {
    CompletionRequest {
        upstream_model: input.upstream_model,
        messages: input.messages.into_iter().map(message).collect(),
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
                let schema = schema.to_string();
                ResponseFormat::JsonSchema(JsonSchemaFormat { name, description, schema, strict })
            }
        }),
        streamed: input.streamed,
        max_tokens: input.max_tokens,
        temperature: input.temperature,
        top_p: input.top_p,
        frequency_penalty: input.frequency_penalty,
        presence_penalty: input.presence_penalty,
        stop: input.stop,
        seed: input.seed,
        user: input.user,
        extra: extra(input.extra),
    }
}

pub(super) fn embedding(input: EmbeddingInput) -> EmbeddingRequest {
    EmbeddingRequest {
        upstream_model: input.upstream_model,
        inputs: input.inputs,
        dimensions: input.dimensions,
        user: input.user,
        extra: extra(input.extra),
    }
}

/// The batch, and what an earlier delivery saved.
pub(super) fn batch(input: DeliveryInput) -> (Batch, Option<Vec<u8>>) {
    let events = input.events.into_iter().map(|event| Event {
        id: event.id,
        kind: event.kind,
        time: event.time,
        body: event.body.to_string(),
    });
    let batch = Batch { attempt: input.attempt, now: input.now, events: events.collect() };
    (batch, input.state.map(|state| state.0))
}

pub(super) fn completed(done: Completed) -> Outcome {
    let calls = done.tool_calls.into_iter().map(|call| ToolCallInput {
        id: call.id,
        name: call.name,
        arguments: call.arguments,
    });
    let (finish, failure) = match done.result {
        Ok(reason) => (Some(finish_word(reason).to_owned()), None),
        Err(error) => (None, Some(failure(error))),
    };
    Outcome {
        text: done.text,
        reasoning: done.reasoning,
        refusal: done.refusal,
        tool_calls: calls.collect(),
        usage: done.usage.map(usage),
        finish,
        failure,
        ..Outcome::default()
    }
}

pub(super) fn embedded(done: Embedded) -> Outcome {
    let (vectors, failure) = match done.result {
        Ok(vectors) => (vectors, None),
        Err(error) => (Vec::new(), Some(failure(error))),
    };
    Outcome { vectors, usage: done.usage.map(usage), failure, ..Outcome::default() }
}

pub(super) fn delivered(done: Delivered, events: usize) -> Outcome {
    let verdict = |index: usize| {
        let index = u32::try_from(index).ok()?;
        done.verdicts.get(&index).map(|verdict| match verdict {
            Verdict::Delivered => recording::Verdict::Delivered,
            Verdict::RetryAfter(milliseconds) => recording::Verdict::RetryAfter(*milliseconds),
            Verdict::Drop(reason) => recording::Verdict::Drop(reason.clone()),
        })
    };
    Outcome {
        verdicts: (0..events).map(verdict).collect(),
        split: done.is_split,
        parked: done.parked.clone(),
        saved: done.saved.clone().map(recording::Bytes),
        failure: done.failure.clone().map(failure),
        ..Outcome::default()
    }
}

pub(super) fn tool_failure(message: String) -> Outcome {
    let failure =
        recording::Failure { kind: "failed".into(), message: Some(message), ..recording::Failure::default() };
    Outcome { failure: Some(failure), ..Outcome::default() }
}

fn message(input: MessageInput) -> Message {
    let role = match input.role.as_str() {
        "system" => Role::System,
        "developer" => Role::Developer,
        "user" => Role::User,
        "assistant" => Role::Assistant,
        "tool" => Role::Tool,
        other => panic!("there is no role `{other}`"),
    };
    let part = |part| match part {
        PartInput::Text(text) => ContentPart::Text(text),
        PartInput::Image { url, detail } => ContentPart::Image(Image { url, detail }),
    };
    let calls = input.tool_calls.into_iter().map(|call| ToolCall {
        id: call.id,
        name: call.name,
        arguments: call.arguments,
    });
    Message {
        role,
        content: Content::into_parts(input.content).into_iter().map(part).collect(),
        name: input.name,
        reasoning: input.reasoning,
        refusal: input.refusal,
        tool_calls: calls.collect(),
        tool_call_id: input.tool_call_id,
    }
}

fn tool(input: ToolInput) -> ToolDefinition {
    ToolDefinition {
        name: input.name,
        description: input.description,
        parameters: input.parameters.map(|schema| schema.to_string()),
        strict: input.strict,
    }
}

fn extra(members: Map<String, Value>) -> Option<String> {
    (!members.is_empty()).then(|| Value::Object(members).to_string())
}

fn usage(usage: Usage) -> recording::Usage {
    recording::Usage {
        input_tokens: usage.input_tokens,
        cached_input_tokens: usage.cached_input_tokens,
        output_tokens: usage.output_tokens,
        reasoning_tokens: usage.reasoning_tokens,
    }
}

fn failure(failure: Failure) -> recording::Failure {
    let kind = match failure.kind {
        FailureKind::InvalidRequest => "invalid_request",
        FailureKind::Authentication => "authentication",
        FailureKind::RateLimited => "rate_limited",
        FailureKind::Overloaded => "overloaded",
        FailureKind::Upstream => "upstream",
        FailureKind::Protocol => "protocol",
        FailureKind::Unsupported => "unsupported",
        FailureKind::ContentFiltered => "content_filtered",
    };
    recording::Failure {
        kind: kind.to_owned(),
        message: Some(failure.message),
        status: failure.status,
        retry_after_ms: failure.retry_after_ms,
        code: failure.code,
        param: failure.param,
    }
}

fn finish_word(reason: FinishReason) -> &'static str {
    match reason {
        FinishReason::Stop => "stop",
        FinishReason::Length => "length",
        FinishReason::ToolCalls => "tool_calls",
        FinishReason::ContentFilter => "content_filter",
    }
}
