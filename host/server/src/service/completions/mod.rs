//! A chat completion: which bindings may serve it, attempts and fallbacks until one answers, and the
//! host's own tool loop.
//!
//! [`start`] returns once there is something for the client, so whatever goes wrong before still gets a
//! status of its own. From then on the caller pulls deltas out of the [`Run`]; dropping it drops the sandbox
//! and the upstream connection.

mod adapter;
mod calls;
mod host_tools;
mod open;
mod plan;
mod run;

pub use run::Run;

use std::collections::BTreeSet;

use hardpoint_domain::message::CompletionRequest;
use hardpoint_domain::model::Model;
use hardpoint_domain::money::Credits;
use hardpoint_domain::quota::Meter;
use hardpoint_domain::retry::RetryPolicy;
use hardpoint_runtime::CallContext;

use crate::call::CallNote;
use crate::caller::Caller;
use crate::config::CompletionsConfig;
use crate::error::ApiError;
use crate::service::billing::{self, Bound};
use crate::service::{limits, models};
use crate::state::App;

/// How hard to try.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Policy {
    pub(crate) retry: RetryPolicy,
    /// Answers of the model in one request, the last one included.
    pub(crate) rounds: u32,
}

impl From<&CompletionsConfig> for Policy {
    fn from(config: &CompletionsConfig) -> Self {
        Self {
            retry: RetryPolicy {
                attempts: config.attempts.max(1),
                base: config.retry_base.0,
                cap: config.retry_cap.0,
                retry_after_cap: config.retry_after_cap.0,
            },
            rounds: config.tool_rounds.max(1),
        }
    }
}

/// For whom plugins are called.
pub(crate) fn context(caller: &Caller) -> CallContext {
    CallContext { request_id: caller.request_id.to_string(), organization: caller.organization_id.clone() }
}

/// Begins a completion and waits for the first delta that the client is to see. `approval` is somebody's yes to what
/// it may cost.
///
/// # Errors
/// 422 for a model that there is not or that cannot do what is asked, or more tokens than may be used in a minute; 429
/// where too few of those are left; 402 where there is no money for it; whatever kept every binding from answering
/// otherwise.
pub async fn start(
    app: &App,
    caller: &Caller,
    note: &CallNote,
    request: CompletionRequest,
    approval: Option<&str>,
) -> Result<Run, ApiError> {
    let catalogue = app.runtime.snapshot();
    let context = context(caller);
    let mut plan = if caller.livemode {
        plan::plan(&app.config.models, &catalogue, &context, request).await?
    } else {
        plan::test_plan(&app.config.models, &catalogue, &context, request).await?
    };
    if caller.quota.limits_tokens() {
        limits::take(app, caller, note, plan.bound(), "messages", Meter::Completions).await?;
    }
    if let Some(offer) = plan.offer() {
        billing::purchase(app, caller, note, offer, approval).await?;
    }
    let policy = Policy::from(&app.effective().config.completions);
    let mut run = Run::new(plan, policy, context, Some(note.clone()), app.clock.clone(), app.rng.clone());
    run.begin().await?;
    Ok(run)
}

/// What a completion may cost at most, in its first round.
#[derive(Clone, Copy, Debug)]
pub struct Quoted {
    /// Whichever model answers.
    pub most: Credits,
    /// For so many tokens.
    pub bound: Bound,
}

/// Tells what a completion may cost, and asks nobody for it.
///
/// # Errors
/// As [`start`], as far as it can be told beforehand.
pub async fn quote(app: &App, caller: &Caller, request: CompletionRequest) -> Result<Quoted, ApiError> {
    let catalogue = app.runtime.snapshot();
    let mut plan = plan::plan(&app.config.models, &catalogue, &context(caller), request).await?;
    Ok(match plan.offer() {
        Some(offer) => Quoted { most: offer.most(), bound: offer.bound },
        None => Quoted { most: Credits::ZERO, bound: billing::bound(&plan.request) },
    })
}

/// The ids of the models that the caller's organisation may use.
pub fn open_models(app: &App, caller: &Caller) -> BTreeSet<String> {
    let catalogue = app.runtime.snapshot();
    let open = |model: &&Model| models::is_open(model, &catalogue, &caller.organization_id);
    app.config.models.iter().filter(open).map(|model| model.id.clone()).collect()
}

#[cfg(test)]
mod tests;
