//! Who is in a workspace.

use hardpoint_domain::access::Role;
use hardpoint_domain::event::Target;
use hardpoint_store::members::{self, Member};
use hardpoint_store::workspaces::Workspace;
use hardpoint_store::{Lane, StoreError, Window};
use serde_json::{Value, json};

use super::workspaces::is_unbound;
use super::{Accounts, Happened, Principal, shown};
use crate::error::ApiError;

impl Accounts {
    /// Who is in a workspace, and how many they are.
    ///
    /// # Errors
    /// 404 for no such organisation or workspace.
    pub async fn members(
        &self,
        by: &Principal,
        organization_id: &str,
        workspace_id: &str,
        window: Window,
    ) -> Result<(Vec<Member>, i64), ApiError> {
        let workspace = self.workspace(by, organization_id, workspace_id).await?;
        let mut conn = self.store.read().await?;
        let found = members::list(&mut conn, &workspace.id, window).await?;
        Ok((found, members::count(&mut conn, &workspace.id).await?))
    }

    /// Puts a user into a workspace, or gives them another role there.
    ///
    /// # Errors
    /// 403 for a key that is bound to a workspace, and who does not administer this one; 404 for no such organisation, workspace or user; 422 for
    /// a role that nobody has in a workspace.
    pub async fn put_member(
        &self,
        by: &Principal,
        organization_id: &str,
        workspace_id: &str,
        user_id: &str,
        role: Role,
    ) -> Result<Member, ApiError> {
        let workspace = self.workspace(by, organization_id, workspace_id).await?;
        is_unbound(by)?;
        by.powers().permit_in(Some(workspace_id), Role::Admin)?;
        if role > Role::Admin {
            let message = "The 'role' field must be viewer, member or admin in a workspace.";
            return Err(ApiError::impossible("role", "enum", message));
        }
        let user = self.user(by, Some(organization_id), user_id).await?;
        let now = self.clock.now();
        let after = json!({ "user_id": user.id, "role": role });
        let happened = Happened::new(now, "workspace.member_put", target(&workspace), after);
        let (event, id) = (self.workspace_event(by, &workspace, happened), workspace.id);
        let write = self.store.write(Lane::Request, move |tx| {
            Box::pin(async move {
                members::put(tx, &id, &user.id, role, now).await?;
                tx.append(&event, &[]).await?;
                members::get(tx, &id, &user.id).await
            })
        });
        match write.await {
            // One of the two went in this very moment.
            Err(StoreError::Dangling) | Ok(None) => Err(no_member(user_id)),
            written => Ok(written?.ok_or_else(|| no_member(user_id))?),
        }
    }

    /// Takes a user out of a workspace.
    ///
    /// # Errors
    /// 403 for a key that is bound to a workspace, and who does not administer this one; 404 where they are not in it.
    pub async fn remove_member(
        &self,
        by: &Principal,
        organization_id: &str,
        workspace_id: &str,
        user_id: &str,
    ) -> Result<(), ApiError> {
        let workspace = self.workspace(by, organization_id, workspace_id).await?;
        is_unbound(by)?;
        by.powers().permit_in(Some(workspace_id), Role::Admin)?;
        let user = self.user(by, Some(organization_id), user_id).await?;
        let mut happened =
            Happened::new(self.clock.now(), "workspace.member_removed", target(&workspace), Value::Null);
        happened.before = json!({ "user_id": user.id });
        let (event, id) = (self.workspace_event(by, &workspace, happened), workspace.id);
        let write = self.store.write(Lane::Request, move |tx| {
            Box::pin(async move {
                let was_there = members::remove(tx, &id, &user.id).await?;
                if was_there {
                    tx.append(&event, &[]).await?;
                }
                Ok(was_there)
            })
        });
        if write.await? { Ok(()) } else { Err(no_member(user_id)) }
    }
}

fn target(workspace: &Workspace) -> Target {
    Target::new("workspace", workspace.id.as_str())
}

fn no_member(id: &str) -> ApiError {
    ApiError::not_found(format_args!("member `{}` of this workspace", shown(id)))
}
