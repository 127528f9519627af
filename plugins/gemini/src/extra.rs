//! Members of a request that the host does not know: the vendor's own pass through, those that only OpenAI
//! knows are left out, since the API refuses what it does not know.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;

use hardpoint_sdk::Failure;
use serde::Deserialize;
use serde_json::value::RawValue;

pub(crate) type Members<'a> = BTreeMap<String, &'a RawValue>;

/// What the adapter writes itself, whether or not the request has it.
const OWN: [&str; 6] =
    ["model", "contents", "systemInstruction", "system_instruction", "tools", "toolConfig"];

/// Members of OpenAI's.
const IGNORED: [&str; 27] = [
    "audio",
    "function_call",
    "functions",
    "logit_bias",
    "logprobs",
    "max_completion_tokens",
    "messages",
    "metadata",
    "modalities",
    "n",
    "parallel_tool_calls",
    "prediction",
    "prompt_cache_key",
    "prompt_cache_retention",
    "response_format",
    "safety_identifier",
    "seed",
    "service_tier",
    "stop",
    "store",
    "stream",
    "stream_options",
    "tool_choice",
    "top_logprobs",
    "user",
    "verbosity",
    "web_search_options",
];

/// The members, sorted out.
#[derive(Default)]
pub(crate) struct Extra<'a> {
    /// Passed on as they came.
    pub(crate) others: Members<'a>,
    /// What the caller says of generation, beside what the host knows of it.
    pub(crate) generation: Members<'a>,
    /// OpenAI's word for how much to think.
    pub(crate) reasoning_effort: Option<String>,
}

impl<'a> Extra<'a> {
    /// # Errors
    /// If the text is no JSON object, or several choices are asked for.
    pub(crate) fn read(text: Option<&'a str>) -> Result<Self, Failure> {
        let mut others = members(text)?;
        if let Some(n) = others.get("n").filter(|n| !matches!(n.get(), "1" | "null")) {
            let message = format!("only one choice can be served, `n` is {}", crate::error::cut(n.get(), 64));
            return Err(Failure::invalid_request(message).with_param("n"));
        }
        others.retain(|name, _| !OWN.contains(&name.as_str()) && !IGNORED.contains(&name.as_str()));
        let mut generation: Members<'_> = parse(others.remove("generationConfig")).unwrap_or_default();
        // One candidate is read.
        generation.remove("candidateCount");
        let reasoning_effort = parse(others.remove("reasoning_effort"));
        Ok(Self { others, generation, reasoning_effort })
    }
}

/// # Errors
/// If the text is no JSON object.
pub(crate) fn members(text: Option<&str>) -> Result<Members<'_>, Failure> {
    let Some(text) = text else { return Ok(Members::new()) };
    serde_json::from_str(text)
        .map_err(|error| Failure::invalid_request(format!("the extra members are no JSON object: {error}")))
}

pub(crate) fn parse<'a, T: Deserialize<'a>>(value: Option<&'a RawValue>) -> Option<T> {
    serde_json::from_str(value?.get()).ok()
}
