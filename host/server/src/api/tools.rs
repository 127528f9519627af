//! `/tools`: bound tool plugins.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::completions::plugin_header;
use super::openai::json::Object;
use super::paging::{Page, Paging};
use crate::call::CallNote;
use crate::caller::Caller;
use crate::error::ApiError;
use crate::error::schema::ErrorBody;
use crate::extract::{JsonBytes, Path, Query};
use crate::service::tools;
use crate::state::App;

/// A tool.
#[derive(Debug, Serialize, ToSchema)]
pub struct ToolEntry {
    /// What calls name it by.
    pub name: String,
    /// What it does; null where it cannot be asked at the moment.
    pub description: Option<String>,
    /// A JSON Schema of its arguments; null where it cannot be asked at the moment.
    #[schema(value_type = Option<Object>)]
    pub parameters: Option<Box<RawValue>>,
    /// The plugin's id.
    pub plugin: String,
    /// Whether it takes calls.
    pub enabled: bool,
}

/// What a tool is called with.
#[derive(ToSchema)]
pub struct CallTool {
    /// As the tool's `parameters` describe; `{}` where left out.
    #[schema(value_type = Option<Object>)]
    pub arguments: Option<serde_json::Value>,
}

/// What a tool answered.
#[derive(Debug, Serialize, ToSchema)]
pub struct ToolResult {
    /// The tool's answer: any JSON where it is JSON, else its text.
    #[schema(value_type = Object)]
    pub result: Box<RawValue>,
}

/// Lists the tools.
#[utoipa::path(
    get,
    path = "/tools",
    tag = "tools",
    params(Paging),
    responses(
        (status = 200, description = "The tools, by name", body = Page<ToolEntry>),
        (status = 400, description = "No such page", body = ErrorBody),
        (status = 401, description = "No valid credential", body = ErrorBody),
    )
)]
pub async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<ToolEntry>>, ApiError> {
    let all = tools::list(&app, &caller).await.into_iter().map(ToolEntry::from).collect();
    Ok(Json(paging.of(all)?))
}

/// Calls a tool.
#[utoipa::path(
    post,
    path = "/tools/{name}/call",
    tag = "tools",
    params(("name" = String, Path, description = "The tool's name")),
    request_body = CallTool,
    responses(
        (status = 200, description = "The tool's answer", body = ToolResult),
        (status = 400, description = "No valid request", body = ErrorBody),
        (status = 401, description = "No valid credential", body = ErrorBody),
        (status = 403, description = "The key may call no tools, or is a test key and the tool has an effect", body = ErrorBody),
        (status = 404, description = "There is no such tool", body = ErrorBody),
        (status = 422, description = "The arguments do not fit; the message says why", body = ErrorBody),
        (status = 502, description = "The tool failed or was stopped", body = ErrorBody),
        (status = 503, description = "Too many calls are under way, or the plugin is paused after repeated faults", body = ErrorBody),
    )
)]
pub async fn call(
    State(app): State<Arc<App>>,
    caller: Caller,
    note: CallNote,
    Path(name): Path<String>,
    JsonBytes(body): JsonBytes,
) -> Result<Response, ApiError> {
    let arguments = arguments(&body)?;
    let called = tools::call(&app, &caller, &name, &arguments).await?;
    note.served_by(&called.binding);
    let result = ToolResult { result: as_json(called.text)? };
    Ok((plugin_header(&called.binding.plugin_version()), Json(result)).into_response())
}

fn arguments(body: &[u8]) -> Result<String, ApiError> {
    let mut body = Object::body(body)?;
    let given = body.take("arguments").map(|field| field.verbatim_object()).transpose()?;
    if let Some(name) = body.left() {
        let message =
            format!("The '{name}' field is not known here: a tool's arguments stand under 'arguments'.");
        return Err(ApiError::bad_field(name, "unknown", message));
    }
    Ok(given.unwrap_or_else(|| "{}".to_owned()))
}

/// A tool's answer: the JSON that it is, else a JSON string of it.
fn as_json(text: String) -> Result<Box<RawValue>, ApiError> {
    serde_json::from_str(&text)
        .or_else(|_| serde_json::value::to_raw_value(&text))
        .map_err(ApiError::internal)
}

impl From<tools::Tool> for ToolEntry {
    fn from(tool: tools::Tool) -> Self {
        let (description, parameters) = tool.definition.map_or((None, None), |definition| {
            (definition.description, definition.parameters.and_then(|text| RawValue::from_string(text).ok()))
        });
        Self { name: tool.name, description, parameters, plugin: tool.plugin, enabled: tool.enabled }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_an_object_as_it_was_written() {
        assert_eq!(arguments(br#"{"arguments":{"b": 1.50,"a":2}}"#).unwrap(), r#"{"b": 1.50,"a":2}"#);
        assert_eq!(arguments(br#"{"arguments":null}"#).unwrap(), "{}");
        assert_eq!(arguments(b"{}").unwrap(), "{}");
        for body in [&br#"{"arguments":"{}"}"#[..], br#"{"arguments":[]}"#, br#"{"text":"a"}"#, b"[]", b""] {
            assert_eq!(arguments(body).unwrap_err().status(), 400);
        }
    }

    #[test]
    fn an_answer_is_the_json_that_it_is_else_text() {
        for (text, json) in
            [("{\"a\": 1}", "{\"a\": 1}"), ("3.50", "3.50"), ("half \"past\"", "\"half \\\"past\\\"\"")]
        {
            assert_eq!(as_json(text.to_owned()).unwrap().get(), json);
        }
    }
}
