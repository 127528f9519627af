//! State machines: what models and exporters are made of. They are told what happened and answer with
//! what to do next; the host does all I/O.

use alloc::vec::Vec;
use core::cell::RefCell;

use crate::bindings::shared::hardpoint::plugin::types as wit;
use crate::failure::{Failure, TransportFailure};
use crate::request::{BodyBytes, ResponseHead};
pub use wit::Observation;

/// One exchange: a completion, an embedding or a delivery. Only `started` must be written; the rest says
/// what happens to requests that were sent.
pub trait Machine: 'static {
    /// What this kind of machine can ask for.
    type Effect: Effect;

    /// The first call. A model or exporter with another side sends its request here.
    ///
    /// # Errors
    /// Every method: a failure ends the exchange, and its kind decides what the host does then.
    fn started(&mut self, out: &mut Effects<Self::Effect>) -> Result<(), Failure>;

    /// The answer to `again`, and to a `wait` that is over.
    fn resumed(&mut self, out: &mut Effects<Self::Effect>) -> Result<(), Failure> {
        let _ = out;
        Ok(())
    }

    /// An answer began.
    fn head(&mut self, head: ResponseHead, out: &mut Effects<Self::Effect>) -> Result<(), Failure> {
        let _ = (head, out);
        Ok(())
    }

    /// An answer goes on, cut wherever the network cut it.
    fn body(&mut self, body: BodyBytes, out: &mut Effects<Self::Effect>) -> Result<(), Failure> {
        let _ = (body, out);
        Ok(())
    }

    /// An answer is complete.
    fn ended(&mut self, exchange: u32, out: &mut Effects<Self::Effect>) -> Result<(), Failure> {
        let _ = (exchange, out);
        Ok(())
    }

    /// A request got no answer, or no more of it. Fails the exchange unless you decide otherwise.
    fn broken(&mut self, failure: TransportFailure, out: &mut Effects<Self::Effect>) -> Result<(), Failure> {
        let _ = out;
        Err(failure.into())
    }
}

/// What to do next, in order. Each kind of machine has methods of its own here.
#[derive(Debug)]
pub struct Effects<E>(pub(crate) Vec<E>);

impl<E> Effects<E> {
    /// Appends an effect as the interface has it.
    pub fn push(&mut self, effect: E) {
        self.0.push(effect);
    }
}

/// A machine as a resource: the interface calls it by shared reference, one call at a time.
#[doc(hidden)]
pub struct Slot<M>(RefCell<State<M>>);

struct State<M> {
    machine: M,
    failure: Option<Failure>,
}

impl<M: Machine> Slot<M> {
    pub(crate) fn new(machine: M) -> Self {
        Self(RefCell::new(State { machine, failure: None }))
    }

    /// One call, as the interface has it. What a machine put out before it failed is handed over first:
    /// the interface knows either effects or a failure, and where the network cut the answer must not
    /// decide whether a client sees the last words before an error.
    pub(crate) fn advance(&self, seen: Observation) -> Result<Vec<M::Effect>, Failure> {
        let State { machine, failure } = &mut *self.0.borrow_mut();
        if let Some(failure) = failure.take() {
            return Err(failure);
        }
        let mut out = Effects(Vec::new());
        let result = match seen {
            Observation::Started => machine.started(&mut out),
            Observation::Resumed => machine.resumed(&mut out),
            Observation::Head(head) => machine.head(head, &mut out),
            Observation::Body(body) => machine.body(body, &mut out),
            Observation::Ended(exchange) => machine.ended(exchange, &mut out),
            Observation::Broken(failure) => machine.broken(failure, &mut out),
        };
        match result {
            Ok(()) => Ok(out.0),
            Err(error) if out.0.is_empty() => Err(error),
            Err(error) => {
                *failure = Some(error);
                out.push(M::Effect::again());
                Ok(out.0)
            }
        }
    }
}

/// The effects of one kind of machine.
pub trait Effect: Sized {
    /// The effect that asks to be called once more.
    fn again() -> Self;
}

macro_rules! effects {
    ($($effect:ty),*) => {
        $(impl Effect for $effect {
            fn again() -> Self {
                Self::Again
            }
        })*
    };
}

effects!(crate::model::CompletionEffect, crate::model::EmbeddingEffect, crate::exporter::DeliveryEffect);
