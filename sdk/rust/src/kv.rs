//! Small values that outlive a call, for tools. The namespace belongs to the binding and to the
//! organisation on whose behalf the tool is called.

use alloc::string::String;
use alloc::vec::Vec;

use crate::bindings::shared::hardpoint::plugin::kv as wit;
#[cfg(not(target_arch = "wasm32"))]
use crate::testing::double as host;
#[cfg(target_arch = "wasm32")]
use wit as host;
pub use wit::Error;

/// The value under `key`, where there is one.
///
/// # Errors
/// All of these: not granted, too large, or the store cannot be reached.
pub fn get(key: &str) -> Result<Option<Vec<u8>>, Error> {
    host::get(key)
}

/// Puts `value` under `key`, in place of what was there.
///
/// # Errors
/// See [`get`].
pub fn set(key: &str, value: &[u8]) -> Result<(), Error> {
    host::set(key, value)
}

/// Forgets `key`; no error where there is none.
///
/// # Errors
/// See [`get`].
pub fn remove(key: &str) -> Result<(), Error> {
    host::remove(key)
}

/// Keys that start with `prefix`, in byte order, after `after`; at most 1,000.
///
/// # Errors
/// See [`get`].
pub fn keys(prefix: &str, after: Option<&str>) -> Result<Vec<String>, Error> {
    host::keys(prefix, after)
}
