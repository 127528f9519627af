//! Members of a request that the host does not know: the vendor's own pass through, those that only OpenAI
//! knows are left out, as the vendor's own compatible endpoint ignores them
//! (<https://platform.claude.com/docs/en/api/openai-sdk>).

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};

use hardpoint_sdk::Failure;
use serde::Deserialize;
use serde_json::value::RawValue;

type Members<'a> = BTreeMap<String, &'a RawValue>;

/// What the adapter writes itself, whether or not the request has it.
const OWN: [&str; 10] = [
    "model",
    "messages",
    "system",
    "stream",
    "max_tokens",
    "temperature",
    "top_p",
    "stop_sequences",
    "tools",
    "tool_choice",
];

/// Members of OpenAI's that the Messages API would refuse.
const IGNORED: [&str; 21] = [
    "audio",
    "function_call",
    "functions",
    "logit_bias",
    "logprobs",
    "max_completion_tokens",
    "modalities",
    "n",
    "parallel_tool_calls",
    "prediction",
    "prompt_cache_key",
    "prompt_cache_retention",
    "response_format",
    "safety_identifier",
    "seed",
    "stop",
    "store",
    "stream_options",
    "top_logprobs",
    "verbosity",
    "web_search_options",
];

/// The members, sorted out.
#[derive(Default)]
pub(crate) struct Extra<'a> {
    /// Passed on as they came.
    pub(crate) others: Members<'a>,
    pub(crate) thinking: Option<&'a RawValue>,
    pub(crate) output_config: Members<'a>,
    pub(crate) cache_control: Option<&'a RawValue>,
    pub(crate) user_id: Option<String>,
    /// OpenAI's word for how much to think.
    pub(crate) reasoning_effort: Option<String>,
}

impl<'a> Extra<'a> {
    /// # Errors
    /// If the text is no JSON object, or several choices are asked for.
    pub(crate) fn read(text: Option<&'a str>) -> Result<Self, Failure> {
        let Some(text) = text else { return Ok(Self::default()) };
        let mut others: Members<'a> = serde_json::from_str(text).map_err(|error| {
            Failure::invalid_request(format!("the extra members are no JSON object: {error}"))
        })?;
        if let Some(n) = others.get("n").filter(|n| !matches!(n.get(), "1" | "null")) {
            let message = format!("only one choice can be served, `n` is {}", crate::error::cut(n.get(), 64));
            return Err(Failure::invalid_request(message).with_param("n"));
        }
        others.retain(|name, _| !OWN.contains(&name.as_str()) && !IGNORED.contains(&name.as_str()));
        // Both have this one, with other words.
        if others
            .get("service_tier")
            .is_some_and(|it| !matches!(it.get(), r#""auto""# | r#""standard_only""#))
        {
            others.remove("service_tier");
        }
        let mut take = |name| others.remove(name).filter(|value| value.get() != "null");
        let (thinking, cache_control) = (take("thinking"), take("cache_control"));
        let output_config = parse(take("output_config")).unwrap_or_default();
        let metadata: Members<'_> = parse(take("metadata")).unwrap_or_default();
        let user_id = parse(metadata.get("user_id").copied());
        let reasoning_effort = parse(take("reasoning_effort"));
        Ok(Self { others, thinking, output_config, cache_control, user_id, reasoning_effort })
    }

    /// The effort that a caller wishes for, in the vendor's words.
    pub(crate) fn effort(&self) -> Option<String> {
        match self.reasoning_effort.as_deref()? {
            "minimal" => Some("low".to_string()),
            word @ ("low" | "medium" | "high" | "xhigh" | "max") => Some(word.to_string()),
            _ => None,
        }
    }
}

fn parse<'a, T: Deserialize<'a>>(value: Option<&'a RawValue>) -> Option<T> {
    serde_json::from_str(value?.get()).ok()
}
