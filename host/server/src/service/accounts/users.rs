//! The people of an organisation.

use std::time::Duration;

use hardpoint_domain::access::{Excess, Powers, Role};
use hardpoint_domain::catalogue::Counted;
use hardpoint_domain::event::{Event, Target};
use hardpoint_domain::time::Timestamp;
use hardpoint_domain::{email, id};
use hardpoint_store::users::{self, State, User};
use hardpoint_store::{Lane, StoreError, Tx, Window, logins, mails, organizations};
use serde_json::{Value, json};

use super::workspaces::{is_live, is_unbound};
use super::{Accounts, Happened, Principal, shown, text};
use crate::error::ApiError;
use crate::service::mail::letters;

const LONGEST_NAME: usize = 200;

/// How long a server that takes no mail is asked again to take an invitation.
const INVITATION_LIFE: Duration = Duration::from_secs(3 * 86_400);

/// What of a user is to be written; the rest stays as it is.
#[derive(Clone, Debug, Default)]
pub struct Change {
    /// For people; may be empty.
    pub name: Option<String>,
    /// What they are to be.
    pub role: Option<Role>,
    /// Whether they may come in.
    pub is_active: Option<bool>,
}

/// The user as they are then, or why they are not.
type Changed = Result<User, ApiError>;

impl Accounts {
    /// An organisation's users, newest first, and how many there are.
    ///
    /// # Errors
    /// 403 for a key that is bound to a workspace; 404 for no such organisation.
    pub async fn users(
        &self,
        by: &Principal,
        organization_id: Option<&str>,
        window: Window,
    ) -> Result<(Vec<User>, i64), ApiError> {
        let organization_id = self.existing(by, organization_id).await?;
        is_unbound(by)?;
        let mut conn = self.store.read().await?;
        let found = users::list(&mut conn, &organization_id, window).await?;
        Ok((found, users::count(&mut conn, &organization_id).await?))
    }

    /// A user of an organisation.
    ///
    /// # Errors
    /// 403 for a key that is bound to a workspace; 404 where there is none.
    pub async fn user(
        &self,
        by: &Principal,
        organization_id: Option<&str>,
        id: &str,
    ) -> Result<User, ApiError> {
        let organization_id = self.existing(by, organization_id).await?;
        is_unbound(by)?;
        let found = match id::looks_like("user", id) {
            true => users::get(&mut self.store.read().await?, &organization_id, id).await?,
            false => None,
        };
        found.ok_or_else(|| no_user(id))
    }

    /// The organisation that a user is in; for the command line, which sees all of them.
    ///
    /// # Errors
    /// 404 where there is no such user.
    pub async fn organization_of_user(&self, id: &str) -> Result<String, ApiError> {
        let found = match id::looks_like("user", id) {
            true => users::find(&mut self.store.read().await?, id).await?,
            false => None,
        };
        found.map(|user| user.organization_id).ok_or_else(|| no_user(id))
    }

    /// Lets somebody in, and writes to them.
    ///
    /// # Errors
    /// 400 names the field; 402 where the plan has no seat left; 403 for a role that may do more than the caller; 404
    /// for no such organisation; 409 for an address that is there already.
    pub async fn invite_user(
        &self,
        by: &Principal,
        organization_id: Option<&str>,
        address: &str,
        name: String,
        role: Role,
    ) -> Result<User, ApiError> {
        let email = email::normal(address).ok_or_else(|| {
            ApiError::bad_field("email", "email", "The 'email' field must be an e-mail address.")
        })?;
        text::line("name", &name, LONGEST_NAME)?;
        may_give(by, role)?;
        let organization = self.organization(by, organization_id).await?;
        let now = self.clock.now();
        let letter = letters::invitation(&email, &organization, role, now);
        let mail = self.post.seal(&letter, INVITATION_LIFE, true)?;
        let user = User {
            id: id::prefixed("user", now, &*self.rng),
            organization_id: organization.id,
            email,
            name,
            role,
            state: State::Invited,
            created_at: now,
            updated_at: now,
        };
        let happened = Happened::new(now, "user.created", target(&user.id), described(&user));
        let (event, new) = (self.event(by, &user.organization_id, happened), user.clone());
        let allowance = self.allowance(by);
        let write = self.store.write(Lane::Request, move |tx| {
            Box::pin(async move {
                let room = allowance.room(tx, &new.organization_id, Counted::Seats, now).await?;
                if room.is_ok() {
                    users::create(tx, &new).await?;
                    mails::insert(tx, &mail).await?;
                    tx.append(&event, &[]).await?;
                }
                Ok(room)
            })
        });
        match write.await {
            Err(StoreError::Duplicate { .. }) => {
                let message = "There is a user of this address already.";
                Err(ApiError::conflict(message).with_detail("field", "email"))
            }
            written => {
                written??;
                self.post.ring();
                Ok(user)
            }
        }
    }

    /// Changes what somebody is called or is, or whether they may come in.
    ///
    /// # Errors
    /// 400 names the field; 402 where the plan has no seat left for somebody who had none; 403 for somebody, or a
    /// role, above the caller's own; 404; 409 where nobody would own the organisation any more.
    pub async fn change_user(
        &self,
        by: &Principal,
        organization_id: Option<&str>,
        id: &str,
        change: Change,
    ) -> Result<User, ApiError> {
        let user = self.user(by, organization_id, id).await?;
        if let Some(name) = &change.name {
            text::line("name", name, LONGEST_NAME)?;
        }
        let edit = Edit { accounts: self.clone(), by: by.clone(), change, now: self.clock.now() };
        let write =
            self.store.write(Lane::Request, move |tx| Box::pin(async move { edit.write(tx, &user).await }));
        write.await?
    }
}

/// A change on its way. All of it is decided on what is true in its transaction: what was read before may be over.
struct Edit {
    accounts: Accounts,
    by: Principal,
    change: Change,
    now: Timestamp,
}

impl Edit {
    async fn write(
        self,
        tx: &mut Tx,
        User { id, organization_id, .. }: &User,
    ) -> Result<Changed, StoreError> {
        // Owners are counted and seats taken by one at a time: of two owners who remove each other at once, both
        // would find the other one there.
        organizations::hold(tx, organization_id).await?;
        let Some(before) = users::hold(tx, id).await? else { return Ok(Err(no_user(id))) };
        let after = self.changed(&before);
        if let Err(refused) = permit(&self.by, &before, &after) {
            return Ok(Err(refused));
        }
        if is_owner(&before) && !is_owner(&after) && users::other_owners(tx, organization_id, id).await? == 0
        {
            return Ok(Err(last_owner()));
        }
        if before.state == State::Deactivated && after.state != State::Deactivated {
            let allowance = self.accounts.allowance(&self.by);
            if let Err(upgrade) = allowance.room(tx, organization_id, Counted::Seats, self.now).await? {
                return Ok(Err(upgrade.into()));
            }
        }
        users::update(tx, &after).await?;
        if after.state == State::Deactivated {
            // Who is let in again later logs in again.
            logins::end_all(tx, id).await?;
        }
        tx.append(&self.event(&before, &after), &[]).await?;
        Ok(Ok(after))
    }

    fn changed(&self, before: &User) -> User {
        let Change { name, role, is_active } = &self.change;
        User {
            name: name.clone().unwrap_or_else(|| before.name.clone()),
            role: role.unwrap_or(before.role),
            state: match is_active {
                Some(false) => State::Deactivated,
                Some(true) => State::Active,
                None => before.state,
            },
            updated_at: self.now,
            ..before.clone()
        }
    }

    fn event(&self, before: &User, after: &User) -> Event {
        let kind = match (before.state == after.state, before.role == after.role) {
            (false, _) if after.state == State::Deactivated => "user.deactivated",
            (false, _) => "user.activated",
            (true, false) => "user.role_changed",
            (true, true) => "user.updated",
        };
        let mut happened = Happened::new(self.now, kind, target(&after.id), described(after));
        happened.before = described(before);
        self.accounts.event(&self.by, &after.organization_id, happened)
    }
}

/// Whether somebody may make of a user what they are to be.
fn permit(by: &Principal, before: &User, after: &User) -> Result<(), ApiError> {
    may_change(by, before.role)?;
    may_change(by, after.role)?;
    let comes_back = before.state == State::Deactivated && after.state != State::Deactivated;
    if after.role > before.role || comes_back { may_give(by, after.role) } else { Ok(()) }
}

fn is_owner(user: &User) -> bool {
    user.role == Role::Owner && user.state != State::Deactivated
}

fn last_owner() -> ApiError {
    ApiError::conflict("Nobody else owns this organisation. Make somebody else an owner first.")
}

/// Nobody gives, takes or changes more than they are.
fn may_change(by: &Principal, role: Role) -> Result<(), ApiError> {
    is_unbound(by)?;
    is_live(by)?;
    if role > by.powers().role { Err(Excess::Role(role).into()) } else { Ok(()) }
}

/// Whoever logs in may do all that their role allows. So nobody lets in, or makes more of, somebody who could then do
/// what they cannot do themselves.
fn may_give(by: &Principal, role: Role) -> Result<(), ApiError> {
    may_change(by, role)?;
    let people = Powers { role, workspaces: &[], scopes: &[], workspace_id: None, livemode: true };
    by.powers().cover(&people).map_err(|excess| match excess {
        Excess::Unscoped | Excess::Livemode => ApiError::forbidden(format!(
            "Who logs in may do all that the role `{role}` allows, and this key may not: nobody is let in, or made \
             more, with a key that has scopes, or with a test key."
        )),
        excess => excess.into(),
    })
}

fn target(id: &str) -> Target {
    Target::new("user", id)
}

fn described(user: &User) -> Value {
    json!({ "email": user.email, "name": user.name, "role": user.role, "status": user.state })
}

fn no_user(id: &str) -> ApiError {
    ApiError::not_found(format_args!("user `{}`", shown(id)))
}
