//! What a guest may ask of the host: one import a file, each with the test that it is denied.

mod http;
mod kv;
mod log;
pub(crate) mod scratch;
