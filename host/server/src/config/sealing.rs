//! Master keys: from the file that `secrets.master_key_file` names, and from the environment.

use std::path::Path;

use hardpoint_domain::seal::Keyring;

use super::read::Problem;

/// The environment variable that holds master keys. They are newer than those of the file.
pub const VARIABLE: &str = "HARDPOINT_MASTER_KEY";

/// The key in the configuration that names the file.
pub(super) const KEY: &str = "master_key_file";

/// All keys that there are. No problem says what was written: it may be a key with a mistake in it.
pub(super) fn read(file: Option<&Path>, variable: Option<&str>, problems: &mut Vec<Problem>) -> Keyring {
    let mut keyring = Keyring::default();
    let key = format!("secrets.{KEY}");
    if let Some(file) = file {
        match std::fs::read_to_string(file).map(|text| Keyring::parse(&text)) {
            Ok(Ok(found)) if found.is_empty() => {
                problems.push(Problem::new(&key, "names a file without a key"))
            }
            Ok(Ok(found)) => keyring.extend(found),
            Ok(Err(error)) => problems.push(Problem::new(&key, error.to_string())),
            Err(error) => problems.push(Problem::new(&key, format!("cannot be read: {error}"))),
        }
    }
    match variable.map(Keyring::parse) {
        Some(Ok(found)) => keyring.extend(found),
        Some(Err(error)) => {
            let origin = Some(format!("environment variable {VARIABLE}"));
            problems.push(Problem { origin, ..Problem::new("", error.to_string()) });
        }
        None => {}
    }
    keyring
}
