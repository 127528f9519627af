//! `hardpoint audit`: whether the log is what it was, and what to keep elsewhere to be able to tell.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use clap::{Args, Subcommand};
use hardpoint_domain::chain::checkpoint::{self, Checkpoint};
use hardpoint_store::{Store, checkpoints, integrity};
use serde_json::json;

use super::{Common, Failure, block_on, print_json};
use crate::api::audit_integrity::IntegrityReport;
use crate::config::Config;
use crate::service::audit::{self, AuditKeys, signing};
use crate::service::host_key;
use crate::start::{open_store, open_store_to_read};
use crate::system;

/// Checkpoints read at a time.
const PAGE: u32 = 500;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Read the whole audit log, and tell what does not fit: events that were edited, deleted, moved or cut off.
    ///
    /// Only reads. Ends with 1 where anything does not fit.
    #[command(after_help = "Examples:
  hardpoint audit verify
  hardpoint audit verify --from /mnt/elsewhere/checkpoints.jsonl --json")]
    Verify {
        /// Checkpoints that were kept elsewhere, as `hardpoint audit checkpoint` prints them: the log must be what
        /// they signed.
        #[arg(long, value_name = "FILE")]
        from: Option<PathBuf>,
        #[command(flatten)]
        shown: Shown,
    },
    /// Sign what the audit log is now, and print that on a line of JSON, to be kept where nobody changes it.
    #[command(after_help = "Examples:
  hardpoint audit checkpoint >> /mnt/elsewhere/checkpoints.jsonl
  hardpoint audit checkpoint --all")]
    Checkpoint {
        /// Print all that were ever signed, oldest first, and sign nothing.
        #[arg(long)]
        all: bool,
    },
    /// Print the public keys with which checkpoints are checked, oldest first; the last one signs.
    #[command(after_help = "Example:
  hardpoint audit keys --json")]
    Keys(Shown),
}

#[derive(Args)]
pub(super) struct Shown {
    /// For programs.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(common: &Common, command: Command) -> Result<(), Failure> {
    let config = common.load()?;
    match command {
        Command::Verify { from, shown } => block_on(verify(&config, from.as_deref(), &shown))?,
        Command::Checkpoint { all: true } => block_on(print_all(&config))?,
        Command::Checkpoint { all: false } => block_on(sign(&config))?,
        Command::Keys(shown) => print_keys(&config, &shown),
    }
}

async fn verify(config: &Config, from: Option<&Path>, shown: &Shown) -> Result<(), Failure> {
    let mut kept = from.map(read_kept).transpose()?.unwrap_or_default();
    kept.extend(signing::last(&config.server.data)?.filter(|last| !kept.contains(last)));
    let known = AuditKeys::of(&host_key::known(config)?).known();
    let store = to_read(config).await?;
    let progress = Progress::new();
    let checked = integrity::verify(&store, known, kept, |at, to| progress.at(at, to)).await;
    progress.end();
    store.close().await;
    let report = IntegrityReport::new(&checked?, system::clock().now());
    if shown.json {
        print_json(&report)?;
    } else {
        tell(&report);
    }
    let not_intact = || Failure::Other(anyhow!("the audit log is not what it was"));
    match (report.intact, shown.json) {
        (true, _) => Ok(()),
        (false, true) => Err(Failure::Told(Box::new(not_intact()))),
        (false, false) => Err(not_intact()),
    }
}

fn read_kept(file: &Path) -> Result<Vec<Checkpoint>, Failure> {
    let text = std::fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?;
    let kept =
        checkpoint::parse(&text).map_err(|error| Failure::Misuse(format!("{}: {error}", file.display())))?;
    if kept.is_empty() {
        return Err(Failure::Misuse(format!("{}: there is no checkpoint in it", file.display())));
    }
    Ok(kept)
}

fn tell(report: &IntegrityReport) {
    let checked = &report.checked;
    println!(
        "events       {} of numbers 1 to {}, {} with purged bodies",
        checked.events, checked.to, checked.purged
    );
    let signed = &report.checkpoints;
    let last = |seq: Option<i64>| seq.map(|seq| format!(", the last at {seq}")).unwrap_or_default();
    println!("checkpoints  {} of the log's own{}", signed.checked, last(signed.last));
    if signed.kept > 0 {
        println!("             {} kept elsewhere{}", signed.kept, last(signed.last_kept));
    }
    for finding in &report.findings {
        let place = if finding.from == finding.to {
            finding.from.to_string()
        } else {
            format!("{} to {}", finding.from, finding.to)
        };
        println!("FOUND at {place}: {}", finding.text);
    }
    if report.more_findings > 0 {
        println!("FOUND {} more", report.more_findings);
    }
    if report.intact {
        println!("Everything fits.");
    }
    println!("Not covered:");
    for gap in &report.not_covered {
        println!("- {gap}");
    }
}

/// How far it is, for who watches at a terminal.
struct Progress {
    is_watched: bool,
}

impl Progress {
    fn new() -> Self {
        Self { is_watched: std::io::stderr().is_terminal() }
    }

    fn at(&self, at: i64, to: i64) {
        if self.is_watched {
            super::terminal::print(&mut std::io::stderr(), format_args!("\r{at} of {to}"));
        }
    }

    fn end(&self) {
        if self.is_watched {
            super::terminal::print(&mut std::io::stderr(), format_args!("\r\x1b[K"));
        }
    }
}

/// Numbers what waits, so that the checkpoint is of all that happened, and signs.
async fn sign(config: &Config) -> Result<(), Failure> {
    let (clock, rng) = (system::clock(), system::rng());
    let keys = AuditKeys::of(&host_key::keyring(config, &*rng)?);
    let store = open_store(config, &clock).await?;
    let signed = async {
        audit::number_all(&store, |_| {}).await?;
        signing::checkpoint(&store, &keys, config, clock.now()).await
    };
    let signed = signed.await;
    store.close().await;
    let checkpoint = signed?.context("there is nothing in the audit log yet")?;
    println!("{}", serde_json::to_string(&checkpoint)?);
    Ok(())
}

async fn print_all(config: &Config) -> Result<(), Failure> {
    let store = to_read(config).await?;
    let mut at = 0;
    loop {
        let page = checkpoints::after(&mut store.read().await?, at, i64::MAX, PAGE).await?;
        let Some(last) = page.last() else { break };
        at = last.seq;
        for checkpoint in &page {
            println!("{}", serde_json::to_string(checkpoint)?);
        }
    }
    store.close().await;
    Ok(())
}

fn print_keys(config: &Config, shown: &Shown) -> Result<(), Failure> {
    let known = AuditKeys::of(&host_key::known(config)?).known();
    if shown.json {
        let keys: Vec<_> =
            known.iter().map(|key| json!({ "id": key.id(), "public_key": key.to_string() })).collect();
        return print_json(&json!({ "algorithm": "Ed25519", "data": keys }));
    }
    if known.is_empty() {
        println!("There is no key yet: a host makes one when it starts, unless it has a master key.");
    }
    for key in known {
        println!("{}  {key}", key.id());
    }
    Ok(())
}

async fn to_read(config: &Config) -> Result<Store, Failure> {
    let found = open_store_to_read(config).await.context("the store cannot be opened")?;
    found.ok_or_else(|| super::plugin::no_store(config))
}
