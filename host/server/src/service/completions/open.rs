//! Opening a round: attempts at one binding, then at the next, until a first delta is there.

use hardpoint_domain::failure::{Failure, FailureKind};
use hardpoint_domain::message::Delta;

use super::run::Run;

impl Run {
    /// Opens the next round and waits for its first delta. Another model is asked only while the client
    /// has seen nothing: what it has seen, another model did not say.
    pub(super) async fn open(&mut self) -> Result<(), Failure> {
        let mut first_failure = None;
        loop {
            let Err(failure) = self.open_here().await else {
                // From now on somebody has used something, also if this host ends before the request does.
                self.account();
                return Ok(());
            };
            let more = failure.kind.permits_fallback() && !self.sent && self.has_fallback();
            // What is told to the client is logged where it is told.
            if more || first_failure.is_some() {
                let (request_id, model) = (&self.context.request_id, &self.candidate().model);
                tracing::warn!(%request_id, %model, kind = ?failure.kind, cause = %failure, "a model did not answer");
            }
            // The model that was asked for is the one whose trouble is told.
            let failure = first_failure.get_or_insert(failure).clone();
            if !more {
                return Err(failure);
            }
            self.fall_back();
        }
    }

    /// Attempts at the present candidate.
    async fn open_here(&mut self) -> Result<(), Failure> {
        let mut attempt = 1;
        loop {
            let failure = match self.attempt().await {
                Ok(()) => return Ok(()),
                Err(failure) => failure,
            };
            if !self.is_worth_repeating(&failure) {
                return Err(failure);
            }
            let wait = self.policy.retry.backoff(attempt, failure.retry_after, self.rng.unit());
            let Some(wait) = wait else { return Err(failure) };
            tracing::debug!(attempt, ?wait, kind = ?failure.kind, cause = %failure, "another attempt follows");
            tokio::time::sleep(wait).await;
            attempt += 1;
        }
    }

    fn is_worth_repeating(&self, failure: &Failure) -> bool {
        match failure.kind {
            // Whoever has waited out a time limit is not made to wait it out again.
            FailureKind::Timeout => false,
            // Room may be elsewhere at once.
            FailureKind::Busy => self.sent || !self.has_fallback(),
            kind => kind.is_transient(),
        }
    }

    async fn attempt(&mut self) -> Result<(), Failure> {
        self.begin_round();
        let candidate = self.candidate();
        let mut deltas =
            candidate.adapter.complete(self.context.clone(), &self.request, &candidate.upstream).await?;
        loop {
            match deltas.next().await {
                // Told, but nothing that anybody sees: another attempt is still open.
                Some(Ok(Delta::Usage(usage))) => self.round_usage = Some(usage),
                Some(Ok(Delta::Text(text) | Delta::Reasoning(text) | Delta::Refusal(text)))
                    if text.is_empty() => {}
                Some(Ok(first)) => {
                    self.deltas = Some(deltas);
                    self.first = Some(first);
                    return Ok(());
                }
                Some(Err(failure)) => return Err(failure),
                None => return Err(unfinished()),
            }
        }
    }
}

/// The runtime makes sure of the end; this is for the type.
pub(super) fn unfinished() -> Failure {
    Failure::new(FailureKind::Plugin, "the completion ended without `finish`")
}
