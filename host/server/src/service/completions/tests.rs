//! The service against scripted adapters and tools; time is paused, so waits are exact.

mod attempts;
mod planning;
mod rounds;
pub(super) mod script;

use std::sync::Arc;
use std::time::Duration;

use hardpoint_domain::failure::{Failure, FailureKind};
use hardpoint_domain::message::{
    CompletionRequest, ContentPart, Delta, FinishReason, Message, Role, ToolCallPiece, ToolDefinition, Usage,
};
use hardpoint_domain::model::Prices;
use hardpoint_domain::retry::RetryPolicy;
use hardpoint_domain::time::{Clock, Rng, Timestamp};
use hardpoint_runtime::{CallContext, ToolError};

use self::script::{Scene, Script};
use super::adapter::Adapter;
use super::host_tools::{HostTools, Tool};
use super::plan::{Candidate, Plan};
use super::{Policy, Run};

struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(1_711_234_567_000_000)
    }
}

/// Full jitter at its fullest, nearly.
impl Rng for Still {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(0xff);
    }
}

fn message(role: Role, text: &str) -> Message {
    Message {
        role,
        content: vec![ContentPart::Text(text.to_owned())],
        name: None,
        reasoning: None,
        refusal: None,
        tool_calls: Vec::new(),
        tool_call_id: None,
    }
}

fn request() -> CompletionRequest {
    CompletionRequest {
        model: "first".to_owned(),
        messages: vec![message(Role::User, "How much is 1 + 2?")],
        tools: Vec::new(),
        tool_choice: None,
        parallel_tool_calls: None,
        response_format: None,
        streamed: true,
        include_usage: false,
        max_tokens: None,
        temperature: None,
        top_p: None,
        frequency_penalty: None,
        presence_penalty: None,
        stop: Vec::new(),
        seed: None,
        user: None,
        extra: serde_json::Map::new(),
    }
}

fn tool(name: &str) -> ToolDefinition {
    ToolDefinition { name: name.to_owned(), description: None, parameters: None, strict: None }
}

/// A run of the candidates `first`, `second` …, one for each script, with the host tools `sum` and
/// `broken` where `with_tools`; `client` are the client's own.
fn run(scripts: &[&Script], with_tools: bool, client: &[&str]) -> Run {
    run_of(request(), scripts, with_tools, client)
}

fn run_of(mut request: CompletionRequest, scripts: &[&Script], with_tools: bool, client: &[&str]) -> Run {
    let names = ["first", "second", "third"];
    // A micro-credit for a token of the first, two for one of the second …
    let prices = (1..).map(|price| price * 1_000_000);
    let candidates = scripts.iter().zip(names).zip(prices).map(|((script, name), price)| Candidate {
        model: name.to_owned(),
        upstream: format!("{name}-upstream"),
        prices: Prices { input: price, cached_input: price, output: price },
        max_output_tokens: 4_096,
        adapter: Adapter::Script((*script).clone()),
    });
    request.tools = client.iter().map(|name| tool(name)).collect();
    let mut tools = HostTools::new(&request.tools);
    let client_tools = request.tools.len();
    if with_tools {
        tools.add("sum", Tool::Script(|arguments| Ok(format!("3, from {arguments}"))));
        tools.add("broken", Tool::Script(|_| Err(ToolError::Failed("the disk is full".to_owned()))));
        request.tools.extend([tool("sum"), tool("broken")]);
    }
    let plan = Plan { request, client_tools, candidates: candidates.collect(), tools };
    let retry = RetryPolicy {
        attempts: 3,
        base: Duration::from_millis(100),
        cap: Duration::from_secs(1),
        retry_after_cap: Duration::from_secs(10),
    };
    let context = CallContext { request_id: "req_1".to_owned(), organization: "org_1".to_owned() };
    Run::new(plan, Policy { retry, rounds: 3 }, context, None, Arc::new(Still), Arc::new(Still))
}

fn text(text: &str) -> Delta {
    Delta::Text(text.to_owned())
}

fn used(input_tokens: u64, output_tokens: u64) -> Delta {
    Delta::Usage(Usage { input_tokens, output_tokens, ..Usage::default() })
}

fn call(index: u32, id: &str, name: &str, arguments: &str) -> Delta {
    let (id, name) = (Some(id.to_owned()), Some(name.to_owned()));
    Delta::ToolCall(ToolCallPiece { index, id, name, arguments: arguments.to_owned() })
}

const STOP: Delta = Delta::Finish(FinishReason::Stop);
const CALLS: Delta = Delta::Finish(FinishReason::ToolCalls);

fn play(deltas: impl IntoIterator<Item = Delta>) -> Scene {
    Scene::Play(deltas.into_iter().map(Ok).collect())
}

fn failure(kind: FailureKind) -> Failure {
    Failure::new(kind, format!("{kind:?}"))
}

/// Everything that the client sees.
async fn rest(run: &mut Run) -> Vec<Result<Delta, Failure>> {
    let mut seen = Vec::new();
    while let Some(delta) = run.next().await {
        seen.push(delta);
    }
    seen
}

async fn shown(run: &mut Run) -> Vec<Delta> {
    rest(run).await.into_iter().map(Result::unwrap).collect()
}
