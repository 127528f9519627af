//! Tokens in a minute: taken before a request runs, as many as it may read and write at most, and corrected when it is
//! known what it used. Each round of a tool loop takes its own.

use std::sync::Arc;

use hardpoint_domain::message::Usage;
use hardpoint_domain::quota::{self, Limit, Meter, Standing, Taken};

use super::{Organization, Refused, whole_seconds};
use crate::call::CallNote;
use crate::caller::Caller;
use crate::error::ApiError;
use crate::service::billing::Bound;
use crate::state::App;

/// The name of the limit, in answers.
const NAME: &str = "tokens_per_minute";

/// What a round of a request took. What it did not use is free again, all of it when this is dropped.
pub struct Tokens {
    organization: Arc<Organization>,
    taken: Option<Taken>,
    /// What the rounds before it used.
    before: u64,
}

impl Tokens {
    /// Ends it: so much was used by all rounds.
    pub fn settle(mut self, used: u64) {
        if let Some(taken) = self.taken.take() {
            self.organization.correct(taken, used.saturating_sub(self.before));
        }
    }
}

impl Drop for Tokens {
    fn drop(&mut self) {
        if let Some(taken) = self.taken.take() {
            self.organization.correct(taken, 0);
        }
    }
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokens").field("taken", &self.taken).finish_non_exhaustive()
    }
}

/// How the limit stands that a request's tokens count against.
#[derive(Clone, Debug)]
pub struct TokenStanding {
    /// The tightest.
    pub standing: Standing,
    /// Whether it kept the request out.
    pub refused: bool,
}

/// Takes what a request may use, and puts that into its note. `input` is the field that it reads from. Without effect
/// where tokens are not limited.
///
/// # Errors
/// 403 where no tokens may be used at all; 422 for a request that is larger than its limit; 429 where there is not so much left in this minute; 503 where the
/// store cannot be asked for more.
pub async fn take(
    app: &App,
    caller: &Caller,
    note: &CallNote,
    bound: Bound,
    input: &'static str,
    meter: Meter,
) -> Result<(), ApiError> {
    if !caller.quota.limits_tokens() {
        return Ok(());
    }
    if let Some(limit) = quota::never(caller.quota.limits(Meter::Tokens), bound.total()) {
        return Err(too_large(limit, bound, input));
    }
    match reserve(app, caller, bound.total(), 0).await {
        Ok((tokens, standing)) => {
            let standing = standing.map(|standing| TokenStanding { standing, refused: false });
            note.update(|facts| (facts.tokens, facts.token_standing) = (Some(tokens), standing));
            Ok(())
        }
        Err(refused) => {
            let standing = refused.standing.clone().map(|standing| TokenStanding { standing, refused: true });
            note.update(|facts| facts.token_standing = standing);
            Err(told(app, caller, refused, meter))
        }
    }
}

/// Ends the round before, when so much was used by all of them, and takes what the next one may use.
///
/// # Errors
/// As [`take`].
pub async fn extend(note: &CallNote, used: Usage, next: Bound) -> Result<(), ApiError> {
    let Some(caller) = note.caller().filter(|caller| caller.quota.limits_tokens()) else { return Ok(()) };
    note.update(|facts| {
        if let Some(tokens) = facts.tokens.take() {
            tokens.settle(used.total());
        }
    });
    if let Some(limit) = quota::never(caller.quota.limits(Meter::Tokens), next.total()) {
        return Err(too_large(limit, next, "messages"));
    }
    let reserved = reserve(note.app(), &caller, next.total(), used.total()).await;
    let (tokens, _) = reserved.map_err(|refused| refused.error)?;
    note.update(|facts| facts.tokens = Some(tokens));
    Ok(())
}

async fn reserve(
    app: &App,
    caller: &Caller,
    amount: u64,
    before: u64,
) -> Result<(Tokens, Option<Standing>), Refused> {
    let limits = caller.quota.limits(Meter::Tokens);
    let organization = app.limits.of(app, &caller.organization_id);
    let (standing, taken) =
        organization.count(app, |counters, now| counters.take(limits, amount, now)).await?;
    Ok((Tokens { organization, taken: Some(taken), before }, standing))
}

/// What is told to whoever has to wait. They come again with another request, which has limits too: this one may have
/// been the last of its hour.
fn told(app: &App, caller: &Caller, refused: Refused, meter: Meter) -> ApiError {
    let Some(standing) = refused.standing else { return refused.error };
    let now = app.clock.now();
    let organization = app.limits.of(app, &caller.organization_id);
    let other =
        organization.check(app, caller.quota.limits(meter)).err().and_then(|refused| refused.standing);
    let reset = other.map_or(standing.reset, |other| other.reset.max(standing.reset));
    ApiError::rate_limited(whole_seconds(reset.since(now))).with_detail("limit", NAME)
}

/// No waiting helps.
fn too_large(limit: &Limit, bound: Bound, input: &'static str) -> ApiError {
    if limit.most == 0 {
        return ApiError::shut(&limit.count.limit_name());
    }
    let Bound { input: read, output: written } = bound;
    let (most, whole) = (limit.most, bound.total());
    let field = if read > most || written == 0 { input } else { "max_tokens" };
    let message = format!(
        "This request may take up to {whole} tokens, {read} to read it and {written} to answer it, and all requests \
         together may take {most} in a minute. Send or ask for less."
    );
    ApiError::impossible(field, NAME, message).with_detail("limit", most).with_detail("needed", whole)
}
