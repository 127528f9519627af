//! `hardpoint secrets`: works on the store, whether or not a server is running; running ones follow.

use std::fs::OpenOptions;
use std::io::{BufRead, IsTerminal, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use hardpoint_domain::seal::MasterKey;
use serde_json::json;

use super::{Common, Failure, block_on, print_json};
use crate::config::Config;
use crate::service::events::Author;
use crate::service::host_key;
use crate::service::vault::{self, Vault};
use crate::start::{open_store, open_store_to_read};
use crate::system::{self, SystemRng};

#[derive(Subcommand)]
pub(super) enum Command {
    /// Make a master key, which seals secrets in the store. Print it, or add it to a file.
    ///
    /// The last key of a file seals, all of them open: to replace a key, add one, start the hosts anew, and run
    /// `hardpoint secrets rotate`.
    #[command(after_help = "Examples:
  hardpoint secrets new-key /etc/hardpoint/master.key
  HARDPOINT_MASTER_KEY=$(hardpoint secrets new-key) hardpoint serve")]
    NewKey {
        /// Made where there is none, for nobody else to read; printed where left out.
        file: Option<PathBuf>,
        /// For programs.
        #[arg(long)]
        json: bool,
    },
    /// Keep a secret, sealed, in place of the one that has its name. Its value is asked for, or read from a pipe.
    #[command(after_help = "Examples:
  hardpoint secrets set openai --audience https://api.openai.com < openai.key
  hardpoint secrets set smtp")]
    Set {
        /// What bindings and the configuration call it.
        name: String,
        /// The only origin that plugins' requests may take it to. Without one, only the host itself uses it.
        #[arg(long, value_name = "ORIGIN")]
        audience: Option<String>,
        #[command(flatten)]
        shown: Shown,
    },
    /// List the secrets that were kept by command; none of their values.
    #[command(after_help = "Example:
  hardpoint secrets list --json")]
    List(Shown),
    /// Forget a secret.
    #[command(after_help = "Example:
  hardpoint secrets delete openai")]
    Delete {
        /// Its name.
        name: String,
        #[command(flatten)]
        shown: Shown,
    },
    /// Seal all secrets anew under the newest master key.
    #[command(after_help = "Example:
  hardpoint secrets new-key /etc/hardpoint/master.key && hardpoint secrets rotate --json")]
    Rotate(Shown),
}

#[derive(Args)]
pub(super) struct Shown {
    /// For programs.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(common: &Common, command: Command) -> Result<(), Failure> {
    if let Command::NewKey { file, json } = command {
        return new_key(file.as_deref(), json);
    }
    let config = common.load()?;
    // Before anything is waited for: nobody should type a secret in vain.
    let value = match &command {
        Command::Set { name, .. } if !config.keyring.is_empty() => Some(value(name)?),
        _ => None,
    };
    block_on(obey(config, command, value))?
}

async fn obey(mut config: Config, command: Command, value: Option<String>) -> Result<(), Failure> {
    let (clock, rng) = (system::clock(), system::rng());
    let store = match command {
        Command::List(_) => open_store_to_read(&config)
            .await
            .context("the store cannot be opened")?
            .ok_or_else(|| super::plugin::no_store(&config))?,
        _ => open_store(&config, &clock).await?,
    };
    if matches!(command, Command::Rotate { .. }) && !config.keyring.is_empty() {
        // What hosts sealed while there was no master key is sealed under it from now on.
        config.keyring = host_key::known(&config)?;
    }
    let vault = Vault { store, config: Arc::new(config), clock, rng };
    let done = act(&vault, command, value).await;
    vault.store.close().await;
    done
}

async fn act(vault: &Vault, command: Command, value: Option<String>) -> Result<(), Failure> {
    let by = Author::cli();
    match command {
        Command::NewKey { .. } => Ok(()),
        Command::Set { name, audience, shown } => {
            let value = value.unwrap_or_default();
            let replaced = vault.set(&by, &name, audience.as_deref(), &value).await?;
            if shown.json {
                return print_json(&json!({ "name": name, "audience": audience, "created": !replaced }));
            }
            println!("{name} is {}.", if replaced { "changed" } else { "kept" });
            Ok(())
        }
        Command::List(shown) => list(vault, &shown).await,
        Command::Delete { name, shown } => {
            vault.delete(&by, &name).await?;
            if shown.json {
                return print_json(&json!({ "name": name, "deleted": true }));
            }
            println!("{name} is forgotten.");
            Ok(())
        }
        Command::Rotate(shown) => rotate(vault, &by, &shown).await,
    }
}

async fn list(vault: &Vault, shown: &Shown) -> Result<(), Failure> {
    let secrets = vault.list().await?;
    let reason = |secret| vault::open(&vault.config.keyring, secret).err().map(|error| error.to_string());
    if shown.json {
        let rows = secrets.iter().map(|secret| {
            json!({
                "name": secret.name,
                "audience": secret.audience,
                "key_id": secret.key_id,
                "problem": reason(secret),
                "updated_by": secret.updated_by,
                "created_at": secret.created_at.to_rfc3339(),
                "updated_at": secret.updated_at.to_rfc3339(),
            })
        });
        return print_json(&rows.collect::<Vec<_>>());
    }
    for secret in &secrets {
        let audience = secret.audience.as_deref().unwrap_or("for the host itself");
        let problem = reason(secret).map(|reason| format!("  NOT USED: {reason}")).unwrap_or_default();
        println!("{:<24}  {audience}  {}{problem}", secret.name, secret.key_id);
    }
    Ok(())
}

async fn rotate(vault: &Vault, by: &Author, shown: &Shown) -> Result<(), Failure> {
    let tells = !shown.json && std::io::stderr().is_terminal();
    let mut progress = |done: u64| {
        if tells && done.is_multiple_of(100) {
            eprintln!("{done} looked at");
        }
    };
    let rotated = vault.rotate(by, &mut progress).await?;
    if shown.json {
        print_json(&rotated)?;
    } else {
        println!("{} sealed anew under {}, {} were.", rotated.resealed, rotated.key_id, rotated.unchanged);
        rotated.unopened.iter().for_each(|what| println!("Not opened: {what}"));
        if rotated.mails_under_older_keys > 0 {
            println!("{} mails wait under older keys.", rotated.mails_under_older_keys);
        }
    }
    match rotated.unopened.len() {
        0 => Ok(()),
        count => Err(anyhow::anyhow!("{count} could not be opened, and stay as they were").into()),
    }
}

fn new_key(file: Option<&Path>, json: bool) -> Result<(), Failure> {
    let key = MasterKey::generate(&SystemRng);
    let Some(file) = file else {
        if json {
            return print_json(&json!({ "key_id": key.id(), "key": key.reveal() }));
        }
        println!("{}", key.reveal());
        return Ok(());
    };
    append(file, &key).with_context(|| format!("{} cannot be written", file.display()))?;
    if json {
        return print_json(&json!({ "key_id": key.id(), "file": file }));
    }
    println!(
        "{} is the last key of {}. Keep a copy elsewhere: without it, no secret can be read.",
        key.id(),
        file.display()
    );
    Ok(())
}

/// On a line of its own, on the disk when it returns.
fn append(file: &Path, key: &MasterKey) -> std::io::Result<()> {
    let mut file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(file)?;
    let mut there = String::new();
    file.read_to_string(&mut there)?;
    let before = if there.is_empty() || there.ends_with('\n') { "" } else { "\n" };
    file.write_all(format!("{before}{}\n", key.reveal()).as_bytes())?;
    file.sync_all()
}

/// The secret's value: typed unseen, or from a pipe without the newline at its end. Never an argument, which other
/// users of the machine can see.
fn value(name: &str) -> anyhow::Result<String> {
    let stdin = std::io::stdin();
    let mut text = String::new();
    if stdin.is_terminal() {
        eprintln!("The value of {name}, which is not shown:");
        let _unseen = Unseen::begin();
        stdin.lock().read_line(&mut text).context("nothing was typed")?;
    } else {
        stdin.lock().read_to_string(&mut text).context("standard input cannot be read as text")?;
    }
    let value = text.trim_end_matches(['\r', '\n']);
    if value.is_empty() {
        bail!("there is no value on standard input: `hardpoint secrets set {name} < FILE`");
    }
    Ok(value.to_owned())
}

/// While it lives, the terminal does not show what is typed.
struct Unseen;

impl Unseen {
    fn begin() -> Self {
        stty("-echo");
        Self
    }
}

impl Drop for Unseen {
    fn drop(&mut self) {
        stty("echo");
    }
}

/// A terminal that cannot be told shows what is typed; that is for whoever types to see.
fn stty(argument: &str) {
    drop(std::process::Command::new("stty").arg(argument).stdin(Stdio::inherit()).status());
}
