//! `/configs`: the configuration as it is now, and what of it may be changed while hosts run; for operators.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use hardpoint_domain::plan::Rates;
use hardpoint_store::settings;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::caller::Operator;
use crate::error::ApiError;
use crate::error::schema::ErrorBody;
use crate::extract::JsonBytes;
use crate::service::events::Author;
use crate::service::settings::{Key, change};
use crate::state::App;

/// The configuration.
#[derive(Debug, Serialize, ToSchema)]
pub struct Configs {
    /// What holds on this host now, section by section; secrets are masked.
    #[schema(value_type = Object)]
    config: Value,
    /// Keys that may be changed here.
    #[schema(example = json!(["log.level", "server.max_json_body"]))]
    changeable: Vec<String>,
    /// Keys that were changed here, in the place of what the files say.
    changes: Vec<Change>,
}

/// A key that was changed.
#[derive(Debug, Serialize, ToSchema)]
pub struct Change {
    /// As in `hardpoint.toml`.
    #[schema(example = "log.level")]
    name: String,
    /// What it is to be.
    value: Value,
    /// Who said so.
    updated_by: String,
    /// When, RFC 3339.
    updated_at: String,
}

/// What is to change. What is left out stays as it is; `null` takes a change back to what the files say.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeConfigs {
    /// What the host says of itself.
    #[serde(default)]
    log: LogChange,
    /// What is taken in.
    #[serde(default)]
    server: ServerChange,
    /// How hard the host tries to get an answer out of a model.
    #[serde(default)]
    completions: CompletionsChange,
    /// What plans allow.
    #[serde(default)]
    plans: PlansChange,
}

/// `[log]`.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LogChange {
    /// `error`, `warn`, `info`, `debug`, `trace`, or a filter.
    #[serde(deserialize_with = "said")]
    #[schema(value_type = Option<String>, example = "debug")]
    level: Option<Value>,
}

/// `[server]`.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ServerChange {
    /// The largest JSON body: bytes, or a text such as `10MB`.
    #[serde(deserialize_with = "said")]
    #[schema(value_type = Option<String>, example = "10MB")]
    max_json_body: Option<Value>,
    /// The largest uploaded file.
    #[serde(deserialize_with = "said")]
    #[schema(value_type = Option<String>, example = "100MB")]
    max_upload: Option<Value>,
}

/// `[completions]`, for requests that come from then on.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CompletionsChange {
    /// Attempts at one binding before its fallbacks are tried, 1 to 100.
    #[serde(deserialize_with = "said")]
    #[schema(value_type = Option<u32>, example = 3)]
    attempts: Option<Value>,
    /// The first wait between attempts: seconds, or a text such as `250ms`, at most ten minutes.
    #[serde(deserialize_with = "said")]
    #[schema(value_type = Option<String>, example = "250ms")]
    retry_base: Option<Value>,
    /// The longest wait between attempts.
    #[serde(deserialize_with = "said")]
    #[schema(value_type = Option<String>, example = "4s")]
    retry_cap: Option<Value>,
    /// A provider that asks for a longer wait than this is not waited for.
    #[serde(deserialize_with = "said")]
    #[schema(value_type = Option<String>, example = "10s")]
    retry_after_cap: Option<Value>,
    /// Rounds of the host's own tool loop, 1 to 100.
    #[serde(deserialize_with = "said")]
    #[schema(value_type = Option<u32>, example = 8)]
    tool_rounds: Option<Value>,
}

/// `[plans.NAME]`: all limits of a plan; what is left out of one is not limited.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PlansChange {
    /// The least plan.
    #[serde(deserialize_with = "plan")]
    #[schema(value_type = Option<Object>, example = json!({"requests_per_minute": 10}))]
    free: Option<Value>,
    /// Also called `starter`.
    #[serde(deserialize_with = "plan")]
    #[schema(value_type = Option<Object>)]
    standard: Option<Value>,
    /// The third.
    #[serde(deserialize_with = "plan")]
    #[schema(value_type = Option<Object>)]
    professional: Option<Value>,
    /// The most.
    #[serde(deserialize_with = "plan")]
    #[schema(value_type = Option<Object>)]
    enterprise: Option<Value>,
}

/// What was said, `null` too: that is something else than nothing.
fn said<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

/// The same of a plan, whose members are looked at here so that the answer names them.
fn plan<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    let rates = Option::<Rates>::deserialize(deserializer)?;
    Ok(Some(rates.map_or(Value::Null, |rates| json!(rates))))
}

/// The configuration as it is on this host now.
#[utoipa::path(get, path = "/configs", tag = "operation",
    responses((status = 200, description = "The configuration", body = Configs))
)]
pub async fn get(State(app): State<Arc<App>>, _operator: Operator) -> Result<Json<Configs>, ApiError> {
    shown(&app).await
}

/// Changes the configuration, on every host within a second.
#[utoipa::path(put, path = "/configs", tag = "operation", request_body = ChangeConfigs,
    responses((status = 200, description = "The configuration as it is now", body = Configs),
        (status = 403, description = "Only operators may", body = ErrorBody))
)]
pub async fn update(
    State(app): State<Arc<App>>,
    Operator(caller): Operator,
    body: JsonBytes,
) -> Result<Json<Configs>, ApiError> {
    let ChangeConfigs { log, server, completions, plans } = body.parse()?;
    let wanted = [
        (Key::LogLevel, log.level),
        (Key::MaxJsonBody, server.max_json_body),
        (Key::MaxUpload, server.max_upload),
        (Key::Attempts, completions.attempts),
        (Key::RetryBase, completions.retry_base),
        (Key::RetryCap, completions.retry_cap),
        (Key::RetryAfterCap, completions.retry_after_cap),
        (Key::ToolRounds, completions.tool_rounds),
        (Key::Plan("free"), plans.free),
        (Key::Plan("standard"), plans.standard),
        (Key::Plan("professional"), plans.professional),
        (Key::Plan("enterprise"), plans.enterprise),
    ];
    let changes = wanted.into_iter().filter_map(|(key, said)| Some((key, said?)));
    let changes = changes.map(|(key, value)| (key, (!value.is_null()).then_some(value)));
    change(&app, &Author::from(&caller), changes.collect()).await?;
    shown(&app).await
}

async fn shown(app: &App) -> Result<Json<Configs>, ApiError> {
    let changes = settings::list(&mut app.store.read().await?).await?;
    let changes = changes.into_iter().map(|setting| Change {
        name: setting.name,
        value: serde_json::from_str(&setting.value).unwrap_or(Value::Null),
        updated_by: setting.updated_by,
        updated_at: setting.updated_at.to_rfc3339(),
    });
    Ok(Json(Configs {
        config: app.effective().config.masked(),
        changeable: Key::all().map(Key::name).collect(),
        changes: changes.collect(),
    }))
}
