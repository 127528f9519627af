//! What a guest may ask of the host: one import a file, each with the test that it is denied.

pub(crate) mod documents;
mod embed;
mod http;
mod index;
mod kv;
mod log;
pub(crate) mod scratch;
