//! The JSON of a request.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use hardpoint_sdk::Failure;
use hardpoint_sdk::model::CompletionRequest;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::conversation::{Content, Conversation};
use crate::extra::Extra;
use crate::generation::{self, Generation};
use crate::settings::Settings;
use crate::tools::{self, Config, Tool};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BodyJson<'a> {
    contents: &'a [Content<'a>],
    #[serde(skip_serializing_if = "Option::is_none")]
    system_instruction: Option<Content<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<Tool<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_config: Option<Config<'a>>,
    generation_config: Generation<'a>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    safety_settings: &'a [Box<RawValue>],
    #[serde(flatten)]
    extra: &'a BTreeMap<String, &'a RawValue>,
}

/// # Errors
/// If there is nothing to answer, a schema or the extra members are no JSON, an image is none, or several
/// choices are asked for.
pub(crate) fn body(request: &CompletionRequest, settings: &Settings) -> Result<Vec<u8>, Failure> {
    let extra = Extra::read(request.extra.as_deref())?;
    let mut conversation = Conversation::new(request, settings)?;
    if let Some(instruction) = generation::instruction(request)? {
        conversation.instruct(instruction);
    }
    let has_own = extra.others.contains_key("safetySettings");
    let json = serde_json::to_vec(&BodyJson {
        system_instruction: conversation.take_system(),
        contents: &conversation.contents,
        tools: tools::tools(request, settings)?,
        tool_config: tools::config(request),
        generation_config: Generation::new(request, settings, &extra)?,
        safety_settings: if has_own { &[] } else { &settings.safety_settings },
        extra: &extra.others,
    });
    json.map_err(|error| Failure::invalid_request(format!("the request cannot be written: {error}")))
}
