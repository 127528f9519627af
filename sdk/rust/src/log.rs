//! Lines for the plugin's own log, which operators read under `/plugins/{id}/logs`.

use crate::bindings::shared::hardpoint::plugin::log as wit;
#[cfg(not(target_arch = "wasm32"))]
use crate::testing::double as host;
#[cfg(target_arch = "wasm32")]
use wit as host;
pub use wit::Level;

/// Writes a line. What is over the bound of a call is counted and dropped.
pub fn write(level: Level, message: &str) {
    host::write(level, message);
}

/// For the plugin's author.
pub fn debug(message: &str) {
    write(Level::Debug, message);
}

/// Worth knowing.
pub fn info(message: &str) {
    write(Level::Info, message);
}

/// Something is off, and the call goes on.
pub fn warn(message: &str) {
    write(Level::Warn, message);
}

/// Something failed.
pub fn error(message: &str) {
    write(Level::Error, message);
}
