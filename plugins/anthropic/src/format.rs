//! The shape of the answer: structured outputs, or a tool whose arguments are the answer
//! (<https://platform.claude.com/docs/en/build-with-claude/structured-outputs>).

use alloc::format;
use alloc::string::{String, ToString};

use hardpoint_sdk::Failure;
use hardpoint_sdk::model::{CompletionRequest, ResponseFormat};
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use crate::settings::{JsonFormat, Settings};

/// How the answer is asked for.
pub(crate) enum Format<'a> {
    Text,
    /// `output_config.format`.
    Schema(&'a RawValue),
    /// A tool of this name, which only we know of.
    Tool {
        name: String,
        description: String,
        schema: alloc::borrow::Cow<'a, RawValue>,
    },
}

/// `{"type": "json_schema", "schema": …}`.
#[derive(Serialize)]
pub(crate) struct OutputFormat<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    schema: &'a RawValue,
}

impl<'a> Format<'a> {
    /// # Errors
    /// If the schema is no JSON.
    pub(crate) fn of(request: &'a CompletionRequest, settings: &Settings) -> Result<Self, Failure> {
        let format = match &request.response_format {
            None | Some(ResponseFormat::Text) => return Ok(Self::Text),
            Some(ResponseFormat::JsonObject) => None,
            Some(ResponseFormat::JsonSchema(format)) => Some(format),
        };
        let Some(format) = format else {
            let schema = to_raw_value(&serde_json::json!({ "type": "object" })).map_err(Failure::from)?;
            return Ok(Self::Tool {
                name: free_name(request),
                description: "Gives the answer, as a JSON object.".to_string(),
                schema: alloc::borrow::Cow::Owned(schema),
            });
        };
        let schema = crate::tools::schema(&format.schema, "response_format", &format.name)?;
        Ok(match settings.json_format {
            JsonFormat::OutputConfig => Self::Schema(schema),
            JsonFormat::Tool => Self::Tool {
                name: free_name(request),
                description: match &format.description {
                    Some(description) => format!("Gives the answer: {description}"),
                    None => "Gives the answer.".to_string(),
                },
                schema: alloc::borrow::Cow::Borrowed(schema),
            },
        })
    }

    /// The tool whose arguments are the answer.
    pub(crate) fn tool(&self) -> Option<&str> {
        match self {
            Self::Tool { name, .. } => Some(name),
            _ => None,
        }
    }

    /// The member `format` of `output_config`.
    pub(crate) fn output_format(&self) -> Option<OutputFormat<'a>> {
        match self {
            Self::Schema(schema) => Some(OutputFormat { kind: "json_schema", schema }),
            _ => None,
        }
    }
}

/// A name that no tool of the request has.
fn free_name(request: &CompletionRequest) -> String {
    let mut name = "json_answer".to_string();
    while request.tools.iter().any(|tool| tool.name == name) {
        name.push('_');
    }
    name
}
