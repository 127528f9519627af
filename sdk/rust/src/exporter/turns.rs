//! Deliveries whose requests go one after the other: told of each answer as a whole.

use alloc::string::String;

use super::DeliveryEffect;
use crate::failure::{Failure, TransportFailure, TransportFailureKind};
use crate::machine::{Effects, Machine};
use crate::request::{BodyBytes, Gathered, ResponseHead};

/// An answer. Its body may have broken off, or be longer than was read: the status has said it all the same.
#[derive(Debug)]
pub struct Answer {
    /// Status and headers.
    pub head: ResponseHead,
    /// What was read of the body.
    pub body: Gathered,
}

/// A delivery with one request under way at a time; [`Turns`] makes a machine of it.
pub trait InTurn: 'static {
    /// What is read of an answer's body, in bytes.
    const MAX_ANSWER: usize;

    /// Sends the first request, if there is anything to send.
    ///
    /// # Errors
    /// If nothing can be delivered.
    fn started(&mut self, out: &mut Effects<DeliveryEffect>) -> Result<(), Failure>;

    /// What the answer to the request under way means for its events.
    fn answered(&mut self, answer: &Answer, out: &mut Effects<DeliveryEffect>);

    /// The request under way got no answer, for this reason; another attempt may.
    fn unanswered(&mut self, reason: String, out: &mut Effects<DeliveryEffect>);
}

/// The machine. What its operator did not allow parks it.
#[derive(Debug)]
pub struct Turns<D> {
    delivery: D,
    head: Option<ResponseHead>,
    body: Gathered,
}

impl<D: InTurn> Turns<D> {
    /// Of a delivery that has not started.
    pub fn new(delivery: D) -> Self {
        Self { delivery, head: None, body: Gathered::new(D::MAX_ANSWER) }
    }

    /// The answer so far, and room for the next.
    fn take(&mut self) -> Option<Answer> {
        let head = self.head.take()?;
        let body = core::mem::replace(&mut self.body, Gathered::new(D::MAX_ANSWER));
        Some(Answer { head, body })
    }
}

impl<D: InTurn> Machine for Turns<D> {
    type Effect = DeliveryEffect;

    fn started(&mut self, out: &mut Effects<DeliveryEffect>) -> Result<(), Failure> {
        self.delivery.started(out)
    }

    fn head(&mut self, head: ResponseHead, _: &mut Effects<DeliveryEffect>) -> Result<(), Failure> {
        self.head = Some(head);
        Ok(())
    }

    fn body(&mut self, body: BodyBytes, _: &mut Effects<DeliveryEffect>) -> Result<(), Failure> {
        self.body.push_some(&body.bytes);
        Ok(())
    }

    fn ended(&mut self, _: u32, out: &mut Effects<DeliveryEffect>) -> Result<(), Failure> {
        let answer = self.take().ok_or_else(|| Failure::protocol("an answer without a head"))?;
        self.delivery.answered(&answer, out);
        Ok(())
    }

    fn broken(
        &mut self,
        failure: TransportFailure,
        out: &mut Effects<DeliveryEffect>,
    ) -> Result<(), Failure> {
        match (self.take(), failure.kind) {
            (Some(answer), _) => self.delivery.answered(&answer, out),
            (None, TransportFailureKind::Denied) => out.park(failure.message),
            (None, _) => self.delivery.unanswered(failure.message, out),
        }
        Ok(())
    }
}
