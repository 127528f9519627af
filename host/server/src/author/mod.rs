//! For plugin authors: replaying recordings in the real sandbox, making them, and trying what every plugin of
//! a kind must bear.

pub mod bench;
pub mod conformance;
pub mod recorded;
pub mod recorder;
pub mod replay;
