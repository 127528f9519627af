//! `hardpoint credits`: works on the store, whether or not a server is running. A running one knows within a second.

use clap::Subcommand;
use hardpoint_domain::budget::Budget;
use hardpoint_domain::money::Credits;
use serde_json::json;

use super::org::Part;
use super::{Common, Failure, print_json, with_accounts};
use crate::api::billing::{Billing, reference};
use crate::service::accounts::credits::Standing;
use crate::service::accounts::{Accounts, Principal};

#[derive(Subcommand)]
pub(super) enum Command {
    /// Show what an organisation has, what it spent this month, and its budget.
    #[command(after_help = "Example:
  hardpoint credits show org_0192…")]
    Show {
        /// org_…
        organization: String,
        /// For programs.
        #[arg(long)]
        json: bool,
    },
    /// Add credits to an organisation; a credit is a dollar.
    #[command(after_help = "Examples:
  hardpoint credits add org_0192… 50 --reason \"invoice 17\" --reference inv-17
  hardpoint credits add org_0192… -- -2.50           take some away")]
    Add {
        /// org_…
        organization: String,
        /// How much: 50, 0.25, -3.
        #[arg(value_parser = amount)]
        amount: Credits,
        /// What for, for the books.
        #[arg(long, default_value = "")]
        reason: String,
        /// A name of yours for this payment: a second one of that name adds nothing.
        #[arg(long)]
        reference: Option<String>,
        /// For programs.
        #[arg(long)]
        json: bool,
    },
    /// Set the budget of an organisation for each month; what is left out is not bounded.
    #[command(after_help = "Examples:
  hardpoint credits budget org_0192… --spend-cap 500 --soft-cap 300 --approval-threshold 40
  hardpoint credits budget org_0192…                 no bounds")]
    Budget {
        /// org_…
        organization: String,
        /// No more than this is spent.
        #[arg(long, value_parser = amount)]
        spend_cap: Option<Credits>,
        /// An event says when this is reached.
        #[arg(long, value_parser = amount)]
        soft_cap: Option<Credits>,
        /// A single request that may cost more needs an approval.
        #[arg(long, value_parser = amount)]
        approval_threshold: Option<Credits>,
        /// For programs.
        #[arg(long)]
        json: bool,
    },
    /// Show the books of an organisation: entries, newest first, and what its accounts add up to.
    #[command(after_help = "Example:
  hardpoint credits books org_0192… --limit 20")]
    Books {
        /// org_…
        organization: String,
        #[command(flatten)]
        part: Part,
    },
}

fn amount(text: &str) -> Result<Credits, String> {
    Credits::parse(text)
        .ok_or_else(|| "no amount: write 50, 0.25 or -3, six digits behind the point at most".to_owned())
}

pub(super) fn run(common: &Common, command: Command) -> Result<(), Failure> {
    let looks = matches!(command, Command::Show { .. } | Command::Books { .. });
    with_accounts(common, looks, async |accounts| act(accounts, command).await)
}

async fn act(accounts: &Accounts, command: Command) -> Result<(), Failure> {
    let by = Principal::Cli;
    let (organization, json) = match command {
        Command::Show { organization, json } => (organization, json),
        Command::Add { organization, amount, reason, reference: name, json } => {
            let name = name.as_deref().map(|text| reference(&organization, text)).transpose()?;
            let added = accounts.add_credits(&by, &organization, amount, &reason, name.as_deref()).await?;
            if !added {
                eprintln!("A payment of that reference is in the books already; nothing was added.");
            }
            (organization, json)
        }
        Command::Budget { organization, spend_cap, soft_cap, approval_threshold, json } => {
            let budget = Budget { spend_cap, soft_cap, approval_threshold };
            accounts.set_budget(&by, Some(&organization), budget).await?;
            (organization, json)
        }
        Command::Books { organization, part } => return books(accounts, &organization, &part).await,
    };
    let standing = accounts.standing(&by, Some(&organization)).await?;
    if json {
        return print_json(&Billing::from(standing));
    }
    tell(&standing);
    Ok(())
}

fn tell(standing: &Standing) {
    let Standing { organization_id, plan, terms, available, held, budget, spent, .. } = standing;
    let pays = if terms.prepaid { "prepaid" } else { "pays afterwards" };
    println!("{organization_id}  {plan}, {pays}");
    println!("  has      {}", *available + *held);
    println!("  held     {held} of that, for requests that are under way or about to be");
    println!("  spent    {spent} this month");
    let bound = |bound: Option<Credits>| bound.map_or_else(|| "none".to_owned(), |bound| bound.to_string());
    println!(
        "  budget   spend cap {}, soft cap {}, approval above {}",
        bound(budget.spend_cap),
        bound(budget.soft_cap),
        bound(budget.approval_threshold)
    );
}

async fn books(accounts: &Accounts, organization: &str, part: &Part) -> Result<(), Failure> {
    let (entries, sums) = accounts.books(&Principal::Cli, Some(organization), part.window()).await?;
    if part.json {
        let entries: Vec<_> = entries
            .iter()
            .map(|entry| {
                json!({
                    "transfer": entry.transfer_id,
                    "account": entry.account,
                    "amount_micro_credits": entry.amount,
                    "kind": entry.kind,
                    "time": entry.time.to_rfc3339(),
                })
            })
            .collect();
        let sums: serde_json::Map<_, _> =
            sums.into_iter().map(|(account, sum)| (account, json!(sum))).collect();
        return print_json(&json!({ "entries": entries, "accounts": sums }));
    }
    for entry in &entries {
        let (time, amount) = (entry.time.to_rfc3339(), entry.amount.to_string());
        println!("{time}  {:<8}  {:<8}  {amount:>16}  {}", entry.kind, entry.account, entry.transfer_id);
    }
    println!("accounts:");
    sums.iter().for_each(|(account, sum)| println!("  {account:<8}  {:>16}", sum.to_string()));
    Ok(())
}
