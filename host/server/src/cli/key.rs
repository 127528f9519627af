//! `hardpoint key`: works on the store, whether or not a server is running.

use std::time::Duration;

use clap::{Args, Subcommand};
use hardpoint_domain::access::Role;
use hardpoint_domain::key::{KeyText, Mode};
use hardpoint_domain::time::Timestamp;

use super::org::Part;
use super::{Common, Failure, print_json, with_accounts};
use crate::api::api_keys::{ApiKey, NewApiKey, RotatedApiKey};
use crate::service::accounts::keys::{PER_HOUR, PER_MINUTE, Wanted};
use crate::service::accounts::{Accounts, Principal};
use crate::system::SystemRng;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Print the text of a key, for HARDPOINT_BOOTSTRAP_KEY. It opens nothing by itself.
    #[command(after_help = "Example:
  HARDPOINT_BOOTSTRAP_KEY=$(hardpoint key text) hardpoint serve")]
    Text {
        /// A test key's.
        #[arg(long)]
        test: bool,
    },
    /// Make a key. Its text is shown once.
    #[command(after_help = "Examples:
  hardpoint key new --org org_0192… --role admin --label \"First key\"
  hardpoint key new --org org_0192… --scope read:models --scope write:completions --expires 2027-01-01")]
    New(New),
    /// List an organisation's keys, newest first.
    #[command(after_help = "Example:
  hardpoint key list --org org_0192… --json")]
    List {
        /// org_…
        #[arg(long)]
        org: String,
        #[command(flatten)]
        list: Part,
    },
    /// Show a key.
    #[command(after_help = "Example:
  hardpoint key show key_0192…")]
    Show(One),
    /// Refuse a key that was used, for good; its history stays.
    #[command(after_help = "Example:
  hardpoint key archive key_0192…")]
    Archive(One),
    /// Make a key like this one, which ends after the overlap.
    #[command(after_help = "Example:
  hardpoint key rotate key_0192… --overlap 86400")]
    Rotate {
        #[command(flatten)]
        one: One,
        /// Seconds that the old key lives on.
        #[arg(long, default_value_t = 0)]
        overlap: u64,
    },
    /// Remove a key that was never used.
    #[command(after_help = "Example:
  hardpoint key delete key_0192… --revoke")]
    Delete {
        #[command(flatten)]
        one: One,
        /// Archive it, used or not, in place of removing it.
        #[arg(long)]
        revoke: bool,
    },
}

#[derive(Args)]
pub(super) struct One {
    /// key_…
    id: String,
    /// For programs.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(super) struct New {
    /// Whose: org_…
    #[arg(long)]
    org: String,
    /// viewer, member, admin, owner or operator.
    #[arg(long, default_value = "member")]
    role: Role,
    /// For people.
    #[arg(long, default_value = "")]
    label: String,
    /// verb:resource, any number of times; without any it may do all that its role allows.
    #[arg(long = "scope", value_name = "SCOPE")]
    scopes: Vec<String>,
    /// The only workspace that it may be used in: ws_…
    #[arg(long)]
    workspace: Option<String>,
    /// A test key.
    #[arg(long)]
    test: bool,
    /// When it ends: 2027-01-01, or with a time.
    #[arg(long, value_name = "TIME", value_parser = time)]
    expires: Option<Timestamp>,
    /// Requests a minute.
    #[arg(long, value_name = "N", default_value_t = PER_MINUTE)]
    per_minute: i64,
    /// Requests an hour.
    #[arg(long, value_name = "N", default_value_t = PER_HOUR)]
    per_hour: i64,
    /// No limits but the plan's.
    #[arg(long, conflicts_with_all = ["per_minute", "per_hour"])]
    unlimited: bool,
    /// For programs.
    #[arg(long)]
    json: bool,
}

fn time(text: &str) -> Result<Timestamp, &'static str> {
    Timestamp::parse(text).ok_or("must be like 2027-01-01 or 2027-01-01T12:00:00Z")
}

pub(super) fn run(common: &Common, command: Command) -> Result<(), Failure> {
    if let Command::Text { test } = command {
        let mode = if test { Mode::Test } else { Mode::Live };
        println!("{}", KeyText::generate(mode, &SystemRng).reveal());
        return Ok(());
    }
    let looks = matches!(command, Command::List { .. } | Command::Show(_));
    with_accounts(common, looks, async |accounts| act(accounts, command).await)
}

async fn act(accounts: &Accounts, command: Command) -> Result<(), Failure> {
    let (by, now) = (Principal::Cli, accounts.clock.now());
    let shown = |key| ApiKey::new(key, now, None);
    match command {
        Command::Text { .. } => Ok(()),
        Command::New(new) => {
            let json = new.json;
            let made = accounts.create_key(&by, new.wanted()).await?;
            let made = NewApiKey::new(made, now);
            if json { print_json(&made) } else { tell_made(&made) }
        }
        Command::List { org, list } => {
            let (keys, total) = accounts.keys(&by, Some(&org), list.window()).await?;
            let keys: Vec<ApiKey> = keys.into_iter().map(shown).collect();
            if list.json {
                return print_json(&keys);
            }
            keys.iter().for_each(tell);
            list.tell_rest(keys.len(), total);
            Ok(())
        }
        Command::Show(one) => one.tell(&shown(accounts.key(&by, &one.id).await?)),
        Command::Archive(one) => one.tell(&shown(accounts.archive_key(&by, &one.id).await?)),
        Command::Rotate { one, overlap } => {
            let rotated = accounts.rotate_key(&by, &one.id, Duration::from_secs(overlap), None).await?;
            let previous = shown(rotated.previous);
            let rotated = RotatedApiKey { made: NewApiKey::new(rotated.made, now), previous };
            if one.json {
                return print_json(&rotated);
            }
            tell_made(&rotated.made)?;
            tell(&rotated.previous);
            Ok(())
        }
        Command::Delete { one, revoke: true } => one.tell(&shown(accounts.revoke_key(&by, &one.id).await?)),
        Command::Delete { one, revoke: false } => {
            let key = shown(accounts.key(&by, &one.id).await?);
            accounts.delete_key(&by, &one.id).await?;
            one.tell(&key)
        }
    }
}

impl New {
    fn wanted(self) -> Wanted {
        let limit = |limit: i64| (!self.unlimited).then_some(limit);
        Wanted {
            organization_id: Some(self.org),
            workspace_id: self.workspace,
            label: self.label,
            role: self.role,
            scopes: self.scopes,
            livemode: !self.test,
            rate_limit_per_minute: limit(self.per_minute),
            rate_limit_per_hour: limit(self.per_hour),
            expires_at: self.expires,
        }
    }
}

impl One {
    fn tell(&self, key: &ApiKey) -> Result<(), Failure> {
        if self.json {
            return print_json(key);
        }
        tell(key);
        Ok(())
    }
}

fn tell_made(made: &NewApiKey) -> Result<(), Failure> {
    println!("{}", made.key.as_deref().unwrap_or_default());
    println!("It is shown this once.");
    tell(&made.record);
    Ok(())
}

fn tell(key: &ApiKey) {
    let label = key.label.as_deref().unwrap_or("Untitled");
    let used = key.last_used_at.as_deref().unwrap_or("never used");
    println!("{}  {:<8}  {:<8}  {}  {used}  {label}", key.id, key.status, key.role.as_str(), key.hint);
}
