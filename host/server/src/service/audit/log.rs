//! Reading the audit log: whose events somebody may see, and which of them they ask for.

use std::sync::Arc;

use hardpoint_domain::event::{Event, Target};
use hardpoint_domain::time::Timestamp;
use hardpoint_store::event_search::{self, Found, Search, Text};
use hardpoint_store::events::Cursor;
use hardpoint_store::{StoreError, Window, workspaces};
use serde_json::json;

use crate::caller::Caller;
use crate::error::ApiError;
use crate::service::accounts::text;
use crate::service::events::Author;
use crate::service::exporters::{parse_cursor, show_cursor, whose};
use crate::state::App;

/// Events that a stream reads at a time.
const PAGE: i64 = 200;
/// Events that one request looks through for text. Half of a second's work at most, however long the log is.
const LOOKED_THROUGH: u32 = 10_000;

/// Which events somebody asks for, as they wrote it.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// Of this organisation; an operator's default is all.
    pub organization_id: Option<String>,
    /// Of this workspace.
    pub workspace_id: Option<String>,
    /// Which this key or user caused.
    pub actor: Option<String>,
    /// Of this kind.
    pub action: Option<String>,
    /// About the thing of this id.
    pub target: Option<String>,
    /// Of this request.
    pub request_id: Option<String>,
    /// From then on, RFC 3339.
    pub since: Option<String>,
    /// Before then, RFC 3339.
    pub until: Option<String>,
    /// With this text in them. A request looks through a part of the log, and the next goes on from there.
    pub text: Option<String>,
}

/// Events, newest first.
#[derive(Clone, Debug)]
pub struct Listed {
    /// They.
    pub events: Vec<Found>,
    /// How many there are in all, whatever the cursor, or 10,000 where there are more; with a text, among the newest
    /// that one request looks through.
    pub total: i64,
    /// Where older ones go on, or where they were not looked through; none where there are none.
    pub cursor: Option<String>,
}

impl Asked {
    /// What of this the caller may see.
    ///
    /// # Errors
    /// 404 for what is not theirs, 400 for a time that is none and for text with a NUL.
    pub async fn by(self, app: &App, caller: &Caller) -> Result<Search, ApiError> {
        self.check()?;
        let search = self.searched(caller)?;
        match &search.workspace_id {
            Some(workspace) if caller.workspace_id.is_none() => {
                let known = is_known(app, search.organization_id.as_deref(), workspace).await?;
                if known { Ok(search) } else { Err(no_workspace(workspace)) }
            }
            _ => Ok(search),
        }
    }

    fn searched(self, caller: &Caller) -> Result<Search, ApiError> {
        let (organization_id, workspace) =
            whose(caller, self.organization_id.as_deref(), self.workspace_id.as_deref())?;
        Ok(Search {
            organization_id,
            workspace_id: workspace.map(str::to_owned),
            actor: self.actor,
            kind: self.action,
            target: self.target,
            request_id: self.request_id,
            since: time("since", self.since.as_deref())?,
            until: time("until", self.until.as_deref())?,
            text: self
                .text
                .filter(|text| !text.is_empty())
                .map(|wanted| Text { wanted, most: LOOKED_THROUGH }),
        })
    }

    /// Refuses text that no column holds, before an answer is begun.
    fn check(&self) -> Result<(), ApiError> {
        let all = [
            ("workspace_id", &self.workspace_id),
            ("actor", &self.actor),
            ("action", &self.action),
            ("target", &self.target),
            ("request_id", &self.request_id),
        ];
        match all.iter().find(|(_, text)| text.as_ref().is_some_and(|text| text.contains('\0'))) {
            None => Ok(()),
            Some((name, _)) => {
                let message = format!("The '{name}' parameter has a NUL in it.");
                Err(ApiError::bad_field(*name, "format", message))
            }
        }
    }
}

/// Whether a workspace is one of an organisation's, or was: what happened in it stays when it is removed. Without an
/// organisation an operator asks, who may name any.
async fn is_known(app: &App, organization: Option<&str>, workspace: &str) -> Result<bool, ApiError> {
    let Some(organization) = organization else { return Ok(true) };
    let mut conn = app.store.read().await?;
    if workspaces::get(&mut conn, organization, workspace).await?.is_some() {
        return Ok(true);
    }
    let any = Search {
        organization_id: Some(organization.to_owned()),
        workspace_id: Some(workspace.to_owned()),
        ..Search::default()
    };
    let found = event_search::page(&mut conn, &any, None, Window { limit: 1, offset: 0 }).await?;
    Ok(!found.is_empty())
}

fn no_workspace(id: &str) -> ApiError {
    ApiError::not_found(format_args!("workspace `{id}`"))
}

fn time(name: &str, given: Option<&str>) -> Result<Option<Timestamp>, ApiError> {
    given.map(|given| text::time(name, given)).transpose()
}

/// A page of events, newest first, of those before `cursor`.
///
/// # Errors
/// 400 for a cursor that is none.
pub async fn list(
    app: &App,
    search: &Search,
    cursor: Option<&str>,
    window: Window,
) -> Result<Listed, ApiError> {
    let before = cursor.map(parse_cursor).transpose()?;
    let mut conn = app.store.read().await?;
    let one_more = Window { limit: window.limit + 1, ..window };
    let mut events = event_search::page(&mut conn, search, before.as_ref(), one_more).await?;
    let total = event_search::count(&mut conn, search).await?;
    let has_more = i64::try_from(events.len()).is_ok_and(|found| found > window.limit);
    if has_more {
        events.pop();
    }
    let end = match has_more {
        true => events.last().map(|last| place(&last.event)),
        false => event_search::looked_to(&mut conn, search, before.as_ref()).await?,
    };
    Ok(Listed { events, total, cursor: end.map(show_cursor) })
}

fn place(event: &Event) -> Cursor {
    Cursor { time: event.time, id: event.id.clone() }
}

/// Events that leave the house, newest first, read as they are taken: no more than a page of them is in memory.
pub struct Stream {
    app: Arc<App>,
    search: Search,
    before: Cursor,
    left: i64,
}

/// Begins an export of the newest `limit` events before `cursor`, and writes down that somebody did.
///
/// # Errors
/// 400 for a cursor that is none.
pub async fn export(
    app: &Arc<App>,
    caller: &Caller,
    search: Search,
    cursor: Option<&str>,
    limit: Option<i64>,
    format: &str,
) -> Result<Stream, ApiError> {
    let before = cursor.map(parse_cursor).transpose()?;
    let now = app.clock.now();
    let asked = json!({
        "format": format,
        "limit": limit,
        "type": search.kind,
        "actor": search.actor,
        "target": search.target,
        "request_id": search.request_id,
        "workspace_id": search.workspace_id,
        "since": search.since.map(Timestamp::to_rfc3339),
        "until": search.until.map(Timestamp::to_rfc3339),
    });
    let of = search.organization_id.clone();
    let target = Target::new("audit_log", of.as_deref().unwrap_or("platform"));
    let event = Author::from(caller).event(now, &*app.rng, super::EXPORTED, target, asked);
    let event = Event { organization_id: of.or_else(|| Some(caller.organization_id.clone())), ..event };
    // It is not part of what it tells of.
    let before = before.unwrap_or_else(|| place(&event));
    super::note(&app.store, event).await?;
    Ok(Stream { app: app.clone(), search, before, left: limit.unwrap_or(i64::MAX) })
}

impl Stream {
    /// The next events; none after the last.
    ///
    /// # Errors
    /// The store's: what was given is not all.
    pub async fn next(&mut self) -> Result<Vec<Found>, StoreError> {
        let limit = self.left.min(PAGE);
        if limit == 0 {
            return Ok(Vec::new());
        }
        let mut conn = self.app.store.read().await?;
        let page =
            event_search::page(&mut conn, &self.search, Some(&self.before), Window { limit, offset: 0 })
                .await?;
        self.left -= limit;
        match page.last() {
            Some(last) => self.before = place(&last.event),
            None => self.left = 0,
        }
        Ok(page)
    }
}
