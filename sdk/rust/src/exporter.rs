//! Exporters: batches of events to some outside system.

use alloc::string::String;
use alloc::vec::Vec;
use core::marker::PhantomData;

use serde::de::DeserializeOwned;

use crate::bindings::exporter::exports::hardpoint::plugin::exporter as wit;
use crate::failure::Failure;
use crate::machine::{Effects, Machine, Observation, Slot};
use crate::request::Request;
use crate::settings;
pub use body::{EventBody, Members, Named};
pub use time::rfc3339;
pub use turns::{Answer, InTurn, Turns};
pub use wit::{Batch, DeliveryEffect, Event, EventVerdict, Verdict};

mod body;
mod time;
mod turns;

/// The first pause before another attempt where the other side names none, doubled with each attempt.
const FIRST_PAUSE_MS: u64 = 5_000;
const LONGEST_PAUSE_MS: u64 = 300_000;

/// How long to wait before the attempt after this one, in milliseconds, where the other side does not say:
/// 5 s, doubled with each attempt, at most 5 minutes. Attempts count from 1.
pub fn pause_ms(attempt: u32) -> u64 {
    let doublings = attempt.saturating_sub(1).min(16);
    (FIRST_PAUSE_MS << doublings).min(LONGEST_PAUSE_MS)
}

/// A plugin of kind `exporter`.
pub trait Exporter: 'static {
    /// The binding's settings together with the options of this export;
    /// [`NoSettings`](crate::NoSettings) where there are none.
    type Settings: DeserializeOwned;
    /// One attempt to deliver one batch.
    type Delivery: Machine<Effect = DeliveryEffect>;

    /// Begins a delivery. `state` is what was saved last.
    ///
    /// # Errors
    /// If nothing can be delivered with these settings.
    fn deliver(
        batch: Batch,
        settings: Self::Settings,
        state: Option<Vec<u8>>,
    ) -> Result<Self::Delivery, Failure>;
}

impl Effects<DeliveryEffect> {
    /// Sends a request.
    pub fn send(&mut self, request: Request) {
        self.push(DeliveryEffect::Send(request.into()));
    }

    /// Asks to be called again after so many milliseconds.
    pub fn wait(&mut self, milliseconds: u64) {
        self.push(DeliveryEffect::Wait(milliseconds));
    }

    /// Says what became of an event, by its position in the batch.
    pub fn verdict(&mut self, index: u32, verdict: Verdict) {
        self.push(DeliveryEffect::Verdict(EventVerdict { index, verdict }));
    }

    /// The other side has the event.
    pub fn delivered(&mut self, index: u32) {
        self.verdict(index, Verdict::Delivered);
    }

    /// The event can never be delivered.
    pub fn drop_event(&mut self, index: u32, reason: impl Into<String>) {
        self.verdict(index, Verdict::Drop(reason.into()));
    }

    /// The batch as it is was refused: offer what has no verdict again in two halves.
    pub fn split(&mut self) {
        self.push(DeliveryEffect::Split);
    }

    /// Nothing can be delivered until an operator has acted.
    pub fn park(&mut self, reason: impl Into<String>) {
        self.push(DeliveryEffect::Park(reason.into()));
    }

    /// Keeps `state` with the cursor, for the next delivery.
    pub fn save(&mut self, state: Vec<u8>) {
        self.push(DeliveryEffect::Save(state));
    }

    /// Asks to be called once more, at once.
    pub fn again(&mut self) {
        self.push(DeliveryEffect::Again);
    }
}

/// What [`export!`](crate::export) exports.
#[doc(hidden)]
pub struct Guest<E>(PhantomData<E>);

impl<E: Exporter> wit::Guest for Guest<E> {
    type Delivery = DeliverySlot<E>;
}

#[doc(hidden)]
pub struct DeliverySlot<E: Exporter>(Slot<E::Delivery>);

impl<E: Exporter> wit::GuestDelivery for DeliverySlot<E> {
    fn open(batch: Batch, settings: String, state: Option<Vec<u8>>) -> Result<wit::Delivery, Failure> {
        let machine = E::deliver(batch, settings::parse(&settings)?, state)?;
        Ok(wit::Delivery::new(Self(Slot::new(machine))))
    }

    fn advance(&self, seen: Observation) -> Result<Vec<DeliveryEffect>, Failure> {
        self.0.advance(seen)
    }
}
