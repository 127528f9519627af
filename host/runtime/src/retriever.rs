//! Retrievers: one ingestion of a document, one search, one removal.

use std::sync::Arc;
use std::time::Duration;

use hardpoint_domain::failure::{Failure, FailureKind};

use crate::binding::Binding;
use crate::bindings::index::Filter as WitFilter;
use crate::bindings::retriever::exports::hardpoint::plugin::retriever as wit;
use crate::bindings::types;
use crate::capability::documents::handles;
use crate::convert;
use crate::error::Fault;
use crate::generation::Retirement;
use crate::knowledge::{
    Document, DocumentSink, Filter, Hit, Ingested, Ingestion, Knowledge, KnowledgeCall, KnowledgeError,
    SearchRequest, check_hits,
};
use crate::log::LogLevel;
use crate::sandbox::{CallContext, Instance, Sandbox};

impl Binding {
    /// Reads a document into a sink. What was written there is a draft until this has returned `Ok`: the caller
    /// publishes it then, and throws it away otherwise.
    ///
    /// # Errors
    /// `InvalidRequest` where the document cannot be read or is too large: it never will be. `Busy` where there
    /// was no room, or what it needs could not be reached; `Plugin` where the sandbox was stopped, with the code
    /// `plugin_retired` where that was because its version was replaced. Otherwise the retriever's own.
    pub async fn ingest(
        self: &Arc<Self>,
        context: CallContext,
        knowledge: Knowledge,
        document: Document,
        sink: Arc<dyn DocumentSink>,
    ) -> Result<Ingested, Failure> {
        let settings = knowledge.settings.to_string();
        let call = KnowledgeCall::ingestion(knowledge, document, sink);
        let mut sandbox = self.enter_to_ingest(context.clone(), call).await?;
        let outcome = {
            let (store, instance, stopwatch) = sandbox.parts();
            let (document, sink) = handles();
            match retriever(instance) {
                Ok(guest) => {
                    let call = stopwatch.run(guest.call_ingest(store, document, sink, &settings));
                    self.until(Retirement::Over, call).await
                }
                Err(fault) => Err(fault),
            }
        };
        let settled = sandbox.settle(outcome);
        let call = sandbox.take_knowledge();
        drop(sandbox);
        let (away, ingestion) = call.map_or((None, None), |call| (call.away, call.ingestion));
        let ingestion = ingestion.ok_or_else(|| {
            let fault = Fault::Host("the ingestion ended without its document".into());
            self.note_fault(fault, &context)
        })?;
        if let Some(KnowledgeError::Unavailable(reason)) = &ingestion.refused {
            // Whatever came of it in the guest.
            return Err(self.failed(unreachable(reason), &context));
        }
        let verdict = settled.map_err(|fault| self.note_fault(fault, &context))?;
        self.judge(verdict, away, ingestion, &context)
    }

    /// Finds passages, best first: at most `top`, of this knowledge base, and such as the filter lets through.
    ///
    /// # Errors
    /// As for an ingestion. A hit that is not what was asked for makes the whole answer a fault; one of an engine
    /// outside the host whose document is not there (any more) is left out.
    pub async fn search(
        self: &Arc<Self>,
        context: CallContext,
        knowledge: Knowledge,
        request: SearchRequest,
    ) -> Result<Vec<Hit>, Failure> {
        let (index, settings) = (Arc::clone(&knowledge.index), knowledge.settings.to_string());
        let asked = asked(&request);
        let mut sandbox = self.enter_to_search(context.clone(), KnowledgeCall::new(knowledge)).await?;
        let outcome = {
            let (store, instance, stopwatch) = sandbox.parts();
            match retriever(instance) {
                Ok(guest) => {
                    let call = stopwatch.run(guest.call_search(store, &asked, &settings));
                    self.until(Retirement::CallsOver, call).await
                }
                Err(fault) => Err(fault),
            }
        };
        let call = sandbox.take_knowledge();
        let log = Arc::clone(&sandbox.state().log);
        let verdict = self.settle(sandbox, outcome, &context)?;
        let (away, answered) = call.map(|call| (call.away, call.answered)).unwrap_or_default();
        let checked = match verdict {
            Ok(found) => check_hits(found, &request, &answered, &self.secrets),
            Err(failure) => return Err(self.verdict(failure, away, &context)),
        };
        let mut hits = checked.map_err(|rule| self.blame(Fault::Protocol(rule), &context))?;
        self.served(&context.organization);
        let outside = |hit: &&Hit| hit.text.is_some();
        let named: Vec<String> = hits.iter().filter(outside).map(|hit| hit.document_id.clone()).collect();
        if !named.is_empty() {
            let held = index.holds(named).await.map_err(|error| unreachable(&error.to_string()))?;
            let mut held = held.into_iter();
            hits.retain(|hit| {
                let is_held = hit.text.is_none() || held.next().unwrap_or_default();
                if !is_held {
                    let left_out =
                        format!("a hit of document {} is left out: it is not here", hit.document_id);
                    log.write(LogLevel::Warn, &left_out);
                }
                is_held
            });
        }
        Ok(hits)
    }

    /// Lets the retriever forget documents; those that it does not know are no error.
    ///
    /// # Errors
    /// As for a search.
    pub async fn remove(
        self: &Arc<Self>,
        context: CallContext,
        knowledge: Knowledge,
        document_ids: &[String],
    ) -> Result<(), Failure> {
        let settings = knowledge.settings.to_string();
        let mut sandbox = self.enter_to_search(context.clone(), KnowledgeCall::new(knowledge)).await?;
        let outcome = {
            let (store, instance, stopwatch) = sandbox.parts();
            match retriever(instance) {
                Ok(guest) => {
                    let call = stopwatch.run(guest.call_remove(store, document_ids, &settings));
                    self.until(Retirement::CallsOver, call).await
                }
                Err(fault) => Err(fault),
            }
        };
        let away = sandbox.take_knowledge().and_then(|call| call.away);
        let verdict = self.settle(sandbox, outcome, &context)?;
        verdict.map_err(|failure| self.verdict(failure, away, &context))?;
        self.served(&context.organization);
        Ok(())
    }

    /// What a guest that came to its end made of a document.
    fn judge(
        &self,
        verdict: Result<(), types::Failure>,
        away: Option<String>,
        ingestion: Ingestion,
        context: &CallContext,
    ) -> Result<Ingested, Failure> {
        match ingestion.refused {
            // Whatever the guest says: it is the retriever that went wrong, not the document.
            Some(KnowledgeError::Invalid(rule)) => Err(self.note_fault(Fault::Protocol(rule), context)),
            Some(error) => {
                let mut failure = Failure::new(FailureKind::InvalidRequest, error.to_string());
                failure.code = Some("too_large".into());
                Err(failure)
            }
            None => {
                verdict.map_err(|failure| self.own_failure(failure, away, context))?;
                Ok(ingestion.draft.finish())
            }
        }
    }

    /// The retriever's own verdict. Where what it needs could not be reached the host knows better; a request that
    /// cannot be served is no failure of the retriever's.
    fn own_failure(&self, failure: types::Failure, away: Option<String>, context: &CallContext) -> Failure {
        let failure = match away {
            Some(reason) => unreachable(&reason),
            None => convert::failure(failure, None),
        };
        let redact = |text: &str| self.secrets.redact_text(text).into_owned();
        let failure = Failure {
            message: redact(&failure.message),
            code: failure.code.as_deref().map(redact),
            param: failure.param.as_deref().map(redact),
            ..failure
        };
        if failure.kind == FailureKind::InvalidRequest { failure } else { self.failed(failure, context) }
    }

    /// The same, where the sandbox was sound: its breaker learns of that.
    fn verdict(&self, failure: types::Failure, away: Option<String>, context: &CallContext) -> Failure {
        self.served(&context.organization);
        self.own_failure(failure, away, context)
    }

    /// Throws the sandbox of a search or a removal away, and names its fault. It was fresh: retrievers are never
    /// kept warm.
    fn settle<T>(
        &self,
        sandbox: Sandbox,
        outcome: Result<wasmtime::Result<T>, Fault>,
        context: &CallContext,
    ) -> Result<T, Failure> {
        let settled = sandbox.settle(outcome);
        drop(sandbox);
        settled.map_err(|fault| self.blame(fault, context))
    }

    /// Runs a call, but no longer than its version may.
    async fn until<T>(
        &self,
        cutoff: Retirement,
        call: impl Future<Output = Result<T, Fault>>,
    ) -> Result<T, Fault> {
        let mut retirement = self.generation.retirement.subscribe();
        tokio::select! {
            biased;
            outcome = call => outcome,
            _ = retirement.wait_for(|phase| *phase >= cutoff) => Err(Fault::Retired),
        }
    }
}

/// The exports of a retriever.
pub(crate) fn retriever(instance: &Instance) -> Result<&wit::Guest, Fault> {
    match instance {
        Instance::Retriever(plugin) => Ok(plugin.hardpoint_plugin_retriever()),
        _ => Err(Fault::Host("this plugin is no retriever".into())),
    }
}

/// A request in the interface's words.
pub(crate) fn asked(request: &SearchRequest) -> wit::SearchRequest {
    let Filter { document_ids, metadata } = &request.filter;
    // Serialising a map of JSON values cannot fail.
    let metadata = metadata.as_ref().map(|members| serde_json::to_string(members).unwrap_or_default());
    wit::SearchRequest {
        query: request.query.clone(),
        top: request.top,
        filter: WitFilter { document_ids: document_ids.clone(), metadata },
        hybrid: request.hybrid,
    }
}

/// The host's own trouble: what was asked may be asked again.
fn unreachable(reason: &str) -> Failure {
    let mut failure = Failure::new(FailureKind::Busy, format!("the retriever could not be served: {reason}"));
    failure.code = Some("knowledge_unavailable".into());
    failure.retry_after = Some(Duration::from_secs(1));
    failure
}
