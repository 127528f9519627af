//! The toolchains that make components, found or set up when first needed.
//!
//! Python's and JavaScript's are kept outside every project, in `$XDG_CACHE_HOME/hardpoint/toolchains` or
//! `~/.cache/hardpoint/toolchains`, one folder for each pinned version.

mod cache;
mod javascript;
mod python;
mod rust;

pub use javascript::JavaScript;
pub use python::Python;
pub(crate) use rust::cargo;
pub use rust::{Rust, Way};

/// How what is missing is installed for the whole machine: package names, and what they are for.
pub type Install<'a> = &'a dyn Fn(&[&str], &str) -> Result<(), String>;

/// For those who are told instead what to install.
pub fn never_install(_: &[&str], _: &str) -> Result<(), String> {
    Err("nothing is installed for the whole machine without being asked".to_owned())
}
