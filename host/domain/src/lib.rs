//! The values that Hardpoint is about: ids, times, messages, manifests, grants, failures, events.
//! No I/O, no async, no clock, no randomness of its own: what is needed comes in as an argument.

pub mod access;
pub mod address;
pub mod bill;
pub mod budget;
pub mod catalogue;
pub mod chain;
pub mod destination;
pub mod email;
pub mod event;
pub mod failure;
pub mod feature;
pub mod grant;
pub mod id;
pub mod key;
pub mod limits;
pub mod login;
pub mod manifest;
pub mod message;
pub mod model;
pub mod money;
pub mod origin;
pub mod pattern;
pub mod payment;
pub mod period;
pub mod places;
pub mod plan;
pub mod pool;
pub mod quota;
pub mod reach;
pub mod retry;
pub mod seal;
pub mod signature;
pub mod time;
pub mod webhook;
