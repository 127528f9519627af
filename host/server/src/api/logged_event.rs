//! Events as answers show them, and as the Open Cybersecurity Schema Framework has them.

use axum::Json;
use hardpoint_domain::event::{Actor, Outcome, Target};
use hardpoint_domain::{hex, ocsf};
use hardpoint_store::event_search::Found;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

use super::paging::LogPaging;
use crate::caller::Caller;
use crate::error::ApiError;
use crate::service::audit::log::{self, Asked, Listed};
use crate::state::App;

/// Something that happened.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct LoggedEvent {
    /// `evt_…`, the same wherever it is delivered.
    id: String,
    /// What happened: a resource and what was done to it.
    #[schema(example = "key.created")]
    r#type: String,
    /// When, RFC 3339.
    time: String,
    /// Whose it is; null for the platform's own.
    organization_id: Option<String>,
    /// The workspace, where it is of one.
    workspace_id: Option<String>,
    /// Who did it.
    actor: EventActor,
    /// What it was done to.
    target: EventTarget,
    /// `success`, `failure` or `refused`.
    #[schema(value_type = String, example = "success")]
    outcome: Outcome,
    /// The request in which it happened.
    request_id: Option<String>,
    /// Where that came from.
    source_ip: Option<String>,
    /// What was changed, before; secrets masked.
    #[schema(value_type = Option<Object>)]
    before: Option<Value>,
    /// What was changed, after; secrets masked.
    #[schema(value_type = Option<Object>)]
    after: Option<Value>,
    /// Its place in the log; null for the moment until it has one.
    seq: Option<i64>,
    /// The hash that ties this place to all before it, in hex.
    hash: Option<String>,
}

/// Who did something.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct EventActor {
    /// `key`, `user`, `cli`, `system`, `payment_provider` or `anonymous`.
    r#type: String,
    /// The id of the key or user.
    id: Option<String>,
    /// A key's label, a user's address.
    name: Option<String>,
}

/// What something was done to.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct EventTarget {
    /// `plugin`, `key`, `user` …
    r#type: String,
    /// Its id.
    id: String,
}

impl From<Found> for LoggedEvent {
    fn from(Found { seq, hash, event }: Found) -> Self {
        let Actor { kind: actor, id, name } = event.actor;
        let Target { kind: target, id: target_id } = event.target;
        Self {
            id: event.id,
            r#type: event.kind,
            time: event.time.to_rfc3339(),
            organization_id: event.organization_id,
            workspace_id: event.workspace_id,
            actor: EventActor { r#type: actor, id, name },
            target: EventTarget { r#type: target, id: target_id },
            outcome: event.outcome,
            request_id: event.request_id,
            source_ip: event.source_ip,
            before: event.before,
            after: event.after,
            seq,
            hash: hash.map(|hash| hex::show(&hash)),
        }
    }
}

/// Something that happened, as OCSF has it; what else it has depends on its class.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct OcsfEvent {
    /// 3001, 3002, 3004 or 6003.
    #[schema(example = 3004)]
    class_uid: i64,
    /// The class and the activity.
    #[schema(example = 300_401)]
    type_uid: i64,
    /// Milliseconds since the Unix epoch.
    time: i64,
    /// All else.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    more: Map<String, Value>,
}

impl From<&Found> for OcsfEvent {
    fn from(found: &Found) -> Self {
        let mut more = ocsf::event(&found.event, found.seq);
        let mut number = |name: &str| more.remove(name).and_then(|number| number.as_i64()).unwrap_or(0);
        Self { class_uid: number("class_uid"), type_uid: number("type_uid"), time: number("time"), more }
    }
}

/// An event in the form that was asked for.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub enum ShownEvent {
    /// As everywhere else.
    Event(Box<LoggedEvent>),
    /// As OCSF has it.
    Ocsf(Box<OcsfEvent>),
}

impl ShownEvent {
    pub(super) fn new(found: Found, is_ocsf: bool) -> Self {
        if is_ocsf { Self::Ocsf(Box::new((&found).into())) } else { Self::Event(Box::new(found.into())) }
    }
}

/// In which form a list is.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListForm {
    /// `json` or `ocsf`: as everywhere else, or as the Open Cybersecurity Schema Framework has events.
    #[serde(default)]
    #[param(value_type = Option<String>, example = "json")]
    format: ListFormat,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum ListFormat {
    #[default]
    Json,
    Ocsf,
}

impl ListForm {
    pub(super) fn is_ocsf(&self) -> bool {
        self.format == ListFormat::Ocsf
    }
}

/// A page of the log.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct EventPage {
    /// Events, newest first.
    data: Vec<ShownEvent>,
    /// How many match on all pages; with `q`, among the newest 10,000 that match otherwise.
    total: i64,
    /// From 1; 1 too where it was asked for by a cursor.
    page: usize,
    /// The most entries on a page.
    page_size: usize,
    /// For older events; null if there are none. With `q` it also leads on where 10,000 were looked through.
    cursor: Option<String>,
}

/// The events that are asked for, as far as they are the caller's to see: a page of them.
pub(super) async fn page(
    app: &App,
    caller: &Caller,
    asked: Asked,
    paging: LogPaging,
    form: &ListForm,
) -> Result<Json<EventPage>, ApiError> {
    let search = asked.by(app, caller).await?;
    let place = paging.place()?;
    let listed = log::list(app, &search, place.cursor.as_deref(), place.window).await?;
    Ok(Json(EventPage::new(listed, form, place.page, place.page_size)))
}

impl EventPage {
    fn new(listed: Listed, form: &ListForm, page: usize, page_size: usize) -> Self {
        let shown = |found| ShownEvent::new(found, form.is_ocsf());
        Self {
            data: listed.events.into_iter().map(shown).collect(),
            total: listed.total,
            page,
            page_size,
            cursor: listed.cursor,
        }
    }
}
