//! Embeddings: attempts at the model's binding, then at others that serve the very same model.

use std::sync::Arc;

use hardpoint_domain::bill::Bill;
use hardpoint_domain::failure::{Failure, FailureKind};
use hardpoint_domain::manifest::Kind;
use hardpoint_domain::message::{EmbeddingRequest, Embeddings};
use hardpoint_domain::model::Model;
use hardpoint_domain::quota::Meter;
use hardpoint_domain::retry::RetryPolicy;
use hardpoint_domain::time::Rng;
use hardpoint_runtime::{Binding, CallContext, Catalogue};

use super::completions::{Policy, context};
use super::{limits, models};
use crate::call::CallNote;
use crate::caller::Caller;
use crate::error::ApiError;
use crate::service::billing::{self, Bound, Offer};
use crate::state::App;

/// Vectors, and who made them.
#[derive(Debug)]
pub struct Embedded {
    /// The id of the model that answered.
    pub model: String,
    /// The binding that answered.
    pub binding: Arc<Binding>,
    /// The answer.
    pub embeddings: Embeddings,
}

/// Who may make the vectors of a request, and how much it reads at most.
pub(crate) struct Plan<'m> {
    model: &'m Model,
    catalogue: Arc<Catalogue>,
    /// Those that are live, the one that is asked first in front.
    candidates: Vec<(&'m Model, Arc<Binding>)>,
    /// Tokens.
    pub(crate) bound: Bound,
}

/// Makes the vectors.
///
/// # Errors
/// 422 for a model that there is not or that makes none, or more tokens than may be used in a minute; 429 where too few
/// of those are left; 402 where there is no money for it; whatever kept it from answering otherwise.
pub async fn embed(
    app: &App,
    caller: &Caller,
    note: &CallNote,
    request: &EmbeddingRequest,
    approval: Option<&str>,
) -> Result<Embedded, ApiError> {
    if !caller.livemode {
        return Err(ApiError::test_key("makes no embeddings"));
    }
    let plan = plan(app, &caller.organization_id, request)?;
    limits::take(app, caller, note, plan.bound, "input", Meter::Requests).await?;
    billing::purchase(app, caller, note, plan.offer(), approval).await?;
    let policy = Policy::from(&app.effective().config.completions).retry;
    let (embedded, bill) = plan.ask(&context(caller), request, None, policy, &*app.rng).await?;
    note.used(bill);
    Ok(embedded)
}

/// Who may make the vectors of a request of this organisation.
///
/// # Errors
/// 422 for a model that there is not, that is not open to it, or that makes none.
pub(crate) fn plan<'m>(
    app: &'m App,
    organization_id: &str,
    request: &EmbeddingRequest,
) -> Result<Plan<'m>, ApiError> {
    let catalogue = app.runtime.snapshot();
    let model = models::find(&app.config.models, &request.model)?;
    models::check_open(model, &catalogue, organization_id)?;
    if !model.makes_vectors() {
        let message = format!("The model '{}' makes no embeddings.", model.id);
        return Err(
            ApiError::impossible("model", "capability", message).with_detail("capability", "embeddings")
        );
    }
    let live = |candidate: &'_ Model| {
        let binding = catalogue.binding_for(organization_id, &candidate.binding)?;
        (binding.kind() == Kind::Model).then(|| Arc::clone(binding))
    };
    // A list, since the compiler cannot tell that a lazy one may be held while others are asked.
    let candidates = same_space(&app.config.models, model)
        .filter_map(|candidate| Some((candidate, live(candidate)?)))
        .collect();
    let bound = billing::bound_of_embeddings(request);
    Ok(Plan { model, catalogue, candidates, bound })
}

impl Plan<'_> {
    /// What it costs.
    pub(crate) fn offer(&self) -> Offer {
        let prices = self.candidates.iter().map(|(candidate, _)| candidate.prices).collect();
        Offer { prices, bound: self.bound }
    }

    /// Asks one after the other; the vectors, and what was used for them. Where a `length` is named, vectors of another
    /// one are a failure.
    ///
    /// # Errors
    /// What the first of them failed with, that failed for good.
    pub(crate) async fn ask(
        self,
        context: &CallContext,
        request: &EmbeddingRequest,
        length: Option<u32>,
        policy: RetryPolicy,
        rng: &dyn Rng,
    ) -> Result<(Embedded, Bill), Failure> {
        let mut told: Option<Failure> = None;
        let mut candidates = self.candidates.into_iter().peekable();
        while let Some((candidate, binding)) = candidates.next() {
            let attempts = attempts(&binding, context, request, candidate, policy, rng).await;
            let failure = match attempts.and_then(|embeddings| usable(embeddings, length)) {
                Ok(embeddings) => {
                    let mut bill = Bill::default();
                    bill.add(candidate.prices, embeddings.usage);
                    return Ok((Embedded { model: candidate.id.clone(), binding, embeddings }, bill));
                }
                Err(failure) => failure,
            };
            let more = failure.kind.permits_fallback() && candidates.peek().is_some();
            // What is told to the client is logged where it is told.
            if more || told.is_some() {
                let (request_id, model) = (&*context.request_id, &candidate.id);
                tracing::warn!(request_id, %model, kind = ?failure.kind, cause = %failure, "a model did not answer");
            }
            told.get_or_insert(failure);
            if !more {
                break;
            }
        }
        let unavailable = || {
            let reason = models::unavailable(self.model, &self.catalogue);
            Failure::new(FailureKind::Denied, reason.unwrap_or_else(|| "no binding".to_owned()))
        };
        Err(told.unwrap_or_else(unavailable))
    }
}

/// The model, and those of its fallbacks that are the same model elsewhere. Vectors of different models
/// cannot be compared: one that came from another than its neighbours would spoil a whole index unseen.
fn same_space<'m>(all: &'m [Model], model: &'m Model) -> impl Iterator<Item = &'m Model> {
    let upstream = models::upstream(model);
    models::with_fallbacks(all, model).filter(move |other| models::upstream(other) == upstream)
}

async fn attempts(
    binding: &Arc<Binding>,
    context: &CallContext,
    request: &EmbeddingRequest,
    model: &Model,
    policy: RetryPolicy,
    rng: &dyn Rng,
) -> Result<Embeddings, Failure> {
    let mut attempt = 1;
    loop {
        let failure = match binding.embed(context.clone(), request, models::upstream(model)).await {
            Ok(embeddings) => return Ok(embeddings),
            Err(failure) => failure,
        };
        if failure.kind == FailureKind::Timeout || !failure.kind.is_transient() {
            return Err(failure);
        }
        let Some(wait) = policy.backoff(attempt, failure.retry_after, rng.unit()) else {
            return Err(failure);
        };
        tokio::time::sleep(wait).await;
        attempt += 1;
    }
}

/// JSON has no word for what is no number, and vectors of different lengths cannot be compared.
fn usable(embeddings: Embeddings, length: Option<u32>) -> Result<Embeddings, Failure> {
    if !embeddings.vectors.iter().flatten().all(|number| number.is_finite()) {
        return Err(Failure::new(FailureKind::Protocol, "a vector holds what is no number"));
    }
    let is_other = |vector: &&Vec<f32>| length.is_some_and(|length| vector.len() != length as usize);
    match embeddings.vectors.iter().find(is_other) {
        None => Ok(embeddings),
        Some(vector) => {
            let (there, wanted) = (vector.len(), length.unwrap_or_default());
            let message = format!("the model gives vectors of {there} numbers, and {wanted} are wanted");
            Err(Failure::new(FailureKind::Unsupported, message))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_model_elsewhere_may_stand_in() {
        let model = |id: &str, upstream: &str| {
            let value =
                serde_json::json!({ "id": id, "binding": id, "upstream": upstream, "fallbacks": ["b", "c"] });
            serde_json::from_value::<Model>(value).unwrap()
        };
        let all = [model("a", "embed-small"), model("b", "embed-large"), model("c", "embed-small")];
        let ids: Vec<_> = same_space(&all, &all[0]).map(|model| model.id.as_str()).collect();
        assert_eq!(ids, ["a", "c"]);
    }

    #[test]
    fn what_is_no_number_is_the_providers_failure() {
        let of = |number: f32| Embeddings { vectors: vec![vec![1.0, number]], usage: Default::default() };
        assert!(usable(of(0.5), None).is_ok());
        assert_eq!(usable(of(f32::NAN), None).unwrap_err().kind, FailureKind::Protocol);
        assert!(usable(of(0.5), Some(2)).is_ok());
        assert_eq!(usable(of(0.5), Some(3)).unwrap_err().kind, FailureKind::Unsupported);
    }
}
