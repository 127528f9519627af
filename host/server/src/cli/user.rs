//! `hardpoint user`: works on the store, whether or not a server is running; a running one sends the mail.

use clap::{Args, Subcommand};
use hardpoint_domain::access::Role;

use super::org::Part;
use super::{Common, Failure, print_json, with_accounts};
use crate::api::users::User;
use crate::service::accounts::users::Change;
use crate::service::accounts::{Accounts, Principal};

#[derive(Subcommand)]
pub(super) enum Command {
    /// List an organisation's users, newest first, deactivated ones too.
    #[command(after_help = "Example:
  hardpoint user list --org org_0192… --json")]
    List {
        /// org_…
        #[arg(long)]
        org: String,
        #[command(flatten)]
        list: Part,
    },
    /// Invite somebody into an organisation, by mail.
    #[command(after_help = "Examples:
  hardpoint user invite ann@example.com --org org_0192… --role admin
  hardpoint user invite boss@example.com --org org_0192… --role operator --name Boss")]
    Invite {
        /// Their address.
        email: String,
        /// org_…
        #[arg(long)]
        org: String,
        /// viewer, member, admin, owner or operator.
        #[arg(long, default_value = "member")]
        role: Role,
        /// For people.
        #[arg(long, default_value = "")]
        name: String,
        /// For programs.
        #[arg(long)]
        json: bool,
    },
    /// Make somebody more, or less.
    #[command(after_help = "Example:
  hardpoint user role user_0192… owner")]
    Role {
        #[command(flatten)]
        one: One,
        /// viewer, member, admin, owner or operator.
        role: Role,
    },
    /// Let somebody in no more, and end their sessions; who they were stays.
    #[command(after_help = "Example:
  hardpoint user deactivate user_0192…")]
    Deactivate(One),
    /// Let somebody in again.
    #[command(after_help = "Example:
  hardpoint user activate user_0192…")]
    Activate(One),
}

#[derive(Args)]
pub(super) struct One {
    /// user_…
    id: String,
    /// For programs.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(common: &Common, command: Command) -> Result<(), Failure> {
    let looks = matches!(command, Command::List { .. });
    with_accounts(common, looks, async |accounts| act(accounts, command).await)
}

async fn act(accounts: &Accounts, command: Command) -> Result<(), Failure> {
    let by = Principal::Cli;
    match command {
        Command::List { org, list } => {
            let (users, total) = accounts.users(&by, Some(&org), list.window()).await?;
            let users: Vec<User> = users.into_iter().map(User::from).collect();
            if list.json {
                return print_json(&users);
            }
            users.iter().for_each(tell);
            list.tell_rest(users.len(), total);
            Ok(())
        }
        Command::Invite { email, org, role, name, json } => {
            let user = accounts.invite_user(&by, Some(&org), &email, name, role).await?;
            show(&user.into(), json)
        }
        Command::Role { one, role } => {
            one.change(accounts, Change { role: Some(role), ..Change::default() }).await
        }
        Command::Deactivate(one) => {
            one.change(accounts, Change { is_active: Some(false), ..Change::default() }).await
        }
        Command::Activate(one) => {
            one.change(accounts, Change { is_active: Some(true), ..Change::default() }).await
        }
    }
}

impl One {
    async fn change(&self, accounts: &Accounts, change: Change) -> Result<(), Failure> {
        let org = accounts.organization_of_user(&self.id).await?;
        let changed = accounts.change_user(&Principal::Cli, Some(&org), &self.id, change).await?;
        show(&changed.into(), self.json)
    }
}

fn show(user: &User, json: bool) -> Result<(), Failure> {
    if json {
        return print_json(user);
    }
    tell(user);
    Ok(())
}

fn tell(user: &User) {
    let User { id, email, name, role, status, .. } = user;
    println!("{id}  {:<11}  {:<8}  {email}  {name}", status.as_str(), role.as_str());
}
