//! Model adapters: one completion.

use std::sync::Arc;

use hardpoint_domain::failure::Failure;
use hardpoint_domain::message::{CompletionRequest, Delta};
use wasmtime::component::ResourceAny;

use crate::binding::Binding;
use crate::bindings::model::exports::hardpoint::plugin::model_adapter::CompletionEffect;
use crate::bindings::types::{self, Observation};
use crate::convert;
use crate::driver::{Exchange, Machine, Step, Turn};
use crate::error::Fault;
use crate::generation::Retirement;
use crate::sandbox::{CallContext, Instance, Sandbox};

/// A completion under way. Dropping it closes the upstream connection and ends the sandbox.
pub struct Completion {
    exchange: Exchange<CompletionMachine>,
    finished: bool,
}

struct CompletionMachine(ResourceAny);

impl Binding {
    /// Opens a completion; nothing is sent before the first `next`.
    ///
    /// # Errors
    /// No room, a paused binding, a request that the adapter refuses, a stopped sandbox.
    pub async fn complete(
        self: &Arc<Self>,
        context: CallContext,
        request: &CompletionRequest,
        upstream_model: &str,
    ) -> Result<Completion, Failure> {
        let secrets = Arc::clone(&self.secrets);
        let mut sandbox = self.enter(context.clone(), Arc::clone(&secrets)).await?;
        let request = convert::completion_request(request, upstream_model);
        let opened = open(&mut sandbox, &request, &self.settings_text).await;
        match opened {
            Ok(Ok(resource)) => {
                let machine = CompletionMachine(resource);
                let exchange = Exchange::new(sandbox, machine, &context, secrets, Retirement::Over);
                Ok(Completion { exchange, finished: false })
            }
            Ok(Err(failure)) => {
                self.served(&context.organization);
                Err(self.failed(convert::failure(failure, None), &context))
            }
            Err(fault) => {
                drop(sandbox);
                Err(self.blame(fault, &context))
            }
        }
    }
}

async fn open(
    sandbox: &mut Sandbox,
    request: &convert::WitCompletionRequest,
    settings: &str,
) -> Result<Result<ResourceAny, types::Failure>, Fault> {
    let (store, instance, stopwatch) = sandbox.parts();
    let adapter = model(instance)?.completion();
    let outcome = stopwatch.run(adapter.call_open(store, request, settings)).await;
    sandbox.settle(outcome)
}

/// The exports of a model adapter.
pub(crate) fn model(
    instance: &Instance,
) -> Result<&crate::bindings::model::exports::hardpoint::plugin::model_adapter::Guest, Fault> {
    match instance {
        Instance::Model(plugin) => Ok(plugin.hardpoint_plugin_model_adapter()),
        _ => Err(Fault::Host("this plugin is no model adapter".into())),
    }
}

impl Machine for CompletionMachine {
    type Output = Delta;

    async fn advance(&mut self, sandbox: &mut Sandbox, seen: &Observation) -> Result<Turn<Delta>, Fault> {
        let (store, instance, stopwatch) = sandbox.parts();
        let adapter = model(instance)?.completion();
        let outcome = stopwatch.run(adapter.call_advance(store, self.0, seen)).await;
        let effects = sandbox.settle(outcome)?;
        Ok(effects.map(|effects| effects.into_iter().map(step).collect()))
    }
}

fn step(effect: CompletionEffect) -> Step<Delta> {
    match effect {
        CompletionEffect::Send(request) => Step::Send(request),
        CompletionEffect::Text(text) => Step::Yield(Delta::Text(text)),
        CompletionEffect::Reasoning(text) => Step::Yield(Delta::Reasoning(text)),
        CompletionEffect::Refusal(text) => Step::Yield(Delta::Refusal(text)),
        CompletionEffect::ToolCall(piece) => Step::Yield(Delta::ToolCall(convert::tool_call_piece(piece))),
        CompletionEffect::Usage(usage) => Step::Yield(Delta::Usage(convert::usage(usage))),
        CompletionEffect::Finish(reason) => Step::Last(Delta::Finish(convert::finish_reason(reason))),
        CompletionEffect::Again => Step::Again,
    }
}

impl Completion {
    /// The next delta. `Finish` is the last; a failure ends the completion too.
    pub async fn next(&mut self) -> Option<Result<Delta, Failure>> {
        if self.finished {
            return None;
        }
        let next = self.exchange.next().await;
        self.finished = !matches!(&next, Some(Ok(delta)) if !matches!(delta, Delta::Finish(_)));
        match next {
            Some(outcome) => Some(outcome),
            None => {
                let fault = Fault::Protocol("the completion ended without `finish`".into());
                Some(Err(self.exchange.stop(fault)))
            }
        }
    }
}

impl std::fmt::Debug for Completion {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Completion").field("finished", &self.finished).finish_non_exhaustive()
    }
}
