//! Paying: pages of the payment provider's where organisations buy plans and credits, and what comes of its notices.
//!
//! Nothing is taken for paid because somebody came back from a page. What was paid is asked of the provider whenever
//! it sends a notice, and is booked with that notice in one transaction.

mod checkout;
mod failed;
mod notices;
mod objects;
mod provider;
mod settle;

pub use checkout::{Bought, Opened, checkout, portal};
pub use notices::{Outcome, receive};
