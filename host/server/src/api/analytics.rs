//! `GET /analytics/dashboard`.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use hardpoint_store::knowledge::questions::Day;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::caller::Caller;
use crate::error::ApiError;
use crate::error::schema::FlatErrorBody;
use crate::extract::Query;
use crate::service::knowledge::dashboard;
use crate::state::App;

/// Days that are summed up where nobody says how many, and at most.
const USUAL: u32 = 30;
const MOST: u32 = 366;
const DAY: Duration = Duration::from_secs(86_400);

/// Which days.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct Days {
    /// The last so many UTC days, today among them: 1 to 366; 30 where left out.
    #[param(minimum = 1, maximum = 366)]
    days: Option<u32>,
}

/// What was asked.
#[derive(Debug, Serialize, ToSchema)]
pub struct DashboardBody {
    /// The first day, RFC 3339.
    since: String,
    /// All days together.
    totals: AskedBody,
    /// Milliseconds that half of the answers took at most.
    latency_p50_ms: Option<u64>,
    /// Milliseconds that 95 of a hundred answers took at most.
    latency_p95_ms: Option<u64>,
    /// The most frequent questions.
    top_questions: Vec<TopQuestion>,
    /// The documents that most answers rest on.
    top_sources: Vec<TopSourceBody>,
    /// Days on which something was asked, the earliest first.
    by_day: Vec<DayBody>,
}

/// Questions of some time.
#[derive(Debug, Serialize, ToSchema)]
pub struct AskedBody {
    /// How many.
    questions: u64,
    /// For how many sources were found.
    answered: u64,
    /// The share of these, 0 to 1; null where nothing was asked.
    answered_share: Option<f64>,
    /// How many the fallback text answered.
    fallbacks: u64,
    /// The mean of the best sources' scores.
    average_confidence: Option<f64>,
    /// Milliseconds in the mean.
    average_latency_ms: Option<u64>,
    /// Tokens read.
    prompt_tokens: u64,
    /// Tokens written.
    completion_tokens: u64,
}

/// Questions of a day.
#[derive(Debug, Serialize, ToSchema)]
pub struct DayBody {
    /// `2026-03-15`, UTC.
    date: String,
    /// What was asked.
    #[serde(flatten)]
    asked: AskedBody,
}

/// A question, and how often it was asked.
#[derive(Debug, Serialize, ToSchema)]
pub struct TopQuestion {
    /// In lower case.
    question: String,
    /// How often.
    count: i64,
}

/// A document, and how many answers rest on it.
#[derive(Debug, Serialize, ToSchema)]
pub struct TopSourceBody {
    /// `doc-…`
    document_id: String,
    /// As the client named it.
    filename: String,
    /// How many.
    answers: u64,
}

impl From<&Day> for AskedBody {
    fn from(day: &Day) -> Self {
        let some = (day.questions > 0).then_some(day.questions);
        Self {
            questions: day.questions,
            answered: day.answered,
            answered_share: some.map(|all| day.answered as f64 / all as f64),
            fallbacks: day.fallbacks,
            average_confidence: day.confidence,
            average_latency_ms: some.map(|all| day.total_us / all / 1_000),
            prompt_tokens: day.prompt_tokens,
            completion_tokens: day.completion_tokens,
        }
    }
}

/// Sums up what was asked of knowledge bases.
#[utoipa::path(get, path = "/analytics/dashboard", tag = "knowledge", params(Days),
    responses(
        (status = 200, description = "The sums", body = DashboardBody),
        (status = 400, description = "More days than are kept", body = FlatErrorBody),
    )
)]
pub async fn get(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(wanted): Query<Days>,
) -> Result<Json<DashboardBody>, ApiError> {
    let days = wanted.days.unwrap_or(USUAL);
    if !(1..=MOST).contains(&days) {
        let message = format!("The 'days' parameter is from 1 to {MOST}.");
        return Err(ApiError::bad_field("days", "range", message));
    }
    let now = app.clock.now();
    let today = now.minus(Duration::from_micros(now.micros().rem_euclid(DAY.as_micros() as i64) as u64));
    let since = today.minus(DAY * (days - 1));
    let found = dashboard::dashboard(&app, &caller, (since, now)).await?;
    let millis = |took: Option<Duration>| took.map(super::search::millis);
    let (questions, sources) = (found.questions.into_iter(), found.sources.into_iter());
    Ok(Json(DashboardBody {
        since: since.to_rfc3339(),
        totals: AskedBody::from(&found.all),
        latency_p50_ms: millis(found.half),
        latency_p95_ms: millis(found.most),
        top_questions: questions.map(|(question, count)| TopQuestion { question, count }).collect(),
        top_sources: sources
            .map(|source| TopSourceBody {
                document_id: source.document_id,
                filename: source.filename,
                answers: source.answers,
            })
            .collect(),
        by_day: found
            .days
            .iter()
            .map(|day| DayBody {
                date: day.start.to_rfc3339().chars().take(10).collect(),
                asked: AskedBody::from(day),
            })
            .collect(),
    }))
}
