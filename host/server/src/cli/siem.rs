//! `hardpoint siem`: works on the store, whether or not a server is running.

use clap::{Args, Subcommand};

use super::org::Part;
use super::{Common, Failure, print_json, with_accounts};
use crate::api::siem::{SiemDestination, since_of};
use crate::service::accounts::{Accounts, Principal};
use crate::service::destinations::{Destinations, Standing};

#[derive(Subcommand)]
pub(super) enum Command {
    /// List standing destinations, newest first.
    #[command(after_help = "Examples:
  hardpoint siem list
  hardpoint siem list --org org_0192…")]
    List {
        /// Only this organisation's.
        #[arg(long, value_name = "ORG")]
        org: Option<String>,
        #[command(flatten)]
        part: Part,
    },
    /// Show a destination: how far it is behind, and what was wrong last.
    #[command(after_help = "Example:
  hardpoint siem show dst_0192… --json")]
    Show(One),
    /// Deliver nothing to a destination until it is resumed; what happens meanwhile waits.
    #[command(after_help = "Example:
  hardpoint siem pause dst_0192…")]
    Pause(One),
    /// Go on delivering to a destination that was paused, or parked because it did not let us in.
    #[command(after_help = "Example:
  hardpoint siem resume dst_0192…")]
    Resume(One),
    /// Deliver the log again from a place or a time on, or offer the dead letters again.
    #[command(after_help = "Examples:
  hardpoint siem replay dst_0192… --since 2026-02-18T12:00:00Z
  hardpoint siem replay dst_0192… --cursor 0
  hardpoint siem replay dst_0192… --dead-letters")]
    Replay(Replay),
}

#[derive(Args)]
pub(super) struct One {
    /// dst_…
    id: String,
    /// For programs.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
#[command(group(clap::ArgGroup::new("from").required(true).args(["cursor", "since", "dead_letters"])))]
pub(super) struct Replay {
    #[command(flatten)]
    one: One,
    /// What stands behind this place of the log; 0 is the beginning.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(0..))]
    cursor: Option<i64>,
    /// What happened from this time on, RFC 3339.
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Only the events that the destination did not take.
    #[arg(long)]
    dead_letters: bool,
}

pub(super) fn run(common: &Common, command: Command) -> Result<(), Failure> {
    let looks = matches!(command, Command::List { .. } | Command::Show(_));
    with_accounts(common, looks, async |accounts| act(&of(accounts), command).await)
}

fn of(accounts: &Accounts) -> Destinations {
    let Accounts { store, clock, rng, .. } = accounts;
    Destinations { store: store.clone(), clock: clock.clone(), rng: rng.clone() }
}

async fn act(destinations: &Destinations, command: Command) -> Result<(), Failure> {
    let by = Principal::Cli;
    let (standing, json) = match command {
        Command::List { org, part } => {
            let (found, total) = destinations.list(&by, org.as_deref(), part.window()).await?;
            return show_all(found, total, &part);
        }
        Command::Show(one) => (destinations.get(&by, &one.id).await?, one.json),
        Command::Pause(one) => (destinations.pause(&by, &one.id).await?, one.json),
        Command::Resume(one) => (destinations.resume(&by, &one.id).await?, one.json),
        Command::Replay(Replay { one, cursor, since, dead_letters }) => {
            if dead_letters {
                destinations.replay_letters(&by, &one.id, None).await?;
                (destinations.get(&by, &one.id).await?, one.json)
            } else {
                let since = since_of(cursor, since.as_deref())?;
                (destinations.replay(&by, &one.id, since).await?, one.json)
            }
        }
    };
    if json {
        return print_json(&SiemDestination::from(standing));
    }
    tell(&standing);
    tell_more(&standing);
    Ok(())
}

fn show_all(found: Vec<Standing>, total: i64, part: &Part) -> Result<(), Failure> {
    if part.json {
        let shown: Vec<SiemDestination> = found.into_iter().map(SiemDestination::from).collect();
        return print_json(&shown);
    }
    found.iter().for_each(tell);
    part.tell_rest(found.len(), total);
    Ok(())
}

fn tell(Standing { destination, lag }: &Standing) {
    println!(
        "{}  {:<7}  {:<12}  {:>6} behind  {}",
        destination.id, destination.state, destination.exporter, lag.events, destination.name
    );
}

fn tell_more(Standing { destination, lag }: &Standing) {
    println!("events of      {}", destination.organization_id.as_deref().unwrap_or("everybody"));
    println!("settled up to  {} of the log", destination.cursor);
    if lag.events > 0 {
        println!("the first waits since {} s", lag.age.as_secs());
    }
    println!("delivered      {}", destination.delivered);
    println!("dead letters   {}", lag.dead_letters);
    if let Some(reason) = &destination.reason {
        println!("parked         {reason}");
        println!("               once that is mended: hardpoint siem resume {}", destination.id);
    } else if let (Some(error), Some(at)) = (&destination.last_error, destination.last_error_at) {
        println!("last error     {error} ({})", at.to_rfc3339());
    }
}
