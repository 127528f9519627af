//! Organisations, their people, workspaces and keys: over a store alone, so that the command line does the
//! same as the API, whether or not a server is running.

mod allowance;
pub mod credits;
pub mod history;
pub mod keys;
pub mod limits;
mod members;
pub mod organizations;
pub(crate) mod text;
pub mod users;
pub mod workspaces;

use std::sync::Arc;

use hardpoint_domain::access::{Powers, Role};
use hardpoint_domain::catalogue::Catalogue;
use hardpoint_domain::event::{Event, Target};
use hardpoint_domain::time::{Clock, Rng, Timestamp};
use hardpoint_store::Store;
use serde_json::Value;

use crate::caller::Caller;
use crate::error::ApiError;
use crate::service::events::Author;
use crate::service::mail::Post;
use crate::state::App;

/// What this needs.
#[derive(Clone)]
pub struct Accounts {
    /// Where everything is.
    pub store: Store,
    /// The present.
    pub clock: Arc<dyn Clock>,
    /// For ids and keys.
    pub rng: Arc<dyn Rng>,
    /// For invitations.
    pub post: Post,
    /// What each plan includes.
    pub plans: Arc<Catalogue>,
}

/// Who acts.
#[derive(Clone, Debug)]
pub enum Principal {
    /// Somebody at the host's command line, who may do everything.
    Cli,
    /// The caller of a request.
    Caller(Caller),
}

impl Accounts {
    /// Of a running server.
    pub fn of(app: &App) -> Self {
        Self {
            store: app.store.clone(),
            clock: app.clock.clone(),
            rng: app.rng.clone(),
            post: app.post.clone(),
            plans: app.effective().config.plans.clone(),
        }
    }

    /// An event of an organisation.
    fn event(&self, by: &Principal, organization_id: &str, happened: Happened) -> Event {
        let Happened { now, kind, target, before, after, workspace_id } = happened;
        let event = by.author().event(now, &*self.rng, kind, target, after);
        Event {
            organization_id: Some(organization_id.to_owned()),
            workspace_id: workspace_id.or_else(|| event.workspace_id.clone()),
            before: (!before.is_null()).then_some(before),
            ..event
        }
    }
}

/// What an event tells, besides whose it is and who did it.
struct Happened {
    now: Timestamp,
    kind: &'static str,
    target: Target,
    before: Value,
    after: Value,
    workspace_id: Option<String>,
}

impl Happened {
    fn new(now: Timestamp, kind: &'static str, target: Target, after: Value) -> Self {
        Self { now, kind, target, before: Value::Null, after, workspace_id: None }
    }
}

impl From<Caller> for Principal {
    fn from(caller: Caller) -> Self {
        Self::Caller(caller)
    }
}

impl Principal {
    /// What they may do.
    pub fn powers(&self) -> Powers<'_> {
        match self {
            Self::Cli => {
                let (role, workspace_id) = (Role::Operator, None);
                Powers { role, workspaces: &[], scopes: &[], workspace_id, livemode: true }
            }
            Self::Caller(caller) => caller.powers(),
        }
    }

    pub(crate) fn author(&self) -> Author {
        match self {
            Self::Cli => Author::cli(),
            Self::Caller(caller) => Author::from(caller),
        }
    }

    /// Whether an organisation is theirs to see. It may not exist.
    pub(crate) fn reaches(&self, organization_id: &str) -> bool {
        match self {
            Self::Cli => true,
            Self::Caller(caller) => {
                caller.role == Role::Operator || caller.organization_id == organization_id
            }
        }
    }

    /// The organisation that is meant: the one that is named, else their own. It may not exist.
    fn organization(&self, named: Option<&str>) -> Result<String, ApiError> {
        match (named, self) {
            (Some(named), _) if self.reaches(named) => Ok(named.to_owned()),
            (Some(named), _) => Err(no_organization(named)),
            (None, Self::Caller(caller)) => Ok(caller.organization_id.clone()),
            (None, Self::Cli) => {
                Err(ApiError::bad_field("organization_id", "required", "An organisation must be named."))
            }
        }
    }

    /// Whose events and destinations are meant: an operator may name any organisation or none, everybody else has but
    /// their own.
    ///
    /// # Errors
    /// 404 for what is not theirs.
    pub(in crate::service) fn whose(&self, named: Option<&str>) -> Result<Option<String>, ApiError> {
        match named {
            None if self.powers().role == Role::Operator => Ok(None),
            named => self.organization(named).map(Some),
        }
    }

    /// Whether they came with this key.
    fn holds(&self, key_id: &str) -> bool {
        matches!(self, Self::Caller(caller) if caller.key_id == key_id)
    }

    /// The id of a user who is this much in workspaces at most, and less in the organisation.
    fn only_in_workspaces(&self, role: Role) -> Option<&str> {
        match self {
            Self::Caller(caller) if caller.role < role => caller.user.as_ref().map(|user| user.id.as_str()),
            _ => None,
        }
    }

    /// Whether something that belongs to a workspace, or to none, is theirs to see.
    fn sees(&self, workspace_id: Option<&str>) -> bool {
        self.powers().workspace_id.is_none_or(|bound| Some(bound) == workspace_id)
    }
}

pub(in crate::service) fn no_organization(id: &str) -> ApiError {
    ApiError::not_found(format_args!("organisation `{}`", shown(id)))
}

/// Text of the client's, cut to what an error should repeat.
pub(crate) fn shown(text: &str) -> String {
    text.chars().take(80).collect()
}
