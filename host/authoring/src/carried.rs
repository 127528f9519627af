//! The files that this crate carries, by their paths; see `build.rs`.

include!(concat!(env!("OUT_DIR"), "/carried.rs"));

/// The manifests from which that of the vendored SDK is made.
pub(crate) const SDK_MANIFEST: &str = include_str!("../../../sdk/rust/Cargo.toml");
pub(crate) const RECORDING_MANIFEST: &str = include_str!("../../../sdk/recording/Cargo.toml");
pub(crate) const WORKSPACE_MANIFEST: &str = include_str!("../../../Cargo.toml");
