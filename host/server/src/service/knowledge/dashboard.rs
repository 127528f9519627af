//! What was asked, summed up.

use std::time::Duration;

use hardpoint_domain::time::Timestamp;
use hardpoint_store::knowledge::questions::{self, Day, Of, TopSource};

use crate::caller::Caller;
use crate::error::ApiError;
use crate::state::App;

/// How many questions and sources are listed.
const TOP: u32 = 10;

/// Questions of some days.
#[derive(Clone, Debug)]
pub struct Dashboard {
    /// Those on which something was asked, the earliest first.
    pub days: Vec<Day>,
    /// All of them together.
    pub all: Day,
    /// The duration that half of the questions were answered within …
    pub half: Option<Duration>,
    /// … and 95 of a hundred.
    pub most: Option<Duration>,
    /// What was asked most often, and how often.
    pub questions: Vec<(String, i64)>,
    /// What most answers rest on.
    pub sources: Vec<TopSource>,
}

/// Sums up what the caller's organisation asked from `since` until before `until`; of the caller's workspace where it is
/// bound to one.
///
/// # Errors
/// The store's.
pub async fn dashboard(
    app: &App,
    caller: &Caller,
    (since, until): (Timestamp, Timestamp),
) -> Result<Dashboard, ApiError> {
    let workspace_id = caller.workspace_id.as_deref();
    let of = Of { organization_id: &caller.organization_id, workspace_id, since, until };
    let mut conn = app.store.read().await?;
    let days = questions::by_day(&mut conn, &of).await?;
    let all = days.iter().fold(Day { start: since, ..Day::default() }, |sum, day| sum_of(&sum, day));
    let slower = |share: f64| (all.questions as f64 * share) as u32;
    Ok(Dashboard {
        half: questions::all_but(&mut conn, &of, slower(0.5)).await?,
        most: questions::all_but(&mut conn, &of, slower(0.05)).await?,
        questions: questions::top_questions(&mut conn, &of, TOP).await?,
        sources: questions::top_sources(&mut conn, &of, TOP).await?,
        days,
        all,
    })
}

/// Two spans together. Confidence is weighed by questions.
fn sum_of(a: &Day, b: &Day) -> Day {
    let questions = a.questions + b.questions;
    let weighed = |day: &Day| day.confidence.map(|confidence| confidence * day.questions as f64);
    let confidence = match (weighed(a), weighed(b)) {
        (Some(a), Some(b)) => Some((a + b) / questions as f64),
        _ => a.confidence.or(b.confidence),
    };
    Day {
        start: a.start,
        questions,
        answered: a.answered + b.answered,
        fallbacks: a.fallbacks + b.fallbacks,
        confidence,
        total_us: a.total_us + b.total_us,
        longest_us: a.longest_us.max(b.longest_us),
        prompt_tokens: a.prompt_tokens + b.prompt_tokens,
        completion_tokens: a.completion_tokens + b.completion_tokens,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_weigh_confidence_by_questions() {
        let day =
            |questions, confidence| Day { questions, confidence, longest_us: questions, ..Day::default() };
        let sum = sum_of(&day(1, Some(1.0)), &day(3, Some(0.6)));
        assert_eq!((sum.questions, sum.longest_us), (4, 3));
        assert!((sum.confidence.unwrap() - 0.7).abs() < 1e-12);
        assert_eq!(sum_of(&Day::default(), &day(3, Some(0.6))).confidence, Some(0.6));
        assert_eq!(sum_of(&Day::default(), &Day::default()).confidence, None);
    }
}
