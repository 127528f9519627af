//! The people of an organisation.

use std::time::Duration;

use hardpoint_domain::access::{Excess, Role};
use hardpoint_domain::catalogue::{Counted, Upgrade};
use hardpoint_domain::event::Target;
use hardpoint_domain::{email, id};
use hardpoint_store::users::{self, State, User};
use hardpoint_store::{Lane, StoreError, Tx, Window, logins, mails, organizations};
use serde_json::{Value, json};

use super::workspaces::is_unbound;
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

/// What became of a change.
enum Changed {
    Done,
    NotThere,
    /// Nobody else owns the organisation.
    LastOwner,
    /// They would need a seat, and the plan has none left.
    NoSeat(Upgrade),
}

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
    /// 400 names the field; 402 where the plan has no seat left; 403 for a role above the caller's own; 404 for no
    /// such organisation; 409 for an address that is there already.
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
        may_change(by, role)?;
        let organization = self.organization(by, organization_id).await?;
        let now = self.clock.now();
        let letter = letters::invitation(&email, &organization.name, role, now);
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
        let before = self.user(by, organization_id, id).await?;
        may_change(by, before.role)?;
        let now = self.clock.now();
        let state = match change.is_active {
            Some(false) => State::Deactivated,
            Some(true) => State::Active,
            None => before.state,
        };
        let after = User {
            name: change.name.unwrap_or_else(|| before.name.clone()),
            role: change.role.unwrap_or(before.role),
            state,
            updated_at: now,
            ..before.clone()
        };
        text::line("name", &after.name, LONGEST_NAME)?;
        may_change(by, after.role)?;
        let kind = match (before.state == state, before.role == after.role) {
            (false, _) if state == State::Deactivated => "user.deactivated",
            (false, _) => "user.activated",
            (true, false) => "user.role_changed",
            (true, true) => "user.updated",
        };
        let mut happened = Happened::new(now, kind, target(id), described(&after));
        happened.before = described(&before);
        let event = self.event(by, &after.organization_id, happened);
        let is_owner = |user: &User| user.role == Role::Owner && user.state != State::Deactivated;
        let loses_owner = is_owner(&before) && !is_owner(&after);
        let (new, allowance) = (after.clone(), self.allowance(by));
        let write = self.store.write(Lane::Request, move |tx| {
            Box::pin(async move {
                if loses_owner {
                    // Two owners who remove each other at once must not both find the other one there.
                    organizations::hold(tx, &new.organization_id).await?;
                    if users::other_owners(tx, &new.organization_id, &new.id).await? == 0 {
                        return Ok(Changed::LastOwner);
                    }
                }
                if new.state != State::Deactivated
                    && has_no_seat(tx, &new).await?
                    && let Err(upgrade) =
                        allowance.room(tx, &new.organization_id, Counted::Seats, now).await?
                {
                    return Ok(Changed::NoSeat(upgrade));
                }
                if !users::update(tx, &new).await? {
                    return Ok(Changed::NotThere);
                }
                if new.state == State::Deactivated {
                    // Who is let in again later logs in again.
                    logins::end_all(tx, &new.id).await?;
                }
                tx.append(&event, &[]).await?;
                Ok(Changed::Done)
            })
        });
        match write.await? {
            Changed::Done => Ok(after),
            Changed::NotThere => Err(no_user(id)),
            Changed::NoSeat(upgrade) => Err(upgrade.into()),
            Changed::LastOwner => Err(ApiError::conflict(
                "Nobody else owns this organisation. Make somebody else an owner first.",
            )),
        }
    }
}

/// Whether somebody is deactivated as it stands: who was so when the change began may not be any more.
async fn has_no_seat(tx: &mut Tx, user: &User) -> Result<bool, StoreError> {
    let found = users::get(tx, &user.organization_id, &user.id).await?;
    Ok(found.is_some_and(|found| found.state == State::Deactivated))
}

/// Nobody gives, takes or changes more than they are.
fn may_change(by: &Principal, role: Role) -> Result<(), ApiError> {
    is_unbound(by)?;
    if role > by.powers().role { Err(Excess::Role(role).into()) } else { Ok(()) }
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
