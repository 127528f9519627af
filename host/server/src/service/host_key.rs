//! The keys of this host: the master keys, and one of this machine's own where there are none.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::Context;
use hardpoint_domain::seal::{Keyring, MasterKey};
use hardpoint_domain::time::Rng;

use crate::config::Config;
use crate::made_once;

/// The master keys. Where there are none, a key of this machine's own in the data folder, which is made; one that was
/// made there before stays, and is older than any master key.
///
/// # Errors
/// If that key cannot be read or made.
pub fn keyring(config: &Config, rng: &dyn Rng) -> anyhow::Result<Keyring> {
    let known = known(config)?;
    if !known.is_empty() {
        return Ok(known);
    }
    make(&file(config), rng).with_context(|| unread(config))
}

/// The same for who only looks: no key is made.
///
/// # Errors
/// If the machine's own key cannot be read.
pub fn known(config: &Config) -> anyhow::Result<Keyring> {
    let mut keyring = read(&file(config)).with_context(|| unread(config))?;
    keyring.extend(config.keyring.clone());
    Ok(keyring)
}

fn file(config: &Config) -> PathBuf {
    config.server.data.join("host.key")
}

fn unread(config: &Config) -> String {
    format!("the key {} cannot be read", file(config).display())
}

fn read(file: &Path) -> anyhow::Result<Keyring> {
    match std::fs::read_to_string(file) {
        Ok(text) => Ok(Keyring::parse(&text)?),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Keyring::default()),
        Err(error) => Err(error.into()),
    }
}

/// Makes the key where there is none. Of two that make one at once, the first one's holds.
fn make(file: &Path, rng: &dyn Rng) -> anyhow::Result<Keyring> {
    let part = MasterKey::generate(rng).id().to_owned();
    let kept = made_once::make(file, &MasterKey::generate(rng).reveal(), &part)?;
    Ok(Keyring::parse(&kept)?)
}
