//! `/api_keys`.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Request, State};
use axum::response::Response;
use hardpoint_domain::access::Role;
use hardpoint_domain::time::Timestamp;
use hardpoint_store::keys::Key;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::paging::{Page, Paging};
use super::whose::Whose;
use crate::caller::Caller;
use crate::error::ApiError;
use crate::error::schema::{ErrorBody, FlatErrorBody};
use crate::extract::{self, JsonBytes, Path, Query};
use crate::service::accounts::keys::{Made, PER_HOUR, PER_MINUTE, Wanted, check_label};
use crate::service::accounts::{Accounts, Principal, text};
use crate::shown_once::shown_once;
use crate::state::App;

/// Keys on a page where a request does not say.
const PAGE_SIZE: usize = 25;

/// An API key, without its text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ApiKey {
    /// `key_…`.
    pub id: String,
    /// Whose it is.
    pub organization_id: String,
    /// The only workspace that it may be used in; null for all of them.
    pub workspace_id: Option<String>,
    /// For people; null where it was given none.
    pub label: Option<String>,
    /// The same as `label`.
    pub name: Option<String>,
    /// `viewer`, `member`, `admin`, `owner` or `operator`.
    #[schema(value_type = String, example = "member")]
    pub role: Role,
    /// `verb:resource`: what of its role it may use. None leaves it to the role; `write` includes `read`.
    #[schema(example = json!(["read:models", "write:completions"]))]
    pub scopes: Vec<String>,
    /// False for a test key.
    pub livemode: bool,
    /// By what people tell their keys apart: its prefix and its last characters.
    #[schema(example = "hp_live_…x3Fq")]
    pub hint: String,
    /// `live`, `expired` or `archived`.
    #[schema(example = "live")]
    pub status: &'static str,
    /// Requests a minute; null leaves it to the plan.
    pub rate_limit_per_minute: Option<i64>,
    /// Requests an hour; null leaves it to the plan.
    pub rate_limit_per_hour: Option<i64>,
    /// RFC 3339.
    pub created_at: String,
    /// From when on it is refused; null for never.
    pub expires_at: Option<String>,
    /// Since when it is refused for good.
    pub archived_at: Option<String>,
    /// When it was last used, to within a few seconds; null where it never was.
    pub last_used_at: Option<String>,
}

impl ApiKey {
    /// A key as it is at `now`, last used at `used` if that is later than what was written down.
    pub fn new(key: Key, now: Timestamp, used: Option<Timestamp>) -> Self {
        let status = match (key.archived_at, key.expires_at) {
            (Some(_), _) => "archived",
            (None, Some(end)) if end <= now => "expired",
            _ => "live",
        };
        let label = (!key.label.is_empty()).then_some(key.label);
        Self {
            id: key.id,
            organization_id: key.organization_id,
            workspace_id: key.workspace_id,
            name: label.clone(),
            label,
            role: key.role,
            scopes: key.scopes,
            livemode: key.livemode,
            hint: key.hint,
            status,
            rate_limit_per_minute: key.rate_limit_per_minute,
            rate_limit_per_hour: key.rate_limit_per_hour,
            created_at: key.created_at.to_rfc3339(),
            expires_at: key.expires_at.map(Timestamp::to_rfc3339),
            archived_at: key.archived_at.map(Timestamp::to_rfc3339),
            last_used_at: key.last_used_at.max(used).map(Timestamp::to_rfc3339),
        }
    }

    pub(super) fn of(app: &App, key: Key) -> Self {
        let used = app.last_used.of(&key.id);
        Self::new(key, app.clock.now(), used)
    }
}

/// What stands in the place of a key's text.
const SHOWN_BEFORE: &str = "The key was made by the first of these requests, and shown in the answer to that alone. \
                            Where it was lost, rotate or delete this key.";

/// A key that was just made.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct NewApiKey {
    /// The key's text. It is shown here, and never again: null where the same request is answered once more.
    #[schema(example = "hp_live_4b…")]
    pub key: Option<String>,
    /// Why there is no `key`; only where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notice: Option<&'static str>,
    /// The key.
    #[serde(flatten)]
    pub record: ApiKey,
}

impl NewApiKey {
    /// What its maker is shown.
    pub fn new(made: Made, now: Timestamp) -> Self {
        let key = Some(made.text.reveal().to_owned());
        Self { key, notice: None, record: ApiKey::new(made.key, now, None) }
    }

    /// What is shown to who asks for it again.
    fn again(&self) -> Self {
        Self { key: None, notice: Some(SHOWN_BEFORE), record: self.record.clone() }
    }
}

/// A key that took another's place.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct RotatedApiKey {
    /// The new key.
    #[serde(flatten)]
    pub made: NewApiKey,
    /// The old one, and when it ends.
    pub previous: ApiKey,
}

/// What a new key is to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateApiKey {
    /// For people, at most 200 characters.
    #[schema(example = "CI pipeline")]
    label: Option<String>,
    /// The same as `label`; only one of them.
    name: Option<String>,
    /// `member` where left out. No more than the caller's own.
    #[serde(default = "member")]
    #[schema(value_type = Option<String>, example = "member")]
    role: Role,
    /// `read:` or `write:` and a resource; none leaves it to the role. A resource that there is not grants
    /// nothing.
    #[serde(default)]
    #[schema(example = json!(["read:models", "write:completions"]))]
    scopes: Vec<String>,
    /// False for a test key.
    #[serde(default = "yes")]
    livemode: bool,
    /// The only workspace that it may be used in.
    workspace_id: Option<String>,
    /// Whose it is to be; the caller's own organisation where left out. Another one is for operators.
    organization_id: Option<String>,
    /// RFC 3339, or a date alone.
    expires_at: Option<String>,
    /// 60 where left out; null leaves it to the plan.
    #[serde(default = "per_minute")]
    #[schema(minimum = 1, maximum = 1_000_000_000)]
    rate_limit_per_minute: Option<i64>,
    /// 1,000 where left out; null leaves it to the plan.
    #[serde(default = "per_hour")]
    #[schema(minimum = 1, maximum = 1_000_000_000)]
    rate_limit_per_hour: Option<i64>,
}

fn member() -> Role {
    Role::Member
}

fn yes() -> bool {
    true
}

fn per_minute() -> Option<i64> {
    Some(PER_MINUTE)
}

fn per_hour() -> Option<i64> {
    Some(PER_HOUR)
}

impl CreateApiKey {
    fn wanted(self) -> Result<Wanted, ApiError> {
        if self.label.is_some() && self.name.is_some() {
            let message = "The 'name' field means the same as 'label'; leave one of them out.";
            return Err(ApiError::bad_field("name", "exclusive", message));
        }
        if let Some(name) = &self.name {
            check_label("name", name)?;
        }
        Ok(Wanted {
            organization_id: self.organization_id,
            workspace_id: self.workspace_id,
            label: self.label.or(self.name).unwrap_or_default(),
            role: self.role,
            scopes: self.scopes,
            livemode: self.livemode,
            rate_limit_per_minute: self.rate_limit_per_minute,
            rate_limit_per_hour: self.rate_limit_per_hour,
            expires_at: self
                .expires_at
                .as_deref()
                .map(|given| text::time("expires_at", given))
                .transpose()?,
        })
    }
}

/// Makes a key. Its text is shown in the answer and never again. It can do no more than the caller.
#[utoipa::path(post, path = "/api_keys", tag = "API keys", request_body = CreateApiKey,
    responses(
        (status = 201, description = "The key, with its text", body = NewApiKey),
        (status = 402, description = "The plan has no room for one more", body = FlatErrorBody),
        (status = 403, description = "The caller may not make keys, or not one that may do so much", body = ErrorBody),
        (status = 404, description = "No such organisation", body = ErrorBody),
        (status = 422, description = "No such workspace, or an end that is over", body = ErrorBody),
    )
)]
pub async fn create(
    State(app): State<Arc<App>>,
    caller: Caller,
    body: JsonBytes,
) -> Result<Response, ApiError> {
    let wanted = body.parse::<CreateApiKey>()?.wanted()?;
    let made = Accounts::of(&app).create_key(&Principal::from(caller), wanted).await?;
    let made = NewApiKey::new(made, app.clock.now());
    Ok(shown_once(StatusCode::CREATED, &made, &made.again()))
}

/// Lists an organisation's keys, newest first, archived ones too.
#[utoipa::path(get, path = "/api_keys", tag = "API keys", params(Paging, Whose),
    responses(
        (status = 200, description = "The keys", body = Page<ApiKey>),
        (status = 404, description = "No such organisation", body = ErrorBody),
    )
)]
pub async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(paging): Query<Paging>,
    Query(whose): Query<Whose>,
) -> Result<Json<Page<ApiKey>>, ApiError> {
    let place = paging.place(PAGE_SIZE)?;
    let by = Principal::from(caller);
    let found = Accounts::of(&app).keys(&by, whose.organization(), place.window()).await?;
    Ok(Json(place.page(found, |key| ApiKey::of(&app, key))))
}

/// One key.
#[utoipa::path(get, path = "/api_keys/{id}", tag = "API keys", params(("id" = String, Path, description = "The key")),
    responses(
        (status = 200, description = "The key", body = ApiKey),
        (status = 404, description = "No such key", body = ErrorBody),
    )
)]
pub async fn get(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<ApiKey>, ApiError> {
    let key = Accounts::of(&app).key(&Principal::from(caller), &id).await?;
    Ok(Json(ApiKey::of(&app, key)))
}

/// Archives a key that was used: it is refused from now on, for good, and its history stays.
#[utoipa::path(post, path = "/api_keys/{id}/archive", tag = "API keys", params(("id" = String, Path, description = "The key")),
    responses(
        (status = 200, description = "The key, archived now or before", body = ApiKey),
        (status = 403, description = "The caller may not, or the key may do more than the caller", body = ErrorBody),
        (status = 404, description = "No such key", body = ErrorBody),
        (status = 409, description = "It was never used; delete it", body = ErrorBody),
    )
)]
pub async fn archive(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<ApiKey>, ApiError> {
    let key = Accounts::of(&app).archive_key(&Principal::from(caller), &id).await?;
    app.keys.clear();
    Ok(Json(ApiKey::of(&app, key)))
}

/// How a key is renewed.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RotateApiKey {
    /// Seconds that the old key lives on, at most 2,592,000; 0 where left out.
    #[serde(default)]
    #[schema(maximum = 2_592_000)]
    overlap: u64,
    /// When the new key ends: RFC 3339, or a date alone. As the old one where left out.
    expires_at: Option<String>,
}

/// Makes a key like this one, which ends after the overlap.
#[utoipa::path(post, path = "/api_keys/{id}/rotate", tag = "API keys", params(("id" = String, Path, description = "The key")),
    request_body = Option<RotateApiKey>,
    responses(
        (status = 201, description = "The new key, with its text, and the old one", body = RotatedApiKey),
        (status = 402, description = "The plan is full, and another key that was renewed lives on already", body = FlatErrorBody),
        (status = 403, description = "The caller may not, or the key may do more than the caller", body = ErrorBody),
        (status = 404, description = "No such key", body = ErrorBody),
        (status = 409, description = "It has ended already", body = ErrorBody),
        (status = 422, description = "An end that is over", body = ErrorBody),
    )
)]
pub async fn rotate(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, ApiError> {
    let body = extract::read(request).await?;
    let asked: RotateApiKey =
        if body.is_empty() { RotateApiKey::default() } else { extract::parse_json(&body)? };
    let expires_at =
        asked.expires_at.as_deref().map(|given| text::time("expires_at", given).map(Some)).transpose()?;
    let overlap = Duration::from_secs(asked.overlap);
    let rotated = Accounts::of(&app).rotate_key(&Principal::from(caller), &id, overlap, expires_at).await?;
    app.keys.clear();
    let made = NewApiKey::new(rotated.made, app.clock.now());
    let previous = ApiKey::of(&app, rotated.previous);
    let again = RotatedApiKey { made: made.again(), previous: previous.clone() };
    Ok(shown_once(StatusCode::CREATED, &RotatedApiKey { made, previous }, &again))
}

/// How a key is taken away.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Removal {
    /// Archive it, used or not, in place of deleting it.
    #[serde(default)]
    revoke: bool,
}

/// Deletes a key that was never used. With `revoke=true` it is archived instead, used or not.
#[utoipa::path(delete, path = "/api_keys/{id}", tag = "API keys",
    params(("id" = String, Path, description = "The key"), Removal),
    responses(
        (status = 204, description = "It is gone, or archived"),
        (status = 403, description = "The caller may not, or the key may do more than the caller", body = ErrorBody),
        (status = 404, description = "No such key", body = ErrorBody),
        (status = 409, description = "It was used; archive it", body = ErrorBody),
    )
)]
pub async fn remove(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
    Query(removal): Query<Removal>,
) -> Result<StatusCode, ApiError> {
    let (accounts, by) = (Accounts::of(&app), Principal::from(caller));
    if removal.revoke {
        accounts.revoke_key(&by, &id).await?;
    } else {
        accounts.delete_key(&by, &id).await?;
    }
    app.keys.clear();
    Ok(StatusCode::NO_CONTENT)
}
