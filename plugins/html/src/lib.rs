//! HTML as what a person would read: as Markdown with its links ([`read`]), or as plain text with its headings
//! ([`plain`]). No tree is built and nothing recurses, so any page costs time in proportion to its length.
#![cfg_attr(target_arch = "wasm32", no_std)]

extern crate alloc;

mod entity;
mod label;
mod readable;
mod tokens;
mod url;

pub use label::label;
pub use readable::{Heading, Readable, plain, read};
pub use url::Url;
