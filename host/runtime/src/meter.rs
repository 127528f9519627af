//! CPU and wall time of guest code. A guest runs as a future on a fiber: an epoch tick makes it yield,
//! and each time it yields this wrapper looks at how much CPU time it used and decides whether it goes on.
//!
//! Reading the thread's CPU clock is a system call, and most calls are over before the first tick. So what
//! a call does before it first yields is charged by the clock on the wall, which is never behind; only a
//! call that yields is measured by the CPU clock from then on.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use tokio::time::{Sleep, sleep};

use crate::error::Fault;

/// CPU time that one instance has used, over all calls into it.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct CpuMeter {
    /// Of all calls so far.
    pub(crate) total: Duration,
}

/// How long one call into a guest may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CallTime {
    pub(crate) cpu: Duration,
    /// What the instance may use altogether.
    pub(crate) exchange_cpu: Duration,
    pub(crate) wall: Duration,
}

/// The most that is charged for what a call did before it first yielded. Two epochs: beyond that the thread
/// was waiting for a core, or for the host's own code.
const FIRST_STRETCH: Duration = Duration::from_millis(4);

fn read(clock: ClockId) -> Duration {
    let now = clock_gettime(clock);
    Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap_or(0))
}

/// Runs `guest` until it is done or its time is over; adds what it used to `meter`.
pub(crate) async fn metered<F: Future>(
    guest: F,
    meter: &mut CpuMeter,
    time: CallTime,
) -> Result<F::Output, Fault> {
    let mut used = Duration::ZERO;
    let left = time.exchange_cpu.saturating_sub(meter.total);
    let outcome = Metered { guest: std::pin::pin!(guest), used: &mut used, left, time, wall: None }.await;
    meter.total += used;
    outcome
}

struct Metered<'a, F> {
    guest: Pin<&'a mut F>,
    used: &'a mut Duration,
    left: Duration,
    time: CallTime,
    /// Set only once the guest has yielded: most calls never do.
    wall: Option<Pin<Box<Sleep>>>,
}

impl<F: Future> Future for Metered<'_, F> {
    type Output = Result<F::Output, Fault>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        // Set when it first yields.
        let (clock, most) = match self.wall {
            None => (ClockId::Monotonic, FIRST_STRETCH),
            Some(_) => (ClockId::ThreadCPUTime, Duration::MAX),
        };
        let before = read(clock);
        let polled = self.guest.as_mut().poll(context);
        *self.used += read(clock).saturating_sub(before).min(most);
        if let Poll::Ready(output) = polled {
            return Poll::Ready(Ok(output));
        }
        if *self.used > self.time.cpu {
            return Poll::Ready(Err(Fault::Cpu(self.time.cpu)));
        }
        if *self.used > self.left {
            return Poll::Ready(Err(Fault::Cpu(self.time.exchange_cpu)));
        }
        let wall = self.time.wall;
        let clock = self.wall.get_or_insert_with(|| Box::pin(sleep(wall)));
        match clock.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Err(Fault::Wall(wall))),
            Poll::Pending => Poll::Pending,
        }
    }
}
