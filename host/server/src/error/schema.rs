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
}
