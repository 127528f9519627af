//! Signing what the audit log's chain is, where it goes on from what this host signed before. The last checkpoint is in
//! the data folder: who has the database alone and links the log anew, with all checkpoints taken out of it, gets no
//! signature for that.

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use hardpoint_domain::chain::checkpoint::Checkpoint;
use hardpoint_domain::chain::verify::Finding;
use hardpoint_domain::time::Timestamp;
use hardpoint_store::{Lane, Store, StoreError, chain, checkpoints, integrity};

use super::AuditKeys;
use crate::config::{Config, DurabilityConfig};
use crate::replaced;
use crate::state::App;

/// The file's name in the data folder.
const FILE: &str = "signed.json";
/// How often it is tried to empty the store's log: others cannot write for a tenth of a second each time.
const TRIES: usize = 3;

/// The chain does not go on from what was signed last, and so is not signed.
#[derive(Debug)]
pub struct Broken {
    found: Finding,
    signed: i64,
    file: PathBuf,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { found: Finding { seq, to, fault }, signed, file } = self;
        write!(
            f,
            "the audit log does not go on from number {signed}, the last that this host signed, and is not signed any \
             more; {seq} to {to}: {}. `hardpoint audit verify --from` with checkpoints that were kept elsewhere tells \
             how far it is what it was. Only where the database was replaced or put back to an earlier state on purpose, \
             or a replica that lagged took over: remove {}, and the next checkpoint is of what is there then",
            fault.text(),
            file.display()
        )
    }
}

impl std::error::Error for Broken {}

/// Signs what the chain is now, for the host whose data folder this is: what it signs next goes on from there. None while
/// nothing is in the log, and never was.
///
/// # Errors
/// As for [`checkpoint`]; or if it cannot be kept in the data folder.
pub async fn go_on(app: &App, now: Timestamp) -> anyhow::Result<Option<Checkpoint>> {
    let _alone = app.audit_keys.one_at_a_time().await;
    let signed = checkpoint(&app.store, &app.audit_keys, &app.config, now).await?;
    if let Some(signed) = &signed {
        let file = app.config.server.data.join(FILE);
        replaced::write(&file, signed).with_context(|| format!("{} cannot be written", file.display()))?;
    }
    Ok(signed)
}

/// The same for anybody else, who may run beside that host and as another user: the file in the data folder stays the
/// host's.
///
/// # Errors
/// [`Broken`]; or if there is no key to sign with, what was signed last cannot be read, what is to be signed does not come
/// to the disk, or the store fails.
pub async fn checkpoint(
    store: &Store,
    keys: &AuditKeys,
    config: &Config,
    now: Timestamp,
) -> anyhow::Result<Option<Checkpoint>> {
    let data = &config.server.data;
    let file = data.join(FILE);
    let head = follow(store, last(data)?, &file).await?;
    if head.seq == 0 {
        return Ok(None);
    }
    // What a power cut leaves of the store must not be behind what was signed, or it would look cut off.
    if config.database.durability == DurabilityConfig::Process {
        to_disk(store).await?;
    }
    let hash = head.hash.try_into().ok().context("the end of the audit log's chain is no hash")?;
    let signer = keys.newest().context("there is no key to sign the audit log with")?;
    let signed = signer.sign(head.seq, hash, now).context("the audit log could not be signed")?;
    keep(store, signed.clone()).await?;
    Ok(Some(signed))
}

/// What this host signed last.
///
/// # Errors
/// If that cannot be read.
pub fn last(data: &Path) -> anyhow::Result<Option<Checkpoint>> {
    let file = data.join(FILE);
    replaced::read(&file).with_context(|| format!("{} cannot be read", file.display()))
}

/// The end of the chain, which goes on from what was signed last.
async fn follow(store: &Store, last: Option<Checkpoint>, file: &Path) -> anyhow::Result<chain::Head> {
    let mut conn = store.read().await?;
    let head = chain::head(&mut conn).await?;
    let Some(last) = last else { return Ok(head) };
    let signed = last.seq;
    match integrity::broken_behind(&mut conn, last, &head).await? {
        None => Ok(head),
        Some(found) => Err(Broken { found, signed, file: file.to_owned() }.into()),
    }
}

/// Puts all that is in the store on the disk, where only what others do brings it there otherwise.
async fn to_disk(store: &Store) -> anyhow::Result<()> {
    for _ in 0..TRIES {
        if store.scrub().await? {
            return Ok(());
        }
    }
    anyhow::bail!(
        "somebody reads or writes in the database all the time, and keeps it from the disk; try again"
    )
}

async fn keep(store: &Store, checkpoint: Checkpoint) -> Result<(), StoreError> {
    let write = store
        .write(Lane::Bulk, move |tx| Box::pin(async move { checkpoints::insert(tx, &checkpoint).await }));
    write.await
}
