//! Model adapters: one request for embeddings.

use std::sync::Arc;

use hardpoint_domain::failure::Failure;
use hardpoint_domain::message::{EmbeddingRequest, Embeddings, Usage};
use wasmtime::component::ResourceAny;

use crate::binding::Binding;
use crate::bindings::model::exports::hardpoint::plugin::model_adapter::EmbeddingEffect;
use crate::bindings::types::Observation;
use crate::completion::model;
use crate::convert;
use crate::driver::{Exchange, Machine, Step, Turn};
use crate::error::Fault;
use crate::generation::Retirement;
use crate::sandbox::{CallContext, Sandbox};

struct EmbeddingMachine(ResourceAny);

/// A piece of the answer.
enum Piece {
    Vector(u32, Vec<f32>),
    Usage(Usage),
    Finish,
}

impl Binding {
    /// The vectors of all inputs, in their order.
    ///
    /// # Errors
    /// As for a completion; and an adapter that leaves an input without its vector.
    pub async fn embed(
        self: &Arc<Self>,
        context: CallContext,
        request: &EmbeddingRequest,
        upstream_model: &str,
    ) -> Result<Embeddings, Failure> {
        let secrets = Arc::clone(&self.secrets);
        let mut sandbox = self.enter(context.clone(), Arc::clone(&secrets)).await?;
        let wit = convert::embedding_request(request, upstream_model);
        let outcome = {
            let (store, instance, stopwatch) = sandbox.parts();
            match model(instance) {
                Ok(adapter) => {
                    let adapter = adapter.embedding();
                    stopwatch.run(adapter.call_open(store, &wit, &self.settings_text)).await
                }
                Err(fault) => Err(fault),
            }
        };
        match sandbox.settle(outcome) {
            Ok(Ok(resource)) => {
                let machine = EmbeddingMachine(resource);
                let exchange = Exchange::new(sandbox, machine, &context, secrets, Retirement::CallsOver);
                gather(exchange, request.inputs.len()).await
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

/// Reads the exchange to its end and puts the vectors into order.
async fn gather(mut exchange: Exchange<EmbeddingMachine>, inputs: usize) -> Result<Embeddings, Failure> {
    let mut vectors: Vec<Option<Vec<f32>>> = vec![None; inputs];
    let mut usage = Usage::default();
    loop {
        match exchange.next().await.transpose()? {
            Some(Piece::Vector(index, vector)) => match vectors.get_mut(index as usize) {
                Some(place) => *place = Some(vector),
                None => return Err(broken(&mut exchange, format!("a vector for input {index} of {inputs}"))),
            },
            Some(Piece::Usage(more)) => usage = usage.plus(more),
            Some(Piece::Finish) => break,
            None => return Err(broken(&mut exchange, "the embedding ended without `finish`".into())),
        }
    }
    match vectors.into_iter().collect::<Option<Vec<_>>>() {
        Some(vectors) => {
            exchange.end();
            Ok(Embeddings { vectors, usage })
        }
        None => Err(broken(&mut exchange, "an input was left without its vector".into())),
    }
}

fn broken(exchange: &mut Exchange<EmbeddingMachine>, rule: String) -> Failure {
    exchange.stop(Fault::Protocol(rule))
}

impl Machine for EmbeddingMachine {
    type Output = Piece;

    async fn advance(&mut self, sandbox: &mut Sandbox, seen: &Observation) -> Result<Turn<Piece>, Fault> {
        let (store, instance, stopwatch) = sandbox.parts();
        let adapter = model(instance)?.embedding();
        let outcome = stopwatch.run(adapter.call_advance(store, self.0, seen)).await;
        let effects = sandbox.settle(outcome)?;
        Ok(effects.map(|effects| effects.into_iter().map(step).collect()))
    }
}

fn step(effect: EmbeddingEffect) -> Step<Piece> {
    match effect {
        EmbeddingEffect::Send(request) => Step::Send(request),
        EmbeddingEffect::Vector(embedded) => Step::Yield(Piece::Vector(embedded.index, embedded.vector)),
        EmbeddingEffect::Usage(usage) => Step::Yield(Piece::Usage(convert::usage(usage))),
        EmbeddingEffect::Finish => Step::Yield(Piece::Finish),
        EmbeddingEffect::Again => Step::Again,
    }
}
