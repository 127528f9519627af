//! What was asked, and what came of it: for the dashboard's sums.

use std::time::Duration;

use hardpoint_domain::time::Timestamp;

use super::questions_dialect::TOP_SOURCES;
use crate::columns::Micros;
use crate::db::{execute, fetch, statements};
use crate::{Conn, StoreError, Tx};

/// A question that was answered, or was not.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    /// The request's id.
    pub id: String,
    /// When it was asked.
    pub time: Timestamp,
    /// Whose it is.
    pub organization_id: String,
    /// In which workspace it was asked.
    pub workspace_id: Option<String>,
    /// Of which knowledge base.
    pub knowledge_base_id: Option<String>,
    /// As it is counted: lower case, spaces put together.
    pub question: String,
    /// Whether sources were found.
    pub is_answered: bool,
    /// Whether the fallback was the answer.
    pub is_fallback: bool,
    /// From 0 to 1.
    pub confidence: Option<f64>,
    /// How long it took.
    pub duration: Duration,
    /// Tokens read.
    pub prompt_tokens: u64,
    /// Tokens written.
    pub completion_tokens: u64,
    /// The documents that the answer rests on.
    pub sources: Vec<String>,
}

/// Which questions are summed up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Of<'a> {
    /// Whose.
    pub organization_id: &'a str,
    /// Of one workspace, or of all.
    pub workspace_id: Option<&'a str>,
    /// From then on …
    pub since: Timestamp,
    /// … until before then.
    pub until: Timestamp,
}

/// The questions of one UTC day.
#[derive(Clone, Copy, Debug, Default, PartialEq, sqlx::FromRow)]
pub struct Day {
    /// Its beginning.
    #[sqlx(try_from = "Micros")]
    pub start: Timestamp,
    /// Questions.
    #[sqlx(try_from = "i64")]
    pub questions: u64,
    /// Those for which sources were found.
    #[sqlx(try_from = "i64")]
    pub answered: u64,
    /// Those that the fallback answered.
    #[sqlx(try_from = "i64")]
    pub fallbacks: u64,
    /// Their mean confidence, of those that have one.
    pub confidence: Option<f64>,
    /// How long they took together, in microseconds …
    #[sqlx(try_from = "i64")]
    pub total_us: u64,
    /// … and the longest.
    #[sqlx(try_from = "i64")]
    pub longest_us: u64,
    /// Tokens read.
    #[sqlx(try_from = "i64")]
    pub prompt_tokens: u64,
    /// Tokens written.
    #[sqlx(try_from = "i64")]
    pub completion_tokens: u64,
}

/// A document that answers rested on.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct TopSource {
    /// The document.
    pub document_id: String,
    /// As the client named it.
    pub filename: String,
    /// In so many answers.
    #[sqlx(try_from = "i64")]
    pub answers: u64,
}

macro_rules! of {
    ($rest:literal) => {
        concat!(
            "q.organization_id = $1 AND (CAST($2 AS TEXT) IS NULL OR q.workspace_id = $2) AND q.time >= $3 \
             AND q.time < $4 ",
            $rest
        )
    };
}

pub(super) use of;

statements! {
    INSERT: "INSERT INTO questions (id, time, organization_id, workspace_id, knowledge_base_id, question, is_answered, \
             is_fallback, confidence, duration_us, prompt_tokens, completion_tokens) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";
    SOURCE: "INSERT INTO question_sources (question_id, document_id) VALUES ($1, $2) ON CONFLICT DO NOTHING";
    BY_DAY: concat!(
        "SELECT q.time / 86400000000 * 86400000000 AS start, COUNT(*) AS questions, \
         CAST(SUM(CASE WHEN q.is_answered THEN 1 ELSE 0 END) AS BIGINT) AS answered, \
         CAST(SUM(CASE WHEN q.is_fallback THEN 1 ELSE 0 END) AS BIGINT) AS fallbacks, \
         AVG(q.confidence) AS confidence, CAST(SUM(q.duration_us) AS BIGINT) AS total_us, \
         MAX(q.duration_us) AS longest_us, CAST(SUM(q.prompt_tokens) AS BIGINT) AS prompt_tokens, \
         CAST(SUM(q.completion_tokens) AS BIGINT) AS completion_tokens FROM questions q WHERE ",
        of!("GROUP BY 1 ORDER BY 1")
    );
    SLOWER: concat!(
        "SELECT q.duration_us FROM questions q WHERE ",
        of!("ORDER BY q.duration_us DESC LIMIT 1 OFFSET $5")
    );
    TOP_QUESTIONS: concat!(
        "SELECT q.question, COUNT(*) FROM questions q WHERE ",
        of!("GROUP BY q.question ORDER BY COUNT(*) DESC, q.question LIMIT $5")
    );
    FORGET: "DELETE FROM questions WHERE id IN (SELECT id FROM questions WHERE time <= $1 ORDER BY time LIMIT $2)";
}

/// Keeps what was asked.
pub async fn record(tx: &mut Tx, asked: &Question) -> Result<(), StoreError> {
    let whole = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    execute!(
        tx,
        INSERT,
        &asked.id,
        asked.time.micros(),
        &asked.organization_id,
        asked.workspace_id.as_deref(),
        asked.knowledge_base_id.as_deref(),
        &asked.question,
        asked.is_answered,
        asked.is_fallback,
        asked.confidence,
        i64::try_from(asked.duration.as_micros()).unwrap_or(i64::MAX),
        whole(asked.prompt_tokens),
        whole(asked.completion_tokens),
    )?;
    for document in &asked.sources {
        execute!(tx, SOURCE, &asked.id, document)?;
    }
    Ok(())
}

/// Sums by UTC day, the earliest first; days without questions are left out.
pub async fn by_day(conn: &mut Conn, of: &Of<'_>) -> Result<Vec<Day>, StoreError> {
    let Of { organization_id, workspace_id, since, until } = of;
    fetch!(conn, fetch_all, Day, BY_DAY, *organization_id, *workspace_id, since.micros(), until.micros())
}

/// The duration that all but this many of these questions were answered within; none where there are no more. The 95th
/// percentile of a thousand: all but fifty.
pub async fn all_but(conn: &mut Conn, of: &Of<'_>, slower: u32) -> Result<Option<Duration>, StoreError> {
    let Of { organization_id, workspace_id, since, until } = of;
    let (since, until) = (since.micros(), until.micros());
    let slower = i64::from(slower);
    let found =
        fetch!(conn, fetch_optional, (i64,), SLOWER, *organization_id, *workspace_id, since, until, slower)?;
    Ok(found.map(|(micros,)| Duration::from_micros(u64::try_from(micros).unwrap_or(0))))
}

/// What was asked most often, and how often.
pub async fn top_questions(
    conn: &mut Conn,
    of: &Of<'_>,
    limit: u32,
) -> Result<Vec<(String, i64)>, StoreError> {
    let Of { organization_id, workspace_id, since, until } = of;
    let (since, until, limit) = (since.micros(), until.micros(), i64::from(limit));
    let asked = (*organization_id, *workspace_id);
    fetch!(conn, fetch_all, (String, i64), TOP_QUESTIONS, asked.0, asked.1, since, until, limit)
}

/// The documents that most answers rested on; those that are gone, or are not the workspace's to see any more, are left
/// out.
pub async fn top_sources(conn: &mut Conn, of: &Of<'_>, limit: u32) -> Result<Vec<TopSource>, StoreError> {
    let Of { organization_id, workspace_id, since, until } = of;
    let (since, until, limit) = (since.micros(), until.micros(), i64::from(limit));
    let asked = (*organization_id, *workspace_id);
    fetch!(conn, fetch_all, TopSource, TOP_SOURCES, asked.0, asked.1, since, until, limit)
}

/// Forgets up to `batch` questions that were asked at `until` or before; how many.
pub async fn forget(tx: &mut Tx, until: Timestamp, batch: i64) -> Result<u64, StoreError> {
    execute!(tx, FORGET, until.micros(), batch)
}
