//! Recordings, the files that `hardpoint plugin test` and `plugin record` share with this harness.

use hardpoint_recording::{Asked, Broken, Exchange, Outcome, Recording, SentRequest};
use serde_json::Value;

use super::answer::{Answer, End};
use super::recorded;
use super::sent::Sent;
use super::{Double, call, completion, delivery, embedding};
use crate::exporter::Exporter;
use crate::failure::TransportFailureKind;
use crate::model::ModelAdapter;
use crate::tool::{Tool, ToolError};

/// Replays a recording of a model adapter, the answers cut every way. Panics with every difference.
pub fn replay_model<A: ModelAdapter>(recording: &str) {
    let recording = parse(recording);
    let settings = Value::Object(recording.settings.clone());
    let (sent, outcome) = match asked(&recording) {
        Asked::Completion(input) => {
            let asking = completion::<A>(recorded::completion(*input), settings);
            let done = answers(&recording).fold(asking, |asking, answer| asking.answer(answer)).every_way();
            (done.sent.clone(), recorded::completed(done))
        }
        Asked::Embedding(input) => {
            let asking = embedding::<A>(recorded::embedding(input), settings);
            let done = answers(&recording).fold(asking, |asking, answer| asking.answer(answer)).every_way();
            (done.sent.clone(), recorded::embedded(done))
        }
        _ => panic!("a model adapter is asked for a `completion` or an `embedding`"),
    };
    compare(&recording, &sent, &outcome);
}

/// Replays a recording of an exporter, the answers cut every way. Panics with every difference.
pub fn replay_exporter<E: Exporter>(recording: &str) {
    let recording = parse(recording);
    let Asked::Delivery(input) = asked(&recording) else {
        panic!("an exporter is asked for a `delivery`");
    };
    let (batch, state) = recorded::batch(input);
    let events = batch.events.len();
    let mut asking = delivery::<E>(batch, Value::Object(recording.settings.clone()));
    if let Some(state) = state {
        asking = asking.state(state);
    }
    let done = answers(&recording).fold(asking, |asking, answer| asking.answer(answer)).every_way();
    compare(&recording, &done.sent.clone(), &recorded::delivered(done, events));
}

/// Replays a recording of a tool. Panics with every difference.
pub fn replay_tool<T: Tool>(recording: &str) {
    let recording = parse(recording);
    let Asked::Call(input) = asked(&recording) else {
        panic!("a tool is asked for a `call`");
    };
    let mut double = answers(&recording).fold(Double::new(), |double, answer| double.answer(answer));
    for (key, value) in input.kv {
        double = double.with(&key, value.as_str().map_or_else(|| value.to_string(), str::to_owned));
    }
    let outcome = match call::<T>(input.arguments, Value::Object(recording.settings.clone())) {
        Ok(text) => Outcome {
            result: Some(serde_json::from_str(&text).unwrap_or(Value::String(text))),
            ..Outcome::default()
        },
        Err(ToolError::InvalidArguments(why)) => {
            Outcome { invalid_arguments: Some(why), ..Outcome::default() }
        }
        Err(ToolError::Failed(why)) => recorded::tool_failure(why),
    };
    compare(&recording, &double.sent(), &outcome);
}

fn parse(text: &str) -> Recording {
    Recording::from_json(text).unwrap_or_else(|error| panic!("the recording cannot be read: {error}"))
}

fn asked(recording: &Recording) -> Asked {
    recording.asked().unwrap_or_else(|error| panic!("{error}"))
}

fn answers(recording: &Recording) -> impl Iterator<Item = Answer> {
    recording.exchanges.iter().map(answer)
}

fn answer(exchange: &Exchange) -> Answer {
    let recorded = &exchange.answer;
    let mut answer = Answer::new(recorded.status.unwrap_or(0));
    for (name, value) in &recorded.headers {
        answer = answer.header(name, value);
    }
    for chunk in &recorded.chunks {
        answer = answer.chunk(&chunk.0);
    }
    match recorded.broken {
        None => answer,
        Some(broken) => answer.end(End::Broken(match broken {
            Broken::Denied => TransportFailureKind::Denied,
            Broken::Connect => TransportFailureKind::Connect,
            Broken::Timeout => TransportFailureKind::Timeout,
            Broken::Reset => TransportFailureKind::Reset,
            Broken::Protocol => TransportFailureKind::Protocol,
        })),
    }
}

/// How the last answer broke off, in a failure's words.
fn broken(recording: &Recording) -> Option<String> {
    let broken = recording.exchanges.last()?.answer.broken?;
    let word = match broken {
        Broken::Denied => "denied",
        Broken::Connect => "connect",
        Broken::Timeout => "timeout",
        Broken::Reset => "reset",
        Broken::Protocol => "protocol",
    };
    Some(word.to_owned())
}

/// Requires the requests and the outcome that the recording has.
fn compare(recording: &Recording, sent: &[Sent], outcome: &Outcome) {
    let mut found = Vec::new();
    let mut outcome = outcome.clone();
    // The host, which saw it break, knows better than the plugin what kind of trouble that was; of a tool's
    // failure it knows nothing.
    if let (Some(failure), Some(broken)) = (&mut outcome.failure, broken(recording))
        && failure.kind != "failed"
    {
        failure.kind = broken;
    }
    for (number, exchange) in recording.exchanges.iter().enumerate() {
        let what = format!("request {}", number + 1);
        match sent.get(number) {
            None => found.push(format!("{what} was not sent")),
            Some(sent) => {
                let sent = SentRequest {
                    method: sent.method.clone(),
                    url: sent.url.clone(),
                    headers: sent.headers.clone(),
                    body: sent.body.clone(),
                    gzip: sent.gzip,
                };
                found.extend(
                    exchange.request.differences(&sent).into_iter().map(|text| format!("{what}: {text}")),
                );
            }
        }
    }
    found.extend(recording.expect.differences(&outcome));
    assert!(found.is_empty(), "{}:\n  {}", recording.about, found.join("\n  "));
}
