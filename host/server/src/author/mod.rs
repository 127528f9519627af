//! For plugin authors: replaying recordings in the real sandbox, making them, trying what every plugin of a
//! kind must bear, and building and running a project whenever it is saved.

pub mod bench;
pub mod conformance;
pub mod dev;
pub mod recorded;
pub mod recorder;
pub mod replay;
