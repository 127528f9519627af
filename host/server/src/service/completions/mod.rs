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

use hardpoint_domain::message::CompletionRequest;
use hardpoint_domain::retry::RetryPolicy;
use hardpoint_runtime::CallContext;

use crate::call::CallNote;
use crate::caller::Caller;
use crate::config::CompletionsConfig;
use crate::error::ApiError;
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

/// Begins a completion and waits for the first delta that the client is to see.
///
/// # Errors
/// 422 for a model that there is not or that cannot do what is asked; whatever kept every binding from
/// answering otherwise.
pub async fn start(
    app: &App,
    caller: &Caller,
    note: &CallNote,
    request: CompletionRequest,
) -> Result<Run, ApiError> {
    let catalogue = app.runtime.snapshot();
    let context = context(caller);
    let plan = plan::plan(&app.config.models, &catalogue, &context, request).await?;
    let policy = Policy::from(&app.config.completions);
    let mut run = Run::new(plan, policy, context, Some(note.clone()), app.clock.clone(), app.rng.clone());
    run.begin().await?;
    Ok(run)
}

#[cfg(test)]
mod tests;
