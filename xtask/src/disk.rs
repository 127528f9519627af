//! What is left of the disk. A full one shows itself as a compiler or a linker that dies of something else.

use std::path::Path;

use crate::places;

/// What a cold run of `cargo xtask test` fills, in bytes, as measured, and something over.
const COLD_RUN: u64 = 12 << 30;

/// Says so when the disk could be too small for what a cold run fills. It may do all the same: how much of
/// it has been built already is cargo's to know.
pub(crate) fn warn_if_small() {
    if let Some(left) = left()
        && left < COLD_RUN
    {
        eprintln!(
            "warning: {:.1} GB are left of the disk that holds `target`; a cold run fills up to {} GB \
             (CARGO_TARGET_DIR names another place, `cargo clean` empties this one)",
            gigabytes(left),
            COLD_RUN >> 30,
        );
    }
}

/// What is left where `target` is or will be, as a remark for people.
pub(crate) fn remark() -> String {
    left().map(|left| format!(" ({:.1} GB of disk are left)", gigabytes(left))).unwrap_or_default()
}

/// Bytes that an ordinary user may still write.
fn left() -> Option<u64> {
    let target = places::target();
    let existing: &Path = target.ancestors().find(|folder| folder.exists())?;
    let disk = rustix::fs::statvfs(existing).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}

#[allow(clippy::cast_precision_loss, reason = "one digit after the point is shown")]
fn gigabytes(bytes: u64) -> f64 {
    bytes as f64 / (1 << 30) as f64
}
