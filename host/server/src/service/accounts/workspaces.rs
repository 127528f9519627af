//! Workspaces.

use hardpoint_domain::access::{Excess, Role};
use hardpoint_domain::event::{Event, Target};
use hardpoint_domain::id;
use hardpoint_store::workspaces::{self, Workspace};
use hardpoint_store::{Lane, StoreError, Window, keys, members};
use serde_json::{Value, json};

use super::{Accounts, Happened, Principal, shown, text};
use crate::error::ApiError;

const LONGEST_NAME: usize = 100;
const LONGEST_DESCRIPTION: usize = 1_000;

/// What of a workspace is to be written; the rest stays as it is.
#[derive(Clone, Debug, Default)]
pub struct Change {
    /// Unique in its organisation.
    pub name: Option<String>,
    /// For people; may be empty.
    pub description: Option<String>,
}

/// What became of removing a workspace.
enum Removal {
    Done,
    NotThere,
    /// Keys are bound to it.
    InUse,
}

impl Accounts {
    /// An organisation's workspaces that are the caller's to see, newest first, and how many there are.
    ///
    /// # Errors
    /// 404 for no such organisation.
    pub async fn workspaces(
        &self,
        by: &Principal,
        organization_id: &str,
        window: Window,
    ) -> Result<(Vec<Workspace>, i64), ApiError> {
        let organization_id = self.existing(by, Some(organization_id)).await?;
        let mut conn = self.store.read().await?;
        if let Some(only) = by.powers().workspace_id {
            let found: Vec<_> =
                workspaces::get(&mut conn, &organization_id, only).await?.into_iter().collect();
            let total = found.len() as i64;
            let on_page = if window.offset == 0 { found } else { Vec::new() };
            return Ok((on_page, total));
        }
        let found = workspaces::list(&mut conn, &organization_id, window).await?;
        Ok((found, workspaces::count(&mut conn, &organization_id).await?))
    }

    /// A workspace that is the caller's to see.
    ///
    /// # Errors
    /// 404 where there is none.
    pub async fn workspace(
        &self,
        by: &Principal,
        organization_id: &str,
        id: &str,
    ) -> Result<Workspace, ApiError> {
        let organization_id = self.existing(by, Some(organization_id)).await?;
        let is_theirs = id::looks_like("ws", id) && by.sees(Some(id));
        let found = match is_theirs {
            true => workspaces::get(&mut self.store.read().await?, &organization_id, id).await?,
            false => None,
        };
        found.ok_or_else(|| no_workspace(id))
    }

    /// Makes a workspace.
    ///
    /// # Errors
    /// 400 names the field; 403 for a key that is bound to a workspace, and who administers less than the organisation;
    /// 404 for no such organisation; 409 for a name that is taken.
    pub async fn create_workspace(
        &self,
        by: &Principal,
        organization_id: &str,
        name: String,
        description: String,
    ) -> Result<Workspace, ApiError> {
        let organization_id = self.existing(by, Some(organization_id)).await?;
        is_unbound(by)?;
        by.powers().permit_in(None, Role::Admin)?;
        check(&name, &description)?;
        let now = self.clock.now();
        let id = id::prefixed("ws", now, &*self.rng);
        let workspace =
            Workspace { id, organization_id, name, description, created_at: now, updated_at: now };
        let created = Happened::new(now, "workspace.created", target(&workspace.id), described(&workspace));
        let (event, new) = (self.workspace_event(by, &workspace, created), workspace.clone());
        let write = self.store.write(Lane::Request, move |tx| {
            Box::pin(async move {
                workspaces::create(tx, &new).await?;
                tx.append(&event, &[]).await
            })
        });
        write.await.map_err(taken)?;
        Ok(workspace)
    }

    /// Changes a workspace's name or description.
    ///
    /// # Errors
    /// 400 names the field; 403 for a key that is bound to a workspace, and who does not administer this one; 404; 409
    /// for a name that is taken.
    pub async fn update_workspace(
        &self,
        by: &Principal,
        organization_id: &str,
        id: &str,
        change: Change,
    ) -> Result<Workspace, ApiError> {
        let before = self.workspace(by, organization_id, id).await?;
        is_unbound(by)?;
        by.powers().permit_in(Some(id), Role::Admin)?;
        let now = self.clock.now();
        let after = Workspace {
            name: change.name.unwrap_or_else(|| before.name.clone()),
            description: change.description.unwrap_or_else(|| before.description.clone()),
            updated_at: now,
            ..before.clone()
        };
        check(&after.name, &after.description)?;
        let mut updated = Happened::new(now, "workspace.updated", target(id), described(&after));
        updated.before = described(&before);
        let (event, new) = (self.workspace_event(by, &after, updated), after.clone());
        let write = self.store.write(Lane::Request, move |tx| {
            Box::pin(async move {
                let is_there = workspaces::update(tx, &new).await?;
                if is_there {
                    tx.append(&event, &[]).await?;
                }
                Ok(is_there)
            })
        });
        if write.await.map_err(taken)? { Ok(after) } else { Err(no_workspace(id)) }
    }

    /// Removes a workspace to which no key is bound but archived ones, which it lets go of.
    ///
    /// # Errors
    /// 403 for a key that is bound to a workspace, and who administers less than the organisation; 404; 409 while keys
    /// are bound to it.
    pub async fn delete_workspace(
        &self,
        by: &Principal,
        organization_id: &str,
        id: &str,
    ) -> Result<(), ApiError> {
        let workspace = self.workspace(by, organization_id, id).await?;
        is_unbound(by)?;
        // That it is there at all is the organisation's affair.
        by.powers().permit_in(None, Role::Admin)?;
        let mut deleted = Happened::new(self.clock.now(), "workspace.deleted", target(id), Value::Null);
        deleted.before = described(&workspace);
        let event = self.workspace_event(by, &workspace, deleted);
        let write = self.store.write(Lane::Request, move |tx| {
            Box::pin(async move {
                if keys::count_bound(tx, &workspace.id).await? > 0 {
                    return Ok(Removal::InUse);
                }
                keys::unbind_archived(tx, &workspace.id).await?;
                members::clear(tx, &workspace.id).await?;
                if !workspaces::delete(tx, &workspace.organization_id, &workspace.id).await? {
                    return Ok(Removal::NotThere);
                }
                tx.append(&event, &[]).await?;
                Ok(Removal::Done)
            })
        });
        match write.await {
            Ok(Removal::Done) => Ok(()),
            Ok(Removal::NotThere) => Err(no_workspace(id)),
            // Or one was bound to it in this very moment.
            Ok(Removal::InUse) | Err(StoreError::Dangling) => {
                let message = "API keys are bound to this workspace. Archive or delete them first.";
                Err(ApiError::conflict(message))
            }
            Err(error) => Err(error.into()),
        }
    }

    pub(super) fn workspace_event(&self, by: &Principal, workspace: &Workspace, happened: Happened) -> Event {
        let happened = Happened { workspace_id: Some(workspace.id.clone()), ..happened };
        self.event(by, &workspace.organization_id, happened)
    }
}

/// Workspaces, users and the budget are the organisation's: who is bound to one workspace changes none of them.
pub(crate) fn is_unbound(by: &Principal) -> Result<(), ApiError> {
    if by.powers().workspace_id.is_some() { Err(Excess::Workspace.into()) } else { Ok(()) }
}

/// Users and the budget are of live requests: who has a test key changes none of them, and writes to nobody.
pub(crate) fn is_live(by: &Principal) -> Result<(), ApiError> {
    if by.powers().livemode { Ok(()) } else { Err(Excess::Livemode.into()) }
}

fn check(name: &str, description: &str) -> Result<(), ApiError> {
    text::name("name", name, LONGEST_NAME)?;
    text::lines("description", description, LONGEST_DESCRIPTION)
}

fn target(id: &str) -> Target {
    Target::new("workspace", id)
}

fn described(workspace: &Workspace) -> Value {
    json!({ "name": workspace.name, "description": workspace.description })
}

fn taken(error: StoreError) -> ApiError {
    match error {
        StoreError::Duplicate { .. } => {
            ApiError::conflict("There is a workspace of this name already.").with_detail("field", "name")
        }
        error => error.into(),
    }
}

fn no_workspace(id: &str) -> ApiError {
    ApiError::not_found(format_args!("workspace `{}`", shown(id)))
}
