//! `hardpoint.toml` as a source of configuration.

use std::path::{Path, PathBuf};

use figment::value::{Dict, Map};
use figment::{Error, Metadata, Profile, Provider};

use super::ConfigError;
use super::read::Problem;

/// A file, read once and by one parser: what another one thinks of it would quote lines, which hold secrets.
pub(super) struct File {
    path: PathBuf,
    /// As it was written.
    pub(super) text: String,
    members: Dict,
}

impl File {
    /// Reads a file that is TOML.
    pub(super) fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            ConfigError(vec![Problem::new("", format!("{} cannot be read: {error}", path.display()))])
        })?;
        match toml::from_str(&text) {
            Ok(members) => Ok(Self { path: path.to_owned(), text, members }),
            // The parser's own text quotes the line: say where it is instead.
            Err(error) => {
                let before = text.get(..error.span().map_or(0, |span| span.start)).unwrap_or(&text);
                let column = before.chars().rev().take_while(|&c| c != '\n').count() + 1;
                Err(ConfigError(vec![Problem {
                    origin: Some(path.display().to_string()),
                    line: Some(before.matches('\n').count() + 1),
                    ..Problem::new("", format!("no TOML at column {column}: {}", error.message()))
                }]))
            }
        }
    }
}

impl Provider for &File {
    fn metadata(&self) -> Metadata {
        Metadata::from("TOML file", self.path.as_path())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, Error> {
        Ok(Profile::Default.collect(self.members.clone()))
    }
}
