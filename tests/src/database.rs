//! Databases for measurements, on the PostgreSQL that `HARDPOINT_TEST_POSTGRES` names.

use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::cluster::VARIABLE;

/// The address of an empty database, of this name and the process's number.
///
/// # Errors
/// Where no PostgreSQL is named, or it makes none.
pub fn new(name: &str) -> Result<String> {
    let server = std::env::var(VARIABLE)
        .with_context(|| format!("{VARIABLE} names no PostgreSQL: `cargo xtask bench` starts one"))?;
    let name = format!("bench_{name}_{}", std::process::id());
    let made = Command::new("createdb").args(["--maintenance-db", &server, &name]).output()?;
    ensure!(made.status.success(), "createdb: {}", String::from_utf8_lossy(&made.stderr));
    let (address, options) = server.split_once('?').unwrap_or((&server, ""));
    let (address, _) = address.rsplit_once('/').context("the address names no database")?;
    Ok(format!("{address}/{name}?{options}"))
}
