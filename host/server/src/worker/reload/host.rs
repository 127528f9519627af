//! Which host this is: whose plugins folder a file is in, and by whose file a version is here. Of hosts that share a
//! database, each knows its own by the id in its data folder.

use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;

use hardpoint_domain::id;
use hardpoint_domain::time::{Clock, Rng};
use hardpoint_store::Engine;

use crate::config::Config;

/// What is in SQLite is one host's.
const ONLY: &str = "this";

/// This host's id; none where it has none yet.
///
/// # Errors
/// The file that it is in cannot be read.
pub fn known(config: &Config, engine: Engine) -> io::Result<Option<String>> {
    if engine == Engine::Sqlite {
        return Ok(Some(ONLY.to_owned()));
    }
    match std::fs::read_to_string(file(config)) {
        Ok(text) => Ok(Some(text.trim().to_owned()).filter(|id| !id.is_empty())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// This host's id, made and kept where it has none yet.
///
/// # Errors
/// The file that it is in cannot be read or written.
pub fn own(config: &Config, engine: Engine, clock: &dyn Clock, rng: &dyn Rng) -> io::Result<String> {
    if let Some(known) = known(config, engine)? {
        return Ok(known);
    }
    let made = id::prefixed("host", clock.now(), rng);
    let mut file = File::create(file(config))?;
    file.write_all(made.as_bytes())?;
    file.sync_all()?;
    Ok(made)
}

fn file(config: &Config) -> PathBuf {
    config.server.data.join("host.id")
}
