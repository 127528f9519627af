//! What the double can be told to answer.

use serde_json::{Value, json};

use crate::double::script::Script;
use crate::gate::Gate;

/// One answer.
#[derive(Clone, Debug)]
pub enum Answer {
    /// As the documents say, streamed or whole as the request asks.
    Reply(Reply),
    /// An error as the documents say.
    Error(ErrorBody),
    /// These bytes, whatever was asked.
    Script(Script),
}

impl From<Reply> for Answer {
    fn from(reply: Reply) -> Self {
        Self::Reply(reply)
    }
}

impl From<ErrorBody> for Answer {
    fn from(error: ErrorBody) -> Self {
        Self::Error(error)
    }
}

impl From<Script> for Answer {
    fn from(script: Script) -> Self {
        Self::Script(script)
    }
}

/// A model's turn.
#[derive(Clone, Debug, Default)]
pub struct Reply {
    /// What it says; the last message again, where left out.
    pub text: Option<String>,
    /// Its reasoning before it.
    pub reasoning: Option<String>,
    /// Tools that it wants called, unless the last message is the answer of one.
    pub tool_calls: Vec<ToolCall>,
    /// `stop`, or `tool_calls` where it calls some, where left out.
    pub finish: Option<&'static str>,
    /// A stream goes on after each event only when this lets it.
    pub pace: Option<Gate>,
    /// A stream is cut into pieces of so many bytes, in the place of one piece an event.
    pub cut: Option<usize>,
}

/// A call of a tool.
#[derive(Clone, Debug)]
pub struct ToolCall {
    /// The function.
    pub name: String,
    /// JSON text.
    pub arguments: String,
}

impl Reply {
    /// Says what it was told.
    pub fn echo() -> Self {
        Self::default()
    }

    /// Says this.
    pub fn text(text: &str) -> Self {
        Self { text: Some(text.to_owned()), ..Self::default() }
    }

    /// Wants tools called; once it is given a tool's answer, it repeats it.
    pub fn calls<'a>(calls: impl IntoIterator<Item = (&'a str, Value)>) -> Self {
        let call = |(name, arguments): (&str, Value)| ToolCall {
            name: name.to_owned(),
            arguments: arguments.to_string(),
        };
        Self { tool_calls: calls.into_iter().map(call).collect(), ..Self::default() }
    }

    /// With this reasoning first.
    #[must_use]
    pub fn reasoning(mut self, reasoning: &str) -> Self {
        self.reasoning = Some(reasoning.to_owned());
        self
    }

    /// With another finish reason.
    #[must_use]
    pub fn finish(mut self, reason: &'static str) -> Self {
        self.finish = Some(reason);
        self
    }

    /// One event each time the gate lets one pass.
    #[must_use]
    pub fn paced(mut self, gate: &Gate) -> Self {
        self.pace = Some(gate.clone());
        self
    }

    /// In pieces of so many bytes, through the middle of events and characters.
    #[must_use]
    pub fn cut(mut self, every: usize) -> Self {
        self.cut = Some(every);
        self
    }
}

/// An error of the provider.
#[derive(Clone, Debug)]
pub struct ErrorBody {
    status: u16,
    kind: String,
    message: String,
    param: Option<String>,
    code: Option<String>,
    headers: Vec<(String, String)>,
}

impl ErrorBody {
    /// `{"error":{"message","type","param","code"}}`.
    pub fn new(status: u16, kind: &str, message: &str) -> Self {
        let (kind, message) = (kind.to_owned(), message.to_owned());
        Self { status, kind, message, param: None, code: None, headers: Vec::new() }
    }

    /// 401, as for a wrong key.
    pub fn unauthorized() -> Self {
        let message = "Incorrect API key provided. You can find your API key at https://platform.openai.com/account/api-keys.";
        Self::new(401, "invalid_request_error", message).code("invalid_api_key")
    }

    /// 429, with or without a time to wait.
    pub fn rate_limited(retry_after: Option<u32>) -> Self {
        let error =
            Self::new(429, "requests", "Rate limit reached for requests.").code("rate_limit_exceeded");
        match retry_after {
            Some(seconds) => error.header("retry-after", &seconds.to_string()),
            None => error,
        }
    }

    /// What the provider answers with this status.
    pub fn of(status: u16) -> Self {
        match status {
            400 => Self::new(400, "invalid_request_error", "Invalid value: 'temperature' is too high.")
                .param("temperature"),
            401 => Self::unauthorized(),
            403 => Self::new(403, "invalid_request_error", "Country, region, or territory not supported")
                .code("unsupported_country_region_territory"),
            404 => Self::new(
                404,
                "invalid_request_error",
                "The model does not exist or you do not have access to it.",
            )
            .code("model_not_found"),
            409 => Self::new(409, "invalid_request_error", "The resource was changed by another request."),
            422 => Self::new(422, "invalid_request_error", "Unprocessable."),
            429 => Self::rate_limited(None),
            500 => Self::new(500, "server_error", "The server had an error while processing your request."),
            502 => Self::new(502, "server_error", "Bad gateway."),
            503 => Self::new(503, "server_error", "That model is currently overloaded with other requests."),
            other => Self::new(other, "server_error", "Something is wrong."),
        }
    }

    /// With a code.
    #[must_use]
    pub fn code(mut self, code: &str) -> Self {
        self.code = Some(code.to_owned());
        self
    }

    /// With the parameter that is to blame.
    #[must_use]
    pub fn param(mut self, param: &str) -> Self {
        self.param = Some(param.to_owned());
        self
    }

    /// With one more header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(super) fn script(&self) -> Script {
        let body = json!({"error": {
            "message": self.message, "type": self.kind, "param": self.param, "code": self.code,
        }});
        let script = Script::new().status(self.status).header("content-type", "application/json");
        self.headers
            .iter()
            .fold(script, |script, (name, value)| script.header(name, value))
            .bytes(body.to_string())
    }
}
