//! Which `hardpoint.toml` the host over a data folder has loaded, left there for the commands: they read the file as it
//! is now, and a host reads it when it starts. The file of this module is locked as long as its host lives, so that
//! nobody believes what one left that was killed.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::config::Config;

/// The file's name in the data folder.
const FILE: &str = "loaded";

/// What says which configuration this host has; true as long as it is held.
#[derive(Debug)]
pub struct Loaded(#[allow(dead_code, reason = "the lock goes with it")] File);

impl Loaded {
    /// Writes it down. None where another host over the same folder does that already, or somebody looks just now.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn note(config: &Config) -> io::Result<Option<Self>> {
        let path = config.server.data.join(FILE);
        let mut file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path)?;
        if file.try_lock().is_err() {
            return Ok(None);
        }
        file.set_len(0)?;
        file.write_all(config.file_digest.as_bytes())?;
        Ok(Some(Self(file)))
    }
}

/// What is to be known where the host over this data folder has another configuration than the one that was just read;
/// none where it has the same, or there is no host.
pub fn outdated(config: &Config) -> Option<&'static str> {
    let loaded = running(&config.server.data)?;
    (loaded != config.file_digest).then_some(
        "hardpoint.toml is not what the running host has loaded: what is new in it, secrets too, holds once that host \
         is restarted",
    )
}

/// The digest of what the host over this data folder has loaded, if one runs.
fn running(data: &Path) -> Option<String> {
    let mut file = File::open(data.join(FILE)).ok()?;
    if file.try_lock_shared().is_ok() {
        return None;
    }
    let mut digest = String::new();
    file.read_to_string(&mut digest).ok()?;
    Some(digest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Sources;

    #[test]
    fn a_host_is_believed_as_long_as_it_lives() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hardpoint.toml");
        let load = |text: &str| {
            std::fs::write(&path, text).unwrap();
            let data = Some(folder.path().to_owned());
            Config::load(&Sources { file: Some(path.clone()), data, ..Sources::default() }).unwrap()
        };
        let (old, new) = (load(""), load("[log]\nlevel = \"debug\"\n"));
        assert_eq!(outdated(&new), None, "nobody is there");
        let host = Loaded::note(&old).unwrap();
        assert!(host.is_some() && Loaded::note(&new).unwrap().is_none());
        assert_eq!((outdated(&old), outdated(&new).is_some()), (None, true));
        drop(host);
        assert_eq!(outdated(&new), None, "it is gone");
        let _next = Loaded::note(&new).unwrap().unwrap();
        assert_eq!((outdated(&old).is_some(), outdated(&new)), (true, None));
    }
}
