//! The one driver of sans-I/O resources: it tells a machine what happened, does what the machine asks
//! for, and yields what comes out. Pulled by its reader; dropping it drops sandbox and connections.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use hardpoint_domain::failure::{Failure, FailureKind};
use hardpoint_domain::grant::Permissions;
use hardpoint_domain::time::Timestamp;
use hardpoint_domain::webhook::answer;

use crate::binding::Binding;
use crate::bindings::types::{self, HttpRequest, Observation, ResponseHead};
use crate::convert;
use crate::error::Fault;
use crate::generation::Retirement;
use crate::sandbox::{CallContext, Sandbox};
use crate::secret::SecretSet;
use crate::wire::{Seen, Wire};

/// How often a machine may say `again` in a row without having anything to show for it.
const IDLE_AGAINS: u32 = 1_000;
/// How many turns a machine may take before others get theirs.
const TURNS_IN_A_ROW: u32 = 32;

/// A guest resource that is advanced by observations.
pub(crate) trait Machine: Send {
    /// What its effects yield to the reader.
    type Output: Send;

    /// One turn: what the guest wants done next, in order. The outer error ends the sandbox, the inner
    /// one is the guest's own verdict.
    fn advance(
        &mut self,
        sandbox: &mut Sandbox,
        seen: &Observation,
    ) -> impl Future<Output = Result<Turn<Self::Output>, Fault>> + Send;
}

/// What a guest answered: its wishes, or its verdict that this exchange failed.
pub(crate) type Turn<O> = Result<Vec<Step<O>>, types::Failure>;

/// One effect, whatever the kind of machine.
pub(crate) enum Step<O> {
    Send(HttpRequest),
    Wait(Duration),
    Again,
    Yield(O),
    /// The last output: nothing is read after it.
    Last(O),
}

/// One machine with its sandbox and its requests.
pub(crate) struct Exchange<M: Machine> {
    /// None once it is over.
    running: Option<Running<M>>,
    binding: Arc<Binding>,
    context: CallContext,
    /// From when on a replaced version is stopped.
    cutoff: Retirement,
}

struct Running<M: Machine> {
    sandbox: Sandbox,
    machine: M,
    wire: Wire,
    steps: VecDeque<Step<M::Output>>,
    /// Set by `again`, and at the start.
    next: Option<Observation>,
    idle_agains: u32,
    turns: u32,
    /// The last answer that refused, else the last request that got none.
    trouble: Option<Failure>,
}

impl<M: Machine> Exchange<M> {
    pub(crate) fn new(
        sandbox: Sandbox,
        machine: M,
        context: &CallContext,
        secrets: Arc<SecretSet>,
        cutoff: Retirement,
    ) -> Self {
        let binding = Arc::clone(sandbox.binding());
        let wire = Wire::new(Arc::clone(&binding), secrets, &context.organization);
        let running = Running {
            sandbox,
            machine,
            wire,
            steps: VecDeque::new(),
            next: Some(Observation::Started),
            idle_agains: 0,
            turns: 0,
            trouble: None,
        };
        Self { running: Some(running), binding, context: context.clone(), cutoff }
    }

    /// Lets its requests do this, in the place of what the binding may do.
    pub(crate) fn permit(&mut self, permissions: Permissions) {
        if let Some(running) = &mut self.running {
            running.wire.permit(permissions);
        }
    }

    /// The next output; none after the last one, and when nothing is under way any more. In the second
    /// case whoever reads decides whether that was a good end: [`end`](Self::end) or [`stop`](Self::stop).
    pub(crate) async fn next(&mut self) -> Option<Result<M::Output, Failure>> {
        let running = self.running.as_mut()?;
        match running.run(&self.binding, self.cutoff).await {
            Ok(Out::Some(output)) => Some(Ok(output)),
            Ok(Out::Last(output)) => {
                self.end();
                Some(Ok(output))
            }
            Ok(Out::Idle) => None,
            // The guest's own verdict is no fault of its.
            Err(End::Failed(failure)) => {
                self.end();
                Some(Err(self.binding.failed(failure, &self.context)))
            }
            Err(End::Stopped(fault)) => Some(Err(self.stop(fault))),
        }
    }

    /// What went wrong with its requests, whatever the guest made of it.
    pub(crate) fn trouble(&self) -> Option<Failure> {
        self.running.as_ref()?.trouble.clone()
    }

    /// Ends the exchange well: the breaker learns of it, connections go back to their pool.
    pub(crate) fn end(&mut self) {
        if let Some(running) = self.running.take() {
            let organization = &running.sandbox.state().context.organization;
            self.binding.served(organization);
            running.wire.close();
        }
    }

    /// Ends the exchange for a reason that the host found.
    pub(crate) fn stop(&mut self, fault: Fault) -> Failure {
        self.running = None;
        self.binding.blame(fault, &self.context)
    }
}

enum Out<O> {
    Some(O),
    Last(O),
    Idle,
}

enum End {
    /// The guest gave its verdict; its sandbox is sound.
    Failed(Failure),
    /// The sandbox was stopped.
    Stopped(Fault),
}

impl<M: Machine> Running<M> {
    /// Carries steps out until one of them has something for the reader.
    async fn run(&mut self, binding: &Binding, cutoff: Retirement) -> Result<Out<M::Output>, End> {
        loop {
            match self.steps.pop_front() {
                Some(Step::Send(request)) => self.wire.send(request).map_err(End::Stopped)?,
                Some(Step::Wait(pause)) => self.wire.wait(pause).map_err(End::Stopped)?,
                Some(Step::Again) => self.next = Some(Observation::Resumed),
                Some(Step::Yield(output)) => return Ok(Out::Some(output)),
                Some(Step::Last(output)) => return Ok(Out::Last(output)),
                None => match self.observe(binding, cutoff).await? {
                    Some(seen) => self.turn(seen).await?,
                    None => return Ok(Out::Idle),
                },
            }
        }
    }

    /// What the machine is told next; none when nothing is under way.
    async fn observe(&mut self, binding: &Binding, cutoff: Retirement) -> Result<Option<Seen>, End> {
        if let Some(next) = self.next.take() {
            if *binding.generation.retirement.borrow() >= cutoff {
                return Err(End::Stopped(Fault::Retired));
            }
            return Ok(Some(Seen::Observation(next)));
        }
        let mut retirement = binding.generation.retirement.subscribe();
        let seen = tokio::select! {
            biased;
            seen = self.wire.observe() => seen,
            _ = retirement.wait_for(|phase| *phase >= cutoff) => return Err(End::Stopped(Fault::Retired)),
        };
        Ok(match seen {
            Seen::Idle => None,
            seen => Some(seen),
        })
    }

    async fn turn(&mut self, seen: Seen) -> Result<(), End> {
        let (observation, transport) = match seen {
            Seen::Observation(observation) => (observation, None),
            Seen::Broken(failure) => (Observation::Broken(failure.clone()), Some(failure)),
            Seen::Idle => return Ok(()),
        };
        self.note_trouble(&observation);
        let resumed = matches!(observation, Observation::Resumed);
        let verdict = self.machine.advance(&mut self.sandbox, &observation).await.map_err(End::Stopped)?;
        let steps = verdict.map_err(|failure| End::Failed(convert::failure(failure, transport.as_ref())))?;
        self.count_idle(resumed, &steps)?;
        self.steps.extend(steps);
        self.turns += 1;
        if self.turns.is_multiple_of(TURNS_IN_A_ROW) {
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    /// An answer says more than that there was none.
    fn note_trouble(&mut self, seen: &Observation) {
        let was_answered = self.trouble.as_ref().is_some_and(|trouble| trouble.status.is_some());
        let trouble = match seen {
            Observation::Head(head) => {
                let now = self.sandbox.binding().generation.host.services.clock.now();
                refused(head.status).map(|failure| Failure { retry_after: asked(head, now), ..failure })
            }
            Observation::Broken(failure) if !was_answered => Some(convert::broken(failure)),
            _ => None,
        };
        self.trouble = trouble.or(self.trouble.take());
    }

    /// A machine that only ever says `again` is stopped long before its CPU time is over.
    fn count_idle(&mut self, resumed: bool, steps: &[Step<M::Output>]) -> Result<(), End> {
        let idle = resumed && !steps.is_empty() && steps.iter().all(|step| matches!(step, Step::Again));
        self.idle_agains = if idle { self.idle_agains + 1 } else { 0 };
        if self.idle_agains < IDLE_AGAINS {
            return Ok(());
        }
        let fault = Fault::Protocol(format!("`again` {IDLE_AGAINS} times in a row and nothing else"));
        Err(End::Stopped(fault))
    }
}

/// How long an answer asks to wait.
fn asked(head: &ResponseHead, now: Timestamp) -> Option<Duration> {
    let header = head.headers.iter().find(|header| header.name == "retry-after")?;
    answer::retry_after(std::str::from_utf8(&header.value).ok()?, now)
}

/// What a status says of a request; none of one that was taken.
fn refused(status: u16) -> Option<Failure> {
    let kind = match status {
        100..=399 => return None,
        401 | 403 | 407 => FailureKind::Authentication,
        408 | 425 | 503 | 529 => FailureKind::Overloaded,
        429 => FailureKind::RateLimited,
        400..=499 => FailureKind::InvalidRequest,
        _ => FailureKind::Upstream,
    };
    let message = format!("the destination answered with status {status}");
    Some(Failure { status: Some(status), ..Failure::new(kind, message) })
}
