//! The authors' half of the plugin platform: projects to begin with, the toolchains of three languages, and
//! building, testing and packing plugins. It runs nothing in a sandbox; that is the runtime's.
//!
//! A plugin's project is a folder with `plugin.toml`, its manifest, and the sources in one of the languages.
//! [`new()`] writes one that builds, tests and packs as it stands; [`Project`] works on any.

mod carried;
mod error;
mod new;
mod pack;
mod process;
mod project;
pub mod toolchain;

pub use error::Error;
pub use new::new;
pub use pack::{pack, pack_checked};
pub use project::{Language, Project};
