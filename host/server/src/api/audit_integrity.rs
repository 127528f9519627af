//! `/audit-logs/integrity`: whether the log is what it was.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use hardpoint_domain::chain::verify::{Fault, Finding};
use hardpoint_domain::time::Timestamp;
use hardpoint_store::integrity::Integrity;
use serde::Serialize;
use utoipa::ToSchema;

use crate::error::ApiError;
use crate::error::schema::{ErrorBody, FlatErrorBody};
use crate::service::audit::integrity::not_covered;
use crate::state::App;

/// What was checked of the audit log, and what was found.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct IntegrityReport {
    /// Whether everything fits.
    pub intact: bool,
    /// When it was checked, RFC 3339.
    pub checked_at: String,
    /// What was looked at.
    pub checked: CheckedRange,
    /// Signed statements that the log was compared with.
    pub checkpoints: CheckedCheckpoints,
    /// What does not fit, in the log's order; the first hundred.
    pub findings: Vec<IntegrityFinding>,
    /// How many there are beyond these.
    pub more_findings: u64,
    /// What all this does not show.
    pub not_covered: Vec<String>,
}

/// What was looked at. The log is one for all organisations, and its chain can be checked only as a whole.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct CheckedRange {
    /// The first number.
    pub from: i64,
    /// The last one; 0 where there is none.
    pub to: i64,
    /// Events that were there.
    pub events: u64,
    /// Of these, events whose bodies were purged after their time.
    pub purged: u64,
    /// Events that have no number yet, and were not checked.
    pub unnumbered: u64,
}

/// Signed statements of what the log was at a place.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct CheckedCheckpoints {
    /// The log's own, signed by a key that is known here.
    pub checked: u64,
    /// The number of the last of these.
    pub last: Option<i64>,
    /// Those of keys that are not known here; they prove nothing.
    pub unknown_key: u64,
    /// Those that were kept elsewhere, and given to be compared with.
    pub kept: u64,
    /// The number of the last of these.
    pub last_kept: Option<i64>,
}

/// Something that does not fit, and where.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct IntegrityFinding {
    /// The first number that it is about.
    pub from: i64,
    /// The last one.
    pub to: i64,
    /// In one word.
    #[schema(value_type = String, example = "edited")]
    pub fault: Fault,
    /// In a few.
    pub text: &'static str,
}

impl IntegrityReport {
    /// Of a log that was checked just now.
    pub fn new(checked: &Integrity, now: Timestamp) -> Self {
        let report = &checked.report;
        let finding = |found: &Finding| IntegrityFinding {
            from: found.seq,
            to: found.to,
            fault: found.fault,
            text: found.fault.text(),
        };
        Self {
            intact: report.is_intact(),
            checked_at: now.to_rfc3339(),
            checked: CheckedRange {
                from: 1,
                to: report.to,
                events: report.events,
                purged: report.purged,
                unnumbered: checked.unnumbered,
            },
            checkpoints: CheckedCheckpoints {
                checked: report.checkpoints,
                last: report.last_checkpoint,
                unknown_key: report.unknown_checkpoints,
                kept: report.kept_checkpoints,
                last_kept: report.last_kept,
            },
            findings: report.findings.iter().map(finding).collect(),
            more_findings: report.more_findings,
            not_covered: not_covered(checked),
        }
    }
}

/// Reads the whole audit log and tells whether it is what it was. It is read once for all who ask within
/// an hour, or within ten times as long as that took; `checked_at` says when.
#[utoipa::path(get, path = "/audit-logs/integrity", tag = "audit logs",
    responses(
        (status = 200, description = "What was checked, and what was found", body = IntegrityReport),
        (status = 401, description = "No valid credential", body = ErrorBody),
        (status = 402, description = "The plan does not include it", body = FlatErrorBody),
        (status = 403, description = "Not an administrator", body = ErrorBody),
    )
)]
pub async fn get(State(app): State<Arc<App>>) -> Result<Json<IntegrityReport>, ApiError> {
    let (checked, at) = app.integrity.of(&app).await?;
    Ok(Json(IntegrityReport::new(&checked, at)))
}
