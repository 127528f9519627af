//! Extended thinking, and what the API allows beside it
//! (<https://platform.claude.com/docs/en/build-with-claude/thinking>).

use hardpoint_sdk::model::CompletionRequest;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::conversation::Conversation;
use crate::settings::{Sampling, Settings, Thinking};

/// The least that the manual mode may think.
const MIN_BUDGET: u32 = 1024;

#[derive(Serialize)]
#[serde(untagged)]
pub(crate) enum ThinkingJson<'a> {
    /// As the caller has it.
    Callers(&'a RawValue),
    Ours(Config<'a>),
}

#[derive(Serialize)]
pub(crate) struct Config<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    budget_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    display: Option<&'a str>,
}

/// What is written about thinking; `forced` says that a tool must be called.
pub(crate) fn thinking<'a>(
    settings: &'a Settings,
    callers: Option<&'a RawValue>,
    conversation: &Conversation<'_>,
    forced: bool,
    max_tokens: u32,
) -> Option<ThinkingJson<'a>> {
    if let Some(callers) = callers {
        return Some(ThinkingJson::Callers(callers));
    }
    let display = settings.thinking_display.as_deref();
    let config = |kind, budget_tokens, display| ThinkingJson::Ours(Config { kind, budget_tokens, display });
    match settings.thinking {
        Thinking::Default => None,
        Thinking::Adaptive => Some(config("adaptive", None, display)),
        Thinking::Disabled => Some(config("disabled", None, None)),
        // The manual mode allows no forced call, and no beginning in the midst of a tool loop.
        Thinking::Enabled if forced || conversation.is_within_thoughtless_loop() => None,
        Thinking::Enabled => {
            let budget = settings.thinking_budget_tokens.min(max_tokens.saturating_sub(1));
            (budget >= MIN_BUDGET).then(|| config("enabled", Some(budget), display))
        }
    }
}

impl ThinkingJson<'_> {
    fn is_on(&self) -> bool {
        #[derive(Deserialize)]
        struct Kind<'a> {
            #[serde(rename = "type")]
            kind: &'a str,
        }
        match self {
            Self::Ours(config) => config.kind != "disabled",
            Self::Callers(raw) => {
                serde_json::from_str::<Kind<'_>>(raw.get()).is_ok_and(|it| it.kind != "disabled")
            }
        }
    }
}

/// `temperature` and `top_p` as far as the model takes them. Here a temperature ends at 1, where OpenAI's ends
/// at 2. With thinking there is no temperature, and `top_p` is 0.95 at least.
pub(crate) fn sampling(
    request: &CompletionRequest,
    settings: &Settings,
    thinking: Option<&ThinkingJson<'_>>,
) -> (Option<f64>, Option<f64>) {
    let temperature = request.temperature.map(|it| it.clamp(0.0, 1.0));
    let top_p = request.top_p;
    if thinking.is_some_and(ThinkingJson::is_on) {
        let allowed = top_p.filter(|it| (0.95..=1.0).contains(it) && settings.sampling() != Sampling::None);
        return (None, allowed);
    }
    match settings.sampling() {
        Sampling::None => (None, None),
        Sampling::Both => (temperature, top_p),
        // What says nothing but the default gives way to what says something.
        Sampling::One if temperature == Some(1.0) && top_p.is_some() => (None, top_p),
        Sampling::One => (temperature, top_p.filter(|_| temperature.is_none())),
    }
}
