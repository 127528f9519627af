//! Replays a recording in the real sandbox.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use hardpoint_domain::manifest::Kind;
use hardpoint_domain::message::{Delta, ToolCallPiece};
use hardpoint_recording::{
    Asked, CompletionInput, DeliveryInput, EmbeddingInput, Exchange, Outcome, Recording, ToolCallInput,
};
use hardpoint_runtime::{Binding, PlayedAnswer, SentRequest, Tape, ToolError};
use serde_json::Value;

use super::bench::Bench;
use super::recorded;

/// Cuts beyond this many say nothing new of a long answer.
const CUTS: usize = 400;

/// Plays the answers of one recording, and notes how the requests differ.
#[derive(Debug, Default)]
pub struct Player(Mutex<Script>);

#[derive(Debug, Default)]
struct Script {
    left: VecDeque<Exchange>,
    number: usize,
    differences: Vec<String>,
}

impl Player {
    /// A player with nothing in it.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    fn load(&self, exchanges: Vec<Exchange>) {
        *self.script() = Script { left: exchanges.into(), ..Script::default() };
    }

    /// How the requests differed, those that were never sent included.
    fn unload(&self) -> Vec<String> {
        let script = std::mem::take(&mut *self.script());
        let mut found = script.differences;
        let unsent = script.left.into_iter().zip(script.number + 1..);
        found.extend(unsent.map(|(exchange, number)| {
            format!("request {number} was not sent: {} {}", exchange.request.method, exchange.request.url)
        }));
        found
    }

    fn script(&self) -> MutexGuard<'_, Script> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tape for Player {
    fn play(&self, sent: &SentRequest) -> Option<PlayedAnswer> {
        let mut script = self.script();
        script.number += 1;
        let number = script.number;
        let Some(exchange) = script.left.pop_front() else {
            script
                .differences
                .push(format!("request {number} is in no recording: {} {}", sent.method, sent.url));
            return Some(PlayedAnswer {
                status: None,
                headers: Vec::new(),
                chunks: Vec::new(),
                broken: None,
            });
        };
        let sent = hardpoint_recording::SentRequest {
            method: sent.method.clone(),
            url: sent.url.clone(),
            headers: sent.headers.clone(),
            body: sent.body.clone(),
            gzip: sent.gzip,
        };
        let differences = exchange.request.differences(&sent).into_iter();
        script.differences.extend(differences.map(|what| format!("request {number}: {what}")));
        let answer = exchange.answer;
        Some(PlayedAnswer {
            status: answer.status,
            headers: answer.headers.into_iter().collect(),
            chunks: answer.chunks.into_iter().map(|chunk| Bytes::from(chunk.0)).collect(),
            broken: answer.broken.map(recorded::broken),
        })
    }

    fn skips_pauses(&self) -> bool {
        true
    }
}

/// Replays a recording as it is, and cut in every other way. Gives the differences of the first cut that has
/// any, and how many ways were tried.
///
/// # Errors
/// A recording that does not fit the plugin.
pub async fn replay(
    bench: &Bench,
    player: &Player,
    recording: &Recording,
) -> anyhow::Result<(Vec<String>, usize)> {
    let mut tried = 0;
    for (how, variant) in variants(recording) {
        tried += 1;
        let found = replay_once(bench, player, &variant).await?;
        if !found.is_empty() {
            return Ok((found.into_iter().map(|what| format!("{what}{how}")).collect(), tried));
        }
    }
    Ok((Vec::new(), tried))
}

/// A recording cut in every way that is worth trying. A tool gets answers whole.
fn variants(recording: &Recording) -> Vec<(String, Recording)> {
    let mut variants = vec![(String::new(), recording.clone())];
    if matches!(recording.asked(), Ok(Asked::Call(_))) {
        return variants;
    }
    let pieces = [1, 2, 3, 7].into_iter();
    variants.extend(pieces.map(|size| (format!(" (in pieces of {size} bytes)"), recording.cut_every(size))));
    let cuts = 1..recording.longest_answer().min(CUTS);
    variants.extend(cuts.map(|at| (format!(" (cut at byte {at})"), recording.cut_at(at))));
    variants
}

async fn replay_once(bench: &Bench, player: &Player, recording: &Recording) -> anyhow::Result<Vec<String>> {
    // What stands for a secret is what recordings show of it.
    let binding = bench.bind(&recording.settings, |name| Some(format!("{{secret:{name}}}")))?;
    player.load(recording.exchanges.clone());
    let asked = recording.asked().map_err(anyhow::Error::msg)?;
    let outcome = run(bench, &binding, asked).await?;
    let mut found = player.unload();
    found.extend(recording.expect.differences(&outcome));
    Ok(found)
}

/// Asks a binding, and gathers what comes of it.
///
/// # Errors
/// What is asked is nothing that can be asked.
pub async fn run(bench: &Bench, binding: &Arc<Binding>, asked: Asked) -> anyhow::Result<Outcome> {
    let (needed, what) = match &asked {
        Asked::Completion(_) => (Kind::Model, "a completion"),
        Asked::Embedding(_) => (Kind::Model, "an embedding"),
        Asked::Delivery(_) => (Kind::Exporter, "a delivery"),
        Asked::Call(_) => (Kind::Tool, "a call"),
    };
    anyhow::ensure!(
        binding.kind() == needed,
        "{what} cannot be asked of a plugin of kind {:?}",
        binding.kind()
    );
    match asked {
        Asked::Completion(input) => complete(binding, *input).await.map_err(anyhow::Error::msg),
        Asked::Embedding(input) => Ok(embed(binding, input).await),
        Asked::Delivery(input) => Ok(deliver(binding, input).await),
        Asked::Call(input) => {
            bench.kv.replace(input.kv.into_iter().map(|(key, value)| {
                let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                (key, text.into_bytes())
            }));
            Ok(call(binding, &input.arguments).await)
        }
    }
}

async fn complete(binding: &Arc<Binding>, input: CompletionInput) -> Result<Outcome, String> {
    let (request, model) = recorded::completion(input)?;
    let mut outcome = Outcome::default();
    let mut completion = match binding.complete(Bench::context(), &request, &model).await {
        Ok(completion) => completion,
        Err(failure) => {
            outcome.failure = Some(recorded::failure(failure));
            return Ok(outcome);
        }
    };
    while let Some(delta) = completion.next().await {
        match delta {
            Ok(Delta::Text(text)) => outcome.text += &text,
            Ok(Delta::Reasoning(text)) => outcome.reasoning += &text,
            Ok(Delta::Refusal(text)) => outcome.refusal += &text,
            Ok(Delta::ToolCall(piece)) => add(&mut outcome.tool_calls, piece),
            Ok(Delta::Usage(usage)) => outcome.usage = Some(recorded::usage(usage)),
            Ok(Delta::Finish(reason)) => outcome.finish = Some(recorded::finish(reason)),
            Err(failure) => outcome.failure = Some(recorded::failure(failure)),
        }
    }
    Ok(outcome)
}

/// Puts a piece where it belongs.
fn add(calls: &mut Vec<ToolCallInput>, piece: ToolCallPiece) {
    if let Some(call) = calls.get_mut(piece.index as usize) {
        call.arguments += &piece.arguments;
        return;
    }
    calls.push(ToolCallInput {
        id: piece.id.unwrap_or_default(),
        name: piece.name.unwrap_or_default(),
        arguments: piece.arguments,
    });
}

async fn embed(binding: &Arc<Binding>, input: EmbeddingInput) -> Outcome {
    let (request, model) = recorded::embedding(input);
    match binding.embed(Bench::context(), &request, &model).await {
        Ok(embeddings) => Outcome {
            vectors: embeddings.vectors,
            usage: Some(recorded::usage(embeddings.usage)),
            ..Outcome::default()
        },
        Err(failure) => Outcome { failure: Some(recorded::failure(failure)), ..Outcome::default() },
    }
}

async fn deliver(binding: &Arc<Binding>, input: DeliveryInput) -> Outcome {
    let events = input.events.len();
    let delivery = recorded::delivery(input, binding.settings().clone());
    match binding.deliver(Bench::context(), delivery).await {
        Ok(report) => Outcome {
            verdicts: report.verdicts.into_iter().map(recorded::verdict).collect(),
            split: report.split,
            parked: report.parked,
            saved: report.state.map(hardpoint_recording::Bytes),
            failure: report.failure.map(recorded::failure),
            ..Outcome::default()
        },
        Err(failure) => Outcome {
            verdicts: vec![None; events],
            failure: Some(recorded::failure(failure)),
            ..Outcome::default()
        },
    }
}

async fn call(binding: &Arc<Binding>, arguments: &Value) -> Outcome {
    match binding.call_tool(Bench::context(), &arguments.to_string()).await {
        Ok(text) => Outcome {
            result: Some(serde_json::from_str(&text).unwrap_or(Value::String(text))),
            ..Outcome::default()
        },
        Err(ToolError::InvalidArguments(why)) => {
            Outcome { invalid_arguments: Some(why), ..Outcome::default() }
        }
        Err(ToolError::Failed(why)) => {
            let failure = hardpoint_recording::Failure {
                kind: "failed".to_owned(),
                message: Some(why),
                ..Default::default()
            };
            Outcome { failure: Some(failure), ..Outcome::default() }
        }
        Err(ToolError::Stopped(failure)) => {
            Outcome { failure: Some(recorded::failure(failure)), ..Outcome::default() }
        }
    }
}
