//! The seam between the service and the runtime: what answers, and what is called.

use std::sync::Arc;

use hardpoint_domain::failure::Failure;
use hardpoint_domain::message::{CompletionRequest, Delta};
use hardpoint_runtime::{Binding, CallContext, Completion};

/// The binding of a model adapter; in tests, a script of what it answers.
pub(super) enum Adapter {
    Plugin(Arc<Binding>),
    #[cfg(test)]
    Script(super::tests::script::Script),
}

/// A completion under way.
pub(super) enum Deltas {
    // The runtime's completion holds a whole sandbox; the script next to it must not make it grow.
    Plugin(Box<Completion>),
    #[cfg(test)]
    Script(super::tests::script::Playing),
}

impl Adapter {
    pub(super) async fn complete(
        &self,
        context: CallContext,
        request: &CompletionRequest,
        upstream: &str,
    ) -> Result<Deltas, Failure> {
        match self {
            Self::Plugin(binding) => {
                let completion = binding.complete(context, request, upstream).await?;
                Ok(Deltas::Plugin(Box::new(completion)))
            }
            #[cfg(test)]
            Self::Script(script) => script.play(context, request, upstream).map(Deltas::Script),
        }
    }

    pub(super) fn binding(&self) -> Option<&Binding> {
        match self {
            Self::Plugin(binding) => Some(binding),
            #[cfg(test)]
            Self::Script(_) => None,
        }
    }

    /// `id@version` of the plugin.
    pub(super) fn version(&self) -> String {
        match self {
            Self::Plugin(binding) => binding.plugin_version(),
            #[cfg(test)]
            Self::Script(script) => script.version(),
        }
    }
}

impl Deltas {
    pub(super) async fn next(&mut self) -> Option<Result<Delta, Failure>> {
        match self {
            Self::Plugin(completion) => completion.next().await,
            #[cfg(test)]
            Self::Script(playing) => playing.next().await,
        }
    }
}
