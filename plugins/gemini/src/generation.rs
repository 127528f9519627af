//! `generationConfig` (<https://ai.google.dev/api/generate-content#generationconfig>).

use alloc::borrow::Cow;
use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};

use hardpoint_sdk::Failure;
use hardpoint_sdk::model::{CompletionRequest, ResponseFormat};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::extra::Extra;
use crate::model;
use crate::settings::{CallerEffort, Schemas, Settings};
use crate::tools::schema;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Generation<'a> {
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    stop_sequences: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    max_output_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    presence_penalty: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    frequency_penalty: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_mime_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_json_schema: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_schema: Option<Cow<'a, RawValue>>,
    #[serde(skip_serializing_if = "Thinking::is_empty")]
    thinking_config: Thinking<'a>,
    #[serde(flatten)]
    others: BTreeMap<String, &'a RawValue>,
}

#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Thinking<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    include_thoughts: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking_level: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking_budget: Option<i32>,
}

/// How an answer in JSON is asked for.
#[derive(Default)]
struct Format<'a> {
    mime_type: Option<&'static str>,
    json_schema: Option<&'a RawValue>,
    schema: Option<Cow<'a, RawValue>>,
}

impl<'a> Generation<'a> {
    /// # Errors
    /// If a schema is no JSON.
    pub(crate) fn new(
        request: &'a CompletionRequest,
        settings: &'a Settings,
        extra: &'a Extra<'a>,
    ) -> Result<Self, Failure> {
        let format =
            if instruction(request)?.is_some() { Format::default() } else { Format::of(request, settings)? };
        let thinking_config = match extra.generation.contains_key("thinkingConfig") {
            true => Thinking::default(),
            false => Thinking::of(settings, extra.reasoning_effort.as_deref()),
        };
        let mut generation = Self {
            stop_sequences: &request.stop,
            max_output_tokens: request.max_tokens,
            temperature: request.temperature,
            top_p: request.top_p,
            // The API's is shorter. The same one still gives the same.
            seed: request.seed.map(|seed| seed as i32),
            presence_penalty: request.presence_penalty,
            frequency_penalty: request.frequency_penalty,
            response_mime_type: format.mime_type,
            response_json_schema: format.json_schema,
            response_schema: format.schema,
            thinking_config,
            others: BTreeMap::new(),
        };
        generation.add(extra);
        Ok(generation)
    }

    /// What the caller says in the vendor's own words counts where the request says nothing in the host's.
    fn add(&mut self, extra: &Extra<'a>) {
        let is_said = |name: &str| match name {
            "stopSequences" => !self.stop_sequences.is_empty(),
            "maxOutputTokens" => self.max_output_tokens.is_some(),
            "temperature" => self.temperature.is_some(),
            "topP" => self.top_p.is_some(),
            "seed" => self.seed.is_some(),
            "presencePenalty" => self.presence_penalty.is_some(),
            "frequencyPenalty" => self.frequency_penalty.is_some(),
            "responseMimeType" | "responseJsonSchema" | "responseSchema" => self.response_mime_type.is_some(),
            _ => false,
        };
        let others = extra.generation.iter().filter(|(name, _)| !is_said(name));
        self.others = others.map(|(name, value)| (name.to_string(), *value)).collect();
    }
}

/// What is said of the format in words: models before Gemini 3 take no other where there are functions
/// (<https://ai.google.dev/gemini-api/docs/structured-output>).
///
/// # Errors
/// If a schema is no JSON.
pub(crate) fn instruction(request: &CompletionRequest) -> Result<Option<String>, Failure> {
    if request.tools.is_empty() || model::is_gemini_3(&request.upstream_model) {
        return Ok(None);
    }
    Ok(match &request.response_format {
        None | Some(ResponseFormat::Text) => None,
        Some(ResponseFormat::JsonObject) => Some("Answer with one JSON object and nothing else.".to_string()),
        Some(ResponseFormat::JsonSchema(format)) => {
            let schema = schema(&format.schema, "response_format", &format.name)?;
            let words = "Answer with JSON that follows this JSON Schema, and with nothing else: ";
            Some([words, schema.get()].concat())
        }
    })
}

impl<'a> Format<'a> {
    fn of(request: &'a CompletionRequest, settings: &Settings) -> Result<Self, Failure> {
        let mime_type = Some("application/json");
        let format = match &request.response_format {
            None | Some(ResponseFormat::Text) => return Ok(Self::default()),
            Some(ResponseFormat::JsonObject) => return Ok(Self { mime_type, ..Self::default() }),
            Some(ResponseFormat::JsonSchema(format)) => format,
        };
        let schema = schema(&format.schema, "response_format", &format.name)?;
        Ok(match settings.schemas {
            Schemas::JsonSchema => Self { mime_type, json_schema: Some(schema), schema: None },
            Schemas::Openapi => Self {
                mime_type,
                json_schema: None,
                schema: crate::openapi::reduced(schema)?.map(Cow::Owned),
            },
        })
    }
}

impl<'a> Thinking<'a> {
    fn of(settings: &'a Settings, effort: Option<&str>) -> Self {
        let level = |effort: &str| match effort {
            "none" | "minimal" => Some("minimal"),
            "low" => Some("low"),
            "medium" => Some("medium"),
            "high" | "xhigh" => Some("high"),
            _ => None,
        };
        // The vendor's own table (<https://ai.google.dev/gemini-api/docs/openai#thinking>).
        let budget = |effort: &str| match effort {
            "none" => Some(0),
            "minimal" | "low" => Some(1_024),
            "medium" => Some(8_192),
            "high" | "xhigh" => Some(24_576),
            _ => None,
        };
        let include_thoughts = settings.include_thoughts;
        let of_caller = match (settings.caller_effort, effort) {
            (CallerEffort::Level, Some(effort)) => level(effort).map(|level| Self {
                include_thoughts,
                thinking_level: Some(level),
                thinking_budget: None,
            }),
            (CallerEffort::Budget, Some(effort)) => budget(effort).map(|budget| Self {
                include_thoughts,
                thinking_level: None,
                thinking_budget: Some(budget),
            }),
            _ => None,
        };
        let thinking_level = settings.thinking_level.as_deref();
        of_caller.unwrap_or_else(|| Self {
            include_thoughts,
            thinking_level,
            // Beside a level it is an error.
            thinking_budget: settings.thinking_budget.filter(|_| thinking_level.is_none()),
        })
    }

    fn is_empty(&self) -> bool {
        self.include_thoughts.is_none() && self.thinking_level.is_none() && self.thinking_budget.is_none()
    }
}
