//! `[database]`: where state lives.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Span;
use super::secrets::SecretText;

/// The most that `clock_tolerance` may be. Two hosts may be twice as far apart, and no claim of one may end for the other
/// while the first is still at work on it.
pub const MOST_TOLERATED: Duration = Duration::from_secs(5);

/// `[database]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DatabaseConfig {
    /// `postgres://…`; SQLite in the data folder where left out. May hold a password, so it is never shown.
    pub url: Option<SecretText>,
    /// What an answer waits for.
    pub durability: DurabilityConfig,
    /// What brings the database to the version of this program.
    pub migrate: MigrateConfig,
    /// How far this host's clock and PostgreSQL's may be apart: a host that is further off delivers nothing.
    pub clock_tolerance: Span,
}

impl Default for DatabaseConfig {
    fn default() -> Self {
        Self {
            url: None,
            durability: DurabilityConfig::default(),
            migrate: MigrateConfig::default(),
            clock_tolerance: Span::seconds(2),
        }
    }
}

/// What an answer waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DurabilityConfig {
    /// The disk has it: survives a power cut.
    #[default]
    Power,
    /// The operating system has it: survives the end of the process, however sudden.
    Process,
}

/// What brings the database to the version of this program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum MigrateConfig {
    /// A host that starts, or a command that changes something.
    #[default]
    Start,
    /// `hardpoint migrate` alone; all else refuses to begin on an older one.
    Command,
}
