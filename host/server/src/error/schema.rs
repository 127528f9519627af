//! Errors as `/openapi.json` describes them.

use serde_json::{Map, Value};
use utoipa::ToSchema;

/// An error.
#[derive(ToSchema)]
pub struct ErrorBody {
    /// What went wrong.
    pub error: ErrorObject,
}

/// What went wrong.
#[derive(ToSchema)]
pub struct ErrorObject {
    /// For programs: `validation_error`, `rate_limit_exceeded` …
    #[schema(example = "validation_error")]
    pub r#type: String,
    /// For people.
    #[schema(example = "The 'model' field is required.")]
    pub message: String,
    /// Which member broke which rule, and what else is known.
    #[schema(value_type = Option<Object>, example = json!({"field": "model", "constraint": "required"}))]
    pub details: Option<Map<String, Value>>,
    /// Whole seconds to wait before another attempt.
    pub retry_after: Option<u64>,
    /// Under `/chat/completions`, `/models` and `/embeddings`: OpenAI's code, or null.
    pub code: Option<String>,
    /// Under the same: the request's parameter that is to blame, or null.
    pub param: Option<String>,
}

/// An error of the quick-answer endpoints, and every 402.
#[derive(ToSchema)]
pub struct FlatErrorBody {
    /// For programs.
    #[schema(example = "plan_limit_exceeded")]
    pub error: String,
    /// For people.
    pub message: String,
    /// Whole seconds to wait before another attempt.
    pub retry_after: Option<u64>,
    /// Where the plan lacks something: what, for programs.
    #[schema(example = "SIEM_EXPORT_REQUIRES_UPGRADE")]
    pub code: Option<String>,
    /// The least plan that has it; left out where none has.
    #[schema(example = "professional")]
    pub required_plan: Option<String>,
    /// Where another plan is chosen.
    pub upgrade_url: Option<String>,
    /// For what is counted.
    pub current_usage: Option<CurrentUsage>,
}

/// How much of what a plan includes is in use.
#[derive(ToSchema)]
pub struct CurrentUsage {
    /// So many there are.
    pub current: u64,
    /// So many there may be.
    pub max: u64,
}
