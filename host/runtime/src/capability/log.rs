//! `hardpoint:plugin/log`: needs no grant; redacted, and bounded by the call's budget.

use crate::bindings::log::{Host, Level};
use crate::bindings::types;
use crate::log::LogLevel;
use crate::sandbox::CallState;

impl Host for CallState {
    fn write(&mut self, level: Level, message: String) -> wasmtime::Result<()> {
        let level = match level {
            Level::Debug => LogLevel::Debug,
            Level::Info => LogLevel::Info,
            Level::Warn => LogLevel::Warn,
            Level::Error => LogLevel::Error,
        };
        self.log.write(level, &message);
        Ok(())
    }
}

/// The shared types have no functions.
impl types::Host for CallState {}
