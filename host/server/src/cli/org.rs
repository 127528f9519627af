//! `hardpoint org`: works on the store, whether or not a server is running.

use clap::{Args, Subcommand};
use hardpoint_store::Window;

use super::org_limits::{self, Limited};
use super::{Common, Failure, print_json, with_accounts};
use crate::api::org::Organization;
use crate::service::accounts::{Accounts, Principal};

#[derive(Subcommand)]
pub(super) enum Command {
    /// Make an organisation.
    #[command(after_help = "Example:
  hardpoint org create \"Acme Inc.\" --plan professional")]
    Create {
        /// For people.
        name: String,
        /// free, standard, professional or enterprise.
        #[arg(long, default_value = "free")]
        plan: String,
        /// For programs.
        #[arg(long)]
        json: bool,
    },
    /// List organisations, newest first.
    #[command(after_help = "Example:
  hardpoint org list --limit 10")]
    List(Part),
    /// Show an organisation.
    #[command(after_help = "Example:
  hardpoint org show org_0192… --json")]
    Show {
        /// org_…
        id: String,
        /// For programs.
        #[arg(long)]
        json: bool,
    },
    /// Put an organisation on another plan.
    #[command(after_help = "Example:
  hardpoint org plan org_0192… standard")]
    Plan {
        /// org_…
        id: String,
        /// free, standard, professional or enterprise.
        plan: String,
        /// For programs.
        #[arg(long)]
        json: bool,
    },
    /// Show the limits of an organisation, or give it others than its plan's, lower or higher.
    ///
    /// What is not given stays as it is. Running hosts know within a second.
    #[command(after_help = "Examples:
  hardpoint org limits org_0192…
  hardpoint org limits org_0192… --requests-per-minute 600 --concurrent-requests 40
  hardpoint org limits org_0192… --requests-per-minute plan
  hardpoint org limits org_0192… --reset")]
    Limits(Limited),
}

/// Which part of a list, and how it is shown.
#[derive(Args)]
pub(super) struct Part {
    /// At most so many.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(i64).range(1..=1_000))]
    limit: i64,
    /// After the first so many.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(i64).range(0..))]
    offset: i64,
    /// For programs.
    #[arg(long)]
    pub(super) json: bool,
}

impl Part {
    pub(super) fn window(&self) -> Window {
        Window { limit: self.limit, offset: self.offset }
    }

    /// Says how much there is beside what was shown.
    pub(super) fn tell_rest(&self, shown: usize, total: i64) {
        if (shown as i64) < total {
            println!("{shown} of {total}; --limit and --offset show others.");
        }
    }
}

pub(super) fn run(common: &Common, command: Command) -> Result<(), Failure> {
    let looks = match &command {
        Command::List(_) | Command::Show { .. } => true,
        Command::Limits(limited) => limited.looks(),
        Command::Create { .. } | Command::Plan { .. } => false,
    };
    with_accounts(common, looks, async |accounts| act(accounts, command).await)
}

async fn act(accounts: &Accounts, command: Command) -> Result<(), Failure> {
    let by = Principal::Cli;
    let (organization, json) = match command {
        Command::Create { name, plan, json } => {
            (accounts.create_organization(&by, &name, &plan).await?, json)
        }
        Command::Show { id, json } => (accounts.organization(&by, Some(&id)).await?, json),
        Command::Plan { id, plan, json } => (accounts.set_plan(&by, &id, &plan).await?, json),
        Command::Limits(limited) => return org_limits::run(accounts, limited).await,
        Command::List(list) => return show_all(accounts, &list).await,
    };
    let shown = Organization::from(organization);
    if json {
        return print_json(&shown);
    }
    tell(&shown);
    Ok(())
}

async fn show_all(accounts: &Accounts, list: &Part) -> Result<(), Failure> {
    let (found, total) = accounts.organizations(list.window()).await?;
    let shown: Vec<Organization> = found.into_iter().map(Organization::from).collect();
    if list.json {
        return print_json(&shown);
    }
    shown.iter().for_each(tell);
    list.tell_rest(shown.len(), total);
    Ok(())
}

fn tell(organization: &Organization) {
    println!("{}  {:<12}  {}", organization.id, organization.plan, organization.name);
}
