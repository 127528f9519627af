//! What every plugin of a kind must bear, whatever it is for: answers of every sort, cut anywhere, and
//! requests of every sort. A plugin may fail; it may not trap, hang, or call delivered what is not.

mod retriever;

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use hardpoint_domain::manifest::{Kind, example};
use hardpoint_recording::{
    Asked, CallInput, CompletionInput, Content, DeliveryInput, EmbeddingInput, EventInput, MessageInput,
    Outcome, Verdict,
};
use hardpoint_runtime::egress::EgressErrorKind;
use hardpoint_runtime::{Binding, PlayedAnswer, SentRequest, Tape};
use serde_json::{Map, Value, json};

use super::bench::Bench;
use super::replay::run;

/// Requests after which an exchange counts as endless.
const ENDLESS: u32 = 200;

/// One thing that was tried, and what was wrong with it.
#[derive(Debug)]
pub struct Check {
    /// What was tried.
    pub name: String,
    /// What was wrong, if anything.
    pub problem: Option<String>,
}

/// Answers every request alike.
#[derive(Debug)]
pub struct Stubborn {
    answer: Mutex<PlayedAnswer>,
    requests: AtomicU32,
}

impl Stubborn {
    /// Answers nothing yet.
    pub fn new() -> Arc<Self> {
        Arc::new(Self { answer: Mutex::new(broken(EgressErrorKind::Reset)), requests: AtomicU32::new(0) })
    }

    fn answers(&self, answer: PlayedAnswer) {
        *self.answer.lock().unwrap_or_else(PoisonError::into_inner) = answer;
        self.requests.store(0, Relaxed);
    }

    fn requests(&self) -> u32 {
        self.requests.load(Relaxed)
    }
}

impl Tape for Stubborn {
    fn play(&self, _: &SentRequest) -> Option<PlayedAnswer> {
        if self.requests.fetch_add(1, Relaxed) >= ENDLESS {
            return Some(broken(EgressErrorKind::Denied));
        }
        Some(self.answer.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }

    fn skips_pauses(&self) -> bool {
        true
    }
}

/// An answer that every plugin must bear.
struct Trial {
    name: String,
    answer: PlayedAnswer,
    /// The status of a whole answer; none where nothing was answered, or not to its end.
    status: Option<u16>,
}

/// Tries all that can be tried of the bench's component.
///
/// # Errors
/// Settings that do not fit: give others.
pub async fn conformance(
    bench: &Bench,
    tape: &Stubborn,
    settings: Option<Map<String, Value>>,
) -> anyhow::Result<Vec<Check>> {
    let manifest = bench.manifest().clone();
    let settings =
        settings.unwrap_or_else(|| manifest.example_settings().as_object().cloned().unwrap_or_default());
    let binding = bench.bind(&settings, |name| Some(format!("conformance-secret-{name}")))?;
    let mut checks = Vec::new();
    match manifest.kind {
        Kind::Model => {
            for trial in trials() {
                checks.extend(try_model(bench, tape, &binding, &trial).await?);
            }
        }
        Kind::Exporter => {
            for trial in trials() {
                checks.extend(try_exporter(bench, tape, &binding, &trial).await?);
            }
        }
        Kind::Tool => checks.extend(try_tool(bench, tape, &binding).await?),
        Kind::Retriever => checks.extend(retriever::tried(tape, &binding).await),
    }
    Ok(checks)
}

async fn try_model(
    bench: &Bench,
    tape: &Stubborn,
    binding: &Arc<Binding>,
    trial: &Trial,
) -> anyhow::Result<Vec<Check>> {
    let mut checks = Vec::new();
    let completion = || Asked::Completion(Box::new(completion()));
    let embedding = || {
        Asked::Embedding(EmbeddingInput {
            upstream_model: "m".to_owned(),
            inputs: vec!["one".to_owned(), "two".to_owned()],
            ..EmbeddingInput::default()
        })
    };
    for (what, asked) in [("completion", completion()), ("embedding", embedding())] {
        tape.answers(trial.answer.clone());
        let outcome = run(bench, binding, asked.clone()).await?;
        let sent = tape.requests();
        let problem = fault(&outcome).or_else(|| endless(sent)).or_else(|| {
            // An adapter that asks nobody answers by itself.
            let says_fine = outcome.failure.is_none() && sent > 0;
            says_fine.then(|| format!("it made a {what} of it: {}", shown(&outcome)))
        });
        let problem = problem.or_else(|| misjudged(trial, sent, &outcome));
        checks.push(Check { name: format!("{what}: {}", trial.name), problem });
        tape.answers(in_pieces(&trial.answer));
        let cut = run(bench, binding, asked).await?;
        let differences = outcome.differences(&cut);
        checks.push(Check {
            name: format!("{what}: {}, byte by byte", trial.name),
            problem: (!differences.is_empty()).then(|| differences.join("; ")),
        });
    }
    Ok(checks)
}

/// What a failure must be called, so that the host retries what is worth it and nothing else.
fn misjudged(trial: &Trial, sent: u32, outcome: &Outcome) -> Option<String> {
    let kind = outcome.failure.as_ref().filter(|_| sent > 0)?.kind.as_str();
    let expected: &[&str] = match trial.status? {
        401 | 403 => &["authentication"],
        429 => &["rate_limited"],
        500 | 502 => &["upstream", "overloaded"],
        503 => &["overloaded", "upstream"],
        _ => return None,
    };
    (!expected.contains(&kind)).then(|| format!("it calls this {kind}, not {}", expected.join(" or ")))
}

async fn try_exporter(
    bench: &Bench,
    tape: &Stubborn,
    binding: &Arc<Binding>,
    trial: &Trial,
) -> anyhow::Result<Vec<Check>> {
    let mut checks = Vec::new();
    for count in [1, 25] {
        tape.answers(trial.answer.clone());
        let asked = Asked::Delivery(delivery(count));
        let outcome = run(bench, binding, asked.clone()).await?;
        let problem = fault(&outcome).or_else(|| endless(tape.requests())).or_else(|| lost(trial, &outcome));
        checks.push(Check { name: format!("{count} events: {}", trial.name), problem });
        tape.answers(in_pieces(&trial.answer));
        // What it saves may be of this one attempt: a channel's name, a time.
        let unsaved = |outcome: Outcome| Outcome { saved: None, ..outcome };
        let differences = unsaved(outcome).differences(&unsaved(run(bench, binding, asked).await?));
        checks.push(Check {
            name: format!("{count} events: {}, byte by byte", trial.name),
            problem: (!differences.is_empty()).then(|| differences.join("; ")),
        });
    }
    Ok(checks)
}

/// Whether events are called delivered that are not, or dropped though the other side may take them later.
fn lost(trial: &Trial, outcome: &Outcome) -> Option<String> {
    // A status of success may be enough to know, whatever becomes of the rest.
    let is_success = trial.answer.status.is_some_and(|status| (200..300).contains(&status));
    let may_come_right = trial.status.is_none_or(|status| matches!(status, 401 | 403 | 429 | 500..));
    outcome.verdicts.iter().enumerate().find_map(|(index, verdict)| match verdict {
        Some(Verdict::Delivered) if !is_success => Some(format!("event {index} is called delivered")),
        Some(Verdict::Drop(reason)) if may_come_right => {
            Some(format!("event {index} is dropped ({reason}), though it may be taken later"))
        }
        _ => None,
    })
}

async fn try_tool(bench: &Bench, tape: &Stubborn, binding: &Arc<Binding>) -> anyhow::Result<Vec<Check>> {
    let described = binding.describe_tool(Bench::context()).await;
    let problem = match &described {
        Err(failure) => Some(failure.message.clone()),
        Ok(described) if described.description.trim().is_empty() => {
            Some("it does not say what it does".into())
        }
        Ok(described) => jsonschema::validator_for(&described.parameters)
            .err()
            .map(|error| format!("the schema of its arguments is none: {error}")),
    };
    let mut checks = vec![Check { name: "it describes itself".to_owned(), problem }];
    let schema = described.map(|described| described.parameters).unwrap_or_default();
    let odd = [
        ("no arguments", json!({})),
        ("arguments of the schema", example(&schema)),
        ("unknown arguments", json!({"conformance": [1, {"deep": null}]})),
        ("no object", json!([1, 2, 3])),
        ("every value null", nulls(&schema)),
        ("long text", filled(&schema, &json!("x".repeat(200_000)))),
        ("text of every sort", filled(&schema, &json!("\u{0}\u{feff}\u{1f9ea}\u{202e}\n\"\\{{}}</script>"))),
        ("numbers out of range", filled(&schema, &json!(1e308))),
    ];
    for (name, arguments) in odd {
        for trial in [trial_of("a server error", 500, "<h1>500</h1>"), trial_of("nothing", 200, "")] {
            tape.answers(trial.answer);
            let asked = Asked::Call(CallInput { arguments: arguments.clone(), kv: Map::new() });
            let outcome = run(bench, binding, asked).await?;
            let problem = fault(&outcome).or_else(|| endless(tape.requests()));
            checks.push(Check { name: format!("{name}, the network answering {}", trial.name), problem });
        }
    }
    Ok(checks)
}

/// Whether the sandbox had to stop it.
fn fault(outcome: &Outcome) -> Option<String> {
    let failure = outcome.failure.as_ref().filter(|failure| failure.kind == "plugin")?;
    let code = failure.code.as_deref().unwrap_or("plugin");
    Some(format!("{code}: {}", failure.message.as_deref().unwrap_or("it was stopped")))
}

fn endless(requests: u32) -> Option<String> {
    (requests >= ENDLESS).then(|| format!("it sent {requests} requests and would go on"))
}

fn shown(outcome: &Outcome) -> String {
    let text = serde_json::to_string(outcome).unwrap_or_default();
    text.chars().take(300).collect()
}

/// Answers of every sort.
fn trials() -> Vec<Trial> {
    let mut trials: Vec<Trial> = [
        ("no connection", EgressErrorKind::Connect),
        ("too slow", EgressErrorKind::Timeout),
        ("a connection that breaks", EgressErrorKind::Reset),
        ("a grant that does not cover it", EgressErrorKind::Denied),
    ]
    .map(|(name, kind)| Trial { name: name.to_owned(), answer: broken(kind), status: None })
    .into();
    for status in [400, 401, 403, 404, 413, 429, 500, 502, 503] {
        trials.push(trial_of(&format!("status {status} in HTML"), status, "<html><h1>No.</h1></html>"));
        trials.push(trial_of(&format!("status {status} and nothing"), status, ""));
    }
    for (name, head) in [
        ("half of a JSON text", "{\"choices\":[{\"message\":{\"content\":\"a"),
        ("half of an event", "data: {\"choices\":[{\"delta\":{\"cont"),
        ("half of a character", "data: {\"a\":\"\u{20ac}"),
    ] {
        let mut body = head.as_bytes().to_vec();
        body.truncate(body.len() - usize::from(name.ends_with("character")));
        let mut answer = answer(200, body);
        answer.broken = Some(EgressErrorKind::Reset);
        trials.push(Trial { name: format!("{name}, then a break"), answer, status: None });
    }
    trials
}

fn trial_of(name: &str, status: u16, body: &str) -> Trial {
    Trial { name: name.to_owned(), answer: answer(status, body.to_owned()), status: Some(status) }
}

fn answer(status: u16, body: impl Into<Bytes>) -> PlayedAnswer {
    let headers = vec![("content-type".to_owned(), "text/html".to_owned())];
    PlayedAnswer { status: Some(status), headers, chunks: vec![body.into()], broken: None }
}

fn broken(kind: EgressErrorKind) -> PlayedAnswer {
    PlayedAnswer { status: None, headers: Vec::new(), chunks: Vec::new(), broken: Some(kind) }
}

fn in_pieces(answer: &PlayedAnswer) -> PlayedAnswer {
    let bytes = answer.chunks.concat();
    let chunks = bytes.chunks(1).map(Bytes::copy_from_slice).collect();
    PlayedAnswer { chunks, ..answer.clone() }
}

fn completion() -> CompletionInput {
    let message = MessageInput {
        role: "user".to_owned(),
        content: Content::Text("Why?".to_owned()),
        name: None,
        reasoning: None,
        refusal: None,
        tool_calls: Vec::new(),
        tool_call_id: None,
    };
    CompletionInput {
        upstream_model: "m".to_owned(),
        messages: vec![message],
        streamed: true,
        ..CompletionInput::default()
    }
}

fn delivery(count: usize) -> DeliveryInput {
    let event = |number: usize| EventInput {
        id: format!("evt_{number}"),
        kind: "conformance.tried".to_owned(),
        time: 1_700_000_000_000_000,
        body: json!({
            "id": format!("evt_{number}"), "kind": "conformance.tried", "time": "2023-11-14T22:13:20.000000Z",
            "actor": {"id": "key_1", "name": "\u{1f9ea} \u{0} \"quoted\" </script>"}, "nothing": null, "deep": [[[{}]]],
        }),
    };
    DeliveryInput {
        attempt: 1,
        now: 1_700_000_000_000_000,
        events: (0..count).map(event).collect(),
        state: None,
    }
}

/// Every property of a schema with this value.
fn filled(schema: &Value, value: &Value) -> Value {
    let names = schema["properties"].as_object().into_iter().flat_map(Map::keys);
    Value::Object(names.map(|name| (name.clone(), value.clone())).collect())
}

fn nulls(schema: &Value) -> Value {
    filled(schema, &Value::Null)
}
