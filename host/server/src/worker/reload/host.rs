//! Which host this is: whose plugins folder a file is in, and by whose file a version is here. Of hosts that share a
//! database, each knows its own by the id in its data folder.

use std::io::{self, ErrorKind};
use std::path::PathBuf;

use hardpoint_domain::id;
use hardpoint_domain::time::{Clock, Rng};
use hardpoint_store::Engine;

use crate::config::Config;
use crate::made_once;

/// What is in SQLite is one host's.
const ONLY: &str = "this";

/// This host's id; none where it has none yet.
///
/// # Errors
/// The file that it is in cannot be read, or holds none.
pub fn known(config: &Config, engine: Engine) -> io::Result<Option<String>> {
    if engine == Engine::Sqlite {
        return Ok(Some(ONLY.to_owned()));
    }
    match std::fs::read_to_string(file(config)) {
        Ok(text) => whole(&text, config).map(Some),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// This host's id, made and kept where it has none yet.
///
/// # Errors
/// The file that it is in cannot be read or written, or holds none.
pub fn own(config: &Config, engine: Engine, clock: &dyn Clock, rng: &dyn Rng) -> io::Result<String> {
    if let Some(known) = known(config, engine)? {
        return Ok(known);
    }
    let made = id::prefixed("host", clock.now(), rng);
    whole(&made_once::make(&file(config), &made, &made)?, config)
}

/// What was cut short is nobody's id; and a new one would forget what this host's files brought.
fn whole(text: &str, config: &Config) -> io::Result<String> {
    let text = text.trim();
    if id::looks_like("host", text) && id::time_of(text).is_some() {
        return Ok(text.to_owned());
    }
    let reason = format!(
        "{} holds no id of a host: put back the one that it had, or remove it, and a new one is made; plugins that are \
         here by this host's files then stay when those go",
        file(config).display()
    );
    Err(io::Error::new(ErrorKind::InvalidData, reason))
}

fn file(config: &Config) -> PathBuf {
    config.server.data.join("host.id")
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::*;
    use crate::config::Sources;
    use crate::system::{SystemClock, SystemRng};

    fn config(data: PathBuf) -> Config {
        Config::load(&Sources { data: Some(data), ..Sources::default() }).unwrap()
    }

    #[test]
    fn processes_that_start_together_are_one_host() {
        for _ in 0..20 {
            let folder = tempfile::tempdir().unwrap();
            let config = config(folder.path().join("data"));
            let barrier = Barrier::new(8);
            let start = || {
                barrier.wait();
                own(&config, Engine::Postgres, &SystemClock, &SystemRng).unwrap()
            };
            let ids: Vec<String> = std::thread::scope(|scope| {
                let started = [(); 8].map(|()| scope.spawn(start));
                started.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
            assert_eq!(known(&config, Engine::Postgres).unwrap().as_ref(), Some(&ids[0]));
            assert_eq!(std::fs::read_dir(&config.server.data).unwrap().count(), 1, "nothing else is left");
        }
    }

    #[test]
    fn what_was_cut_short_is_no_id() {
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path().to_owned());
        let id = own(&config, Engine::Postgres, &SystemClock, &SystemRng).unwrap();
        for kept in ["", &id[..id.len() - 1], "something else"] {
            std::fs::write(file(&config), kept).unwrap();
            let error = own(&config, Engine::Postgres, &SystemClock, &SystemRng).unwrap_err();
            assert!(error.to_string().contains("holds no id of a host"), "{error}");
        }
        std::fs::write(file(&config), &id).unwrap();
        assert_eq!(own(&config, Engine::Postgres, &SystemClock, &SystemRng).unwrap(), id);
    }
}
