//! A completion under way: rounds of one model, until it has nothing more to say.

use std::sync::Arc;

use hardpoint_domain::bill::Bill;
use hardpoint_domain::failure::Failure;
use hardpoint_domain::id;
use hardpoint_domain::message::{
    CompletionRequest, ContentPart, Delta, FinishReason, Message, Role, ToolCall, ToolChoice, Usage,
};
use hardpoint_domain::time::{Clock, Rng};
use hardpoint_runtime::CallContext;

use super::Policy;
use super::adapter::Deltas;
use super::calls::Calls;
use super::host_tools::HostTools;
use super::open::unfinished;
use super::plan::{Candidate, Plan};
use crate::call::CallNote;
use crate::service::{billing, limits};

/// After so many deltas the call record is told how far the request is, in case this host ends before it does.
const ACCOUNTED: u64 = 16;

/// A completion under way. Dropping it ends the sandbox and closes the upstream connection.
pub struct Run {
    pub(super) request: CompletionRequest,
    client_tools: usize,
    candidates: Vec<Candidate>,
    /// Which of them is answering.
    current: usize,
    tools: HostTools,
    pub(super) policy: Policy,
    pub(super) context: CallContext,
    /// Learns what was used and by whom it was served, whichever way the run ends. Tests have none.
    note: Option<CallNote>,
    clock: Arc<dyn Clock>,
    pub(super) rng: Arc<dyn Rng>,
    /// From 1.
    round: u32,
    /// Whether the client has seen anything.
    pub(super) sent: bool,
    /// None before the first round, between rounds and after the end.
    pub(super) deltas: Option<Deltas>,
    /// Read while opening the round.
    pub(super) first: Option<Delta>,
    /// For the client, read before it asked.
    ready: Option<Delta>,
    calls: Calls,
    /// What the model said in this round: kept where it may have to be given back to it.
    said: Said,
    /// Of the rounds before this one.
    bill: Bill,
    /// Of this one, as far as the provider has told.
    pub(super) round_usage: Option<Usage>,
    /// Deltas over all rounds.
    deltas_seen: u64,
}

#[derive(Default)]
struct Said {
    text: String,
    reasoning: String,
    /// Bytes of everything that was written, kept or not.
    bytes: u64,
}

impl Run {
    pub(super) fn new(
        plan: Plan,
        policy: Policy,
        context: CallContext,
        note: Option<CallNote>,
        clock: Arc<dyn Clock>,
        rng: Arc<dyn Rng>,
    ) -> Self {
        let mut run = Self {
            request: plan.request,
            client_tools: plan.client_tools,
            candidates: plan.candidates,
            current: 0,
            tools: plan.tools,
            policy,
            context,
            note,
            clock,
            rng,
            round: 1,
            sent: false,
            deltas: None,
            first: None,
            ready: None,
            calls: Calls::default(),
            said: Said::default(),
            bill: Bill::default(),
            round_usage: None,
            deltas_seen: 0,
        };
        run.prepare_last_round();
        run
    }

    /// Goes on until there is something for the client. What fails until then can still be answered with
    /// a status of its own, or by another model.
    pub(super) async fn begin(&mut self) -> Result<(), Failure> {
        self.open().await?;
        self.ready = self.next().await.transpose()?;
        Ok(())
    }

    /// The model that answers: the one asked for or one of its fallbacks.
    pub fn model(&self) -> &str {
        &self.candidate().model
    }

    /// The plugin that answers, `id@version`.
    pub fn plugin(&self) -> String {
        self.candidate().adapter.version()
    }

    /// Puts what was used so far, and by whom it was served, into the call record; without effect once
    /// that is written.
    pub fn account(&self) {
        let Some(note) = &self.note else { return };
        note.used(self.bill());
        if let Some(binding) = self.candidate().adapter.binding() {
            note.served_by(binding);
        }
    }

    /// Tokens over all rounds so far.
    pub fn usage(&self) -> Usage {
        self.bill.usage().plus(self.used_in_round())
    }

    /// The same, each round at the prices of the model that answered it.
    pub(super) fn bill(&self) -> Bill {
        let mut bill = self.bill.clone();
        bill.add(self.candidate().prices, self.used_in_round());
        bill
    }

    /// A round whose provider has not told (yet) counts by its length, at four bytes a token.
    fn used_in_round(&self) -> Usage {
        let estimate = || Usage {
            input_tokens: tokens(length(&self.request.messages)),
            output_tokens: tokens(self.said.bytes),
            ..Usage::default()
        };
        let under_way = self.deltas.is_some() || self.said.bytes > 0;
        self.round_usage.unwrap_or_else(|| if under_way { estimate() } else { Usage::default() })
    }

    /// The next delta for the client. `Finish` is the last; so is a failure. Usage is not among them.
    pub async fn next(&mut self) -> Option<Result<Delta, Failure>> {
        if let Some(ready) = self.ready.take() {
            return Some(Ok(ready));
        }
        loop {
            let delta = match self.first.take() {
                Some(first) => first,
                None => match self.deltas.as_mut()?.next().await {
                    Some(Ok(delta)) => delta,
                    Some(Err(failure)) => return Some(Err(self.fail(failure))),
                    None => return Some(Err(self.fail(unfinished()))),
                },
            };
            self.deltas_seen += 1;
            if self.deltas_seen.is_multiple_of(ACCOUNTED) {
                self.account();
            }
            let shown = match delta {
                Delta::Finish(reason) => match self.finish(reason).await {
                    Ok(None) => continue,
                    Ok(Some(reason)) => Delta::Finish(reason),
                    Err(failure) => return Some(Err(failure)),
                },
                delta => match self.show(delta) {
                    Some(shown) => shown,
                    None => continue,
                },
            };
            self.sent = true;
            return Some(Ok(shown));
        }
    }

    /// What the client is to see of a delta.
    fn show(&mut self, delta: Delta) -> Option<Delta> {
        let keep = !self.tools.is_empty();
        match delta {
            Delta::Text(text) | Delta::Reasoning(text) | Delta::Refusal(text) if text.is_empty() => None,
            Delta::Text(text) => {
                self.said.take(&text, |said| keep.then_some(&mut said.text));
                Some(Delta::Text(text))
            }
            Delta::Reasoning(text) => {
                self.said.take(&text, |said| keep.then_some(&mut said.reasoning));
                Some(Delta::Reasoning(text))
            }
            Delta::Refusal(text) => {
                self.said.take(&text, |_| None);
                Some(Delta::Refusal(text))
            }
            Delta::ToolCall(piece) => {
                self.said.take(&piece.arguments, |_| None);
                let (tools, clock, rng) = (&self.tools, &self.clock, &self.rng);
                let new_id = || id::prefixed("call", clock.now(), &**rng);
                self.calls.take(piece, |name| tools.answers(name), new_id).map(Delta::ToolCall)
            }
            Delta::Usage(usage) => {
                self.round_usage = Some(usage);
                self.account();
                None
            }
            Delta::Finish(_) => None,
        }
    }

    /// The end of a round. None where another round follows.
    async fn finish(&mut self, reason: FinishReason) -> Result<Option<FinishReason>, Failure> {
        self.bill = self.bill();
        (self.round_usage, self.deltas) = (None, None);
        let said = std::mem::take(&mut self.said);
        let calls = std::mem::take(&mut self.calls);
        let complete = matches!(reason, FinishReason::ToolCalls | FinishReason::Stop);
        if calls.any_clients() {
            // What was also asked of the host is left for a later turn, when the client has answered.
            return Ok(Some(if complete { FinishReason::ToolCalls } else { reason }));
        }
        let calls = calls.into_hosts();
        if calls.is_empty() || !complete {
            return Ok(Some(reason));
        }
        if self.round >= self.policy.rounds {
            tracing::warn!(request_id = %self.context.request_id, rounds = self.round, "the tool loop was cut off");
            return Ok(Some(FinishReason::Length));
        }
        self.account();
        let answers = self.tools.run(&self.context, &calls).await;
        self.continue_with(said, calls, answers);
        if !self.afford_round().await {
            return Ok(Some(FinishReason::Length));
        }
        self.open().await?;
        Ok(None)
    }

    /// Reserves what the next round may use and cost. Where there is not so much, the loop ends here: what was answered
    /// so far is paid for.
    async fn afford_round(&mut self) -> bool {
        let Some(note) = &self.note else { return true };
        let next = billing::bound(&self.request);
        let afforded = match limits::extend(note, self.bill.usage(), next).await {
            Ok(()) => billing::extend(note, &self.bill, next).await,
            Err(error) => Err(error),
        };
        match afforded {
            Ok(()) => true,
            Err(error) => {
                let request_id = &self.context.request_id;
                tracing::warn!(%request_id, rounds = self.round - 1, %error, "the tool loop was cut off");
                false
            }
        }
    }

    /// The next round's request: what the model said, and what its tools answered.
    fn continue_with(&mut self, said: Said, calls: Vec<ToolCall>, answers: Vec<Message>) {
        let text = Some(said.text).filter(|text| !text.is_empty());
        self.request.messages.push(Message {
            role: Role::Assistant,
            content: text.into_iter().map(ContentPart::Text).collect(),
            name: None,
            reasoning: Some(said.reasoning).filter(|text| !text.is_empty()),
            refusal: None,
            tool_calls: calls,
            tool_call_id: None,
        });
        self.request.messages.extend(answers);
        // What had to be called has been called: asked again, the model would go round for ever.
        if matches!(self.request.tool_choice, Some(ToolChoice::Required | ToolChoice::Function(_))) {
            self.request.tool_choice = Some(ToolChoice::Auto);
        }
        self.round += 1;
        self.prepare_last_round();
    }

    /// In the last round the model is to answer with what it has: the host's tools are out of its reach.
    fn prepare_last_round(&mut self) {
        if self.tools.is_empty() || self.round < self.policy.rounds {
            return;
        }
        if self.client_tools == 0 {
            // The definitions stay, since some providers want them where the messages speak of calls.
            self.request.tool_choice = Some(ToolChoice::None);
        } else {
            self.request.tools.truncate(self.client_tools);
        }
    }

    pub(super) fn begin_round(&mut self) {
        (self.deltas, self.first, self.round_usage) = (None, None, None);
    }

    pub(super) fn candidate(&self) -> &Candidate {
        &self.candidates[self.current]
    }

    pub(super) fn has_fallback(&self) -> bool {
        self.current + 1 < self.candidates.len()
    }

    pub(super) fn fall_back(&mut self) {
        self.current += 1;
    }

    fn fail(&mut self, failure: Failure) -> Failure {
        self.bill = self.bill();
        (self.deltas, self.round_usage) = (None, None);
        self.said = Said::default();
        failure
    }
}

/// However it ends: also by the client's leaving, also before anything was sent.
impl Drop for Run {
    fn drop(&mut self) {
        self.account();
    }
}

impl Said {
    fn take(&mut self, text: &str, keep: impl FnOnce(&mut Self) -> Option<&mut String>) {
        self.bytes += text.len() as u64;
        if let Some(kept) = keep(self) {
            kept.push_str(text);
        }
    }
}

fn tokens(bytes: u64) -> u64 {
    bytes.div_ceil(4)
}

/// Bytes of text in messages.
fn length(messages: &[Message]) -> u64 {
    let of = |message: &Message| {
        let parts = message.content.iter().map(|part| match part {
            ContentPart::Text(text) => text.len(),
            ContentPart::Image { .. } => 0,
        });
        let calls = message.tool_calls.iter().map(|call| call.arguments.len());
        parts.chain(calls).sum::<usize>() as u64
    };
    messages.iter().map(of).sum()
}
